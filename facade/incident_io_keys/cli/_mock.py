"""`incident-io-keys mock`: the mock of the API on a socket of this machine, for programs in any language."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Final

import click

from incident_io_keys_generated.contract import LIMIT_ACTIVE_KEYS

from ._session import NonEmptyPath, Session
from ._signals import held_back

# Of the keys of --seed-keys: how old their tokens are, when they were last used, and what they may do, over and over.
_AGES_IN_DAYS: Final = (2, 20, 45, 80, 110, 200, 400, 800)
_UNUSED_DAYS: Final = (1, 0, 30, None, 100, 3, 1, None)
_ROLES: Final = (("viewer",), ("viewer", "incident_creator"), ("catalog_editor",), (), ("global_access",))
_DAY: Final = 86_400

_STOP: Final = frozenset({signal.SIGINT, signal.SIGTERM})


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="The port to listen on; by default a free one.")
@click.option(
    "--db",
    type=NonEmptyPath(),
    metavar="FILE",
    help="Keep all of it in this SQLite file; by default in memory.",
)
@click.option(
    "--seed-keys",
    type=click.IntRange(0, LIMIT_ACTIVE_KEYS - 1),
    default=0,
    metavar="N",
    help="Have N keys beside the manager, unless FILE is there already.",
)
@click.pass_obj
def mock(session: Session, port: int, db: Path | None, seed_keys: int) -> None:
    """Serve a mock of the API on a loopback socket until Ctrl-C.

    Once it answers, it writes two lines to standard output: INCIDENT_ENDPOINT=URL and INCIDENT_API_KEY=TOKEN, which a
    dotenv file takes as they are, and a shell with `export` before each. Requests to URL/_mock/... move its clock, let
    requests fail, and so on.
    """
    from ..testing import MockStateError

    try:
        # Before there is a thread of the server's, so that no thread is interrupted: they are waited for. A second
        # Ctrl-C is one all the same.
        with held_back(_STOP):
            _serve(session, port, db, seed_keys)
    except MockStateError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or f'port {port}'}: {error.strerror}") from None


def _serve(session: Session, port: int, db: Path | None, seed_keys: int) -> None:
    from ..testing import MockAPI

    new = db is None or not db.exists()
    with MockAPI(db) as mock:
        for number in range(1, seed_keys + 1 if new else 1):
            age, unused = (days[number % len(days)] for days in (_AGES_IN_DAYS, _UNUSED_DAYS))
            mock.add_key(
                f"Seed key {number}",
                _ROLES[number % len(_ROLES)],
                age_seconds=(age or 0) * _DAY,
                unused_seconds=None if unused is None else unused * _DAY,
            )
        with mock.serve(port, control=True) as server:
            session.terminal.write(f"INCIDENT_ENDPOINT={server.url}\nINCIDENT_API_KEY={mock.token.reveal()}\n")
            if session.terminal.shows_tables:
                advice = "put `export` before the two lines in another terminal, and run `incident-io-keys list` there"
                session.terminal.tell(f"It serves until Ctrl-C. To use it, {advice}.")
            signal.sigwait(_STOP)
