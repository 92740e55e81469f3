"""The journal of pending operations, by which another process can complete them. It contains no token.

Each pending operation has a file. It is replaced as a whole, so that it is always complete. The process that works on
it holds a lock on a second file. Both are removed when the operation is complete; the file of a single slot stays, and
names the key in the slot.
"""

# No `from __future__ import annotations` here: msgspec would resolve `datetime` at its first decode, when freezegun may
# have replaced it with a subclass that msgspec cannot decode.
import contextlib
import hashlib
import hmac
import logging
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Annotated, Final, Literal, Self, TypeAlias
from urllib.parse import quote

import msgspec
from attrs import frozen

from incident_io_keys_generated.types import datetime

from ..tokens import Token
from . import _files
from ._errors import KeyBusyError, StoreUnavailableError

LOGGER: Final = logging.getLogger("incident_io_keys")

_SUFFIX: Final = ".json"
_LOCK_SUFFIX: Final = ".lock"
_FILE: Final = re.compile(r"(create-.*|rotate-.*|slot)\.(json|lock)")
_MAX_NAME: Final = 200  # characters; a file name has 255 bytes at most
_MODE: Final = stat.S_IRUSR | stat.S_IWUSR
# Bytes; enough for an entry, unless very many keys have the same name.
_SIZE: Final = 4096


Time: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]


