"""Exceptions of token storage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import IncidentIOError
from ..tokens import Token


class StorageError(IncidentIOError):
    """The base of the exceptions of token storage.

    Attributes:
        key_id: The ID of the key; None if it is not known.
        entry: The journal's file for the operation; None if there is none.
    """

    key_id: str | None = None
    entry: Path | None = None


class StoreUnavailableError(StorageError):
    """The token store cannot save or load a token, or its journal cannot be written. Token stores raise it.

    If `create_into`, `rotate_into` or `rotate_due` raises it, no token was issued.
    """


class KeyBusyError(StorageError):
    """Another process or thread is working on this key, or on the store's single slot. Nothing was done."""


class PendingOperationError(StorageError):
    """An earlier operation is pending and must be completed first, by `resume`. Nothing was done."""


class AmbiguousOrphanError(StorageError):
    """The key that a lost create made cannot be identified with certainty. Nothing was changed.

    Attributes:
        candidates: The IDs of the keys that can be the one.
    """

    candidates: tuple[str, ...] = ()


class TokenNotStoredError(StorageError):
    """A token was issued, but is not known to be stored and to work. The journal has an entry for `resume`.

    Attributes:
        token: The issued token. Store it: the API does not show it again. A pickled exception does not contain it.
        saved: Whether the token store has the token, so that only the test call with it failed.
    """

    token: Token
    saved: bool = False

    def _state(self) -> dict[str, Any]:
        return {**self.__dict__, "token": None}  # a pickle goes to a file or to another process


def token_of(error: BaseException | None) -> Token | None:
    return getattr(error, "token", None)
