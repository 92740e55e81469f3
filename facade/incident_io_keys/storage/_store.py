"""The interface of a token store."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ..tokens import Token


class TokenStore(Protocol):
    """Where tokens are saved. Any object with these attributes and methods is a token store.

    Its methods may raise any exception: the functions of this package convert it to a `StoreUnavailableError` without
    a token. They call a store from several threads, and with an async client never from the thread of the event loop.

    Two optional attributes: `single_slot = True` says that the store holds one token, whatever its key. The token of
    another key does not replace it, unless the store has `overwrite = True`.

    Attributes:
        journal: A directory for pending operations: the key, the operation and its time, never a token. It is created
            if it does not exist; its parent must exist. Stores with the same tokens must share it: it prevents two
            processes from rotating the same key at the same time.
    """

    @property
    def journal(self) -> Path: ...

    def check(self) -> None:
        """Check that a token can be saved. Called before a token is issued.

        Raises:
            StoreUnavailableError: It cannot.
        """

    def save(self, key: str, token: Token) -> None:
        """Save a token durably. It replaces the saved token of the same key.

        Args:
            key: The ID of the key.
            token: The token of the key.

        Raises:
            StoreUnavailableError: The token was not saved.
        """

    def load(self, key: str) -> Token | None:
        """Return the saved token of a key; None if there is none.

        Args:
            key: The ID of the key.

        Raises:
            StoreUnavailableError: It is not known whether there is one.
        """
