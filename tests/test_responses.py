"""Every way in which a response can be wrong but arrive, through both clients."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import httpx
import pytest

from incident_io_keys import (
    APIConnectionError,
    APIStatusError,
    IncidentIOError,
    InvalidResponseError,
    PermissionDeniedError,
    Token,
)
from incident_io_keys.errors import InternalServerError

from .conftest import CANARY, Handler, Make
from .hiding import renderings
from .spec import example

ClientOf = Callable[[Handler], Any]

ENVELOPE = {"type": "x", "status": 1, "request_id": "r", "errors": [{"code": "c", "message": "m"}]}
KEY = example("create_response")["api_key"]
ISSUED = json.dumps(example("create_response")).encode()
TOKEN = Token(example("create_response")["token"])
MEGABYTE = 1_000_000


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Bytes as they come from a network, and perhaps the end of the connection."""

    def __init__(self, *parts: bytes, interrupted: bool = False) -> None:
        self._parts = parts
        self._interrupted = interrupted

    def __iter__(self) -> Iterator[bytes]:
        yield from self._parts
        if self._interrupted:
            raise httpx.RemoteProtocolError("peer closed connection")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part


def in_parts(content: bytes, size: int) -> Body:
    """A body that arrives in parts of that size."""
    return Body(*(content[at : at + size] for at in range(0, len(content), size)))


# By name: the headers and the body of an error's response, and whether the envelope in it is read. None: it may be.
BODY = json.dumps(ENVELOPE).encode()
ERRORS: dict[str, tuple[Any, Body, bool | None]] = {
    "envelope": ({"Content-Type": "application/json"}, Body(BODY), True),
    "lacking": ({"Content-Type": "application/json"}, Body(b'{"errors": [{"code": 1}, 3]}'), False),
    "extra": ({"Content-Type": "application/json"}, Body(BODY[:-1] + b', "new": {"a": [1]}}'), True),
    "html": ({"Content-Type": "text/html"}, Body(b"<html>down</html>"), False),
    "text": ({"Content-Type": "text/plain; charset=idna"}, Body(b"down"), False),
    "empty": ({}, Body(), False),
    "interrupted": ({}, Body(BODY[:20], interrupted=True), False),
    "bytes": ({"Content-Type": "application/json; charset=utf-16"}, Body(bytes(range(256))), False),
    "wrong type": ({"Content-Type": "image/png"}, Body(BODY), True),
    "no gzip": ({"Content-Encoding": "gzip"}, Body(BODY), True),
    "gzip": ({"Content-Encoding": "gzip"}, Body(gzip.compress(BODY)), True),
    "unknown coding": ({"Content-Encoding": "rot13"}, Body(BODY), None),
    "a coding that is not ASCII": ({b"Content-Encoding": b"gzip, \xe9"}, Body(BODY), None),
}


@pytest.mark.parametrize(
    "statuses",
    [(300, 399, 400, 408, 499, 500, 599, 999), pytest.param(range(300, 1000), marks=pytest.mark.exhaustive)],
    ids=["some", "all"],
)
@pytest.mark.parametrize("kind", ERRORS)
def test_every_status_with_every_body_is_an_error_of_that_status(
    make: Make, kind: str, statuses: Sequence[int]
) -> None:
    headers, body, read = ERRORS[kind]
    remaining = iter(statuses)
    transport = httpx.MockTransport(lambda _: httpx.Response(next(remaining), headers=headers, stream=body))
    keys = make(transport=transport, attempts=1)
    for status in statuses:
        with pytest.raises(APIStatusError) as caught:
            keys.create(name="a", role_names=[])
        error = caught.value
        assert error.status == status
        assert isinstance(error, InternalServerError) is (status >= 500)
        assert error.may_have_applied is (status == 408 or not 400 <= status < 500)
        if read is not None:
            assert (error.type, error.request_id) == (("x", "r") if read else (None, None))


