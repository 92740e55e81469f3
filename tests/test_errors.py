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
from incident_io_keys._failures import connection_error
from incident_io_keys._refusals import status_error
from incident_io_keys._scrubbing import scrub
from incident_io_keys.errors import redact

from .conftest import CANARY, Handler
from .faults import ISSUED

ENVELOPE: dict[str, Any] = {
    "type": "validation_error",
    "status": 422,
    "request_id": "req-1",
    "errors": [
        {"code": "is_required", "message": "name is required", "source": {"field": "name", "pointer": "/name"}},
        {"code": "out_of_range", "message": "too many"},
    ],
}


def raised(response: httpx.Response) -> APIStatusError:
    return status_error("create", response, may_have_applied=False)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, APIStatusError),
        (400, BadRequestError),
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (418, APIStatusError),
        (422, UnprocessableEntityError),
        (429, RateLimitError),
        (500, InternalServerError),
        (503, InternalServerError),
        (520, InternalServerError),
        (599, InternalServerError),
    ],
)
def test_each_status_has_its_exception(status: int, kind: type[APIStatusError]) -> None:
    assert type(raised(httpx.Response(status, json=ENVELOPE))) is kind


def test_an_error_carries_what_the_api_says_and_its_text_says_it_too() -> None:
    response = httpx.Response(422, json=ENVELOPE)
    error = raised(response)
    assert (error.status, error.type, error.request_id) == (422, "validation_error", "req-1")
    assert [(detail.code, detail.message) for detail in error.errors] == [
        ("is_required", "name is required"),
        ("out_of_range", "too many"),
    ]
    assert error.errors[0].source is not None
    assert error.errors[0].source.field == "name"
    assert error.response is response
    assert str(error).splitlines() == [
        "create failed with 422 validation_error",
        "  /name: name is required (is_required)",
        "  too many (out_of_range)",
        "  request id: req-1",
    ]


@pytest.mark.parametrize(
    "body",
    [
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
    ],
)
def test_any_body_makes_an_error_of_the_status(body: bytes) -> None:
    error = raised(httpx.Response(520, content=body))
    assert (error.status, error.type, error.request_id, error.errors) == (520, None, None, ())


def test_half_an_envelope_is_better_than_nothing() -> None:
    half = {"type": "brand_new", "extra": 1, "errors": [{"code": "a", "message": "b", "new": {}}, {"code": "c"}]}
    error = raised(httpx.Response(400, json=half))
    assert error.type == "brand_new"
    assert [detail.code for detail in error.errors] == ["a"]


def test_a_token_that_the_api_echoes_is_not_shown() -> None:
    body = {**ENVELOPE, "errors": [{"code": "x", "message": f"bad token {CANARY}"}], "request_id": CANARY}
    error = raised(httpx.Response(401, json=body))
    assert CANARY not in str(error) + repr(error) + repr(error.errors) + repr(vars(error))
    assert "bad token inc_<redacted>" in str(error)


@pytest.mark.parametrize("around", ["bad token:\n{}", "token_{}", "{}", "\u001b[1m{}"])
def test_no_way_of_echoing_it_shows_a_token(around: str) -> None:
    message = json.dumps({**ENVELOPE, "errors": [{"code": CANARY, "message": around.format(CANARY)}]})
    for body in (message, message.replace("inc_", "\\u0069nc_")):
        error = raised(httpx.Response(401, content=body))
        assert CANARY[4:] not in str(error) + repr(error.errors)


def test_what_could_drive_a_terminal_is_not_in_a_message() -> None:
    body = {**ENVELOPE, "errors": [{"code": "x", "message": "\x1b[2Jgone\r\n\x07"}]}
    assert "\x1b" not in str(raised(httpx.Response(422, json=body)))
    assert "[2Jgone" in str(raised(httpx.Response(422, json=body)))


def test_redact_takes_tokens_and_leaves_words() -> None:
    assert redact(f"a {CANARY}, b inc_roles inc_") == "a inc_<redacted>, b inc_roles inc_"


@pytest.mark.parametrize(
    ("header", "told", "seconds"),
    [("7", 9, 7), ("7", None, 7), (None, 9, 9), (None, "9", 9), ("x", "9", 9), (None, None, None)],
)
def test_the_wait_of_a_rate_limit_comes_from_the_header_first(
    header: str | None, told: object, seconds: float | None
) -> None:
    headers = {"Retry-After": header} if header else {}
    error = raised(httpx.Response(429, headers=headers, json={"rate_limit": {"retry_after": told}}))
    assert isinstance(error, RateLimitError)
    assert error.retry_after == seconds


