"""The API's own rules: what it answers to a request, given what it remembers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, Final, TypedDict
from urllib.parse import unquote

import httpx
import msgspec

from incident_io_keys_generated import contract
from incident_io_keys_generated.models import APIKey, Creator, CreatorAPIKey, Role

from ._clock import MockClock
from ._limits import Bucket
from ._refusals import Flaw, Refusal, refuse
from ._rights import MANAGER, Rights
from ._settings import MockSettings
from ._state import Issue, Key, State, ending
from ._validation import check_assignable, check_definition, check_page_query, check_rotation

LARGEST_BODY: Final = 1 << 20

# Method and path of each operation, by the name that people have for it. One that the contract gains is not there.
_OPERATIONS: Final = {
    name: (method, re.compile(re.sub(r"\{[^}]+\}", "([^/]+)", template)))
    for name, (method, template) in {
        "list": contract.OPERATION_LIST_API_KEYS,
        "create": contract.OPERATION_CREATE_API_KEY,
        "show": contract.OPERATION_SHOW_API_KEY,
        "update": contract.OPERATION_UPDATE_API_KEY,
        "delete": contract.OPERATION_DELETE_API_KEY,
        "rotate": contract.OPERATION_ROTATE_API_KEY,
    }.items()
}
NAMES: Final = tuple(_OPERATIONS)


def operation_of(request: httpx.Request) -> tuple[str | None, str | None, list[str]]:
    """Which operation a request is for, and of which key.

    Returns:
        The operation's name (None if there is none), the ID of the key that the path names (None if it names none), and
        the methods that the path takes.
    """
    # The path as it was sent: an escaped slash ends no segment.
    path = request.url.raw_path.partition(b"?")[0].decode("ascii")
    found = [
        (name, method, match) for name, (method, pattern) in _OPERATIONS.items() if (match := pattern.fullmatch(path))
    ]
    allowed = [method for _, method, _ in found]
    for name, method, match in found:
        if method == request.method:
            return name, unquote(match[1]) if match.groups() else None, allowed
    return None, None, allowed


class API:
    """The API keys resource of one organisation. It is used by one thread at a time.

    Attributes:
        settings: How it behaves where there is a choice.
    """

    def __init__(self, state: State, clock: MockClock, settings: MockSettings) -> None:
        self._state = state
        self._clock = clock
        self.settings = settings
        self._buckets: dict[str, Bucket] = {}  # by ID of a key

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        headers: dict[str, str] = {}
        try:
            response = self._answer(request, headers)
        except Refusal as refusal:
            response = refusal.response()
        response.headers.update(headers)
        return response

    def _answer(self, request: httpx.Request, headers: dict[str, str]) -> httpx.Response:
        operation, key_id, allowed = operation_of(request)
        if not allowed:
            raise refuse(404, Flaw("not_found", "There is nothing at this path"))
        if operation is None:
            methods = ", ".join(allowed)
            headers["Allow"] = methods
            raise refuse(405, Flaw("method_not_allowed", f"This path takes {methods}"))
        caller = self._state.use(self._authenticate(request), _written(self._clock.now()))
        headers.update(self._count(caller))
        rights = self._rights_of(caller)
        if not rights.manages():
            raise refuse(403, Flaw("missing_role", f"Your API key needs the role {MANAGER}"))
        if not _takes_json(request.headers.get("Accept", "")):
            raise refuse(406, Flaw("not_acceptable", "The answer is JSON, which the header Accept leaves out"))
        if len(request.content) > LARGEST_BODY:
            raise refuse(413, Flaw("payload_too_large", f"A body has at most {LARGEST_BODY:,} bytes"))
        if key_id is None:
            return _OF_ALL[operation](self, request, caller, rights)
        key = self._state.keys.get(key_id)
        if key is None or not rights.sees(key):
            raise refuse(404, Flaw("not_found", "There is no such API key"))
        return _OF_ONE[operation](self, request, caller, rights, key)

    def _authenticate(self, request: httpx.Request) -> Key:
        """Find the key that calls."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise refuse(401, Flaw("missing_authorization_material", "No authorization material provided in request"))
        issue = self._state.issue(token)
        if issue is None or self._clock.now() >= issue.ends:
            raise refuse(401, Flaw("invalid_authorization_material", "The authorization material is not valid"))
        return self._state.keys[issue.key_id]

    def _rights_of(self, caller: Key) -> Rights:
        rights = Rights.of(caller)
        if caller["id"] == self._state.fact("manager"):
            # The manager key has every role. The setting is read for each request, since it can change.
            return rights.with_roles(self.settings.extra_roles)
        return rights

    def _count(self, caller: Key) -> Mapping[str, str]:
        """Take a request out of the caller's bucket."""
        size, now = self.settings.rate_limit, self._clock.now()
        if size is None:
            return {}
        bucket = self._buckets.get(caller["id"])
        if bucket is None or bucket.size != size:
            bucket = self._buckets[caller["id"]] = Bucket.full(size, now)
        return bucket.take(now, self.settings.retry_after)

    def _list(self, request: httpx.Request, _caller: Key, rights: Rights) -> httpx.Response:
        page_size, after, flaws = check_page_query(request.url.params)
        if flaws:
            raise refuse(422, *flaws)
        now = self._clock.now()
        found = (key for key in self._state.after(after) if rights.sees(key) and now >= self._listed_from(key))
        page = list(islice(found, page_size))
        full = len(page) == page_size
        meta: dict[str, Any] = {"page_size": page_size}
        if full and (self.settings.cursor_on_full_last_page or next(found, None) is not None):
            meta["after"] = page[-1]["id"]
        return httpx.Response(200, json={"api_keys": page, "pagination_meta": meta})

    def _listed_from(self, key: Key) -> datetime:
        # Of nearly all keys nothing needs to be read.
        if not self.settings.list_delay:
            return _EVER
        return datetime.fromisoformat(key["created_at"]) + self.settings.list_delay

    def _create(self, request: httpx.Request, caller: Key, rights: Rights) -> httpx.Response:
        definition = self._read_definition(request, rights)
        creator = Creator(api_key=CreatorAPIKey(id=caller["id"], name=caller["name"]))
        key, issue = self.add(definition, creator)
        return httpx.Response(201, json={"api_key": key, "token": issue.token})

    def _show(self, _request: httpx.Request, _caller: Key, _rights: Rights, key: Key) -> httpx.Response:
        return httpx.Response(200, json={"api_key": key})

    def _update(self, request: httpx.Request, caller: Key, rights: Rights, key: Key) -> httpx.Response:
        if key["id"] == caller["id"]:
            raise refuse(403, Flaw("cannot_update_self", "A key cannot update itself"))
        definition = self._read_definition(request, rights)
        updated = {**key, **msgspec.to_builtins(_defined(definition)), "comments": definition.get("comments")}
        if updated["comments"] is None:
            del updated["comments"]  # an update deletes what it omits
        self._state.commit(updated)
        return httpx.Response(200, json={"api_key": updated})

    def _delete(self, _request: httpx.Request, _caller: Key, _rights: Rights, key: Key) -> httpx.Response:
        self._state.delete(key["id"])
        self._buckets.pop(key["id"], None)
        return httpx.Response(204)

    def _rotate(self, request: httpx.Request, _caller: Key, rights: Rights, key: Key) -> httpx.Response:
        body = _read_body(request, check_rotation)
        roles, team_roles = ([role["name"] for role in key[name]] for name in ("roles", "team_roles"))
        missing = rights.missing_for(roles, key["team_ids"], team_roles)
        if missing:
            raise refuse(403, *(Flaw(flaw.code, flaw.message) for flaw in missing))
        now = self._clock.now()
        grace_ends = now + timedelta(minutes=body["grace_period_minutes"])
        kept, ended = [], []
        for issue in self._state.issues_of(key["id"]):
            if issue.current and grace_ends > now:
                kept.append(ending(issue, grace_ends))
            elif issue.current or issue.ends <= now or self.settings.second_rotation == "ends":
                ended.append(issue)
        rotated = {**key, "token_last_issued_at": _written(now)}
        issue = self._state.new_issue(key["id"])
        facts = {"token": issue.token} if key["id"] == self._state.fact("manager") else {}
        self._state.commit(rotated, [*kept, issue], ended, facts)
        return httpx.Response(201, json={"api_key": rotated, "token": issue.token})

    def _read_definition(self, request: httpx.Request, rights: Rights) -> dict[str, Any]:
        """Return the definition that a request gives a key, if the caller may give it."""
        definition = _read_body(
            request, partial(check_definition, extra_roles=self.settings.extra_roles), check_assignable
        )
        missing = rights.missing_for(definition["role_names"], definition["team_ids"], definition["team_role_names"])
        missing += rights.outside(definition["team_ids"])
        if missing:
            raise refuse(403, *missing)
        return definition

    def add(
        self,
        definition: Mapping[str, Any],
        creator: Creator,
        *,
        age: timedelta = timedelta(),
        unused_for: timedelta | None = None,
        manager: bool = False,
    ) -> tuple[Key, Issue]:
        """Add a key, whatever it may do.

        Args:
            definition: A definition that fits the contract.
            creator: Who creates it.
            age: How long ago it was created, by what it says of itself.
            unused_for: How long ago it was last used; None for never.
            manager: Whether it is the one that is there from the start.

        Raises:
            Refusal: There are as many as there can be.
        """
        if len(self._state.keys) >= contract.LIMIT_ACTIVE_KEYS:
            raise refuse(
                409,
                Flaw(
                    "too_many_api_keys", f"An organisation has at most {contract.LIMIT_ACTIVE_KEYS:,} active API keys"
                ),
            )
        now = self._clock.now()
        # Made of the model, so that a property which the contract demands, and this does not give, is a type error.
        made = APIKey(
            id=self._state.new_id(now),
            creator=creator,
            created_at=now - age,
            token_last_issued_at=now - age,
            last_used_at=None if unused_for is None else now - unused_for,
            comments=definition.get("comments"),
            **_defined(definition),
        )
        key = made.to_dict()
        issue = self._state.new_issue(key["id"])
        self._state.commit(key, [issue], facts={"manager": key["id"], "token": issue.token} if manager else {})
        return key, issue


