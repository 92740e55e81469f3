"""Wrong mocks and wrong clients: each one change to a copy of the facade, which the contract suite has to notice."""

from __future__ import annotations

from attrs import frozen


@frozen
class Mutant:
    """A change that makes the facade wrong.

    Attributes:
        what: What is wrong then.
        file: The file, below the package.
        old: What stands in it, once.
        new: What stands there instead.
        setting: The setting of the suite in which it has to be noticed.
    """

    what: str
    file: str
    old: str
    new: str
    setting: str = "in-process-sync"


API = "testing/_api.py"
RIGHTS = "testing/_rights.py"
VALIDATION = "testing/_validation.py"
ASYNC = "in-process-async"
SOCKET = "socket-sync"

MUTANTS = [
    # Pages of the mock.
    Mutant(
        "a page is dropped",
        API,
        "list(islice(found, page_size))",
        "list(islice(found, page_size if after else 0, 2 * page_size if after else page_size))",
    ),
    Mutant(
        "an item is doubled",
        "testing/_state.py",
        "ids[bisect_right(ids, cursor) :]",
        "ids[bisect_right(ids, cursor) - bool(cursor) :]",
    ),
    Mutant(
        "an item is left out",
        "testing/_state.py",
        "ids[bisect_right(ids, cursor) :]",
        "ids[bisect_right(ids, cursor) + bool(cursor) :]",
    ),
    Mutant(
        "a cursor is off by one",
        API,
        '["after"] = page[-1]["id"]',
        '["after"] = page[-2 if len(page) > 1 else -1]["id"]',
    ),
    Mutant("the last page has a cursor", API, "if full and (", "if page and (full or "),
    Mutant("a full page has no cursor", API, "next(found, None) is not None)", "False)"),
    Mutant(
        "keys come in another order",
        API,
        "for key in self._state.after(after) if",
        "for key in reversed([*self._state.after(after)]) if",
    ),
    Mutant("a new key is listed at once, whatever was wanted", API, "if not self.settings.list_delay:", "if True:"),
    Mutant(
        "a page is larger than asked for",
        API,
        "full = len(page) == page_size",
        "page += islice(found, 1)\n        full = len(page) >= page_size",
    ),
    Mutant("any page size is taken", VALIDATION, "elif not low <= page_size <= high:", "elif not low <= page_size:"),
    # Keys of the mock.
    Mutant(
        "an update merges",
        API,
        "{**key, **msgspec.to_builtins(_defined(definition)),",
        "{**key, **{n: v for n, v in msgspec.to_builtins(_defined(definition)).items() if v},",
    ),
    Mutant("an update is answered and forgotten", API, "self._state.commit(updated)", "pass"),
    Mutant(
        "an update says that a token was issued",
        API,
        '"comments": definition.get("comments")}',
        '"comments": definition.get("comments"), "token_last_issued_at": _written(self._clock.now())}',
    ),
    Mutant(
        "an update without comments keeps them", API, 'del updated["comments"]', 'updated["comments"] = key["name"]'
    ),
    Mutant(
        "a request does not set last_used_at",
        API,
        "self._state.use(self._authenticate",
        "(lambda key, _: key)(self._authenticate",
    ),
    Mutant("extra_roles are ignored", VALIDATION, '"role_names", {*extra_roles, *(', '"role_names", {*('),
    Mutant("a deleted key is still there", API, 'self._state.delete(key["id"])', "pass"),
    Mutant(
        "a name of full length is refused",
        VALIDATION,
        "elif not low <= len(name) <= high:",
        "elif not low <= len(name) < high:",
    ),
    Mutant(
        "a key is its own creator",
        API,
        "            creator=creator,\n",
        '            creator=Creator(api_key=CreatorAPIKey(id="x", name="x")),\n',
    ),
    Mutant("there is no end of keys", API, ">= contract.LIMIT_ACTIVE_KEYS", "> 2 * contract.LIMIT_ACTIVE_KEYS"),
    Mutant("the last key is one too many", API, ">= contract.LIMIT_ACTIVE_KEYS", ">= contract.LIMIT_ACTIVE_KEYS - 1"),
    Mutant(
        "roles are told in another order",
        API,
        '(_role(name) for name in definition["role_names"])',
        '(_role(name) for name in sorted(definition["role_names"]))',
    ),
    # Tokens of the mock.
    Mutant(
        "a rotation keeps the token",
        API,
        '"api_key": rotated, "token": issue.token',
        '"api_key": rotated, "token": self._state.issues_of(key["id"])[0].token',
    ),
    Mutant("a rotation issues a token that does not work", API, "[*kept, issue], ended", "kept, []"),
    Mutant("the old token lives for ever", API, "kept.append(ending(issue, grace_ends))", "kept.append(issue)"),
    Mutant("grace is ignored", API, "if issue.current and grace_ends > now:", "if False:"),
    Mutant("grace is in seconds", API, 'timedelta(minutes=body["grace', 'timedelta(seconds=body["grace'),
    Mutant(
        "a second rotation renews the first grace",
        API,
        "if issue.current and grace_ends > now:",
        "if grace_ends > now:",
    ),
    Mutant(
        "a token works at the instant of its end",
        API,
        "self._clock.now() >= issue.ends",
        "self._clock.now() > issue.ends",
    ),
    Mutant("a rotation is not dated", API, '{**key, "token_last_issued_at": _written(now)}', "dict(key)"),
    Mutant(
        "an unknown token is forbidden instead of unknown",
        API,
        'raise refuse(401, Flaw("invalid_',
        'raise refuse(403, Flaw("invalid_',
    ),
    # Rights in the mock.
    Mutant(
        "the scope rule is inverted",
        RIGHTS,
        "if not scopes_of(role) <= self.account:",
        "if scopes_of(role) <= self.account:",
    ),
    Mutant("team roles are not looked at", RIGHTS, "if not needed:", "if True:"),
    Mutant(
        "a team's scopes are good for all teams", RIGHTS, "foreign if needed <= self.team", "[] if needed <= self.team"
    ),
    Mutant(
        "everybody sees everything",
        RIGHTS,
        "return MANAGER in self.account or not self.teams",
        "return True or not self.teams",
    ),
    Mutant("a team's manager sees the others' keys", RIGHTS, "not self.teams.isdisjoint", "self.teams.isdisjoint"),
    Mutant("a team's manager makes keys of the account", RIGHTS, "if not team_ids:", "if False:"),
    Mutant(
        "a team's manager makes keys of other teams",
        RIGHTS,
        "if team not in self.teams\n        ]",
        "if False\n        ]",
    ),
    Mutant("everybody manages", RIGHTS, "return MANAGER in self.account or MANAGER in self.team", "return True"),
    Mutant("the managing role can be given", VALIDATION, "if role == MANAGER", "if False"),
    Mutant("a key can update itself", API, 'if key["id"] == caller["id"]:', "if False:"),
    Mutant(
        "rotating needs no scopes",
        API,
        "if missing:\n            raise refuse(403, *(",
        "if False:\n            raise refuse(403, *(",
    ),
    Mutant("an including role is not one", RIGHTS, ".union(*map(scopes_of, INCLUDES.get(role, ())))", ".union()"),
    # Answers of the mock.
    Mutant(
        "an enum is not checked",
        VALIDATION,
        '"role_names", {*extra_roles, *(role.value for role in AccountRole)}',
        '"role_names", None',
    ),
    Mutant("422 is turned into 400", API, "if flaws:\n        raise refuse(422", "if flaws:\n        raise refuse(400"),
    Mutant(
        "only the first flaw is told",
        API,
        "raise refuse(422, *flaws)\n    return body",
        "raise refuse(422, flaws[0])\n    return body",
    ),
    Mutant("the team pair is not checked", VALIDATION, "bool(team_ids) != bool(team_role_names)", "False"),
    Mutant(
        "an answer has a property that nobody documented",
        API,
        '"name": definition["name"],',
        '"name": definition["name"], "colour": "red",',
    ),
    Mutant(
        "an instant is no date-time", API, "return instant.isoformat()", 'return instant.strftime("%d.%m.%Y %H:%M:%S")'
    ),
    Mutant("a rate limit never refuses", "testing/_limits.py", "if not granted:", "if False:"),
    # What a mock is told.
    Mutant("a fault hits any operation", "testing/_script.py", "line.operation in (None, name)", "True"),
    Mutant("a fault never ends", "testing/_script.py", "line.left -= 1", "line.left -= 0"),
    Mutant("the clock does not move", "testing/_clock.py", "self._moved += by", "pass"),
    Mutant(
        "a status that was asked for takes effect all the same",
        "testing/faults.py",
        "        if self.body is not None:\n            return httpx",
        "        _exchange.answer()\n        if self.body is not None:\n            return httpx",
    ),
    Mutant(
        "a body that breaks off is whole",
        "testing/_delivery.py",
        'if delivery.how in ("short_body", "drip"):',
        "if False:",
    ),
    Mutant("a connection that breaks does not", "testing/_delivery.py", 'if delivery.how == "reset":', "if False:"),
    # The mock on a socket.
    Mutant("the query is lost", "testing/_server.py", ".join(self.path)", '.join(self.path.partition("?")[0])', SOCKET),
    Mutant("the body is lost", "testing/_server.py", "content=self._body())", "content=self._body()[:0])", SOCKET),
    Mutant(
        "every answer is a success",
        "testing/_server.py",
        "self.send_response(response.status_code)",
        "self.send_response(200)",
        SOCKET,
    ),
    Mutant(
        "a reset is an answer",
        "testing/_server.py",
        'if delivery.how == "whole":',
        'if delivery.how in ("whole", "reset"):',
        SOCKET,
    ),
    # Clients.
    Mutant(
        "a create is retried",
        "_operations.py",
        'name="create", effect=Effect.NON_IDEMPOTENT',
        'name="create", effect=Effect.IDEMPOTENT',
    ),
    Mutant(
        "a rotation is retried",
        "_operations.py",
        'name="rotate", effect=Effect.NON_IDEMPOTENT',
        'name="rotate", effect=Effect.IDEMPOTENT',
    ),
    Mutant(
        "reading is not retried",
        "_operations.py",
        'name="show", effect=Effect.SAFE',
        'name="show", effect=Effect.NON_IDEMPOTENT',
    ),
    Mutant("a delete that took effect fails", "_operations.py", "missing_ok=True", "missing_ok=False"),
    Mutant(
        "nothing is checked before a create is sent",
        "_operations.py",
        'raise_if_invalid("create was not sent", problems)',
        "pass",
    ),
    Mutant(
        "a grace period out of bounds is sent",
        "_validation.py",
        "GRACE_PERIOD_MINUTES_MAXIMUM,",
        "GRACE_PERIOD_MINUTES_MAXIMUM + 1,",
    ),
    Mutant("a page size out of bounds is sent", "_operations.py", "PAGE_SIZE_MAXIMUM,", "PAGE_SIZE_MAXIMUM + 1,"),
    Mutant(
        "an update loses the team roles",
        "_operations.py",
        'parse_roles("team_role_names", roles, TeamRole, problems)',
        "()",
    ),
    Mutant("edit loses the comments", "_operations.py", "comments=key.comments,", "comments=None,"),
    Mutant("edit loses the teams", "_operations.py", "team_ids=key.team_ids,", "team_ids=(),"),
    Mutant(
        "a role that this version does not know is lost",
        "roles.py",
        "return cast(RoleT, name) if name else None",
        "return None",
    ),
    Mutant(
        "a drifted response costs the token",
        "_token_recovery.py",
        "return tokens.pop() if len(tokens) == 1 else None",
        "return None",
    ),
    Mutant(
        "a write that timed out is said not to have taken effect",
        "_operations.py",
        "response.is_client_error and response.status_code != 408",
        "response.is_client_error",
    ),
    Mutant("a cursor that comes back is followed", "pagination.py", "if self.after in self._seen:", "if False:"),
    Mutant(
        "the client drops the last page",
        "pagination.py",
        "page = tracker.page(ahead.result() if ahead else self._fetch(tracker.after))\n",
        "page = tracker.page(ahead.result() if ahead else self._fetch(tracker.after))\n"
        "                if page.after is None:\n                    return\n",
    ),
    Mutant(
        "a rate limit is final",
        "_retry.py",
        "if isinstance(error, RateLimitError):\n        return True",
        "if isinstance(error, RateLimitError):\n        return False",
    ),
    Mutant(
        "there is one attempt too few",
        "_retry.py",
        "self.attempt >= self.attempts",
        "self.attempt >= self.attempts - 1",
    ),
    Mutant(
        "the async client forgets the grace period",
        "async_client.py",
        "rotate_key(id, grace_period_minutes=grace_period_minutes)",
        "rotate_key(id, grace_period_minutes=30)",
        ASYNC,
    ),
    Mutant(
        "the async client lists from the start",
        "async_client.py",
        "self._request(page(after=cursor)), after, ahead",
        "self._request(page(after=cursor)), None, ahead",
        ASYNC,
    ),
    Mutant(
        "the async client drops a key",
        "pagination.py",
        "                for key in page.keys:\n",
        "                for key in page.keys[1:]:\n",
        ASYNC,
    ),
]
