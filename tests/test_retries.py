from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest
import stamina

from incident_io_keys import (
    APIConnectionError,
    IncidentIOError,
    InvalidRequestError,
    InvalidResponseError,
    Problem,
)
from incident_io_keys._deadline import Deadline
from incident_io_keys._failures import connection_error
from incident_io_keys._operations import Operation, create_key, delete_key, list_keys, rotate_key, show_key, update_key
from incident_io_keys._refusals import status_error
from incident_io_keys._retries import Call

DEFINITION: dict[str, Any] = {"name": "a", "role_names": [], "team_ids": [], "team_role_names": []}
OPERATIONS: dict[str, Operation[Any]] = {
    "list": list_keys(page_size=1, after=None),
    "show": show_key("01F"),
    "update": update_key("01F", **DEFINITION),
    "delete": delete_key("01F"),
    "create": create_key(**DEFINITION),
    "rotate": rotate_key("01F", grace_period_minutes=0),
}
ALL = set(OPERATIONS)
NOT_ISSUING = ALL - {"create", "rotate"}


def call(name: str = "list", number: int = 1, attempts: int = 4, deadline: float = 60, chance: float = 1.0) -> Call:
    made = Call(OPERATIONS[name], attempts, Deadline(deadline, clock=lambda: 0.0), chance=lambda: chance)
    made.number = number
    return made


def broken(error: Exception) -> APIConnectionError:
    failure = connection_error("list", error, writes=False)
    failure.__cause__ = error
    return failure


def status(code: int, **headers: str) -> IncidentIOError:
    made = {name.replace("_", "-"): value for name, value in headers.items()}
    return status_error("list", httpx.Response(code, headers=made), may_have_applied=False)


@pytest.mark.parametrize(
    ("error", "repeated"),
    [
        (broken(httpx.ConnectError("")), ALL),
        (broken(httpx.ConnectTimeout("")), ALL),
        (broken(httpx.PoolTimeout("")), ALL),
        (broken(httpx.ProxyError("")), ALL),
        (status(429), ALL),
        (broken(httpx.ReadError("")), NOT_ISSUING),
        (broken(httpx.WriteError("")), NOT_ISSUING),
        (broken(httpx.ReadTimeout("")), NOT_ISSUING),
        (broken(httpx.WriteTimeout("")), NOT_ISSUING),
        (broken(httpx.RemoteProtocolError("")), NOT_ISSUING),
        (broken(ConnectionResetError()), NOT_ISSUING),
        *((status(code), NOT_ISSUING) for code in (408, 500, 502, 503, 504)),
        *((status(code), set()) for code in (301, 400, 401, 403, 404, 409, 422, 501, 505, 520, 599)),
        (broken(httpx.UnsupportedProtocol("")), set()),
        (broken(httpx.LocalProtocolError("")), set()),
        (broken(UnicodeError()), set()),
        (InvalidRequestError("", [Problem("name", "")]), set()),
        (InvalidResponseError("", path="$", token=None, may_have_applied=False), set()),
        (ValueError(), set()),
    ],
    ids=lambda value: getattr(value, "status", None) or type(getattr(value, "__cause__", None) or value).__name__,
)
def test_what_is_repeated_for_which_operation(error: Exception, repeated: set[str]) -> None:
    assert {name for name in OPERATIONS if call(name).wait_after(error) is not False} == repeated


def test_the_last_try_is_the_last() -> None:
    assert call(number=2, attempts=3).wait_after(status(503)) is not False
    assert call(number=3, attempts=3).wait_after(status(503)) is False
    assert call(number=1, attempts=1).wait_after(status(503)) is False


def test_waits_double_up_to_eight_seconds_and_half_of_each_is_chance() -> None:
    longest = [call(number=number, attempts=10).wait_after(status(503)) for number in range(1, 8)]
    assert longest == [0.5, 1, 2, 4, 8, 8, 8]
    assert [call(number=number, chance=0).wait_after(status(503)) for number in (1, 2)] == [0.25, 0.5]


@pytest.mark.parametrize("code", [429, 503])
def test_the_wait_that_the_server_asks_for_counts_before_our_own(code: int) -> None:
    told = {"Date": "Thu, 17 Apr 2025 11:17:08 GMT", "Retry_After": "2025-04-17T11:17:18Z"}
    assert call(number=3).wait_after(status(code, **told)) == 10
    assert call(number=3).wait_after(status(code, Retry_After="0")) == 0


def test_a_wait_that_would_pass_the_deadline_is_not_started() -> None:
    assert call(deadline=10).wait_after(status(429, Retry_After="9.9")) == 9.9
    assert call(deadline=10).wait_after(status(429, Retry_After="10")) is False
    error = status(503)
    assert call(deadline=0.5).wait_after(error) is False
    assert error.__notes__ == ["It was not tried again: a wait of 0.5 s would pass the deadline."]


def test_an_earlier_try_that_may_have_applied_is_not_forgotten() -> None:
    update = call("update")
    timeout = broken(httpx.ReadTimeout(""))
    timeout.may_have_applied = True
    update.wait_after(timeout)
    refused = broken(httpx.ConnectError(""))
    update.wait_after(refused)
    assert refused.may_have_applied


def test_a_repetition_is_a_warning_with_its_reason_and_its_wait(caplog: pytest.LogCaptureFixture) -> None:
    call("show", number=2).wait_after(status(503, Retry_After="1.25"))
    [record] = caplog.records
    assert (record.name, record.levelno) == ("incident_io_keys", logging.WARNING)
    assert record.getMessage() == "list failed with 503; trying again in 1.25 s"
    facts = {name: vars(record)[name] for name in ("operation", "attempt", "reason", "wait")}
    assert facts == {"operation": "show", "attempt": 2, "reason": "list failed with 503", "wait": 1.25}


def test_a_wait_that_has_to_end_with_the_deadline_is_not_left_to_stamina() -> None:
    stamina.set_testing(False)
    over = Deadline(60)
    over.expire()  # so that it does not take its second
    interruptible = Call(OPERATIONS["show"], 4, Deadline(60), interruptible=True)
    interruptible.number = 1
    interruptible.deadline.wait = over.wait  # type: ignore[method-assign]
    assert interruptible.wait_after(status(503, Retry_After="1")) == 0
    assert call("show").wait_after(status(503, Retry_After="1")) == 1


def test_what_is_not_repeated_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    call().wait_after(status(404))
    call(number=4).wait_after(status(503))
    call(deadline=0.1).wait_after(status(503))
    assert caplog.records == []