@pytest.mark.parametrize("status", [200, 202, 206, 299])
@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({"Content-Type": "text/html"}, ISSUED),
        ({"Content-Encoding": "gzip"}, gzip.compress(ISSUED)),
        ({"Content-Encoding": "gzip"}, ISSUED),
    ],
    ids=["html", "gzip", "no gzip"],
)
def test_a_success_is_read_whatever_its_status_and_type(
    client_of: ClientOf, status: int, headers: dict[str, str], content: bytes
) -> None:
    keys = client_of(lambda _: httpx.Response(status, headers=headers, stream=Body(content)))
    assert keys.create(name="a", role_names=[]).token == TOKEN


@pytest.mark.parametrize("coding", [b"\xff", b"gzip, \xe9", b"identity", b""])
def test_a_token_is_not_lost_to_a_malformed_header(client_of: ClientOf, coding: bytes) -> None:
    keys = client_of(lambda _: httpx.Response(201, headers=[(b"Content-Encoding", coding)], stream=Body(ISSUED)))
    assert keys.create(name="a", role_names=[]).token == TOKEN


CALLS: dict[str, Callable[[Any], Any]] = {
    "list": lambda keys: list(keys.list()),
    "create": lambda keys: keys.create(name="a", role_names=[]),
    "show": lambda keys: keys.show("01F"),
    "update": lambda keys: keys.update("01F", name="a", role_names=[], team_ids=[], team_role_names=[]),
    "rotate": lambda keys: keys.rotate("01F"),
}
WRITES = {"create", "update", "rotate"}


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"<html>", b"\xff"])
@pytest.mark.parametrize("name", CALLS)
def test_a_success_whose_body_does_not_fit_is_an_invalid_response(client_of: ClientOf, name: str, body: bytes) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        CALLS[name](client_of(lambda _: httpx.Response(200, stream=Body(body))))
    assert caught.value.may_have_applied is (name in WRITES)


def test_an_invalid_response_that_is_not_json_names_its_content_type(client_of: ClientOf) -> None:
    keys = client_of(lambda _: httpx.Response(200, html="<html>please log in</html>"))
    with pytest.raises(InvalidResponseError, match="Content-Type is 'text/html; charset=utf-8'"):
        keys.show("01F")


@pytest.mark.parametrize("name", CALLS)
def test_a_success_that_is_too_large_is_an_error_and_is_not_retried(client_of: ClientOf, name: str) -> None:
    requests = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(201, stream=Body(*[CANARY.encode().ljust(MEGABYTE)] * 17))

    with pytest.raises(APIConnectionError, match="bytes") as caught:
        CALLS[name](client_of(handler))
    assert caught.value.may_have_applied is (name in WRITES)
    assert CANARY not in renderings(caught.value)
    assert len(requests) == 1


@pytest.mark.parametrize("compressed", [False, True])
def test_an_error_that_is_too_large_is_still_an_error_of_its_status(client_of: ClientOf, compressed: bool) -> None:
    content = json.dumps({"type": "x", "errors": [{"code": "c", "message": "m"}] * 150_000}).encode()
    assert len(content) > 4 * MEGABYTE
    headers = {"Content-Encoding": "gzip"} if compressed else {}
    body = in_parts(gzip.compress(content) if compressed else content, 65536)
    with pytest.raises(PermissionDeniedError) as caught:
        client_of(lambda _: httpx.Response(403, headers=headers, stream=body)).show("01F")
    assert (caught.value.type, caught.value.errors) == (None, ())
    assert len(caught.value.response.content) < 2 * MEGABYTE


def test_an_error_holds_the_first_hundred_of_many_errors(client_of: ClientOf) -> None:
    body = {"errors": [{"code": "c", "message": str(number)} for number in range(1000)]}
    with pytest.raises(APIStatusError) as caught:
        client_of(lambda _: httpx.Response(422, json=body)).create(name="a", role_names=[])
    assert [error.message for error in caught.value.errors] == [str(number) for number in range(100)]


