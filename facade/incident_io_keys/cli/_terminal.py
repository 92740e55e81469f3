"""Where the command writes and whom it asks: standard output, standard error, and the person at the terminal."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from .._redaction import redact

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.text import Text

# rich is imported where it prints: that takes longer than all that is needed to show a help text, or to write JSON.

# Makes one emoji of several.
_JOINER: Final = "\N{ZERO WIDTH JOINER}"


def printable(text: object) -> str:
    """A text of anybody's without what could drive a terminal, turn its direction, or be a token."""
    shown = "".join(
        letter if letter.isprintable() or letter == _JOINER else letter.encode("unicode_escape").decode()
        for letter in str(text)
    )
    return redact(shown)


def counted(number: int, noun: str) -> str:
    """A number of things."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def cell(text: object, style: str = "") -> Text:
    """The same as rich prints it: as it is, and not as markup."""
    from rich.text import Text

    return Text(printable(text), style)


class Terminal:
    """The two streams of the command.

    Attributes:
        out_is_closed: Whether there is no standard output.
    """

    def __init__(self) -> None:
        self.out_is_closed = sys.stdout is None
        for name in ("stdout", "stderr"):
            # Closed before the command began: its number is not to be a socket's.
            if getattr(sys, name) is None:
                setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - until the end
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # whatever its encoding is: no name of a key is to stop it
                stream.reconfigure(errors="backslashreplace")

    @cached_property
    def out(self) -> Console:
        """Standard output."""
        from ._console import console

        return console(sys.stdout)

    @cached_property
    def err(self) -> Console:
        """Standard error."""
        from ._console import console

        return console(sys.stderr)

    @property
    def shows_tables(self) -> bool:
        """Whether a person sees standard output as it is written."""
        return sys.stdout.isatty()

    @property
    def can_ask(self) -> bool:
        """Whether there is a person who could answer."""
        return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()

    def write(self, text: str) -> None:
        """Write to standard output, as it is."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def say(self, lines: Iterable[str]) -> None:
        """Write lines for a person to standard output."""
        for line in lines:
            self.out.print(cell(line), soft_wrap=True)

    def tell(self, text: object) -> None:
        """Write a line to standard error, where it is in no one's way."""
        self.complain(printable(text))

    def complain(self, text: str) -> None:
        """Write what is fit to be shown to standard error, if that can be."""
        from rich.text import Text

        with contextlib.suppress(OSError):  # what was done was done, also where nobody can be told
            self.err.print(Text(text), soft_wrap=True)

    def ask(self, question: str) -> str:
        """Ask for a line.

        Raises:
            Abort: There is nobody any more who could answer.
        """
        # Not click's, of which some versions write to standard output.
        self.err.file.write(f"{printable(question)}: ")
        self.err.file.flush()
        try:
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            self.err.file.write("\n")
            raise
        if not line:
            self.err.file.write("\n")
            raise click.Abort
        return line.removesuffix("\n")

    def confirms(self, question: str) -> bool:
        """Ask whether to do it; to say nothing is to say no."""
        return self.ask(f"{question} [y/N]").strip().lower() in ("y", "yes")

    @contextlib.contextmanager
    def waiting(self, what: str) -> Iterator[Waiting]:
        """Show on standard error that something is going on, if that is a terminal."""
        # Not by what the environment says of terminals, as rich does.
        if not sys.stderr.isatty():
            yield Waiting(None)
            return
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        # Without putting itself in the place of both streams.
        bar = Progress(
            *(SpinnerColumn(), BarColumn(), TextColumn("{task.description}", markup=False)),
            console=self.err,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        bar.add_task(printable(what), total=None)
        waiting = Waiting(bar)
        waiting.shows(True)
        try:
            yield waiting
        finally:
            waiting.shows(False)


class Waiting:
    """What is shown while something is going on; nothing where there is no bar."""

    def __init__(self, bar: Progress | None) -> None:
        self._bar = bar

    def shows(self, shows: bool) -> None:
        """Show it, or take it away. That the terminal is gone is no reason to end what is going on."""
        if self._bar is not None:
            with contextlib.suppress(OSError):
                (self._bar.start if shows else self._bar.stop)()

    def says(self, what: str, done: int = 0, total: int | None = None) -> None:
        """Say how far it is."""
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.update(self._bar.task_ids[0], description=printable(what), completed=done, total=total)

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Make way for what is written to the same terminal."""
        self.shows(False)
        yield
        self.shows(True)
