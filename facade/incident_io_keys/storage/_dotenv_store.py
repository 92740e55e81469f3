"""The token store that saves the token of one key in a line of a dotenv file.

The content of the file is wrapped in a `Token`, so that a traceback that shows local variables does not show it.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from typing import Final, TypeAlias

from .._validation import check_text, raise_if_invalid
from ..errors import Problem
from ..tokens import Token
from . import _files
from ._errors import StoreUnavailableError
from ._file_store import MAX_TOKEN_BYTES, OWNER_ONLY, store_errors
from ._validation import check_path

_Found: TypeAlias = tuple[int, int, Token]  # where the variable's value begins and ends, and the token in it
_VARIABLE: Final = re.compile(r"[A-Za-z_][0-9A-Za-z_]*")
_PLAIN: Final = "[0-9A-Za-z_.+/=:@%-]"  # a character that every program reads as it is
_VALUE: Final = re.compile(rf"""[ \t]*(?P<quote>['"]?)(?P<token>{_PLAIN}*)(?P=quote)(?:[ \t]+(?:#.*)?)?""")
_NOT_UTF_8: Final = re.compile(r"\A\ufeff|[\0\udc80-\udcff]")  # surrogateescape makes surrogates of bytes
# A statement as python-dotenv reads it, up to the end of a line; or any other line.
_STATEMENT: Final = re.compile(
    r"""
    ^[^\S\n]*+ (?:export[^\S\n]++)?+ (?:'[^']++'|(?!')[^=\#\s]++) [^\S\n]*+
        (?: = [^\S\n]*+ (?:'(?:\\.|[^'\\])*+(?<!\\)'|"(?:\\.|[^"\\])*+(?<!\\)"|`[^`\n]*+`|(?P<open>['"`])?) )?+ [^\n]* |
    ^[^\n]+
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)


class DotenvStore:
    """Saves the token of one key in a line of a dotenv file. The other lines stay as they are.

    The file is replaced atomically, and keeps its owner and mode. Only its owner can read a new file. A hidden lock
    file stays beside it. A file that programs (python-dotenv, shells, Docker, systemd) read differently is rejected.

    Args:
        path: The file. Its directory must exist, and not everyone may write to it. If it is a link, its target is used.
        variable: The name of the variable. Use it for one key only.

    Raises:
        InvalidRequestError: An argument is invalid.
    """

    single_slot: Final = True

    def __init__(self, path: str | os.PathLike[str], variable: str = "INCIDENT_API_KEY") -> None:
        problems: list[Problem] = []
        self._path = Path(os.path.realpath(check_path("path", path, problems)))
        self._variable = check_text("variable", variable, problems, low=1)
        if self._variable and not _VARIABLE.fullmatch(self._variable):
            problems.append(Problem("variable", "takes letters, digits and underscores, not beginning with a digit"))
        raise_if_invalid("the store was not created", problems)
        self.journal = self._path.parent / f".{self._path.name}.{self._variable}-journal"

    def check(self) -> None:
        """Check that a token can be saved, by doing everything except the last step; see `TokenStore.check`."""
        with store_errors("cannot save a token to", self._path):
            if _files.has_mode_bits(self._path.parent, stat.S_IWOTH):
                raise PermissionError(errno.EPERM, "everyone can write to its directory; run chmod o-w on it")
            with _files.file_lock(self._path):
                content, _ = self._read()
                if _files.is_planted(self._path):
                    raise PermissionError(
                        errno.EPERM, "it belongs to another user, who could read the token; remove it"
                    )
                if self._mode() & stat.S_IRWXO:
                    raise PermissionError(errno.EPERM, "everyone can use the file; run chmod o= on it")
                _files.check_writable(self._path, len(content.reveal().encode()) + MAX_TOKEN_BYTES, mode=self._mode())

    def save(self, key: str, token: Token) -> None:  # noqa: ARG002 - it holds a single token
        """Save a token durably; see `TokenStore.save`. The key's ID is not saved."""
        if not re.fullmatch(f"{_PLAIN}+", token.reveal()):
            raise StoreUnavailableError("the token has characters that programs read differently in a dotenv file")
        with store_errors("the token was not saved to", self._path), _files.file_lock(self._path):
            content, found = self._read()
            _files.replace(self._path, lambda: _edit(content, found, self._variable, token), mode=self._mode())

    def load(self, key: str) -> Token | None:  # noqa: ARG002 - it holds a single token
        """Return the saved token, whatever its key; None if there is none. See `TokenStore.load`."""
        with store_errors("cannot read a token from", self._path):
            _, found = self._read()
            return found[2] if found and found[2] != Token("") else None

    def _read(self) -> tuple[Token, _Found | None]:
        try:
            content = Token(_files.read(self._path).decode("utf-8", "surrogateescape"))
        except FileNotFoundError:
            content = Token("")
        found = _find(content, self._variable)
        if isinstance(found, str):
            raise OSError(errno.EINVAL, found)
        return content, found

    def _mode(self) -> int:
        return stat.S_IMODE(self._path.stat().st_mode) if self._path.exists() else OWNER_ONLY

    def __repr__(self) -> str:
        return f"DotenvStore({str(self._path)!r}, {self._variable!r})"


# The following functions hold plain text in local variables, so they must not raise.


def _find(content: Token, variable: str) -> _Found | str | None:
    """Return the value of a variable; None if the variable is not set; or the problem of the file."""
    text = content.reveal()
    if _NOT_UTF_8.search(text):
        return "it has a byte order mark or is not UTF-8; save the file as UTF-8 without a byte order mark"
    if re.search(r"\r(?!\n)", text):
        return "it has a carriage return without a line feed; save the file with line feeds"
    name = rf"\b{variable}\b"
    assignment = re.compile(rf"[ \t]*(?:export[ \t]+)?{variable}[ \t]*=")
    # Not in a comment: in a name, before another equals sign, or in one of several lines.
    ambiguous = re.compile(rf"(?as)(?![ \t]*#)([^=]*|.*(?={name}:?=)|(?=.*\n).*){name}")
    found = []
    for statement in _STATEMENT.finditer(text):
        begin, end = statement.start(), statement.end() - statement[0].endswith("\r")
        head = assignment.match(text, begin)
        if head and (value := _VALUE.fullmatch(text, head.end(), end)):
            found.append((head.end(), end, Token(value["token"])))
            continue
        if statement["open"]:
            problem = "has a quote that is not closed, or is closed after a backslash"
        elif head:
            problem = f"sets {variable} to something other than a token; write {variable}=TOKEN"
        elif ambiguous.match(statement[0]):
            problem = f"contains {variable} in a form that programs read differently; remove it"
        else:
            continue
        return f"line {text.count(chr(10), 0, begin) + 1} {problem}"
    if len(found) > 1:
        return f"it sets {variable} {len(found)} times; keep one of the lines"
    line = text.rfind("\n", 0, found[0][0]) + 1 if found else len(text)
    if re.search(r"\\\r?\n?\Z", text[:line]):
        return f"a backslash ends the line before {variable}, which continues it for some programs; remove it"
    return found[0] if found else None


def _edit(content: Token, found: _Found | None, variable: str, token: Token) -> bytes:
    text = content.reveal()
    if found:
        return f"{text[: found[0]]}{token.reveal()}{text[found[1] :]}".encode()
    line_break = "\n" if text and not text.endswith("\n") else ""
    return f"{text}{line_break}{variable}={token.reveal()}\n".encode()
