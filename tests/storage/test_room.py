"""Disks that are nearly full: a token that is issued can be saved, or nothing is issued."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incident_io_keys.storage import DotenvStore, FileStore, StoreUnavailableError, TokenStore, create_into, rotate_into
from incident_io_keys.testing import MockAPI

from .doing import NEW, Do, sent, works


def limit_files(monkeypatch: pytest.MonkeyPatch, root: Path, most: int) -> None:
    """Let a directory tree hold a number of files and directories at most, as a disk without inodes does."""

    def limited(function: Callable[..., Any], creates: Callable[..., bool]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            if creates(*arguments) and sum(1 for _ in root.rglob("*")) >= most:
                raise OSError(errno.ENOSPC, "No space left on device")
            return function(*arguments, **keywords)

        return call

    def opens_new(path: Any, flags: int, *_: Any) -> bool:
        return bool(flags & os.O_CREAT) and not os.path.exists(path)  # noqa: PTH110 - a descriptor has no Path

    monkeypatch.setattr(os, "open", limited(os.open, opens_new))
    monkeypatch.setattr(os, "mkdir", limited(os.mkdir, lambda *_: True))
    monkeypatch.setattr(tempfile, "mkstemp", limited(tempfile.mkstemp, lambda *_: True))


STORES: dict[str, Callable[[Path], TokenStore]] = {
    "directory": FileStore,
    "file": lambda directory: FileStore(file=directory / "token"),
    "dotenv": lambda directory: DotenvStore(directory / ".env"),
}


@pytest.mark.parametrize("store_of", STORES.values(), ids=STORES)
@pytest.mark.parametrize("operation", ["create", "rotate"])
def test_no_number_of_free_files_makes_a_token_that_cannot_be_saved(
    operation: str, store_of: Any, do: Do, mock: MockAPI, key_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = []
    for most in range(12):
        root = tmp_path / str(most)
        root.mkdir(0o700)
        store, issued = store_of(root), len(mock.requests)
        with monkeypatch.context() as patch:
            limit_files(patch, root, most)
            try:
                done = do(create_into, store, **NEW) if operation == "create" else do(rotate_into, store, key_id)
            except StoreUnavailableError:
                assert not any(request.method == "POST" for request in mock.requests[issued:])
                outcomes.append(False)
            else:
                assert works(mock, store.load(done.api_key.id))
                outcomes.append(True)
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {False, True}
    assert len(sent(mock, "rotate")) == (sum(outcomes) if operation == "rotate" else 0)
