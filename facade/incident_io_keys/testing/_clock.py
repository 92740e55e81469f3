"""The time of a mock, which a test can move."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

# Nothing here takes longer than a year: a moment that is so far from another is still one.
LONGEST: Final = timedelta(days=366)


class MockClock:
    """What time it is for a mock: the time of this machine, moved as far as it was advanced.

    It never goes back, so that what has ended stays ended.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._moved = timedelta()
        self._stopped: datetime | None = None
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._on_move: Callable[[timedelta], object] = lambda _: None

    def now(self) -> datetime:
        """What time it is."""
        with self._lock:
            return self._now()

    def _now(self) -> datetime:
        # The machine's clock may be set back.
        self._latest = max(self._latest, (self._stopped or datetime.now(UTC)) + self._moved)
        return self._latest

    def advance(self, by: timedelta) -> None:
        """Move the time.

        Args:
            by: How far; not back.

        Raises:
            ValueError: It would go back, or beyond what a calendar has.
            MockStateError: It cannot be written to the mock's file.
        """
        if by < timedelta():
            raise ValueError(f"a mock's clock does not go back, but this moves it by {by}")
        with self._lock:
            try:
                self._now() + by + LONGEST
            except OverflowError:
                raise ValueError(f"a mock's clock does not go as far as {by} from now") from None
            self._on_move(self._moved + by)
            self._moved += by

    def freeze(self) -> None:
        """Stop the time: from now on it moves by `advance` alone, so that a test can hit an instant exactly."""
        with self._lock:
            self._stopped = self._stopped or datetime.now(UTC)

    def restore(self, moved: timedelta, on_move: Callable[[timedelta], object]) -> None:
        """Go on where a clock was that had been moved so far, and tell of each further move before it counts."""
        self._moved, self._on_move = moved, on_move
