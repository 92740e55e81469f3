"""What a create left whose answer was lost: which key it is, and how a careful caller ends up with one that works."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from incident_io_keys import (
    IncidentIOError,
    InvalidRequestError,
    InvalidResponseError,
    IssuedKey,
    KeysClient,
    Token,
)
from incident_io_keys.storage import AmbiguousOrphanError, find_orphans, recover_orphan
from incident_io_keys.testing import MockAPI, faults

from ..conftest import CANARY
from .doing import Doing, named, sent, works

NAME = "deploy bot"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def mock() -> MockAPI:
    mock = MockAPI()
    mock.clock.freeze()
    return mock


@pytest.fixture
def manager(mock: MockAPI) -> str:
    [key] = named(mock, "Manager")
    return str(key.id)


def create(doing: Doing, keys: Any) -> Any:
    return doing(keys.create(name=NAME, role_names=["viewer"]))


def lose(doing: Doing, keys: Any, mock: MockAPI, *, applied: bool = True) -> Any:
    """Create a key whose answer never comes."""
    mock.fail_next(faults.Close(applied), operation="create")
    with pytest.raises(IncidentIOError) as caught:
        create(doing, keys)
    assert caught.value.may_have_applied
    return named(mock, NAME)[-1] if applied else None


def create_carefully(doing: Doing, keys: Any, mock: MockAPI, **arguments: Any) -> Token:
    """Do what the documentation advises until there is a token."""
    for _ in range(5):
        since = mock.clock.now()
        try:
            return create(doing, keys).token  # type: ignore[no-any-return]
        except IncidentIOError as error:
            if token := getattr(error, "token", None):
                return token  # type: ignore[no-any-return]
            if not error.may_have_applied:
                continue
        recovered = recover_carefully(doing, keys, since=since, **arguments)
        if isinstance(recovered, IssuedKey):
            return recovered.token
        if isinstance(recovered, Token):
            return recovered
    raise AssertionError("it takes too often")


def recover_carefully(doing: Doing, keys: Any, **arguments: Any) -> Any:
    for _ in range(5):
        try:
            return doing(recover_orphan(keys, name=NAME, **arguments))
        except InvalidResponseError as error:
            if error.token is not None:
                return error.token
        except IncidentIOError:
            pass
    raise AssertionError("it takes too often")


# The token is the last member: from about 0.88 of the answer on, a part of it is there.
SHARES = (0.0, 0.2, 0.5, 0.7, 0.8, 0.85, 0.88, 0.9, 0.93, 0.96, 0.98, 0.99, 0.995, 0.999)
FAULTS: list[faults.Fault] = [
    *map(faults.Status, (302, 400, 408, 429, 500, 502, 503, 504, 520)),
    *(kind(applied) for kind in (faults.Reset, faults.Close, faults.Hang) for applied in (True, False)),
    *map(faults.DropProperty, ("token", "api_key", "api_key.id", "api_key.name", "api_key.created_at")),
    *map(faults.Slow, (1, 29, 31, 100)),
    faults.RateLimited(1),
    faults.RateLimited(50),
    faults.UnknownRole(),
]
CUTS = [kind(keep) for keep in SHARES for kind in (faults.CutJSON, faults.ShortBody, faults.Drip)]
BY = pytest.mark.parametrize("by", ["rotate", "delete"])


@BY
@pytest.mark.parametrize("fault", [*FAULTS, *CUTS], ids=repr)
def test_whatever_becomes_of_a_create_there_is_one_key_in_the_end_and_its_token_works(
    doing: Doing, mock: MockAPI, keys: Any, by: str, fault: faults.Fault
) -> None:
    mock.fail_next(fault, operation="create")
    token = create_carefully(doing, keys, mock, by=by)
    assert mock.faults_left() == 0
    assert len(named(mock, NAME)) == 1
    assert works(mock, token)


OF_RECOVERIES = [
    (by, operation, fault)
    for by in ("rotate", "delete")
    for operation in ("list", by)
    for fault in (*FAULTS, faults.Status(404), *(CUTS if operation == "rotate" else CUTS[:3]))
    if fault.operations is None or operation in fault.operations
]


@pytest.mark.parametrize(("by", "operation", "fault"), OF_RECOVERIES, ids=repr)
def test_whatever_becomes_of_a_recovery_it_can_be_called_again(
    doing: Doing, mock: MockAPI, keys: Any, by: str, operation: str, fault: faults.Fault
) -> None:
    mock.fail_next(faults.Close(), operation="create")
    mock.fail_next(fault, operation=operation)
    token = create_carefully(doing, keys, mock, by=by, known=[])
    assert mock.faults_left() == 0
    assert len(named(mock, NAME)) == 1
    assert works(mock, token)


def test_an_adopted_key_has_one_token_and_a_deleted_one_is_told(doing: Doing, mock: MockAPI, keys: Any) -> None:
    since = mock.clock.now()
    lost = lose(doing, keys, mock)
    adopted = doing(recover_orphan(keys, name=NAME, since=since, by="rotate"))
    again = doing(recover_orphan(keys, name=NAME, since=since, by="rotate"))
    assert [adopted.api_key.id, again.api_key.id] == [lost.id] * 2
    assert not works(mock, adopted.token)  # without a grace period: nobody should have it
    assert works(mock, again.token)
    assert doing(recover_orphan(keys, name=NAME, since=since, by="delete")).id == lost.id
    assert not works(mock, again.token)
    assert doing(recover_orphan(keys, name=NAME, since=since, by="delete")) is None


@BY
@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize("age", [0, 1, 4, 5, 6])
def test_a_key_that_is_known_is_never_touched(
    doing: Doing, mock: MockAPI, keys: Any, by: Any, lost: bool, age: int
) -> None:
    old = create(doing, keys)
    mock.clock.advance(age * MINUTE)
    since = mock.clock.now()
    orphan = lose(doing, keys, mock, applied=lost)
    found = doing(recover_orphan(keys, name=NAME, since=since, by=by, known=iter([old.api_key.id])))
    touched = [orphan.id] if lost else []
    assert sent(mock, "rotate") + sent(mock, "DELETE") == touched
    assert (found is not None) == lost
    assert works(mock, old.token)


@BY
@pytest.mark.parametrize("age", [1, 4, 5])
def test_a_key_that_is_older_than_the_call_is_only_told_of_unless_others_are_known(
    doing: Doing, mock: MockAPI, keys: Any, by: Any, age: int
) -> None:
    old = create(doing, keys)
    mock.clock.advance(age * MINUTE)
    with pytest.raises(AmbiguousOrphanError, match=f"{old.api_key.id} is older than the call") as caught:
        doing(recover_orphan(keys, name=NAME, since=mock.clock.now(), by=by))
    assert caught.value.key_id == old.api_key.id
    assert caught.value.candidates == (old.api_key.id,)
    assert not caught.value.may_have_applied
    assert sent(mock, "rotate") + sent(mock, "DELETE") == []
    assert works(mock, old.token)


@BY
@pytest.mark.parametrize("count", [2, 3])
def test_of_several_keys_none_is_touched_and_all_are_told(
    doing: Doing, mock: MockAPI, keys: Any, by: Any, count: int
) -> None:
    since = mock.clock.now()
    ids = [create(doing, keys).api_key.id for _ in range(count)]
    with pytest.raises(AmbiguousOrphanError, match=f"{count} keys match the create: {', '.join(ids)}; none") as caught:
        doing(recover_orphan(keys, name=NAME, since=since, by=by))
    assert caught.value.candidates == tuple(ids)
    assert sent(mock, "rotate") + sent(mock, "DELETE") == []


def test_keys_that_somebody_else_made_are_left_out(doing: Doing, mock: MockAPI, keys: Any, manager: str) -> None:
    since = mock.clock.now()
    mock.add_key(NAME)
    other = mock.add_key("other manager", ["api_keys_manage", "viewer"])
    theirs = create(doing, doing.client(other.token, mock.handle)).api_key.id
    create_other_name = doing(keys.create(name=f"{NAME}s", role_names=[]))

    def found(**arguments: Any) -> list[str]:
        return [key.id for key in doing(find_orphans(keys, name=NAME, since=since, **arguments))]

    assert found(caller=manager) == []
    assert found(known=[theirs]) == []
    assert found(caller=other.api_key.id) == found() == [theirs]
    ours = lose(doing, keys, mock).id
    assert found() == [theirs, ours]
    assert found(caller=manager) == found(known={theirs: 1}.keys()) == [ours]
    assert doing(recover_orphan(keys, name=NAME, since=since, by="delete", caller=manager)).id == ours
    assert sent(mock, "DELETE") == [ours]
    assert create_other_name.api_key.id not in found()


@pytest.mark.parametrize("behind", [-6, -4, -1, 1, 4])
def test_the_clocks_may_differ(doing: Doing, mock: MockAPI, keys: Any, behind: int) -> None:
    since = mock.clock.now() + behind * MINUTE
    lost = lose(doing, keys, mock)
    assert [key.id for key in doing(find_orphans(keys, name=NAME, since=since))] == [lost.id]
    known: list[str] | None = [] if behind > 0 else None
    issued = doing(recover_orphan(keys, name=NAME, since=since, by="rotate", known=known))
    assert works(mock, issued.token)


def test_clocks_that_differ_by_more_than_five_minutes_find_nothing(doing: Doing, mock: MockAPI, keys: Any) -> None:
    since = mock.clock.now() + 5 * MINUTE
    create(doing, keys)
    assert len(doing(find_orphans(keys, name=NAME, since=since))) == 1
    assert doing(find_orphans(keys, name=NAME, since=since + timedelta(microseconds=1))) == []


@pytest.mark.parametrize(("year", "found"), [(1, 1), (9999, 0)])
def test_any_instant_will_do(doing: Doing, keys: Any, year: int, found: int) -> None:
    create(doing, keys)
    since = datetime(year, 1, 1, tzinfo=UTC)
    assert len(doing(find_orphans(keys, name=NAME, since=since))) == found


def test_the_oldest_comes_first_and_of_whom_the_api_does_not_tell_may_be_the_caller(doing: Doing) -> None:
    manager = {"roles": [{"name": "api_keys_manage", "description": ""}], "team_ids": [], "team_roles": []}
    key = {"name": NAME, **manager, "token_last_issued_at": "2026-05-31T12:00:00Z"}
    both = {"api_key": {"id": "caller", "name": ""}, "user": {"id": "1", "name": "", "role": "owner"}}
    made = [
        {**key, "id": "3", "created_at": "2026-05-31T12:00:03Z", "creator": {}},
        {**key, "id": "1", "created_at": "2026-05-31T12:00:01", "creator": both},
        {**key, "id": "2", "created_at": "2026-05-31T14:00:02+02:00", "creator": {"api_key": both["api_key"]}},
        {**key, "id": "0", "created_at": "2026-05-31T12:00:00Z", "creator": {"user": both["user"]}},
        {**key, "id": "caller", "name": "", "created_at": "2020-05-31T12:00:00Z", "creator": {"user": both["user"]}},
    ]
    page = {"api_keys": made, "pagination_meta": {"page_size": 250}}
    keys = doing.client(CANARY, lambda _: httpx.Response(200, text=json.dumps(page)))
    since = datetime(2026, 5, 31, 12, tzinfo=UTC)
    found = doing(find_orphans(keys, name=NAME, since=since, caller="caller"))
    assert [key.id for key in found] == ["1", "2", "3"]


WRONG: list[tuple[str, Any]] = [
    *(("client", client) for client in (None, "inc_1", KeysClient)),
    *(("name", name) for name in ("", None, 5, b"deploy bot")),
    *(("since", since) for since in (None, "now", datetime(2026, 11, 1, tzinfo=UTC).replace(tzinfo=None), 5.0)),
    *(("known", known) for known in ("01FCNDV6P870EA6S7TK1DSYDG0", 5, {"id": 1}, b"01")),
    *(("caller", caller) for caller in ("", 5)),
]


@pytest.mark.parametrize(("field", "value"), WRONG, ids=repr)
def test_a_wrong_argument_is_refused_before_anything_is_sent(mock: MockAPI, keys: Any, field: str, value: Any) -> None:
    arguments = {"client": keys, "name": NAME, "since": mock.clock.now(), field: value}
    mock.requests.clear()
    calls: list[tuple[Any, dict[str, str]]] = [(find_orphans, {}), (recover_orphan, {"by": "rotate"})]
    for call, more in calls:
        with pytest.raises(InvalidRequestError, match=f"{call.__name__} did nothing") as caught:
            call(**arguments, **more)
        assert [problem.field for problem in caught.value.problems] == [field]
    assert mock.requests == []


def test_all_that_is_wrong_is_told_at_once_and_keys_are_no_ids(doing: Doing, keys: Any) -> None:
    old: Any = create(doing, keys).api_key
    arguments: dict[str, Any] = {"client": 1, "name": 1, "since": 1, "caller": 1, "by": "age"}
    with pytest.raises(InvalidRequestError) as caught:
        recover_orphan(**arguments, known=["01", old])
    fields = {problem.field for problem in caught.value.problems}
    assert fields == {*arguments, "known[1]"}
