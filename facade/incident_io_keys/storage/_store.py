"""What a store is: the place that a token goes to."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ..tokens import Token


class TokenStore(Protocol):
    """The place that tokens go to. Any object with these methods is one, and may raise whatever it likes.

    Two stores that share a place, in processes or threads, have to share `journal` too: it is what keeps them from
    rotating the same key at once. Threads can share a store.

    Attributes:
        journal: A directory of this machine for what is not finished: what was about to be done to which key, and when,
            and never a token. It is made if it is not there; its parent has to be.

    One that has a place for one token alone, whatever key it is of, says so by an attribute `single_slot` that is True:
    then the token of a key does not take the place of another's.
    """

    @property
    def journal(self) -> Path: ...

    def check(self) -> None:
        """Find out whether a token could be stored now. It is asked before one is issued.

        Raises:
            StoreUnavailableError: It could not.
        """

    def save(self, key: str, token: Token) -> None:
        """Keep a token for good, in the place of the one that was kept for the same key.

        Args:
            key: The key's ID.
            token: Its token.

        Raises:
            StoreUnavailableError: It cannot be kept.
        """

    def load(self, key: str) -> Token | None:
        """Give the token that is kept for a key.

        Args:
            key: The key's ID.

        Returns:
            The token; None if none is kept.

        Raises:
            StoreUnavailableError: It is not known whether there is one.
        """
