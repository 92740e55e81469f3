"""The token store that saves tokens in the keyring of the operating system. It needs the library `keyring`."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from .._error_mapping import strip_tracebacks
from .._validation import raise_if_invalid
from ..errors import InvalidRequestError, Problem
from ..tokens import Token
from ._errors import StoreUnavailableError
from ._validation import check_path

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

T = TypeVar("T")
# The entry that a check saves and deletes. Each check adds a random number, since another one may run.
_PROBE: Final = "incident-io-keys-check-"


class KeyringStore:
    """Saves each token in the keyring of the operating system, under the ID of its key.

    Args:
        service: The service name of the entries.
        journal: A directory for pending operations. Its parent must exist.
        backend: A backend of the library `keyring`. Default: the one that the library chooses.

    Raises:
        InvalidRequestError: The library is not installed or cannot choose a backend, or an argument is invalid.
    """

    def __init__(
        self,
        service: str = "incident-io-keys",
        *,
        journal: str | os.PathLike[str],
        backend: KeyringBackend | None = None,
    ) -> None:
        self._service = service  # first, for `repr`: a traceback with local variables shows the store
        problems: list[Problem] = []
        self.journal = check_path("journal", journal, problems)
        if isinstance(backend, type):
            problems.append(Problem("backend", "is a class", f"pass an instance: {backend.__name__}()"))
        raise_if_invalid("the store was not created", problems)
        self._backend = _default_backend() if backend is None else backend

    def check(self) -> None:
        """Check that a token can be saved, by saving and deleting an entry; see `TokenStore.check`."""
        probe = _PROBE + secrets.token_hex(8)

        def check() -> bool:
            loaded = False
            self._backend.set_password(self._service, probe, probe)
            try:
                loaded = self._backend.get_password(self._service, probe) == probe
            finally:
                try:
                    self._backend.delete_password(self._service, probe)
                except Exception:
                    if loaded:  # otherwise the other problem is the cause
                        raise
            return loaded

        what = "cannot save a token to"
        if not self._call(what, check):
            raise self._error(what, "it does not return what it saved")

    def save(self, key: str, token: Token) -> None:
        """Save a token; see `TokenStore.save`."""
        what = "the token was not saved to"
        self._call(what, lambda: self._backend.set_password(self._service, key, token.reveal()), token)

    def load(self, key: str) -> Token | None:
        """Return the saved token of a key; None if there is none. See `TokenStore.load`."""
        what = "cannot read a token from"
        token = self._call(what, lambda: Token(self._backend.get_password(self._service, key) or ""))
        return None if token == Token("") else token

    def _call(self, what: str, function: Callable[[], T], token: Token | None = None) -> T:
        outer = sys.exception()
        try:
            return function()
        except Exception as error:  # noqa: BLE001 - a backend can raise anything
            # The library's own errors mostly mean that the backend does not work on this machine.
            is_own = any(kind.__name__ == "KeyringError" for kind in type(error).__mro__)
            reason = type(error).__name__ + ("; choose another one with backend=..." if is_own else "")
        except BaseException as error:  # an interrupt continues without the frames of the backend
            strip_tracebacks(error, token, outer=outer)
            raise
        # Raised outside `except`: the backend's exception, whose frames hold the token, must not become its context.
        raise self._error(what, reason)

    def _error(self, what: str, reason: str) -> StoreUnavailableError:
        return StoreUnavailableError(f"{what} the keyring {type(self._backend).__name__}: {reason}")

    def __repr__(self) -> str:
        return f"KeyringStore({self._service!r})"


def _default_backend() -> KeyringBackend:
    try:
        import keyring
    except ImportError:
        problem = Problem("keyring", "is not installed", "pip install 'incident-io-keys[keyring]'")
        raise InvalidRequestError("the store was not created", [problem]) from None
    try:
        return keyring.get_keyring()
    except Exception as error:  # noqa: BLE001 - a backend or its configuration can raise anything
        reason = type(error).__name__
    problem = Problem("backend", f"the library keyring cannot choose one: {reason}", "pass backend=...")
    raise InvalidRequestError("the store was not created", [problem])
