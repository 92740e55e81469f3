"""Single-slot stores: the token of an existing key is not replaced by the token of another key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from incident_io_keys import InvalidRequestError, KeysClient
from incident_io_keys.storage import (
    DotenvStore,
    KeyBusyError,
    PendingOperationError,
    StorageError,
    create_into,
    resume,
    rotate_into,
)
from incident_io_keys.testing import MockAPI, faults

from .doing import NEW, Do, failure, later, listed, works

OTHER = {**NEW, "name": "other bot"}


@pytest.fixture
def store(tmp_path: Path) -> DotenvStore:
    return DotenvStore(tmp_path / ".env")


def lose(do: Do, mock: MockAPI, store: DotenvStore, operation: str, key_id: str = "") -> None:
    mock.fail_next(faults.Close(), operation=operation)
    if operation == "create":
        failure(do, create_into, store, **NEW)
    else:
        failure(do, rotate_into, store, key_id)


def test_a_single_slot_store_saves_one_new_key(do: Do, store: DotenvStore) -> None:
    issued = do(create_into, store, **NEW)
    assert isinstance(failure(do, create_into, store, **OTHER), InvalidRequestError)
    assert store.load("") == issued.token
    assert do(resume, store) == []
    assert [key.name for key in do(listed)] == ["Manager", NEW["name"]]


def test_a_pending_operation_must_be_resumed_first(do: Do, mock: MockAPI, store: DotenvStore, key_id: str) -> None:
    lose(do, mock, store, "create")
    for error in (failure(do, create_into, store, **OTHER), failure(do, rotate_into, store, key_id)):
        assert type(error) is PendingOperationError
        assert "call resume(client, store) first" in str(error)
        assert [error.entry] == list(store.journal.glob("*.json"))
    [found] = do(resume, store)
    lost = next(key for key in do(listed) if key.name == NEW["name"])
    assert (found.status, found.key_id) == ("completed", lost.id)
    assert works(mock, store.load(lost.id))
    assert do(resume, store) == []


def test_a_token_that_the_user_saved_does_not_count_as_that_of_an_orphaned_key(
    do: Do, mock: MockAPI, store: DotenvStore
) -> None:
    lose(do, mock, store, "create")
    store.save("", mock.token)
    [found] = do(resume, store)
    assert found.status == "completed"
    assert store.load("") != mock.token
    assert works(mock, store.load(""))


def test_the_token_of_another_key_does_not_replace_the_saved_one(do: Do, store: DotenvStore, key_id: str) -> None:
    issued = do(create_into, store, **NEW)
    error = failure(do, rotate_into, store, key_id)
    assert isinstance(error, InvalidRequestError)
    assert f"holds the token of the key {issued.api_key.id}" in str(error)
    assert store.load("") == issued.token
    # A new token of the same key replaces it. A token of another key is saved once the slot is free.
    do(rotate_into, store, issued.api_key.id)
    (store.journal.parent / ".env").write_text("")
    assert do(rotate_into, store, key_id).token == store.load("")


def test_the_key_of_the_saved_token_is_known_after_failed_rotations(
    do: Do, mock: MockAPI, store: DotenvStore, key_id: str
) -> None:
    issued = do(rotate_into, store, key_id)
    for fault in (faults.Status(403), faults.Close(applied=False)):
        mock.fail_next(fault, operation="rotate")
        failure(do, rotate_into, store, key_id)
    assert [found.status for found in do(resume, store, now=later())] == ["nothing_to_do"]
    other = mock.add_key("other").api_key.id
    assert isinstance(failure(do, rotate_into, store, other), InvalidRequestError)
    assert store.load("") == issued.token


def test_a_lost_rotation_is_repeated(do: Do, mock: MockAPI, store: DotenvStore, key_id: str) -> None:
    before = do(rotate_into, store, key_id).token
    lose(do, mock, store, "rotate", key_id)
    assert [found.status for found in do(resume, store)] == ["completed"]
    assert store.load("") != before
    assert works(mock, store.load(""))


def test_concurrent_operations_on_a_single_slot_store_are_rejected(
    do: Do, mock: MockAPI, store: DotenvStore, key_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Any] = []
    save = store.save

    def act_concurrently(*arguments: Any) -> None:
        with KeysClient(mock.token, transport=mock.transport()) as client:
            found.append(failure(create_into, client, store, **OTHER))
            found.append(failure(rotate_into, client, store, key_id))
            found.extend(each.error for each in resume(client, store))
        save(*arguments)

    monkeypatch.setattr(store, "save", act_concurrently)
    issued = do(create_into, store, **NEW)
    assert [type(error) for error in found] == [KeyBusyError] * 3
    assert store.load("") == issued.token


def test_the_slot_of_a_deleted_key_is_free(do: Do, mock: MockAPI, store: DotenvStore, key_id: str) -> None:
    issued = do(create_into, store, **NEW)
    lose(do, mock, store, "rotate", issued.api_key.id)
    with KeysClient(mock.token, transport=mock.transport()) as client:
        client.delete(issued.api_key.id)
    assert [found.status for found in do(resume, store, now=later())] == ["nothing_to_do"]
    assert do(rotate_into, store, key_id).token == store.load("")


def test_the_hint_for_an_ambiguous_create_works(do: Do, mock: MockAPI, store: DotenvStore) -> None:
    lose(do, mock, store, "create")
    with KeysClient(mock.token, transport=mock.transport()) as client:
        client.create(**NEW)  # a key of another program, with the same name
    [found] = do(resume, store)
    assert found.status == "pending"
    assert f"remove {found.entry}, then rotate it with rotate_into" in found.hint
    mine, theirs = (key for key in do(listed) if key.name == NEW["name"])
    assert isinstance(failure(do, rotate_into, store, mine.id), StorageError)
    found.entry.unlink()
    assert works(mock, do(rotate_into, store, mine.id).token)
    assert theirs.id != mine.id
