"""Tokens that do not reveal their secret by accident, and the sources that tokens come from."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

from attrs import frozen

from incident_io_keys_generated.models import APIKey

from ._redaction import REDACTED, plain_str

TOKEN_VARIABLE: Final = "INCIDENT_API_KEY"  # noqa: S105 - the name of a variable


class Token:
    """A bearer token. Its `repr`, `str` and `format` do not contain the secret.

    It cannot be pickled, encoded as JSON or iterated. Comparing two tokens takes constant time. `reveal` is the one way
    to the plain text.

    Args:
        plain: The token's plain text.

    Raises:
        TypeError: `plain` is not a string. The message does not contain it.
    """

    __slots__ = ("_plain",)
    _plain: str

    def __init__(self, plain: str) -> None:
        if not isinstance(plain, str):
            kind = type(plain).__name__
            del plain  # a traceback can show locals, and this may be a secret as bytes
            raise TypeError(f"a token is made from a str, not from {kind}")
        object.__setattr__(self, "_plain", plain_str(plain))

    def reveal(self) -> str:
        """Return the plain text. Handle it with care."""
        return self._plain

    def __repr__(self) -> str:
        return f"Token({REDACTED})"

    def __format__(self, format_spec: str) -> str:
        return format(repr(self), format_spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Token):
            return NotImplemented
        # surrogatepass: comparing must not fail for any str.
        return hmac.compare_digest(
            self._plain.encode("utf-8", "surrogatepass"), other._plain.encode("utf-8", "surrogatepass")
        )

    def __hash__(self) -> int:
        return hash((Token, self._plain))

    def __setattr__(self, *_: object) -> NoReturn:
        raise AttributeError("a Token cannot be changed")

    __delattr__ = __setattr__

    def __copy__(self, *_: object) -> Token:
        return self

    __deepcopy__ = __copy__

    def __reduce_ex__(self, *_: object) -> NoReturn:
        raise TypeError("a Token cannot be pickled: the pickle would contain its secret")

    __getstate__ = __reduce_ex__


@frozen
class IssuedKey:
    """A key and its new token, which the API returns only once.

    Attributes:
        api_key: The key.
        token: Its token; `token.reveal()` returns the plain text. Store it before anything else.
    """

    api_key: APIKey
    token: Token


@frozen
class _NamedSource:
    name: str
    read: Callable[[], str | None]

    def __call__(self) -> Token:
        return Token(self.read() or "")

    def __str__(self) -> str:
        return self.name


def _read_file(path: Path) -> str:
    # Invalid UTF-8 becomes U+FFFD, which no header can carry, so that the token is rejected.
    return path.read_bytes().decode("utf-8", "replace").strip()


def env_token(name: str = TOKEN_VARIABLE) -> Callable[[], Token]:
    """Return a token source that reads an environment variable before every request.

    Args:
        name: The variable's name.
    """
    return _NamedSource(f"the environment variable {name}", partial(os.getenv, name))


def file_token(path: str | os.PathLike[str]) -> Callable[[], Token]:
    """Return a token source that reads a file, such as a mounted secret, before every request.

    A new token in the file is used from the next request on. If the API rejects a request with 401 and the file has
    another token by then, the client sends the request again: a service needs no restart for a rotation. Replace the
    file as a whole (write another file and rename it), so that no reader finds it empty.

    Args:
        path: The file. It contains the bare token; white space around it is ignored.
    """
    return _NamedSource(f"the file {path}", partial(_read_file, Path(path)))
