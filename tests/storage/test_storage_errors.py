"""What the exceptions of storage have as attributes, and what a pickle contains."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from incident_io_keys import IncidentIOError, Token
from incident_io_keys.storage import (
    AmbiguousOrphanError,
    KeyBusyError,
    PendingOperationError,
    StorageError,
    StoreUnavailableError,
    TokenNotStoredError,
)

from ..conftest import CANARY
from ..hiding import renderings

ERROR = TokenNotStoredError(
    "lost", token=Token(CANARY), key_id="a", entry=Path("journal/a.json"), may_have_applied=True
)


def test_a_token_is_an_attribute_and_in_no_text() -> None:
    assert ERROR.token == Token(CANARY)
    assert copy.copy(ERROR).token == copy.deepcopy(ERROR).token == Token(CANARY)
    with pytest.raises(StorageError) as caught:
        raise ERROR
    assert CANARY not in renderings(caught.value)


def test_a_pickle_has_everything_but_the_token() -> None:
    again = pickle.loads(pickle.dumps(ERROR))  # noqa: S301
    assert isinstance(again, TokenNotStoredError)
    assert (str(again), again.key_id, again.entry) == ("lost", "a", Path("journal/a.json"))
    assert not isinstance(again.token, Token)
    assert (again.may_have_applied, again.saved) == (True, False)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (StorageError, "storage"),
        (StoreUnavailableError, "store_unavailable"),
        (KeyBusyError, "key_busy"),
        (PendingOperationError, "pending_operation"),
        (AmbiguousOrphanError, "ambiguous_orphan"),
        (TokenNotStoredError, "token_not_stored"),
    ],
)
def test_each_exception_has_a_code(kind: type[StorageError], code: str) -> None:
    assert issubclass(kind, StorageError)
    assert issubclass(kind, IncidentIOError)
    error = kind("failed")
    assert (error.code, error.key_id, error.entry, error.may_have_applied) == (code, None, None, False)
