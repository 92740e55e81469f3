"""A token that arrived is not lost, whatever becomes of the rest of the answer; and no other is taken for it."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
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
from incident_io_keys._operations import Operation, create_key, delete_key, list_keys, rotate_key, show_key, update_key

from .answers import answer_of
from .conftest import CANARY, Make
from .drifts import DECOY, KEY, REAL, Body, cuts, drifted
from .hiding import renderings

DEFINITION: dict[str, Any] = {"name": "a", "role_names": [], "team_ids": [], "team_role_names": []}
CREATE, ROTATE = create_key(**DEFINITION), rotate_key("01F", grace_period_minutes=0)
STATUSES = [200, 201, 201, 201, 202, 203, 226, 302, 408, 422, 500, 502]
TYPES = ["application/json", "text/html", "application/octet-stream", ""]


def outcome(call: Callable[[], IssuedKey]) -> tuple[type, str | None]:
    """What comes of a call, and the token that it gives."""
    kind: type = IssuedKey
    shown = ""
    try:
        token: Token | None = call().token
    except IncidentIOError as error:
        kind, token, shown = type(error), getattr(error, "token", None), str(error)
    assert REAL not in shown
    return kind, None if token is None else token.reveal()


def check(body: Body, cut: int, status: int, found: tuple[type, str | None]) -> None:
    what = (bytes(body.content[:cut]), status)
    assert found[1] in (REAL, None), what
    if body.recovered(cut, status):
        fits = body.fits and cut == len(body.content) and 200 <= status < 300
        assert found == (IssuedKey if fits else InvalidResponseError, REAL), what
    elif body.real is None or cut < body.real or status == 422:
        assert found[1] is None, what


@pytest.mark.exhaustive
def test_of_thousands_of_answers_none_loses_its_token_nor_gives_another() -> None:
    chance = random.Random(1)  # noqa: S311 - the same each time
    recovered = 0
    for _ in range(2_600):
        body = drifted(chance)
        for cut in cuts(body, chance):
            status = chance.choice(STATUSES)
            content, headers = bytes(body.content[:cut]), {"Content-Type": chance.choice(TYPES)}
            answer = answer_of(status, headers=headers, content=content)
            operation = chance.choice([CREATE, ROTATE])
            check(body, cut, status, outcome(lambda a=answer, o=operation: o.decode(a, token=Token(CANARY))))  # type: ignore[misc]
            recovered += body.recovered(cut, status)
    assert 3_500 < recovered < 8_000


class Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Bytes as they come from a network, and what comes after them."""

    def __init__(self, *parts: bytes, then: Callable[[], object] = lambda: None) -> None:
        self._parts = parts
        self._then = then

    def __iter__(self) -> Iterator[bytes]:
        yield from self._parts
        self._then()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part


def raising(error: BaseException) -> Callable[[], object]:
    def then() -> None:
        raise error

    return then


BREAKS = [httpx.ReadError, httpx.RemoteProtocolError, httpx.ReadTimeout]


def test_the_same_holds_for_connections_that_end_there(make: Make) -> None:
    chance = random.Random(2)  # noqa: S311 - the same each time
    answers: list[httpx.Response] = []
    client = make(transport=httpx.MockTransport(lambda _: answers.pop()), attempts=1)
    for _ in range(100):
        body = drifted(chance)
        for cut in cuts(body, chance):
            status, middle = chance.choice(STATUSES), chance.randint(0, cut)
            parts = bytes(body.content[:middle]), bytes(body.content[middle:cut])
            stream = Stream(*parts, then=raising(chance.choice(BREAKS)("broken")))
            answers.append(httpx.Response(status, headers={"Content-Type": chance.choice(TYPES)}, stream=stream))
            call = chance.choice([lambda: client.create(name="a", role_names=[]), lambda: client.rotate("01F")])
            check(body, cut, status, outcome(call))


def answered(content: bytes, status: int = 201, calling: str = CANARY, **headers: str) -> str | None:
    """The token that comes of an answer to create."""
    made = answer_of(status, headers=headers, content=content)
    return outcome(lambda: CREATE.decode(made, token=Token(calling)))[1]


