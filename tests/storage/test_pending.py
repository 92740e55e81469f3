"""Operations that stay pending: damaged entries, wrong clocks, and the list of all pending operations."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from incident_io_keys import InvalidRequestError, KeysClient
from incident_io_keys.storage import (
    DotenvStore,
    FileStore,
    StoreUnavailableError,
    create_into,
    pending_operations,
    resume,
    rotate_into,
)
from incident_io_keys.testing import MockAPI, faults

from .doing import NEW, Do, Memory, entries, failure, later, lose_response, works


def replace(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:40]),
    "empty": lambda path: path.write_bytes(b""),
    "zeroed": lambda path: path.write_bytes(b"\0" * path.stat().st_size),
    "garbled": lambda path: path.write_bytes(bytes(byte ^ 0x55 for byte in path.read_bytes())),
    "a named pipe": lambda path: replace(path, os.mkfifo),
    "a directory": lambda path: replace(path, Path.mkdir),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("operation", ["create", "rotate"])
def test_a_damaged_entry_is_kept_and_reported(
    operation: str, damage: Callable[[Path], object], do: Do, mock: MockAPI, store: FileStore, key_id: str
) -> None:
    lose_response(do, mock, store, operation, key_id)
    [path] = entries(store)
    damage(path)
    for now in (later(), None):
        [found] = do(resume, store, now=now)
        assert (found.status, found.entry, found.retry_at) == ("pending", path, None)
        assert "is damaged" in found.hint
        assert "rotate the others, then remove this file" in found.hint
    assert entries(store) == [path]
    [listed] = pending_operations(store.journal)
    [found] = do(resume, store)
    assert (listed.status, listed.hint, listed.operation) == ("pending", found.hint, None)


def test_an_operation_on_a_damaged_entry_issues_nothing(do: Do, mock: MockAPI, store: FileStore, key_id: str) -> None:
    lose_response(do, mock, store, "rotate", key_id)
    [path] = entries(store)
    path.write_bytes(b"")
    sent = len(mock.requests)
    error = failure(do, rotate_into, store, key_id)
    assert type(error) is StoreUnavailableError
    assert error.entry == path
    assert len(mock.requests) == sent


def test_pending_operations_are_listed_and_nothing_is_changed(
    do: Do, mock: MockAPI, store: FileStore, key_id: str
) -> None:
    lose_response(do, mock, store, "create", "")
    lose_response(do, mock, store, "rotate", key_id)
    sent, before = len(mock.requests), entries(store)
    listed = {each.operation: each for each in pending_operations(str(store.journal))}
    assert {each.name for each in listed.values()} == {NEW["name"], "there"}
    assert (listed["rotate"].key_id, listed["create"].key_id) == (key_id, None)
    assert all(each.began is not None and each.entry in before for each in listed.values())
    assert (len(mock.requests), entries(store)) == (sent, before)
    do(resume, store, now=later())
    assert pending_operations(store.journal) == []


def test_the_token_of_a_single_slot_is_not_a_pending_operation(do: Do, key_id: str, tmp_path: Path) -> None:
    store = DotenvStore(tmp_path / ".env")
    do(rotate_into, store, key_id)
    assert pending_operations(store.journal) == []


def test_a_journal_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match=r"there is no journal .*/typo"):
        pending_operations(tmp_path / "typo")
    with pytest.raises(InvalidRequestError, match="journal: takes a path"):
        pending_operations(3)  # type: ignore[arg-type]


def set_began(store: FileStore, began: datetime) -> None:
    [path] = entries(store)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"began": began.isoformat()}))


@pytest.mark.parametrize("operation", ["create", "rotate"])
@pytest.mark.parametrize("applied", [True, False])
def test_an_entry_from_the_future_asks_a_person_and_names_the_clock(
    operation: str, applied: bool, do: Do, mock: MockAPI, store: FileStore, key_id: str
) -> None:
    mock.clock.advance(timedelta(seconds=1))
    lose_response(do, mock, store, operation, key_id, applied=applied)
    set_began(store, datetime.now(UTC) + timedelta(days=365))
    [found] = do(resume, store)
    assert (found.status, found.retry_at) == ("pending", None)
    if operation == "rotate" or not applied:  # else there is a key to ask about
        assert "which is in the future. Correct this machine's clock if it is wrong" in found.hint
    assert f"remove {found.entry}" in found.hint
    assert "call resume again after" not in found.hint
    assert sum(request.method == "POST" for request in mock.requests) == 1


def test_an_entry_from_the_future_whose_token_is_saved_is_completed(
    do: Do, mock: MockAPI, memory: Memory, key_id: str
) -> None:
    memory.at["save"] = lambda: mock.fail_next(faults.Status(520), operation="show", times=9)
    failure(do, rotate_into, memory, key_id)
    mock.clear_faults()
    set_began(memory, datetime.now(UTC) + timedelta(days=365))  # type: ignore[arg-type]
    assert [found.status for found in do(resume, memory)] == ["completed"]


def test_a_transport_that_fails_at_the_first_request_leaves_nothing(mock: MockAPI, store: FileStore) -> None:
    class Broken(MockAPI):
        def respond(self, request: Any) -> Any:
            raise ValueError("broken")

    with KeysClient(mock.token, transport=Broken().transport()) as keys:
        for call in (lambda: create_into(keys, store, **NEW), lambda: rotate_into(keys, store, "01A")):
            error = failure(call)
            assert not error.may_have_applied
    assert entries(store) == []
    assert not any(works(mock, store.load(name.name)) for name in store.journal.parent.glob("[!.]*"))
