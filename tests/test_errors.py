"""Each exception: when the client raises it, what it carries, and that it shows no token."""

from __future__ import annotations

import copy
import html
import json
import pickle
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

import incident_io_keys
from incident_io_keys import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    IncidentIOError,
    InternalServerError,
    InvalidRequestError,
    InvalidResponseError,
    KeysClient,
    NotFoundError,
    PaginationError,
    PermissionDeniedError,
    Problem,
    RateLimitError,
    Token,
    UnprocessableEntityError,
)
from incident_io_keys._redaction import redact

from .calls import CALLS, KEY_ID, Call
from .conftest import CANARY, Handler, Make
from .faults import ISSUED
from .hiding import renderings
from .spec import example

TOKEN = Token(CANARY)
ENVELOPE: dict[str, Any] = {
    "type": "validation_error",
    "status": 422,
    "request_id": "req-1",
    "errors": [
        {"code": "is_required", "message": "name is required", "source": {"field": "name", "pointer": "/name"}},
        {"code": "out_of_range", "message": "too many"},
    ],
}


def failed(handler: Handler, call: Call = CALLS["show"], token: str | Token = TOKEN) -> IncidentIOError:
    """Return the exception that a call raises."""
    transport = httpx.MockTransport(handler)
    with KeysClient(token, transport=transport, attempts=1) as keys, pytest.raises(IncidentIOError) as caught:
        call(keys)
    return caught.value


def raised(status: int, *, token: str | Token = TOKEN, **response: Any) -> APIStatusError:
    """Return the exception for a response; the arguments are those of `httpx.Response`."""
    error = failed(lambda _: httpx.Response(status, **response), token=token)
    assert isinstance(error, APIStatusError)
    return error


def raising(error: Exception) -> Handler:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    return fail


def unpickled(error: IncidentIOError) -> Any:
    return pickle.loads(pickle.dumps(error))  # noqa: S301


KINDS: dict[type[APIStatusError], tuple[int, ...]] = {
    APIStatusError: (302, 418),
    BadRequestError: (400,),
    AuthenticationError: (401,),
    PermissionDeniedError: (403,),
    NotFoundError: (404,),
    ConflictError: (409,),
    UnprocessableEntityError: (422,),
    RateLimitError: (429,),
    InternalServerError: (500, 503, 520, 599),
}


@pytest.mark.parametrize(("status", "kind"), [(status, kind) for kind, group in KINDS.items() for status in group])
def test_each_status_has_its_exception(status: int, kind: type[APIStatusError]) -> None:
    assert type(raised(status, json=ENVELOPE)) is kind


def test_an_error_has_the_facts_of_the_response_as_attributes_and_in_its_text() -> None:
    error = raised(422, json=ENVELOPE)
    assert (error.status, error.type, error.request_id) == (422, "validation_error", "req-1")
    assert [detail.code for detail in error.errors] == ["is_required", "out_of_range"]
    assert [detail.message for detail in error.errors] == ["name is required", "too many"]
    assert error.errors[0].source is not None
    assert error.errors[0].source.field == "name"
    assert (error.response.status_code, error.response.json()) == (422, ENVELOPE)
    assert str(error).splitlines() == [
        "show failed with 422 validation_error",
        "  /name: name is required (is_required)",
        "  too many (out_of_range)",
        "  request id: req-1",
    ]


BODIES = [
    b"",
    b"<html>520</html>",
    b"\xff\xfe",
    b"null",
    b'"text"',
    b"[]",
    b"{",
    b"[" * 100_000,
    b'{"errors": 3, "rate_limit": 3, "type": {}, "request_id": null}',
    b'{"errors": [3, null, {"code": 1}]}',
]


@pytest.mark.parametrize("body", BODIES)
def test_any_body_makes_an_error_that_pickles(body: bytes) -> None:
    error = raised(520, content=body)
    assert (error.status, error.type, error.request_id, error.errors) == (520, None, None, ())
    assert unpickled(error).response.content == body


@pytest.mark.parametrize("charset", ["utf-16", "hex", "rot13", "idna", "undefined", "no\0ne"])
def test_any_charset_makes_an_error_that_pickles(charset: str) -> None:
    error = raised(500, content=b"ab", headers={"Content-Type": f"text/plain; charset={charset}"})
    assert unpickled(error).response.content == b"ab"


