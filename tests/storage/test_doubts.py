"""What resuming does where it is not sure: it asks, and touches nothing that could be somebody else's."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from incident_io_keys import KeysClient, Token
from incident_io_keys.storage import FileStore, StoreUnavailableError, create_into, resume, rotate_into
from incident_io_keys.storage._journal import Entry, JournalFile
from incident_io_keys.testing import MockAPI, faults

from .doing import NEW, Do, Memory, entries, failure, later, listed, lose_the_answer, newest, not_stored, throw, works


def began(store: FileStore, earlier: timedelta) -> None:
    """Have the clock of this machine be wrong when something was begun."""
    [path] = entries(store)
    entry = json.loads(path.read_text())
    entry["began"] = (datetime.fromisoformat(entry["began"]) - earlier).isoformat()
    path.write_text(json.dumps(entry) + "\n")


def lost(do: Do) -> Any:
    return next(key for key in do(listed) if key.name == NEW["name"])


@pytest.mark.parametrize("minutes", [-600_000, -11, 11, 600_000])
def test_a_lost_key_is_not_dropped_because_a_clock_was_wrong(
    minutes: int, do: Do, mock: MockAPI, store: FileStore
) -> None:
    lose_the_answer(do, mock, store, "create", "")
    began(store, timedelta(minutes=minutes))
    key = lost(do)
    [entry] = entries(store)
    for now in (None, later()):
        [found] = do(resume, store, now=now)
        assert (found.status, found.entry) == ("pending", entry)
        assert f"{key.id}, created {key.created_at:%Y-%m-%d %H:%M:%S}" in found.hint
    # As it says.
    do(rotate_into, store, key.id)
    entry.unlink()
    assert newest(mock, store.load(key.id))


def test_a_lost_key_that_somebody_adopted_is_left_to_them(do: Do, mock: MockAPI, store: FileStore) -> None:
    lose_the_answer(do, mock, store, "create", "")
    mock.clock.advance(timedelta(seconds=11))
    with KeysClient(mock.token, transport=mock.transport()) as client:
        theirs = client.rotate(lost(do).id).token
    [found] = do(resume, store)
    assert (found.status, entries(store)) == ("pending", [found.entry])
    assert newest(mock, theirs)


def test_a_key_that_this_caller_may_not_see_any_more_is_not_taken_for_deleted(
    do: Do, mock: MockAPI, memory: Memory, key_id: str
) -> None:
    before = do(rotate_into, memory, key_id).token
    lose_the_answer(do, mock, memory, "rotate", key_id)
    mock.fail_next(faults.Status(404), operation="show")
    [found] = do(resume, memory, now=later())
    assert found.status == "pending"
    assert f"the key {key_id} exists, but this caller may not see it" in found.hint
    assert works(mock, before)
    assert [found.status for found in do(resume, memory)] == ["completed"]


def test_one_404_does_not_make_a_new_key_an_orphan(do: Do, mock: MockAPI, memory: Memory) -> None:
    error = not_stored(do, memory, "create", "")
    mock.fail_next(faults.Status(404), operation="show")
    assert [found.status for found in do(resume, memory)] == ["pending"]
    assert [found.status for found in do(resume, memory)] == ["completed"]
    assert newest(mock, memory.tokens[error.key_id])


def test_a_key_of_the_same_name_whose_token_the_store_has_is_not_the_lost_one(
    do: Do, mock: MockAPI, memory: Memory
) -> None:
    lose_the_answer(do, mock, memory, "create", "")
    key = lost(do)
    with KeysClient(mock.token, transport=mock.transport()) as client:
        other = client.create(**NEW).api_key.id
    kept = do(rotate_into, memory, other).token
    [found] = do(resume, memory)
    assert (found.status, found.key_id) == ("completed", key.id)
    assert memory.tokens[other] == kept
    assert newest(mock, kept)


@pytest.mark.parametrize("held", [Token("has a blank"), Token("inc_" + "0" * 64)])
def test_what_does_not_work_in_the_place_of_a_lost_key_is_replaced(
    held: Token, do: Do, mock: MockAPI, memory: Memory
) -> None:
    lose_the_answer(do, mock, memory, "create", "")
    key = lost(do)
    memory.tokens[key.id] = held
    assert [found.status for found in do(resume, memory)] == ["completed"]
    assert newest(mock, memory.tokens[key.id])


def test_a_store_that_forgot_for_a_moment_is_not_taken_for_one_that_has_the_new_token(
    do: Do, mock: MockAPI, memory: Memory, key_id: str
) -> None:
    before = do(rotate_into, memory, key_id).token
    memory.tokens.clear()
    lose_the_answer(do, mock, memory, "rotate", key_id)
    memory.tokens[key_id] = before
    assert [found.status for found in do(resume, memory)] == ["completed"]
    assert memory.tokens[key_id] != before
    assert newest(mock, memory.tokens[key_id])


def test_the_token_of_before_is_not_taken_for_the_one_that_found_no_place(
    do: Do, mock: MockAPI, memory: Memory, key_id: str
) -> None:
    before = do(rotate_into, memory, key_id).token
    not_stored(do, memory, "rotate", key_id)
    assert memory.tokens[key_id] == before  # which works for a while
    assert [found.status for found in do(resume, memory)] == ["completed"]
    assert memory.tokens[key_id] != before
    assert newest(mock, memory.tokens[key_id])


def test_a_journal_that_has_no_room_any_more_does_not_keep_a_token_from_its_place(
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


def test_what_is_open_can_be_read_off(do: Do, mock: MockAPI, memory: Memory, key_id: str) -> None:
    memory.at["save"] = lambda: throw(OSError("full"))
    failure(do, rotate_into, memory, key_id)
    [found] = do(resume, memory)
    assert (found.status, found.operation, found.name, found.key_id) == ("pending", "rotate", "there", key_id)
    assert found.token is not None
    assert works(mock, found.token)
    assert found.token == found.error.token
