"""Which keys are meant: by role, team, name, and the age of their token."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final

from attrs import evolve, frozen

from incident_io_keys_generated.models import APIKey

from .._validation import raise_if_invalid
from ..errors import InvalidRequestError, Problem
from ..roles import KNOWN_ROLES, similar_roles
from ..storage import time_ago
from ._terminal import Terminal

LAST_USE_UNKNOWN: Final = "the API reported no last_used_at for these keys, so it is unknown which are unused"


@frozen(kw_only=True)
class Filter:
    """What a key has to be to be meant.

    Attributes:
        roles: It has one of these, in the account or in its teams; any, if there are none.
        teams: It has one of these.
        names: It has a name of one of these patterns, which are as the shell has them. Case does not count.
        limit: Its token was issued then, or before.
        unused_since: It was created at or before this time, and not used since.
    """

    roles: frozenset[str]
    teams: frozenset[str]
    names: tuple[str, ...]
    limit: datetime | None
    unused_since: datetime | None

    @classmethod
    def of(
        cls,
        *,
        role: tuple[str, ...] = (),
        team: tuple[str, ...] = (),
        name: tuple[str, ...] = (),
        older_than: str | None,
        unused_for: str | None = None,
        now: datetime,
    ) -> Filter:
        """Read what the options say.

        Raises:
            InvalidRequestError: `older_than` or `unused_for` is not a valid age.
        """
        limit = None if older_than is None else limit_ago(older_than, now)
        unused_since = None if unused_for is None else limit_ago(unused_for, now, "unused_for")
        return cls(roles=frozenset(role), teams=frozenset(team), names=name, limit=limit, unused_since=unused_since)

    def takes(self, key: APIKey) -> bool:
        """Whether a key is meant."""
        return (
            (not self.roles or not self.roles.isdisjoint(roles_of([key])))
            and (not self.teams or not self.teams.isdisjoint(key.team_ids))
            and (not self.names or any(fnmatchcase(key.name.casefold(), name.casefold()) for name in self.names))
            and (self.limit is None or key.token_last_issued_at <= self.limit)
            and (self.unused_since is None or is_unused(key, self.unused_since))
        )


def is_unused(key: APIKey, since: datetime) -> bool:
    """Return whether a key was created at or before a time, and not used after it."""
    return key.created_at <= since and (key.last_used_at is None or key.last_used_at <= since)


def last_use_is_known(keys: Iterable[APIKey]) -> bool:
    """Return whether any key has `last_used_at`. If none has, a missing value does not mean "never used"."""
    return any(key.last_used_at is not None for key in keys)


def limit_ago(age: str, now: datetime, option: str = "older_than") -> datetime:
    """Return the time that is an age before now.

    Raises:
        InvalidRequestError: The age is invalid. The problem is reported for an option.
    """
    try:
        return time_ago(age, now=now)
    except InvalidRequestError as error:
        problems = [evolve(problem, field=option) for problem in error.problems]
    raise InvalidRequestError("nothing was sent", problems)


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
    for name in sorted(set(names) - KNOWN_ROLES - held):
        message = "no key has this role, and this version does not know it"
        if close := similar_roles(name, KNOWN_ROLES):
            problems.append(Problem(name, message, f"did you mean {close[0]!r}?"))
        else:
            terminal.tell(f"{name}: {message}")
    raise_if_invalid("it may be a typing error", problems)
