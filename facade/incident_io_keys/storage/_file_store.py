"""The token store that saves each token in a file of its own."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from .._validation import raise_if_invalid, token_problem
from ..errors import Problem
from ..tokens import Token
from . import _files
from ._errors import StoreUnavailableError
from ._validation import check_path

OWNER_ONLY: Final = stat.S_IRUSR | stat.S_IWUSR
MAX_TOKEN_BYTES: Final = 65536  # bytes; no token is longer


@contextlib.contextmanager
def store_errors(what: str, path: Path) -> Iterator[None]:
    """Convert an OSError to a StoreUnavailableError, whose message begins with `what` and the path."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailableError(f"{what} {path}: {error.strerror or type(error).__name__}") from None


class FileStore:
    """Saves each token in a file of its own, which only its owner can read.

    A file is replaced atomically: a service that reads it with `file_token(store.path(id))` finds the old token or the
    new one. An existing file keeps its owner. A file that root creates belongs to the owner of its directory.

    Args:
        directory: The directory of one file per key. It must exist, and only its owner may write to it.
        file: The file of a single key. Not everyone may write to its directory. A symbolic link is followed.
        overwrite: Whether to replace a `file` that has the token of another key, or any other content.
        journal: A directory for pending operations; its parent must exist. Default: a hidden one beside the tokens.

    Raises:
        InvalidRequestError: Not exactly one of `directory` and `file` was passed, or an argument is invalid.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        file: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        journal: str | os.PathLike[str] | None = None,
    ) -> None:
        problems: list[Problem] = []
        self.single_slot, self.overwrite = file is not None, overwrite is True
        field, place = ("file", file) if self.single_slot else ("directory", directory)
        if (directory is None) == (file is None):
            problems.append(Problem("directory, file", "exactly one is required", "pass file=PATH for one key"))
        self._path = Path() if problems else check_path(field, place, problems)
        if overwrite and not self.single_slot:
            problems.append(Problem("overwrite", "is only for `file`", "omit it: the file of a key is always replaced"))
        default = self._path / ".incident-io-keys-journal"
        if self.single_slot:
            self._path = Path(os.path.realpath(self._path))
            default = self._path.parent / f".{self._path.name}.incident-io-keys-journal"
        self.journal = default if journal is None else check_path("journal", journal, problems)
        raise_if_invalid("the store was not created", problems)

    def path(self, key: str) -> Path:
        """Return the file for the token of a key, by the key's ID."""
        name = quote(key, safe="", errors="surrogatepass")
        # A file with a dot would be hidden, and one without a name would be the directory.
        file = self._path / (f"%2E{name[1:]}" if name.startswith(".") else name or "%")
        return self._path if self.single_slot else file

    def check(self) -> None:
        """Check that a token can be saved, by doing everything except the last step; see `TokenStore.check`."""
        with store_errors("cannot save a token to", self._path):
            if self.single_slot:
                self._check_file()
            elif _files.has_mode_bits(self._path, stat.S_IWGRP | stat.S_IWOTH):
                raise PermissionError(errno.EPERM, "its group or everyone can write to it; run chmod go-w")
            _files.check_writable(self.path("token"), MAX_TOKEN_BYTES, mode=OWNER_ONLY)
        # A file keeps its owner, and not every process can give a new file to that owner.
        for path in [] if self.single_slot else _files.foreign_owned(self._path):
            with store_errors("cannot save a token to", path):
                _files.check_writable(path, MAX_TOKEN_BYTES, mode=OWNER_ONLY)

    def save(self, key: str, token: Token) -> None:
        """Save a token durably; see `TokenStore.save`."""
        path, new = self.path(key), False
        with store_errors("the token was not saved to", path):
            if self.single_slot and not self.overwrite:
                self._check_content()
                new = not os.path.lexists(path)
            # surrogatepass: a UnicodeEncodeError would contain the token.
            _files.replace(
                path, lambda: token.reveal().encode("utf-8", "surrogatepass") + b"\n", mode=OWNER_ONLY, new=new
            )

    def load(self, key: str) -> Token | None:
        """Return the saved token of a key; None if there is none. See `TokenStore.load`."""
        path = self.path(key)
        with store_errors("cannot read a token from", path):
            try:
                token = Token(_files.read(path).decode("utf-8", "replace").strip())
            except FileNotFoundError:
                return None
            return None if token == Token("") else token

    def _check_file(self) -> None:
        if _files.has_mode_bits(self._path.parent, stat.S_IWOTH):
            raise PermissionError(errno.EPERM, "everyone can write to its directory; use another directory")
        if os.path.lexists(self._path):
            found = self._path.lstat()
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
            if _files.is_planted(self._path) or (not found.st_size and found.st_uid != os.geteuid()):
                raise PermissionError(errno.EPERM, "it belongs to another user, who could read the token; remove it")
            if not self.overwrite:
                self._check_content()

    def _check_content(self) -> None:
        if (token := self.load("")) is not None and token_problem(token):
            raise FileExistsError(errno.EEXIST, "it contains something else; remove it, or pass overwrite=True")

    def __repr__(self) -> str:
        return f"FileStore({'file=' if self.single_slot else ''}{str(self._path)!r})"
