"""What the mock finds wrong with a request, told all at once in the API's own form.

The bounds and role lists are the contract's. Of the codes only `is_required` is documented; the others are made up in
its manner. This module must not know what is done with a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from incident_io_keys_generated import contract
from incident_io_keys_generated.models import AccountRole, TeamRole


@frozen
class Fault:
    """One thing that is wrong: a code for programs, a message for people, and the member of the request it is about."""

    code: str
    message: str
    field: str | None = None
    pointer: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The fault as a member of the envelope's `errors`."""
        members: dict[str, Any] = {"code": self.code, "message": self.message}
        named = {"field": self.field, "pointer": self.pointer}
        source = {name: value for name, value in named.items() if value is not None}
        return {**members, "source": source} if source else members


def check_page_query(query: Mapping[str, str]) -> tuple[int, str, list[Fault]]:
    """Read the query of a list: the size of the page, the cursor (empty for none), and what is wrong."""
    low, high = contract.LIST_API_KEYS_PAGE_SIZE_MINIMUM, contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM
    text = query.get("page_size", str(contract.LIST_API_KEYS_PAGE_SIZE_DEFAULT))
    page_size = int(text) if text.isascii() and text.removeprefix("-").isdecimal() and len(text) < 20 else None
    faults = []
    if page_size is None:
        faults.append(Fault("invalid_type", "page_size must be an integer", "page_size"))
    elif not low <= page_size <= high:
        faults.append(Fault("out_of_range", f"page_size must be from {low} to {high}", "page_size"))
    return page_size or 0, query.get("after", ""), faults


def check_definition(body: dict[str, Any]) -> list[Fault]:
    """Check the body of a create or an update against the contract."""
    low, high = contract.API_KEY_DEFINITION_NAME_MIN_LENGTH, contract.API_KEY_DEFINITION_NAME_MAX_LENGTH
    faults = []
    name = body.get("name")
    if "name" not in body:
        faults.append(_missing("name"))
    elif not isinstance(name, str):
        faults.append(Fault("invalid_type", "name must be a string", "name", "/name"))
    elif not low <= len(name) <= high:
        faults.append(Fault("invalid_length", f"name must have {low} to {high} characters", "name", "/name"))
    faults += _check_strings(body, "role_names", {role.value for role in AccountRole})
    faults += _check_strings(body, "team_ids", None)
    faults += _check_strings(body, "team_role_names", {role.value for role in TeamRole})
    team_ids, team_role_names = body.get("team_ids"), body.get("team_role_names")
    if isinstance(team_ids, list) and isinstance(team_role_names, list) and bool(team_ids) != bool(team_role_names):
        empty = "team_role_names" if team_ids else "team_ids"
        faults.append(Fault("is_required", "team_ids and team_role_names go together", empty, f"/{empty}"))
    return faults


def check_rotation(body: dict[str, Any]) -> list[Fault]:
    """Check the body of a rotate against the contract."""
    name = "grace_period_minutes"
    low = contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MINIMUM
    high = contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MAXIMUM
    minutes = body.get(name)
    if name not in body:
        return [_missing(name)]
    if not isinstance(minutes, int) or isinstance(minutes, bool):
        return [Fault("invalid_type", f"{name} must be an integer", name, f"/{name}")]
    if not low <= minutes <= high:
        return [Fault("out_of_range", f"{name} must be from {low} to {high}", name, f"/{name}")]
    return []


def _check_strings(body: dict[str, Any], name: str, allowed: set[str] | None) -> list[Fault]:
    values = body.get(name)
    if name not in body:
        return [_missing(name)]
    if not isinstance(values, list):
        return [Fault("invalid_type", f"{name} must be an array", name, f"/{name}")]
    faults = []
    for index, value in enumerate(values):
        if not isinstance(value, str):
            faults.append(Fault("invalid_type", f"{name} must hold strings", name, f"/{name}/{index}"))
        elif allowed is not None and value not in allowed:
            faults.append(Fault("invalid_value", f"{name} must hold only {sorted(allowed)}", name, f"/{name}/{index}"))
    return faults


def _missing(name: str) -> Fault:
    return Fault("is_required", f"{name} is required", name, f"/{name}")
