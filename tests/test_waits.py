from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from incident_io_keys._waits import seconds_to_wait

NOW = datetime(2025, 4, 17, 11, 17, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("form", "seconds"),
    [
        ("1", 1),
        ("0", 0),
        ("1.5", 1.5),
        ("-3", 0),
        ("Thu, 17 Apr 2025 11:17:18 GMT", 10),
        ("Thu, 17 Apr 2025 11:17:18 UTC", 10),
        ("2025-04-17T11:17:18Z", 10),
        ("2025-04-17T11:17:18.500Z", 10.5),
        ("2025-04-17T13:17:18+02:00", 10),
        ("2025-04-17T11:17:18", 10),
        ("2025-04-17T11:17:00Z", 0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("9" * 5000, None),
        ("10 minutes", None),
        ("12:00", None),
        ("2025-13-45T99:99:99Z", None),
        ("2025-04-17T11:17:18+99:99", None),
        ("99999-04-17T11:17:18Z", None),
        ("2025-04-17T11:" + "9" * 30, None),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/London", "America/New_York"])
def test_every_form_of_a_wait_is_understood(
    form: str, seconds: float | None, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert seconds_to_wait(form, format_datetime(NOW, usegmt=True)) == seconds
    finally:
        monkeypatch.undo()
        time.tzset()


def test_without_a_date_header_an_instant_is_held_against_this_machines_clock() -> None:
    wait = seconds_to_wait((datetime.now(UTC) + timedelta(hours=1)).isoformat())
    assert wait is not None
    assert 3500 < wait <= 3600


def test_a_date_that_cannot_be_read_for_want_of_a_file_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that can open no more files cannot import what reads dates, and waits as it would without one."""
    monkeypatch.setitem(sys.modules, "dateutil", None)
    assert seconds_to_wait("Sun, 22 Nov 2026 12:00:00 GMT") is None
    assert seconds_to_wait("3") == 3
