"""What a mock was told to let fail, by operation and by count."""

from __future__ import annotations

import threading

import httpx
from attrs import define

from ._api import NAMES, operation_of
from .faults import Fault


@define
class _Line:
    fault: Fault
    operation: str | None
    left: int


class Script:
    """Faults to come, in the order in which they were asked for. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: list[_Line] = []

    def add(self, fault: Fault, operation: str | None, times: int) -> None:
        """Let requests fail.

        Raises:
            TypeError: `fault` is none.
            ValueError: The fault does not concern that operation, or `times` is not at least 1.
        """
        if not isinstance(fault, Fault):
            raise TypeError(
                f"fault must be one of incident_io_keys.testing.faults, as in faults.Reset(), not {fault!r}"
            )
        possible = [name for name in NAMES if fault.operations is None or name in fault.operations]
        if operation is not None and operation not in possible:
            kind = type(fault).__name__
            raise ValueError(f"operation must be one of {', '.join(possible)} for {kind}, not {operation!r}")
        if type(times) is not int or times < 1:
            raise ValueError(f"times must be a whole number from 1, not {times!r}")
        with self._lock:
            self._lines.append(_Line(fault, operation, times))

    def left(self) -> int:
        """How many requests are still to fail."""
        with self._lock:
            return sum(line.left for line in self._lines)

    def clear(self) -> None:
        """Let nothing fail any more."""
        with self._lock:
            self._lines.clear()

    def take(self, request: httpx.Request) -> Fault | None:
        """The fault that a request is to meet, which is used up with it."""
        with self._lock:
            if not self._lines:
                return None
            name, _, _ = operation_of(request)
            for line in self._lines:
                possible = line.fault.operations is None or name in line.fault.operations
                if name and possible and line.operation in (None, name) and line.fault._concerns(request):
                    line.left -= 1
                    if not line.left:
                        self._lines.remove(line)
                    return line.fault
        return None