# What a handler gets: the request, the key that calls and its rights, and the key that the path names, if it names one.
_OF_ALL: Final[Mapping[str, Callable[[API, httpx.Request, Key, Rights], httpx.Response]]] = {
    "list": API._list,
    "create": API._create,
}
_OF_ONE: Final[Mapping[str, Callable[[API, httpx.Request, Key, Rights, Key], httpx.Response]]] = {
    "show": API._show,
    "update": API._update,
    "delete": API._delete,
    "rotate": API._rotate,
}

_EVER: Final = datetime.min.replace(tzinfo=UTC)


def _read_body(request: httpx.Request, *checks: Callable[[dict[str, Any]], list[Flaw]]) -> dict[str, Any]:
    """The body of a request, decoded and checked."""
    try:
        # Stricter than the standard library: what it lets pass (NaN, half a surrogate pair) could not be sent back.
        body = msgspec.json.decode(request.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise refuse(400, Flaw("invalid_json", "The body is not JSON")) from None
    if not isinstance(body, dict):
        raise refuse(422, Flaw("invalid_type", "The body must be an object", field="", pointer=""))
    flaws = [flaw for check in checks for flaw in check(body)]
    if flaws:
        raise refuse(422, *flaws)
    return body


class _Defined(TypedDict):
    name: str
    roles: tuple[Role, ...]
    team_ids: tuple[str, ...]
    team_roles: tuple[Role, ...]


def _defined(definition: Mapping[str, Any]) -> _Defined:
    """What a definition says, in the form in which a key says it."""
    return {
        "name": definition["name"],
        "roles": tuple(_role(name) for name in definition["role_names"]),
        "team_ids": tuple(definition["team_ids"]),
        "team_roles": tuple(_role(name) for name in definition["team_role_names"]),
    }


def _role(name: str) -> Role:
    words = contract.ACCOUNT_ROLE_DESCRIPTIONS.get(name) or contract.TEAM_ROLE_DESCRIPTIONS.get(name)
    return Role(name=str(name), description=f"Can {words or name.replace('_', ' ')}")


def _written(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def _takes_json(accept: str) -> bool:
    return not accept or any(kind in accept.lower() for kind in ("application/json", "application/*", "*/*"))
