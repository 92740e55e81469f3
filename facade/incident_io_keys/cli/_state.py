"""Files that the command leaves for later runs, in a private directory of the user."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import stat
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from ..errors import IncidentIOError
from ..storage import FileStore, ResumeResult, StoreUnavailableError, pending_operations
from ..tokens import Token
from ._session import now

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def rescue(token: Token) -> Path | None:
    """Save a token that could not be saved to its destination.

    Returns:
        The file, which only its owner can read; None if there is no place for it.
    """
    # A new name: an ID can be anything, and earlier tokens are kept.
    name = f"{now():%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
    for make, argument in ((state_directory, "rescued"), (_temporary, "incident-io-keys-")):
        try:
            path = make(argument) / name
            FileStore(file=path).save("", token)
        except (OSError, IncidentIOError):
            continue
        return path
    return None


def note_journal(options: str, journal: Path) -> None:
    """Note the journal of a destination for `pending_everywhere`. Errors are ignored: then it is not listed there."""
    with contextlib.suppress(OSError, StoreUnavailableError):
        path = state_directory("journals") / hashlib.sha256(os.fsencode(journal)).hexdigest()[:32]
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False) as file:
            json.dump([options, str(journal)], file)
        Path(file.name).replace(path)


def pending_everywhere() -> list[tuple[str, ResumeResult]]:
    """Return the pending operations of all destinations that were used, each with the options of its destination.

    Raises:
        StoreUnavailableError: The notes of destinations cannot be read.
    """
    found: list[tuple[str, ResumeResult]] = []
    for path in sorted(state_directory("journals").iterdir()):
        if path.suffix:  # a temporary file
            continue
        options, journal = "", str(path)
        try:
            options, journal = msgspec.json.decode(_read_note(path), type=tuple[str, str])
            results = pending_operations(journal) if os.path.lexists(journal) else []
        except (OSError, ValueError, IncidentIOError) as error:
            failure = error if isinstance(error, IncidentIOError) else None
            hint = f"{journal} cannot be read: {type(error).__name__}" if failure is None else str(error)
            results = [ResumeResult(status="pending", hint=hint, entry=Path(journal), error=failure)]
        found += [(options, result) for result in results]
    return found


def _read_note(path: Path) -> bytes:
    if not path.is_file():  # a named pipe would block
        raise OSError(errno.EINVAL, "it is not a regular file")
    return path.read_bytes()


def _temporary(prefix: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=prefix))


def state_directory(name: str) -> Path:
    """Return a private directory of the user, which is created if it does not exist.

    Raises:
        StoreUnavailableError: It cannot be created, or others can write to it.
    """
    base: Path | str = "~/.local/state"
    try:
        base = Path(os.environ.get("XDG_STATE_HOME", ""))
        if not base.is_absolute():  # as its specification requires
            base = Path.home() / ".local" / "state"
        directory = base / "incident-io-keys" / name
        for each in (directory.parent, directory):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = each.stat()
            owners = {found.st_uid, each.lstat().st_uid}  # it may be a link
            if owners != {os.geteuid()} or not stat.S_ISDIR(found.st_mode) or found.st_mode & _OTHERS_WRITE:
                raise OSError(errno.EPERM, f"others own {each} or can write to it")
    except (OSError, RuntimeError) as error:  # RuntimeError: the home directory is unknown
        reason = error.strerror if isinstance(error, OSError) else error
        message = f"the directory for pending operations in {base} cannot be used: {reason}"
        raise StoreUnavailableError(f"{message}; XDG_STATE_HOME names another one") from None
    return directory
