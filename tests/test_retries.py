"""Which failures are retried for which operation, how often, and after which delay."""

from __future__ import annotations

import logging
import random
from typing import Any

import httpx
import pytest

from incident_io_keys import APIConnectionError, APIStatusError, IncidentIOError, InternalServerError, NotFoundError

from .calls import ALL, CALLS, KEY_ID, NON_IDEMPOTENT, response_to
from .conftest import Make

IDEMPOTENT = ALL - NON_IDEMPOTENT
# What a request meets: a status, a response, or an error of the network.
Outcome = int | httpx.Response | Exception


class Transport(httpx.MockTransport):
    """Plays one outcome for each request, and the last one for all further requests."""

    def __init__(self, *outcomes: Outcome, **headers: str) -> None:
        super().__init__(self._respond)
        self.sent = 0
        self._outcomes = outcomes
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def _respond(self, _: httpx.Request) -> httpx.Response:
        self.sent += 1
        outcome = self._outcomes[min(self.sent, len(self._outcomes)) - 1]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome if isinstance(outcome, httpx.Response) else httpx.Response(outcome, headers=self._headers)


def fail(make: Make, transport: Transport, name: str = "show", **options: Any) -> IncidentIOError:
    with pytest.raises(IncidentIOError) as caught:
        CALLS[name](make(transport=transport, **options))
    return caught.value


