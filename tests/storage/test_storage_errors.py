"""What the exceptions of storage carry, and what of it goes into a pickle."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from incident_io_keys import IncidentIOError, Token
from incident_io_keys.storage import StorageError, StoreUnavailableError

from ..conftest import CANARY
from ..hiding import renderings

ERROR = StorageError("lost", token=Token(CANARY), key_id="a", entry=Path("journal/a.json"), may_have_applied=True)


def test_a_token_is_on_the_error_and_not_in_what_it_shows() -> None:
    assert ERROR.token == Token(CANARY)
    assert copy.copy(ERROR).token == copy.deepcopy(ERROR).token == Token(CANARY)
    with pytest.raises(StorageError) as caught:
        raise ERROR
    assert CANARY not in renderings(caught.value)


def test_a_pickle_has_all_but_the_token() -> None:
    again = pickle.loads(pickle.dumps(ERROR))  # noqa: S301
    assert isinstance(again, StorageError)
    assert (str(again), again.token, again.key_id, again.entry) == ("lost", None, "a", Path("journal/a.json"))
    assert again.may_have_applied


def test_all_that_goes_wrong_is_an_error_of_the_package() -> None:
    assert isinstance(ERROR, IncidentIOError)
    assert isinstance(StoreUnavailableError("full"), IncidentIOError)
    assert not StoreUnavailableError("full").may_have_applied
    busy = StorageError("busy")
    assert (busy.token, busy.key_id, busy.entry, busy.may_have_applied) == (None, None, None, False)
