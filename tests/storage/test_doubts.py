"""`resume` in ambiguous cases: it gives a hint and changes no key that may belong to another program."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from incident_io_keys import KeysClient, Token
from incident_io_keys.storage import FileStore, StoreUnavailableError, create_into, resume, rotate_into
from incident_io_keys.storage._journal import Entry, JournalFile
from incident_io_keys.testing import MockAPI, faults

from .doing import NEW, Do, Memory, entries, fail_to_save, failure, later, listed, lose_response, newest, throw, works


def shift_start(store: FileStore, earlier: timedelta) -> None:
    """Move the start of the pending operation, as if the clock of this machine had been wrong."""
    [path] = entries(store)
    entry = json.loads(path.read_text())
    entry["began"] = (datetime.fromisoformat(entry["began"]) - earlier).isoformat()
    path.write_text(json.dumps(entry) + "\n")


def find_lost_key(do: Do) -> Any:
    return next(key for key in do(listed) if key.name == NEW["name"])


@pytest.mark.parametrize("minutes", [-600_000, -11, 11, 600_000])
def test_an_orphaned_key_is_reported_even_if_the_clock_was_wrong(
    minutes: int, do: Do, mock: MockAPI, store: FileStore
) -> None:
    lose_response(do, mock, store, "create", "")
    shift_start(store, timedelta(minutes=minutes))
    key = find_lost_key(do)
    [entry] = entries(store)
    for now in (None, later()):
        [found] = do(resume, store, now=now)
        assert (found.status, found.entry) == ("pending", entry)
        assert f"{key.id}, created {key.created_at:%Y-%m-%d %H:%M:%S}" in found.hint
    # Follow the hint.
    do(rotate_into, store, key.id)
    entry.unlink()
    assert newest(mock, store.load(key.id))


def test_an_orphaned_key_that_another_program_adopted_is_not_changed(do: Do, mock: MockAPI, store: FileStore) -> None:
    lose_response(do, mock, store, "create", "")
    mock.clock.advance(timedelta(seconds=11))
    with KeysClient(mock.token, transport=mock.transport()) as client:
        theirs = client.rotate(find_lost_key(do).id).token
    [found] = do(resume, store)
    assert (found.status, entries(store)) == ("pending", [found.entry])
    assert newest(mock, theirs)


def test_a_key_that_the_caller_may_no_longer_see_does_not_count_as_deleted(
    do: Do, mock: MockAPI, memory: Memory, key_id: str
) -> None:
    before = do(rotate_into, memory, key_id).token
    lose_response(do, mock, memory, "rotate", key_id)
    mock.fail_next(faults.Status(404), operation="show")
    [found] = do(resume, memory, now=later())
    assert found.status == "pending"
    assert f"the key {key_id} exists, but this caller may not see it" in found.hint
    assert works(mock, before)
    assert [found.status for found in do(resume, memory)] == ["completed"]


def test_a_new_key_is_not_abandoned_after_one_404(do: Do, mock: MockAPI, memory: Memory) -> None:
    error = fail_to_save(do, memory, "create", "")
    mock.fail_next(faults.Status(404), operation="show")
    assert [found.status for found in do(resume, memory)] == ["pending"]
    assert [found.status for found in do(resume, memory)] == ["completed"]
    assert newest(mock, memory.tokens[error.key_id])


def test_a_key_of_the_same_name_with_a_saved_token_is_not_the_orphan(do: Do, mock: MockAPI, memory: Memory) -> None:
    lose_response(do, mock, memory, "create", "")
    key = find_lost_key(do)
    with KeysClient(mock.token, transport=mock.transport()) as client:
        other = client.create(**NEW).api_key.id
    kept = do(rotate_into, memory, other).token
    [found] = do(resume, memory)
    assert (found.status, found.key_id) == ("completed", key.id)
    assert memory.tokens[other] == kept
    assert newest(mock, kept)


@pytest.mark.parametrize("held", [Token("has a blank"), Token("inc_" + "0" * 64)])
def test_an_invalid_saved_token_of_an_orphaned_key_is_replaced(
    held: Token, do: Do, mock: MockAPI, memory: Memory
) -> None:
    lose_response(do, mock, memory, "create", "")
    key = find_lost_key(do)
    memory.tokens[key.id] = held
    assert [found.status for found in do(resume, memory)] == ["completed"]
    assert newest(mock, memory.tokens[key.id])


def test_an_old_token_that_reappears_in_the_store_does_not_count_as_the_new_one(
    do: Do, mock: MockAPI, memory: Memory, key_id: str
) -> None:
    before = do(rotate_into, memory, key_id).token
    memory.tokens.clear()
    lose_response(do, mock, memory, "rotate", key_id)
    memory.tokens[key_id] = before
    assert [found.status for found in do(resume, memory)] == ["completed"]
    assert memory.tokens[key_id] != before
    assert newest(mock, memory.tokens[key_id])


def test_the_old_token_does_not_count_as_the_one_that_could_not_be_saved(
    do: Do, mock: MockAPI, memory: Memory, key_id: str
) -> None:
    before = do(rotate_into, memory, key_id).token
    fail_to_save(do, memory, "rotate", key_id)
    assert memory.tokens[key_id] == before  # which works until its grace period ends
    assert [found.status for found in do(resume, memory)] == ["completed"]
    assert memory.tokens[key_id] != before
    assert newest(mock, memory.tokens[key_id])


def test_a_token_is_saved_even_if_the_journal_is_full(
    do: Do, memory: Memory, key_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = JournalFile.write

    def full(opened: JournalFile, entry: Entry) -> None:
        if entry.fingerprint is not None:
            raise StoreUnavailableError("full")
        write(opened, entry)

    monkeypatch.setattr(JournalFile, "write", full)
    for issued in (do(rotate_into, memory, key_id), do(create_into, memory, **NEW)):
        assert memory.tokens[issued.api_key.id] == issued.token
    assert do(resume, memory) == []


def test_the_result_of_a_pending_operation_has_its_key_and_token(
    do: Do, mock: MockAPI, memory: Memory, key_id: str
) -> None:
    memory.at["save"] = lambda: throw(OSError("full"))
    failure(do, rotate_into, memory, key_id)
    [found] = do(resume, memory)
    assert (found.status, found.operation, found.name, found.key_id) == ("pending", "rotate", "there", key_id)
    assert found.token is not None
    assert works(mock, found.token)
    assert found.token == found.error.token
