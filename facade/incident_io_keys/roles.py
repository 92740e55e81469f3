"""Parses roles, and suggests one for a misspelled name. The enums are generated; no role is written here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final, TypeVar, cast

from incident_io_keys_generated.models import AccountRole, Role, TeamRole

from ._redaction import plain_str
from ._validation import check_list, check_text, quote, type_name
from .errors import Problem

RoleT = TypeVar("RoleT", AccountRole, TeamRole)

# The display name and the argument of each enum.
_NOUN: Final = {AccountRole: "an account role", TeamRole: "a team role"}
_ARGUMENT: Final = {AccountRole: "role_names", TeamRole: "team_role_names"}

# The names of all roles that this version knows, in the account or in teams.
KNOWN_ROLES: Final = frozenset(role.value for role in (*AccountRole, *TeamRole))

_MOST_SUGGESTIONS: Final = 3

_NEWER: Final = 'if the API has a role of that name, upgrade incident-io-keys or pass Role(name=..., description="")'


def parse_roles(field: str, values: object, kind: type[RoleT], problems: list[Problem]) -> list[RoleT]:
    """Parse a list of members of `kind`, their names or `Role` objects. Return those that have no problem.

    A `Role` can be one that this version does not know. It is returned as a plain string.
    """
    roles: list[RoleT] = []
    for index, value in enumerate(check_list(field, values, problems) or ()):
        role = _parse_role(f"{field}[{index}]", value, kind, problems)
        if role is not None:
            roles.append(role)
    return roles


def _parse_role(field: str, value: object, kind: type[RoleT], problems: list[Problem]) -> RoleT | None:
    if isinstance(value, Role):
        # A name that this version does not know is sent unchecked, since the API may know it.
        name = check_text(f"{field}.name", value.name, problems, low=1)
        if name not in KNOWN_ROLES:
            return cast(RoleT, name) if name else None
        value = name
    role = _known_role(field, value, kind)
    if isinstance(role, Problem):
        problems.append(role)
        return None
    return role


def _known_role(field: str, value: object, kind: type[RoleT]) -> RoleT | Problem:
    other = TeamRole if kind is AccountRole else AccountRole
    noun, other_noun, belongs = _NOUN[kind], _NOUN[other], f"it belongs to {_ARGUMENT[other]}"
    if not isinstance(value, str):
        return Problem(field, f"takes {noun}, its name or a Role, not {type_name(value)}")
    names, other_names = ([role.value for role in roles] for roles in (kind, other))
    # The lists overlap. A plain name means the role of this list; an enum member always means its own list.
    if isinstance(value, other):
        hint = f"; for the role of that name here, write {kind.__name__}.{value.name}" if value in names else ""
        return Problem(field, f"{other.__name__}.{value.name} is {other_noun}, not {noun}", belongs + hint)
    if value in names:
        return kind(plain_str(value))
    if value in other_names:
        return Problem(field, f"{quote(value)} is {other_noun}, not {noun}", belongs)
    hint = _NEWER
    if close := similar_roles(value, names):
        hint = f"did you mean {_quoted(close)}? {_NEWER[0].upper()}{_NEWER[1:]}"
    elif close := similar_roles(value, other_names):
        hint = f"did you mean {_quoted(close)}? That is {other_noun}, and {belongs}"
    return Problem(field, f"unknown role {quote(value)}", hint)


def _quoted(names: Iterable[str]) -> str:
    return " or ".join(repr(name) for name in names)


def similar_roles(name: str, known: Iterable[str]) -> list[str]:
    """Return the roles that a name may misspell, the most similar first.

    Each word must be the same but for one typo. A name that differs by more may mean another role, and that role might
    allow more: `workflows_viewer` must never suggest `workflows_editor`, nor `workflows_editor` suggest
    `private_workflows_editor`.
    """
    written = name.strip().lower().replace(" ", "_").replace("-", "_")
    words = written.split("_")
    similar = [
        role for role in known if len(parts := role.split("_")) == len(words) and all(map(_is_typo, words, parts))
    ]
    return get_close_matches(written, similar, n=_MOST_SUGGESTIONS, cutoff=0)


def _is_typo(word: str, meant: str) -> bool:
    """Return whether a word has one typo, or is more than the first half of the meant one."""

    def without(text: str, index: int) -> str:
        return text[:index] + text[index + 1 :]

    if abs(len(word) - len(meant)) > 1:
        return 2 * len(word) > len(meant) and meant.startswith(word)
    return any(
        without(word, i) in (meant, without(meant, i))
        or without(meant, i) == word
        or word[:i] + word[i : i + 2][::-1] + word[i + 2 :] == meant
        for i in range(max(len(word), len(meant)))
    )


def check_team_pair(team_ids: Sequence[object], team_role_names: Sequence[object], problems: list[Problem]) -> None:
    """Check that teams and team roles are both given, or neither, which the contract's schema cannot express."""
    if team_ids and not team_role_names:
        problems.append(Problem("team_role_names", "is empty, but team_ids is not", "give both or neither"))
    if team_role_names and not team_ids:
        problems.append(Problem("team_ids", "is empty, but team_role_names is not", "give both or neither"))
