"""The contract suite notices: each wrong mock and each wrong client makes it fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..spec import ROOT
from .mutants import MUTANTS, Mutant

pytestmark = pytest.mark.exhaustive

# In this order, since most are noticed by the first.
SUITE = [f"tests/contract/test_{name}.py" for name in ("keys", "drift", "pages", "wire", "rules", "calls", "machine")]


def run_suite(facade: Path, setting: str) -> subprocess.CompletedProcess[str]:
    """Run the suite in one setting, with the facade that is in a directory."""
    # The tests that are neither sync nor async are of the mock alone.
    other = "in-process" if setting.startswith("socket") else "socket"
    chosen = f"{setting} or not (sync or async or {other})"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (facade, ROOT / "generated"))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_PROFILE": "brief",
        # Loading them takes longer than most mutants live.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    options = ("-x", "-q", "-k", chosen, "-p", "no:cacheprovider")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *SUITE],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_the_suite_notices_that(mutant: Mutant, tmp_path: Path) -> None:
    facade = tmp_path / "facade"
    shutil.copytree(ROOT / "facade", facade)  # with what is compiled already
    file = facade / "incident_io_keys" / mutant.file
    text = file.read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1, "the change does not apply any more"
    file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    result = run_suite(facade, mutant.setting)
    # 1: tests have failed. Anything else, such as a module that cannot be imported, proves nothing.
    assert result.returncode == 1, result.stdout[-3000:] + result.stderr
