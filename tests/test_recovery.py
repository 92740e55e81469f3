"""Recovering the issued token from a truncated, malformed or interrupted response, and never another token."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from incident_io_keys import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncKeysClient,
    IncidentIOError,
    InvalidResponseError,
    IssuedKey,
    KeysClient,
    Token,
)

from .conftest import CANARY, Make
from .drifts import DECOY, KEY, KEY_ID, REAL, Body, cuts, drifted
from .hiding import renderings
from .streams import Stalling, Stream, gzipped, raising, responding

STATUSES = [200, 201, 201, 201, 202, 203, 226, 302, 408, 422, 500, 502]
TYPES = ["application/json", "text/html", "application/octet-stream", ""]
INTERRUPTIONS = [httpx.ReadError, httpx.RemoteProtocolError, httpx.ReadTimeout]


def outcome(call: Callable[[], IssuedKey]) -> tuple[type, str | None]:
    """Return the type of a call's result or error, and the token in it."""
    kind: type = IssuedKey
    message = ""
    try:
        token: Token | None = call().token
    except IncidentIOError as error:
        kind, token, message = type(error), getattr(error, "token", None), str(error)
    assert REAL not in message
    return kind, None if token is None else token.reveal()


def check(body: Body, cut: int, status: int, found: tuple[type, str | None]) -> None:
    what = (bytes(body.content[:cut]), status)
    assert found[1] in (REAL, None), what
    if body.must_be_found(cut, status):
        fits = body.fits and cut == len(body.content) and 200 <= status < 300
        assert found == (IssuedKey if fits else InvalidResponseError, REAL), what
    elif status == 422 or bytes(body.content[:cut]).count(REAL.encode()) == 0:
        assert found[1] is None, what


@pytest.mark.parametrize("bodies", [100, pytest.param(1_500, marks=pytest.mark.exhaustive)])
def test_no_drifted_response_loses_its_token_or_gives_another(make: Make, bodies: int) -> None:
    chance = random.Random(1)  # noqa: S311 - the same each time
    responses: list[httpx.Response] = []
    client = make(transport=httpx.MockTransport(lambda _: responses.pop()), attempts=1)
    calls = [lambda: client.create(name="a", role_names=[]), lambda: client.rotate(KEY_ID)]
    checked = recovered = 0
    for _ in range(bodies):
        body = drifted(chance)
        for cut in cuts(body, chance):
            if body.is_ambiguous(cut):
                continue
            status, middle = chance.choice(STATUSES), chance.randint(0, cut)
            parts = bytes(body.content[:middle]), bytes(body.content[middle:cut])
            end = chance.choice([lambda: None, *(raising(kind("interrupted")) for kind in INTERRUPTIONS)])
            headers = {"Content-Type": chance.choice(TYPES)}
            responses.append(httpx.Response(status, headers=headers, stream=Stream(*parts, then=end)))
            check(body, cut, status, outcome(chance.choice(calls)))
            checked += 1
            recovered += body.must_be_found(cut, status)
    assert checked > 2.5 * bodies
    assert checked / 4 < recovered < checked / 1.5


def recovered(content: bytes, status: int = 201, calling: str = CANARY, **headers: str) -> str | None:
    """Return the token that create returns or raises with, for a response of that content."""
    response = httpx.Response(status, headers=headers, content=content)
    with KeysClient(calling, transport=responding(response), attempts=1) as client:
        return outcome(lambda: client.create(name="a", role_names=[]))[1]


WHOLE = json.dumps({"token": REAL, "api_key": KEY}).encode()
LAST = json.dumps({"api_key": KEY, "token": REAL}).encode()
TOKEN = b'"token": "%b"' % REAL.encode()
OTHER = b'"token": "%b"' % DECOY.encode()
ECHOING = b'{"request": {"api_key": {}, "token": "%b"}, "data": %b' % (CANARY.encode(), WHOLE)


@pytest.mark.parametrize(
    "content",
    [
        WHOLE[: len(b"{" + TOKEN)],
        WHOLE[:100],
        LAST[:-1],
        LAST + b"}",
        LAST[1:],
        b"\xef\xbb\xbf" + LAST,
        b"<html lang='en'><p class=\"x\">" + LAST,
        LAST.replace(b"My test API", b"\xff"),
        LAST.replace(b'"viewer"', b"NaN"),
        LAST.replace(b"My test API", b'My "test" API'),
        LAST.replace(b'"api_key": {', b'"api_key" {'),
        LAST.replace(b', "token"', b' "token"'),
        WHOLE.replace(b', "api_key"', b' "api_key"'),
        ECHOING,
        b'{"data": ' + LAST[:-1],
        b'{"data": {"api_key": {}}}}, ' + TOKEN,
        b'{%b, "previous_token": "%b"' % (TOKEN, DECOY.encode()),
        b'{%b, "other": ["%b"], "a": "\\"token\\": \\"x\\""' % (TOKEN, DECOY.encode()),
        b'{%b, "api_key": {"creator": {%b}}}' % (TOKEN, OTHER),
        b'{"x": ' + b"[" * 50_000 + b"]" * 50_000 + b", %b" % TOKEN,
    ],
)
def test_a_complete_token_is_recovered(content: bytes) -> None:
    assert recovered(content) == REAL
    assert recovered(content, 200, **{"Content-Type": "text/html"}) == REAL


