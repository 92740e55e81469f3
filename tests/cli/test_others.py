"""`roles`, `mock`, `demo` and `completion`."""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from incident_io_keys import __version__
from incident_io_keys.cli import main
from incident_io_keys.testing import MockAPI
from incident_io_keys_generated import contract
from incident_io_keys_generated.models import AccountRole, TeamRole

from .conftest import COMMAND, Open, Run, ended, rows, screen, skip_without


def test_roles_are_those_of_the_contract(both: Run) -> None:
    told = {each["name"]: each for each in json.loads(both("roles").out)}
    assert {name for name, each in told.items() if each["account"] is not None} == {*AccountRole}
    assert {name for name, each in told.items() if each["team"] is not None} == {*TeamRole}
    assert told["viewer"]["account"] == contract.ACCOUNT_ROLE_DESCRIPTIONS["viewer"]
    assert told["schedules_editor"]["team"] == contract.TEAM_ROLE_DESCRIPTIONS["schedules_editor"]


def test_roles_at_a_terminal(terminal: Open) -> None:
    child = terminal("roles")
    assert ended(child) == 0
    shown = screen(child.before or "")
    assert shown[0].split() == ["ROLE", "IN", "THE", "ACCOUNT", "IN", "TEAMS"]
    assert any(line.startswith("viewer ") for line in shown)


def test_roles_as_a_table(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = rows(run("roles", "--output", "table").out)
    assert all(len(line) <= 80 for line in shown)
    assert any(line.startswith("global_access ") and line.endswith(" -") for line in shown)


def test_the_command_completes_in_this_process(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_INCIDENT_IO_KEYS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "incident-io-keys create --role incident_c")
    monkeypatch.setenv("COMP_CWORD", "3")
    assert main([]) == 0
    assert capsys.readouterr().out == "plain,incident_creator\n"


@pytest.mark.parametrize("option", ["--role", "--team-role"])
def test_completion_describes_roles_with_api_keys_manage_last(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setenv("_INCIDENT_IO_KEYS_COMPLETE", "fish_complete")
    monkeypatch.setenv("COMP_WORDS", f"incident-io-keys create {option} ")
    monkeypatch.setenv("COMP_CWORD", "")
    assert main([]) == 0
    *others, last = capsys.readouterr().out.splitlines()
    assert last.startswith("plain,api_keys_manage\t")
    assert last.endswith("can be assigned only in the dashboard")
    assert len(others) == len(AccountRole if option == "--role" else TeamRole) - 1
    assert any(line.startswith("plain,schedules_editor\t") for line in others)  # a new role may have no words yet


def test_the_role_of_the_dashboard_is_listed_last(run: Run) -> None:
    last = json.loads(run("roles").out)[-1]
    assert last["name"] == "api_keys_manage"
    assert last["account"].endswith("can be assigned only in the dashboard")


def test_every_role_is_described() -> None:
    # One that the contract has just gained may be without words, and is told all the same.
    assert set(contract.ACCOUNT_ROLE_DESCRIPTIONS) >= {AccountRole.VIEWER, AccountRole.API_KEYS_MANAGE}
    assert set(contract.TEAM_ROLE_DESCRIPTIONS) >= {TeamRole.ESCALATION_CREATOR, TeamRole.API_KEYS_MANAGE}


def test_the_demo_shows_the_main_job(both: Run, mock: MockAPI) -> None:
    result = both("demo")
    assert (result.code, result.err) == (0, "")
    for part in (
        "The mock listens on http://127.0.0.1:",
        "Created 'My test API key': ",
        "Its token, which does not show itself: Token(<redacted>)",
        "7 keys on 3 pages",
        "the previous token works for 30 minutes more",
        "show failed with 404 not_found",
    ):
        assert part in result.out
    assert "\nshow failed with 404 not_found\n  There is no such API key (not_found)\n  request id: " in result.out
    assert any(line.startswith("status page publisher") and "13 months" in line for line in rows(result.out))
    assert mock.requests == []  # it has a mock of its own


def test_the_demo_at_a_terminal(terminal: Open) -> None:
    child = terminal("demo")
    assert ended(child) == 0
    assert any("7 keys on 3 pages" in line for line in screen(child.before or ""))


def test_the_mock_at_a_terminal_says_how_to_use_it_and_ends_with_ctrl_c(terminal: Open) -> None:
    child = terminal("mock", "--seed-keys", "12")
    child.expect(r"INCIDENT_ENDPOINT=(\S+)\r\nINCIDENT_API_KEY=(\S+)\r\n")
    assert isinstance(child.match, re.Match)
    environment = {**os.environ, "INCIDENT_ENDPOINT": child.match[1], "INCIDENT_API_KEY": child.match[2]}
    child.expect_exact("It serves until Ctrl-C.")
    listed = subprocess.run(
        [*COMMAND, "list", "--output", "table"], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert re.search(r"Seed key 7 .*2 years", listed.stdout)
    child.sendintr()
    assert ended(child) == 0
    assert "Traceback" not in (child.before or "")


def test_the_mock_says_how_to_use_it_only_where_somebody_reads_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "sigwait", lambda _: None)
    assert run("mock").err == ""
    monkeypatch.setattr("incident_io_keys.cli._terminal.Terminal.shows_tables", True)
    assert "run `incident-io-keys list` there" in run("mock").err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(both: Run, shell: str) -> None:
    result = both("completion", shell)
    assert (result.code, result.err) == (0, "")
    assert "incident-io-keys" in result.out
    assert f"_INCIDENT_IO_KEYS_COMPLETE={shell}_complete" in result.out


@pytest.mark.exhaustive
@pytest.mark.parametrize("shell", ["zsh", "fish", "bash"])
def test_a_shell_reads_its_script(process: Run, shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        skip_without(shell)
    path = tmp_path / "script"
    path.write_text(process("completion", shell).out)
    subprocess.run([shell, "-n", str(path)], check=True, timeout=60)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("incident-io-keys ro", ["rotate", "roles"]),
        ("incident-io-keys list --ou", ["--output"]),
        ("incident-io-keys list --output j", ["json", "jsonl"]),
        ("incident-io-keys create --role incident_c", ["incident_creator"]),
        ("incident-io-keys create --team-role schedules_", ["schedules_editor", "schedules_reader"]),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_it_completes(shell: str, words: str, expected: list[str], tmp_path: Path) -> None:
    if (path := shutil.which(shell)) is None:
        skip_without(shell)
    in_fish = f"incident-io-keys completion fish | source; complete -C '{words}'"
    in_bash = f"""
        eval "$(incident-io-keys completion bash)"
        COMP_WORDS=({words}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); COMP_LINE="{words}"
        _incident_io_keys_completion incident-io-keys
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    command = [path, "-c", in_bash if shell == "bash" else in_fish]
    directory = Path(COMMAND[0]).parent
    environment = {**os.environ, "PATH": f"{directory}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    # fish tells what each is, too.
    assert sorted(line.split("\t")[0] for line in done.stdout.splitlines()) == sorted(expected)


def test_a_process_of_its_own_does_not_look_at_what_it_imported_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(True))
    monkeypatch.setattr(sys, "argv", ["incident-io-keys", "--version"])
    assert main() == 0
    assert frozen == [True]
    assert __version__ in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert frozen == [True]  # a program that calls it goes on afterwards, and makes garbage
