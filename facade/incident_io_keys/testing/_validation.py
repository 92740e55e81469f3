"""What the mock finds wrong with a request, told all at once in the API's own form.

The bounds and role lists are the contract's. Of the codes only `is_required` is documented; the others are made up in
its manner.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from incident_io_keys_generated import contract
from incident_io_keys_generated.models import AccountRole, TeamRole

from ._refusals import Flaw
from ._rights import MANAGER
from ._state import is_id


def check_page_query(query: Mapping[str, str]) -> tuple[int, str, list[Flaw]]:
    """Read the query of a list: the size of the page, the cursor (empty for none), and what is wrong."""
    low, high = contract.LIST_API_KEYS_PAGE_SIZE_MINIMUM, contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM
    text = query.get("page_size", str(contract.LIST_API_KEYS_PAGE_SIZE_DEFAULT))
    page_size = int(text) if text.isascii() and text.removeprefix("-").isdecimal() and len(text) < 20 else None
    flaws = []
    if page_size is None:
        flaws.append(Flaw("invalid_type", "page_size must be an integer", "page_size"))
    elif not low <= page_size <= high:
        flaws.append(Flaw("out_of_range", f"page_size must be from {low} to {high}", "page_size"))
    after = query.get("after", "")
    # That of a key which is gone will do. What never was an ID would only find its place by accident.
    if after and not is_id(after):
        flaws.append(Flaw("invalid_value", "after must be the ID of a key", "after"))
    return page_size or 0, after, flaws


def check_definition(body: dict[str, Any], extra_roles: Iterable[str]) -> list[Flaw]:
    """Check the body of a create or an update against the contract, to which further roles are added."""
    low, high = contract.API_KEY_DEFINITION_NAME_MIN_LENGTH, contract.API_KEY_DEFINITION_NAME_MAX_LENGTH
    flaws = []
    name = body.get("name")
    if "name" not in body:
        flaws.append(_missing("name"))
    elif not isinstance(name, str):
        flaws.append(Flaw("invalid_type", "name must be a string", "name", "/name"))
    elif not low <= len(name) <= high:
        flaws.append(Flaw("invalid_length", f"name must have {low} to {high} characters", "name", "/name"))
    flaws += _check_strings(body, "role_names", {*extra_roles, *(role.value for role in AccountRole)})
    flaws += _check_strings(body, "team_ids", None)
    flaws += _check_strings(body, "team_role_names", {*extra_roles, *(role.value for role in TeamRole)})
    flaws += _check_comments(body)
    team_ids, team_role_names = body.get("team_ids"), body.get("team_role_names")
    if isinstance(team_ids, list) and isinstance(team_role_names, list) and bool(team_ids) != bool(team_role_names):
        empty = "team_role_names" if team_ids else "team_ids"
        flaws.append(Flaw("is_required", "team_ids and team_role_names go together", empty, f"/{empty}"))
    return flaws


def _check_comments(body: dict[str, Any]) -> list[Flaw]:
    most, pattern = contract.API_KEY_DEFINITION_COMMENTS_MAX_LENGTH, contract.API_KEY_DEFINITION_COMMENTS_PATTERN
    comments = body.get("comments")
    if "comments" not in body:
        return []
    if not isinstance(comments, str):
        return [Flaw("invalid_type", "comments must be a string", "comments")]
    if len(comments) > most:
        return [Flaw("invalid_length", f"comments must have at most {most} characters", "comments")]
    if not re.search(pattern, comments):
        return [Flaw("invalid_value", f"comments must match {pattern!r}", "comments")]
    return []


def check_assignable(body: dict[str, Any]) -> list[Flaw]:
    """Check that no role is given that only the dashboard gives, whoever calls."""
    return [
        Flaw("not_assignable", f"{MANAGER} can be given in the dashboard only", name, f"/{name}/{index}")
        for name in ("role_names", "team_role_names")
        if isinstance(body.get(name), list)
        for index, role in enumerate(body[name])
        if role == MANAGER
    ]


def check_rotation(body: dict[str, Any]) -> list[Flaw]:
    """Check the body of a rotate against the contract."""
    name = "grace_period_minutes"
    low = contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MINIMUM
    high = contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MAXIMUM
    minutes = body.get(name)
    if name not in body:
        return [_missing(name)]
    if not isinstance(minutes, int) or isinstance(minutes, bool):
        return [Flaw("invalid_type", f"{name} must be an integer", name, f"/{name}")]
    if not low <= minutes <= high:
        return [Flaw("out_of_range", f"{name} must be from {low} to {high}", name, f"/{name}")]
    return []


def _check_strings(body: dict[str, Any], name: str, allowed: set[str] | None) -> list[Flaw]:
    values = body.get(name)
    if name not in body:
        return [_missing(name)]
    if not isinstance(values, list):
        return [Flaw("invalid_type", f"{name} must be an array", name, f"/{name}")]
    flaws = []
    for index, value in enumerate(values):
        if not isinstance(value, str):
            flaws.append(Flaw("invalid_type", f"{name} must hold strings", name, f"/{name}/{index}"))
        elif allowed is not None and value not in allowed:
            flaws.append(Flaw("invalid_value", f"{name} has no value {value!r}", name, f"/{name}/{index}"))
    return flaws


def _missing(name: str) -> Flaw:
    return Flaw("is_required", f"{name} is required", name, f"/{name}")
