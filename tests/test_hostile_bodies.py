"""Bodies that are expensive to read: each call ends with its value or an error of the package, in bounded memory."""

from __future__ import annotations

import contextlib
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hostile import BODIES, ENDLESS, LARGEST, LARGEST_PAGE, MEGABYTE, bomb, gzip_members

from incident_io_keys import APIConnectionError, APIStatusError, APITimeoutError, IncidentIOError

from .calls import CALLS, NON_IDEMPOTENT
from .conftest import Make
from .faults import Connection, FaultServer
from .streams import Stream

# Success, a redirect, a rejection and a failure.
STATUSES = [200, 500, *(pytest.param(status, marks=pytest.mark.exhaustive) for status in (302, 401, 404, 422, 429))]
WRITES = NON_IDEMPOTENT | {"update", "delete"}


def limit_of(name: str) -> int:
    return LARGEST_PAGE if name == "list" else LARGEST


def respond(make: Make, name: str, status: int, *parts: bytes, **headers: str) -> IncidentIOError | None:
    """Return the error of a call whose response has a body in parts; None if the call returns a value."""
    headers = {header.replace("_", "-"): value for header, value in headers.items()}
    transport = httpx.MockTransport(lambda _: httpx.Response(status, headers=headers, stream=Stream(*parts)))
    return call(make(transport=transport, attempts=1), name)


def call(keys: Any, name: str) -> IncidentIOError | None:
    try:
        CALLS[name](keys)
    except IncidentIOError as error:
        return error
    return None


def check(error: IncidentIOError | None, name: str, status: int) -> None:
    """Check that an error belongs to the status, and reports correctly whether the request may have taken effect."""
    if status == 200:
        assert error is None or error.may_have_applied is (name in WRITES)
    else:
        assert isinstance(error, APIStatusError)
        assert error.status == status
        str(error)
        repr(error)


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    """Return a function that returns the most bytes that were allocated since the test began."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    yield lambda: tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", BODIES)
def test_a_body_of_the_largest_size_is_a_value_or_an_error(make: Make, body: str, status: int) -> None:
    for name in CALLS:
        check(respond(make, name, status, BODIES[body](LARGEST)), name, status)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", BODIES)
def test_a_page_of_the_largest_size_is_a_value_or_an_error(make: Make, body: str, status: int) -> None:
    check(respond(make, "list", status, BODIES[body](LARGEST_PAGE)), "list", status)


@pytest.mark.parametrize("depth", [*range(100, 1_000, 50), 5_000, 50_000])
@pytest.mark.parametrize("status", [200, 500])
def test_a_nested_body_of_any_depth_is_a_value_or_an_error(make: Make, depth: int, status: int) -> None:
    for body in (b'{"a": %b%b}' % (b"[" * depth, b"]" * depth), b'{"a":' * depth + b"1" + b"}" * depth):
        for name in CALLS:
            check(respond(make, name, status, body), name, status)


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("name", CALLS)
def test_a_body_in_parts_of_one_byte_is_a_value_or_an_error(make: Make, name: str, status: int) -> None:
    check(respond(make, name, status, *[b" "] * 100_000), name, status)


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("name", CALLS)
def test_no_more_is_read_than_the_largest_size(make: Make, name: str, status: int) -> None:
    part, read = b" " * 65536, []

    class Endless(Stream):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                read.append(len(part))
                yield part

    transport = httpx.MockTransport(lambda _: httpx.Response(status, stream=Endless()))
    error = call(make(transport=transport, attempts=1), name)
    assert isinstance(error, APIConnectionError if status == 200 else APIStatusError)
    check(error, name, status)
    assert sum(read) <= limit_of(name) + 2 * len(part)


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("body", ["spaces", "empty arrays in an object", "empty strings in an object", "details"])
@pytest.mark.parametrize("name", ["list", "create", "show", "delete"])
def test_a_body_of_the_largest_size_takes_bounded_memory(
    make: Make, peak: Callable[[], int], name: str, body: str, status: int
) -> None:
    content = BODIES[body](limit_of(name))
    check(respond(make, name, status, content), name, status)
    # A body of empty arrays takes 24 times its size as Python objects.
    assert peak() < 6 * limit_of(name) + 26 * MEGABYTE


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("name", CALLS)
def test_a_body_that_decompresses_to_200_megabytes_takes_bounded_memory(
    make: Make, peak: Callable[[], int], name: str, status: int
) -> None:
    content = bomb()
    check(respond(make, name, status, content, Content_Encoding="gzip"), name, status)
    assert peak() < 6 * limit_of(name) + 6 * MEGABYTE


@pytest.mark.parametrize("content", [b" ", b"", b'{"token": "a"}'], ids=repr)
@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("name", CALLS)
def test_a_body_of_many_gzip_members_is_a_value_or_an_error(make: Make, name: str, status: int, content: bytes) -> None:
    body = gzip_members(limit_of(name), content)
    check(respond(make, name, status, body, Content_Encoding="gzip"), name, status)


def endless(data: bytes) -> Callable[[Connection], None]:
    """Return a fault that sends the same bytes until the client closes the connection."""

    def send(connection: Connection) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection.send(data)

    return send


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", ENDLESS)
def test_an_endless_response_is_an_error(make: Make, kind: str, name: str) -> None:
    begin, unit = ENDLESS[kind]

    def respond_endlessly(connection: Connection) -> None:
        connection.send(begin)
        endless(unit * 1_000)(connection)

    threads = threading.active_count()
    with FaultServer([respond_endlessly]).running() as server:
        keys = make(base_url=server.url, attempts=1, deadline=0.3)
        error = call(keys, name)
        keys.close()
    assert isinstance(error, APIStatusError if "in an error" in kind else APIConnectionError)
    if isinstance(error, APITimeoutError):
        assert "deadline" in str(error)
    assert error.may_have_applied is (name in WRITES)
    assert threading.active_count() == threads
