"""Orphaned keys of creates whose response was lost: how to find them and how to recover a working token."""

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
    """Create a key and lose the response. Return the key."""
    mock.fail_next(faults.Close(applied), operation="create")
    with pytest.raises(IncidentIOError) as caught:
        create(doing, keys)
    assert caught.value.may_have_applied
    return named(mock, NAME)[-1] if applied else None


def create_carefully(doing: Doing, keys: Any, mock: MockAPI, **arguments: Any) -> Token:
    """Follow the documentation until there is a token."""
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
    raise AssertionError("too many attempts")


def recover_carefully(doing: Doing, keys: Any, **arguments: Any) -> Any:
    for _ in range(5):
        try:
            return doing(recover_orphan(keys, name=NAME, **arguments))
        except InvalidResponseError as error:
            if error.token is not None:
                return error.token
        except IncidentIOError:
            pass
    raise AssertionError("too many attempts")


# The token is the last member of the response. It starts at a share of about 0.88.
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
def test_recovery_yields_one_key_and_a_working_token_after_any_failure_of_a_create(
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
def test_a_recovery_can_be_repeated_after_any_failure(
    doing: Doing, mock: MockAPI, keys: Any, by: str, operation: str, fault: faults.Fault
) -> None:
    mock.fail_next(faults.Close(), operation="create")
    mock.fail_next(fault, operation=operation)
    token = create_carefully(doing, keys, mock, by=by, known=[])
    assert mock.faults_left() == 0
    assert len(named(mock, NAME)) == 1
    assert works(mock, token)


def test_an_adopted_key_has_one_token_and_a_deleted_key_is_returned(doing: Doing, mock: MockAPI, keys: Any) -> None:
    since = mock.clock.now()
    lost = lose(doing, keys, mock)
    adopted = doing(recover_orphan(keys, name=NAME, since=since, by="rotate"))
    again = doing(recover_orphan(keys, name=NAME, since=since, by="rotate"))
    assert [adopted.api_key.id, again.api_key.id] == [lost.id] * 2
    assert not works(mock, adopted.token)  # the recovery sets no grace period for a lost token
    assert works(mock, again.token)
    assert doing(recover_orphan(keys, name=NAME, since=since, by="delete")).id == lost.id
    assert not works(mock, again.token)
    assert doing(recover_orphan(keys, name=NAME, since=since, by="delete")) is None


@BY
@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize("age", [0, 1, 4, 5, 6])
def test_a_known_key_is_never_changed(doing: Doing, mock: MockAPI, keys: Any, by: Any, lost: bool, age: int) -> None:
    old = create(doing, keys)
    mock.clock.advance(age * MINUTE)
    since = mock.clock.now()
    orphan = lose(doing, keys, mock, applied=lost)
    found = doing(recover_orphan(keys, name=NAME, since=since, by=by, known=iter([old.api_key.id])))
    changed = [orphan.id] if lost else []
    assert sent(mock, "rotate") + sent(mock, "DELETE") == changed
    assert (found is not None) == lost
    assert works(mock, old.token)


@BY
@pytest.mark.parametrize("age", [1, 4, 5])
def test_a_key_that_is_older_than_the_call_is_ambiguous_without_known_keys(
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
def test_no_key_is_changed_and_all_are_reported_if_several_keys_match(
    doing: Doing, mock: MockAPI, keys: Any, by: Any, count: int
) -> None:
    since = mock.clock.now()
    ids = [create(doing, keys).api_key.id for _ in range(count)]
    with pytest.raises(AmbiguousOrphanError, match=f"{count} keys match the create: {', '.join(ids)}; none") as caught:
        doing(recover_orphan(keys, name=NAME, since=since, by=by))
    assert caught.value.candidates == tuple(ids)
    assert sent(mock, "rotate") + sent(mock, "DELETE") == []


def test_keys_of_other_creators_are_skipped(doing: Doing, mock: MockAPI, keys: Any, manager: str) -> None:
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
def test_the_clocks_may_differ_by_a_few_minutes(doing: Doing, mock: MockAPI, keys: Any, behind: int) -> None:
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
def test_since_may_be_any_time(doing: Doing, keys: Any, year: int, found: int) -> None:
    create(doing, keys)
    since = datetime(year, 1, 1, tzinfo=UTC)
    assert len(doing(find_orphans(keys, name=NAME, since=since))) == found


def test_orphans_are_sorted_by_age_and_may_have_an_unknown_creator(doing: Doing) -> None:
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


INVALID: list[tuple[str, Any]] = [
    *(("client", client) for client in (None, "inc_1", KeysClient)),
    *(("name", name) for name in ("", None, 5, b"deploy bot")),
    *(("since", since) for since in (None, "now", datetime(2026, 11, 1, tzinfo=UTC).replace(tzinfo=None), 5.0)),
    *(("known", known) for known in ("01FCNDV6P870EA6S7TK1DSYDG0", 5, {"id": 1}, b"01")),
    *(("caller", caller) for caller in ("", 5)),
]


@pytest.mark.parametrize(("field", "value"), INVALID, ids=repr)
def test_an_invalid_argument_is_rejected_before_a_request(mock: MockAPI, keys: Any, field: str, value: Any) -> None:
    arguments = {"client": keys, "name": NAME, "since": mock.clock.now(), field: value}
    mock.requests.clear()
    calls: list[tuple[Any, dict[str, str]]] = [(find_orphans, {}), (recover_orphan, {"by": "rotate"})]
    for call, more in calls:
        with pytest.raises(InvalidRequestError, match=f"{call.__name__} did nothing") as caught:
            call(**arguments, **more)
        assert [problem.field for problem in caught.value.problems] == [field]
    assert mock.requests == []


def test_one_error_reports_all_problems_and_a_key_is_not_an_id(doing: Doing, keys: Any) -> None:
    old: Any = create(doing, keys).api_key
    arguments: dict[str, Any] = {"client": 1, "name": 1, "since": 1, "caller": 1, "by": "age"}
    with pytest.raises(InvalidRequestError) as caught:
        recover_orphan(**arguments, known=["01", old])
    fields = {problem.field for problem in caught.value.problems}
    assert fields == {*arguments, "known[1]"}
