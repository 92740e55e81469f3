"""The scripts that people run."""

from __future__ import annotations

import re
import subprocess
import sys

from ..spec import ROOT


def test_the_demo_goes_through_the_life_of_the_example_of_the_documentation() -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "scripts" / "_demo.py"], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert re.search(r"^Created 'My test API key': [0-9A-Z]{26}$", result.stdout, re.MULTILINE)
    assert "Token(<redacted>)" in result.stdout
    assert "inc_" not in result.stdout
    assert re.search(
        r"^My test API key +[0-9A-Z]{26} +viewer, incident_creator +schedules_editor +Manager +\d",
        result.stdout,
        re.MULTILINE,
    )
    assert "8 keys on 3 pages\n" in result.stdout
    assert "show failed with 404 not_found\n" in result.stdout


def test_every_tool_is_pinned_and_no_file_of_pins_holds_an_address() -> None:
    lines = (ROOT / "scripts" / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    names = {pin.partition("==")[0].lower().replace("_", "-") for pin in pins}
    wanted = (ROOT / "scripts" / "requirements.txt").read_text().splitlines()
    assert {line.partition("#")[0].strip() for line in wanted} - {""} <= names