def test_an_incomplete_envelope_is_read_as_far_as_possible() -> None:
    half = {"type": "brand_new", "extra": 1, "errors": [{"code": "a", "message": "b", "new": {}}, {"code": "c"}]}
    error = raised(400, json=half)
    assert error.type == "brand_new"
    assert [detail.code for detail in error.errors] == ["a"]


@pytest.mark.parametrize("around", ["bad token {}", "bad token:\n{}", "token_{}", "{}", "\u001b[1m{}"])
@pytest.mark.parametrize("prefix", ["inc_", "\\u0069nc_"])
def test_a_token_in_the_envelope_is_redacted(around: str, prefix: str) -> None:
    body = {**ENVELOPE, "request_id": CANARY, "errors": [{"code": CANARY, "message": around.format(CANARY)}]}
    error = raised(401, token="other-token", content=json.dumps(body).replace("inc_", prefix))
    assert CANARY[4:] not in str(error) + repr(error) + repr(error.errors) + repr(vars(error))
    assert "inc_<redacted>" in str(error)


def test_a_message_has_no_control_characters() -> None:
    error = raised(422, json={**ENVELOPE, "errors": [{"code": "x", "message": "\x1b[2Jgone\r\n\x07"}]})
    assert "\x1b" not in str(error)
    assert "[2Jgone" in str(error)


def test_redact_replaces_tokens_and_keeps_words() -> None:
    assert redact(f"a {CANARY}, b inc_roles inc_") == "a inc_<redacted>, b inc_roles inc_"


@pytest.mark.parametrize(
    ("header", "member", "seconds"),
    [("7", 9, 7), ("7", None, 7), (None, 9, 9), (None, "9", 9), ("x", "9", 9), (None, None, None)],
)
def test_the_header_wins_as_retry_after(header: str | None, member: object, seconds: float | None) -> None:
    headers = {"Retry-After": header} if header else {}
    error = raised(429, headers=headers, json={"rate_limit": {"retry_after": member}})
    assert (type(error), error.retry_after) == (RateLimitError, seconds)


def test_a_token_in_the_text_of_a_network_error_is_redacted() -> None:
    error = failed(raising(httpx.ReadError(f"lost at {CANARY}")), token="other-token")
    assert str(error).endswith("ReadError: lost at inc_<redacted>")


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"debug": {"message": CANARY}}),
        json.dumps({"debug": {"message": CANARY}}).replace("inc_", "\\u0069nc_"),
        f"no JSON {CANARY}",
        f'{{"a": "{CANARY}", "a": 1}}',
    ],
)
def test_a_token_is_redacted_in_the_response(body: str) -> None:
    headers = [(b"WWW-Authenticate", CANARY.encode()), (b"X-Other", b"kept"), (b"X-Latin", b"\xe9")]
    error = raised(500, token="other-token", content=body, headers=headers)
    for each in (error, unpickled(error)):
        assert CANARY[4:] not in each.response.text + str(each.response.headers)
        assert "inc_<redacted>" in each.response.text
        assert each.response.headers["X-Other"] == "kept"
        assert (b"X-Latin", b"\xe9") in each.response.headers.raw
    assert CANARY[4:].encode() not in pickle.dumps(error)


def test_the_token_of_the_client_is_redacted_whatever_its_form() -> None:
    token = "s3cr3t/of+another=form"
    body = {**ENVELOPE, "errors": [{"code": "x", "message": f"bad token {token}"}]}
    error = raised(401, token=token, json=body, headers={"X-Echo": token})
    assert token not in str(error) + error.response.text + str(error.response.headers) + repr(vars(error))
    assert "bad token <redacted>" in str(error)


@pytest.mark.parametrize("escape", [str, html.escape, quote])
def test_the_token_of_the_client_is_redacted_in_a_page_or_a_url(escape: Callable[[str], str]) -> None:
    token = "s3cr3t<of>&another%form"
    error = raised(502, token=token, text=f"<p>bad {escape(token)}</p>")
    assert error.response.text == "<p>bad <redacted></p>"


def test_a_response_without_a_token_keeps_its_bytes() -> None:
    assert raised(500, content=b'{"a":  1.0, "a": 2}').response.content == b'{"a":  1.0, "a": 2}'


