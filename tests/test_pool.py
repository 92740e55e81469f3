"""The pool of connections: 100 for each client, whatever happens to its calls."""

from __future__ import annotations

import asyncio
import functools
import gc
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from incident_io_keys import APIConnectionError, APITimeoutError, AsyncKeysClient, IncidentIOError, KeysClient

from . import programs
from .conftest import CANARY, Make
from .connections import KeyServer
from .faults import FaultServer
from .streams import responding
from .turns import TurnServer, turn

CONNECTIONS = 100


def context_of(error: BaseException | None) -> BaseException | None:
    """Return the exception that a traceback shows above an error."""
    return error and (error.__cause__ or (None if error.__suppress_context__ else error.__context__))


@contextmanager
def in_use(keys: KeysClient, server: KeyServer) -> Iterator[list[Any]]:
    """Use all connections in the block, and yield the results of these calls, which are there after it."""
    server.immediate, arrived = 0, len(server.ports)
    results: list[Any] = []

    def show(number: int) -> object:
        try:
            return keys.show(str(number)).id
        except IncidentIOError as error:
            return error

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        calls = [threads.submit(show, number) for number in range(CONNECTIONS)]
        assert server.wait_until(lambda: len(server.ports) == arrived + CONNECTIONS)
        yield results
        server.released.set()
        results += [call.result() for call in calls]
    server.released.clear()


def test_calls_that_get_no_connection_in_time_use_up_none() -> None:
    with KeyServer().running() as server, KeysClient(CANARY, base_url=server.url, attempts=1) as keys:
        impatient = keys.with_options(timeout=httpx.Timeout(10, pool=0.001))
        for _ in range(2):
            with in_use(keys, server) as results:
                for _ in range(CONNECTIONS):
                    with pytest.raises(APITimeoutError, match="all connections are in use") as caught:
                        impatient.show("late")
                    assert not caught.value.may_have_applied
                    assert context_of(caught.value.__cause__) is None
            assert results == [str(number) for number in range(CONNECTIONS)]


def test_tasks_that_get_no_connection_in_time_use_up_none() -> None:
    async def main() -> None:
        async with TurnServer().running() as server, AsyncKeysClient(CANARY, base_url=server.url, attempts=1) as keys:
            impatient = keys.with_options(timeout=httpx.Timeout(10, pool=0.001))
            server.hold = CONNECTIONS + 1
            for _ in range(2):
                calls = [asyncio.create_task(keys.show(str(number))) for number in range(CONNECTIONS)]
                while len(server.waiting) < CONNECTIONS:
                    await turn()
                for _ in range(CONNECTIONS):
                    with pytest.raises(APITimeoutError, match="all connections are in use") as caught:
                        await impatient.show("late")
                    assert not caught.value.may_have_applied
                    assert context_of(caught.value.__cause__) is None
                server.release()
                assert [key.id for key in await asyncio.gather(*calls)] == [str(each) for each in range(CONNECTIONS)]

    asyncio.run(main())


def test_a_call_that_waits_for_a_connection_sends_nothing_once_the_client_is_closed() -> None:
    waits = threading.Event()

    def source() -> str:
        waits.set()
        return CANARY

    with KeyServer().running() as server, ThreadPoolExecutor(1) as thread:
        keys = KeysClient(CANARY, base_url=server.url, attempts=1)
        with in_use(keys, server) as results:
            late = thread.submit(keys.with_token(source).show, "late")
            waits.wait(10)
            keys.close()
            with pytest.raises(IncidentIOError, match="closed"):
                late.result()
        assert len(server.ports) == CONNECTIONS
        assert {type(result) for result in results} == {APIConnectionError}
        assert server.wait_until(lambda: not server.open_ports)


