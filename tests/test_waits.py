"""The forms of a Retry-After header."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from incident_io_keys._retry import parse_retry_after

NOW = datetime(2025, 4, 17, 11, 17, 8, tzinfo=UTC)

DELAYS = [
    ("1", 1),
    ("1.5", 1.5),
    ("Thu, 17 Apr 2025 11:17:18 GMT", 10),
    ("Thu, 17 Apr 2025 11:17:18 UTC", 10),
    ("2025-04-17T11:17:18Z", 10),
    ("2025-04-17T11:17:18.500Z", 10.5),
    ("2025-04-17T13:17:18+02:00", 10),
    ("2025-04-17T11:17:18", 10),
]
NONE_OR_PAST = [
    ("0", None),
    ("-3", None),
    ("2025-04-17T11:17:00Z", None),
    ("2025-04-17T11:17:08Z", None),
    ("1_0", None),
]
MALFORMED = [
    "",
    "soon",
    "nan",
    "inf",
    "9" * 5000,
    "10 minutes",
    "12:00",
    "2025-13-45T99:99:99Z",
    "2025-04-17T11:17:18+99:99",
    "99999-04-17T11:17:18Z",
    "2025-04-17T11:" + "9" * 30,
]


@pytest.mark.parametrize(("value", "seconds"), [*DELAYS, *NONE_OR_PAST, *((value, None) for value in MALFORMED)])
@pytest.mark.parametrize("zone", ["UTC", "Europe/London", "America/New_York"])
def test_every_form_is_read_in_any_time_zone(
    value: str, seconds: float | None, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert parse_retry_after(value, format_datetime(NOW, usegmt=True)) == seconds
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_without_a_usable_date_header_an_instant_is_compared_with_the_local_clock(date: str | None) -> None:
    delay = parse_retry_after((datetime.now(UTC) + timedelta(hours=1)).isoformat(), date)
    assert delay is not None
    assert 3500 < delay <= 3600
