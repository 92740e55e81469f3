"""The forms in which the API tells how long to wait."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone


def seconds_to_wait(form: str, date: str | None = None) -> float | None:
    """Read one of the forms in which the API tells how long to wait.

    Args:
        form: Seconds (`1`), an HTTP date, also with UTC for GMT, or RFC 3339.
        date: The response's own Date header. An instant is held against it, since the clocks of the two ends need not
            agree; without one, against the clock of this machine.

    Returns:
        The wait in seconds, never negative; None if the form says nothing that can be understood.
    """
    try:
        seconds = float(form)
    except ValueError:
        pass
    else:
        return max(0.0, seconds) if math.isfinite(seconds) else None
    instant = _instant(form)
    if instant is None:
        return None
    now = _instant(date) if date else None
    return max(0.0, (instant - (now or datetime.now(UTC))).total_seconds())


def _instant(text: str) -> datetime | None:
    if re.search(r"\b\d{4}\b", text) is None:
        return None  # without a year the parser would fill in today's
    # Here and not at the top: it takes a third as long to import as httpx, and only a rate limit needs it.
    try:
        from dateutil import parser
    except (ImportError, OSError):  # a process that can open no more files
        return None
    try:
        # Whatever zone is named, or none, it is UTC: GMT, UTC and Z are those that occur.
        return parser.parse(text, tzinfos=lambda _name, offset: timezone(timedelta(seconds=offset or 0)))
    except (ValueError, ArithmeticError):
        return None
