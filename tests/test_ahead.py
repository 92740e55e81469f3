"""What is fetched ahead of its consumer, and how that ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
from contextvars import ContextVar

import pytest
import stamina

from incident_io_keys import (
    AsyncKeysClient,
    KeysClient,
)
from incident_io_keys._ahead import Ahead
from incident_io_keys._deadline import Deadline
from incident_io_keys.testing import MockAPI

from .conftest import CANARY
from .faults import Connection, FaultServer, drip_in_the_head


def first_of_two_pages(connection: Connection) -> None:
    dates = {"created_at": "2021-08-17T13:28:57Z", "token_last_issued_at": "2021-08-17T13:28:57Z"}
    key = {"id": "1", "name": "a", "roles": [], "team_ids": [], "team_roles": [], "creator": {}, **dates}
    page = {"api_keys": [key], "pagination_meta": {"page_size": 1, "after": "1"}}
    connection.answer(200, json.dumps(page).encode())


# If one of these two waited for the page that is being fetched, it would take ten minutes.


def test_breaking_off_a_loop_ends_the_thread_that_fetches_the_next_page() -> None:
    arrived = threading.Event()

    def second_page(connection: Connection) -> None:
        arrived.set()
        drip_in_the_head(connection)

    with (
        FaultServer([first_of_two_pages, second_page]).running() as server,
        KeysClient(CANARY, base_url=server.url, deadline=600, timeout=600) as keys,
    ):
        for _ in keys.list(prefetch=True):
            assert arrived.wait(10)
            break
        assert not [thread for thread in threading.enumerate() if "prefetch" in thread.name]


def test_breaking_off_a_loop_ends_the_task_that_fetches_the_next_page() -> None:
    arrived = threading.Event()

    def second_page(connection: Connection) -> None:
        arrived.set()
        drip_in_the_head(connection)

    async def main(url: str) -> None:
        async with (
            AsyncKeysClient(CANARY, base_url=url, deadline=600, timeout=600) as keys,
            contextlib.aclosing(aiter(keys.list(prefetch=True))) as listed,
        ):
            async for _ in listed:
                while not arrived.is_set():
                    await asyncio.sleep(0)
                break
        assert len(asyncio.all_tasks()) == 1

    with FaultServer([first_of_two_pages, second_page]).running() as server:
        asyncio.run(main(server.url))


def test_what_is_got_ahead_is_got_in_the_context_of_its_consumer_and_keeps_no_process_alive() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="lost")
    variable.set("kept")
    ahead = Ahead(lambda _: (variable.get(), threading.current_thread().daemon), Deadline(60))
    assert ahead.result() == ("kept", True)


def test_what_is_got_ahead_is_left_to_the_process_that_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    deadline = Deadline(60)
    ahead = Ahead(lambda _: None, deadline)
    ahead.result()
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)  # as in a child: the connection is its parent's
    ahead.cancel()
    assert deadline.left() > 0


def test_what_is_got_ahead_is_got_again_by_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[Deadline] = []
    ahead = Ahead(got.append, Deadline(60))
    ahead.result()
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)  # a child has no such thread, and would wait for ever
    ahead.result()
    assert len(got) == 2


def test_without_a_thread_to_be_had_there_is_no_prefetching(mock: MockAPI, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_prefetch_can_be_ended_by_its_own_thread() -> None:
    # The garbage collector may run there, and find an iteration that was forgotten.
    began = threading.Event()
    ended: list[bool] = []

    def get(_: Deadline) -> None:
        assert began.wait(10)
        ahead.cancel()
        ended.append(True)

    ahead = Ahead(get, Deadline(60))
    began.set()
    ahead.result()
    assert ended == [True]


def test_breaking_off_while_a_retry_is_waited_for_sends_nothing_more(caplog: pytest.LogCaptureFixture) -> None:
    stamina.set_testing(False)
    arrived = threading.Event()

    def busy(connection: Connection) -> None:
        connection.answer(429, b"", headers=b"Retry-After: 300\r\n")
        arrived.set()

    with (
        FaultServer([first_of_two_pages, busy]).running() as server,
        KeysClient(CANARY, base_url=server.url, deadline=600) as keys,
    ):
        for _ in keys.list(prefetch=True):
            assert arrived.wait(10)
            while not caplog.records:  # of the wait that begins
                assert threading.active_count() > 1
            break
        assert not [thread for thread in threading.enumerate() if "prefetch" in thread.name]
    assert len(server.arrived) == 2
