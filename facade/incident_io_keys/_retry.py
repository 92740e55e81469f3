"""Keeps the deadline of a call, decides whether and when to retry it, and parses rate-limit headers.

Nothing here sends or sleeps. `_transport` (sync) and `_base_client` (async) enforce the deadline that a call has here.
"""

from __future__ import annotations

import logging
import math
import random
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any, Final

import httpx
from attrs import frozen

from ._operations import Effect, Operation
from .errors import APIConnectionError, APIStatusError, AuthenticationError, IncidentIOError, RateLimitError
from .tokens import Token

LOGGER: Final = logging.getLogger("incident_io_keys")

# freezegun replaces time.monotonic, and no deadline would pass while time is frozen. Windows has no other clock.
monotonic: Final[Callable[[], float]] = (
    partial(time.clock_gettime, time.CLOCK_MONOTONIC) if hasattr(time, "clock_gettime") else time.monotonic
)

# If the process was stopped or the event loop blocked past the deadline, read what arrived before it for these seconds.
LATE: Final = 0.1

# In seconds: the maximum before the second attempt, which doubles with each further one; and the overall maximum.
_FIRST_BACKOFF: Final = 0.5
_LONGEST_BACKOFF: Final = 8.0

RETRYABLE_STATUSES: Final = frozenset({408, 500, 502, 503, 504})

# Errors of httpx after which no request can have arrived.
NOT_CONNECTED: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
TRANSIENT_ERRORS: Final = (
    *NOT_CONNECTED,
    httpx.NetworkError,
    httpx.TimeoutException,
    httpx.RemoteProtocolError,
    OSError,
)


class Limit(float):
    """The timeout of a network step in seconds, with the deadline of its call. httpcore passes it on unchanged."""

    deadline: float
    _late_until = 0.0

    def __new__(cls, seconds: float, deadline: float = math.inf) -> Limit:
        """Return a timeout in seconds, for a deadline that is an instant of `monotonic`."""
        limit = super().__new__(cls, seconds)
        limit.deadline = deadline
        return limit

    def left(self, timeout: type[httpx.TimeoutException]) -> float:
        """Return the seconds that are left for the step, or raise the exception."""
        left = self.deadline - monotonic()
        if left <= 0:
            raise timeout("the deadline has passed")
        return min(self, left)

    def left_to_read(self) -> float:
        """Return the seconds that are left for a read. After the deadline, a millisecond, to read what has arrived."""
        now = monotonic()
        if now < self.deadline:
            return min(self, self.deadline - now)
        self._late_until = self._late_until or now + LATE
        if now >= self._late_until:
            raise httpx.ReadTimeout("the deadline has passed")
        return 0.001


