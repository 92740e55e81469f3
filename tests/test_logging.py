"""What can be seen of a client at work: its log, stamina's hooks, and the rate limit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import stamina

from incident_io_keys import InternalServerError, NotFoundError, RateLimit
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


def test_each_try_is_one_record_with_what_it_was_and_how_long_it_took(client_of: ClientOf, records: Records) -> None:
    answers = iter(
        [
            httpx.Response(503, headers={"X-Request-Id": "gateway-1"}),
            httpx.Response(404, json={"type": "not_found", "request_id": "api-2"}),
        ]
    )
    with pytest.raises(NotFoundError):
        client_of(lambda _: next(answers)).show("01F")
    tries = [record for record in records() if record.levelno == logging.DEBUG]
    assert [tuple(vars(record)[field] for field in FIELDS) for record in tries] == [
        ("GET", "/v1/api_keys/01F", 503, "gateway-1", 1),
        ("GET", "/v1/api_keys/01F", 404, "api-2", 2),
    ]
    assert all(vars(record)["milliseconds"] >= 0 for record in tries)
    assert [record.getMessage() for record in records()] == [
        "GET /v1/api_keys/01F: 503",
        "show failed with 503; trying again in {:.3g} s".format(vars(records()[1])["wait"]),
        "GET /v1/api_keys/01F: 404",
    ]


def test_a_try_without_an_answer_is_a_record_too(client_of: ClientOf, records: Records) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("too slow")

    with pytest.raises(Exception, match="too slow"):
        client_of(fail).create(name="a", role_names=[])
    [record] = records()
    assert record.getMessage() == "POST /v1/api_keys: ReadTimeout"
    assert (vars(record)["status"], vars(record)["request_id"]) == (None, None)


def test_a_request_that_is_sent_again_with_another_token_is_two_records(make: Make, records: Records) -> None:
    tokens = iter(["first-token", "second-token"])
    answers = iter([httpx.Response(401), httpx.Response(204)])
    make(lambda: next(tokens), transport=httpx.MockTransport(lambda _: next(answers))).delete("01F")
    assert [(vars(record)["status"], vars(record)["attempt"]) for record in records()] == [(401, 1), (204, 1)]


def test_without_debug_there_is_no_record_of_what_went_well(
    client_of: ClientOf, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="incident_io_keys")
    client_of(lambda _: httpx.Response(204)).delete("01F")
    assert [record for record in caplog.records if record.name == "incident_io_keys"] == []


def test_no_record_of_any_library_shows_a_token(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    for library in ("httpx", "httpcore", "stamina", "asyncio", "incident_io_keys"):
        caplog.set_level(1, logger=library)
    mock = MockAPI()
    with mock.serve() as server:
        keys = make(mock.token, base_url=server.url)
        issued = keys.create(name="a", role_names=[])
        list(keys.list(page_size=1, prefetch=True))
        keys.rotate(issued.api_key.id)
    assert {record.name.partition(".")[0] for record in caplog.records} >= {"httpx", "httpcore", "incident_io_keys"}
    for token in (mock.token, issued.token):
        assert token.reveal() not in logged(caplog.records)


def test_a_token_in_the_place_of_an_id_or_a_request_id_is_in_no_record_of_ours(
    client_of: ClientOf, records: Records
) -> None:
    with pytest.raises(NotFoundError):
        client_of(lambda _: httpx.Response(404, headers={"X-Request-Id": CANARY})).show(CANARY)
    assert CANARY not in logged(records())


@pytest.fixture
def retried() -> Iterator[list[stamina.instrumentation.RetryDetails]]:
    """What stamina's hooks are told."""
    before = stamina.instrumentation.get_on_retry_hooks()
    told: list[stamina.instrumentation.RetryDetails] = []

    def keep(details: stamina.instrumentation.RetryDetails) -> None:
        told.append(details)

    stamina.instrumentation.set_on_retry_hooks([keep])
    yield told
    stamina.instrumentation.set_on_retry_hooks(before)


def test_the_hooks_of_stamina_are_told_of_each_repetition(
    client_of: ClientOf, retried: list[stamina.instrumentation.RetryDetails]
) -> None:
    with pytest.raises(InternalServerError):
        client_of(lambda _: httpx.Response(500)).show("01F")
    assert [(each.name, each.retry_num) for each in retried] == [("incident_io_keys.show", n) for n in (1, 2, 3)]
    assert all(isinstance(each.caused_by, InternalServerError) for each in retried)
    assert CANARY not in repr(retried)


def test_stamina_can_be_told_not_to_repeat_anything(client_of: ClientOf) -> None:
    asked = []

    def fail(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(500)

    stamina.set_active(False)
    try:
        with pytest.raises(InternalServerError):
            client_of(fail).show("01F")
    finally:
        stamina.set_active(True)
    assert len(asked) == 1


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
def test_the_rate_limit_of_the_last_answer_that_told_it_is_on_the_client(
    client_of: ClientOf, headers: dict[str, str], limit: RateLimit | None
) -> None:
    told = [(f"X-RateLimit-{name}".encode(), value.encode()) for name, value in headers.items()]
    answers = iter([httpx.Response(204, headers=told), httpx.Response(204)])
    keys = client_of(lambda _: next(answers))
    assert keys.rate_limit is None
    for _ in range(2):
        keys.delete("01F")
        assert keys.rate_limit == limit


def test_a_refusal_tells_the_rate_limit_too(client_of: ClientOf) -> None:
    keys = client_of(lambda _: httpx.Response(404, headers={"X-RateLimit-Remaining": "3"}))
    with pytest.raises(NotFoundError):
        keys.show("01F")
    assert keys.rate_limit.remaining == 3


def test_of_headers_that_come_twice_the_first_counts(client_of: ClientOf) -> None:
    told = [
        (b"x-RateLimit-Limit", b"7"),
        (b"X-RateLimit-Limit", b"9"),
        (b"X-RateLimit-Reset", b""),
        (b"X-RateLimit-Reset", b"3"),
    ]
    keys = client_of(lambda _: httpx.Response(204, headers=told))
    keys.delete("01F")
    assert keys.rate_limit == RateLimit(limit=7, remaining=None, reset=None)
