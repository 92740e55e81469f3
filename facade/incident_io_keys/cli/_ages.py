"""How long ago something was: in words, and whether that is long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from dateutil.relativedelta import relativedelta

# Up to so many days, a token counts as fresh; up to the second, as one to think of.
_FRESH: Final = timedelta(days=90)
_OLD: Final = timedelta(days=180)

_PARTS: Final = (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1)))


def in_words(then: datetime, now: datetime) -> str:
    """An age as a person says it, rounded down: "3 months", "1 day"."""
    between = relativedelta(now, then)
    months = between.years * 12 + between.months
    if months >= 24:
        return f"{between.years} years"
    if months >= 2:
        return f"{months} months"
    for unit, length in _PARTS:
        if (count := (now - then) // length) >= 1:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "just now"


def colour(then: datetime, now: datetime) -> str:
    """The colour of an age: green, yellow or red."""
    age = now - then
    return "green" if age < _FRESH else "yellow" if age < _OLD else "red"


def in_utc(instant: datetime) -> datetime:
    """An instant by the clock of UTC, whatever zone the API gives it in."""
    try:
        return instant.astimezone(UTC)
    except OverflowError:  # the first day of the calendar has no day before it
        return instant
