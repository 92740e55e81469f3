"""One client shared by threads, tasks, forks and event loops, while its token is rotated."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import json
import os
import pickle
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from incident_io_keys import (
    APIConnectionError,
    AsyncKeysClient,
    InvalidRequestError,
    KeysClient,
    Token,
    file_token,
)
from incident_io_keys.testing import MockAPI, MockSettings

from .conftest import CANARY, Make
from .connections import KeyServer
from .faults import Connection, FaultServer
from .programs import fork
from .twins import Blocking, in_new_loop

ROTATIONS = 50
TWO_MINUTES = timedelta(minutes=2)


@pytest.fixture
def mock() -> MockAPI:
    return MockAPI(settings=MockSettings(rate_limit=None))


class Rotated:
    """The manager key of a mock. Its token is in a file, and is rotated with a grace period while others use it."""

    def __init__(self, mock: MockAPI, path: Path) -> None:
        self.path = path
        self._write(mock.token)
        self._keys = KeysClient(file_token(path), transport=mock.transport())
        [manager] = self._keys.list()
        self.id = manager.id

    def _write(self, token: Token) -> None:
        beside = self.path.with_suffix(".new")
        beside.write_text(token.reveal())
        beside.replace(self.path)

    def rotate(self) -> None:
        self._write(self._keys.rotate(self.id, grace_period_minutes=1).token)

    def close(self) -> None:
        self._keys.close()


@pytest.fixture
def managed(mock: MockAPI, tmp_path: Path) -> Iterator[Rotated]:
    with contextlib.closing(Rotated(mock, tmp_path / "token")) as key:
        yield key


@pytest.mark.exhaustive
def test_a_hundred_threads_work_through_fifty_rotations(mock: MockAPI, managed: Rotated) -> None:
    source = file_token(managed.path)
    with KeysClient(source, transport=mock.transport()) as keys, ThreadPoolExecutor(100) as pool:
        done = threading.Event()

        def work() -> int:
            requests = 0
            while not done.is_set() or requests < 3:
                assert keys.show(managed.id).name == "Manager"
                requests += 1
            return requests

        workers = [pool.submit(work) for _ in range(100)]
        try:
            for _ in range(ROTATIONS):
                managed.rotate()
        finally:
            done.set()
        assert all(worker.result() >= 3 for worker in workers)


@pytest.mark.exhaustive
def test_two_hundred_tasks_work_through_fifty_rotations(mock: MockAPI, managed: Rotated) -> None:
    async def main() -> None:
        async with AsyncKeysClient(file_token(managed.path), transport=mock.transport()) as keys:
            rotations = 0

            async def work() -> int:
                requests = 0
                while rotations < ROTATIONS or requests < 3:
                    assert (await keys.show(managed.id)).name == "Manager"
                    requests += 1
                    await asyncio.sleep(0)
                return requests

            workers = [asyncio.create_task(work()) for _ in range(200)]
            for rotations in range(1, ROTATIONS + 1):  # noqa: B007 - the workers read it
                managed.rotate()
                await asyncio.sleep(0)
            for worker in workers:
                assert await worker >= 3

    asyncio.run(main())


def test_without_a_grace_period_a_401_leads_to_the_new_token(make: Make, mock: MockAPI, managed: Rotated) -> None:
    statuses: list[int] = []

    def rotate_before_the_response(request: httpx.Request) -> httpx.Response:
        if not statuses:
            managed.rotate()
            mock.clock.advance(TWO_MINUTES)
        response = mock.handle(request)
        statuses.append(response.status_code)
        return response

    keys = make(file_token(managed.path), transport=httpx.MockTransport(rotate_before_the_response))
    assert keys.show(managed.id).name == "Manager"
    assert statuses == [401, 200]


@pytest.mark.exhaustive
def test_many_threads_share_a_client_over_sockets(mock: MockAPI) -> None:
    with mock.serve() as server, KeysClient(mock.token, base_url=server.url) as keys, ThreadPoolExecutor(20) as pool:
        names = {f"key {number}" for number in range(100)}
        created = list(pool.map(lambda name: keys.create(name=name, role_names=[]), names))
        assert {issued.api_key.name for issued in created} == names
        assert {key.name for key in keys.list(page_size=7)} == names | {"Manager"}


def test_a_child_process_opens_its_own_connection() -> None:
    def call_twice() -> None:
        assert [keys.show("b").id, keys.show("c").id] == ["b", "c"]

    with KeyServer().running() as server, KeysClient(CANARY, base_url=server.url) as keys:
        keys.show("a")
        fork(call_twice)
        keys.show("d")
        parent, *child, again = server.ports
        assert parent == again
        assert len(child) == 2
        assert len({parent, *child}) == 2


def test_a_child_that_closes_the_client_leaves_the_connection_of_its_parent_open() -> None:
    def close_and_call() -> None:
        keys.close()
        with pytest.raises(InvalidRequestError):
            keys.show("b")

    with KeyServer().running() as server, KeysClient(CANARY, base_url=server.url) as keys:
        keys.show("a")
        fork(close_and_call)
        keys.show("c")
        assert len(server.ports) == 2
        assert len(set(server.ports)) == 1


def test_a_child_that_drops_the_client_closes_its_sockets() -> None:
    def drop() -> None:
        warned: list[object] = []
        clients[0].show("b")
        sys.unraisablehook = warned.append
        clients.clear()
        gc.collect()
        assert not warned

    with KeyServer().running() as server:
        clients = [KeysClient(CANARY, base_url=server.url)]
        clients[0].show("a")
        fork(drop)
        clients[0].close()


def test_a_client_in_another_process_opens_one_new_connection(make: Make) -> None:
    with KeyServer().running() as server:
        keys = make(base_url=server.url)
        keys.show("a")

        def check() -> None:
            child = in_new_loop(keys)
            child.show("b")
            child.show("c")
            child.close()

        fork(check)
        inherited, *own = server.ports
        assert inherited not in own
        assert len(set(own)) == 1
        assert server.wait_until(lambda: own[0] not in server.open_ports)
        keys.show("d")
        assert server.ports[-1] == inherited


class Closing(httpx.MockTransport):
    """Counts how often it is closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("forked", [False, True])
