"""How rich writes to one of the streams."""

from __future__ import annotations

import contextlib
import os
from typing import Final, TextIO

from rich.console import Console

# As wide as a table is that nobody looks at in a terminal.
_WIDE: Final = 160


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise


def console(stream: TextIO) -> Console:
    """A console that writes what it is given as it is."""
    width = None if stream.isatty() or "COLUMNS" in os.environ else _width_elsewhere()
    return _Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def _width_elsewhere() -> int:
    # `| less`, say: the terminal is where standard error goes, or where the keyboard is.
    for number in (2, 0):
        with contextlib.suppress(OSError):
            return os.get_terminal_size(number).columns
    return _WIDE
