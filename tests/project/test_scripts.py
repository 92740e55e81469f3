"""The scripts that people run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ..spec import ROOT


def test_every_tool_is_pinned_and_no_file_of_pins_holds_an_address() -> None:
    lines = (ROOT / "scripts" / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    names = {pin.partition("==")[0].lower().replace("_", "-") for pin in pins}
    wanted = (ROOT / "scripts" / "requirements.txt").read_text().splitlines()
    assert {line.partition("#")[0].strip() for line in wanted} - {""} <= names


HOST = [*(ROOT / ".github").rglob("*.yml"), ROOT / ".pre-commit-config.yaml"]


def texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    for member in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from texts(member)


@pytest.mark.skipif(not HOST[0].exists(), reason="an sdist has no files for the host")
@pytest.mark.parametrize("file", HOST, ids=lambda file: file.name)
def test_what_the_host_calls_is_there(file: Path) -> None:
    for text in texts(YAML(typ="safe").load(file.read_text(encoding="utf-8"))):
        for script in re.findall(r"(?<![\w.^(|])scripts/[a-z-]+(?![\w/*(])", text):
            assert os.access(ROOT / script, os.X_OK), script


def test_every_script_says_what_it_does() -> None:
    scripts = [file for file in (ROOT / "scripts").iterdir() if file.is_file() and "." not in file.name]
    assert len(scripts) > 10
    for script in scripts:
        first, second, *_ = script.read_text(encoding="utf-8").splitlines()
        assert first == "#!/usr/bin/env bash", script
        assert re.match(r"# [A-Z].*[^ ]$", second), script
