"""The modules that the client imports, the memory that it needs, and the requests that it sends.

These numbers are the same on every machine. scripts/bench measures times.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from incident_io_keys import AsyncKeysClient, KeysClient, NotFoundError
from incident_io_keys.testing import MockAPI

from .conftest import CANARY, Make
from .spec import ROOT, example

PAGE = 250
KEY = example("create_response")["api_key"]


def run(program: str, *arguments: str, **environment: str) -> str:
    """Run a program in a new process, and return what it prints."""
    paths = f"import sys; sys.path[:0] = {[str(ROOT / 'facade'), str(ROOT / 'generated')]}\n"
    command = [sys.executable, "-c", paths + program, *arguments]
    return subprocess.run(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def loaded(program: str, *arguments: str, **environment: str) -> set[str]:
    """Run a program in a new process, and return the names of the modules that it imported."""
    return set(
        run(f"{program}\nprint('modules', *sys.modules)", *arguments, **environment).rpartition("modules ")[2].split()
    )


@pytest.mark.parametrize("call", ["keys.show(sys.argv[1])", "list(keys.list(prefetch=True))"])
def test_a_sync_client_imports_neither_asyncio_nor_dateutil(call: str) -> None:
    mock = MockAPI()
    key = mock.add_key("a", ["viewer"]).api_key.id
    with mock.serve() as server:
        environment = {"INCIDENT_ENDPOINT": server.url, "INCIDENT_API_KEY": mock.token.reveal()}
        program = f"from incident_io_keys import KeysClient\nwith KeysClient() as keys: {call}"
        found = loaded(program, key, **environment)
    assert "httpx" in found
    assert found & {"asyncio", "dateutil.parser", "jinja2"} == set()


@pytest.mark.parametrize("arguments", [["--help"], ["list", "--help"], ["roles"], ["--version"]])
def test_help_imports_neither_jinja2_nor_rich(arguments: list[str]) -> None:
    # httpx imports rich by itself if it is installed, for a command of its own.
    found = loaded(f"from incident_io_keys.cli import main; main({arguments})") - loaded("import httpx")
    assert {name.partition(".")[0] for name in found} & {"jinja2", "rich"} == set()


STATM = Path("/proc/self/statm")


@pytest.mark.skipif(not STATM.exists(), reason="needs /proc to read the memory of a process")
def test_a_process_that_imports_the_package_has_less_than_45_megabytes() -> None:
    program = f"import resource; print(int(open('{STATM}').read().split()[1]) * resource.getpagesize())"
    assert 0 < int(run(f"import incident_io_keys; {program}")) < 45_000_000


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, *parts: bytes) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part


BODY = json.dumps([{**KEY, "id": f"{number:026}"} for number in range(PAGE)]).encode()


class Pages(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Lists keys from bytes that are made only once, so that serving them takes hardly any memory.

    Attributes:
        requests: How many requests came.
    """

    def __init__(self, total: int) -> None:
        self.requests = 0
        self._total = total

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        end = int(request.url.params.get("after", "0")) + PAGE
        meta = {"page_size": PAGE} | ({"after": str(end)} if end < self._total else {})
        stream = Body(b'{"api_keys": ', BODY, f', "pagination_meta": {json.dumps(meta)}}}'.encode())
        return httpx.Response(200, stream=stream)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


def loop(total: int) -> int:
    with KeysClient(CANARY, transport=Pages(total)) as keys:
        return sum(1 for _ in keys.list())


def loop_async(total: int) -> int:
    async def every() -> int:
        async with AsyncKeysClient(CANARY, transport=Pages(total)) as keys:
            count = 0
            async for _ in keys.list():
                count += 1
            return count

    return asyncio.run(every())


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.exhaustive
@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("loop", [loop, loop_async])
def test_a_loop_needs_the_memory_of_two_pages_for_any_number_of_keys(loop: Callable[[int], int]) -> None:
    def peak(total: int) -> int:
        gc.collect()
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        assert loop(total) == total
        return tracemalloc.get_traced_memory()[1] - before

    loop(10_000)  # fills the caches of libraries
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    with KeysClient(CANARY, transport=Pages(PAGE)) as keys:
        page = next(keys.list().pages())
    size = tracemalloc.get_traced_memory()[0] - before
    assert len(page.keys) == PAGE
    few, many = peak(500), peak(10_000)
    # One page and its bytes.
    assert few < 2 * size
    assert many < 1.1 * few


@pytest.mark.exhaustive
@pytest.mark.usefixtures("traced")
def test_further_calls_of_a_client_need_no_more_memory(make: Make) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/a"):
            return httpx.Response(200, json={"api_key": {**KEY, "id": "a"}})
        return httpx.Response(404, json={"type": "not_found"})

    keys = make(transport=httpx.MockTransport(respond))

    def calls() -> None:
        for _ in range(100):
            keys.show("a")
            with pytest.raises(NotFoundError):
                keys.show("b")

    for _ in range(3):  # fills the caches of libraries
        calls()
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    calls()
    gc.collect()
    assert tracemalloc.get_traced_memory()[0] - before < 20_000


@pytest.mark.parametrize("prefetch", [False, True])
def test_a_loop_sends_one_request_for_each_page(make: Make, prefetch: bool) -> None:
    pages = Pages(1_000)
    assert sum(1 for _ in make(transport=pages).list(prefetch=prefetch)) == 1_000
    assert pages.requests == 4


def test_a_call_leaves_no_reference_cycles() -> None:
    """Reference cycles stay in memory until a collection, and each collection costs as much as ten requests."""
    mock = MockAPI()
    key = mock.add_key("a", ["viewer"]).api_key.id
    with mock.serve() as server:
        program = """
import gc
from incident_io_keys import KeysClient

with KeysClient() as keys:
    keys.show(sys.argv[1])
    gc.collect()
    gc.disable()
    for _ in range(20):
        keys.show(sys.argv[1])
    print(gc.collect())
"""
        environment = {"INCIDENT_ENDPOINT": server.url, "INCIDENT_API_KEY": mock.token.reveal()}
        assert int(run(program, key, **environment)) == 0
