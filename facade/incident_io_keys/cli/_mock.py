"""`incident-io-keys mock`: the mock of the API on a socket of this machine, for programs in any language."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..testing import MockAPI, MockStateError
from ..testing._api import MOST_KEYS

_ABOUT = """\
Serves a mock of incident.io's API keys resource on a loopback socket until it is stopped (Ctrl-C).

Once it answers, it prints two lines to standard output: INCIDENT_ENDPOINT=URL and INCIDENT_API_KEY=TOKEN, which a shell
or a dotenv file takes as they are. Requests to URL/_mock/... move its clock, let requests fail, and so on.
"""


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to a parser."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser("mock", help="a mock of the API", description=_ABOUT, formatter_class=formatter)
    parser.add_argument(
        "--port", type=_number(0, 65_535), default=0, help="the port to listen on (default: a free one)"
    )
    parser.add_argument("--db", metavar="FILE", help="keep all of it in this SQLite file (default: in memory)")
    parser.add_argument(
        "--seed-keys",
        metavar="N",
        type=_number(0, MOST_KEYS - 1),
        default=0,
        help="have N keys beside the manager, unless FILE is there already",
    )
    parser.set_defaults(run=run)


def _number(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}, not {text!r}")
        return int(text)

    return number


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal comes."""
    stop = {signal.SIGINT, signal.SIGTERM}
    # Blocked before there is a thread of the server's, so that no thread is interrupted: they are waited for.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    try:
        _serve(arguments, stop)
    except (MockStateError, OSError) as error:
        reason = f"port {arguments.port}: {error.strerror}" if isinstance(error, OSError) else error
        print(f"incident-io-keys mock: {reason}", file=sys.stderr)  # noqa: T201
        return 1
    finally:
        # A second Ctrl-C is one all the same.
        while signal.sigtimedwait(stop, 0):
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return 0


def _serve(arguments: argparse.Namespace, stop: Iterable[signal.Signals]) -> None:
    new = arguments.db is None or not Path(arguments.db).exists()
    with MockAPI(arguments.db) as mock:
        for number in range(1, arguments.seed_keys + 1 if new else 1):
            mock.add_key(name=f"Seed key {number}", role_names=["viewer"])
        with mock.serve(arguments.port, control=True) as server:
            print(f"INCIDENT_ENDPOINT={server.url}\nINCIDENT_API_KEY={mock.token.reveal()}", flush=True)  # noqa: T201
            signal.sigwait(stop)
