"""A pytest plugin for scripts/mutation: runs the tests listed in a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run only the listed tests, in that order.

    A listed test may be missing, since a mutant can change the ID of a parametrized test. If all of them are missing,
    run every test of their files.
    """
    listed = Path(os.environ["MUTATION_TESTS"]).read_text(encoding="utf-8").split("\n")
    order = {test: number for number, test in enumerate(listed)}
    chosen = [item for item in items if item.nodeid in order]
    items[:] = sorted(chosen, key=lambda item: order[item.nodeid]) or items