WHOLE = json.dumps({"token": REAL, "api_key": KEY}).encode()
LAST = json.dumps({"api_key": KEY, "token": REAL}).encode()
TOKEN = b'"token": "%b"' % REAL.encode()
OTHER = b'"token": "%b"' % DECOY.encode()
ECHOING = b'{"request": {"api_key": {}, "token": "%b"}, "data": %b' % (CANARY.encode(), WHOLE)


@pytest.mark.parametrize(
    "content",
    [
        WHOLE[: len(b"{" + TOKEN)],
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
        WHOLE.replace(b"token", b"\\u0074oken")[:100],
        b'{"data": ' + LAST[:-1],
        b'{%b, "old": {"api_key": {}, %b}' % (TOKEN, OTHER),
        b'{"data": {"api_key": {}}}}, ' + TOKEN,
        b'{"data": {"token": {"value": "%b"}}}' % REAL.encode(),
        b'{"api_key": {%b}}' % TOKEN,
        b'{%b, "other": ["%b"], "a": "\\"token\\": \\"x\\""' % (TOKEN, DECOY.encode()),
        b'{"page": {"token": "x"}, "secret": "%b"}' % REAL.encode(),
        b'{"x": ' + b"[" * 50_000 + b"]" * 50_000 + b", %b" % TOKEN,
        b'{"previous_token": "%b", "a": {"OLD": [{"x": "%b"}]}, "secret": "%b"}'
        % (DECOY.encode(), DECOY.encode(), REAL.encode()),
    ],
)
def test_a_token_whose_end_arrived_is_found(content: bytes) -> None:
    assert answered(content) == REAL
    assert answered(content, 200, **{"Content-Type": "text/html"}) == REAL


@pytest.mark.parametrize(
    "content",
    [
        WHOLE[: len(b"{" + TOKEN) - 1],
        b'{"token": "", "api_key": {}}',
        b'{"token":"%b,"' % DECOY.encode(),
        b'{"token":"%b,"api_key":{}}' % DECOY.encode(),
        b'{"token": "inc_0123"4567", "api_key": {}}',
        b'{"token": ["%b"], "x' % DECOY.encode(),
        b'{"token": null, "api_key"',
        b'{"token": null, "api_key": {"name": "%b"}}' % DECOY.encode(),
        b'{"api_key": {}, "page": {"token": "x"}}',
        b'{"page": {"token": "x"}',
        b'{"api_key": {%b' % OTHER,
        b'"api_key": {%b' % OTHER,
        b'{"api_key": {}}, "page": {%b' % OTHER,
        b'{"n\xff": {%b' % OTHER,
        b'{"key": {"creator": {"api_key": {}, %b' % OTHER,
        b'{"api_key": {"creator": {"api_key": {}, %b}}}' % OTHER,
        b'{"key": {"creator": {%b}}}' % OTHER,
        b'{"api_key": {"name": "My " key", "creator": {"api_key": {%b' % OTHER,
        b'{"a": "%b", "b": "%b"}' % (DECOY.encode(), REAL.encode()),
        b'{"api_key": {"name": "\\"token\\": \\"%b\\""}, "token": 3}' % DECOY.encode(),
        b'{"data": {%b, "x"' % OTHER,
    ],
)
def test_what_may_be_another_or_a_part_of_one_is_not_given(content: bytes) -> None:
    assert answered(content) is None


NAMES = ["previous_token", "prevToken", "OLD", "last", "former", "Current_Token", "calling", "expired", "x_revoked"]


@pytest.mark.parametrize("name", NAMES)
def test_a_token_that_is_called_another_is_none_that_was_issued(name: str) -> None:
    for value in (REAL, [REAL], {"token": {"value": REAL}}, {"a": [{"b": REAL}]}):
        assert answered(json.dumps({name: value}).encode()) is None
        assert answered(json.dumps({"x": value}).encode()) == REAL


@pytest.mark.parametrize("before", [998, 999])
def test_what_holds_too_many_that_could_be_it_gives_none_of_them(before: int) -> None:
    last = b'"old", "%b"], "x": "%b"}' % (DECOY.encode(), REAL.encode())
    content = b'{"prev": [' + b'"%b",' % DECOY.encode() * (before - 1) + last
    assert answered(content) == (REAL if before == 998 else None)
    tracemalloc.start()
    assert answered(b"{%b, " % TOKEN + b'"%b",' % DECOY.encode() * 230_000) == REAL  # as much as is read of a body
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("content", [WHOLE, WHOLE[:-1], b'{"x": "a " b", %b' % TOKEN, b'{"x": ["%b"]}' % REAL.encode()])
def test_the_token_of_the_request_is_none_that_was_issued(content: bytes) -> None:
    assert answered(content) == REAL
    assert answered(content, calling=REAL) is None


