"""Concurrent operations: other processes, interrupts, and late requests."""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from incident_io_keys import KeysClient
from incident_io_keys.storage import (
    FileStore,
    KeyBusyError,
    PendingOperationError,
    TokenNotStoredError,
    create_into,
    resume,
    rotate_into,
)
from incident_io_keys.storage._journal import Fingerprint, Journal
from incident_io_keys.testing import MockAPI, faults

from .doing import NEW, Do, Doing, Memory, entries, failure, later, listed, lose_response, throw, works


def when_created(mock: MockAPI, monkeypatch: pytest.MonkeyPatch, act: Callable[[KeysClient, str], None]) -> None:
    """Call a function after a key is created and before its creator receives the response."""
    respond = mock.respond

    def handle(request: httpx.Request) -> httpx.Response:
        response = respond(request)
        if request.method == "POST" and request.url.path.endswith("api_keys"):
            with KeysClient(mock.token, transport=mock.transport()) as client:
                act(client, response.json()["api_key"]["id"])
        return response

    monkeypatch.setattr(mock, "respond", handle)


def outlives(mock: MockAPI, store: Any, key_id: Any) -> bool:
    mock.clock.advance(timedelta(hours=2))
    return works(mock, store.load(key_id))


def test_a_new_key_cannot_be_rotated_while_its_token_is_saved(do: Do, mock: MockAPI, memory: Memory) -> None:
    found: list[Any] = []

    def act_concurrently() -> None:
        memory.at.clear()
        with KeysClient(mock.token, transport=mock.transport()) as client:
            key_id = next(key.id for key in client.list() if key.name == NEW["name"])
            found.append(failure(rotate_into, client, memory, key_id))

    memory.at["save"] = act_concurrently
    issued = do(create_into, memory, **NEW)
    assert [type(error) for error in found] == [KeyBusyError]
    assert outlives(mock, memory, issued.api_key.id)


