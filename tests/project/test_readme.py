"""README.md and docs/: what they show runs, against the mock, and what they list is what there is."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

import attrs
import pytest

from incident_io_keys.cli import _audit, _main
from incident_io_keys.cli._audit import POWERFUL
from incident_io_keys.cli._audit_command import audit
from incident_io_keys.testing import MockAPI, MockSettings, faults
from incident_io_keys.testing._control import _PATHS, PREFIX
from incident_io_keys.testing._refusals import TYPES
from incident_io_keys.testing._rights import INCLUDES, scopes_of

from ..spec import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
TEXTS = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
README, MOCK = TEXTS["README.md"], TEXTS["mock.md"]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


PYTHON = [(name, block) for name, text in TEXTS.items() for block in blocks(text, "python")]


@pytest.mark.usefixtures("incident_io_mock_server")
@pytest.mark.parametrize(("name", "block"), PYTHON)
def test_every_snippet_runs(
    name: str,
    block: str,
    request: pytest.FixtureRequest,
    incident_io_mock: MockAPI,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "token").write_text(incident_io_mock.token.reveal())
    monkeypatch.chdir(tmp_path)
    defined: dict[str, Any] = {}
    exec(compile(block, name, "exec"), defined)  # noqa: S102 - our own pages
    for test in [value for key, value in defined.items() if key.startswith("test_")]:
        call: Callable[..., None] = test
        call(**{fixture: request.getfixturevalue(fixture) for fixture in inspect.signature(call).parameters})
    shown = capsys.readouterr().out
    assert "inc_" not in shown
    if "InvalidRequestError" in block:
        [printed] = [text for text in blocks(TEXTS[name], "text") if "was not sent" in text]
        assert shown == printed


# What other tests run, or are run by: the first words of lines.
ELSEWHERE = ("scripts/", "git diff", "pip install", "incident-io-keys mock")
SHELL = [(name, block) for name, text in TEXTS.items() for block in blocks(text, "sh")]


@pytest.mark.usefixtures("incident_io_mock_server")
@pytest.mark.parametrize(("name", "block"), SHELL)
def test_every_command_runs(
    name: str, block: str, incident_io_mock: MockAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = incident_io_mock.add_key("deploy bot", ["viewer"], age_seconds=100 * 86_400)
    monkeypatch.setenv("ID", issued.api_key.id)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = Path(sys.executable).parent  # where the command is
    lines = [line for line in block.splitlines() if not line.strip().startswith(ELSEWHERE)]
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", "\n".join(lines)],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, f"{name}: {done.stderr}"
    if "curl" not in block:  # which shows what the API answers
        assert "inc_" not in done.stdout + done.stderr


def test_every_command_and_option_of_the_pages_is_there() -> None:
    commands = _main._commands.commands
    options = {each for command in commands.values() for option in command.params for each in option.opts}
    page = TEXTS["cli.md"] + TEXTS["audit.md"] + MOCK
    told = {line.split()[0] for line in re.findall(r"^\| `([a-z ID]+?)[` ]", page, re.MULTILINE)}
    assert set(commands) <= told
    used = set(re.findall(r"`(--[a-z-]+[a-z])\b(?!-)", page))
    assert used <= options | {"--help"}
    wanted = {each for each in options if each.startswith("--")} - {"--debug"}
    assert wanted <= set(re.findall(r"--[a-z-]+", page)) | _IN_ONE_WORD


# Of `update`: --add-… and --remove-… stand for them.
_IN_ONE_WORD = {f"--{verb}-{what}" for verb in ("add", "remove") for what in ("role", "team", "team-role")}


def test_the_list_of_powerful_roles_is_the_audit_s() -> None:
    assert re.findall(r"^- `(\w+)`$", TEXTS["audit.md"], re.MULTILINE) == sorted(POWERFUL)


def test_the_checks_of_the_page_are_the_audit_s() -> None:
    source = inspect.getsource(_audit)
    checks = set(re.findall(r'check="([a-z-]+)"', source))
    assert set(re.findall(r"^\| `([a-z-]+)` \|", TEXTS["audit.md"], re.MULTILINE)) == checks
    in_help = (audit.help or "").partition("\b\n")[2].strip().splitlines()
    assert {line.split()[0] for line in in_help} == checks


def test_every_script_that_is_shown_is_there() -> None:
    named = set(re.findall(r"\bscripts/\w[\w.-]*\w", "".join(TEXTS.values())))
    assert {"scripts/demo", "scripts/test", "scripts/generate"} <= named
    assert all((ROOT / name).exists() for name in named), named


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        text = TEXTS[page.name]
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
            path, _, anchor = target.partition("#")
            assert not path or (page.parent / path).is_file(), target
            found = headings_of((page.parent / path).read_text(encoding="utf-8") if path and anchor else text)
            assert not anchor or anchor in found, target


def headings_of(text: str) -> set[str]:
    """What a link can point to within a page."""
    return {re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in text.splitlines()}


def table(heading: str) -> list[list[str]]:
    """The cells of the first table of docs/mock.md below a heading."""
    _, found, rest = MOCK.partition(f"\n{heading}\n")
    assert found
    lines = dropwhile(lambda line: not line.startswith("|"), rest.splitlines())
    _, _, *rows = takewhile(lambda line: line.startswith("|"), lines)
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]


def test_the_table_of_scopes_is_the_mock_s() -> None:
    told = {role.strip("`"): set(re.findall(r"`(\w+)`", included)) for role, included in table("### Roles")}
    assert told == {str(role): set(scopes_of(role)) - {role} for role in INCLUDES}


def test_the_table_of_settings_is_the_mock_s() -> None:
    told = {name.strip("`"): default.strip("`") for name, default, _ in table("## Settings")}
    assert told.pop("list_delay") == "none"
    defaults = {each.name: each.default for each in attrs.fields(MockSettings)}
    assert told == {
        name: f'"{value}"' if isinstance(value, str) else str(value)
        for name, value in defaults.items()
        if name != "list_delay"
    }


def test_the_table_of_faults_is_the_mock_s() -> None:
    told = [(call.strip("`"), name.strip("`"), concerned) for call, name, concerned, _ in table("## Faults")]
    assert [name for _, name, _ in told] == list(faults.FAULTS)
    everything = {"list", "create", "show", "update", "delete", "rotate"}
    concerns = {"all": None, "all but `delete`": everything - {"delete"}, "`list` with a cursor": {"list"}}
    for call, name, concerned in told:
        kind = faults.FAULTS[name]
        if kind is not faults.DropProperty:
            assert kind.operations == concerns[concerned]
        signature = inspect.signature(kind)
        arguments = [
            parameter.name if parameter.default is parameter.empty else f"{parameter.name}={shown(parameter.default)}"
            for parameter in signature.parameters.values()
        ]
        assert call == f"{kind.__name__}({', '.join(arguments)})"


def shown(default: object) -> str:
    return "{}" if default is attrs.NOTHING else repr(default).replace("'", '"')


def test_the_table_of_the_mock_s_own_paths_is_whole() -> None:
    found = set(re.findall(rf"^\| `([A-Z]+) {PREFIX}(\w+)` \|", MOCK, re.MULTILINE))
    assert found == set(_PATHS)


def test_the_table_of_statuses_has_those_that_the_mock_answers() -> None:
    told = {int(status) for status, _ in table("### Requests")}
    assert told | {401, 403, 422} == set(TYPES) - {408, 412}
