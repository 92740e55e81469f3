"""A store that keeps tokens in the keyring of the operating system, by the library `keyring` (extra `[keyring]`)."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from .._error_mapping import strip_tracebacks
from .._validation import raise_if_invalid
from ..errors import InvalidRequestError, Problem
from ..tokens import Token
from ._errors import StoreUnavailableError
from ._validation import check_path

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

# What is written and removed again to see whether that works. Each check has its own, since others run meanwhile.
_PROBE: Final = "incident-io-keys-check-"


T = TypeVar("T")


class KeyringStore:
    """Keeps each token in the keyring of the operating system, under the key's ID.

    Args:
        service: The name under which the keyring has them.
        journal: A directory for what is not finished; its parent has to exist.
        backend: A backend of the library `keyring`; without it, the one that the library chooses.

    Raises:
        InvalidRequestError: The library is not installed or cannot choose, `backend` is a class, or `journal` no path.
    """

    def __init__(
        self,
        service: str = "incident-io-keys",
        *,
        journal: str | os.PathLike[str],
        backend: KeyringBackend | None = None,
    ) -> None:
        self._service = service  # first: a traceback with locals shows the store also while it is refused
        problems: list[Problem] = []
        self._journal = check_path("journal", journal, problems)
        if isinstance(backend, type):
            problems.append(Problem("backend", "is a class", f"give an instance of it: {backend.__name__}()"))
        raise_if_invalid("the store was not made", problems)
        self._backend = _chosen() if backend is None else backend

    @property
    def journal(self) -> Path:
        """Where it is written what is not finished."""
        return self._journal

    def check(self) -> None:
        """Find out whether a token could be stored now, by storing what is none and removing it again.

        Raises:
            StoreUnavailableError: It could not.
        """
        probe = _PROBE + secrets.token_hex(8)

        def check() -> bool:
            kept = False
            self._backend.set_password(self._service, probe, probe)
            try:
                kept = self._backend.get_password(self._service, probe) == probe
            finally:
                try:
                    self._backend.delete_password(self._service, probe)
                except Exception:
                    if kept:  # else that it was not is what is wrong
                        raise
            return kept

        what = "would not be kept"
        if not self._done(what, check):
            raise self._failed(what, "it does not give back what it took")

    def save(self, key: str, token: Token) -> None:
        """Keep a token.

        Args:
            key: The key's ID.
            token: Its token.

        Raises:
            StoreUnavailableError: It cannot be kept.
        """
        self._done("was not kept", lambda: self._backend.set_password(self._service, key, token.reveal()), token)

    def load(self, key: str) -> Token | None:
        """Give the token that is kept for a key.

        Args:
            key: The key's ID.

        Raises:
            StoreUnavailableError: The keyring cannot be read.
        """
        token = self._done("cannot be read", lambda: Token(self._backend.get_password(self._service, key) or ""))
        return None if token == Token("") else token

    def _done(self, what: str, do: Callable[[], T], token: Token | None = None) -> T:
        outer = sys.exception()
        try:
            return do()
        except Exception as error:  # noqa: BLE001 - whatever a backend comes up with
            # Of the library's own errors, that the backend does not work here is the most likely.
            ours = any(kind.__name__ == "KeyringError" for kind in type(error).__mro__)
            failure = type(error).__name__ + ("; choose another one with backend=..." if ours else "")
        except BaseException as error:  # an interrupt: it goes on, but its frames do not
            strip_tracebacks(error, token, outer=outer)
            raise
        # Not where the backend's exception is handled: it would hang on this one, and its frames hold the token.
        raise self._failed(what, failure)

    def _failed(self, what: str, failure: str) -> StoreUnavailableError:
        return StoreUnavailableError(f"a token {what} in the keyring {type(self._backend).__name__}: {failure}")

    def __repr__(self) -> str:
        return f"KeyringStore({self._service!r})"


def _chosen() -> KeyringBackend:
    try:
        import keyring
    except ImportError:
        problem = Problem("keyring", "is not installed", "pip install 'incident-io-keys[keyring]'")
        raise InvalidRequestError("the store was not made", [problem]) from None
    try:
        return keyring.get_keyring()
    except Exception as error:  # noqa: BLE001 - backends, and what configures them, are anybody's
        failure = type(error).__name__
    problem = Problem("backend", f"cannot be chosen by the library keyring: {failure}", "give backend=...")
    raise InvalidRequestError("the store was not made", [problem])