def bomb() -> bytes:
    """A key's response with 200 MB of spaces behind it, compressed."""
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    spaces = b" " * MEGABYTE
    parts = [json.dumps({"api_key": KEY}).encode(), *[spaces] * 200]
    return b"".join([*map(packer.compress, parts), packer.flush()])


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip"])
def test_a_body_that_decompresses_to_too_much_is_an_error_and_does_not_fill_the_memory(
    client_of: ClientOf, coding: str
) -> None:
    content = bomb() if coding == "gzip" else gzip.compress(bomb())
    keys = client_of(
        lambda _: httpx.Response(200, headers={"Content-Encoding": coding}, stream=in_parts(content, 4096))
    )
    tracemalloc.start()
    try:
        with pytest.raises((APIConnectionError, InvalidResponseError)):
            keys.show(KEY["id"])
        assert tracemalloc.get_traced_memory()[1] < 70 * MEGABYTE
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://elsewhere.example/a?token=b", " to elsewhere.example;"),
        ("//elsewhere.example/a", " to elsewhere.example;"),
        ("/elsewhere", "another path of the same host"),
        ("//xn--a/", "no URL"),
        ("http://a:b", "no URL"),
        (f"https://{CANARY[:40]}.example", " to inc_<redacted>.example;"),
    ],
)
def test_the_error_of_a_redirect_names_the_host_and_no_more(client_of: ClientOf, location: str, target: str) -> None:
    keys = client_of(lambda _: httpx.Response(307, headers={"Location": location}))
    with pytest.raises(APIStatusError, match=r"^create failed with 307") as caught:
        keys.create(name="a", role_names=[])
    assert target in str(caught.value)
    assert "redirect" in str(caught.value)
    assert caught.value.response.headers["Location"] == location.replace(CANARY[:40], "inc_<redacted>")
    assert "token=b" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "hint"), [(401, "token argument"), (403, "api_keys_manage"), (429, "1.5 s"), (503, "may have")]
)
def test_a_message_has_what_the_api_sent_and_a_hint(make: Make, status: int, hint: str) -> None:
    response = httpx.Response(status, headers={"Retry-After": "1.5"}, json=ENVELOPE)
    keys = make(transport=httpx.MockTransport(lambda _: response), attempts=1)
    with pytest.raises(APIStatusError, match=rf"(?s)^create failed with {status} x\n.*m \(c\).*{hint}.*request id: r$"):
        keys.create(name="a", role_names=[])


def test_an_error_after_an_earlier_attempt_that_may_have_taken_effect_says_so(client_of: ClientOf) -> None:
    responses = iter([httpx.Response(503), httpx.Response(403)])
    with pytest.raises(PermissionDeniedError, match="may have") as caught:
        CALLS["update"](client_of(lambda _: next(responses)))
    assert caught.value.may_have_applied


@pytest.mark.parametrize("status", [200, 201, 302, 404, 408, 500])
@pytest.mark.parametrize("name", ["create", "show"])
def test_a_token_in_the_headers_of_a_response_is_redacted(make: Make, name: str, status: int) -> None:
    """An API may echo a request, or set a cookie; and a redirect may point anywhere."""

    def handler(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == f"Bearer {CANARY}"
        headers = dict.fromkeys(("X-Echo", "Set-Cookie", "Location", "X-Request-Id"), f"x={CANARY}")
        return httpx.Response(status, headers=headers, content=b'{"api_key": 3')

    with pytest.raises(IncidentIOError) as caught:
        CALLS[name](make(transport=httpx.MockTransport(handler), attempts=1))
    assert CANARY not in renderings(caught.value)


def test_a_transport_may_return_the_same_response_more_than_once(client_of: ClientOf) -> None:
    shared = httpx.Response(200, json={"api_key": KEY})
    keys = client_of(lambda _: shared)
    assert keys.show(KEY["id"]) == keys.show(KEY["id"])
    down = httpx.Response(503)
    with pytest.raises(InternalServerError):
        client_of(lambda _: down).show("01F")
    shared.close()  # its owner may close it again, in either way
    asyncio.run(shared.aclose())
