"""Runs the command, and turns whatever comes of it into an exit code."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from itertools import pairwise
from typing import TextIO

import click
from click.shell_completion import shell_complete

from .._config import __version__
from . import _mock
from ._audit_command import audit
from ._completion import VARIABLE, completion
from ._demo import demo
from ._errors import describe
from ._reading import list_, roles, show
from ._rotating import resume, rotate
from ._session import Session
from ._signals import ENDING, held_back, interruptible
from ._terminal import Terminal, printable
from ._writing import create, delete, update

PROGRAM = "incident-io-keys"

# What the client logs of each request.
_FACTS = ("request_id", "attempt", "milliseconds")

_ABOUT = """\
The API keys of incident.io.

INCIDENT_API_KEY holds the token of a key with the role api_keys_manage; INCIDENT_ENDPOINT, if it is set, the URL to
ask.

Exit codes: 0, or 1 for a mistake in what was asked (and for findings of audit --fail-on), 2 for an error of the API's,
3 for one of the network, 130 for Ctrl-C.
"""


def _debug() -> click.Option:
    text = "Log every request, and show where an error comes from; tokens are left out."
    return click.Option(["--debug"], is_flag=True, expose_value=False, help=text)


class _Group(click.Group):
    """A group whose commands all take --debug, as it does itself."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        cmd.params.append(_debug())
        super().add_command(cmd, name)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as it is called
        return list(self.commands)


@click.group(
    cls=_Group, help=_ABOUT, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name=PROGRAM)
def _commands() -> None:
    pass


_commands.params.append(_debug())
for _command in (list_, show, create, update, delete, rotate, resume, audit, roles, _mock.mock, demo, completion):
    _commands.add_command(_command)


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: What stands behind its name.

    Returns:
        The exit code.
    """
    if instruction := os.environ.get(VARIABLE):
        return shell_complete(_commands, {}, PROGRAM, VARIABLE, instruction)
    session = Session()
    with _logging(session.terminal, debug="--debug" in arguments), interruptible():
        try:
            if session.terminal.out_is_closed:
                raise click.UsageError("standard output is closed; >/dev/null throws away what is written")
            code = _invoke(session, arguments)
            sys.stdout.flush()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it is, it has an exit code
            code = _failed(session, arguments, error)
    _give_up_if_unwritable(sys.stderr)
    return code


def _invoke(session: Session, arguments: list[str]) -> int:
    try:
        with _commands.make_context(PROGRAM, list(arguments), obj=session) as context:
            code = _commands.invoke(context)
    except click.exceptions.Exit as error:
        return error.exit_code
    return code or 0


def _give_up_if_unwritable(stream: TextIO) -> None:
    """Keep Python from writing again at exit, which would fail and change the exit code to 120."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextlib.contextmanager
def _logging(terminal: Terminal, *, debug: bool) -> Iterator[None]:
    """Have what the client logs on standard error: that it waits, and, if that is asked for, each request."""
    logger, handler = logging.getLogger("incident_io_keys"), _Handler(terminal)
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if debug else logging.WARNING)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


class _Handler(logging.Handler):
    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        facts = [f"{name}={getattr(record, name)}" for name in _FACTS if hasattr(record, name)]
        self._terminal.tell(" ".join([record.getMessage(), *facts]))


def _failed(session: Session, arguments: list[str], error: BaseException) -> int:
    # Who is impatient does not keep a token from being kept.
    with held_back(ENDING):
        return _told(session, arguments, error)


def _told(session: Session, arguments: list[str], error: BaseException) -> int:
    command = " ".join([PROGRAM, *(name for name in arguments[:1] if name in _commands.commands)])
    failure = describe(session, error)
    _give_up_if_unwritable(sys.stdout)
    if "--debug" in arguments:
        # Without locals, in which a token may be.
        text = "".join(traceback.format_exception(error))
        session.terminal.complain("\n".join(printable(line) for line in text.splitlines()))
    if failure.lines:
        wants_json = "--output=json" in arguments or ("--output", "json") in pairwise(arguments)
        text = failure.as_json() if wants_json else failure.as_text(command)
        session.terminal.complain(text)
    return failure.code
