"""The file in which a mock keeps its state: SQLite, one transaction a write.

What was answered is in it, whatever happens to the process, except for the last uses of keys.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

# Written into the file's header: what it is, and in which form.
_APPLICATION: Final = int.from_bytes(b"inck")
_FORM: Final = 1

# What to do about a failure, by its code.
_ADVICE: Final = {
    sqlite3.SQLITE_BUSY: "another mock uses this file: stop that one, or take another path",
    sqlite3.SQLITE_NOTADB: "this is no database of a mock; take another path",
    sqlite3.SQLITE_CANTOPEN: "this cannot be opened: look whether its directory is there and can be written",
    sqlite3.SQLITE_READONLY: "this cannot be written; take another path",
}

_TABLES: Final = """
CREATE TABLE keys (id TEXT PRIMARY KEY, key BLOB NOT NULL);
CREATE TABLE issues (
    number INTEGER PRIMARY KEY,
    token TEXT UNIQUE NOT NULL,
    key_id TEXT NOT NULL REFERENCES keys ON DELETE CASCADE,
    ends TEXT
);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

_KEEP: Final = "INSERT OR REPLACE INTO facts VALUES (?, ?)"


class MockStateError(Exception):
    """The file of a mock's state cannot be used; the message says why, and what to do."""


class Store:
    """A file of keys and tokens, which belongs to this process for as long as it is open.

    Args:
        path: The file; it is made if it is not there.

    Raises:
        MockStateError: It belongs to another mock, is something else, or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).absolute()
        self._process = os.getpid()
        self._lock = threading.Lock()
        try:
            self._make()
            # Autocommit: transactions are begun by hand.
            self._database = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
            self._open(self._database)
            _OPEN.add(self)
        except OSError as error:
            raise MockStateError(f"{self._path}: {error.strerror}; take another path") from error
        except sqlite3.Error as error:
            advice = _ADVICE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, f"{error}; take another path")
            raise MockStateError(f"{self._path}: {advice}") from error

    def _make(self) -> None:
        try:
            # It holds tokens: of nobody but those who use the mock.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            # Not opened here: closing it would drop the locks of a mock of this process that has it.
            found = self._path.stat()
            if stat.S_ISDIR(found.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from None
            # SQLite would take a single byte for nothing.
            if found.st_size == 1:
                raise MockStateError(f"{self._path}: {_ADVICE[sqlite3.SQLITE_NOTADB]}") from None
            if found.st_size == 0:
                self._path.chmod(0o600)

    def _open(self, database: sqlite3.Connection) -> None:
        try:
            # In this mode the first write takes a lock that is held until the end, and WAL needs no shared memory.
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            [(application,)] = database.execute("PRAGMA application_id")
            [(form,)] = database.execute("PRAGMA user_version")
            [(tables,)] = database.execute("SELECT count(*) FROM sqlite_schema")
            new = not tables
            if (application, form) != (_APPLICATION, _FORM) and not new:
                what = "another version's" if application == _APPLICATION else "not a mock's"
                raise MockStateError(f"{self._path}: this database is {what}; take another path")
            # Only now that it is known whose it is: this writes into the file's header.
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.execute("PRAGMA foreign_keys = ON")
            database.execute("BEGIN EXCLUSIVE")
            if new:
                for statement in _TABLES.split(";"):
                    database.execute(statement)
                database.execute(f"PRAGMA application_id = {_APPLICATION}")
                database.execute(f"PRAGMA user_version = {_FORM}")
            database.execute("COMMIT")
        except BaseException:
            database.close()
            raise

    @property
    def is_own(self) -> bool:
        """Whether this process opened the file, and was not forked from the one that did."""
        return os.getpid() == self._process

    def load(self) -> tuple[list[dict[str, Any]], list[tuple[str, str, datetime | None]], dict[str, str]]:
        """What is kept.

        Returns:
            The keys, in the order of their IDs; token, ID of its key and end of each issue, in the order in which they
            were issued; and single values by name.
        """
        read = self._database.execute
        try:
            keys = [msgspec.json.decode(key) for (key,) in read("SELECT key FROM keys ORDER BY id")]
            issues = [
                (token, key_id, None if ends is None else datetime.fromisoformat(ends))
                for token, key_id, ends in read("SELECT token, key_id, ends FROM issues ORDER BY number")
            ]
            return keys, issues, dict(read("SELECT name, value FROM facts"))
        except (sqlite3.Error, msgspec.MsgspecError, ValueError) as error:
            raise MockStateError(f"{self._path}: this database is damaged ({error}); take another path") from error

    def keep(self, name: str, value: str) -> None:
        """Keep a single value under a name."""
        with self._transaction() as database:
            database.execute(_KEEP, (name, value))

    def write(
        self,
        key: Mapping[str, Any],
        issues: Iterable[tuple[str, str, datetime | None]],
        ended: Iterable[str],
        facts: Mapping[str, str],
    ) -> None:
        """Keep a key, tokens of it, and single values, and forget other tokens, in one transaction."""
        with self._transaction() as database:
            database.execute(
                "INSERT INTO keys VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET key = excluded.key",
                (key["id"], msgspec.json.encode(key)),
            )
            database.executemany("DELETE FROM issues WHERE token = ?", ((token,) for token in ended))
            database.executemany(
                "INSERT INTO issues (token, key_id, ends) VALUES (?, ?, ?)"
                " ON CONFLICT (token) DO UPDATE SET ends = excluded.ends",
                ((token, key_id, None if ends is None else ends.isoformat()) for token, key_id, ends in issues),
            )
            database.executemany(_KEEP, facts.items())

    def delete(self, key_id: str) -> None:
        """Forget a key and its tokens."""
        with self._transaction() as database:
            database.execute("DELETE FROM keys WHERE id = ?", (key_id,))

    def close(self) -> None:
        """Let the file go. What was written is in it."""
        with self._lock:
            self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if not self.is_own:
            raise MockStateError(
                f"{self._path}: nothing was written: this process was forked from the one that opened it"
            )
        with self._lock:
            try:
                try:
                    self._database.execute("BEGIN IMMEDIATE")
                    yield self._database
                    self._database.execute("COMMIT")
                except BaseException:
                    self._database.rollback()
                    raise
            except sqlite3.Error as error:
                raise MockStateError(f"{self._path}: nothing was written: {error}") from error


_OPEN: Final[weakref.WeakSet[Store]] = weakref.WeakSet()


def _keep_open() -> None:
    """Keep a forked child from closing what is its parent's.

    SQLite would take the write-ahead log away under the parent, which then wrote where nobody reads. Only a connection
    that is never freed is never closed, not even at the child's end.
    """
    import ctypes

    for store in _OPEN:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(store._database))


os.register_at_fork(after_in_child=_keep_open)