@pytest.mark.parametrize("kind", [httpx.ReadError, OSError, RuntimeError])
def test_all_errors_linked_to_a_failure_lose_their_frames_and_show_no_token(make: Make, kind: type[Exception]) -> None:
    links: list[BaseException] = []

    def fail(request: httpx.Request) -> httpx.Response:
        header = request.headers["Authorization"]
        try:
            raise LookupError(header)
        except LookupError as error:
            group = ExceptionGroup("group", [error])
        try:
            raise BufferError(header)
        except BufferError as error:
            links.extend((*group.exceptions, group, error))
            raise kind(header) from group

    with pytest.raises((IncidentIOError, RuntimeError)) as caught:
        make(transport=httpx.MockTransport(fail)).create(name="a", role_names=[])
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert all(name in shown for name in (kind.__name__, "LookupError"))
    for error in (caught.value, *links):
        assert CANARY not in renderings(error)


def test_errors_that_cause_each_other_are_no_endless_loop() -> None:
    first, second = httpx.ReadError("first"), OSError("second")
    first.__cause__, second.__cause__ = second, first
    assert isinstance(failed(raising(first)), APIConnectionError)


def reject(status: int) -> tuple[Handler, Call]:
    return lambda _: httpx.Response(status, json=ENVELOPE), CALLS["create"]


def use_failing_source(keys: KeysClient) -> object:
    def source() -> str:
        raise LookupError(CANARY)

    return keys.with_token(source).show(KEY_ID)


LOOP = {"api_keys": [example("create_response")["api_key"]], "pagination_meta": {"page_size": 1, "after": "again"}}
# By name: one call for each class of exception.
FAILURES: dict[str, tuple[Handler, Call]] = {
    "argument": (raising(AssertionError()), lambda keys: keys.create(name="", role_names="viewer")),
    "token source": (raising(AssertionError()), use_failing_source),
    "network": (raising(httpx.ReadError("broken")), CALLS["create"]),
    "timeout": (raising(httpx.ReadTimeout("slow")), CALLS["create"]),
    "malformed": (lambda _: httpx.Response(201, json={"token": ISSUED}), CALLS["create"]),
    "pages": (lambda _: httpx.Response(200, json=LOOP), CALLS["list"]),
    "302": (lambda _: httpx.Response(302, headers={"Location": "/elsewhere"}), CALLS["create"]),
    **{str(status): reject(status) for status in (400, 401, 403, 404, 409, 422, 429, 500)},
}


@pytest.fixture(params=FAILURES)
def error(request: pytest.FixtureRequest) -> IncidentIOError:
    return failed(*FAILURES[request.param])


def test_there_is_a_failure_for_each_exception() -> None:
    public = {each for each in vars(incident_io_keys).values() if isinstance(each, type)}
    kinds = {each for each in public if issubclass(each, IncidentIOError)} - {IncidentIOError}
    assert {type(failed(*failure)) for failure in FAILURES.values()} == kinds


def test_every_exception_pickles_without_the_issued_token(error: Any) -> None:
    read = unpickled(error)
    assert type(read) is type(error)
    assert str(read) == str(error)
    assert vars(read).keys() == vars(error).keys()
    for name in vars(error).keys() - {"response", "token"}:
        assert vars(read)[name] == vars(error)[name]
    assert not isinstance(error, APIStatusError) or read.response.content == error.response.content
    assert getattr(error, "token", None) == (Token(ISSUED) if isinstance(error, InvalidResponseError) else None)
    assert getattr(read, "token", None) is None


def test_no_exception_shows_a_token(error: IncidentIOError) -> None:
    shown = renderings(error)
    assert "self = " in shown, "no local variables to search"
    assert CANARY not in shown
    assert ISSUED not in shown


def test_a_copy_of_an_exception_is_complete(error: IncidentIOError) -> None:
    for duplicate in (copy.copy(error), copy.deepcopy(error)):
        assert (type(duplicate), vars(duplicate)) == (type(error), vars(error))


def test_only_a_write_that_may_have_arrived_may_have_applied() -> None:
    may_have_applied = {name for name, failure in FAILURES.items() if failed(*failure).may_have_applied}
    assert may_have_applied == {"network", "timeout", "302", "malformed", "500"}


def test_the_exceptions_have_the_documented_base_classes() -> None:
    assert issubclass(InvalidRequestError, ValueError)
    assert issubclass(APITimeoutError, APIConnectionError)
    for kind in (APIConnectionError, InvalidResponseError, PaginationError, APIStatusError, InvalidRequestError):
        assert kind.__mro__[1] is IncidentIOError


def test_a_problem_is_printed_as_a_sentence() -> None:
    assert str(Problem("name", "is empty")) == "name: is empty"
    assert str(Problem("name", "is empty", "give one")) == "name: is empty; give one"