def test_closing_an_inherited_client_does_not_close_its_transport(
    make: Make, mock: MockAPI, monkeypatch: pytest.MonkeyPatch, forked: bool
) -> None:
    transport, pid = Closing(mock.handle), os.getpid()
    keys = make(mock.token, transport=transport)
    assert len(list(keys.list())) == 1
    monkeypatch.setattr(os, "getpid", lambda: pid + forked)
    keys.close()
    assert transport.closed == (not forked)


@pytest.mark.usefixtures("collected")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the first loop, which ends before the client is closed
def test_an_async_client_opens_a_connection_in_each_event_loop() -> None:
    async def use(keys: AsyncKeysClient) -> None:
        await keys.show("a")
        await keys.show("b")

    with KeyServer().running() as server:
        keys = AsyncKeysClient(CANARY, base_url=server.url)
        asyncio.run(use(keys))
        asyncio.run(use(keys))
        asyncio.run(use(keys))
        gc.collect()
        assert server.wait_until(lambda: len(server.open_ports) <= 2), "connections of ended loops are dropped"
        asyncio.run(keys.aclose())
        assert len({*server.ports}) == 3
        assert len({*server.ports[:2]}) == len({*server.ports[2:4]}) == len({*server.ports[4:]}) == 1


def test_a_client_can_be_neither_pickled_nor_copied_and_shows_no_token(make: Make, mock: MockAPI) -> None:
    keys = make(transport=mock.transport())
    keys = keys.client if isinstance(keys, Blocking) else keys
    for duplicate in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError):
            duplicate(keys)
    parts = [repr(vars(part)) for part in (keys, *vars(keys).values()) if hasattr(part, "__dict__")]
    assert CANARY not in "".join(parts) + f"{keys}" + str(keys) + repr(keys)


@pytest.mark.usefixtures("collected")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the loops, which end before the client is closed
def test_event_loops_in_two_threads_share_an_async_client() -> None:
    async def show(thread: int) -> list[str]:
        ids = [f"{thread}-{number}" for number in range(20)]
        for _ in range(5):
            found = await asyncio.gather(*(keys.show(each) for each in ids))
            assert [key.id for key in found] == ids
        return ids

    with KeyServer().running() as server, ThreadPoolExecutor(2) as pool:
        keys = AsyncKeysClient(CANARY, base_url=server.url)
        assert len(list(pool.map(lambda thread: asyncio.run(show(thread)), range(2)))) == 2
        asyncio.run(keys.aclose())


@pytest.mark.parametrize("attempts", [1, 4])
def test_a_call_in_a_signal_handler_does_not_make_the_interrupted_call_send_its_request_again(attempts: int) -> None:
    def respond(connection: Connection) -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        handled.wait(10)
        connection.reset()

    def handle(*_: object) -> None:
        with KeysClient(CANARY, base_url="http://127.0.0.1:1", attempts=1) as other, pytest.raises(APIConnectionError):
            other.show("a")
        handled.set()

    handled = threading.Event()
    previous = signal.signal(signal.SIGUSR1, handle)
    try:
        with (
            FaultServer([respond]).running() as server,
            KeysClient(CANARY, base_url=server.url, attempts=attempts) as keys,
            pytest.raises(APIConnectionError) as caught,
        ):
            keys.create(name="a", role_names=[])
        assert len(server.arrived) == 1
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert handled.is_set()
    assert caught.value.may_have_applied
