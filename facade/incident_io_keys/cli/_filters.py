"""Which keys are meant: by role, team, name, and the age of their token. This module must not know why."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Final

from attrs import frozen

from incident_io_keys_generated.models import AccountRole, APIKey, TeamRole

from .._arguments import refuse
from ..custody._due import is_due, limit_of
from ..errors import Problem
from ._terminal import Terminal

# How much of two words has to be the same for the one to be a typing error for the other.
_SAME: Final = 0.85
_KNOWN: Final = {role.value for role in (*AccountRole, *TeamRole)}


@frozen(kw_only=True)
class Filter:
    """What a key has to be to be meant.

    Attributes:
        roles: It has one of these, in the account or in its teams; any, if there are none.
        teams: It has one of these.
        names: It has a name of one of these patterns, which are as the shell has them. Case does not count.
        limit: Its token was issued then, or before.
    """

    roles: frozenset[str]
    teams: frozenset[str]
    names: tuple[str, ...]
    limit: datetime | None

    @classmethod
    def of(
        cls,
        *,
        role: tuple[str, ...] = (),
        team: tuple[str, ...] = (),
        name: tuple[str, ...] = (),
        older_than: str | None,
        now: datetime,
    ) -> Filter:
        """Read what the options say.

        Raises:
            InvalidRequestError: `older_than` is no age.
        """
        limit = None if older_than is None else limit_ago(older_than, now)
        return cls(roles=frozenset(role), teams=frozenset(team), names=name, limit=limit)

    def takes(self, key: APIKey) -> bool:
        """Whether a key is meant."""
        return (
            (not self.roles or not self.roles.isdisjoint(roles_of([key])))
            and (not self.teams or not self.teams.isdisjoint(key.team_ids))
            and (not self.names or any(fnmatchcase(key.name.casefold(), name.casefold()) for name in self.names))
            and (self.limit is None or is_due(key, self.limit))
        )


def limit_ago(older_than: str, now: datetime) -> datetime:
    """The instant that is so long ago.

    Raises:
        InvalidRequestError: It is no age.
    """
    problems: list[Problem] = []
    limit = limit_of(older_than, now, problems)
    refuse("nothing was sent", problems)
    return limit


def roles_of(keys: Iterable[APIKey]) -> set[str]:
    """The names of the roles that keys have, in the account or in teams."""
    return {role.name for key in keys for role in (*key.roles, *key.team_roles)}


def refuse_unknown_roles(terminal: Terminal, names: Iterable[str], held: set[str]) -> None:
    """See that every role is one that this version knows, or that some key has.

    Args:
        terminal: Where it is told if one is neither.
        names: The names of the roles.
        held: The names of the roles that some key has.

    Raises:
        InvalidRequestError: Some are typing errors, by all appearances.
    """
    problems = []
    for name in sorted(set(names) - _KNOWN - held):
        message = "no key has this role, and this version does not know it"
        # Strict: the API has added roles that are like others.
        if close := get_close_matches(name, _KNOWN, n=1, cutoff=_SAME):
            problems.append(Problem(name, message, f"did you mean {close[0]!r}?"))
        else:
            terminal.tell(f"{name}: {message}")
    refuse("it may be a typing error", problems)
