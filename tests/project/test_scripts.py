"""The scripts that people run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
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
    files = [ROOT / "scripts" / name for name in ("requirements.txt", "requirements-all.txt")]
    wanted = [line for file in files for line in file.read_text().splitlines()]
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


class Sandbox:
    """A directory with a copy of some scripts, and stubs that record their arguments."""

    def __init__(self, root: Path, *scripts: str) -> None:
        self.root = root
        self.calls = root / "calls"
        (root / "scripts").mkdir()
        (root / "pyproject.toml").touch()
        for name in scripts:
            shutil.copy(ROOT / "scripts" / name, root / "scripts" / name)

    def stub(self, path: str, body: str = "") -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'#!/bin/sh\necho "${{0##*/}} $*" >>"{self.calls}"\n{body}\n')
        file.chmod(0o755)

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        self.calls.write_text("")
        path = f"{self.root / 'bin'}:/usr/bin:/bin"
        return subprocess.run(
            [self.root / command[0], *command[1:]],
            env={"PATH": path, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def called(self, program: str) -> list[str]:
        lines = self.calls.read_text().splitlines()
        return [line.partition(" ")[2] for line in lines if line.partition(" ")[0] == program]


PARALLEL = "-m pytest --instafail --numprocesses auto --dist worksteal"


@pytest.fixture
def sandboxed_test(tmp_path: Path) -> Sandbox:
    """A sandbox for scripts/test."""
    sandbox = Sandbox(tmp_path, "test", "_phase.sh")
    for name in ("scripts/install", "scripts/check", ".venv/bin/python"):
        sandbox.stub(name)
    return sandbox


@pytest.mark.parametrize(
    ("arguments", "installed", "command"),
    [
        ((), "--dev", f"{PARALLEL} -m not exhaustive"),
        (("--all",), "--all", f"{PARALLEL} -p randomly --cov"),
        (("-k", "roles"), "--dev", "-m pytest --instafail -k roles"),
        (("--all", "tests/cli"), "--all", "-m pytest --instafail tests/cli"),
    ],
)
def test_scripts_test_runs_every_phase(
    sandboxed_test: Sandbox, arguments: tuple[str, ...], installed: str, command: str
) -> None:
    result = sandboxed_test.run("scripts/test", *arguments)
    assert result.returncode == 0
    called = {name: sandboxed_test.called(name) for name in ("install", "check", "python")}
    assert called == {"install": [installed], "check": [""], "python": [command]}
    expected = r"-- installation\n-- installation: \d+ s\n-- tests\n-- tests: \d+ s\n"
    assert re.fullmatch(expected, result.stdout), "each phase with its name and its time"


def test_scripts_test_explains_itself(sandboxed_test: Sandbox) -> None:
    result = sandboxed_test.run("scripts/test", "--help")
    assert "With --all, runs every test" in result.stdout
    assert not re.search(r"^#|^set ", result.stdout, re.MULTILINE)
    assert sandboxed_test.calls.read_text() == ""


@pytest.mark.parametrize(
    ("failing", "pytest_calls"),
    [("scripts/install", []), ("scripts/check", []), (".venv/bin/python", [f"{PARALLEL} -m not exhaustive"])],
)
def test_a_failing_phase_ends_the_run(sandboxed_test: Sandbox, failing: str, pytest_calls: list[str]) -> None:
    sandboxed_test.stub(failing, "exit 3")
    result = sandboxed_test.run("scripts/test")
    assert result.returncode == 3
    assert sandboxed_test.called("python") == pytest_calls
    if failing != "scripts/check":  # which has phases of its own
        assert re.search(r"-- \w+: FAILED with exit code 3 after \d+ s\n$", result.stderr)


def test_a_phase_fails_with_any_of_its_commands(tmp_path: Path) -> None:
    program = f". '{ROOT}/scripts/_phase.sh'; two() {{ false; true; }}; phase two two"
    result = subprocess.run(["/bin/bash", "-ec", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert re.fullmatch(r"-- two: FAILED with exit code 1 after \d+ s\n", result.stderr)


@pytest.fixture
def sandboxed_install(tmp_path: Path) -> Sandbox:
    """A sandbox for scripts/install, in which the user is root and nothing is installed."""
    sandbox = Sandbox(tmp_path, "install", "constraints.txt", "requirements.txt", "requirements-all.txt")
    sandbox.stub("environment/python")
    sandbox.stub("bin/python", f'[ "$2" != venv ] || {{ mkdir -p .venv; cp -r "{tmp_path}/environment" .venv/bin; }}')
    sandbox.stub("bin/id", "echo 0")
    sandbox.stub("bin/node", "echo none")
    sandbox.stub("bin/apt-get")
    return sandbox


def test_install_does_nothing_the_second_time(sandboxed_install: Sandbox) -> None:
    def pip(*arguments: str) -> bool:
        result = sandboxed_install.run("scripts/install", *arguments, PYTHON="python", CHROMIUM="nowhere")
        assert result.returncode == 0, result.stderr
        return any(call.startswith("-m pip install") for call in sandboxed_install.called("python"))

    assert [pip(), pip(), pip("--dev"), pip("--dev"), pip(), pip("--all")] == [True, False, True, False, False, True]
    assert [pip(), pip("--dev"), pip("--all")] == [False, False, False]
    (sandboxed_install.root / "pyproject.toml").write_text("# changed")
    assert [pip("--dev"), pip("--all")] == [True, True]
    (sandboxed_install.root / "pyproject.toml").write_text("")
    assert [pip("--dev"), pip("--dev"), pip()] == [True, False, False]
    (sandboxed_install.root / "pyproject.toml").write_text("# changed")
    assert pip("--all"), "--dev has installed other versions since then"


@pytest.mark.parametrize("option", ["--dev", "--all"])
def test_only_all_installs_system_programs_and_extra_packages(sandboxed_install: Sandbox, option: str) -> None:
    sandboxed_install.run("scripts/install", option, PYTHON="python", CHROMIUM="nowhere")
    [pip] = [call for call in sandboxed_install.called("python") if call.startswith("-m pip install")]
    assert ("requirements-all.txt" in pip) is (option == "--all")
    assert any("chromium" in call for call in sandboxed_install.called("apt-get")) is (option == "--all")
    assert (sandboxed_install.called("apt-get") == []) is (option == "--dev")


def test_install_rejects_another_option(sandboxed_install: Sandbox) -> None:
    result = sandboxed_install.run("scripts/install", "--everything")
    assert (result.returncode, result.stderr) == (2, "usage: scripts/install [--dev | --all]\n")
    assert not (sandboxed_install.root / ".venv").exists()
