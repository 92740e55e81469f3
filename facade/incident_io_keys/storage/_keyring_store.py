"""The token store that saves tokens in the keyring of the operating system. It needs the library `keyring`."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from .._validation import raise_if_invalid
from ..errors import InvalidRequestError, Problem
from ..tokens import Token
from ._adapters import call_user_code
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

        if not self._call("cannot save a token to", check):
            name = type(self._backend).__name__
            raise StoreUnavailableError(f"cannot save a token to the keyring {name}: it does not return what it saved")

    def save(self, key: str, token: Token) -> None:
        """Save a token; see `TokenStore.save`."""
        save = lambda: self._backend.set_password(self._service, key, token.reveal())  # noqa: E731
        self._call("the token was not saved to", save, token)

    def load(self, key: str) -> Token | None:
        """Return the saved token of a key; None if there is none. See `TokenStore.load`."""
        load = lambda: Token(self._backend.get_password(self._service, key) or "")  # noqa: E731
        token = self._call("cannot read a token from", load)
        return None if token == Token("") else token

    def _call(self, failed: str, function: Callable[[], T], token: Token | None = None) -> T:
        failed = f"{failed} the keyring {type(self._backend).__name__}: "
        # The text of a backend's exception can contain the token in another form.
        result: T = call_user_code(function, token=token, failed=failed, quote=False)
        return result

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
