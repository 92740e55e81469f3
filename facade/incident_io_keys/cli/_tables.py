"""Keys as a person reads them on a terminal: many in a table, one in full."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from incident_io_keys_generated.models import APIKey, Role

from ._ages import colour, in_utc, in_words
from ._terminal import cell
from ._writers import creator_of, names_of

# From so many columns on, everything has one of its own; from so many on, the most important has.
_WIDE: Final = 120
_MEDIUM: Final = 78
# From so many on, the ID of a team is in one line.
_TEAMS_IN_FULL: Final = 140
_ID: Final = 26
_DATE: Final = 10
_AGE: Final = 10
_CREATOR: Final = 14
_SPACE: Final = 2
# A key that has more of them would fill the screen.
_MOST_ROLES: Final = 6
_MOST_TEAMS: Final = 3


class TableWriter:
    """A table that is written page after page: how wide its columns are is settled with the first.

    Args:
        console: Where it goes.
        now: What time it is.
    """

    def __init__(self, console: Console, now: datetime) -> None:
        self._console = console
        self._now = now
        self._width = console.width  # which may change meanwhile
        self._widths: Sequence[int] = ()

    def write(self, keys: Iterable[APIKey]) -> None:
        """Write some."""
        keys = list(keys)
        first = not self._widths
        if first:
            self._widths = self._settled(keys)
        table = Table(box=None, show_header=first, header_style="bold", pad_edge=False, padding=(0, _SPACE, 0, 0))
        for title, width in zip(self._titles(), self._widths, strict=True):
            table.add_column(title, width=width, overflow="fold")
        for key in keys:
            table.add_row(*self._row(key))
        self._console.print(table)

    def end(self) -> None:
        """There is nothing after the last."""

    def _titles(self) -> Sequence[str]:
        if self._width >= _WIDE:
            return ("NAME", "ID", "ROLES", "TEAMS", "CREATOR", "CREATED", "TOKEN AGE", "LAST USED")
        if self._width >= _MEDIUM:
            return ("NAME, ID", "ROLES", "TEAMS", "CREATED, BY", "TOKEN AGE, LAST USED")
        return ("NAME, ID, ROLES", "TOKEN AGE, LAST USED")

    def _settled(self, keys: list[APIKey]) -> Sequence[int]:
        id_width = max([_ID, *(len(cell(key.id)) for key in keys)])
        if self._width >= _WIDE:
            id_width = min(id_width, self._width // 4)
            rest = self._width - id_width - _DATE - 2 * _AGE - 7 * _SPACE
            team = max(_ID if self._width >= _TEAMS_IN_FULL else 0, rest * 22 // 100)
            name, roles = (rest - team) * 34 // 100, (rest - team) * 43 // 100
            return (name, id_width, roles, team, rest - name - roles - team, _DATE, _AGE, _AGE)
        if self._width >= _MEDIUM:
            id_width = min(id_width, self._width // 3)
            rest = self._width - id_width - len("TEAMS") - _CREATOR - _AGE - 4 * _SPACE
            return (id_width, rest, len("TEAMS"), _CREATOR, _AGE)
        return (max(1, self._width - _AGE - _SPACE), _AGE)

    def _row(self, key: APIKey) -> list[RenderableType]:
        name, key_id, created = cell(key.name, "bold"), cell(key.id, "dim"), Text(_date(key.created_at))
        if self._width >= _WIDE:
            teams = [cell(team) for team in key.team_ids]
            if len(teams) > _MOST_TEAMS:
                teams = [Text(f"{len(teams)} teams; `show` has them")]
            return [
                *(cell(key.name), cell(key.id), _roles(key), Text("\n").join(teams or [Text("-")])),
                *(cell(creator_of(key) or "-"), created, self._age(key), self._last_used(key)),
            ]
        ages = _lines(self._age(key), self._last_used(key))
        if self._width >= _MEDIUM:
            by = _lines(created, cell(creator_of(key) or "-", "dim"))
            return [_lines(name, key_id), _roles(key), Text(str(len(key.team_ids) or "-")), by, ages]
        return [_lines(name, key_id, _roles(key)), ages]

    def _age(self, key: APIKey) -> Text:
        issued = key.token_last_issued_at
        return Text(in_words(issued, self._now), colour(issued, self._now))

    def _last_used(self, key: APIKey) -> Text:
        return Text("-" if key.last_used_at is None else in_words(key.last_used_at, self._now))


def one_key(key: APIKey, now: datetime) -> Table:
    """A key in full."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, _SPACE, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    issued = key.token_last_issued_at
    age = Text.assemble(_instant(issued), ", ", (in_words(issued, now), colour(issued, now)))
    by = "key" if key.creator.user is None and key.creator.api_key is not None else "person"
    creator = cell(f"{creator_of(key)} ({by})" if creator_of(key) else "-")
    for title, value in (
        ("name", cell(key.name)),
        ("id", cell(key.id)),
        ("roles", _described(key.roles)),
        ("teams", cell(", ".join(key.team_ids) or "-")),
        ("team roles", _described(key.team_roles)),
        ("created", Text(_instant(key.created_at))),
        ("creator", creator),
        ("token issued", age),
        ("last used", Text("-") if key.last_used_at is None else _with_age(key.last_used_at, now)),
        ("comments", cell(key.comments or "-")),
    ):
        table.add_row(title, value)
    return table


def _with_age(instant: datetime, now: datetime) -> Text:
    words = in_words(instant, now)
    return Text(f"{_instant(instant)}, {words}" + ("" if words == "just now" else " ago"))


def roles_in_words(key: APIKey) -> str:
    """The roles of a key, those in its teams marked as such."""
    in_teams = f"in teams: {names_of(key.team_roles, ', ')}" if key.team_roles else ""
    return "; ".join(part for part in (names_of(key.roles, ", "), in_teams) if part) or "none"


def _lines(*lines: Text) -> Text:
    return Text("\n").join(lines)


def _roles(key: APIKey) -> Text:
    count = len(key.roles) + len(key.team_roles)
    return cell(roles_in_words(key) if count <= _MOST_ROLES else f"{count} roles; `show` has them")


def _described(roles: Iterable[Role]) -> Text:
    lines = [Text.assemble(cell(role.name), "  ", cell(role.description, "dim")) for role in roles]
    return Text("\n").join(lines or [Text("-")])


def _date(instant: datetime) -> str:
    return f"{in_utc(instant):%Y-%m-%d}"


def _instant(instant: datetime) -> str:
    return f"{in_utc(instant):%Y-%m-%d %H:%M} UTC"


def roles_table(roles: Sequence[dict[str, str | None]]) -> Table:
    """The roles that a key can have."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, _SPACE, 0, 0))
    table.add_column("ROLE", no_wrap=True, min_width=max(len(role["name"] or "") for role in roles))
    table.add_column("IN THE ACCOUNT", ratio=1)
    table.add_column("IN TEAMS", ratio=1)
    for role in roles:
        table.add_row(*(Text("-" if (words := role[part]) is None else words) for part in ("name", "account", "team")))
    return table
