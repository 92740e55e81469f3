"""What the tests of the scripts share: a copy of the project."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import _expected
from incident_io_keys_generated import contract

from ..spec import ROOT
from .vendor import Vendor

# Bounds as they stand in the contract.
LONGEST_NAME = f"maxLength: {contract.API_KEY_DEFINITION_NAME_MAX_LENGTH}"
LARGEST_PAGE = f"maximum: {contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM}"
LONGEST_GRACE = f"maximum: {contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MAXIMUM}"
GRACE = f"default: {contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_DEFAULT}"


class Project:
    """A copy of the project, in which the scripts can do as they like."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.spec = root / "openapi.yaml"
        self.generated = root / "generated"
        leave_out = shutil.ignore_patterns("__pycache__", ".*")
        for name in ("facade", "generated", "scripts", "tests"):
            shutil.copytree(ROOT / name, root / name, ignore=leave_out)
        for name in ("openapi.yaml", "pyproject.toml", "api-surface.txt", "README.md", "LICENSE", "CHANGELOG.md"):
            shutil.copy(ROOT / name, root / name)

    def run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(str(self.root / name) for name in ("facade", "generated"))
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [sys.executable, *command],
            cwd=cwd or self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def generate(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("scripts/_generate.py", *arguments)

    def refuses(self, message: str, cwd: Path | None = None) -> None:
        """Generate, which must fail with this message, and change nothing."""
        before = self.files()
        result = self.run(str(self.root / "scripts/_generate.py"), cwd=cwd)
        assert result.returncode == 1
        assert message in result.stderr
        assert "Traceback" not in result.stderr
        assert result.stderr.endswith("generated/ is as it was\n")
        assert self.files() == before

    def edit(self, old: str, new: str, file: str = "openapi.yaml") -> None:
        text = (self.root / file).read_text()
        assert old in text
        (self.root / file).write_text(text.replace(old, new, 1))

    def files(self) -> dict[str, bytes]:
        return {str(file.relative_to(self.root)): file.read_bytes() for file in self.root.rglob("*") if file.is_file()}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "copy")


@pytest.fixture
def released(project: Project) -> Project:
    """A copy of the project that is a repository, with a release."""
    for command in (
        ("init", "--quiet", "--initial-branch=main"),
        ("config", "user.name", "Jo Example"),
        ("config", "user.email", "jo@example.com"),
        ("add", "--all"),
        ("commit", "--quiet", "--message", "A release"),
        ("tag", "--annotate", "v0.1.0", "--message", "A release"),
    ):
        subprocess.run(["git", *command], cwd=project.root, check=True)  # noqa: S607
    return project


@pytest.fixture
def any_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let scripts/compare-upstream write what scripts/generate rejects: for tests of how it writes."""
    monkeypatch.setattr(_expected, "expect", lambda *_: None)


@pytest.fixture
def vendor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Vendor:
    return Vendor(tmp_path, capsys)