def test_handshakes_that_fail_behind_a_proxy_use_up_no_connection(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(connection: Any) -> None:
        connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        connection.peer.recv(65536)  # the client begins its handshake

    with FaultServer([fail]).running() as server:
        monkeypatch.setenv("HTTPS_PROXY", server.url)
        keys = make(base_url="https://api.example", attempts=1, deadline=5)
        for _ in range(CONNECTIONS + 1):
            with pytest.raises(APIConnectionError) as caught:
                keys.show("01F")
            assert type(caught.value) is APIConnectionError, "no connection was free"
        assert len(server.arrived) == CONNECTIONS + 1


def end_connections(server: KeyServer) -> None:
    for connection in list(server.open_ports.values()):
        connection.shutdown(socket.SHUT_WR)


def test_a_client_closes_idle_connections_that_the_server_has_ended() -> None:
    with KeyServer().running() as server, KeysClient(CANARY, base_url=server.url) as keys:
        with in_use(keys, server):
            pass
        end_connections(server)
        server.released.set()
        keys.show("next")
        assert server.wait_until(lambda: len(server.open_ports) == 1)


def test_a_client_closes_old_idle_connections_while_it_uses_a_newer_one() -> None:
    with KeyServer().running() as server, KeysClient(CANARY, base_url=server.url) as keys:
        with in_use(keys, server):
            pass
        server.released.set()
        keys.show("newest")
        newest = server.open_ports[server.ports[-1]]
        for connection in {*server.open_ports.values()} - {newest}:
            connection.shutdown(socket.SHUT_WR)
        keys.show("next")
        assert server.wait_until(lambda: [*server.open_ports.values()] == [newest])
        assert server.ports[-1] == server.ports[-2]


def test_an_async_client_closes_idle_connections_that_the_server_has_ended() -> None:
    async def main() -> None:
        async with AsyncKeysClient(CANARY, base_url=server.url) as keys:
            await asyncio.gather(*(keys.show(str(number)) for number in range(5)))
            end_connections(server)
            await keys.show("next")
            assert await asyncio.to_thread(server.wait_until, lambda: len(server.open_ports) == 1)

    with KeyServer().running() as server:
        asyncio.run(main())


@pytest.mark.parametrize("turns", range(6))
def test_a_cancelled_aclose_leaves_no_connection_open(turns: int) -> None:
    async def main() -> None:
        async with TurnServer().running() as server:
            keys = AsyncKeysClient(CANARY, base_url=server.url)
            server.hold = 5
            await asyncio.gather(*(keys.show(str(number)) for number in range(5)))
            assert len(server.transports) == 5
            closing = asyncio.create_task(keys.aclose())
            await turn(turns)
            closing.cancel()
            await asyncio.wait([closing])
            await turn(10)
            assert len(server.transports) == (5 if turns == 0 else 0)  # it did not begin
            await keys.aclose()

    asyncio.run(main())


PARALLEL = """
import threading
sys.setswitchinterval(1e-5)
keys = KeysClient(TOKEN, base_url=URL)
start = threading.Barrier(8)

def show():
    start.wait()
    keys.show("01F")

threads = [threading.Thread(target=show) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
keys.close()
print("done")
"""


@pytest.mark.parametrize("_", range(3))
def test_the_first_responses_of_a_process_can_arrive_in_several_threads(_: int) -> None:
    with KeyServer().running() as server:
        assert programs.run(PARALLEL, server.url) == "done\n"


@pytest.mark.parametrize("step", ["write", "read the head", "read the body"])
def test_a_foreign_exception_of_the_network_is_a_connection_error(
    make: Make, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    from httpcore._backends import anyio, sync

    def fail(inner: Callable[..., Any], stream: Any, *arguments: Any, **keywords: Any) -> Any:
        stream.count = getattr(stream, "count", 0) + 1
        if stream.count >= (2 if step == "read the body" else 1):
            raise LookupError("foreign")
        return inner(stream, *arguments, **keywords)

    name = step.partition(" ")[0]
    for kind in (anyio.AnyIOStream, sync.SyncStream):
        monkeypatch.setattr(kind, name, functools.partialmethod(functools.partial(fail, getattr(kind, name))))
    server = FaultServer([lambda connection: connection.send(b"HTTP/1.1 200 X\r\n")])
    with server.running(), pytest.raises(APIConnectionError, match="LookupError: foreign") as caught:
        make(base_url=server.url, attempts=1).rotate("01F")
    assert caught.value.may_have_applied


INTERRUPTED = """
import gc, signal
keys = KeysClient(TOKEN, base_url=URL, attempts=1)
calls = 0

def call(*_):
    global calls
    calls += 1
    keys.show("nested")

class Key:
    def __init__(self):
        self.itself = self

    def __del__(self):
        call()

signal.signal(signal.SIGALRM, call)
for number in range(300):
    gc.set_threshold(1 + number % 60)  # the collector runs at another place each time
    Key()
    signal.setitimer(signal.ITIMER_REAL, 0.0007)
    keys.show("01F")
    while signal.getitimer(signal.ITIMER_REAL)[0]:
        pass
gc.collect()
keys.close()
print(calls)
"""


def test_a_signal_handler_and_a_finalizer_can_make_a_call_while_another_begins_or_ends() -> None:
    with KeyServer().running() as server:
        assert programs.run(INTERRUPTED, server.url) == "600\n"


@pytest.mark.parametrize("status", [200, 404, 500])
def test_an_error_is_not_part_of_a_reference_cycle(status: int) -> None:
    def error_of_a_call() -> weakref.ref[Exception]:
        with KeysClient(CANARY, transport=transport, attempts=1) as keys:
            try:
                keys.rotate("01F")
            except IncidentIOError as error:
                return weakref.ref(error)
        raise AssertionError

    async def error_of_an_async_call() -> weakref.ref[Exception]:
        async with AsyncKeysClient(CANARY, transport=transport, attempts=1) as keys:
            try:
                await keys.rotate("01F")
            except IncidentIOError as error:
                return weakref.ref(error)
        raise AssertionError

    transport = responding(httpx.Response(status))
    gc.collect()
    gc.disable()
    try:
        assert error_of_a_call()() is None
        assert asyncio.run(error_of_an_async_call())() is None
    finally:
        gc.enable()
