"""The rate limit: a bucket of requests for each key, and the forms in which the API tells of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final, Literal, TypeAlias

from attrs import define

from incident_io_keys_generated.models import RateLimit

from ._refusals import Flaw, Refusal

WaitForm: TypeAlias = Literal["seconds", "http_date", "http_date_utc", "rfc3339"]

# How many requests a minute a key has, as documented.
SIZE: Final = 1200

# How many seconds it takes for an empty bucket to be full.
WINDOW: Final = 60

_SECOND: Final = 1_000_000  # in microseconds, of which all instants here are whole numbers
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# A microsecond brings as many shares as a full bucket has requests, and a request costs so many of them: then nothing
# has to be rounded.
_COST: Final = WINDOW * _SECOND


@define
class Bucket:
    """The requests that a key has left: so many a minute, coming back evenly.

    Attributes:
        size: How many there are in a full bucket.
        at: When it was last looked at, in microseconds of Unix time.
        left: How many shares of requests there were then.
    """

    size: int
    at: int
    left: int

    @classmethod
    def full(cls, size: int, now: datetime) -> Bucket:
        """A bucket from which nothing was taken."""
        return cls(size, _microseconds(now), size * _COST)

    def take(self, now: datetime, form: WaitForm | None) -> dict[str, str]:
        """Take one request out.

        Returns:
            The headers that tell how many are left.

        Raises:
            Refusal: There is none.
        """
        before, self.at = self.at, _microseconds(now)
        self.left = min(self.size * _COST, self.left + (self.at - before) * self.size)
        granted = self.left >= _COST
        if granted:
            self.left -= _COST
        remaining = self.left // _COST
        full = self.at + _up(self.size * _COST - self.left, self.size)
        headers = {
            "X-RateLimit-Limit": f"{self.size}, {self.size};window={WINDOW}",
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Used": str(self.size - remaining),
            "X-RateLimit-Reset": str(_up(full, _SECOND)),
        }
        if not granted:
            wait = _up(_COST - self.left, self.size)
            raise rate_limited(_up(wait, _SECOND), now, form, self.size, headers)
        return headers


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)


def _up(number: int, by: int) -> int:
    return -(-number // by)


def rate_limited(
    seconds: int, now: datetime, form: WaitForm | None, limit: int, headers: dict[str, str] | None = None
) -> Refusal:
    """A refusal that asks for a wait, in the header and in the body; without a form, in neither."""
    flaw = Flaw("too_many_requests", "Your API key has used up its requests")
    if form is None:
        return Refusal(429, (flaw,), headers or {})
    wait = written_wait(seconds, now, form)
    told = RateLimit(name="api_key", limit=limit, remaining=0, retry_after=wait)
    return Refusal(429, (flaw,), {**(headers or {}), "Retry-After": wait}, told)


def written_wait(seconds: int, now: datetime, form: WaitForm) -> str:
    """Write a wait in one of the forms that the API uses."""
    if form == "seconds":
        return str(seconds)
    # Dates are of whole seconds: the next one, since a wait must not be too short.
    then = (now + timedelta(seconds=seconds)).astimezone(UTC)
    then = then.replace(microsecond=0) + timedelta(seconds=1 if then.microsecond else 0)
    if form == "rfc3339":
        return then.isoformat().replace("+00:00", "Z")
    date = format_datetime(then, usegmt=True)
    return date if form == "http_date" else date.replace("GMT", "UTC")
