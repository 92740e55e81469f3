"""What goes wrong on a token's way to its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import IncidentIOError
from ..tokens import Token


class StoreUnavailableError(IncidentIOError):
    """A store cannot take a token, or cannot give it back. Stores raise it; its message holds no token."""


class StorageError(IncidentIOError):
    """A token was not brought to its place, or it is not known whether it was.

    Attributes:
        token: The token that was issued, if one was and is known: store it, the API will not show it again. It does not
            travel with a pickled exception.
        key_id: The ID of the key, where it is known.
        entry: What the journal says of it, for `resume` to go on with; None if nothing is left to do.
    """

    def __init__(
        self,
        message: str,
        *,
        token: Token | None = None,
        key_id: str | None = None,
        entry: Path | None = None,
        may_have_applied: bool = False,
    ) -> None:
        super().__init__(message)
        self.token = token
        self.key_id = key_id
        self.entry = entry
        self.may_have_applied = may_have_applied

    def _state(self) -> dict[str, Any]:
        # A pickle is a file, or a message to another process: no place for a secret.
        return {**self.__dict__, "token": None}


class KeyBusyError(StorageError):
    """Another process or thread is at the same key, or at the one place of the store. Nothing was done."""


def token_of(error: IncidentIOError | None) -> Token | None:
    """The token that an error has, if it has one."""
    return getattr(error, "token", None)
