"""The log of a client, and the rate limit of the last response."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from incident_io_keys import APITimeoutError, NotFoundError, RateLimit
from incident_io_keys.testing import MockAPI

from .conftest import CANARY, Make
from .hiding import logged

ClientOf = Callable[[Callable[[httpx.Request], httpx.Response]], Any]
FIELDS = ("method", "path", "status", "request_id", "attempt")


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> Callable[[], list[logging.LogRecord]]:
    caplog.set_level(logging.DEBUG)
    return lambda: [record for record in caplog.records if record.name == "incident_io_keys"]


Records = Callable[[], list[logging.LogRecord]]


def test_each_attempt_is_one_record_with_its_request_status_and_duration(client_of: ClientOf, records: Records) -> None:
    responses = iter(
        [
            httpx.Response(503, headers={"X-Request-Id": "gateway-1"}),
            httpx.Response(404, json={"type": "not_found", "request_id": "api-2"}),
        ]
    )
    with pytest.raises(NotFoundError):
        client_of(lambda _: next(responses)).show("01F")
    attempts = [record for record in records() if record.levelno == logging.DEBUG]
    assert [tuple(vars(record)[field] for field in FIELDS) for record in attempts] == [
        ("GET", "/v1/api_keys/01F", 503, "gateway-1", 1),
        ("GET", "/v1/api_keys/01F", 404, "api-2", 2),
    ]
    assert all(vars(record)["milliseconds"] >= 0 for record in attempts)
    assert [record.getMessage() for record in attempts] == ["GET /v1/api_keys/01F: 503", "GET /v1/api_keys/01F: 404"]
    assert [record.levelno for record in records()] == [logging.DEBUG, logging.WARNING, logging.DEBUG]


def test_an_attempt_without_a_response_is_a_record_too(client_of: ClientOf, records: Records) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("too slow")

    with pytest.raises(APITimeoutError):
        client_of(fail).create(name="a", role_names=[])
    [record] = records()
    assert record.getMessage() == "POST /v1/api_keys: ReadTimeout"
    assert (vars(record)["status"], vars(record)["request_id"]) == (None, None)


def test_a_request_that_is_resent_with_a_newer_token_is_two_records(make: Make, records: Records) -> None:
    tokens = iter(["first-token", "second-token"])
    responses = iter([httpx.Response(401), httpx.Response(204)])
    make(lambda: next(tokens), transport=httpx.MockTransport(lambda _: next(responses))).delete("01F")
    assert [(vars(record)["status"], vars(record)["attempt"]) for record in records()] == [(401, 1), (204, 1)]


def test_a_success_is_logged_only_at_debug_level(client_of: ClientOf, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="incident_io_keys")
    client_of(lambda _: httpx.Response(204)).delete("01F")
    assert [record for record in caplog.records if record.name == "incident_io_keys"] == []


def test_no_record_of_any_library_shows_a_token(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    for library in ("httpcore", "asyncio", "incident_io_keys"):
        caplog.set_level(1, logger=library)
    mock = MockAPI()
    with mock.serve() as server:
        keys = make(mock.token, base_url=server.url)
        issued = keys.create(name="a", role_names=[])
        list(keys.list(page_size=1, prefetch=True))
        keys.rotate(issued.api_key.id)
    assert {record.name.partition(".")[0] for record in caplog.records} >= {"httpcore", "incident_io_keys"}
    for token in (mock.token, issued.token):
        assert token.reveal() not in logged(caplog.records)


def test_a_token_passed_as_an_id_or_a_request_id_is_redacted_in_the_log(client_of: ClientOf, records: Records) -> None:
    with pytest.raises(NotFoundError):
        client_of(lambda _: httpx.Response(404, headers={"X-Request-Id": CANARY})).show(CANARY)
    assert CANARY not in logged(records())


@pytest.mark.parametrize(
    ("headers", "limit"),
    [
        ({}, None),
        (
            {"Limit": "1200, 1200;window=60", "Remaining": "1199", "Used": "1", "Reset": "1760000000"},
            RateLimit(limit=1200, remaining=1199, reset=1760000000),
        ),
        ({"Remaining": "0"}, RateLimit(limit=None, remaining=0, reset=None)),
        ({"Limit": "many", "Remaining": " 7 "}, RateLimit(limit=None, remaining=7, reset=None)),
        ({"Limit": "-1", "Remaining": "9" * 50, "Reset": "\u0663"}, None),
    ],
)
def test_the_client_has_the_rate_limit_of_the_last_response_that_reported_one(
    client_of: ClientOf, headers: dict[str, str], limit: RateLimit | None
) -> None:
    reported = [(f"X-RateLimit-{name}".encode(), value.encode()) for name, value in headers.items()]
    responses = iter([httpx.Response(204, headers=reported), httpx.Response(204)])
    keys = client_of(lambda _: next(responses))
    assert keys.rate_limit is None
    for _ in range(2):
        keys.delete("01F")
        assert keys.rate_limit == limit


def test_an_error_response_reports_the_rate_limit_too(client_of: ClientOf) -> None:
    keys = client_of(lambda _: httpx.Response(404, headers={"X-RateLimit-Remaining": "3"}))
    with pytest.raises(NotFoundError):
        keys.show("01F")
    assert keys.rate_limit.remaining == 3


def test_the_first_of_repeated_headers_counts(client_of: ClientOf) -> None:
    reported = [
        (b"x-RateLimit-Limit", b"7"),
        (b"X-RateLimit-Limit", b"9"),
        (b"X-RateLimit-Reset", b""),
        (b"X-RateLimit-Reset", b"3"),
    ]
    keys = client_of(lambda _: httpx.Response(204, headers=reported))
    keys.delete("01F")
    assert keys.rate_limit == RateLimit(limit=7, remaining=None, reset=None)
