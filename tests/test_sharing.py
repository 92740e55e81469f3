"""One client among threads, tasks, forks and event loops, and through rotations of its token."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import json
import os
import pickle
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from incident_io_keys import (
    AsyncKeysClient,
    InvalidRequestError,
    KeysClient,
    Token,
    file_token,
)
from incident_io_keys.testing import MockAPI, MockSettings

from .conftest import CANARY, Make

ROTATIONS = 50
TWO_MINUTES = timedelta(minutes=2)


@pytest.fixture
def mock() -> MockAPI:
    return MockAPI(settings=MockSettings(rate_limit=None))


class Rotated:
    """The manager's key of a mock, whose token is in a file and is rotated with a grace period while others use it."""

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
def test_a_hundred_threads_live_through_fifty_rotations(mock: MockAPI, managed: Rotated) -> None:
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
def test_two_hundred_tasks_live_through_fifty_rotations(mock: MockAPI, managed: Rotated) -> None:
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


def test_without_a_grace_period_a_refusal_leads_to_the_new_token(make: Make, mock: MockAPI, managed: Rotated) -> None:
    statuses: list[int] = []

    def rotate_under_way(request: httpx.Request) -> httpx.Response:
        if not statuses:
            managed.rotate()
            mock.clock.advance(TWO_MINUTES)
        response = mock.handle(request)
        statuses.append(response.status_code)
        return response

    keys = make(file_token(managed.path), transport=httpx.MockTransport(rotate_under_way))
    assert keys.show(managed.id).name == "Manager"
    assert statuses == [401, 200]


@pytest.mark.exhaustive
def test_many_threads_share_a_client_over_sockets(mock: MockAPI) -> None:
    with mock.serve() as server, KeysClient(mock.token, base_url=server.url) as keys, ThreadPoolExecutor(20) as pool:
        names = {f"key {number}" for number in range(100)}
        created = list(pool.map(lambda name: keys.create(name=name, role_names=[]), names))
        assert {issued.api_key.name for issued in created} == names
        assert {key.name for key in keys.list(page_size=7)} == names | {"Manager"}


def connected_from(keys: KeysClient) -> set[str]:
    """The addresses of a client's own ends of its connections."""
    pool = keys._sender._http._transport._pool  # type: ignore[attr-defined]
    streams = [connection._connection._network_stream for connection in pool.connections]
    return {str(stream.get_extra_info("client_addr")) for stream in streams}


def test_a_child_process_opens_its_own_connections(mock: MockAPI) -> None:
    with mock.serve() as server, KeysClient(mock.token, base_url=server.url) as keys:
        [manager] = keys.list()
        ours = connected_from(keys)
        assert ours
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                told = [keys.show(manager.id).name, sorted(connected_from(keys) & ours)]
                os.write(writer, json.dumps(told).encode())
            finally:
                os._exit(0)  # nothing more of the tests may run here
        os.close(writer)
        with os.fdopen(reader, "rb") as answer:
            assert json.load(answer) == ["Manager", []]
        os.waitpid(child, 0)
        assert keys.show(manager.id).name == "Manager"
        assert connected_from(keys) == ours


def test_a_child_that_closes_the_client_does_not_close_its_parents_connections(mock: MockAPI) -> None:
    with mock.serve() as server, KeysClient(mock.token, base_url=server.url) as keys:
        [manager] = keys.list()
        ours = connected_from(keys)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                keys.close()
                with contextlib.suppress(InvalidRequestError):
                    keys.show(manager.id)
                    status = 2
                status = 0 if status == 1 else status
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert keys.show(manager.id).name == "Manager"
        assert connected_from(keys) == ours


def test_an_async_client_works_in_one_event_loop_after_the_other(mock: MockAPI) -> None:
    async def use(keys: AsyncKeysClient) -> str:
        [key] = [key async for key in keys.list()]
        return (await keys.show(key.id)).name

    with mock.serve() as server, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of the first loop, which ends under an open client
        keys = AsyncKeysClient(mock.token, base_url=server.url)
        assert asyncio.run(use(keys)) == asyncio.run(use(keys)) == "Manager"
        asyncio.run(keys.aclose())
        del keys
        gc.collect()


@pytest.mark.parametrize("kind", [KeysClient, AsyncKeysClient])
def test_a_client_is_neither_pickled_nor_copied_and_shows_no_token(
    kind: type[KeysClient] | type[AsyncKeysClient],
) -> None:
    keys = kind(CANARY, transport=MockAPI().transport())
    for duplicate in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError):
            duplicate(keys)
    assert CANARY not in repr(vars(keys)) + repr(vars(keys._sender)) + f"{keys}" + str(keys)
    if isinstance(keys, KeysClient):
        keys.close()
    else:
        asyncio.run(keys.aclose())


def test_a_client_that_finds_itself_in_another_process_leaves_the_connections_alone(
    mock: MockAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tests above fork; what runs in a child is not seen by what measures coverage.
    with mock.serve() as server, KeysClient(mock.token, base_url=server.url) as keys:
        list(keys.list())
        here, before, pid = connected_from(keys), keys._sender._http, os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: pid + 1)
        list(keys.list())
        assert not connected_from(keys) & here
        monkeypatch.setattr(os, "getpid", lambda: pid)
        inherited = keys._sender._http
        keys.close()
        assert not inherited.is_closed
        inherited.close()
        before.close()


def test_an_async_client_that_finds_itself_in_another_process_leaves_the_connections_alone(
    mock: MockAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(url: str) -> None:
        keys = AsyncKeysClient(mock.token, base_url=url)
        [_] = [key async for key in keys.list()]
        inherited, pid = keys._sender._http, os.getpid()
        with monkeypatch.context() as patched:
            patched.setattr(os, "getpid", lambda: pid + 1)
            [_] = [key async for key in keys.list()]
            assert keys._sender._http is not inherited
            await keys.aclose()
        assert not inherited.is_closed
        await inherited.aclose()

    with mock.serve() as server:
        asyncio.run(main(server.url))