@pytest.mark.parametrize(
    ("outcome", "retried"),
    [
        (httpx.ConnectError(""), ALL),
        (httpx.ConnectTimeout(""), ALL),
        (httpx.PoolTimeout(""), ALL),
        (httpx.ProxyError(""), ALL),
        (429, ALL),
        (httpx.ReadError(""), IDEMPOTENT),
        (httpx.WriteError(""), IDEMPOTENT),
        (httpx.ReadTimeout(""), IDEMPOTENT),
        (httpx.WriteTimeout(""), IDEMPOTENT),
        (httpx.RemoteProtocolError(""), IDEMPOTENT),
        (ConnectionResetError(), IDEMPOTENT),
        *((status, IDEMPOTENT) for status in (408, 500, 502, 503, 504)),
        *((status, set()) for status in (301, 400, 401, 403, 404, 409, 422, 501, 505, 520, 599)),
        (httpx.UnsupportedProtocol(""), set()),
        (httpx.LocalProtocolError(""), set()),
        (UnicodeError(), set()),
        (ValueError(), set()),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else type(value).__name__,
)
def test_which_failure_is_retried_for_which_operation(
    make: Make, outcome: Outcome, retried: set[str], delays: list[float]
) -> None:
    sent = {}
    for name, call in CALLS.items():
        transport = Transport(outcome)
        delays.clear()
        with pytest.raises((IncidentIOError, ValueError)):
            call(make(transport=transport, attempts=3))
        sent[name] = transport.sent
        assert len(delays) == transport.sent - 1
    assert sent == {name: 3 if name in retried else 1 for name in CALLS}


@pytest.mark.parametrize("name", CALLS)
def test_a_malformed_response_is_not_requested_again(make: Make, name: str) -> None:
    transport = Transport(httpx.Response(200, text="<html>"))
    fail(make, transport, name)
    assert transport.sent == 1


@pytest.mark.parametrize("name", CALLS)
def test_a_retry_can_succeed(make: Make, name: str) -> None:
    transport = Transport(429, httpx.ConnectError(""), response_to(name))
    CALLS[name](make(transport=transport))
    assert transport.sent == 3


@pytest.mark.parametrize(("options", "sent"), [({}, 4), ({"attempts": 1}, 1), ({"attempts": 7}, 7)])
def test_attempts_limits_the_requests_of_a_call(make: Make, options: dict[str, Any], sent: int) -> None:
    transport = Transport(503)
    assert isinstance(fail(make, transport, **options), InternalServerError)
    assert transport.sent == sent


def test_a_failing_token_source_is_not_called_again(make: Make) -> None:
    calls = []

    def source() -> str:
        calls.append(1)
        raise LookupError

    with pytest.raises(IncidentIOError):
        make(source).show(KEY_ID)
    assert len(calls) == 1


def test_delays_double_up_to_eight_seconds_and_half_of_each_is_random(make: Make, delays: list[float]) -> None:
    random.seed(0)
    keys = make(transport=Transport(503), attempts=8)
    samples = []
    for _ in range(40):
        delays.clear()
        with pytest.raises(InternalServerError):
            keys.show(KEY_ID)
        samples.append(tuple(delays))
    for sample, longest in zip(zip(*samples, strict=True), [0.5, 1, 2, 4, 8, 8, 8], strict=True):
        assert longest * 0.5 <= min(sample) < longest * 0.6
        assert longest * 0.9 < max(sample) <= longest


@pytest.mark.parametrize("status", [429, 503])
def test_the_delay_of_the_server_wins(make: Make, status: int, delays: list[float]) -> None:
    transport = Transport(status, Date="Thu, 17 Apr 2025 11:17:08 GMT", Retry_After="2025-04-17T11:17:18Z")
    fail(make, transport)
    assert delays == [10, 10, 10]


def test_a_delay_that_ends_before_the_deadline_is_waited_for(make: Make, delays: list[float]) -> None:
    fail(make, Transport(429, Retry_After="50"), deadline=60, attempts=2)
    assert delays == [50]


def test_a_delay_that_would_exceed_the_deadline_is_not_begun(
    make: Make, delays: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    transport = Transport(429, Retry_After="60")
    error = fail(make, transport, deadline=60)
    assert (transport.sent, delays, caplog.records) == (1, [], [])
    assert len(error.__notes__) == 1


def test_the_deadline_limits_the_delays_of_the_client_too(make: Make, delays: list[float]) -> None:
    transport = Transport(503)
    error = fail(make, transport, deadline=2, attempts=9)
    assert 2 <= transport.sent == len(delays) + 1 <= 4, "the fourth delay is at least two seconds"
    assert len(error.__notes__) == 1


@pytest.mark.parametrize(
    ("outcomes", "may_have_applied"),
    [
        ((httpx.ReadTimeout(""), httpx.ConnectError("")), True),
        ((503, httpx.ConnectError(""), 429, 409), True),
        ((httpx.ConnectError(""), 429, 409), False),
    ],
)
def test_a_failure_reports_that_an_earlier_attempt_may_have_taken_effect(
    make: Make, outcomes: tuple[Outcome, ...], may_have_applied: bool
) -> None:
    error = fail(make, Transport(*outcomes), "update")
    assert isinstance(error, (APIConnectionError, APIStatusError))
    assert error.may_have_applied is may_have_applied
    assert ("\n" in str(error)) is may_have_applied, "the warning is a line of its own"


def test_a_delete_has_succeeded_if_its_retry_finds_the_key_gone(make: Make) -> None:
    make(transport=Transport(503, 404)).delete(KEY_ID)
    for name, *outcomes in (("delete", 404), ("delete", 429, 404), ("show", 503, 404), ("update", 503, 404)):
        assert isinstance(fail(make, Transport(*outcomes), name), NotFoundError)


def test_each_retry_is_logged_as_a_warning_with_its_reason_and_its_delay(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    fail(make, Transport(503, Retry_After="1.25"), attempts=3)
    records = [record for record in caplog.records if record.name == "incident_io_keys"]
    assert [record.levelno for record in records] == [logging.WARNING] * 2
    for number, record in enumerate(records, 1):
        extra = {name: vars(record)[name] for name in ("operation", "attempt", "reason", "delay")}
        assert extra == {"operation": "show", "attempt": number, "reason": "show failed with 503", "delay": 1.25}
        assert record.getMessage().startswith("show failed with 503")
        assert "1.25 s" in record.getMessage()


@pytest.mark.parametrize(("status", "attempts"), [(404, 4), (503, 1)])
def test_a_failure_that_is_not_retried_is_not_logged(
    make: Make, status: int, attempts: int, caplog: pytest.LogCaptureFixture
) -> None:
    fail(make, Transport(status), attempts=attempts)
    assert caplog.records == []


PAST = "Thu, 17 Apr 2025 11:17:08 GMT"
NO_DELAY = [
    *("0", "00", "0.0", "-0", "-3", "-0.5", "1_0", "\u0661", "", " ", "NaN", "soon"),
    *(PAST, "Thu, 17 Apr 2025 11:17:08 UTC", "2025-04-17T11:17:08Z", "2025-04-17T11:17:07.999Z"),
    *("2025-04-17T13:17:08+02:00", "1970-01-01T00:00:00Z"),
]


def check_own_delays(make: Make, delays: list[float], name: str, response: httpx.Response) -> None:
    """Check that a call waits for the delays of the client, which are at most half a second, a second and two."""
    transport = Transport(response)
    error = fail(make, transport, name)
    assert getattr(error, "retry_after") is None  # noqa: B009
    assert (transport.sent, len(delays)) == (4, 3)
    for delay, longest in zip(delays, [0.5, 1, 2], strict=True):
        assert longest / 2 <= delay <= longest


@pytest.mark.parametrize("date", [None, PAST, "yesterday"])
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("value", NO_DELAY)
def test_a_delay_of_zero_or_less_counts_as_none(
    make: Make, delays: list[float], value: str, status: int, date: str | None
) -> None:
    headers = [(b"Retry-After", value.encode()), *([(b"Date", date.encode())] if date else [])]
    check_own_delays(make, delays, "show", httpx.Response(status, headers=headers))


@pytest.mark.parametrize("value", [*NO_DELAY, 0, -1, -0.0, 0.0, -1e300, False, True, None, [], {}, [5], {"seconds": 5}])
def test_a_delay_of_zero_or_less_in_the_body_counts_as_none(make: Make, delays: list[float], value: object) -> None:
    body = {"type": "rate_limit", "rate_limit": {"retry_after": value}}
    check_own_delays(make, delays, "create", httpx.Response(429, headers={"Date": PAST}, json=body))


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"rate_limit": 0}', b'{"rate_limit": {"retry_after": 1e999}}'])
def test_a_body_without_a_usable_delay_counts_as_none(make: Make, delays: list[float], body: bytes) -> None:
    check_own_delays(make, delays, "rotate", httpx.Response(429, content=body))


@pytest.mark.parametrize("header", ["0", "-3", "1_0", PAST])
def test_a_usable_delay_in_the_body_wins_over_an_unusable_header(make: Make, delays: list[float], header: str) -> None:
    body = {"rate_limit": {"retry_after": "2025-04-17T11:17:18Z"}}
    fail(make, Transport(httpx.Response(429, headers={"Retry-After": header, "Date": PAST}, json=body)))
    assert delays == [10, 10, 10]