@pytest.mark.parametrize(
    "content",
    [
        WHOLE[: len(b"{" + TOKEN) - 1],
        b"{%b, %b" % (TOKEN, OTHER),
        b'{"token": "", "api_key": {}}',
        b'{"token": ["%b"], "x' % DECOY.encode(),
        b'{"token": null, "api_key"',
        b'{"token": null, "api_key": {"name": "%b"}}' % DECOY.encode(),
        b'{"api_key": {}, "page": {"token": "x"}}',
        b'{"api_key": {"creator": {"api_key": {}, %b}}}' % OTHER,
        b'{"key": {"creator": {%b}}}' % OTHER,
        b'{"a": "%b", "b": "%b"}' % (DECOY.encode(), REAL.encode()),
        b'{"api_key": {"name": "\\"token\\": \\"%b\\""}, "token": 3}' % DECOY.encode(),
        b'{"previous_token": "%b", "api_key": {}}' % DECOY.encode(),
        b'{"previous_token": "%b", "api_key": {' % DECOY.encode(),
    ],
)
def test_a_part_of_a_token_or_an_ambiguous_token_is_not_recovered(content: bytes) -> None:
    assert recovered(content) is None


@pytest.mark.parametrize(
    "content",
    [
        b'{"token":"%b,"' % REAL.encode(),
        b'{"token":"%b,"api_key":{}}' % REAL.encode(),
        b'{"token": "inc_0123"4567", "api_key": {}}',
    ],
)
def test_a_token_with_a_misplaced_quote_is_not_recovered(content: bytes) -> None:
    assert recovered(content) is None


@pytest.mark.parametrize("content", [WHOLE, WHOLE[:-1], b'{"x": "a " b", %b' % TOKEN])
def test_the_calling_token_is_never_the_issued_one(content: bytes) -> None:
    assert recovered(content) == REAL
    assert recovered(content, calling=REAL) is None


@pytest.mark.parametrize("status", [301, 408, 500, 503])
def test_a_failure_status_with_a_key_and_a_token_raises_with_the_token(status: int) -> None:
    assert recovered(WHOLE, status) == recovered(LAST[:-1], status) == REAL
    assert recovered(b'{"secret": "%b"}' % DECOY.encode(), status) is None


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422, 429])
def test_a_rejected_request_has_issued_no_token(make: Make, status: int) -> None:
    for stream in (Stream(WHOLE), Stream(b"{" + TOKEN, then=raising(httpx.ReadError("interrupted")))):
        client = make(transport=responding(httpx.Response(status, stream=stream)), attempts=1)
        with pytest.raises(APIStatusError) as caught:
            client.rotate(KEY_ID)
        assert getattr(caught.value, "token", None) is None
        assert REAL not in renderings(caught.value)


OTHER_CALLS: dict[str, Callable[[Any], object]] = {
    "list": lambda keys: list(keys.list()),
    "show": lambda keys: keys.show(KEY_ID),
    "update": lambda keys: keys.update(KEY_ID, name="a", role_names=[], team_ids=[], team_role_names=[]),
    "delete": lambda keys: keys.delete(KEY_ID),
}


@pytest.mark.parametrize("call", OTHER_CALLS)
@pytest.mark.parametrize("status", [200, 500])
def test_a_call_that_issues_no_token_raises_without_one(make: Make, call: str, status: int) -> None:
    client = make(transport=responding(httpx.Response(status, content=b"[%b" % WHOLE)), attempts=1)
    with pytest.raises(IncidentIOError) as caught:
        OTHER_CALLS[call](client)
    assert getattr(caught.value, "token", None) is None
    assert REAL not in renderings(caught.value)


def test_an_interrupted_response_to_a_read_is_a_connection_error(make: Make) -> None:
    stream = Stream(WHOLE, then=raising(httpx.ReadError("interrupted")))
    with pytest.raises(APIConnectionError):
        make(transport=responding(httpx.Response(200, stream=stream)), attempts=1).show(KEY_ID)


ERRORS = [*(kind("interrupted") for kind in INTERRUPTIONS), httpx.StreamClosed(), RuntimeError("closed"), OSError("x")]


