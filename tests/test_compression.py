"""Compressed responses. The client does not ask for them, but a proxy may send them."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from incident_io_keys import APIConnectionError, APIStatusError, IncidentIOError, InvalidResponseError, IssuedKey, Token

from .calls import CALLS, KEY_ID, response_to
from .conftest import Make
from .spec import example
from .streams import Stream

ISSUED = Token(example("create_response")["token"])
CODINGS = ["gzip", "x-gzip", "GZIP", "X-GZip", " gzip ", "gzip, identity", "identity, gzip", "gzip,identity", "gzip,"]


def client(make: Make, status: int, coding: str, *parts: bytes) -> Any:
    headers = {"Content-Encoding": coding, "Content-Type": "application/json"}
    transport = httpx.MockTransport(lambda _: httpx.Response(status, headers=headers, stream=Stream(*parts)))
    return make(transport=transport, attempts=1)


def in_members(content: bytes, count: int) -> bytes:
    """Compress content in so many members of about the same size."""
    size = max(1, -(-len(content) // count))
    return b"".join(gzip.compress(content[start : start + size]) for start in range(0, max(1, len(content)), size))


def content_of(name: str) -> bytes:
    """Return the body of a successful response."""
    return response_to(name).content


def equal(value: Any, name: str) -> bool:
    """Return whether a call returned the value of the successful response."""
    body = json.loads(content_of(name) or b"null")
    if name in ("create", "rotate"):
        return bool(value.token == ISSUED and value.api_key.to_dict() == body["api_key"])
    if name == "list":
        return bool([key.to_dict() for key in value] == body["api_keys"])
    return value is None if name == "delete" else bool(value.to_dict() == body["api_key"])


def outcome(call: Callable[[], IssuedKey]) -> tuple[Token | None, IncidentIOError | None]:
    """Return the token of a call, whether it returns or raises, and the error."""
    try:
        return call().token, None
    except IncidentIOError as error:
        return getattr(error, "token", None), error


@pytest.mark.parametrize("name", CALLS)
def test_a_request_asks_for_no_compression(make: Make, name: str) -> None:
    requests: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return response_to(name)

    CALLS[name](make(transport=httpx.MockTransport(respond)))
    assert [request.headers.get_list("Accept-Encoding") for request in requests] == [["identity"]]


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("name", CALLS)
def test_a_compressed_response_is_read(make: Make, name: str, coding: str) -> None:
    assert equal(CALLS[name](client(make, 200, coding, gzip.compress(content_of(name)))), name)


@pytest.mark.parametrize("coding", ["identity", "Identity", "identity, identity", "", ","])
@pytest.mark.parametrize("name", CALLS)
def test_a_response_whose_coding_is_identity_is_read(make: Make, name: str, coding: str) -> None:
    assert equal(CALLS[name](client(make, 200, coding, content_of(name))), name)


@pytest.mark.parametrize("coding", [*CODINGS, "br", "zstd", "deflate", "unknown"])
@pytest.mark.parametrize("name", CALLS)
def test_a_response_that_is_not_compressed_is_read_whatever_its_header_says(make: Make, name: str, coding: str) -> None:
    assert equal(CALLS[name](client(make, 200, coding, content_of(name))), name)


@pytest.mark.parametrize("count", [2, 3, 50])
@pytest.mark.parametrize("name", CALLS)
def test_a_response_in_several_gzip_members_is_read(make: Make, name: str, count: int) -> None:
    content = in_members(content_of(name), count)
    assert equal(CALLS[name](client(make, 200, "gzip", content)), name)
    single = [content[at : at + 1] for at in range(len(content))]
    assert equal(CALLS[name](client(make, 200, "gzip", *single)), name)


@pytest.mark.parametrize("after", [b"\0" * 8, b"\r\n", b"garbage"], ids=repr)
@pytest.mark.parametrize("name", CALLS)
def test_bytes_behind_the_last_member_do_not_matter(make: Make, name: str, after: bytes) -> None:
    assert equal(CALLS[name](client(make, 200, "gzip", gzip.compress(content_of(name)) + after)), name)


@pytest.mark.parametrize("name", ["create", "rotate"])
def test_a_truncated_compressed_response_gives_its_token(make: Make, name: str) -> None:
    """Each length, from the one with which the whole token can be decompressed."""
    content = content_of(name)
    end = content.index(ISSUED.reveal().encode()) + len(ISSUED.reveal()) + 1
    compressed = gzip.compress(content)
    found = 0
    for length in range(1, len(compressed)):
        decoded = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(compressed[:length])
        token, error = outcome(lambda: CALLS[name](client(make, 201, "gzip", compressed[:length])))  # noqa: B023
        assert error is None or error.may_have_applied
        assert error is None or ISSUED.reveal() not in f"{error} {error!r} {vars(error)}"
        assert token == (ISSUED if len(decoded) >= end else None)
        found += token is not None
    assert found > 8


@pytest.mark.parametrize("name", ["create", "rotate"])
@pytest.mark.parametrize("change", [-8, -5, -1], ids=["checksum", "end of the checksum", "size"])
def test_a_token_is_not_lost_to_a_wrong_checksum(make: Make, name: str, change: int) -> None:
    compressed = bytearray(gzip.compress(content_of(name)))
    compressed[change] ^= 0xFF
    token, _ = outcome(lambda: CALLS[name](client(make, 201, "gzip", bytes(compressed))))
    assert token == ISSUED


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "gzip, identity"])
@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_compressed_error_is_read(make: Make, status: int, coding: str) -> None:
    body = json.dumps({"type": "x", "request_id": "r", "errors": [{"code": "c", "message": "m"}]}).encode()
    with pytest.raises(APIStatusError, match=r"m \(c\)") as caught:
        CALLS["show"](client(make, status, coding, gzip.compress(body)))
    assert (caught.value.type, caught.value.request_id) == ("x", "r")
    assert caught.value.response.content == body
    assert "Content-Encoding" not in caught.value.response.headers


@pytest.mark.parametrize("name", ["show", "list", "update"])
def test_a_truncated_compressed_response_without_a_token_is_an_error(make: Make, name: str) -> None:
    compressed = gzip.compress(content_of(name))
    for length in (0, 1, 5, 10, 11, len(compressed) // 2):
        with pytest.raises((InvalidResponseError, APIConnectionError)):
            CALLS[name](client(make, 200, "gzip", compressed[:length]))


def test_a_compressed_response_of_a_key_names_the_path_that_does_not_fit(make: Make) -> None:
    body = json.dumps({"api_key": {**example("create_response")["api_key"], "id": KEY_ID, "roles": 3}}).encode()
    with pytest.raises(InvalidResponseError) as caught:
        CALLS["show"](client(make, 200, "gzip", gzip.compress(body)))
    assert caught.value.path == "$.api_key.roles"
