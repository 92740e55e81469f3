"""Runs programs for the scripts, where nothing that lies around can stand in for them, or change what they do.

This module must not know what is run.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What would have Python, pip, git or the tools do otherwise than they are told.
FOREIGN = (
    *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTEST_", "MYPY", "COVERAGE_"),
    *("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT", "PIP_REQUIREMENT"),
    *("PIP_EDITABLE", "PIP_NO_DEPS", "PIP_NO_BINARY", "PIP_ONLY_BINARY", "PIP_DRY_RUN", "PIP_REQUIRE_VIRTUALENV"),
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX", "GIT_OBJECT", "GIT_NAMESPACE", "HATCH_", "TAR_OPTIONS"),
)


class CommandError(Exception):
    """A program failed; the text says which, and what it said."""


def variables() -> dict[str, str]:
    """The environment of the caller, without what is FOREIGN."""
    return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}


def run(*command: object, **environment: str) -> str:
    """Run a program in an empty directory, and return what it prints.

    Args:
        command: The program and its arguments.
        environment: Variables beside those of the caller that are harmless.

    Raises:
        CommandError: It fails, or is not there.
    """
    words = [str(part) for part in command]
    return _run(" ".join([Path(words[0]).name, *words[1:4]]), words, environment)


def git(*arguments: str) -> str:
    """Run git on this project.

    Raises:
        CommandError: It fails, or is not there.
    """
    # Line ends stand in the repository as they are in what is built, and a signature is no part of an answer.
    settings = ("-c", "core.autocrlf=false", "-c", "core.eol=lf", "-c", "log.showSignature=false")
    return _run(f"git {arguments[0]}", ["git", "-C", str(ROOT), *settings, *arguments], {})


def _run(name: str, words: list[str], environment: dict[str, str]) -> str:
    with tempfile.TemporaryDirectory() as directory:
        try:
            done = subprocess.run(
                words,
                cwd=directory,
                env={**variables(), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1", **environment},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
        except OSError as error:
            raise CommandError(f"{name}: {error}") from error
    if done.returncode:
        raise CommandError(f"{name} failed:\n{(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout
