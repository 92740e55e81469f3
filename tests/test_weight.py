"""What the client weighs: the modules that it imports, the memory that it needs, and the requests that it sends.

These hold still wherever they are counted. How long things take is measured by scripts/bench.
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

from incident_io_keys import AsyncKeysClient, KeysClient, NotFoundError, _sending
from incident_io_keys.testing import MockAPI

from .conftest import CANARY, Make
from .spec import ROOT, example

PAGE = 250
KEY = example("create_response")["api_key"]
# What takes longer to import than all of the package's own modules.
HEAVY = {"httpx", "httpcore", "anyio", "ssl", "asyncio", "stamina", "tenacity", "dateutil.parser", "rich", "jinja2"}


def run(program: str, *arguments: str, **environment: str) -> str:
    """What a program prints, in a process of its own."""
    paths = f"import sys; sys.path[:0] = {[str(ROOT / 'facade'), str(ROOT / 'generated')]}\n"
    command = [sys.executable, "-c", paths + program, *arguments]
    return subprocess.run(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def loaded(program: str, *arguments: str, **environment: str) -> set[str]:
    """The modules that are there after a program ran in a process of its own."""
    return set(
        run(f"{program}\nprint('modules', *sys.modules)", *arguments, **environment).rpartition("modules ")[2].split()
    )


def test_importing_the_package_imports_nothing_that_only_a_client_needs() -> None:
    assert loaded("from incident_io_keys import *") & {*HEAVY, "click"} == set()


@pytest.mark.parametrize(
    ("program", "needed"),
    [
        ("with KeysClient() as keys: keys.show(sys.argv[1])", {"httpx", "httpcore", "stamina"}),
        ("with KeysClient() as keys: list(keys.list(prefetch=True))", {"httpx", "httpcore", "stamina"}),
    ],
)
def test_a_sync_client_imports_neither_asyncio_nor_what_reads_dates(program: str, needed: set[str]) -> None:
    mock = MockAPI()
    key = mock.add_key("a", ["viewer"]).api_key.id
    with mock.serve() as server:
        environment = {"INCIDENT_ENDPOINT": server.url, "INCIDENT_API_KEY": mock.token.reveal()}
        found = loaded(f"from incident_io_keys import KeysClient\n{program}", key, **environment)
    assert found >= needed
    assert found & {"asyncio", "dateutil.parser", "jinja2", "incident_io_keys.custody"} == set()


ALL_OPERATIONS = """
import sys
from incident_io_keys import KeysClient, IncidentIOError

nobody = "http://127.0.0.1:1"
with KeysClient() as keys, KeysClient("none") as stranger, KeysClient(base_url=nobody, attempts=2) as lost:
    before = set(sys.modules)
    definition = dict(name="a", role_names=["viewer"], team_ids=[], team_role_names=[])
    issued = keys.create(**definition)
    keys.show(issued.api_key.id), keys.update(issued.api_key.id, **definition), list(keys.list())
    with keys.with_token(keys.rotate(issued.api_key.id).token) as other:
        for call in (other.list().__iter__().__next__, lambda: stranger.create(**definition), lambda: lost.show("a")):
            try:
                call()
            except IncidentIOError:
                pass
    keys.delete(issued.api_key.id)
    try:
        keys.create(name="", role_names=["viwer"])
    except IncidentIOError:
        pass
    after = set(sys.modules)
print("modules", *after - before)
"""


def test_a_client_that_is_made_imports_nothing_any_more() -> None:
    """A process that can open no more files could not, and has its keys to delete all the same."""
    mock = MockAPI()
    with mock.serve() as server:
        environment = {"INCIDENT_ENDPOINT": server.url, "INCIDENT_API_KEY": mock.token.reveal()}
        assert run(ALL_OPERATIONS, **environment).split() == ["modules"]


@pytest.mark.parametrize("arguments", [["--help"], ["list", "--help"], ["roles"], ["--version"]])
def test_a_command_that_asks_nobody_imports_nothing_that_asks(arguments: list[str]) -> None:
    program = f"from incident_io_keys.cli import main; main({arguments})"
    assert loaded(program) & HEAVY == set()


STATM = Path("/proc/self/statm")


@pytest.mark.skipif(not STATM.exists(), reason="needs /proc, which says how much memory a process has")
def test_a_process_that_imports_the_package_has_no_more_than_30_megabytes() -> None:
    program = f"import resource; print(int(open('{STATM}').read().split()[1]) * resource.getpagesize())"
    assert 0 < int(run(f"import incident_io_keys; {program}")) < 30_000_000


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
    """Lists so many keys, and makes nothing of a page's size for that.

    Attributes:
        requests: How many were sent.
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
def test_a_loop_over_keys_needs_the_memory_of_two_pages_however_many_there_are(loop: Callable[[int], int]) -> None:
    def peak(total: int) -> int:
        gc.collect()
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        assert loop(total) == total
        return tracemalloc.get_traced_memory()[1] - before

    loop(10_000)  # what is made once and stays: the caches of libraries, which fill up
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    with KeysClient(CANARY, transport=Pages(PAGE)) as keys:
        page = next(keys.list().pages())
    size = tracemalloc.get_traced_memory()[0] - before
    assert len(page.keys) == PAGE
    few, many = peak(500), peak(10_000)
    # One page, and its bytes.
    assert few < 2 * size
    assert many < 1.1 * few


@pytest.mark.exhaustive
@pytest.mark.usefixtures("traced")
def test_a_client_that_is_used_again_and_again_needs_no_more_memory(make: Make) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        there = request.url.path.endswith("/a")
        return httpx.Response(200 if there else 404, json={"api_key": KEY} if there else {"type": "not_found"})

    keys = make(transport=httpx.MockTransport(answer))

    def calls() -> None:
        for _ in range(100):
            keys.show("a")
            with pytest.raises(NotFoundError):
                keys.show("b")

    for _ in range(3):  # the caches of libraries fill up
        calls()
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    calls()
    gc.collect()
    assert tracemalloc.get_traced_memory()[0] - before < 20_000


@pytest.mark.parametrize("prefetch", [False, True])
def test_as_many_requests_are_sent_as_there_are_pages(make: Make, prefetch: bool) -> None:
    pages = Pages(1_000)
    assert sum(1 for _ in make(transport=pages).list(prefetch=prefetch)) == 1_000
    assert pages.requests == 4


def test_the_first_try_sets_nothing_up_that_only_a_second_one_needs(
    make: Make, mock: MockAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Setting up repetitions takes a sixth of what a request takes."""
    monkeypatch.setattr(_sending, "stamina", None)
    assert sum(1 for _ in make(mock.token, transport=mock.transport()).list()) == 1


def test_a_call_leaves_nothing_to_the_garbage_collector() -> None:
    """What holds itself would stay until it comes, and each time that it comes costs as much as ten requests."""
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
