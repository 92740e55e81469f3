"""What outlives a run of the command, in a directory of the user's own."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import tempfile
from pathlib import Path
from typing import Final

from ..errors import IncidentIOError
from ..storage import StoreUnavailableError
from ..storage._file_stores import write_token
from ..tokens import Token
from ._session import now

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def rescue(token: Token) -> Path | None:
    """Keep a token that found no other place.

    Returns:
        The file, which only its owner can read; None if there is no place for it.
    """
    # A name of its own: an ID may be anything, and what was kept before stays.
    name = f"{now():%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
    for make, where in ((state_directory, "rescued"), (_temporary, "incident-io-keys-")):
        try:
            path = make(where) / name
            write_token(path, token, new=True)
        except (OSError, IncidentIOError):
            continue
        return path
    return None


def _temporary(prefix: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=prefix))


def state_directory(name: str) -> Path:
    """A directory of the user's own for what is to outlive a run, made if it is not there.

    Raises:
        StoreUnavailableError: It cannot be made.
    """
    base: Path | str = "~/.local/state"
    try:
        base = Path(os.environ.get("XDG_STATE_HOME", ""))
        if not base.is_absolute():  # as the specification of that variable has it
            base = Path.home() / ".local" / "state"
        directory = base / "incident-io-keys" / name
        for each in (directory.parent, directory):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = each.stat()
            owners = {found.st_uid, each.lstat().st_uid}  # it may be a link
            if owners != {os.geteuid()} or not stat.S_ISDIR(found.st_mode) or found.st_mode & _OTHERS_WRITE:
                raise OSError(errno.EPERM, f"{each} is not yours alone")
    except (OSError, RuntimeError) as error:  # RuntimeError: nobody knows where home is
        reason = error.strerror if isinstance(error, OSError) else error
        message = f"there is no directory in {base} for what is not finished: {reason}"
        raise StoreUnavailableError(f"{message}; XDG_STATE_HOME names another one") from None
    return directory
