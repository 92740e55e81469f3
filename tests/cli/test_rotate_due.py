"""`rotate --due`: which keys, what is asked before, and what is told of each."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from incident_io_keys import IssuedKey, KeysClient
from incident_io_keys.testing import MockAPI, faults
from incident_io_keys_generated import contract

from .conftest import DAY, TEAM, Open, Run, by_name, ended, rotated, token_in, works


@pytest.fixture
def several(mock: MockAPI) -> dict[str, IssuedKey]:
    definitions = {
        "fresh": (["viewer"], 10),
        "old": (["viewer"], 100),
        "older": (["viewer", "incident_creator"], 200),
        "manager of keys": (["api_keys_manage"], 300),
    }
    return {
        name: mock.add_key(name, roles, [TEAM], ["schedules_reader"], age_seconds=age * DAY)
        for name, (roles, age) in definitions.items()
    }


def test_all_that_are_due_are_rotated_but_those_that_may_call(
    process: Run, keys: KeysClient, several: dict[str, IssuedKey], tokens: Path
) -> None:
    result = process("rotate", "--due", "90 days", "--token-dir", tokens, "--yes")
    assert result.code == 0
    told = {each["name"]: (each["status"], each["reason"]) for each in json.loads(result.out)}
    reason = "it can be the calling key: pass the ID of the calling key as --caller"
    assert told == {
        "old": ("rotated", None),
        "older": ("rotated", None),
        "manager of keys": ("skipped", reason),
    }
    for name in ("old", "older"):
        key = several[name].api_key
        assert works(keys, token_in(tokens / key.id), key.id)
    assert {path.name for path in tokens.iterdir() if not path.name.startswith(".")} == {
        several[name].api_key.id for name in ("old", "older")
    }


@pytest.mark.parametrize(
    ("filters", "meant"),
    [
        (["--role", "incident_creator"], ["older"]),
        (["--name", "OLD"], ["old"]),
        (["--team", TEAM, "--name", "o*"], ["older", "old"]),
        (["--name", "nobody"], []),
        (["--name", "f*"], []),
    ],
)
def test_filters_say_which(
    run: Run, mock: MockAPI, several: dict[str, IssuedKey], tokens: Path, filters: list[str], meant: list[str]
) -> None:
    assert run("rotate", "--due", "90 days", "--token-dir", tokens, "--yes", *filters).code == 0
    assert sorted(rotated(mock)) == sorted(several[name].api_key.id for name in meant)


def test_with_the_caller_known_the_others_that_manage_keys_are_rotated_too(
    run: Run, mock: MockAPI, keys: KeysClient, several: dict[str, IssuedKey], tokens: Path
) -> None:
    manager = by_name(keys, "Manager")
    options = ("--due", "90 days", "--token-dir", tokens, "--yes", "--caller", manager.id)
    assert run("rotate", *options).code == 0
    assert len(rotated(mock)) == len(several) - 1


def test_a_dry_run_of_due_tells_which(run: Run, mock: MockAPI, several: dict[str, IssuedKey]) -> None:
    told = json.loads(run("rotate", "--due", "90 days", "--dry-run").out)
    assert [(each["name"], each["status"]) for each in told] == [
        ("old", "due"),
        ("older", "due"),
        ("manager of keys", "skipped"),
    ]
    result = run("rotate", "--due", "90 days", "--dry-run", "--output", "table")
    assert "older" in result.out
    assert result.err == "3 keys due, 1 of them skipped: each is, or can be, the calling key; nothing was rotated\n"
    caller = several["manager of keys"].api_key.id
    told = json.loads(run("rotate", "--due", "90 days", "--dry-run", "--caller", caller).out)
    assert [(each["status"], each["reason"]) for each in told][2] == ("skipped", "it is the calling key")
    wrong = run("rotate", "--due", "90 days", "--dry-run", "--caller", "nobody")
    assert (wrong.code, rotated(mock)) == (1, [])
    assert "--caller: " in wrong.err


def test_at_a_terminal_it_shows_them_and_asks(
    terminal: Open, mock: MockAPI, several: dict[str, IssuedKey], tokens: Path
) -> None:
    child = terminal("rotate", "--due", "90 days", "--name", "old*", "--token-dir", tokens)
    child.expect_exact(several["older"].api_key.id)
    child.expect_exact("Rotate these 2? [y/N]: ")
    child.sendline("y")
    assert ended(child) == 0
    assert f"rotated older ({several['older'].api_key.id})" in (child.before or "")
    assert (
        f"2 rotated; previous tokens work for {contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_DEFAULT} minutes"
        in (child.before or "")
    )
    assert len(rotated(mock)) == 2


def test_those_that_are_left_out_are_not_asked_for(
    run: Run, mock: MockAPI, types: Callable[..., None], several: dict[str, IssuedKey], tokens: Path
) -> None:
    types("n")
    result = run("rotate", "--due", "90 days", "--token-dir", tokens)
    assert (result.code, rotated(mock)) == (1, [])
    assert "Rotate these 2? 1 key that can be the calling key will be skipped. [y/N]: " in result.err
    assert several["manager of keys"].api_key.id not in result.err


def test_where_all_are_left_out_nobody_is_asked(
    run: Run, mock: MockAPI, several: dict[str, IssuedKey], tokens: Path
) -> None:
    result = run("rotate", "--due", "90 days", "--name", "manager*", "--token-dir", tokens)
    assert (result.code, rotated(mock), len(several)) == (0, [], 4)
    assert [each["status"] for each in json.loads(result.out)] == ["skipped"]


def test_what_fits_no_more_once_it_is_asked_is_not_rotated(
    run: Run,
    mock: MockAPI,
    keys: KeysClient,
    several: dict[str, IssuedKey],
    tokens: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def meanwhile(_self: object, _question: str) -> bool:
        key = several["old"].api_key
        keys.update(key.id, name="payments gateway", role_names=[], team_ids=[], team_role_names=[])
        return True

    monkeypatch.setattr("incident_io_keys.cli._terminal.Terminal.can_ask", True)
    monkeypatch.setattr("incident_io_keys.cli._terminal.Terminal.confirms", meanwhile)
    result = run("rotate", "--due", "90 days", "--name", "old*", "--token-dir", tokens)
    assert [each["name"] for each in json.loads(result.out)] == ["older"]
    assert rotated(mock) == [several["older"].api_key.id]


def test_names_do_what_they_like_and_nothing_happens(
    run: Run, mock: MockAPI, tokens: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("evil [/]", "[link=https://evil.example]x[/link]", "x\nrotated payments (01PAY)\x85 y"):
        mock.add_key(name, age_seconds=100 * DAY)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda _: True)
    result = run("rotate", "--due", "90 days", "--token-dir", tokens, "--yes", "--output", "table")
    assert result.code == 0
    lines = [re.sub(r"\x1b\[[^m]*m", "", line) for line in result.out.splitlines()]
    assert len(lines) == 3
    assert not any(line.startswith("rotated payments") for line in lines)
    assert "\x1b]8" not in result.out + result.err


def test_what_was_rotated_is_told_also_if_the_run_is_interrupted(
    run: Run, mock: MockAPI, several: dict[str, IssuedKey], tokens: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from incident_io_keys.cli._terminal import Waiting

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Waiting, "says", interrupted)
    monkeypatch.setattr("incident_io_keys.cli._rotating._due", lambda *_: [several["old"].api_key])
    result = run("rotate", "--due", "90 days", "--name", "old", "--token-dir", tokens, "--yes")
    assert result.code == 130
    assert [each["status"] for each in json.loads(result.out)] == ["rotated"]
    assert json.loads(result.out)[0]["token_file"] == str(tokens / several["old"].api_key.id)
    assert (
        f"`incident-io-keys resume --token-dir {tokens}` finishes what was begun, if anything is not finished"
        in result.err
    )
    assert len(rotated(mock)) == 1


def test_where_nobody_can_be_asked_nothing_is_rotated(
    process: Run, mock: MockAPI, several: dict[str, IssuedKey], tokens: Path
) -> None:
    result = process("rotate", "--due", "90 days", "--token-dir", tokens)
    assert (result.code, rotated(mock), len(several)) == (1, [], 4)
    assert "--yes does it without" in result.err


def test_one_that_fails_keeps_no_other_from_being_rotated(
    run: Run, mock: MockAPI, types: Callable[..., None], several: dict[str, IssuedKey], tokens: Path
) -> None:
    types("y")
    mock.fail_next(faults.Status(400), operation="rotate")
    result = run("rotate", "--due", "90 days", "--name", "old*", "--token-dir", tokens, "--output", "table")
    assert result.code == 2
    failed, done = sorted(line for line in result.out.splitlines() if line[0] != " ")
    assert failed.startswith("failed older")
    assert "rotate failed with 400" in failed
    assert done == f"rotated old ({several['old'].api_key.id})"