def test_a_newer_token_of_another_process_is_kept(
    do: Do, mock: MockAPI, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    when_created(mock, monkeypatch, lambda client, key_id: (rotate_into(client, store, key_id), None)[1])
    error = failure(do, create_into, store, **NEW)
    assert type(error) is TokenNotStoredError
    assert "another process rotated the key and saved its newer token" in str(error)
    monkeypatch.undo()
    do(resume, store)
    assert outlives(mock, store, error.key_id)


@pytest.mark.parametrize("cause", ["busy", "unreadable"])
def test_a_new_token_that_cannot_be_saved_now_is_on_the_error(
    cause: str, do: Do, mock: MockAPI, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    locks: list[Any] = []

    def block(_: KeysClient, key_id: str) -> None:
        if cause == "busy":
            locks.append(Journal(memory.journal, single_slot=False).begin_rotation(key_id))
        memory.unreadable = cause == "unreadable"

    when_created(mock, monkeypatch, block)
    error = failure(do, create_into, memory, **NEW)
    assert type(error) is TokenNotStoredError
    assert works(mock, error.token)
    monkeypatch.undo()
    memory.unreadable = False
    for lock in locks:
        lock.release()
    assert [found.status for found in do(resume, memory)] == ["completed"]
    assert outlives(mock, memory, error.key_id)


def test_a_create_with_the_name_of_a_pending_create_is_rejected(do: Do, mock: MockAPI, store: FileStore) -> None:
    mock.fail_next(faults.Close(), operation="create")
    failure(do, create_into, store, **NEW)
    error = failure(do, create_into, store, **NEW)
    assert type(error) is PendingOperationError
    assert "an earlier operation is pending" in str(error)
    assert entries(store) == [error.entry]
    do(create_into, store, name="other bot", role_names=[])
    assert [found.status for found in do(resume, store)] == ["completed"]
    do(create_into, store, **NEW)


def test_resume_does_not_rotate_a_key_that_another_process_has_just_rotated(
    do: Do, mock: MockAPI, memory: Memory
) -> None:
    mock.fail_next(faults.Close(), operation="create")
    failure(do, create_into, memory, **NEW)
    key_id = next(key.id for key in do(listed) if key.name == NEW["name"])

    def act_concurrently() -> None:
        memory.at.clear()
        with KeysClient(mock.token, transport=mock.transport()) as client:
            rotate_into(client, memory, key_id)

    memory.at["check"] = act_concurrently  # after `resume` reads the key and before it takes the lock
    [found] = do(resume, memory)
    assert (found.status, found.key_id) == ("completed", key_id)
    rotations = [request for request in mock.requests if request.url.path.endswith("rotate")]
    assert len(rotations) == 1
    assert outlives(mock, memory, key_id)


def test_an_interrupt_directly_after_locking_releases_the_lock(
    mock: MockAPI, store: FileStore, key_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Journal.begin_rotation

    def interrupted(journal: Journal, key_id: str) -> Any:
        begin(journal, key_id)
        raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "begin_rotation", interrupted)
    with KeysClient(mock.token, transport=mock.transport()) as client:
        with pytest.raises(KeyboardInterrupt):
            rotate_into(client, store, key_id)
        monkeypatch.undo()
        gc.collect()
        rotate_into(client, store, key_id)


def test_an_interrupt_releases_the_lock_even_while_its_traceback_is_kept(
    mock: MockAPI, memory: Memory, key_id: str
) -> None:
    memory.at["check"] = lambda: throw(KeyboardInterrupt())
    with KeysClient(mock.token, transport=mock.transport()) as client:
        with pytest.raises(KeyboardInterrupt) as caught:
            rotate_into(client, memory, key_id)
        memory.at.clear()
        rotate_into(client, memory, key_id)
    assert caught.value.__traceback__ is not None


def test_an_interrupt_between_two_steps_releases_the_lock(
    mock: MockAPI, memory: Memory, key_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.at["check"] = lambda: monkeypatch.setattr(Fingerprint, "of", lambda _: throw(KeyboardInterrupt()))
    with KeysClient(mock.token, transport=mock.transport()) as client:
        with pytest.raises(KeyboardInterrupt) as caught:
            rotate_into(client, memory, key_id)
        monkeypatch.undo()
        memory.at.clear()
        rotate_into(client, memory, key_id)
    assert caught.value.__traceback__ is not None


def test_a_rotation_waits_for_a_pending_one_that_may_still_take_effect(
    do: Do, mock: MockAPI, store: FileStore, key_id: str
) -> None:
    mock.fail_next(faults.Close(applied=False), operation="rotate")
    failure(do, rotate_into, store, key_id)
    error = failure(do, rotate_into, store, key_id)
    assert type(error) is PendingOperationError
    assert entries(store) == [error.entry]
    assert [found.status for found in do(resume, store, now=later())] == ["nothing_to_do"]
    assert outlives(mock, store, do(rotate_into, store, key_id).api_key.id)


def test_a_rotation_replaces_a_pending_one_that_took_effect(
    do: Do, mock: MockAPI, store: FileStore, key_id: str
) -> None:
    mock.clock.advance(timedelta(seconds=1))
    mock.fail_next(faults.Close(applied=True), operation="rotate")
    failure(do, rotate_into, store, key_id)
    do(rotate_into, store, key_id)
    assert entries(store) == []
    assert outlives(mock, store, key_id)


def test_a_rotation_whose_token_could_not_be_saved_can_be_repeated_immediately(
    do: Do, mock: MockAPI, memory: Memory, key_id: str
) -> None:
    memory.at["save"] = lambda: throw(OSError("full"))
    failure(do, rotate_into, memory, key_id)
    memory.at.clear()
    do(rotate_into, memory, key_id)
    assert list(memory.journal.glob("*")) == []
    assert outlives(mock, memory, key_id)


def test_a_create_of_a_name_that_another_process_is_creating_waits_for_it(
    do: Do, mock: MockAPI, memory: Memory
) -> None:
    errors: list[Any] = []

    def act_concurrently() -> None:
        memory.at.clear()
        with KeysClient(mock.token, transport=mock.transport()) as client:
            errors.append(failure(create_into, client, memory, **NEW))
            errors.extend(each.error for each in resume(client, memory) if each.operation == "create")

    memory.at["save"] = act_concurrently
    do(create_into, memory, **NEW)
    assert [type(error) for error in errors] == [KeyBusyError] * 2


@pytest.mark.parametrize("operation", ["create", "rotate"])
def test_a_late_request_of_one_resume_does_not_revoke_the_token_of_the_next(
    operation: str, doing: Doing, mock: MockAPI, store: FileStore, key_id: str
) -> None:
    late: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/rotate") and not late:
            late.append(request)
            raise httpx.ReadError("no response")
        return mock.handle(request)

    client = doing.client(mock.token, mock.handle)
    lose_response(
        lambda function, *rest, **more: doing(function(client, *rest, **more)), mock, store, operation, key_id
    )
    mock.clock.advance(timedelta(seconds=5))
    slow = doing.client(mock.token, handle)
    assert [found.status for found in doing(resume(slow, store))] == ["pending"]
    [found] = doing(resume(slow, store))
    assert found.status == "pending"
    assert found.retry_at is not None
    mock.clock.advance(timedelta(seconds=5))
    mock.handle(late[0])
    [found] = doing(resume(slow, store, now=later()))
    assert found.status == "completed"
    assert outlives(mock, store, found.key_id)


def test_the_fingerprint_distinguishes_two_rotations_of_the_same_time(
    do: Do, mock: MockAPI, memory: Memory, key_id: str
) -> None:
    mock.clock.freeze()
    do(rotate_into, memory, key_id)
    memory.at["save"] = lambda: throw(OSError("full"))
    failure(do, rotate_into, memory, key_id)
    memory.at.clear()
    assert [found.status for found in do(resume, memory, now=later())] == ["completed"]
    assert works(mock, memory.tokens[key_id])
    assert outlives(mock, memory, key_id)
