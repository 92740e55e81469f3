"""The deadline of a call."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

# The member of a request's extensions that holds its Deadline.
EXTENSION: Final = "incident_io_keys.deadline"

# freezegun replaces `time.monotonic`, so that no deadline would expire while time is frozen. Windows has no other.
_monotonic: Final[Callable[[], float]] = (
    partial(time.clock_gettime, time.CLOCK_MONOTONIC) if hasattr(time, "clock_gettime") else time.monotonic
)


class Deadline:
    """The instant by which a call has to be over. Another thread can bring it forward.

    Args:
        seconds: How long from now.
        clock: Gives the time in seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = _monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._end = clock() + seconds
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._expired = threading.Event()

    def left(self) -> float:
        """How many seconds are left; not more than 0 if it is over."""
        return self._end - self._clock()

    def expire(self) -> None:
        """Be over now: what waits here, or blocks on a socket and said so with `blocking`, ends at once."""
        self._end = -math.inf
        self._expired.set()
        with self._lock:
            if self._socket is not None:
                with contextlib.suppress(OSError):  # it is closed already
                    # Not the method of an SSLSocket: that turns TLS off first, and a thread that is about to write
                    # would write in plain text.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def wait(self, seconds: float) -> None:
        """Wait, but not if it is over."""
        self._expired.wait(seconds)

    @contextlib.contextmanager
    def blocking(self, on: socket.socket) -> Iterator[None]:
        """Let `expire` end what blocks on this socket within the `with` block, and not a moment longer."""
        self._socket = on
        try:
            yield
        finally:
            with self._lock:
                self._socket = None
