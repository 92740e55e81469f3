"""Six operations, by both clients, against every fault of a server: what comes of it, how often it was sent, how long
it took, and whether anything shows a token.
"""

from __future__ import annotations

import json
import logging
import time
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

from .conftest import CANARY, Make
from .faults import BROKEN, ISSUED, SLOW, TOLD, Connection, FaultServer, refused
from .hiding import logged, renderings
from .spec import example

Call = Callable[[Any], Any]

DEFINITION: dict[str, Any] = {"name": "a", "role_names": ["viewer"], "team_ids": [], "team_role_names": []}
CALLS: dict[str, Call] = {
    "list": lambda keys: list(keys.list()),
    "create": lambda keys: keys.create(**DEFINITION),
    "show": lambda keys: keys.show("01F"),
    "update": lambda keys: keys.update("01F", **DEFINITION),
    "delete": lambda keys: keys.delete("01F"),
    "rotate": lambda keys: keys.rotate("01F"),
}
READS = {"list", "show"}
# Each time they are done they do something else, so that they are never sent again if they may have arrived.
ISSUES = {"create", "rotate"}

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
    for library in ("httpx", "httpcore", "stamina", "asyncio", "incident_io_keys"):
        caplog.set_level(logging.DEBUG, logger=library)
    yield
    assert CANARY not in logged(caplog.records)
    assert ISSUED not in logged(caplog.records)


def failure(call: Call, client: Any) -> IncidentIOError:
    with pytest.raises(IncidentIOError) as caught:
        call(client)
    shown = renderings(caught.value)
    assert "operation = " in shown, "no locals to look at"
    assert CANARY not in shown
    assert ISSUED not in shown
    return caught.value


def answered(name: str) -> Callable[[Connection], None]:
    """The answer to an operation that the contract promises."""
    key = example("create_response")
    body = {
        "list": example("list_response"),
        "show": {"api_key": key["api_key"]},
        "update": {"api_key": key["api_key"]},
    }
    if name == "list":
        del body["list"]["pagination_meta"]["after"]
    if name == "delete":
        return lambda connection: connection.answer(204, b"")
    return lambda connection: connection.answer(200, json.dumps(body.get(name, key)).encode())


def test_refused(call: Call, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    error = failure(call, make(base_url=refused(), attempts=ATTEMPTS))
    assert type(error) is APIConnectionError
    assert not error.may_have_applied
    tries = [record for record in caplog.records if record.name == "incident_io_keys"]
    assert len([record for record in tries if record.levelno == logging.DEBUG]) == ATTEMPTS
    assert len([record for record in tries if record.levelno == logging.WARNING]) == ATTEMPTS - 1


def told(name: str, fault: str) -> bool:
    """Whether a token is issued, and arrives before the fault has its way."""
    return name in ISSUES and ("in the body" in fault or "cut" in fault)


@pytest.mark.parametrize("fault", BROKEN)
def test_an_answer_that_breaks(name: str, call: Call, make: Make, fault: str) -> None:
    with FaultServer([BROKEN[fault]]).running() as server:
        error = failure(call, make(base_url=server.url, attempts=ATTEMPTS))
    assert type(error) is (InvalidResponseError if told(name, fault) else APIConnectionError)
    assert getattr(error, "token", None) == (Token(ISSUED) if told(name, fault) else None)
    assert error.may_have_applied is (name not in READS)
    assert len(server.arrived) == (1 if name in ISSUES else ATTEMPTS)


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("name", [name for name in CALLS if name not in ISSUES])
def test_an_answer_that_breaks_once_and_is_asked_for_again(name: str, make: Make, fault: str) -> None:
    with FaultServer([BROKEN[fault], answered(name)]).running() as server:
        CALLS[name](make(base_url=server.url))
    assert len(server.arrived) == 2


@pytest.mark.parametrize("fault", SLOW)
def test_an_answer_that_does_not_come(name: str, call: Call, make: Make, fault: str) -> None:
    with FaultServer([SLOW[fault]]).running() as server:
        # A drip resets each timeout, so that only the deadline ends it, and then there is no time for another try.
        deadline = 0.3 if "drip" in fault else 5
        client = make(base_url=server.url, timeout=TIMEOUT, deadline=deadline, attempts=ATTEMPTS)
        started = time.monotonic()
        error = failure(call, client)
        took = time.monotonic() - started
    assert type(error) is (InvalidResponseError if told(name, fault) else APITimeoutError)
    assert getattr(error, "token", None) == (Token(ISSUED) if told(name, fault) else None)
    assert error.may_have_applied is (name not in READS)
    assert ("within the deadline of 0.3 s" in str(error)) is ("drip" in fault and not told(name, fault))
    assert len(server.arrived) == (1 if "drip" in fault or name in ISSUES else ATTEMPTS)
    assert took < deadline + 5  # a drip would go on for ever


@pytest.mark.parametrize("status", [408, 503])
def test_a_failure_of_the_api_that_may_pass(name: str, call: Call, make: Make, status: int) -> None:
    def fail(connection: Connection) -> None:
        connection.answer(status, b"<html>" + connection.request)

    with FaultServer([fail]).running() as server:
        error = failure(call, make(base_url=server.url, attempts=ATTEMPTS))
        assert isinstance(error, APIStatusError)
        assert (error.status, error.may_have_applied) == (status, name not in READS)
        assert len(server.arrived) == (1 if name in ISSUES else ATTEMPTS)


@pytest.mark.parametrize("status", [300, 401, 404, 520])
def test_a_failure_that_stays(call: Call, make: Make, status: int) -> None:
    with FaultServer([lambda connection: connection.answer(status, connection.request)]).running() as server:
        error = failure(call, make(base_url=server.url, attempts=ATTEMPTS))
    assert isinstance(error, APIStatusError)
    assert error.status == status
    assert len(server.arrived) == 1


@pytest.mark.parametrize("status", [404, 503])
def test_a_refusal_is_one_even_if_its_body_breaks_off(name: str, call: Call, make: Make, status: int) -> None:
    with FaultServer([lambda connection: connection.answer(status, TOLD, length=100_000)]).running() as server:
        error = failure(call, make(base_url=server.url, attempts=1))
    if status == 503 and name in ISSUES:  # a failure, they say, but here is the token
        assert isinstance(error, InvalidResponseError)
        assert error.token == Token(ISSUED)
        return
    assert isinstance(error, APIStatusError)
    assert (error.status, error.may_have_applied) == (status, status == 503 and name not in READS)


def test_a_rate_limit_is_waited_for_by_all(name: str, call: Call, make: Make) -> None:
    def limit(connection: Connection) -> None:
        connection.answer(429, b"", headers=b"Retry-After: 1\r\n")

    with FaultServer([limit, limit, answered(name)]).running() as server:
        call(make(base_url=server.url))
    assert len(server.arrived) == 3
