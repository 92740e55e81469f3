"""tests/typing as ty and pyrefly see it. scripts/check runs mypy and pyright on the same files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..spec import ROOT

CHECKERS = {
    "ty": ["check", "--python", sys.prefix, "--output-format", "concise"],
    # Without a preset, a project that has no configuration gets only a few checks.
    "pyrefly": [
        *("check", "--preset", "default", "--python-interpreter-path", sys.executable),
        *("--output-format", "min-text"),
    ],
}
# The mark of a line that mypy and pyright must reject. ty and pyrefly name errors differently, so it is removed.
MARK = re.compile(r"  # type: ignore\[.*\]$", re.MULTILINE)


@pytest.mark.exhaustive
@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("name", ["api.py", "storage.py"])
def test_every_checker_rejects_the_same_lines(tmp_path: Path, checker: str, name: str) -> None:
    program = Path(sys.executable).parent / checker
    if not program.exists():
        pytest.skip(f"{checker} is not installed; run scripts/install --all")
    source = (ROOT / "tests" / "typing" / name).read_text()
    marked = {number for number, line in enumerate(source.splitlines(), 1) if MARK.search(line)}
    file = tmp_path / name
    file.write_text(MARK.sub("", source))
    result = subprocess.run(
        [program, *CHECKERS[checker], str(file)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    rejected = {int(number) for number in re.findall(rf"\b{name}:(\d+):", result.stdout)}
    assert rejected == marked, result.stdout + result.stderr
    assert len(marked) > 1
