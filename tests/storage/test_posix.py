"""`storage` on a system that is not a POSIX system."""

from __future__ import annotations

import importlib
import sys

import pytest

from incident_io_keys import storage


def test_the_error_on_a_system_without_fcntl_names_posix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(ImportError, match="storage needs a POSIX system; this one has no fcntl") as caught:
        importlib.reload(storage)
    assert caught.value.__suppress_context__
    monkeypatch.undo()
    importlib.reload(storage)
