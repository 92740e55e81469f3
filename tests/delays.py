"""Skips the delays between the attempts of a call, and records them. No other module knows how."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import stamina


class _Recorder(logging.Handler):
    """Collects the delay that the log record of each retry reports."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.delays: list[float] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "wait" in vars(record):
            self.delays.append(vars(record)["wait"])


@contextlib.contextmanager
def skip_delays() -> Iterator[list[float]]:
    """Skip all delays within the `with` block. The yielded list has those skipped so far, in seconds."""
    logger, recorder = logging.getLogger("incident_io_keys"), _Recorder()
    logger.addHandler(recorder)
    try:
        with stamina.set_testing(True, attempts=1_000, cap=True):
            yield recorder.delays
    finally:
        logger.removeHandler(recorder)
