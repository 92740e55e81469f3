"""The journal: what was about to be done to which key, so that another process can finish it. Never a token.

Each operation that is under way has a small file, which the process that is at it keeps locked. A line of it says what
is about to be done; the last whole line counts. When all is done, the file goes.
"""

# No `from __future__ import annotations` here: msgspec would resolve `datetime` at its first decode, when freezegun may
# have replaced it with a subclass that msgspec cannot decode.
import contextlib
import fcntl
import hashlib
import hmac
import logging
import os
import secrets
import stat
from pathlib import Path
from typing import Final, Literal, Self
from urllib.parse import quote

import msgspec
from attrs import frozen

from incident_io_keys_generated.types import datetime

from ..tokens import Token
from . import _files
from ._errors import KeyBusyError, StoreUnavailableError

LOGGER: Final = logging.getLogger("incident_io_keys")

_SUFFIX: Final = ".json"


@frozen
class Fingerprint:
    """Tells whether a token is a certain one, and nothing else: it leads back to no token."""

    salt: str
    digest: str

    @classmethod
    def of(cls, token: Token) -> Self:
        """Take the fingerprint of a token."""
        salt = secrets.token_hex(16)
        return cls(salt, _digest(salt, token))

    def fits(self, token: Token) -> bool:
        """Whether it is of this token."""
        return hmac.compare_digest(self.digest, _digest(self.salt, token))


