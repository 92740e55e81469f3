"""Where a token goes that the command has issued: a file, a directory of files, a keyring, or standard output."""

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
from typing import Any, Final, TypeVar

import click

from ..errors import InvalidRequestError, Problem
from ..storage import FileStore, KeyringStore, StorageError, StoreUnavailableError, TokenStore, _files
from ..storage._file_stores import PRIVATE, SIZE, failed, read_token, write_token
from ..tokens import IssuedKey, Token
from ._session import NonEmptyPath, Session
from ._state import state_directory

F = TypeVar("F", bound=Callable[..., Any])


class TokenFileStore:
    """Keeps one token in a file that holds nothing else, as `file_token` reads it, and that only its owner can read.

    Args:
        path: The file. Its directory has to exist, and not everyone may write to it.
        journal: A directory for what is not finished; its parent has to exist.
        replace: Whether what is in the file may go.
        hidden: Whether what is in it until then counts as nothing.
    """

    single_slot: Final = True

    def __init__(self, path: Path, *, journal: Path, replace: bool, hidden: bool = False) -> None:
        self.path = path
        self._journal = journal
        self._replace = replace
        self._hidden = hidden

    @property
    def journal(self) -> Path:
        """Where it is written what is not finished."""
        return self._journal

    def check(self) -> None:
        """Find out whether a token could be stored now.

        Raises:
            StoreUnavailableError: It could not.
        """
        try:
            if self.path.is_dir():
                raise StoreUnavailableError(f"{self.path} is a directory; --token-dir writes to a file in it")
            if _files.is_open_to(self.path.parent, stat.S_IWOTH):
                raise StoreUnavailableError(f"everyone can write to {self.path.parent}: choose a directory of your own")
            if os.path.lexists(self.path):
                self._check_file()
            _files.rehearse(self.path, SIZE, mode=PRIVATE)
        except OSError as error:
            raise failed("would not be kept", self.path, error) from None

    def save(self, key: str, token: Token) -> None:  # noqa: ARG002 - it keeps one
        """Keep a token.

        Args:
            key: The key's ID. It is not written down.
            token: Its token.

        Raises:
            StoreUnavailableError: It cannot be kept.
        """
        write_token(self.path, token, new=not self._replace and not self._is_empty())
        self._hidden = False

    def load(self, key: str) -> Token | None:  # noqa: ARG002 - it keeps one
        """Give the token that is kept.

        Args:
            key: The ID of its key.

        Raises:
            StoreUnavailableError: The file cannot be read.
        """
        return None if self._hidden else read_token(self.path)

    def _check_file(self) -> None:
        found = self.path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise StoreUnavailableError(f"{self.path} is no regular file")
        if found.st_size and not self._replace:
            raise StoreUnavailableError(f"{self.path} exists; --force replaces what is in it")
        # It keeps its owner, who could read it. One with a token has had it before.
        if not found.st_size and found.st_uid != os.geteuid():
            raise StoreUnavailableError(f"{self.path} belongs to somebody else")

    def _is_empty(self) -> bool:
        # As `mktemp` makes it.
        return self.path.is_file() and not self.path.stat().st_size


def _non_empty(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value == "":
        raise click.BadParameter("the name is empty; is a shell variable unset?")
    return value


def destination(function: F) -> F:
    """The options that say where a token goes, given to the function as one dictionary."""

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
    """Make the store that the options ask for, and see that it can take a token.

    Args:
        session: What this run has in its hands; it will know the store.
        into: What the options say.
        problems: Where everything that is wrong is added.
        force: Whether what is in the file may go.
        resuming: Whether what is in the file may be the token that is to be there.
        show_token: Whether standard output is asked for.

    Returns:
        The store; None for standard output, or if there was a problem.
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
    except InvalidRequestError as error:
        problems += error.problems
    except StoreUnavailableError as error:
        problems.append(Problem(option, str(error)))
    return session.store


def _store(name: str, value: Any, *, force: bool, resuming: bool) -> TokenStore:
    if name == "token_dir":
        return FileStore(value)
    if name == "keyring":
        return KeyringStore(value, journal=_journal("keyrings", value))
    # What a link points to is replaced, and not the link.
    path = Path(os.path.realpath(value))
    if value.is_symlink() and _files.is_open_to(value.absolute().parent, stat.S_IWGRP | stat.S_IWOTH):
        raise StoreUnavailableError(f"{value} is a link where others can write: name what it points to")
    return TokenFileStore(path, journal=_journal("files", str(path)), replace=force, hidden=force and not resuming)


def where(store: TokenStore | None, key_id: str) -> str:
    """Where the token of a key is, for a person; nothing to say of standard output."""
    if store is None:
        return ""
    path = path_of(store, key_id)
    return f"; its token is in {'the keyring' if path is None else path}"


def path_of(store: TokenStore, key_id: str) -> Path | None:
    """The file that has the token of a key, if it is one."""
    if isinstance(store, TokenFileStore):
        return store.path
    return store.path(key_id) if isinstance(store, FileStore) else None


def put_out(issued: IssuedKey, session: Session) -> None:
    """Write a token to standard output.

    Raises:
        StorageError: It could not be written.
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
    with contextlib.suppress(OSError):  # it is no file
        poll = select.poll()
        poll.register(sys.stdout.fileno(), select.POLLOUT)
        if any(events & select.POLLERR for _, events in poll.poll(0)):
            problems.append(Problem("--show-token", "nobody reads standard output"))


def _journal(kind: str, name: str) -> Path:
    # Of any length, and of any characters.
    return state_directory(kind) / hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
