"""A keeper with one place: the token of a key that lives is not replaced by that of another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from incident_io_keys import InvalidRequestError, KeysClient
from incident_io_keys.custody import BusyError, CustodyError, EnvFileKeeper, create_into, resume, rotate_into
from incident_io_keys.testing import MockAPI, faults

from .doing import NEW, Do, failure, later, listed, works

OTHER = {**NEW, "name": "other bot"}


@pytest.fixture
def keeper(tmp_path: Path) -> EnvFileKeeper:
    return EnvFileKeeper(tmp_path / ".env")


def lose(do: Do, mock: MockAPI, keeper: EnvFileKeeper, operation: str, key_id: str = "") -> None:
    mock.fail_next(faults.Close(), operation=operation)
    if operation == "create":
        failure(do, create_into, keeper, **NEW)
    else:
        failure(do, rotate_into, keeper, key_id)


def test_it_takes_one_new_key(do: Do, keeper: EnvFileKeeper) -> None:
    issued = do(create_into, keeper, **NEW)
    assert isinstance(failure(do, create_into, keeper, **OTHER), InvalidRequestError)
    assert keeper.load("") == issued.token
    assert do(resume, keeper) == []
    assert [key.name for key in do(listed)] == ["Manager", NEW["name"]]


def test_what_is_not_finished_comes_first(do: Do, mock: MockAPI, keeper: EnvFileKeeper, key_id: str) -> None:
    lose(do, mock, keeper, "create")
    for error in (failure(do, create_into, keeper, **OTHER), failure(do, rotate_into, keeper, key_id)):
        assert type(error) is CustodyError
        assert str(error) == f"{error.entry} is not finished: call resume(client, keeper) first"
    [found] = do(resume, keeper)
    lost = next(key for key in do(listed) if key.name == NEW["name"])
    assert (found.state, found.key_id) == ("finished", lost.id)
    assert works(mock, keeper.load(lost.id))
    assert do(resume, keeper) == []


def test_a_token_that_was_put_there_by_hand_is_not_taken_for_that_of_a_lost_key(
    do: Do, mock: MockAPI, keeper: EnvFileKeeper
) -> None:
    lose(do, mock, keeper, "create")
    keeper.store("", mock.token)
    [found] = do(resume, keeper)
    assert found.state == "finished"
    assert keeper.load("") != mock.token
    assert works(mock, keeper.load(""))


def test_the_token_of_another_key_does_not_take_its_place(do: Do, keeper: EnvFileKeeper, key_id: str) -> None:
    issued = do(create_into, keeper, **NEW)
    error = failure(do, rotate_into, keeper, key_id)
    assert isinstance(error, InvalidRequestError)
    assert f"has the token of the key {issued.api_key.id}" in str(error)
    assert keeper.load("") == issued.token
    # Its own does, and so does another once the place is free.
    do(rotate_into, keeper, issued.api_key.id)
    (keeper.journal.parent / ".env").write_text("")
    assert do(rotate_into, keeper, key_id).token == keeper.load("")


def test_whose_token_it_has_is_known_after_what_did_not_happen_too(
    do: Do, mock: MockAPI, keeper: EnvFileKeeper, key_id: str
) -> None:
    issued = do(rotate_into, keeper, key_id)
    for fault in (faults.Status(403), faults.Close(applied=False)):
        mock.fail_next(fault, operation="rotate")
        failure(do, rotate_into, keeper, key_id)
    assert [found.state for found in do(resume, keeper, now=later())] == ["nothing"]
    other = mock.add_key("other").api_key.id
    assert isinstance(failure(do, rotate_into, keeper, other), InvalidRequestError)
    assert keeper.load("") == issued.token


def test_a_lost_rotation_is_made_again(do: Do, mock: MockAPI, keeper: EnvFileKeeper, key_id: str) -> None:
    before = do(rotate_into, keeper, key_id).token
    lose(do, mock, keeper, "rotate", key_id)
    assert [found.state for found in do(resume, keeper)] == ["finished"]
    assert keeper.load("") != before
    assert works(mock, keeper.load(""))


def test_two_at_once_do_not_take_each_other_s_place(
    do: Do, mock: MockAPI, keeper: EnvFileKeeper, key_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Any] = []
    store = keeper.store

    def meanwhile(*arguments: Any) -> None:
        with KeysClient(mock.token, transport=mock.transport()) as client:
            found.append(failure(create_into, client, keeper, **OTHER))
            found.append(failure(rotate_into, client, keeper, key_id))
            found.extend(each.error for each in resume(client, keeper))
        store(*arguments)

    monkeypatch.setattr(keeper, "store", meanwhile)
    issued = do(create_into, keeper, **NEW)
    assert [type(error) for error in found] == [BusyError] * 3
    assert keeper.load("") == issued.token


def test_the_place_of_a_key_that_is_no_more_is_free(do: Do, mock: MockAPI, keeper: EnvFileKeeper, key_id: str) -> None:
    issued = do(create_into, keeper, **NEW)
    lose(do, mock, keeper, "rotate", issued.api_key.id)
    with KeysClient(mock.token, transport=mock.transport()) as client:
        client.delete(issued.api_key.id)
    assert [found.state for found in do(resume, keeper, now=later())] == ["nothing"]
    assert do(rotate_into, keeper, key_id).token == keeper.load("")


def test_the_advice_of_a_doubtful_create_can_be_followed(do: Do, mock: MockAPI, keeper: EnvFileKeeper) -> None:
    lose(do, mock, keeper, "create")
    with KeysClient(mock.token, transport=mock.transport()) as client:
        client.create(**NEW)  # somebody else's, of the same name
    [found] = do(resume, keeper)
    assert found.state == "open"
    assert f"remove {found.entry} and bring it to the keeper with rotate_into" in found.advice
    mine, theirs = (key for key in do(listed) if key.name == NEW["name"])
    assert isinstance(failure(do, rotate_into, keeper, mine.id), CustodyError)
    found.entry.unlink()
    assert works(mock, do(rotate_into, keeper, mine.id).token)
    assert theirs.id != mine.id
