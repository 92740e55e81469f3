"""Signals that end the command."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Final, NoReturn

ENDING: Final = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


class Interrupted(KeyboardInterrupt):
    """A signal that ends the command."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Have what ends the command end it as Ctrl-C does: so that what was begun is ended, or written down."""

    def interrupt(number: int, _frame: object) -> NoReturn:
        raise Interrupted(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is signal.SIG_DFL]
    for each in ours:
        signal.signal(each, interrupt)
    try:
        yield
    finally:
        for each in ours:
            signal.signal(each, signal.SIG_DFL)


@contextlib.contextmanager
def held_back(signals: frozenset[signal.Signals]) -> Iterator[None]:
    """Let signals wait for the length of a `with` block, and forget those that came meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        while signals & signal.sigpending():
            signal.sigwait(signals)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
