"""Procedures, run with an async client: what a cancellation may not leave half done."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from incident_io_keys import AsyncKeysClient
from incident_io_keys.storage import FileStore, create_into, rotate_into
from incident_io_keys.storage._runner import Steps, api, to_the_end
from incident_io_keys.testing import MockAPI

from .doing import NEW, Memory, entries, throw, works


class Gate:
    """Lets a request of a method through once it is told to, and says when one waits there."""

    def __init__(self, mock: MockAPI, method: str = "POST") -> None:
        self._mock = mock
        self._method = method
        self.waits = asyncio.Event()
        self.opened = asyncio.Event()

    async def handle(self, request: httpx.Request) -> httpx.Response:
        answer = self._mock.handle(request)
        if request.method == self._method:
            self.waits.set()
            await self.opened.wait()
        return answer


@pytest.mark.parametrize("times", [1, 3])
def test_a_cancellation_takes_effect_once_the_token_is_in_its_place(
    times: int, mock: MockAPI, store: FileStore, key_id: str
) -> None:
    async def main() -> None:
        gate = Gate(mock)
        async with AsyncKeysClient(mock.token, transport=httpx.MockTransport(gate.handle)) as client:
            task = asyncio.ensure_future(rotate_into(client, store, key_id))
            await gate.waits.wait()
            for _ in range(times):
                task.cancel()
                await asyncio.sleep(0)
            assert not task.done()
            gate.opened.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert works(mock, store.load(key_id))
    assert entries(store) == []


def test_a_time_limit_around_it_does_not_hide_a_token_that_found_no_place(mock: MockAPI, memory: Memory) -> None:
    memory.at["save"] = lambda: throw(OSError("full"))

    async def main() -> Any:
        gate, limit = Gate(mock), asyncio.timeout(None)

        async def limited() -> None:
            async with limit:
                await create_into(client, memory, **NEW)

        async with AsyncKeysClient(mock.token, transport=httpx.MockTransport(gate.handle)) as client:
            task = asyncio.ensure_future(limited())
            await gate.waits.wait()
            limit.reschedule(0)
            while not limit.expired():
                await asyncio.sleep(0)
            gate.opened.set()
            with pytest.raises(TimeoutError) as caught:
                await task
            return caught.value

    error = asyncio.run(main())
    # A TimeoutError from a CancelledError, and that from what went wrong.
    assert works(mock, error.__cause__.__cause__.token)


def test_it_is_cancelled_if_what_it_waits_for_is() -> None:
    def cancelled() -> Steps[None]:
        yield from api(throw, asyncio.CancelledError())

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(to_the_end(cancelled()))


def test_a_store_does_not_hold_up_the_event_loop(mock: MockAPI, memory: Memory, key_id: str) -> None:
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


def test_nothing_is_done_before_it_is_awaited(mock: MockAPI, store: FileStore) -> None:
    async def main() -> None:
        async with AsyncKeysClient(mock.token, transport=mock.transport()) as client:
            create_into(client, store, **NEW).close()

    asyncio.run(main())
    assert mock.requests == []