@pytest.mark.parametrize("status", [301, 408, 500, 503])
def test_a_failure_that_has_a_token_beside_a_key_has_issued_it(status: int) -> None:
    assert answered(WHOLE, status) == answered(LAST[:-1], status) == REAL
    for guess in (b"{%b}" % OTHER, b'{"secret": "%b"}' % DECOY.encode(), b'{"api_key": {%b' % OTHER):
        assert answered(guess, status) is None


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422, 429])
def test_a_refusal_has_issued_nothing(make: Make, status: int) -> None:
    for stream in (Stream(WHOLE), Stream(b"{" + TOKEN, then=raising(httpx.ReadError("broken")))):
        answer = httpx.Response(status, stream=stream)
        with pytest.raises(APIStatusError) as caught:
            make(transport=httpx.MockTransport(lambda _, answer=answer: answer), attempts=1).rotate("01F")
        assert REAL not in renderings(caught.value)


OTHERS = [list_keys(page_size=1, after=None), show_key("01F"), update_key("01F", **DEFINITION), delete_key("01F")]


@pytest.mark.parametrize("operation", OTHERS, ids=lambda operation: operation.name)
def test_what_issues_nothing_gives_no_token(operation: Operation[Any]) -> None:
    for status in (200, 500):
        with pytest.raises(IncidentIOError) as caught:
            operation.decode(answer_of(status, content=b"[%b" % WHOLE))
        assert getattr(caught.value, "token", None) is None


def test_a_read_that_breaks_off_is_no_answer(make: Make) -> None:
    stream = Stream(WHOLE, then=raising(httpx.ReadError("broken")))
    client = make(transport=httpx.MockTransport(lambda _: httpx.Response(200, stream=stream)), attempts=1)
    with pytest.raises(APIConnectionError):
        client.show("01F")


def packed(coding: str, *parts: bytes) -> list[bytes]:
    """The parts, so packed that each can be unpacked when it arrives, but no end."""
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16 if coding == "gzip" else zlib.MAX_WBITS)
    return [packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH) for part in parts]


BROKEN_OFF = [*(kind("broken") for kind in BREAKS), httpx.StreamClosed(), RuntimeError("closed"), OSError("reset")]
PACKED = [("", error) for error in BROKEN_OFF] + [("gzip", BROKEN_OFF[0]), ("deflate", BROKEN_OFF[1])]


@pytest.mark.parametrize(("coding", "error"), PACKED)
def test_a_body_that_breaks_off_gives_its_token_and_does_not_show_it(make: Make, coding: str, error: Exception) -> None:
    parts = [WHOLE[:50], WHOLE[50:100]]
    stream = Stream(*(packed(coding, *parts) if coding else parts), then=raising(error))
    answer = httpx.Response(201, headers={"Content-Encoding": coding}, stream=stream)
    with pytest.raises(InvalidResponseError) as caught:
        make(transport=httpx.MockTransport(lambda _: answer)).create(name="a", role_names=[])
    assert caught.value.token == Token(REAL)
    assert caught.value.may_have_applied
    assert REAL not in renderings(caught.value)


def test_an_answer_that_is_whole_when_its_connection_breaks_is_the_answer(make: Make) -> None:
    answer = httpx.Response(201, stream=Stream(WHOLE, then=raising(httpx.ReadError("broken"))))
    assert make(transport=httpx.MockTransport(lambda _: answer)).rotate("01F").token == Token(REAL)


@pytest.mark.exhaustive
@pytest.mark.parametrize("coding", ["", "gzip"])
def test_a_body_that_is_too_large_gives_the_token_at_its_start(make: Make, coding: str) -> None:
    parts = [b"{" + TOKEN, *[b" " * 1024 * 1024] * 17]
    stream = Stream(*(packed(coding, *parts) if coding else parts))
    answer = httpx.Response(201, headers={"Content-Encoding": coding}, stream=stream)
    with pytest.raises(InvalidResponseError) as caught:
        make(transport=httpx.MockTransport(lambda _: answer)).create(name="a", role_names=[])
    assert caught.value.token == Token(REAL)