def test_what_the_network_s_error_says_is_redacted() -> None:
    error = connection_error("list", httpx.ReadError(f"lost at {CANARY}"), writes=False)
    assert str(error) == "list got no usable answer from the API: ReadError: lost at inc_<redacted>"


def test_the_frames_below_a_connection_error_are_dropped_all_the_way_down() -> None:
    def low() -> None:
        header = f"Bearer {CANARY}"
        raise OSError(len(header))

    def middle() -> None:
        header = f"Bearer {CANARY}"
        try:
            low()
        except OSError as error:
            raise httpx.WriteError(f"{len(header)} bytes not written") from error

    with pytest.raises(httpx.WriteError) as caught:
        middle()
    error = connection_error("create", caught.value, writes=True)
    error.__cause__ = caught.value
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "WriteError" in shown
    assert "OSError" in shown
    assert CANARY not in shown


def test_what_an_api_echoes_is_nowhere_on_an_error() -> None:
    text = json.dumps({"debug": {"message": CANARY}})
    for body in (text, text.replace("inc_", "\\u0069nc_"), f"no JSON {CANARY}", f'{{"a": "{CANARY}", "a": 1}}'):
        headers = [(b"WWW-Authenticate", CANARY.encode()), (b"X-Other", b"kept"), (b"X-Latin", b"\xe9")]
        error = raised(httpx.Response(500, content=body, headers=headers))
        for read in (error, pickle.loads(pickle.dumps(error))):  # noqa: S301
            assert CANARY[4:] not in read.response.text + str(read.response.headers)
            assert "inc_<redacted>" in read.response.text
            assert read.response.headers["X-Other"] == "kept"
            assert (b"X-Latin", b"\xe9") in read.response.headers.raw
        assert CANARY[4:].encode() not in pickle.dumps(error)


def test_a_token_of_any_form_is_hidden_where_it_is_known() -> None:
    token = Token("s3cr3t/of+another=form")
    body = {**ENVELOPE, "errors": [{"code": "x", "message": f"bad token {token.reveal()}"}]}
    response = httpx.Response(401, json=body, headers={"X-Echo": token.reveal()})
    error = status_error("list", response, may_have_applied=False, token=token)
    assert token.reveal() not in str(error) + error.response.text + str(error.response.headers) + repr(vars(error))
    assert "bad token <redacted>" in str(error)


@pytest.mark.parametrize("escaped", [html.escape, quote])
def test_a_token_is_hidden_where_a_page_or_a_url_shows_it(escaped: Callable[[str], str]) -> None:
    token = Token("s3cr3t<of>&another%form")
    response = httpx.Response(502, text=f"<p>bad {escaped(token.reveal())}</p>")
    error = status_error("list", response, may_have_applied=False, token=token)
    assert error.response.text == "<p>bad <redacted></p>"


def test_a_response_that_shows_no_token_is_left_as_it_is() -> None:
    response = httpx.Response(500, content=b'{"a":  1.0, "a": 2}')
    assert raised(response).response is response


def test_an_error_with_an_endlessly_nested_body_pickles() -> None:
    body = b"[" * 100_000
    assert pickle.loads(pickle.dumps(raised(httpx.Response(500, content=body)))).response.content == body  # noqa: S301


@pytest.mark.parametrize("charset", ["utf-16", "hex", "rot13", "idna", "undefined", "no\0ne"])
def test_an_error_pickles_whatever_charset_its_body_claims(charset: str) -> None:
    error = raised(httpx.Response(500, content=b"ab", headers={"Content-Type": f"text/plain; charset={charset}"}))
    assert pickle.loads(pickle.dumps(error)).response.content == b"ab"  # noqa: S301