@pytest.mark.parametrize(("coding", "error"), [*(("", error) for error in ERRORS), ("gzip", ERRORS[0])])
def test_an_interrupted_response_gives_its_token_and_redacts_it(make: Make, coding: str, error: Exception) -> None:
    parts = [WHOLE[:50], WHOLE[50:100]]
    stream = Stream(*(gzipped(*parts) if coding else parts), then=raising(error))
    client = make(transport=responding(httpx.Response(201, headers={"Content-Encoding": coding}, stream=stream)))
    with pytest.raises(InvalidResponseError) as caught:
        client.create(name="a", role_names=[])
    assert caught.value.token == Token(REAL)
    assert caught.value.may_have_applied
    assert REAL not in renderings(caught.value)


def test_a_response_that_is_complete_when_its_connection_breaks_is_returned(make: Make) -> None:
    stream = Stream(WHOLE, then=raising(httpx.ReadError("interrupted")))
    client = make(transport=responding(httpx.Response(201, stream=stream)))
    assert client.rotate(KEY_ID).token == Token(REAL)


@pytest.mark.exhaustive
@pytest.mark.parametrize("coding", ["", "gzip"])
def test_a_body_that_is_too_large_gives_the_token_at_its_start(make: Make, coding: str) -> None:
    parts = [b"{" + TOKEN, *[b" " * 1024 * 1024] * 17]
    stream = Stream(*(gzipped(*parts) if coding else parts))
    client = make(transport=responding(httpx.Response(201, headers={"Content-Encoding": coding}, stream=stream)))
    with pytest.raises(InvalidResponseError) as caught:
        client.create(name="a", role_names=[])
    assert caught.value.token == Token(REAL)


def test_a_client_that_another_thread_closes_gives_the_token_that_arrived() -> None:
    def close() -> None:
        thread = threading.Thread(target=client.close)
        thread.start()
        thread.join()
        raise RuntimeError("closed")

    client = KeysClient(CANARY, transport=responding(httpx.Response(201, stream=Stream(WHOLE[:100], then=close))))
    with pytest.raises(InvalidResponseError) as caught:
        client.create(name="a", role_names=[])
    assert caught.value.token == Token(REAL)


def test_a_keyboard_interrupt_has_the_token_that_arrived_as_its_cause(make: Make) -> None:
    stream = Stream(WHOLE, then=raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt) as caught:
        make(transport=responding(httpx.Response(201, stream=stream))).create(name="a", role_names=[])
    cause = caught.value.__cause__
    assert isinstance(cause, InvalidResponseError)
    assert (cause.token, cause.may_have_applied) == (Token(REAL), True)
    assert "KeyboardInterrupt" in str(cause)
    assert REAL not in renderings(caught.value) + str(cause) + repr(cause)


def test_a_timeout_of_the_caller_has_the_token_that_arrived_as_its_cause() -> None:
    async def create() -> None:
        now = asyncio.get_running_loop().time
        async with asyncio.timeout(None) as timeout:
            stream = Stalling(WHOLE[:100], then=lambda: timeout.reschedule(now()))
            async with AsyncKeysClient(CANARY, transport=responding(httpx.Response(201, stream=stream))) as client:
                await client.create(name="a", role_names=[])

    with pytest.raises(TimeoutError) as caught:
        asyncio.run(create())
    cancelled = caught.value.__cause__
    assert isinstance(cancelled, asyncio.CancelledError)
    assert isinstance(cancelled.__cause__, InvalidResponseError)
    assert cancelled.__cause__.token == Token(REAL)


@pytest.mark.parametrize(
    ("content", "kind", "token"),
    [
        pytest.param(WHOLE, IssuedKey, REAL, id="after all of it"),
        pytest.param(WHOLE[:100], InvalidResponseError, REAL, id="after the token"),
        pytest.param(ECHOING, InvalidResponseError, REAL, id="after the calling token too"),
        pytest.param(b'{"', APITimeoutError, None, id="before the token"),
    ],
)
def test_a_response_that_stalls_until_the_deadline_gives_the_token_that_arrived(
    content: bytes, kind: type, token: str | None
) -> None:
    async def create() -> IssuedKey:
        transport = responding(httpx.Response(201, stream=Stalling(content)))
        async with AsyncKeysClient(CANARY, transport=transport, deadline=0.05) as client:
            return await client.create(name="a", role_names=[])

    assert outcome(lambda: asyncio.run(create())) == (kind, token)


@pytest.mark.parametrize(
    "filler",
    [b"[", b'"a": "' + b'\\"' * 10, b'{"', b'" ', b'": ', b"\\", b'"\\', b'"token"', b'"token": "', b"{%b," % OTHER],
    ids=repr,
)
def test_a_large_malformed_body_takes_neither_much_time_nor_much_memory(filler: bytes) -> None:
    content = b"{%b, " % TOKEN + filler * (900_000 // len(filler))
    tracemalloc.start()
    started = time.process_time()
    token = recovered(content)
    took, (_, peak) = time.process_time() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert token in (REAL, None)
    assert peak < 30_000_000
    assert took < 10  # a quadratic search takes minutes
