"""The roles: names as people write them, read strictly, and the rule that pairs teams with team roles.

The enums are the generated ones, and no role is spelled here. This module must not know what roles are sent for.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final, TypeVar

from incident_io_keys_generated.models import AccountRole, Role, TeamRole

from ._arguments import check_list, kind_of, shown, text_of
from .errors import Problem

RoleT = TypeVar("RoleT", AccountRole, TeamRole)

# How a person calls the members of each enum, and the argument that takes them.
_NOUN: Final = {AccountRole: "an account role", TeamRole: "a team role"}
_ARGUMENT: Final = {AccountRole: "role_names", TeamRole: "team_role_names"}


def parse_roles(field: str, values: object, kind: type[RoleT], problems: list[Problem]) -> list[RoleT]:
    """Read a list of roles.

    Args:
        field: The argument's name, for the problems.
        values: Members of `kind`, or their names.
        kind: `AccountRole` or `TeamRole`.
        problems: Where everything that is wrong is added.

    Returns:
        The members that could be read: all of them, if no problem was added.
    """
    roles: list[RoleT] = []
    for index, value in enumerate(check_list(field, values, problems) or ()):
        role = _parse_role(f"{field}[{index}]", value, kind)
        if isinstance(role, Problem):
            problems.append(role)
        else:
            roles.append(role)
    return roles


def _parse_role(field: str, value: object, kind: type[RoleT]) -> RoleT | Problem:
    other = TeamRole if kind is AccountRole else AccountRole
    noun, other_noun, belongs = _NOUN[kind], _NOUN[other], f"it belongs to {_ARGUMENT[other]}"
    if not isinstance(value, str):
        advice = "write role.name for each role of a key" if isinstance(value, Role) else None
        return Problem(field, f"takes {noun} or its name, not {kind_of(value)}", advice)
    known, others = ([role.value for role in roles] for roles in (kind, other))
    # The lists overlap. A plain name is taken for what stands here; a member says which list its writer had in mind.
    if isinstance(value, other):
        advice = f"; for the role of that name here, write {kind.__name__}.{value.name}" if value in known else ""
        return Problem(field, f"{other.__name__}.{value.name} is {other_noun}, not {noun}", belongs + advice)
    if value in known:
        return kind(text_of(value))
    if value in others:
        return Problem(field, f"{shown(value)} is {other_noun}, not {noun}", belongs)
    written = value.strip().lower().replace(" ", "_").replace("-", "_")
    if close := get_close_matches(written, known, n=1):
        advice = f"did you mean {close[0]!r}?"
    elif close := get_close_matches(written, others, n=1):
        advice = f"did you mean {close[0]!r}? That is {other_noun}, and {belongs}"
    else:
        advice = f"there are {', '.join(known)}"
    return Problem(field, f"{shown(value)} is not {noun}", advice)


def check_team_pair(team_ids: Sequence[object], team_role_names: Sequence[object], problems: list[Problem]) -> None:
    """Check that teams and team roles are given both or neither, which the contract's schema cannot say.

    Args:
        team_ids: The IDs that were given.
        team_role_names: The roles that were given.
        problems: Where a problem is added, if there is one.
    """
    if team_ids and not team_role_names:
        problems.append(Problem("team_role_names", "is empty, but team_ids is not", "give both or neither"))
    if team_role_names and not team_ids:
        problems.append(Problem("team_ids", "is empty, but team_role_names is not", "give both or neither"))