@frozen
class Fingerprint:
    """A salted hash that recognizes a token and reveals nothing about it."""

    salt: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
    digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]

    @classmethod
    def of(cls, token: Token) -> Self:
        salt = secrets.token_hex(16)
        return cls(salt, _digest(salt, token))

    def matches(self, token: Token) -> bool:
        return hmac.compare_digest(self.digest, _digest(self.salt, token))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _digest(salt: str, token: Token) -> str:
    return hmac.new(bytes.fromhex(salt), token.reveal().encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


@frozen(kw_only=True)
class Entry:
    """An operation, as the journal has it.

    Attributes:
        operation: The operation. `held` is not one: it marks the key whose token is in the single slot.
        name: The name of the key.
        began: When the operation began, by this machine's clock.
        key_id: The ID of the key; None if it is to be created.
        known: The IDs of the keys that had the name before the create.
        caller: The ID of the calling key, if known.
        issued_before: When the key's token was last issued before the request.
        lost: Whether the token store may not have that token.
        fingerprint: The fingerprint of the issued token, once there is one.
        grace_period_minutes: The minutes for which the previous token keeps working.
    """

    operation: Literal["create", "rotate", "held"]
    name: str
    began: Time
    key_id: str | None = None
    known: tuple[str, ...] = ()
    caller: str | None = None
    issued_before: Time | None = None
    lost: bool = False
    fingerprint: Fingerprint | None = None
    grace_period_minutes: int = 0


class JournalFile:
    """The file of one operation, locked. A `with` block releases it.

    Its methods raise StoreUnavailableError if the journal cannot be written.

    Attributes:
        path: The file.
        entry: Its entry; None if there is no file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entry: Entry | None = None
        self._lock = _files.Lock(path.with_suffix(_LOCK_SUFFIX))
        self._previous: Entry | None = None
        with _journal_errors(path):
            if not self._lock.acquire():
                message = f"another process or thread is using the journal file {path}: wait until it ends"
                raise KeyBusyError(message, entry=path)
        try:
            self.entry = read_entry(path)
        except BaseException:
            self.release()
            raise

    def begin(self, entry: Entry) -> None:
        """Write the entry of a request that is about to be sent. If that fails, the previous entry is restored."""
        self._previous = self.entry
        try:
            self.write(entry)
        except BaseException:
            self.rollback()
            raise

    def rollback(self) -> None:
        """Restore the entry that preceded `begin`, since the request was rejected or not sent."""
        with contextlib.suppress(StoreUnavailableError):  # then `resume` finds that nothing happened
            if self._previous is None:
                self._remove()
            else:
                self.write(self._previous)

    def write(self, entry: Entry) -> None:
        with _journal_errors(self.path):
            self._check_lock()
            # freezegun replaces datetime with a subclass, which needs the hook.
            content = msgspec.json.encode(entry, enc_hook=datetime.isoformat)
            _files.replace(self.path, lambda: content, mode=_MODE)
        self.entry = entry

    def complete(self, held: Entry | None = None) -> None:
        """Remove the entry, or replace it with one that says whose token the single slot has."""
        try:
            if held is None:
                self._remove()
            else:
                self.write(held)
        except StoreUnavailableError as error:  # then `resume` finds that the operation is complete
            LOGGER.warning("%s; the operation is complete", error)

    @contextlib.contextmanager
    def reserve_space(self) -> Iterator[None]:
        """Hold the space that the operation needs in the journal, while the token store is checked."""
        with _journal_errors(self.path), _files.spare(self.path, _SIZE), _files.spare(self.path, _SIZE):
            yield

    def release(self) -> None:
        """Release the lock. Another process can complete the operation, if it is still pending."""
        self._lock.release(remove=True)

    def _remove(self) -> None:
        with _journal_errors(self.path):
            self._check_lock()
            self.path.unlink(missing_ok=True)
            _files.sync(self.path.parent)
        self.entry = None

    def _check_lock(self) -> None:
        if not self._lock.is_held():
            raise StoreUnavailableError(f"the lock of {self.path} was removed: call resume", entry=self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def read_entry(path: Path) -> Entry | None:
    """Return the entry of a file of the journal; None if there is no file; raise if it is damaged."""
    try:
        entry = msgspec.json.decode(_files.read(path), type=Entry)
        if 1970 < entry.began.year < 9000:  # else arithmetic with it can fail
            return entry
        reason = "is damaged"
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = f"is damaged or cannot be read: {error.strerror}"
    except msgspec.ValidationError:
        reason = "was written by another version of this package: complete its operation with that version"
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        reason = "is damaged"
    raise StoreUnavailableError(f"the journal file {path} {reason}", entry=path)


class Journal:
    """A directory with the files of pending operations; for a store with a single slot, with one file.

    Its methods raise StoreUnavailableError if it cannot be used or a file is damaged, and KeyBusyError if another
    process or thread has the file.
    """

    def __init__(self, directory: Path, *, single_slot: bool) -> None:
        self._directory = directory
        self._single_slot = single_slot

    def begin_create(self, name: str) -> JournalFile:
        """Lock the file for a new key. Its name depends on the key's name, so that two creates of a name exclude."""
        return self._begin(f"create-{_hash(name)}")

    def begin_rotation(self, key_id: str) -> JournalFile:
        """Lock the file of a key."""
        name = quote(key_id, safe="", errors="surrogatepass")
        return self._begin(f"rotate-{name if len(name) < _MAX_NAME else _hash(key_id)}")

    def paths(self) -> list[Path]:
        """Return the files of all operations. A file may not exist yet, or no longer."""
        self._check_parent()
        with _journal_errors(self._directory):
            try:
                self._check_rights()
                # Path.glob would return nothing for a directory that cannot be read.
                found = [path for path in self._directory.iterdir() if _FILE.fullmatch(path.name)]
                # A process that was killed before it wrote an entry leaves a lock file only.
                return sorted({path.with_suffix(_SUFFIX) for path in found})
            except FileNotFoundError:
                return []

    def open(self, path: Path) -> JournalFile:
        """Lock a file of `paths`."""
        with _journal_errors(path):
            _files.remove_leftovers(self._directory)
        return JournalFile(path)

    def _begin(self, name: str) -> JournalFile:
        self._check_parent()
        with _journal_errors(self._directory):
            _files.make_directory(self._directory)
            self._check_rights()
        return self.open(self._directory / f"{'slot' if self._single_slot else name}{_SUFFIX}")

    def _check_parent(self) -> None:
        with _journal_errors(self._directory):
            if not self._directory.parent.is_dir():
                raise StoreUnavailableError(f"the directory {self._directory.parent} does not exist")

    def _check_rights(self) -> None:
        # A user who can write an entry decides which key is rotated.
        if _files.has_mode_bits(self._directory, stat.S_IWGRP | stat.S_IWOTH):
            raise StoreUnavailableError(f"other users can write to {self._directory}: run chmod go-w on it")
        if _files.is_planted(self._directory):
            raise StoreUnavailableError(f"another user has created {self._directory}: remove it")


@contextlib.contextmanager
def _journal_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"the journal {path} cannot be used: {error.strerror or type(error).__name__}"
        raise StoreUnavailableError(message, entry=path) from None
