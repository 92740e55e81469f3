"""`list`: which keys, in which form, and how soon."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import threading

import httpx
import pytest

from incident_io_keys import KeysClient, Page
from incident_io_keys.cli._terminal import Terminal
from incident_io_keys.pagination import KeyPager
from incident_io_keys.testing import MockAPI, faults
from incident_io_keys_generated import contract

from ..conftest import without_last_use
from .conftest import COMMAND, DAY, TEAM, Open, Run, ended, rows, screen


@pytest.fixture
def some(mock: MockAPI) -> None:
    mock.add_key("deploy bot", ["viewer", "incident_creator"], age_seconds=200 * DAY)
    mock.add_key("Deploy Bot 2", ["viewer"], age_seconds=100 * DAY)
    mock.add_key("on-call sync", [], [TEAM], ["schedules_editor"])


def test_one_key_in_full(both: Run, mock: MockAPI) -> None:
    key = mock.add_key("on-call sync", ["viewer"], [TEAM], ["schedules_editor"], age_seconds=100 * DAY).api_key
    assert json.loads(both("show", key.id).out) == key.to_dict()
    shown = {line[:12].strip(): line[14:] for line in rows(both("show", key.id, "--output", "table").out)}
    assert shown["name"] == "on-call sync"
    assert shown["roles"].split("  ") == ["viewer", key.roles[0].description]
    assert (shown["teams"], shown["creator"]) == (TEAM, "Dashboard user (person)")
    assert shown["token issued"].endswith(" UTC, 3 months")
    assert (shown["last used"], shown["comments"]) == ("-", "-")
    key = mock.add_key("used", comments="a\x1b[31mb", age_seconds=100 * DAY, unused_seconds=100 * DAY).api_key
    shown = {line[:12].strip(): line[14:] for line in rows(both("show", key.id, "--output", "table").out)}
    assert shown["last used"].endswith(" UTC, 3 months ago")
    assert shown["comments"] == "a\\x1b[31mb"


def test_one_key_at_a_terminal(terminal: Open, mock: MockAPI) -> None:
    key = mock.add_key("on-call sync", ["viewer"], age_seconds=100 * DAY).api_key
    child = terminal("show", key.id)
    assert ended(child) == 0
    shown = screen(child.before or "")
    assert f"id            {key.id}" in shown
    assert any(line.startswith("token issued  ") and line.endswith(", 3 months") for line in shown)


def names(out: str) -> list[str]:
    return [key["name"] for key in json.loads(out)]


@pytest.mark.usefixtures("some")
def test_piped_it_is_json_in_the_api_s_own_form(process: Run, keys: KeysClient) -> None:
    result = process("list")
    assert (result.code, result.err) == (0, "")
    assert [without_last_use(key) for key in json.loads(result.out)] == [
        without_last_use(key).to_dict() for key in keys.list()
    ]


@pytest.mark.usefixtures("some")
def test_at_a_terminal_it_is_a_table_of_80_columns(terminal: Open) -> None:
    child = terminal("list", NO_COLOR="1")
    assert ended(child) == 0
    shown = rows(child.before or "")
    assert any("deploy bot" in line and "6 months" in line for line in shown)
    assert any("viewer," in line for line in shown)
    assert any("in teams:" in line for line in shown)
    assert all(len(line) <= 80 for line in shown if "\x1b" not in line)


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_ages_are_coloured_unless_no_color_says_otherwise(
    terminal: Open, environment: dict[str, str], coloured: bool
) -> None:
    child = terminal("list", columns=200, **environment)
    assert ended(child) == 0
    shown = child.before or ""
    assert ("\x1b[31m6 months" in shown, "\x1b[33m3 months" in shown) == (coloured, coloured)
    assert "6 months" in shown


@pytest.mark.usefixtures("some")
def test_a_wide_terminal_has_a_column_for_everything(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    head, *lines = rows(run("list", "--output", "table").out)
    assert head.split() == ["NAME", "ID", "ROLES", "TEAMS", "CREATOR", "CREATED", "TOKEN", "AGE", "LAST", "USED"]
    [line] = [line for line in lines if line.startswith("on-call sync")]
    assert TEAM in line
    assert line.endswith("just now    -")
    [manager] = [line for line in lines if line.startswith("Manager")]
    assert manager.endswith("just now    just now")


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize(
    ("filters", "meant"),
    [
        ([], ["Manager", "deploy bot", "Deploy Bot 2", "on-call sync"]),
        (["--role", "incident_creator"], ["Manager", "deploy bot"]),
        (["--role", "schedules_editor", "--name", "o*"], ["on-call sync"]),
        (["--role", "incident_creator", "--role", "schedules_editor"], ["Manager", "deploy bot", "on-call sync"]),
        (["--team", TEAM], ["on-call sync"]),
        (["--name", "deploy*"], ["deploy bot", "Deploy Bot 2"]),
        (["--name", "deploy bot"], ["deploy bot"]),
        (["--name", "deploy bot", "--name", "o*"], ["deploy bot", "on-call sync"]),
        (["--older-than", "3 months"], ["deploy bot", "Deploy Bot 2"]),
        (["--older-than", "150 days", "--role", "viewer"], ["deploy bot"]),
        (["--team", "nobody's"], []),
    ],
)
def test_filters(run: Run, filters: list[str], meant: list[str]) -> None:
    result = run("list", *filters)
    assert (result.code, names(result.out)) == (0, meant)
    assert result.err == ("" if meant else "no key fits, of 4 keys\n")


def test_unused_keys_are_those_that_nobody_has_used_for_so_long(run: Run, mock: MockAPI) -> None:
    mock.add_key("never", age_seconds=100 * DAY)
    mock.add_key("long ago", age_seconds=200 * DAY, unused_seconds=95 * DAY)
    mock.add_key("lately", age_seconds=200 * DAY, unused_seconds=DAY)
    mock.add_key("new")
    result = run("list", "--unused-for", "90 days")
    assert (result.code, names(result.out), result.err) == (0, ["never", "long ago"], "")
    assert names(run("list", "--unused-for", "97 days", "--name", "[nl]*").out) == ["never"]
    refused = run("list", "--unused-for", "soon")
    assert (refused.code, refused.out) == (1, "")
    assert "--unused-for: 'soon' is not an age" in refused.err


def test_without_last_used_at_unused_for_fails(run: Run, mock: MockAPI) -> None:
    mock.add_key("never", age_seconds=100 * DAY)
    mock.fail_next(faults.DropProperty("api_keys.last_used_at"), operation="list")
    result = run("list", "--unused-for", "90 days")
    assert (result.code, result.out) == (2, "")
    assert "the API reported no last_used_at for these keys" in result.err


@pytest.mark.usefixtures("some")
def test_json_lines(run: Run, keys: KeysClient) -> None:
    lines = run("list", "--output", "jsonl").out.splitlines()
    assert [without_last_use(json.loads(line)) for line in lines] == [
        without_last_use(key).to_dict() for key in keys.list()
    ]


def test_a_role_that_nobody_has_is_a_typing_error(run: Run) -> None:
    result = run("list", "--role", "viwer")
    assert (result.code, result.out) == (1, "")
    told = "no key has this role, and this version does not know it"
    assert f"viwer: {told}; did you mean 'viewer'?" in result.err
    for new in ("role_of_tomorrow", "day_after_viewer"):  # the API may have it by now
        result = run("list", "--role", new)
        assert (result.code, result.out) == (0, "[]\n")
        assert f"{new}: {told}\n" in result.err


@pytest.mark.parametrize("dangerous", ["=1+1", "+1", "-1", "@x", "\t=1", "\uff1d1+1"])
def test_csv_holds_nothing_that_a_spreadsheet_would_compute(run: Run, mock: MockAPI, dangerous: str) -> None:
    mock.add_key(f"{dangerous}, 'and' more", ["viewer", "incident_creator"])
    head, _, row = csv.reader(io.StringIO(run("list", "--output", "csv").out))
    assert head[:5] == ["id", "name", "roles", "team_ids", "team_roles"]
    assert head[5:] == ["creator", "created_at", "token_last_issued_at", "last_used_at", "comments"]
    shown = dangerous.replace("\t", "\\t")
    assert row[1:3] == [("" if shown[0] == "\\" else "'") + shown + ", 'and' more", "viewer incident_creator"]


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_a_name_cannot_drive_the_terminal(run: Run, mock: MockAPI, form: str) -> None:
    mock.add_key("a\x1b[31mb\u202ec\x9bd [bold]e[/] \u2028f")
    out = run("list", "--output", form).out
    assert not {"\x1b", "\u202e", "\x9b", "\u2028"} & set(out)
    assert "[bold]" in out.replace("\n", " ")


def test_json_has_the_name_as_it_is_for_all_that(run: Run, mock: MockAPI) -> None:
    name = 'a\x1b[31mb\u202ec\x9bd "é" \U0001f600'
    mock.add_key(name)
    assert names(run("list").out)[1] == name


def test_a_name_that_the_terminal_has_no_letters_for_is_no_error(process: Run, mock: MockAPI) -> None:
    mock.add_key("schlüssel \U0001f511")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = process("list", "--output", "jsonl", env=environment)
    assert result.code == 0
    assert names(f"[{result.out.replace(chr(10), ',').rstrip(',')}]")[1] == "schlüssel \U0001f511"
    assert "schl\\xfcssel" in process("list", "--output", "csv", env=environment).out


@pytest.mark.parametrize("output", ["json", "jsonl", "csv", "table"])
def test_the_first_key_is_there_with_the_first_page(
    mock: MockAPI, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    for number in range(600):
        mock.add_key(f"key {number}")
    gate, answer = threading.Event(), mock._api.answer

    def gated(request: httpx.Request) -> httpx.Response:
        if "after" in request.url.params:
            assert gate.wait(60), "nobody read the first page"
        return answer(request)

    monkeypatch.setattr(mock._api, "answer", gated)
    command = [*COMMAND, "list", "--output", output]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        # While the second page does not come, all of the first is there.
        assert any("key 248" in line for line in child.stdout)
        gate.set()
        assert "key 599" in child.stdout.read()
    assert child.returncode == 0


@pytest.mark.parametrize("output", ["json", "jsonl", "csv", "table"])
def test_who_reads_no_further_ends_it(mock: MockAPI, output: str) -> None:
    for number in range(1500):
        mock.add_key(f"key {number}")
    with subprocess.Popen(
        [*COMMAND, "list", "--output", output], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None and child.stderr is not None  # noqa: PT018
        assert child.stdout.readline()
        child.stdout.close()
        assert (child.wait(60), child.stderr.read()) == (141, "")


def test_what_breaks_off_is_no_json(run: Run, mock: MockAPI) -> None:
    for number in range(contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM + 1):
        mock.add_key(f"key {number}")
    mock.fail_next(faults.RepeatCursor(), operation="list")
    result = run("list")
    assert result.code == 2
    with pytest.raises(json.JSONDecodeError):
        json.loads(result.out)


@pytest.mark.parametrize(("output", "out"), [("json", "[]\n"), ("jsonl", ""), ("table", "")])
def test_an_empty_list_is_reported(run: Run, monkeypatch: pytest.MonkeyPatch, output: str, out: str) -> None:
    # The mock always has the key that calls it.
    monkeypatch.setattr(KeyPager, "pages", lambda _: (page for page in [Page((), after=None)]))
    result = run("list", "--output", output)
    assert (result.code, result.out, result.err) == (0, out, "there are no keys\n")


def test_what_is_written_and_the_progress_make_way_for_each_other(
    run: Run, mock: MockAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(300):
        mock.add_key(f"key {number}")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run("list", "--output", "jsonl").err == "", "it is no terminal, whatever rich takes it for"
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda _: True)
    result = run("list", "--output", "jsonl")
    assert len(result.out.splitlines()) == 301
    assert "301 keys so far" in result.err


def test_progress_is_text_whatever_it_says(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda _: True)
    with Terminal().waiting("asking") as waiting:
        waiting.says("evil [/] [link=https://evil.example]x[/link]")
        waiting.shows(False)
    assert "evil [/] [link=https://evil.example]x[/link]" in capsys.readouterr().err


def test_progress_is_shown_at_a_terminal_and_gone_at_the_end(terminal: Open, mock: MockAPI) -> None:
    for number in range(600):
        mock.add_key(f"key {number}")
    child = terminal("list", "--name", "key 7")
    assert ended(child) == 0
    shown = child.before or ""
    assert "keys so far" in shown
    left = screen(shown)
    assert any("key 7" in line for line in left)
    assert not any("keys so far" in line for line in left)
