"""Ages in words, and their colours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from incident_io_keys.cli._ages import colour, in_words

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("then", "words"),
    [
        (NOW + timedelta(hours=1), "just now"),
        (NOW, "just now"),
        (NOW - timedelta(seconds=59), "just now"),
        (NOW - timedelta(seconds=60), "1 minute"),
        (NOW - timedelta(minutes=59), "59 minutes"),
        (NOW - timedelta(minutes=60), "1 hour"),
        (NOW - timedelta(hours=24), "1 day"),
        (NOW - timedelta(days=58), "58 days"),
        (datetime(2026, 1, 31, 13, tzinfo=UTC), "58 days"),
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2 months"),
        (datetime(2025, 12, 31, 12, tzinfo=UTC), "3 months"),
        (datetime(2024, 4, 1, 12, tzinfo=UTC), "23 months"),
        (datetime(2024, 3, 31, 12, tzinfo=UTC), "2 years"),
        (datetime(2020, 3, 31, 12, tzinfo=UTC), "6 years"),
        (datetime(2026, 3, 31, 13, tzinfo=timezone(timedelta(hours=2))), "1 hour"),
    ],
)
def test_in_words(then: datetime, words: str) -> None:
    assert in_words(then, NOW) == words


@pytest.mark.parametrize(
    ("days", "expected"), [(0, "green"), (89, "green"), (90, "yellow"), (179, "yellow"), (180, "red"), (999, "red")]
)
def test_colours(days: int, expected: str) -> None:
    assert colour(NOW - timedelta(days=days), NOW) == expected
