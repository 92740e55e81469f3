"""What the contract says in words only, as one more check of each answer."""

from __future__ import annotations

import re
from typing import Any, Final

import schemathesis

_MANAGER: Final = "api_keys_manage"
_ULID: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


@schemathesis.check
def refused_as_the_words_say(
    _: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """A request that fits the schemas is refused with 422 if it breaks a rule that only words tell, and only then."""
    fits = case.meta is not None and case.meta.generation.mode.is_positive
    # A key that is not there is no matter of the body.
    if not fits or case.method != case.operation.method.upper() or response.status_code == 404:
        return
    breaks = _breaks_a_rule(case)
    if (response.status_code == 422) != breaks:
        raise AssertionError(f"{response.status_code}, but the request {'breaks' if breaks else 'keeps'} the rules")


def _breaks_a_rule(case: schemathesis.Case[Any]) -> bool:
    body: Any = case.body
    if isinstance(body, dict) and "role_names" in body:
        beyond = _MANAGER in body["role_names"] or _MANAGER in body["team_role_names"]
        return beyond or bool(body["team_ids"]) != bool(body["team_role_names"])
    # The contract leaves open what an ID looks like; the mock takes what has the form of those that it makes.
    after = (case.query or {}).get("after", "")
    return bool(after) and _ULID.fullmatch(after) is None
