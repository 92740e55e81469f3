"""Every way in which an answer can be wrong but arrive, through both clients."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import httpx
import pytest

from incident_io_keys import (
    APIConnectionError,
    APIStatusError,
    IncidentIOError,
    InvalidResponseError,
    NotFoundError,
    PermissionDeniedError,
    Token,
    _bodies,
)
from incident_io_keys.errors import InternalServerError

from .conftest import CANARY, Make
from .hiding import renderings
from .spec import example

ClientOf = Callable[[Callable[[httpx.Request], httpx.Response]], Any]

ENVELOPE = {"type": "x", "status": 1, "request_id": "r", "errors": [{"code": "c", "message": "m"}]}


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Bytes as they come from a network, and perhaps the end of the connection."""

    def __init__(self, *parts: bytes, broken: bool = False) -> None:
        self._parts = parts
        self._broken = broken

    def __iter__(self) -> Iterator[bytes]:
        yield from self._parts
        if self._broken:
            raise httpx.RemoteProtocolError("peer closed connection")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part


def answers() -> dict[str, tuple[Any, Body]]:
    whole = json.dumps(ENVELOPE).encode()
    return {
        "envelope": ({"Content-Type": "application/json"}, Body(whole)),
        "lacking": ({"Content-Type": "application/json"}, Body(b'{"errors": [{"code": 1}, 3]}')),
        "extra": ({"Content-Type": "application/json"}, Body(json.dumps({**ENVELOPE, "new": {"a": [1]}}).encode())),
        "html": ({"Content-Type": "text/html"}, Body(b"<html>down</html>")),
        "text": ({"Content-Type": "text/plain; charset=idna"}, Body(b"down")),
        "empty": ({}, Body()),
        "cut": ({}, Body(whole[:20], broken=True)),
        "bytes": ({"Content-Type": "application/json; charset=utf-16"}, Body(bytes(range(256)))),
        "wrong type": ({"Content-Type": "image/png"}, Body(whole)),
        "no gzip": ({"Content-Encoding": "gzip"}, Body(whole)),
        "gzip": ({"Content-Encoding": "gzip"}, Body(gzip.compress(whole))),
        "unknown encoding": ({"Content-Encoding": "rot13"}, Body(whole)),
        "an encoding of no text": ({b"Content-Encoding": b"gzip, \xe9"}, Body(whole)),
    }


@pytest.mark.parametrize(
    "statuses",
    [(300, 399, 400, 408, 499, 500, 599, 999), pytest.param(range(300, 1000), marks=pytest.mark.exhaustive)],
    ids=["some", "all"],
)
@pytest.mark.parametrize("kind", answers())
def test_every_status_with_every_body_is_an_error_of_that_status(
    make: Make, kind: str, statuses: Sequence[int]
) -> None:
    current = [0]

    def answer(_: httpx.Request) -> httpx.Response:
        headers, body = answers()[kind]
        return httpx.Response(current[0], headers=headers, stream=body)

    keys = make(transport=httpx.MockTransport(answer), attempts=1)
    for status in statuses:
        current[0] = status
        with pytest.raises(APIStatusError) as caught:
            keys.create(name="a", role_names=[])
        error = caught.value
        assert error.status == status
        assert isinstance(error, InternalServerError) is (status >= 500)
        assert error.may_have_applied is (status == 408 or not 400 <= status < 500)
        read = kind in (
            "envelope",
            "extra",
            "wrong type",
            "no gzip",
            "gzip",
            "unknown encoding",
            "an encoding of no text",
        )
        assert (error.type, error.request_id) == (("x", "r") if read else (None, None))


@pytest.mark.parametrize("status", [200, 202, 206, 299])
def test_a_success_is_one_by_its_body_whatever_its_status_and_type(client_of: ClientOf, status: int) -> None:
    body = json.dumps(example("create_response")).encode()
    for headers, sent in (
        ({"Content-Type": "text/html"}, body),
        ({"Content-Encoding": "gzip"}, gzip.compress(body)),
        ({"Content-Encoding": "gzip"}, body),
    ):
        answer = httpx.Response(status, headers=headers, stream=Body(sent))
        keys = client_of(lambda _, answer=answer: answer)  # type: ignore[misc]
        assert keys.create(name="a", role_names=[]).token == Token(example("create_response")["token"])


