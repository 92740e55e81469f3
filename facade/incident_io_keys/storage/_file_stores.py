"""Stores that keep tokens in files: one for each key, or one line of a dotenv file.

No local of a function here that can fail holds what is in a file: a traceback that shows locals would show it.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final
from urllib.parse import quote

from .._redaction import plain_str
from .._validation import raise_if_invalid
from ..errors import Problem
from ..tokens import Token
from . import _files
from ._errors import StoreUnavailableError
from ._validation import check_path

# More than a file with one token has, and what the journal says of it.
SIZE: Final = 65536
PRIVATE: Final = stat.S_IRUSR | stat.S_IWUSR

# What stands in a dotenv file as it is, whatever reads it.
_BARE: Final = re.compile(r"[0-9A-Za-z_.+/=:@%-]+")
# A value in quotes, of one line or several, with nothing behind it but a comment.
_QUOTED: Final = rb"""(?:"(?:[^"\\]|\\.)*+"|'[^']*+'|`[^`]*+`)(?=[ \t]*(?:#|\r|\n|\Z))"""
_VARIABLE: Final = re.compile(r"[A-Za-z_][0-9A-Za-z_]*")


class FileStore:
    """Keeps each token in a file of its own, named by the key's ID, that only its owner can read.

    A file is replaced as a whole: who reads it, with `file_token(store.path(id))`, say, finds the token of before or
    the new one. An existing file keeps its owner.

    Args:
        directory: Where the files are. It has to exist, and nobody but its owner may write to it.

    Raises:
        InvalidRequestError: `directory` is no path.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        problems: list[Problem] = []
        self._directory = check_path("directory", directory, problems)
        raise_if_invalid("the store was not made", problems)

    @property
    def journal(self) -> Path:
        """Where it is written what is not finished."""
        return self._directory / ".incident-io-keys-journal"

    def path(self, key: str) -> Path:
        """The file that has the token of a key.

        Args:
            key: The key's ID.
        """
        name = quote(key, safe="", errors="surrogatepass")
        # An ID of no letters would be the directory itself.
        return self._directory / (f"%2E{name[1:]}" if name.startswith(".") else name or "%")

    def check(self) -> None:
        """Find out whether a token could be stored now, by doing all of it but the last step.

        Raises:
            StoreUnavailableError: It could not.
        """
        path = self._directory
        try:
            if _files.is_open_to(self._directory, stat.S_IWGRP | stat.S_IWOTH):
                message = "can be written to by its group or everyone: take that from them (chmod go-w)"
                raise StoreUnavailableError(f"{self._directory} {message}")
            _files.rehearse(self._directory / "token", SIZE, mode=PRIVATE)
            # What is there keeps its owner, which not everyone can see to.
            for path in _files.of_others(self._directory):
                _files.rehearse(path, SIZE, mode=PRIVATE)
        except OSError as error:
            raise failed("would not be kept", path, error) from None

    def save(self, key: str, token: Token) -> None:
        """Keep a token, so that it outlives a crash.

        Args:
            key: The key's ID.
            token: Its token.

        Raises:
            StoreUnavailableError: It cannot be kept. What was kept before is still there.
        """
        write_token(self.path(key), token)

    def load(self, key: str) -> Token | None:
        """Give the token that is kept for a key.

        Args:
            key: The key's ID.

        Raises:
            StoreUnavailableError: The file cannot be read.
        """
        return read_token(self.path(key))

    def __repr__(self) -> str:
        return f"FileStore({str(self._directory)!r})"


class DotenvStore:
    """Keeps the token of one key in a line of a dotenv file. The other lines stay as they are.

    The file is replaced as a whole, and keeps its owner and rights; a new one only its owner can read. Use one store,
    and one variable, for one key: the token of another key would take its place. Beside the file, a hidden one is
    locked while the file is changed, and stays.

    Args:
        path: The file. Its directory has to exist, and not everyone may write to it.
        variable: What the line sets.

    Raises:
        InvalidRequestError: `path` is no path, or `variable` no name of a variable.
    """

    def __init__(self, path: str | os.PathLike[str], variable: str = "INCIDENT_API_KEY") -> None:
        problems: list[Problem] = []
        self._path = check_path("path", path, problems)
        name: object = variable
        self._variable = plain_str(name) if isinstance(name, str) else ""
        if not _VARIABLE.fullmatch(self._variable):
            problems.append(Problem("variable", "takes letters, digits and underscores, a digit not first"))
        raise_if_invalid("the store was not made", problems)
        # What a link points to is replaced, and not the link. Path.resolve fails with a link to itself.
        self._path = Path(os.path.realpath(self._path))
        # Or the quoted value of another variable: where it has several lines, one of them can look like ours.
        self._line = re.compile(
            rb"^(?:([ \t]*(?:export[ \t]+)?%b[ \t]*=)([^\r\n]*)|[^\r\n=#]*=[ \t]*%b)"
            % (self._variable.encode(), _QUOTED),
            re.MULTILINE | re.DOTALL,
        )

    single_slot: Final = True

    @property
    def journal(self) -> Path:
        """Where it is written what is not finished."""
        return self._path.parent / f".{self._path.name}.{self._variable}-journal"

    def check(self) -> None:
        """Find out whether a token could be stored now, by doing all of it but the last step.

        Raises:
            StoreUnavailableError: It could not.
        """
        try:
            if _files.is_open_to(self._path.parent, stat.S_IWOTH):
                raise StoreUnavailableError(
                    f"everyone can write to {self._path.parent}: take that from others (chmod o-w)"
                )
            with _files.alone(self._path):
                size = len(self._read()) + SIZE
                if self._path.exists() and _files.is_open_to(self._path, stat.S_IRWXO):
                    raise StoreUnavailableError(f"{self._path} is open to everyone: take that from others (chmod o=)")
                self._refuse_what_is_ambiguous()
                _files.rehearse(self._path, size, mode=self._mode())
        except OSError as error:
            raise failed("would not be kept", self._path, error) from None

    def save(self, key: str, token: Token) -> None:  # noqa: ARG002 - it keeps one
        """Keep a token, so that it outlives a crash.

        Args:
            key: The key's ID. It is not written down.
            token: Its token.

        Raises:
            StoreUnavailableError: It cannot be kept. What was kept before is still there.
        """
        if not _BARE.fullmatch(token.reveal()):
            raise StoreUnavailableError("the token has characters that programs read differently in a dotenv file")
        try:
            with _files.alone(self._path):
                self._refuse_what_is_ambiguous()
                _files.replace(self._path, lambda: self._with(token), mode=self._mode())
        except OSError as error:
            raise failed("was not kept", self._path, error) from None

    def load(self, key: str) -> Token | None:  # noqa: ARG002 - it keeps one
        """Give the token that is kept.

        Args:
            key: The ID of its key.

        Raises:
            StoreUnavailableError: The file cannot be read.
        """
        try:
            return self._value()
        except OSError as error:
            raise failed("cannot be read", self._path, error) from None

    def _read(self) -> bytes:
        try:
            return _files.read(self._path)
        except FileNotFoundError:
            return b""

    def _mode(self) -> int:
        return stat.S_IMODE(self._path.stat().st_mode) if self._path.exists() else PRIVATE

    def _refuse_what_is_ambiguous(self) -> None:
        self._value()
        if self._continues_another():
            message = f"a backslash ends the line before {self._variable}, which belongs to that line for some programs"
            raise StoreUnavailableError(f"{self._path}: {message}")

    def _continues_another(self) -> bool:
        text = self._read()
        ours = next((line.start() for line in self._line.finditer(text) if line[1]), len(text))
        return text[:ours].removesuffix(b"\n").removesuffix(b"\r").endswith(b"\\")

    def _value(self) -> Token | None:
        lines = self._line.findall
        found = [_unquoted(Token(value.decode("latin-1"))) for ours, value in lines(self._read()) if ours]
        if len(found) > 1:
            raise StoreUnavailableError(f"{self._path} sets {self._variable} {len(found)} times: leave one of them")
        if not found or found[0] == Token(""):
            return None
        [token] = found
        if not _BARE.fullmatch(token.reveal()):
            raise StoreUnavailableError(
                f"{self._path} sets {self._variable} to what is no token: put it in one line, bare"
            )
        return token

    def _with(self, token: Token) -> bytes:
        before = self._read()  # which can fail, and comes before there is a local to show
        value = token.reveal().encode()
        if any(line[1] for line in self._line.finditer(before)):
            return self._line.sub(lambda line: line[1] + value if line[1] else line[0], before)
        end = b"" if not before or before.endswith(b"\n") else b"\n"
        return b"%b%b%b=%b\n" % (before, end, self._variable.encode(), value)

    def __repr__(self) -> str:
        return f"DotenvStore({str(self._path)!r}, {self._variable!r})"


def _unquoted(value: Token) -> Token:
    match = re.fullmatch(r"""\s*(['"])(.*?)\1\s*(?:\s#.*)?|(.*?)(?:\s#.*)?""", value.reveal())
    return value if match is None else Token(match[2] if match[1] else match[3].strip())


def write_token(path: Path, token: Token, *, new: bool = False) -> None:
    """Put a token into a file of its own, as `file_token` reads it, that only its owner can read.

    Args:
        path: The file.
        token: The token.
        new: Whether there may be no such file so far.

    Raises:
        StoreUnavailableError: It cannot be done. What was in the file before is still there.
    """
    try:
        # surrogatepass: what cannot be encoded would be in the exception that says so.
        _files.replace(path, lambda: token.reveal().encode("utf-8", "surrogatepass") + b"\n", mode=PRIVATE, new=new)
    except OSError as error:
        raise failed("was not kept", path, error) from None


def read_token(path: Path) -> Token | None:
    """Give the token of a file that holds nothing else; None if there is none.

    Raises:
        StoreUnavailableError: The file cannot be read.
    """
    try:
        token = Token(_files.read(path).decode("utf-8", "replace").strip())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise failed("cannot be read", path, error) from None
    return None if token == Token("") else token


def failed(what: str, path: Path, error: OSError) -> StoreUnavailableError:
    """Make the error for a token that a file could not take or give."""
    return StoreUnavailableError(f"a token {what} in {path}: {error.strerror or type(error).__name__}")
