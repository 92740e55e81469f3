"""Everything works while freezegun or time-machine freezes time, and afterwards.

freezegun replaces `datetime`, `time.monotonic` and others in each imported module. What it breaks can stay broken for
the rest of a process, so each test runs in its own process.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .frozen import MOMENTS, TOOLS
from .spec import ROOT

# This one has found the most.
QUICK = {("freezegun", "import")}


def run(*arguments: str, directory: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("tool", "moment"),
    [
        pytest.param(tool, moment, marks=[] if (tool, moment) in QUICK else pytest.mark.exhaustive)
        for tool in TOOLS
        for moment in MOMENTS
    ],
)
def test_everything_works_while_time_is_frozen_and_after_that(tool: str, moment: str) -> None:
    run("-m", "tests.frozen", tool, moment, directory=ROOT)


FIXTURES = """
from datetime import UTC, datetime

import pytest
from {module} import {name}


@pytest.fixture(autouse=True)
def _frozen():
    with {name}("2026-03-01T12:00:00Z"):
        yield


@pytest.mark.parametrize("number", [1, 2])
def test_a_service(incident_io_mock, incident_io_mock_server, number):
    from incident_io_keys import KeysClient

    with KeysClient() as keys:
        key = keys.create(name="bot", role_names=["viewer"]).api_key
        assert key.created_at.date() == datetime.now(UTC).date() == datetime(2026, 3, 1).date()
        assert [each.name for each in keys.list()] == ["Manager", "bot"]


def test_the_mock_alone(incident_io_mock):
    now = datetime.now(UTC)
    assert incident_io_mock.add_key("x").api_key.created_at.date() == now.date() == datetime(2026, 3, 1).date()
"""


@pytest.mark.exhaustive
@pytest.mark.parametrize(("module", "name"), [("freezegun", "freeze_time"), ("time_machine", "travel")])
def test_the_fixtures_work_below_an_autouse_fixture_that_freezes_time(tmp_path: Path, module: str, name: str) -> None:
    (tmp_path / "test_service.py").write_text(FIXTURES.format(module=module, name=name), encoding="utf-8")
    run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", "-W", "error", directory=tmp_path)
