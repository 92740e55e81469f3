"""`resume` completes the pending operations of an earlier process, or gives a hint."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from incident_io_keys import KeysClient, Token
from incident_io_keys.storage import FileStore, StoreUnavailableError, create_into, resume, rotate_into
from incident_io_keys.storage._journal import Journal
from incident_io_keys.testing import MockAPI, MockSettings, faults

from ..conftest import without_last_use
from .doing import (
    NEW,
    Do,
    Memory,
    entries,
    fail_to_save,
    failure,
    later,
    listed,
    lose_response,
    newest,
    requests_of,
    throw,
    works,
)


def test_resume_does_nothing_without_pending_operations(do: Do, mock: MockAPI, memory: Memory) -> None:
    memory.at["check"] = lambda: throw(StoreUnavailableError("not now"))
    assert do(resume, memory) == []
    assert requests_of(mock) == []


def test_an_orphaned_key_is_adopted_once(do: Do, mock: MockAPI, store: FileStore) -> None:
    lose_response(do, mock, store, "create", "")
    [found] = do(resume, store)
    [key] = [key for key in do(listed) if key.name == NEW["name"]]
    assert (found.status, found.operation, found.name, found.key_id) == ("completed", "create", NEW["name"], key.id)
    assert "the token of" in found.hint
    assert "was lost" in found.hint
    # The lost token must expire immediately.
    [rotated] = [request for request in mock.requests if request.url.path.endswith("rotate")]
    assert json.loads(rotated.content) == {"grace_period_minutes": 0}
    assert newest(mock, store.load(key.id))
    assert entries(store) == []


def test_a_lost_rotation_is_repeated_with_the_same_grace_period(
    do: Do, mock: MockAPI, store: FileStore, key_id: str
) -> None:
    before = do(rotate_into, store, key_id).token
    mock.fail_next(faults.Close(), operation="rotate")
    failure(do, rotate_into, store, key_id, grace_period_minutes=17)
    [found] = do(resume, store)
    assert (found.status, found.operation, found.name, found.key_id) == ("completed", "rotate", "there", key_id)
    assert json.loads(mock.requests[-2].content) == {"grace_period_minutes": 17}
    assert works(mock, before)
    assert store.load(key_id) != before
    assert newest(mock, store.load(key_id))


@pytest.mark.parametrize("operation", ["create", "rotate"])
def test_a_request_that_may_still_take_effect_is_pending_for_five_minutes(
    operation: str, do: Do, mock: MockAPI, store: FileStore, key_id: str
) -> None:
    before = do(rotate_into, store, key_id).token
    lose_response(do, mock, store, operation, key_id, applied=False)
    keys = [without_last_use(key) for key in do(listed)]
    [found] = do(resume, store)
    assert (found.status, [found.entry]) == ("pending", entries(store))
    assert found.began is not None
    assert found.retry_at == found.began + timedelta(minutes=5)
    assert f"call resume again after {found.retry_at:%Y-%m-%d %H:%M:%S} UTC" in found.hint
    [found] = do(resume, store, now=later())
    assert (found.status, entries(store)) == ("nothing_to_do", [])
    assert [without_last_use(key) for key in do(listed)] == keys
    assert store.load(key_id) == before


def test_a_key_that_is_listed_late_is_adopted_by_a_later_resume(do: Do, mock: MockAPI, store: FileStore) -> None:
    mock.settings = MockSettings(list_delay=timedelta(minutes=1))
    lose_response(do, mock, store, "create", "")
    assert [found.status for found in do(resume, store)] == ["pending"]
    mock.settings = MockSettings()
    assert [found.status for found in do(resume, store)] == ["completed"]


def test_an_older_key_of_the_same_name_is_not_changed(do: Do, mock: MockAPI, store: FileStore) -> None:
    first = do(create_into, store, **NEW)
    lose_response(do, mock, store, "create", "")
    [found] = do(resume, store)
    assert found.status == "completed"
    assert found.key_id != first.api_key.id
    assert store.load(first.api_key.id) == first.token
    assert works(mock, first.token)


def test_no_key_is_changed_if_several_keys_match(do: Do, mock: MockAPI, store: FileStore) -> None:
    lose_response(do, mock, store, "create", "")
    with KeysClient(mock.token, transport=mock.transport()) as client:
        another = client.create(**NEW)
    [found] = do(resume, store, now=later())
    assert found.status == "pending"
    assert another.api_key.id in found.hint
    assert works(mock, another.token)
    assert entries(store) == [found.entry]


def test_there_is_nothing_to_do_for_a_deleted_key(do: Do, mock: MockAPI, memory: Memory, key_id: str) -> None:
    for operation in ("create", "rotate"):
        error = fail_to_save(do, memory, operation, key_id)
        with KeysClient(mock.token, transport=mock.transport()) as client:
            client.delete(error.key_id)
        assert [found.status for found in do(resume, memory)] == ["pending"]  # a 404 can have other causes
        [found] = do(resume, memory, now=later())
        assert (found.status, found.key_id) == ("nothing_to_do", error.key_id)
        assert f"there is no key {error.key_id} that this caller may see" in found.hint


def test_a_key_that_another_program_rotated_later_is_not_changed(
    do: Do, mock: MockAPI, store: FileStore, key_id: str
) -> None:
    lose_response(do, mock, store, "rotate", key_id)
    mock.clock.advance(timedelta(minutes=11))
    with KeysClient(mock.token, transport=mock.transport()) as client:
        theirs = client.rotate(key_id).token
    [found] = do(resume, store)
    assert found.status == "pending"
    assert "another program rotated the key" in found.hint
    assert newest(mock, theirs)
    # Follow the hint.
    do(rotate_into, store, key_id)
    assert do(resume, store) == []
    assert newest(mock, store.load(key_id))


@pytest.mark.parametrize("operation", ["create", "rotate"])
@pytest.mark.parametrize(
    "fault",
    [faults.Status(403), faults.Close(), faults.Close(applied=False), faults.DropProperty("token")],
    ids=repr,
)
def test_a_resume_that_fails_can_be_repeated(
    operation: str, fault: faults.Fault, do: Do, mock: MockAPI, store: FileStore, key_id: str
) -> None:
    do(rotate_into, store, key_id)
    lose_response(do, mock, store, operation, key_id)
    mock.fail_next(fault, operation="rotate", times=2)
    for _ in range(2):
        found, *_ = do(resume, store)
        assert found.status == "pending"
        # The request of the first resume may still take effect.
        assert str(found.error) in found.hint if found.error is not None else found.retry_at is not None
    mock.clear_faults()
    # `resume` repeats the rotation after the waiting time too, because the store does not have the newest token.
    assert {each.status for each in do(resume, store, now=later())} <= {"completed", "nothing_to_do"}
    assert entries(store) == []
    assert all(newest(mock, store.load(key.id)) for key in do(listed) if key.name != "Manager")


def test_a_token_that_resume_cannot_save_is_on_the_error(do: Do, mock: MockAPI, memory: Memory, key_id: str) -> None:
    lose_response(do, mock, memory, "rotate", key_id)
    memory.at["save"] = lambda: throw(OSError("full"))
    [found] = do(resume, memory)
    assert found.status == "pending"
    assert works(mock, found.error.token)
    assert found.error.token.reveal() not in repr(found)


def test_a_later_rotation_keeps_the_pending_one_in_the_journal(
    do: Do, mock: MockAPI, store: FileStore, key_id: str
) -> None:
    lose_response(do, mock, store, "rotate", key_id)
    # A rejected rotation does not remove the pending one.
    mock.fail_next(faults.Status(403), operation="rotate")
    failure(do, rotate_into, store, key_id)
    lose_response(do, mock, store, "rotate", key_id, applied=False)
    [found] = do(resume, store, now=later())
    assert found.status == "completed"
    assert newest(mock, store.load(key_id))


@pytest.mark.parametrize("operation", ["create", "rotate"])
def test_a_token_in_the_store_that_does_not_work_is_replaced(
    operation: str, do: Do, mock: MockAPI, memory: Memory, key_id: str
) -> None:
    error = fail_to_save(do, memory, operation, key_id)
    memory.tokens[error.key_id] = Token("inc_" + "0" * 64)
    [found] = do(resume, memory)
    assert found.status == "completed"
    assert newest(mock, memory.tokens[error.key_id])


def test_a_new_key_that_was_renamed_is_found_by_its_id(do: Do, mock: MockAPI, memory: Memory) -> None:
    error = fail_to_save(do, memory, "create", "")
    with KeysClient(mock.token, transport=mock.transport()) as client:
        client.update(error.key_id, name="other", role_names=[], team_ids=[], team_role_names=[])
    [found] = do(resume, memory)
    assert (found.status, found.key_id) == ("completed", error.key_id)


def test_an_operation_that_another_process_is_running_is_skipped(
    do: Do, mock: MockAPI, memory: Memory, key_id: str
) -> None:
    found: list[Any] = []

    def act_concurrently() -> None:
        memory.at.clear()
        with KeysClient(mock.token, transport=mock.transport()) as client:
            found.extend(resume(client, memory, now=later()))

    memory.at["save"] = act_concurrently
    issued = do(rotate_into, memory, key_id)
    assert [each.status for each in found] == ["pending"]
    assert "another process or thread is using the journal file" in found[0].hint
    assert newest(mock, issued.token)


def test_a_journal_file_that_was_removed_concurrently_is_skipped(
    do: Do, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.journal.mkdir()
    monkeypatch.setattr(Journal, "paths", lambda _: [store.journal / "rotate-1.json"])
    assert do(resume, store) == []


def test_the_other_operations_are_completed_if_a_journal_file_cannot_be_read(
    do: Do, mock: MockAPI, store: FileStore, key_id: str
) -> None:
    lose_response(do, mock, store, "rotate", key_id)
    (store.journal / "create-1.json").write_text('{"operation": "transfer", "name": "a", "began": 1}\n')
    (store.journal / "create-2.json").mkdir()
    (store.journal / "create-3.json").write_text('{"operation": "cre')
    found = do(resume, store)
    assert [each.status for each in found] == ["pending", "pending", "pending", "completed"]
    assert "was written by another version of this package" in found[0].hint
    assert [entry.name for entry in entries(store)] == ["create-1.json", "create-2.json", "create-3.json"]


def test_a_rejected_token_of_the_caller_is_reported(do: Do, mock: MockAPI, store: FileStore, key_id: str) -> None:
    lose_response(do, mock, store, "rotate", key_id)
    mock.fail_next(faults.Status(401), operation="show")
    [found] = do(resume, store)
    assert found.status == "pending"
    assert "fix the cause, then call resume again: show failed with 401" in found.hint


def test_resume_issues_no_token_if_the_store_fails_its_check(
    do: Do, mock: MockAPI, memory: Memory, key_id: str
) -> None:
    lose_response(do, mock, memory, "rotate", key_id)
    lose_response(do, mock, memory, "create", key_id)
    memory.at["check"] = lambda: throw(StoreUnavailableError("full"))
    sent = len(mock.requests)
    found = do(resume, memory)
    assert [(each.status, str(each.error)) for each in found] == [("pending", "full")] * 2
    assert not any(request.method == "POST" for request in mock.requests[sent:])


def test_resume_confirms_a_saved_token_even_if_the_store_is_full(
    do: Do, memory: Memory, mock: MockAPI, key_id: str
) -> None:
    memory.at["save"] = lambda: mock.fail_next(faults.Status(401), operation="show", times=9)
    failure(do, rotate_into, memory, key_id)
    mock.clear_faults()
    memory.at["check"] = lambda: throw(StoreUnavailableError("full"))
    assert [found.status for found in do(resume, memory)] == ["completed"]


def test_a_missing_directory_is_an_error(do: Do, tmp_path: Path) -> None:
    error = failure(do, resume, FileStore(tmp_path / "typo"))
    assert isinstance(error, StoreUnavailableError)
    assert "does not exist" in str(error)


@pytest.mark.parametrize("now", [5, datetime(2026, 1, 1)])  # noqa: DTZ001 - the function must reject it
def test_one_error_reports_all_problems(now: Any) -> None:
    error = failure(resume, None, None, now=now)
    assert [problem.field for problem in error.problems] == ["now", "client", "store"]