def refused() -> list[IncidentIOError]:
    """One exception of each class, as the client makes them."""

    def failed(handler: Handler, call: Callable[[KeysClient], object]) -> IncidentIOError:
        with (
            KeysClient(CANARY, transport=httpx.MockTransport(handler)) as client,
            pytest.raises(IncidentIOError) as caught,
        ):
            call(client)
        return caught.value

    def create(client: KeysClient) -> object:
        return client.create(name="a", role_names=[])

    def status(code: int) -> Handler:
        return lambda _: httpx.Response(code, json=ENVELOPE)

    def timeout(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("too slow", request=request)

    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("broken", request=request)

    page = {"api_keys": [json.loads(KEY)], "pagination_meta": {"page_size": 1, "after": "again"}}
    pages = iter([httpx.Response(200, json=page) for _ in range(3)])
    return [
        failed(status(200), lambda client: client.create(name="", role_names="viewer")),  # type: ignore[arg-type]
        failed(broken, create),
        failed(timeout, create),
        failed(lambda _: httpx.Response(201, json={"token": ISSUED}), create),
        failed(lambda _: next(pages), lambda client: list(client.list())),
        failed(lambda _: httpx.Response(302, headers={"Location": "/elsewhere"}), create),
        *(failed(status(code), create) for code in (400, 401, 403, 404, 409, 422, 429, 500)),
    ]


KEY = """{
    "id": "1", "name": "a", "roles": [], "team_ids": [], "team_roles": [], "creator": {},
    "created_at": "2021-08-17T13:28:57Z", "token_last_issued_at": "2021-08-17T13:28:57Z"
}"""

ERRORS = refused()


def test_the_list_of_exceptions_above_is_complete() -> None:
    public = {
        value
        for value in vars(incident_io_keys).values()
        if isinstance(value, type) and issubclass(value, IncidentIOError)
    }
    assert {type(error) for error in ERRORS} == public - {IncidentIOError}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_exception_pickles(error: IncidentIOError) -> None:
    read = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(read) is type(error)
    assert str(read) == str(error)
    left_behind = {"response", "token"}
    assert {name: value for name, value in vars(read).items() if name not in left_behind} == {
        name: value for name, value in vars(error).items() if name not in left_behind
    }
    if isinstance(error, APIStatusError):
        assert isinstance(read, APIStatusError)
        assert read.response.content == error.response.content
    if isinstance(error, InvalidResponseError):
        assert isinstance(read, InvalidResponseError)
        assert error.token == Token(ISSUED)
        assert read.token is None


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_no_exception_shows_a_token_nor_does_its_traceback_with_locals(error: IncidentIOError) -> None:
    frames = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "operation = Operation(" in frames or "problems = [" in frames or "KeyPager" in frames, (
        "no locals to look at"
    )
    for token in (CANARY, ISSUED):
        assert token not in frames + str(error) + repr(error) + repr(vars(error)) + repr(error.__cause__)
        assert token.encode() not in pickle.dumps(error)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_copy_loses_nothing(error: IncidentIOError) -> None:
    for duplicate in (copy.copy(error), copy.deepcopy(error)):
        assert type(duplicate) is type(error)
        assert vars(duplicate) == vars(error)


def test_the_frames_of_all_that_an_error_hangs_on_are_dropped() -> None:
    def fail() -> None:
        try:
            raise OSError(1)
        except OSError:
            raise ExceptionGroup("both", [member]) from LookupError(CANARY)

    try:
        raise OSError(2)
    except OSError as error:
        member = error
    with pytest.raises(ExceptionGroup) as caught:
        fail()
    scrub(caught.value)
    links = [caught.value, member, caught.value.__context__]
    assert all(link is not None and link.__traceback__ is None for link in links)
    assert CANARY not in repr(caught.value.__cause__)


def test_errors_that_cause_each_other_end() -> None:
    first, second = OSError("first"), OSError("second")
    first.__cause__, second.__cause__ = second, first
    scrub(first)


def test_only_a_write_that_may_have_arrived_may_have_applied() -> None:
    assert {type(error).__name__ for error in ERRORS if error.may_have_applied} == {
        "APIConnectionError",
        "APITimeoutError",
        "APIStatusError",  # 302
        "InvalidResponseError",
        "InternalServerError",
    }


def test_the_exceptions_stand_in_the_documented_order() -> None:
    assert issubclass(InvalidRequestError, ValueError)
    assert issubclass(APITimeoutError, APIConnectionError)
    for kind in (APIConnectionError, InvalidResponseError, PaginationError, APIStatusError, InvalidRequestError):
        assert kind.__mro__[1] is IncidentIOError


def test_a_problem_reads_as_a_sentence() -> None:
    assert str(Problem("name", "is empty")) == "name: is empty"
    assert str(Problem("name", "is empty", "give one")) == "name: is empty; give one"