def _digest(salt: str, token: Token) -> str:
    return hmac.new(bytes.fromhex(salt), token.reveal().encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


@frozen(kw_only=True)
class Entry:
    """What is about to be done.

    Attributes:
        operation: What it is; `held` if nothing is, and the one place of the store has the token of this key.
        name: The name of the key.
        began: When, by the clock of this machine.
        key_id: The key; None if it is still to be created.
        known: The keys that had the name before.
        caller: The ID of the key that creates, if that is known.
        issued_before: When the key's token had been issued last; None if that token was lost already.
        issued: The token that was issued, once one was; the next thing that is done is to store it.
        grace_period_minutes: For how long the previous token is to work.
    """

    operation: Literal["create", "rotate", "held"]
    name: str
    began: datetime
    key_id: str | None = None
    known: tuple[str, ...] = ()
    caller: str | None = None
    issued_before: datetime | None = None
    issued: Fingerprint | None = None
    grace_period_minutes: int = 0


class Opened:
    """The file of one operation, locked.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._size = 0
        self._released = False

    def read(self) -> Entry | None:
        """What was about to be done; None if it was not even written down, so that nothing was done.

        Raises:
            StoreUnavailableError: It cannot be understood.
        """
        return read(self.path)

    def __del__(self) -> None:
        self.release()  # of one that was opened for somebody who was interrupted

    def write(self, entry: Entry) -> None:
        """Write down what is about to be done, so that it outlives a crash.

        Raises:
            StoreUnavailableError: Somebody removed the file.
        """
        if not os.fstat(self._descriptor).st_nlink:
            raise StoreUnavailableError(f"somebody removed {self.path} while it was used")
        self._size = os.fstat(self._descriptor).st_size
        # A line of its own also where the one before was cut off.
        # freezegun replaces datetime with a subclass, which needs the hook.
        line = b"\n%b\n" % msgspec.json.encode(entry, enc_hook=datetime.isoformat)
        while line:
            line = line[os.write(self._descriptor, line) :]
        os.fsync(self._descriptor)
        _files.sync(self.path.parent)

    def withdraw(self) -> None:
        """Take back what was written last: it was refused. What was left before that counts again."""
        os.ftruncate(self._descriptor, self._size)
        os.fsync(self._descriptor)

    def done(self, held: Entry | None = None) -> None:
        """Nothing is left to do. Saying so again is no harm to what another process has by the same name since."""
        if not os.fstat(self._descriptor).st_nlink:
            return
        try:
            if held is not None:
                os.ftruncate(self._descriptor, 0)
                self.write(held)
                return
            self.path.unlink(missing_ok=True)
            _files.sync(self.path.parent)
        except OSError as error:  # then `resume` will find that all is done
            LOGGER.warning("the journal keeps %s, of which nothing is left to do: %s", self.path, error.strerror)

    def release(self) -> None:
        """Let another process have it, if anything is left to do."""
        if self._released:
            return
        self._released = True
        found = os.fstat(self._descriptor)
        # Once it is gone, another process may have one of the same name.
        if found.st_nlink and not found.st_size:
            with contextlib.suppress(OSError):
                self.path.unlink()
        # Closing it does not do if a process was forked meanwhile: that has it open too.
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)


def read(path: Path) -> Entry | None:
    """What a file of the journal says; None if it says nothing.

    Raises:
        StoreUnavailableError: It cannot be understood.
    """
    found = None
    for line in path.read_bytes().splitlines():
        try:
            found = msgspec.json.decode(line, type=Entry)
        except msgspec.ValidationError:
            message = f"another version of this package wrote {path}: finish it with that one"
            raise StoreUnavailableError(message) from None
        except (msgspec.DecodeError, ValueError):  # no JSON, or no UTF-8
            continue  # cut off: it was never acted on
    return found


class Journal:
    """A directory with what is under way, and what was left.

    Args:
        directory: The directory.
        single_slot: Whether the store has one place, so that there is one file, and one operation at a time.
    """

    def __init__(self, directory: Path, *, single_slot: bool) -> None:
        self._directory = directory
        self._one_place = single_slot

    def begin_create(self) -> Opened:
        """Begin to create a key.

        Raises:
            KeyBusyError: Somebody is at the one place of the store.
        """
        return self._begin(f"create-{secrets.token_hex(8)}")

    def begin_rotation(self, key_id: str) -> Opened:
        """Begin to rotate a key.

        Raises:
            KeyBusyError: Somebody else is at it.
        """
        return self._begin(f"rotate-{quote(key_id, safe='', errors='surrogatepass')}")

    def creates(self, name: str) -> list[Path]:
        """The files of the creates of that name that are under way or were left."""
        found = []
        for path in self.paths():
            # Gone by now, or of another version.
            with contextlib.suppress(OSError, StoreUnavailableError):
                entry = read(path)
                if entry is not None and (entry.operation, entry.name) == ("create", name):
                    found.append(path)
        return found

    def paths(self) -> list[Path]:
        """The files of all that is under way or was left.

        Raises:
            StoreUnavailableError: There cannot be any: the directory around them is not there.
        """
        if not self._directory.parent.is_dir():
            raise StoreUnavailableError(f"there is no directory {self._directory.parent}, which is to have the journal")
        try:
            self._check_rights()
            # Not glob, which finds nothing where it may not look.
            return sorted(path for path in self._directory.iterdir() if path.suffix == _SUFFIX)
        except FileNotFoundError:
            return []

    def open(self, path: Path) -> Opened | None:
        """Open what was left.

        Returns:
            The file; None if it is gone by now.

        Raises:
            KeyBusyError: Somebody is at it.
        """
        try:
            return self._locked(path, 0)
        except FileNotFoundError:
            return None

    def _begin(self, name: str) -> Opened:
        if self._one_place:
            name = "place"
        if not self._directory.exists():
            self._directory.mkdir(mode=0o700, exist_ok=True)
            _files.sync(self._directory.parent)
        self._check_rights()
        return self._locked(self._directory / f"{name}{_SUFFIX}", os.O_CREAT)

    def _locked(self, path: Path, create: int) -> Opened:
        while True:
            flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(path, flags | create, 0o600)
            if self._lock(path, descriptor):
                return Opened(path, descriptor)

    def _check_rights(self) -> None:
        # Who writes an entry decides which key is rotated.
        if _files.is_open_to(self._directory, stat.S_IWGRP | stat.S_IWOTH):
            raise StoreUnavailableError(f"others can write to {self._directory}: take that from them (chmod go-w)")

    def _lock(self, path: Path, descriptor: int) -> bool:
        """Lock a file. Returns whether it is still there: who had it before may have been done with it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if not isinstance(error, BlockingIOError):
                raise
            message = f"another process or thread is at this key, by {path}: look again when it is done"
            raise KeyBusyError(message, entry=path) from None
        if os.fstat(descriptor).st_nlink:
            return True
        os.close(descriptor)
        return False