def test_a_token_is_not_lost_to_a_header_that_makes_no_sense(client_of: ClientOf) -> None:
    body = json.dumps(example("create_response")).encode()
    for coding in (b"\xff", b"gzip, \xe9", b"br", b"identity", b""):
        answer = httpx.Response(201, headers=[(b"Content-Encoding", coding)], stream=Body(body))
        keys = client_of(lambda _, answer=answer: answer)  # type: ignore[misc]
        assert keys.create(name="a", role_names=[]).token == Token(example("create_response")["token"])


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"<html>", b"\xff"])
def test_a_success_whose_body_does_not_fit_is_an_invalid_response(client_of: ClientOf, body: bytes) -> None:
    keys = client_of(lambda _: httpx.Response(200, stream=Body(body)))
    for call in (
        lambda: keys.show("01F"),
        lambda: keys.update("01F", name="a", role_names=[], team_ids=[], team_role_names=[]),
        lambda: keys.create(name="a", role_names=[]),
        lambda: keys.rotate("01F"),
        lambda: list(keys.list()),
    ):
        with pytest.raises(InvalidResponseError):
            call()


def test_a_page_in_the_place_of_an_answer_is_called_one(client_of: ClientOf) -> None:
    keys = client_of(lambda _: httpx.Response(200, html="<html>please log in</html>"))
    with pytest.raises(InvalidResponseError, match="; its Content-Type is 'text/html; charset=utf-8'"):
        keys.show("01F")


def test_a_body_without_end_is_no_answer(client_of: ClientOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bodies, "LARGEST_BODY", 1000)
    asked = []

    def answer(_: httpx.Request) -> httpx.Response:
        asked.append(1)
        return httpx.Response(201, stream=Body(*[CANARY.encode()] * 20))

    keys = client_of(answer)
    with pytest.raises(APIConnectionError, match="the body has more than 1000 bytes") as caught:
        keys.create(name="a", role_names=[])
    assert caught.value.may_have_applied
    assert CANARY not in renderings(caught.value)
    with pytest.raises(APIConnectionError):
        keys.show("01F")
    assert len(asked) == 2, "it would be as large the next time"


def test_a_refusal_that_is_too_large_is_one_all_the_same(client_of: ClientOf) -> None:
    many = json.dumps({"type": "x", "errors": [{"code": "c", "message": "m"}] * 50_000}).encode()
    for headers, sent in (({}, many), ({"Content-Encoding": "gzip"}, gzip.compress(many))):
        answer = httpx.Response(
            403, headers=headers, stream=Body(*(sent[at : at + 65536] for at in range(0, len(sent), 65536)))
        )
        with pytest.raises(PermissionDeniedError) as caught:
            client_of(lambda _, answer=answer: answer).show("01F")  # type: ignore[misc]
        assert (caught.value.type, caught.value.errors) == (None, ())
        assert len(caught.value.response.content) < 1_000_000


def test_of_many_errors_the_first_hundred_are_told(client_of: ClientOf) -> None:
    body = {"errors": [{"code": "c", "message": str(number)} for number in range(1000)]}
    with pytest.raises(APIStatusError) as caught:
        client_of(lambda _: httpx.Response(422, json=body)).create(name="a", role_names=[])
    assert [error.message for error in caught.value.errors] == [str(number) for number in range(100)]


def test_a_body_that_unpacks_without_end_is_no_answer(client_of: ClientOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bodies, "LARGEST_BODY", 1000)
    shown = json.dumps({"api_key": example("create_response")["api_key"]}).encode() + b" " * 100_000
    for coding, sent in (("gzip", gzip.compress(shown)), ("gzip, gzip", gzip.compress(gzip.compress(shown)))):
        answer = httpx.Response(200, headers={"Content-Encoding": coding}, stream=Body(sent))
        with pytest.raises(InvalidResponseError):
            client_of(lambda _, answer=answer: answer).show("01F")  # type: ignore[misc]


