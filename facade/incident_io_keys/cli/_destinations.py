"""The destinations of an issued token: a file, a directory of files, a keyring, or standard output."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import select
import shlex
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ..errors import InvalidRequestError, Problem
from ..storage import FileStore, KeyringStore, StorageError, StoreUnavailableError, TokenStore
from ..tokens import IssuedKey
from ._session import NonEmptyPath, Session
from ._state import note_journal, state_directory

F = TypeVar("F", bound=Callable[..., Any])


def _non_empty(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value == "":
        raise click.BadParameter("the name is empty; is a shell variable unset?")
    return value


def destination(function: F) -> F:
    """Add the options for the destination of a token. The function gets their values as one dictionary, `into`."""

    @functools.wraps(function)
    def wrapped(*args: Any, token_file: Any, token_dir: Any, keyring: Any, **others: Any) -> Any:
        into = {"token_file": token_file, "token_dir": token_dir, "keyring": keyring}
        return function(*args, into=into, **others)

    for option in (
        click.option(
            "--keyring",
            metavar="NAME",
            callback=_non_empty,
            help="Keep it in the system's keyring, under NAME and the ID.",
        ),
        click.option(
            "--token-dir", type=NonEmptyPath(), metavar="DIR", help="Write it to a file of DIR, named by the ID."
        ),
        click.option(
            "--token-file",
            type=NonEmptyPath(),
            metavar="PATH",
            help="Write the token to this file, which only you can read.",
        ),
    ):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


force = click.option("--force", is_flag=True, help="Replace what is in the file of --token-file, whatever it is.")
show_token = click.option(
    "--show-token", is_flag=True, help="Write the token to standard output, and nothing else: for a pipe."
)


def check_place(
    session: Session,
    into: dict[str, Any],
    problems: list[Problem],
    *,
    force: bool = False,
    resuming: bool = False,
    show_token: bool = False,
) -> TokenStore | None:
    """Create the token store for the options, and check that it can save a token.

    Args:
        session: This run. It gets the store.
        into: The values of the options.
        problems: A list to which all problems are added.
        force: Whether the content of the file may be replaced.
        resuming: Whether the file may have the token of the pending operation.
        show_token: Whether the destination is standard output.

    Returns:
        The store; None for standard output, or if the store cannot be created.
    """
    given = [name for name, value in {**into, "show_token": show_token or None}.items() if value is not None]
    options = ["--token-file PATH", "--token-dir DIR", "--keyring NAME", *([] if resuming else ["--show-token"])]
    if len(given) != 1:
        what = "goes to one place" if given else "has to go somewhere"
        problems.append(Problem("the token", what, f"give one of {', '.join(options)}"))
        return None
    [name] = given
    option = f"--{name.replace('_', '-')}"
    if force and name != "token_file":
        problems.append(Problem("--force", "is for --token-file"))
    if show_token:
        _check_stdout(problems)
        return None
    value = into[name] if name == "keyring" else into[name].absolute()
    session.place = f"{option} {shlex.quote(str(value))}{' --force' if force else ''}"
    try:
        session.store = _store(name, into[name], force=force, resuming=resuming)
        if not resuming:
            session.store.check()
            note_journal(session.place, session.store.journal)
    except InvalidRequestError as error:
        problems += error.problems
    except StoreUnavailableError as error:
        suggestion = "PYTHON_KEYRING_BACKEND names another backend" if name == "keyring" else None
        problems.append(Problem(option, str(error), suggestion))
    return session.store


def _store(name: str, value: Any, *, force: bool, resuming: bool) -> TokenStore:
    if name == "token_dir":
        return FileStore(value)
    if name == "keyring":
        return KeyringStore(value, journal=_journal("keyrings", value))
    path = Path(os.path.realpath(value))
    if path.is_dir():
        raise StoreUnavailableError(f"{value} is a directory; --token-dir saves the token to a file in it")
    if value.is_symlink() and value.absolute().parent.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StoreUnavailableError(f"{value} is a link in a directory that others can write to; pass its target")
    if path.is_file() and path.stat().st_size and not force and not resuming:
        raise StoreUnavailableError(f"{path} exists; --force replaces what is in it")
    return FileStore(file=path, overwrite=force, journal=_journal("files", str(path)))


def where(store: TokenStore | None, key_id: str) -> str:
    """Return the end of a message, which names the destination of a token; nothing for standard output."""
    if store is None:
        return ""
    path = path_of(store, key_id)
    return f"; its token is in {'the keyring' if path is None else path}"


def path_of(store: TokenStore, key_id: str) -> Path | None:
    """Return the file for the token of a key; None for a keyring."""
    return store.path(key_id) if isinstance(store, FileStore) else None


def put_out(issued: IssuedKey, session: Session) -> None:
    """Print a token to standard output.

    Raises:
        StorageError: It was not printed.
    """
    session.in_hand, session.under_way = issued.token, None
    try:
        sys.stdout.write(issued.token.reveal() + "\n")
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is closed"
        message = f"the token of the key {issued.api_key.id} could not be written to standard output: {reason}"
        raise StorageError(message, key_id=issued.api_key.id, may_have_applied=True) from None
    session.in_hand = None


def _check_stdout(problems: list[Problem]) -> None:
    with contextlib.suppress(OSError):  # standard output is not a file
        poll = select.poll()
        poll.register(sys.stdout.fileno(), select.POLLOUT)
        if any(events & select.POLLERR for _, events in poll.poll(0)):
            problems.append(Problem("--show-token", "nobody reads standard output"))


def _journal(kind: str, name: str) -> Path:
    # The name can be too long for a file name, and have any characters.
    return state_directory(kind) / hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
