"""With an async client: what cancellation and the end of an event loop or interpreter must not leave half done."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest

from incident_io_keys import AsyncKeysClient, KeysClient
from incident_io_keys.storage import (
    FileStore,
    KeyBusyError,
    StoreUnavailableError,
    _runner,
    create_into,
    resume,
    rotate_due,
    rotate_into,
)
from incident_io_keys.testing import MockAPI

from .doing import NEW, Memory, aged, entries, failure, sent, throw, works


class Gate:
    """A transport that holds requests of a method after they took effect."""

    def __init__(self, mock: MockAPI, method: str = "POST") -> None:
        self._mock = mock
        self._method = method
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def handle(self, request: httpx.Request) -> httpx.Response:
        response = self._mock.handle(request)
        if request.method == self._method:
            self.reached.set()
            await self.opened.wait()
        return response

    def client(self) -> AsyncKeysClient:
        return AsyncKeysClient(self._mock.token, transport=httpx.MockTransport(self.handle))


async def turns() -> int:
    """Count the turns of the event loop while nothing else is ready: a busy loop makes them as fast as it can."""
    loop, counted = asyncio.get_running_loop(), 0
    selected = loop._selector.select  # type: ignore[attr-defined]

    def select(timeout: float | None) -> Any:
        nonlocal counted
        counted += 1
        return selected(timeout)

    loop._selector.select = select  # type: ignore[attr-defined]
    await asyncio.sleep(0.2)
    loop._selector.select = selected  # type: ignore[attr-defined]
    return counted


def cancelling_scope(scopes: list[Any]) -> Any:
    scope = anyio.CancelScope()
    scopes.append(scope.cancel)
    return scope


@pytest.mark.parametrize("by", ["task.cancel", "three times", "anyio"])
def test_a_cancellation_takes_effect_once_the_token_is_saved_and_does_not_spin(
    by: str, mock: MockAPI, store: FileStore, key_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_runner, "_CHECK_INTERVAL", 0.01)

    async def main() -> None:
        gate, scope = Gate(mock), anyio.CancelScope()

        async def scoped() -> None:
            with scope:
                await rotate_into(client, store, key_id)

        async with gate.client() as client:
            task = asyncio.ensure_future(scoped())
            await gate.reached.wait()
            if by == "anyio":
                scope.cancel()
            else:
                for _ in range(3 if by == "three times" else 1):
                    task.cancel()
                    await asyncio.sleep(0)
            assert await turns() < 20
            assert not task.done()
            gate.opened.set()
            if by == "anyio":
                await task
                assert scope.cancelled_caught
            else:
                with pytest.raises(asyncio.CancelledError):
                    await task

    asyncio.run(main())
    assert works(mock, store.load(key_id))
    assert entries(store) == []


def test_a_timeout_does_not_hide_a_token_that_could_not_be_saved(mock: MockAPI, memory: Memory) -> None:
    memory.at["save"] = lambda: throw(OSError("full"))

    async def main() -> Any:
        gate, limit = Gate(mock), asyncio.timeout(None)

        async def limited() -> None:
            async with limit:
                await create_into(client, memory, **NEW)

        async with gate.client() as client:
            task = asyncio.ensure_future(limited())
            await gate.reached.wait()
            limit.reschedule(0)
            while not limit.expired():
                await asyncio.sleep(0)
            gate.opened.set()
            with pytest.raises(TimeoutError) as caught:
                await task
            return caught.value

    error = asyncio.run(main())
    # The TimeoutError comes from a CancelledError, and that from the failure.
    assert works(mock, error.__cause__.__cause__.token)


def test_a_task_that_is_cancelled_before_it_starts_sends_nothing(mock: MockAPI, store: FileStore) -> None:
    async def main() -> None:
        async with AsyncKeysClient(mock.token, transport=mock.transport()) as client:
            task = asyncio.ensure_future(create_into(client, store, **NEW))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            create_into(client, store, **NEW).close()

    asyncio.run(main())
    assert mock.requests == []


def test_if_all_tasks_are_cancelled_a_store_that_is_saving_still_finishes(
    mock: MockAPI, memory: Memory, key_id: str
) -> None:
    saving, proceed = threading.Event(), threading.Event()

    def slowly() -> None:
        saving.set()
        assert proceed.wait(10)

    memory.at["save"] = slowly

    async def main() -> None:
        async with AsyncKeysClient(mock.token, transport=mock.transport()) as client:
            task = asyncio.ensure_future(rotate_into(client, memory, key_id))
            await asyncio.to_thread(saving.wait)
            for each in asyncio.all_tasks() - {asyncio.current_task()}:
                each.cancel()
            await asyncio.sleep(0)
            with KeysClient(mock.token, transport=mock.transport()) as other:
                assert isinstance(failure(rotate_into, other, memory, key_id), KeyBusyError)
            proceed.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert works(mock, memory.tokens[key_id])
    assert list(memory.journal.glob("*")) == []


def test_if_all_tasks_are_cancelled_a_request_is_interrupted_and_its_operation_is_pending(
    mock: MockAPI, store: FileStore, key_id: str
) -> None:
    async def main() -> None:
        gate = Gate(mock)
        async with gate.client() as client:
            task = asyncio.ensure_future(rotate_into(client, store, key_id))
            await gate.reached.wait()
            for each in asyncio.all_tasks() - {asyncio.current_task()}:
                each.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert len(entries(store)) == 1
    with KeysClient(mock.token, transport=mock.transport()) as client:
        [found] = resume(client, store)
    assert found.status == "completed"
    assert works(mock, store.load(key_id))


@pytest.mark.parametrize("at", ["request", "save"])
def test_an_event_loop_that_is_closed_in_between_releases_the_lock(
    at: str, mock: MockAPI, memory: Memory, key_id: str
) -> None:
    saving, proceed = threading.Event(), threading.Event()
    if at == "save":
        memory.at["save"] = lambda: [saving.set(), proceed.wait(10)]  # type: ignore[func-returns-value]

    async def begin(gate: Gate) -> None:
        work = asyncio.ensure_future(rotate_into(client, memory, key_id))
        tasks.append(work)
        await (gate.reached.wait() if at == "request" else asyncio.to_thread(saving.wait))

    tasks: list[Any] = []
    loop = asyncio.new_event_loop()
    gate = Gate(mock)
    if at == "save":
        gate.opened.set()
    client = gate.client()
    loop.run_until_complete(begin(gate))
    before = [each for each in threading.enumerate() if each.name == "incident-io-keys-storage"]
    tasks[0].get_coro().close()
    tasks[0]._log_destroy_pending = False
    proceed.set()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.run_until_complete(client.aclose())
    loop.close()
    for thread in before:
        thread.join(10)
        assert not thread.is_alive()
    memory.at.clear()
    with KeysClient(mock.token, transport=mock.transport()) as other:
        assert [found.status for found in resume(other, memory)] == ["completed"]
    assert works(mock, memory.tokens[key_id])


def test_a_store_does_not_block_the_event_loop(mock: MockAPI, memory: Memory, key_id: str) -> None:
    async def main() -> None:
        loop, turned = asyncio.get_running_loop(), asyncio.Event()
        memory.at["save"] = lambda: asyncio.run_coroutine_threadsafe(turned.wait(), loop).result(10)
        async with AsyncKeysClient(mock.token, transport=mock.transport()) as client:
            task = asyncio.ensure_future(rotate_into(client, memory, key_id))
            while "save" not in memory.steps:
                await asyncio.sleep(0)
            turned.set()
            await task

    asyncio.run(main())
    assert works(mock, memory.tokens[key_id])


INTO: dict[str, Callable[..., Any]] = {
    "create": lambda client, store, _: create_into(client, store, **NEW),
    "rotate": lambda client, store, key_id: rotate_into(client, store, key_id),
    "rotate_due": lambda client, store, _: rotate_due(client, store, older_than="1 minute"),
}


@pytest.mark.parametrize("operation", INTO)
def test_if_no_thread_can_be_started_nothing_is_issued(
    operation: str, mock: MockAPI, memory: Memory, key_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with AsyncKeysClient(mock.token, transport=mock.transport()) as client:
            monkeypatch.setattr(threading.Thread, "start", lambda _: throw(RuntimeError("can't start new thread")))
            with pytest.raises(StoreUnavailableError, match="no thread can be started; nothing was issued"):
                await INTO[operation](client, memory, key_id)

    asyncio.run(main())
    assert mock.requests == []


def test_if_no_more_threads_can_be_started_keys_are_rotated_one_by_one(
    mock: MockAPI, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = aged(mock, 3)
    monkeypatch.setattr(threading.Thread, "start", lambda _: throw(RuntimeError("can't start new thread")))
    with KeysClient(mock.token, transport=mock.transport()) as client:
        rotate_due(client, memory, older_than="90 days", now=mock.clock.now())
    assert sent(mock, "rotate") == [each.api_key.id for each in issued]
    assert all(works(mock, token) for token in memory.tokens.values())


def test_a_loop_that_is_closed_with_a_request_in_progress_releases_the_lock(
    mock: MockAPI, store: FileStore, key_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_runner, "_CHECK_INTERVAL", 0.01)

    async def begin() -> None:
        tasks.append(asyncio.ensure_future(rotate_into(client, store, key_id)))
        await gate.reached.wait()

    tasks: list[Any] = []
    loop, gate = asyncio.new_event_loop(), Gate(mock)
    client = gate.client()
    loop.run_until_complete(begin())
    [thread] = [each for each in threading.enumerate() if each.name == "incident-io-keys-storage"]
    loop.run_until_complete(client.aclose())
    loop.close()
    thread.join(10)
    assert not thread.is_alive()
    for task in [*tasks, *asyncio.all_tasks(loop)]:
        task._log_destroy_pending = False
        task.get_coro().close()
    with KeysClient(mock.token, transport=mock.transport()) as other:
        assert [found.status for found in resume(other, store)] == ["completed"]
    assert works(mock, store.load(key_id))
