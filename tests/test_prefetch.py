"""Prefetching the next page, and abandoning it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import httpx
import pytest

from incident_io_keys import AsyncKeysClient, KeysClient
from incident_io_keys.testing import MockAPI

from .conftest import CANARY
from .connections import KeyServer, daemons, first_of_two_pages, list_response
from .faults import SLOW, Connection, Fault, FaultServer
from .programs import fork


@contextlib.contextmanager
def serving(second_page: Fault) -> Iterator[tuple[str, threading.Event]]:
    """Serve one page and then a fault; yield the URL, and what is set when the second request arrives."""
    arrived = threading.Event()

    def second(connection: Connection) -> None:
        arrived.set()
        second_page(connection)

    with FaultServer([first_of_two_pages, second]).running() as server:
        yield server.url, arrived


# If a client waited for the page that is on its way, the following two tests would take ten minutes.


@pytest.mark.parametrize("fault", SLOW)
def test_no_thread_outlives_a_client_whose_loop_was_left(caplog: pytest.LogCaptureFixture, fault: str) -> None:
    caplog.set_level(logging.DEBUG, "incident_io_keys")
    before = daemons()
    with serving(SLOW[fault]) as (url, arrived):
        with KeysClient(CANARY, base_url=url, deadline=600, timeout=600) as keys:
            for _ in keys.list(prefetch=True):
                assert arrived.wait(10)
                break
        assert daemons() - before == set()
    assert [record.getMessage() for record in caplog.records] == ["GET /v1/api_keys: 200"]  # of the first page


@pytest.mark.parametrize("fault", SLOW)
def test_leaving_an_async_loop_cancels_the_task_that_prefetches(caplog: pytest.LogCaptureFixture, fault: str) -> None:
    async def main(url: str, arrived: threading.Event) -> None:
        async with (
            AsyncKeysClient(CANARY, base_url=url, deadline=600, timeout=600) as keys,
            contextlib.aclosing(aiter(keys.list(prefetch=True))) as listed,
        ):
            async for _ in listed:
                while not arrived.is_set():
                    await asyncio.sleep(0)
                break
            await listed.aclose()
            assert len(asyncio.all_tasks()) == 1

    with serving(SLOW[fault]) as (url, arrived):
        asyncio.run(main(url, arrived))
    gc.collect()  # asyncio reports an exception that nobody retrieved when the task is collected
    assert caplog.records == []


def test_a_prefetch_that_fails_after_the_loop_was_left_is_neither_retried_nor_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "incident_io_keys")
    before, requests = daemons(), []
    begun, closed = threading.Event(), threading.Event()

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        if len(requests) == 1:
            return httpx.Response(200, json=list_response(0, pages=2))
        # The garbage collector may run in any thread, and close a loop that nobody refers to.
        assert begun.wait(10)
        listed.close()
        closed.set()
        return httpx.Response(429)

    with KeysClient(CANARY, transport=httpx.MockTransport(respond)) as keys:
        listed = iter(keys.list(prefetch=True))
        next(listed)
        begun.set()
        for thread in daemons() - before:
            thread.join(10)
        assert list(listed) == []
    assert closed.is_set()
    assert len(requests) == 2
    assert [record.getMessage() for record in caplog.records] == ["GET /v1/api_keys: 200"]  # of the first page


def test_an_async_prefetch_that_failed_before_the_loop_was_left_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    responses = [httpx.Response(200, json=list_response(0, pages=2)), httpx.Response(403)]

    async def main() -> None:
        async with (
            AsyncKeysClient(CANARY, transport=httpx.MockTransport(lambda _: responses.pop(0))) as keys,
            contextlib.aclosing(aiter(keys.list(prefetch=True))) as listed,
        ):
            await anext(listed)
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0)
            assert responses == []

    asyncio.run(main())
    gc.collect()
    assert caplog.records == []


def test_the_next_page_is_requested_while_one_is_consumed() -> None:
    with KeyServer(pages=3).running() as server, KeysClient(CANARY, base_url=server.url) as keys:
        listed = iter(keys.list(prefetch=True))
        assert server.ports == []
        assert next(listed).id == "key 0"
        assert server.wait_until(lambda: len(server.ports) == 2)
        assert [key.id for key in listed] == ["key 1", "key 2"]
        assert len(server.ports) == 3


def test_the_next_page_is_requested_while_one_is_consumed_by_a_task() -> None:
    async def main(url: str, requests: list[int]) -> None:
        async with AsyncKeysClient(CANARY, base_url=url) as keys:
            listed = aiter(keys.list(prefetch=True))
            assert requests == []
            assert (await anext(listed)).id == "key 0"
            while len(requests) < 2:
                await asyncio.sleep(0)
            assert [key.id async for key in listed] == ["key 1", "key 2"]
            assert len(requests) == 3

    with KeyServer(pages=3).running() as server:
        asyncio.run(main(server.url, server.ports))


def test_a_page_is_prefetched_in_the_context_of_the_loop_and_keeps_no_process_alive(
    client_of: Callable[..., Any],
) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="lost")
    contexts: list[str] = []
    keeps_alive: list[bool] = []

    def respond(request: httpx.Request) -> httpx.Response:
        contexts.append(variable.get())
        thread = threading.current_thread()
        keeps_alive.append(thread is not threading.main_thread() and not thread.daemon)
        return httpx.Response(200, json=list_response(int(request.url.params.get("after", "0")), pages=3))

    variable.set("kept")
    assert len(list(client_of(respond).list(prefetch=True))) == 3
    assert contexts == ["kept"] * 3
    assert not any(keeps_alive)


def test_after_a_fork_a_page_is_prefetched_again_over_a_new_connection() -> None:
    with KeyServer(pages=3, immediate=1).running() as server, KeysClient(CANARY, base_url=server.url) as keys:
        listed = iter(keys.list(prefetch=True))
        next(listed)
        assert server.wait_until(lambda: len(server.ports) == 2)  # the thread, which stays in the parent, waits
        server.immediate = 10

        def check() -> None:
            assert [key.id for key in listed] == ["key 1", "key 2"]

        fork(check)
        before, after = set(server.ports[:2]), set(server.ports[2:])
        assert not before & after
        assert len(server.ports) == 2 + 2
        assert len(after) == 1
        server.released.set()
        assert [key.id for key in listed] == ["key 1", "key 2"]


def test_a_child_that_leaves_a_loop_does_not_disturb_the_prefetch_of_its_parent() -> None:
    with KeyServer(pages=2, immediate=1).running() as server, KeysClient(CANARY, base_url=server.url) as keys:
        listed = iter(keys.list(prefetch=True))
        next(listed)
        assert server.wait_until(lambda: len(server.ports) == 2)
        fork(listed.close)
        server.released.set()
        assert [key.id for key in listed] == ["key 1"]
        assert len(server.ports) == 2


def test_without_threads_nothing_is_prefetched_and_all_keys_come(
    mock: MockAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with KeysClient(mock.token, transport=mock.transport()) as keys:
        for number in range(3):
            keys.create(name=str(number), role_names=[])
        monkeypatch.setattr(threading.Thread, "start", start)
        assert [key.name for key in keys.list(page_size=1, prefetch=True)] == ["Manager", "0", "1", "2"]
        for _ in keys.list(page_size=1, prefetch=True):
            break
    assert len(mock.requests) == 3 + 4 + 1
