"""The six operations of both clients against each fault of a server.

The tests check the exception, the number of requests, and that nothing shows a token.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from incident_io_keys import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    IncidentIOError,
    InvalidResponseError,
    Token,
)

from .calls import CALLS, NON_IDEMPOTENT, SAFE, Call, response_to
from .conftest import CANARY, Make
from .faults import BROKEN, ISSUED, SLOW, TOLD, Connection, FaultServer, refused
from .hiding import logged, renderings

ATTEMPTS = 3
TIMEOUT = 0.1


@pytest.fixture(params=CALLS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def call(name: str) -> Call:
    return CALLS[name]


@pytest.fixture(autouse=True)
def _all_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    for library in ("httpx", "httpcore", "asyncio", "incident_io_keys"):
        caplog.set_level(logging.DEBUG, logger=library)
    yield
    assert CANARY not in logged(caplog.records)
    assert ISSUED not in logged(caplog.records)


def failure(call: Call, client: Any) -> IncidentIOError:
    with pytest.raises(IncidentIOError) as caught:
        call(client)
    shown = renderings(caught.value)
    assert "self = " in shown, "no local variables to search"
    assert CANARY not in shown
    assert ISSUED not in shown
    return caught.value


def succeed(name: str) -> Callable[[Connection], None]:
    """Return what the server does to respond to an operation with success."""
    response = response_to(name)
    return lambda connection: connection.answer(response.status_code, response.content)


def test_a_refused_connection(call: Call, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    error = failure(call, make(base_url=refused(), attempts=ATTEMPTS))
    assert type(error) is APIConnectionError
    assert not error.may_have_applied
    records = [record for record in caplog.records if record.name == "incident_io_keys"]
    assert len([record for record in records if record.levelno == logging.DEBUG]) == ATTEMPTS
    assert len([record for record in records if record.levelno == logging.WARNING]) == ATTEMPTS - 1


def issued(name: str, fault: str) -> bool:
    """Return whether a token is issued and arrives before the fault."""
    return name in NON_IDEMPOTENT and ("in the body" in fault or "cut" in fault)


@pytest.mark.parametrize("fault", BROKEN)
def test_an_interrupted_response(name: str, call: Call, make: Make, fault: str) -> None:
    with FaultServer([BROKEN[fault]]).running() as server:
        error = failure(call, make(base_url=server.url, attempts=ATTEMPTS))
    assert type(error) is (InvalidResponseError if issued(name, fault) else APIConnectionError)
    assert getattr(error, "token", None) == (Token(ISSUED) if issued(name, fault) else None)
    assert error.may_have_applied is (name not in SAFE)
    assert len(server.arrived) == (1 if name in NON_IDEMPOTENT else ATTEMPTS)


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("name", [name for name in CALLS if name not in NON_IDEMPOTENT])
def test_a_retry_after_an_interrupted_response_succeeds(name: str, make: Make, fault: str) -> None:
    with FaultServer([BROKEN[fault], succeed(name)]).running() as server:
        CALLS[name](make(base_url=server.url))
    assert len(server.arrived) == 2


@pytest.mark.parametrize("fault", SLOW)
def test_a_response_that_does_not_end(name: str, call: Call, make: Make, fault: str) -> None:
    with FaultServer([SLOW[fault]]).running() as server:
        # A drip resets each timeout, so only the deadline ends the call, and no time is left for a retry.
        deadline = 0.3 if "drip" in fault else 5
        client = make(base_url=server.url, timeout=TIMEOUT, deadline=deadline, attempts=ATTEMPTS)
        error = failure(call, client)
    assert type(error) is (InvalidResponseError if issued(name, fault) else APITimeoutError)
    assert getattr(error, "token", None) == (Token(ISSUED) if issued(name, fault) else None)
    assert error.may_have_applied is (name not in SAFE)
    assert ("deadline of 0.3 s" in str(error)) is ("drip" in fault and not issued(name, fault))
    assert len(server.arrived) == (1 if "drip" in fault or name in NON_IDEMPOTENT else ATTEMPTS)


@pytest.mark.parametrize("status", [408, 503])
def test_a_retryable_status(name: str, call: Call, make: Make, status: int) -> None:
    def fail(connection: Connection) -> None:
        connection.answer(status, b"<html>" + connection.request)

    with FaultServer([fail]).running() as server:
        error = failure(call, make(base_url=server.url, attempts=ATTEMPTS))
        assert isinstance(error, APIStatusError)
        assert (error.status, error.may_have_applied) == (status, name not in SAFE)
        assert len(server.arrived) == (1 if name in NON_IDEMPOTENT else ATTEMPTS)


@pytest.mark.parametrize("status", [300, 401, 404, 520])
def test_a_status_that_is_not_retried(call: Call, make: Make, status: int) -> None:
    with FaultServer([lambda connection: connection.answer(status, connection.request)]).running() as server:
        error = failure(call, make(base_url=server.url, attempts=ATTEMPTS))
    assert isinstance(error, APIStatusError)
    assert error.status == status
    assert len(server.arrived) == 1


@pytest.mark.parametrize("status", [404, 503])
def test_an_error_status_counts_even_if_its_body_is_truncated(name: str, call: Call, make: Make, status: int) -> None:
    with FaultServer([lambda connection: connection.answer(status, TOLD, length=100_000)]).running() as server:
        error = failure(call, make(base_url=server.url, attempts=1))
    if status == 503 and name in NON_IDEMPOTENT:  # the status says failure, but the body has a token
        assert isinstance(error, InvalidResponseError)
        assert error.token == Token(ISSUED)
        return
    assert isinstance(error, APIStatusError)
    assert (error.status, error.may_have_applied) == (status, status == 503 and name not in SAFE)


def test_a_rate_limit_is_retried_for_each_operation(name: str, call: Call, make: Make) -> None:
    def limit(connection: Connection) -> None:
        connection.answer(429, b"", headers=b"Retry-After: 1\r\n")

    with FaultServer([limit, limit, succeed(name)]).running() as server:
        call(make(base_url=server.url))
    assert len(server.arrived) == 3
