"""Keys as a table and in full: what is where, at whatever width."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta, timezone

import pytest
from attrs import evolve
from rich.console import Console

from incident_io_keys import APIKey, Creator, CreatorAPIKey, Role, User
from incident_io_keys.cli._tables import TableWriter, one_key
from incident_io_keys.cli._writers import CSVWriter

from .conftest import rows
from .test_audit import key

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
BOT = evolve(
    key("01FCNDV6P870EA6S7TK1DSYDG0", name="deploy bot", roles=["viewer"], days=100),
    creator=Creator(api_key=CreatorAPIKey(id="1", name="maker")),
    created_at=datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))),
)


def written(width: int, *pages: list[APIKey], later: int | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    writer = TableWriter(console, NOW)
    for page in pages:
        writer.write(page)
        console.width = later or width
    writer.end()
    assert isinstance(console.file, io.StringIO)
    return list(rows(console.file.getvalue()))


@pytest.mark.parametrize("width", [40, 60, 77, 78, 80, 119, 120, 139, 140, 200])
def test_at_any_width_a_key_is_readable(width: int) -> None:
    team = "01FDAG4SAP5TYPT98WGR2N7W91"
    head, *lines = written(width, [evolve(BOT, team_ids=(team,))])
    assert all(len(line) <= width for line in (head, *lines))
    text = " ".join(lines)
    assert "deploy bot" in text
    assert BOT.id in text
    assert "viewer" in text
    assert "3 months" in text
    assert ("maker" in text) == (width >= 78)
    assert ("2025-12-31" in text) == (width >= 78), "the day is that of UTC"
    assert (team in text) == (width >= 140)


def test_the_head_is_there_once_and_a_change_of_width_changes_nothing() -> None:
    lines = written(130, [BOT], [BOT], later=200)
    assert [line.split()[0] for line in lines] == ["NAME", "deploy", "deploy"]
    assert lines[1] == lines[2]
    assert written(130, [BOT], [BOT], later=70)[:2] == lines[:2]


def test_what_would_fill_the_screen_is_counted() -> None:
    roles = tuple(Role(name=f"role_{number}", description="") for number in range(7))
    teams = tuple(f"team {number}" for number in range(4))
    [line] = written(200, [evolve(BOT, roles=roles, team_ids=teams)])[1:]
    assert "7 roles; `show` has them" in line
    assert "4 teams; `show` has them" in line
    assert "role_5" in " ".join(written(200, [evolve(BOT, roles=roles[:6], team_ids=teams[:3])]))


def test_an_instant_at_the_beginning_of_the_calendar_is_one() -> None:
    first = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    [line] = written(200, [evolve(BOT, created_at=first, token_last_issued_at=first)])[1:]
    assert "2025 years" in line


def test_ids_of_any_length_have_their_place() -> None:
    for width in (80, 160):
        lines = written(width, [evolve(BOT, id="x" * 200)])
        [line] = [line for line in lines if line.startswith("deploy bot ")]
        assert " viewer " in line
        assert all(len(line) <= width for line in lines)
        assert sum(line.count("x") for line in lines) == 200


@pytest.mark.parametrize(
    ("creator", "told"),
    [
        (BOT.creator, "maker (key)"),
        (Creator(user=User(id="U", name="Jo Example", role="owner")), "Jo Example (person)"),
        (Creator(), "-"),
    ],
)
def test_who_made_a_key(creator: Creator, told: str) -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(one_key(evolve(BOT, creator=creator), NOW))
    assert isinstance(console.file, io.StringIO)
    assert f"creator       {told}" in rows(console.file.getvalue())


def test_csv_has_each_value_in_its_column() -> None:
    text: list[str] = []
    CSVWriter(text.append).write([evolve(BOT, creator=Creator(), comments="=1+1")])
    [row] = csv.DictReader(io.StringIO("".join(text)))
    assert row["created_at"] == BOT.created_at.isoformat()
    assert row["token_last_issued_at"] == BOT.token_last_issued_at.isoformat()
    assert row["creator"] == ""
    assert BOT.last_used_at is not None
    assert row["last_used_at"] == BOT.last_used_at.isoformat()
    assert row["comments"] == "'=1+1"
    text.clear()
    CSVWriter(text.append).write([evolve(BOT, last_used_at=None)])
    [row] = csv.DictReader(io.StringIO("".join(text)))
    assert (row["last_used_at"], row["comments"]) == ("", "")
