"""Custody on a system that is no POSIX system."""

from __future__ import annotations

import importlib
import sys

import pytest

from incident_io_keys import custody


def test_a_system_without_fcntl_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(ImportError, match="custody needs a POSIX system: this one has no fcntl") as caught:
        importlib.reload(custody)
    assert caught.value.__suppress_context__
    monkeypatch.undo()
    importlib.reload(custody)
