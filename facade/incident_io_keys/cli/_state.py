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
    """Note the journal of a destination for `pending_everywhere`. If that fails, it only is not listed there."""
    name = hashlib.sha256(options.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    with contextlib.suppress(OSError, StoreUnavailableError):
        (state_directory("journals") / name).write_text(json.dumps([options, str(journal)]))


def pending_everywhere() -> list[tuple[str, ResumeResult]]:
    """Return the pending operations of all destinations that were used, each with the options of its destination."""
    found: list[tuple[str, ResumeResult]] = []
    with contextlib.suppress(OSError, StoreUnavailableError):
        for path in sorted(state_directory("journals").iterdir()):
            options, journal = json.loads(path.read_text())
            try:
                results = pending_operations(journal) if Path(journal).exists() else []
            except StoreUnavailableError as error:
                results = [ResumeResult(status="pending", hint=str(error), entry=Path(journal), error=error)]
            found += [(options, result) for result in results]
    return found


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