class Call:
    """One call of a client's method, over all of its attempts.

    Attributes:
        seconds: How long the call may take.
        deadline: The instant of `monotonic` at which it has to end.
        attempt: The number of the current attempt, from 1.
        begun: Whether the current attempt has begun, and not only waits for its token.
        may_have_applied: Whether an attempt that failed may have taken effect.
        abandoned: Whether the caller has abandoned the call. Such a call is not retried and logs nothing.
    """

    def __init__(self, operation: Operation[Any], attempts: int, seconds: float) -> None:
        self.operation, self.attempts, self.seconds = operation, attempts, seconds
        self.deadline = monotonic() + seconds
        self.attempt = 0
        self.begun = self.may_have_applied = self.abandoned = False
        self._failure: IncidentIOError | None = None
        self._rejected: Token | None = None

    def seconds_left(self) -> float:
        """Return the seconds until the deadline; zero or less once it has passed."""
        return self.deadline - monotonic()

    def begin_attempt(self, token: Token) -> None:
        """Begin the next attempt; or raise the 401 again if the API has just rejected its token."""
        if isinstance(self._failure, AuthenticationError) and token == self._rejected:
            raise self._failure
        self._token = token
        self.attempt += 1
        self.begun = True

    def retry_delay(self, error: IncidentIOError, *, closed: bool = False) -> float | None:
        """Log the retry, and return the seconds until then; None if the error is final."""
        # An earlier attempt may have taken effect, however the last one ended.
        self.may_have_applied = error.may_have_applied = self.may_have_applied or error.may_have_applied
        if not self.begun:
            return None
        self._failure = error
        if isinstance(error, AuthenticationError) and self._rejected is None and not self.abandoned:
            # The token source may have a newer token. This one attempt does not count.
            self._rejected, self.begun, self.attempt = self._token, False, self.attempt - 1
            return 0.0
        if self.abandoned or self.attempt >= self.attempts or not is_retryable(self.operation.effect, error):
            return None
        if closed:
            error.add_note("It was not retried: the client was closed.")
            return None
        backoff = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2 ** (self.attempt - 1))
        delay: float = getattr(error, "retry_after", None) or backoff * (1 + random.random()) / 2  # noqa: S311 - jitter
        if delay >= self.seconds_left():
            error.add_note(f"It was not retried: a delay of {round(delay, 3):g} s would exceed the deadline.")
            return None
        reason = str(error).partition("\n")[0].rstrip(".")
        extra = {"operation": self.operation.name, "attempt": self.attempt, "reason": reason, "delay": delay}
        LOGGER.warning("%s; retrying in %.3g s", reason, delay, extra=extra)
        self.begun = False
        return delay

    def final_error(self, error: IncidentIOError) -> IncidentIOError:
        """Return the error of the call: the last one; or the one before it if the last attempt did not begin."""
        failure, self._failure = self._failure, None  # the traceback of an error refers to its call
        if failure is None or failure is error:
            return error
        failure.add_note(f"It was not retried: {error}")
        return failure


def is_retryable(effect: Effect, error: IncidentIOError) -> bool:
    """Return whether a request may be sent again after an error. For APIConnectionError, its cause decides."""
    if isinstance(error, RateLimitError):
        return True
    non_idempotent = effect is Effect.NON_IDEMPOTENT
    if isinstance(error, APIConnectionError):
        return isinstance(error.__cause__, NOT_CONNECTED if non_idempotent else TRANSIENT_ERRORS)
    return isinstance(error, APIStatusError) and error.status in RETRYABLE_STATUSES and not non_idempotent


def parse_retry_after(text: str, date: str | None = None) -> float | None:
    """Return the delay in seconds that a server requests; None if it is unreadable, zero, negative or in the past.

    The text is a number of seconds, an HTTP date (also with UTC for GMT), or a date of RFC 3339. A date counts from the
    response's Date header, since the clock of this machine can differ.
    """
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text.strip(), re.ASCII):
        delay = float(text)
    elif (until := _parse_date(text)) is not None:
        now = _parse_date(date) if date else None
        delay = (until - (now or datetime.now(UTC))).total_seconds()
    else:
        return None
    return delay if 0 < delay < math.inf else None


def _parse_date(text: str) -> datetime | None:
    if len(text) > 64 or re.search(r"\b\d{4}\b", text) is None:
        return None  # the parser completes a date without a year from today's
    try:
        # dateutil takes a third as long to import as httpx, and only a delay given as a date needs it.
        from dateutil import parser

        # Every zone name counts as UTC: GMT, UTC and Z are those that occur.
        return parser.parse(text, tzinfos=lambda _name, offset: timezone(timedelta(seconds=offset or 0)))
    except (ValueError, ArithmeticError, ImportError, OSError):  # the last two: no file descriptor is free
        return None


_RATE_LIMIT_HEADERS: Final = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


@frozen
class RateLimit:
    """The rate limit of the calling key in the latest response. A number is None if the API omitted it.

    Attributes:
        limit: The requests per minute that the key may make.
        remaining: The requests that are left.
        reset: The Unix time in seconds at which all of them are available again.
    """

    limit: int | None
    remaining: int | None
    reset: int | None


def parse_rate_limit(headers: httpx.Headers) -> RateLimit | None:
    """Return the rate limit that response headers state; None if they state none."""
    # Of `1200, 1200;window=60`, the first number is the limit.
    found = [re.match(r"\s*(\d{1,18})(?!\d)", headers.get(name, ""), re.ASCII) for name in _RATE_LIMIT_HEADERS]
    return RateLimit(*(number and int(number[1]) for number in found)) if any(found) else None
