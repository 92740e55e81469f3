"""README.md and docs/: what they show runs, against the mock, and what they list is what there is."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

import attrs
import pytest

from incident_io_keys.testing import MockAPI, MockSettings, faults
from incident_io_keys.testing._control import _PATHS, PREFIX
from incident_io_keys.testing._refusals import TYPES
from incident_io_keys.testing._rights import INCLUDES, scopes_of

from ..spec import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
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
        [printed] = [text for text in blocks(README, "text") if "was not sent" in text]
        assert shown == printed


def test_every_script_that_is_shown_is_there() -> None:
    named = set(re.findall(r"\bscripts/\w+", README))
    assert {"scripts/demo", "scripts/test", "scripts/generate"} <= named
    assert all((ROOT / name).is_file() for name in named)


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        text = TEXTS[page.name]
        headings = {re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in text.splitlines()}
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
            path, _, anchor = target.partition("#")
            assert not path or (page.parent / path).is_file(), target
            assert not anchor or anchor in headings, target


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