def test_what_is_asked_for_is_what_can_be_unpacked_safely(client_of: ClientOf) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Accept-Encoding"] == "gzip, deflate"
        return httpx.Response(204)

    client_of(answer).delete("01F")


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("https://elsewhere.example/a?token=b", "it points to elsewhere.example; redirects are not followed"),
        ("//elsewhere.example/a", "it points to elsewhere.example; "),
        ("/elsewhere", "it points to another path of the same host; "),
        ("//xn--a/", "it points to no URL; "),
        ("http://a:b", "it points to no URL; "),
        (f"https://{CANARY[:40]}.example", "it points to inc_<redacted>.example; "),
    ],
)
def test_a_redirect_says_where_it_points_but_no_more_than_the_host(
    client_of: ClientOf, location: str, said: str
) -> None:
    keys = client_of(lambda _: httpx.Response(307, headers={"Location": location}))
    with pytest.raises(APIStatusError) as caught:
        keys.create(name="a", role_names=[])
    assert f"create failed with 307\n  {said}" in str(caught.value)
    assert caught.value.response.headers["Location"] == location.replace(CANARY[:40], "inc_<redacted>")
    assert "token=b" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "the token came from the token argument: look whether it is whole, and whether its key still exists"),
        (403, "look whether the calling key has the role api_keys_manage (given in the dashboard), and all that"),
        (429, "the API asks to wait 1.5 s"),
        (503, "the request may have arrived and done its work: look before you repeat it"),
    ],
)
def test_a_message_says_what_to_do_next(make: Make, status: int, advice: str) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers={"Retry-After": "1.5"}, json=ENVELOPE)

    keys = make(transport=httpx.MockTransport(answer), attempts=1)
    with pytest.raises(APIStatusError) as caught:
        keys.create(name="a", role_names=[])
    assert str(caught.value).startswith(f"create failed with {status} x\n  m (c)\n  {advice}")
    assert str(caught.value).endswith("request id: r")


def test_a_delete_that_finds_nothing_after_a_try_that_may_have_worked_succeeded(client_of: ClientOf) -> None:
    results = iter([httpx.Response(503), httpx.Response(404)])
    client_of(lambda _: next(results)).delete("01F")


def test_a_delete_that_finds_nothing_though_none_was_tried_before_fails(client_of: ClientOf) -> None:
    results = iter([httpx.Response(404), httpx.Response(429), httpx.Response(404)])
    keys = client_of(lambda _: next(results))
    for _ in range(2):
        with pytest.raises(NotFoundError):
            keys.delete("01F")


def test_what_went_wrong_before_is_not_forgotten(client_of: ClientOf) -> None:
    results = iter([httpx.Response(503), httpx.Response(403)])
    with pytest.raises(APIStatusError) as caught:
        client_of(lambda _: next(results)).update("01F", name="a", role_names=[], team_ids=[], team_role_names=[])
    assert (caught.value.status, caught.value.may_have_applied) == (403, True)
    assert "look before you repeat it" in str(caught.value)


@pytest.mark.parametrize("status", [200, 201, 302, 404, 408, 500])
def test_what_an_answer_has_in_its_headers_does_not_show_in_a_traceback(make: Make, status: int) -> None:
    """An API may echo what it was sent, or set a cookie; and a redirect may point to anything."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == f"Bearer {CANARY}"
        headers = dict.fromkeys(("X-Echo", "Set-Cookie", "Location", "X-Request-Id"), f"x={CANARY}")
        return httpx.Response(status, headers=headers, content=b'{"api_key": 3')

    keys = make(transport=httpx.MockTransport(answer), attempts=1)
    with pytest.raises(IncidentIOError) as caught:
        keys.create(name="a", role_names=[])
    assert CANARY not in renderings(caught.value)
    with pytest.raises(IncidentIOError) as caught:
        keys.show("01F")
    assert CANARY not in renderings(caught.value)


def test_a_transport_may_give_one_and_the_same_response_again_and_again(client_of: ClientOf) -> None:
    shared = httpx.Response(200, json={"api_key": example("create_response")["api_key"]})
    keys = client_of(lambda _: shared)
    assert keys.show("01F") == keys.show("01F")
    down = httpx.Response(503)
    with pytest.raises(InternalServerError):
        client_of(lambda _: down).show("01F")
    shared.close()  # whoever keeps it may close it once more, in either way
    asyncio.run(shared.aclose())
