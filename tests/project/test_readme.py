"""README.md: what it shows runs, against the mock."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from incident_io_keys.testing import MockAPI

from ..spec import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
PYTHON = [block for language, block in BLOCKS if language == "python"]


@pytest.mark.parametrize("block", PYTHON)
def test_every_snippet_runs(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mock = MockAPI()
    with mock.serve() as server:
        (tmp_path / "token").write_text(mock.token.reveal())
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("INCIDENT_API_KEY", mock.token.reveal())
        monkeypatch.setenv("INCIDENT_ENDPOINT", server.url)
        exec(compile(block, "README.md", "exec"), {})  # noqa: S102 - our own README
    shown = capsys.readouterr().out
    assert "inc_" not in shown
    if "InvalidRequestError" in block:
        [printed] = [text for language, text in BLOCKS if language == "text" and "was not sent" in text]
        assert shown == printed


def test_every_script_that_is_shown_is_there() -> None:
    named = set(re.findall(r"\bscripts/\w+", README))
    assert {"scripts/demo", "scripts/test", "scripts/generate"} <= named
    assert all((ROOT / name).is_file() for name in named)