def test_a_client_that_another_thread_closes_gives_the_token_that_arrived() -> None:
    def close() -> None:
        thread = threading.Thread(target=client.close)
        thread.start()
        thread.join()
        raise RuntimeError("closed")

    answer = httpx.Response(201, stream=Stream(WHOLE[:100], then=close))
    client = KeysClient(CANARY, transport=httpx.MockTransport(lambda _: answer))
    with pytest.raises(InvalidResponseError) as caught:
        client.create(name="a", role_names=[])
    assert caught.value.token == Token(REAL)


def test_an_interrupt_stays_one_and_has_the_token_that_arrived_as_its_cause(make: Make) -> None:
    answer = httpx.Response(201, stream=Stream(WHOLE, then=raising(KeyboardInterrupt())))
    client = make(transport=httpx.MockTransport(lambda _: answer))
    with pytest.raises(KeyboardInterrupt) as caught:
        client.create(name="a", role_names=[])
    cause = caught.value.__cause__
    assert isinstance(cause, InvalidResponseError)
    assert (cause.token, cause.may_have_applied) == (Token(REAL), True)
    assert "KeyboardInterrupt came before its end" in str(cause)
    assert REAL not in renderings(caught.value) + str(cause) + repr(cause)


def test_a_cancellation_and_a_time_limit_of_the_caller_s_have_it_too() -> None:
    async def main() -> BaseException | None:
        transport = httpx.MockTransport(lambda _: httpx.Response(201, stream=Dripping(WHOLE[:100])))
        async with AsyncKeysClient(CANARY, transport=transport) as client:
            with pytest.raises(TimeoutError) as caught:
                await asyncio.wait_for(client.create(name="a", role_names=[]), 0.05)
        return caught.value.__cause__

    cancelled = asyncio.run(main())
    assert isinstance(cancelled, asyncio.CancelledError)
    assert isinstance(cancelled.__cause__, InvalidResponseError)
    assert cancelled.__cause__.token == Token(REAL)


class Dripping(httpx.AsyncByteStream):
    """Bytes, and then nothing any more."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content
        await asyncio.Event().wait()


HANGING: dict[str, tuple[bytes, type[Exception] | None]] = {
    "after all of it": (WHOLE, None),
    "after the token": (WHOLE[:100], InvalidResponseError),
    "with the token of the request beside a key too": (ECHOING, InvalidResponseError),
    "before the token": (b'{"', APITimeoutError),
}


@pytest.mark.parametrize("name", HANGING)
def test_a_body_that_hangs_until_the_deadline_gives_the_token_that_arrived(name: str) -> None:
    async def main() -> IssuedKey:
        transport = httpx.MockTransport(lambda _: httpx.Response(201, stream=Dripping(HANGING[name][0])))
        async with AsyncKeysClient(CANARY, transport=transport, deadline=0.05) as client:
            return await client.create(name="a", role_names=[])

    if (expected := HANGING[name][1]) is None:
        assert asyncio.run(main()).token == Token(REAL)
        return
    with pytest.raises(expected) as caught:
        asyncio.run(main())
    assert getattr(caught.value, "token", None) == (Token(REAL) if expected is InvalidResponseError else None)
    assert REAL not in renderings(caught.value)


@pytest.mark.parametrize(
    "filler", [b"[", b'"a": "' + b'\\"' * 10, b'{"', b'" ', b'": ', b"\\", b'"\\', b"{%b," % OTHER], ids=repr
)
def test_a_body_is_read_in_a_time_that_grows_with_its_size(filler: bytes) -> None:
    def seconds(size: int) -> float:
        content = b'{"token": "%b", "x": ' % REAL.encode() + filler * (size // len(filler))
        started = time.process_time()
        answered(content)
        return time.process_time() - started

    assert seconds(1_200_000) < 20 * seconds(300_000) + 0.5  # four times as much, were there no noise


def test_brackets_and_strings_without_end_take_neither_the_memory_nor_the_token() -> None:
    brackets = b"{%b, " % TOKEN + b"[" * 5_000_000
    tracemalloc.start()
    assert answered(brackets) == REAL
    assert tracemalloc.get_traced_memory()[1] < 10 * len(brackets)
    tracemalloc.stop()
    assert answered(b'{%b, "x": "' % TOKEN + b'\\"' * 5_000_000) == REAL
