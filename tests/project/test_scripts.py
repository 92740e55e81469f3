"""The scripts that people run."""

from __future__ import annotations

import re

from ..spec import ROOT


def test_every_tool_is_pinned_and_no_file_of_pins_holds_an_address() -> None:
    lines = (ROOT / "scripts" / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    names = {pin.partition("==")[0].lower().replace("_", "-") for pin in pins}
    wanted = (ROOT / "scripts" / "requirements.txt").read_text().splitlines()
    assert {line.partition("#")[0].strip() for line in wanted} - {""} <= names
