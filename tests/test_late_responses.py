"""A response that arrived before the deadline is returned, even if the client could only read it after the deadline."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from incident_io_keys import APITimeoutError, AsyncKeysClient, InvalidResponseError, Token

from .calls import CALLS, DEFINITION
from .conftest import CANARY
from .faults import Connection, FaultServer
from .programs import finish, start
from .replies import TOKEN, body_for, http, reply_to

LIMIT = 0.5
PARTS = 50


def whole(connection: Connection) -> None:
    connection.send(reply_to(connection.request))


def large(connection: Connection) -> None:
    """Send a body that takes several reads."""
    body = body_for(connection.request)
    connection.send(http(body[:1] + b" " * 300_000 + body[1:]) if body else reply_to(connection.request))


def in_parts(connection: Connection) -> None:
    """Send the head, and then the body in many parts."""
    head, separator, body = reply_to(connection.request).partition(b"\r\n\r\n")
    connection.send(head + separator)
    for begin in range(0, len(body), len(body) // PARTS + 1):
        connection.send(body[begin : begin + len(body) // PARTS + 1])


def in_chunks(connection: Connection) -> None:
    body = body_for(connection.request)
    if not body:
        whole(connection)
        return
    connection.send(http(b"", chunked=True).removesuffix(b"0\r\n\r\n0\r\n\r\n"))
    for begin in range(0, len(body), len(body) // PARTS + 1):
        part = body[begin : begin + len(body) // PARTS + 1]
        connection.send(b"%x\r\n%s\r\n" % (len(part), part))
    connection.send(b"0\r\n\r\n")


RESPONSES: dict[str, Callable[[Connection], None]] = {
    "whole": whole,
    "a large body": large,
    "head and body in parts": in_parts,
    "many chunks": in_chunks,
}


class Late:
    """Blocks the event loop of a call while a server responds, until the limit of the call has passed.

    Args:
        before: What the server sends before the event loop is blocked.
        during: What it sends while the event loop is blocked.
        after: What it sends after that.
    """

    def __init__(
        self,
        during: Callable[[Connection], None],
        before: Callable[[Connection], None] = lambda _: None,
        after: Callable[[Connection], None] = lambda _: None,
    ) -> None:
        self._before, self._during, self._after = before, during, after
        self._arrived, self._blocked, self._sent = threading.Event(), threading.Event(), threading.Event()

    def _respond(self, connection: Connection) -> None:
        self._before(connection)
        self._arrived.set()
        self._blocked.wait(10)
        self._during(connection)
        self._sent.set()
        self._after(connection)

    def call(self, name: str, **limits: float) -> Any:
        async def block() -> None:
            while not self._arrived.wait(0.002):  # so that the request arrives in the turn in which it is sent
                await asyncio.sleep(0)
            until = time.monotonic() + LIMIT
            self._blocked.set()
            assert self._sent.wait(10)
            threading.Event().wait(until - time.monotonic())

        async def main(url: str) -> Any:
            async with AsyncKeysClient(CANARY, base_url=url, attempts=1, **limits) as keys:  # type: ignore[arg-type]
                call = CALLS[name] if name != "list" else lambda keys: anext(aiter(keys.list()))
                blocking = asyncio.create_task(block())
                try:
                    return await call(keys)
                finally:
                    await blocking

        with FaultServer([self._respond]).running() as server:
            return asyncio.run(main(server.url))


@pytest.mark.parametrize("limit", ["deadline", "timeout"])
@pytest.mark.parametrize("response", RESPONSES)
@pytest.mark.parametrize("name", CALLS)
def test_a_response_that_arrived_while_the_event_loop_was_blocked_is_returned(
    name: str, response: str, limit: str
) -> None:
    value = Late(RESPONSES[response]).call(name, **{limit: LIMIT})
    if name in ("create", "rotate"):
        assert value.token == Token(TOKEN)
    elif name == "delete":
        assert value is None
    else:
        assert value.id


@pytest.mark.parametrize("limit", ["deadline", "timeout"])
def test_a_body_that_arrived_after_its_head_while_the_event_loop_was_blocked_is_returned(limit: str) -> None:
    def head(connection: Connection) -> None:
        connection.send(reply_to(connection.request).partition(b"\r\n\r\n")[0] + b"\r\n\r\n")

    def body(connection: Connection) -> None:
        for byte in body_for(connection.request):
            connection.send(b"%c" % byte)

    assert Late(body, before=head).call("create", **{limit: LIMIT}).token == Token(TOKEN)


def test_a_server_that_continues_to_trickle_does_not_extend_the_deadline() -> None:
    # Each part arrives in time for the next read. Without an end, the call would never end.
    late = Late(lambda connection: connection.send(b"HTTP/1.1 201 X\r\nX-Long: "), after=lambda it: it.drip(b"x"))
    with pytest.raises(APITimeoutError, match=r"within the deadline of 0\.5 s") as caught:
        late.call("create", deadline=LIMIT)
    assert caught.value.may_have_applied


def test_a_body_that_continues_to_trickle_does_not_extend_the_deadline_of_a_read() -> None:
    late = Late(lambda connection: connection.answer(200, b"{", length=100_000), after=lambda it: it.drip(b" "))
    with pytest.raises(APITimeoutError, match=r"within the deadline of 0\.5 s") as caught:
        late.call("show", deadline=LIMIT)
    assert not caught.value.may_have_applied


def test_a_token_that_arrived_before_a_trickling_end_is_on_the_error() -> None:
    def part(connection: Connection) -> None:
        body = body_for(connection.request)
        connection.answer(201, body[:-1], length=100_000)

    with pytest.raises(InvalidResponseError) as caught:
        Late(part, after=lambda it: it.drip(b" ")).call("create", deadline=LIMIT)
    assert caught.value.token == Token(TOKEN)


# The sync client waits in its own thread, which only the system stops.

CREATE = f"""
with KeysClient(TOKEN, base_url=URL, attempts=1, %s={LIMIT}) as keys:
    print(keys.create(**{DEFINITION!r}).token.reveal())
"""


@pytest.mark.parametrize("limit", ["deadline", "timeout"])
@pytest.mark.parametrize("response", RESPONSES)
def test_a_response_that_arrived_while_the_process_was_stopped_is_returned(response: str, limit: str) -> None:
    started = threading.Event()

    def respond(connection: Connection) -> None:
        assert started.wait(10)
        os.kill(process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        until = time.monotonic() + LIMIT
        RESPONSES[response](connection)
        threading.Event().wait(until - time.monotonic())
        os.kill(process.pid, signal.SIGCONT)

    with FaultServer([respond]).running() as server:
        process = start(CREATE % limit, server.url)
        started.set()
        assert finish(process).strip() == TOKEN
