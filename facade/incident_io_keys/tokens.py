"""Tokens, which carry a secret and do not show it, and the sources that they come from."""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn, SupportsIndex

from attrs import frozen

from incident_io_keys_generated.models import APIKey

from ._validation import plain_str
from .errors import REDACTED

TOKEN_VARIABLE: Final = "INCIDENT_API_KEY"  # noqa: S105 - the name of a variable

# RFC 6750 lets fewer characters into a bearer token; the API's own rule is not documented, so that the bound is what a
# header can carry. White space is left out: it comes from a sloppy copy, and the API would see another token.
_HEADER_SAFE: Final = re.compile(r"[\x21-\x7e]+")


class Token:
    """A bearer token that does not show itself.

    Its `repr`, `str` and `format` show nothing of the secret, it cannot be pickled, encoded as JSON or iterated, and
    comparing two takes the same time wherever they differ. `reveal` is the one way to the plain text. Copies are the
    token itself.

    Args:
        plain: The token's plain text.

    Raises:
        TypeError: `plain` is no string. The message does not show it.
    """

    __slots__ = ("_plain",)
    _plain: str

    def __init__(self, plain: str) -> None:
        if not isinstance(plain, str):
            kind = type(plain).__name__
            del plain  # it may be a secret all the same (bytes, say), and a traceback can show locals
            raise TypeError(f"a token is made from a str, not from {kind}")
        object.__setattr__(self, "_plain", plain_str(plain))

    def reveal(self) -> str:
        """Return the plain text. Whoever calls this takes care of it."""
        return self._plain

    def __repr__(self) -> str:
        return f"Token({REDACTED})"

    def __format__(self, format_spec: str) -> str:
        return format(repr(self), format_spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Token):
            return NotImplemented
        # surrogatepass: whatever str it was made from, comparing must not fail.
        return hmac.compare_digest(
            self._plain.encode("utf-8", "surrogatepass"), other._plain.encode("utf-8", "surrogatepass")
        )

    def __hash__(self) -> int:
        return hash((Token, self._plain))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Token cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Token cannot be changed")

    def __copy__(self) -> Token:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Token:
        return self

    def __getstate__(self) -> NoReturn:
        self.__reduce_ex__(0)

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a Token cannot be pickled, since that would write its secret out")


@frozen
class _Environment:
    """What `env_token` gives."""

    name: str

    def __call__(self) -> Token:
        return Token(os.environ.get(self.name, ""))

    def __str__(self) -> str:
        return f"the environment variable {self.name}"


@frozen
class _File:
    """What `file_token` gives."""

    path: Path

    def __call__(self) -> Token:
        # Read each time: that takes a fraction of what a request takes, and no way of telling that a file has changed
        # is sure. Bytes that are no text become what no header carries.
        return Token(self.path.read_bytes().decode("utf-8", "replace").strip())

    def __str__(self) -> str:
        return f"the file {self.path}"


def env_token(name: str = TOKEN_VARIABLE) -> Callable[[], Token]:
    """A token source: an environment variable, looked up before every request.

    Args:
        name: The variable's name.
    """
    return _Environment(name)


def file_token(path: str | os.PathLike[str]) -> Callable[[], Token]:
    """A token source: a file, such as a mounted secret, read before every request.

    A token that is put into the file is used from the next request on, and a request that the API refuses with 401
    is sent once more if the file has another token by then: a service lives through a rotation without a restart.
    Whoever writes the file should replace it as a whole (write another one, and rename that), since a reader could
    otherwise find it empty.

    Args:
        path: The file. It holds the bare token; white space around it does not count.
    """
    return _File(Path(path))


@frozen
class IssuedKey:
    """What creating or rotating a key gives: the key, and its token, which the API never shows again.

    Attributes:
        api_key: The key.
        token: Its token; `token.reveal()` gives the plain text. Store it before anything else.
    """

    api_key: APIKey
    token: Token


def is_usable(token: Token) -> bool:
    """Whether a request can carry the token: it is not empty, and all of it is visible ASCII."""
    return _HEADER_SAFE.fullmatch(token.reveal()) is not None
