"""Due keys that `rotate_due` does not rotate: API errors, store errors, invalid arguments, and the calling key."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from incident_io_keys import (
    AuthenticationError,
    InvalidRequestError,
    KeysClient,
    NotFoundError,
    PermissionDeniedError,
    file_token,
)
from incident_io_keys.storage import (
    DotenvStore,
    FileStore,
    StoreUnavailableError,
    TokenNotStoredError,
    rotate_due,
)
from incident_io_keys.testing import MockAPI, faults

from .doing import LONG, Doing, Memory, aged, named, rotated, sent, states, works


class UndeclaredSingleSlot(DotenvStore):
    """A single-slot store that does not declare it."""

    single_slot = False  # type: ignore[misc]


@pytest.fixture
def mock() -> MockAPI:
    mock = MockAPI()
    mock.clock.freeze()
    return mock


@pytest.fixture
def store(tmp_path: Path) -> Memory:
    return Memory(tmp_path)


@pytest.fixture
def manager(mock: MockAPI) -> str:
    [key] = named(mock, "Manager")
    return str(key.id)


OF_ROTATIONS: list[faults.Fault] = [
    *map(faults.Status, (302, 403, 404, 409, 422, 500, 502, 503, 520)),
    *(kind(applied) for kind in (faults.Reset, faults.Close, faults.Hang) for applied in (True, False)),
    *(kind(keep) for kind in (faults.CutJSON, faults.ShortBody, faults.Drip) for keep in (0.3, 0.95, 0.999)),
    *map(faults.DropProperty, ("token", "api_key", "api_key.id")),
]


@pytest.mark.parametrize("fault", OF_ROTATIONS, ids=repr)
def test_a_failure_is_reported_and_the_other_keys_are_rotated(
    doing: Doing, mock: MockAPI, keys: Any, store: Memory, fault: faults.Fault
) -> None:
    aged(mock, 6)
    mock.fail_next(fault, operation="rotate", times=2)
    found = rotated(doing, keys, store, mock)
    failed = [each for each in found if each.status == "failed"]
    assert all(each.error is not None and each.reason == str(each.error) for each in failed)
    # A malformed response that contains the token is not a failure.
    assert len(failed) in ((0, 2) if fault.operations else (2,))
    assert len(store.tokens) == 6 - len(failed)


@pytest.mark.parametrize("which", [0, 1, 5])
def test_a_key_that_is_deleted_during_the_run_is_reported(
    doing: Doing, mock: MockAPI, store: Memory, which: int
) -> None:
    gone = aged(mock, 6)[which].api_key.id

    def deleted(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(f"/{gone}"):
            mock.handle(httpx.Request("DELETE", request.url, headers=request.headers))
        return mock.handle(request)

    [failed] = [
        each for each in rotated(doing, doing.client(mock.token, deleted), store, mock) if each.status == "failed"
    ]
    assert failed.key.id == gone
    assert isinstance(failed.error, NotFoundError)
    assert len(store.tokens) == 5


def test_a_key_with_more_permissions_than_the_caller_is_reported(doing: Doing, mock: MockAPI, store: Memory) -> None:
    caller = mock.add_key("caller", ["api_keys_manage", "viewer"])
    mock.add_key("more", ["incident_editor"])
    aged(mock, 3)
    keys = doing.client(caller.token, mock.handle)
    found = rotated(doing, keys, store, mock, caller=caller.api_key.id)
    also = {f"key {number}": "rotated" for number in range(3)}
    assert states(found) == {"caller": "skipped", "Manager": "failed", "more": "failed", **also}
    assert all(isinstance(each.error, PermissionDeniedError) for each in found if each.status == "failed")


@pytest.mark.parametrize("which", [0, 1, 5])
def test_a_token_that_cannot_be_saved_is_on_the_error_and_the_other_keys_are_rotated(
    doing: Doing, mock: MockAPI, keys: Any, store: Memory, which: int
) -> None:
    rejected = aged(mock, 6)[which].api_key.id
    store.rejected.add(rejected)
    [failed] = [each for each in rotated(doing, keys, store, mock) if each.status == "failed"]
    assert failed.key.id == rejected
    assert isinstance(failed.error, TokenNotStoredError)
    assert works(mock, failed.error.token)
    assert len(store.tokens) == 5


@pytest.mark.parametrize("stored", [True, False])
def test_no_token_is_lost_if_the_store_becomes_unreadable(
    doing: Doing, mock: MockAPI, keys: Any, store: Memory, stored: bool
) -> None:
    issued = aged(mock, 3)
    store.rejected.update(each.api_key.id for each in issued if not stored)
    save = store.save

    def break_down(key: str, token: Any) -> None:
        store.unreadable = True
        save(key, token)

    store.save = break_down  # type: ignore[method-assign]
    found = rotated(doing, keys, store, mock)
    assert [each.status for each in found] == ["skipped", "failed", "skipped", "skipped"]
    assert isinstance(found[1].error, TokenNotStoredError)
    assert works(mock, found[1].error.token)
    assert found[2].reason is not None
    assert "cannot be read" in found[2].reason


@pytest.mark.parametrize("where", ["", "/actions/rotate"])
@pytest.mark.parametrize("max_concurrency", [1, 3])
def test_the_run_stops_once_the_api_rejects_the_caller(
    doing: Doing, mock: MockAPI, store: Memory, where: str, max_concurrency: int
) -> None:
    issued = aged(mock, 30)
    rejected = f"{issued[8].api_key.id}{where}"
    rejections: list[bool] = []

    def handle(request: httpx.Request) -> httpx.Response:
        if request.headers["Authorization"] == f"Bearer {mock.token.reveal()}":
            if request.url.path.endswith(rejected):
                rejections.append(True)
            if rejections:
                return httpx.Response(401)
        return mock.handle(request)

    found = rotated(doing, doing.client(mock.token, handle), store, mock, max_concurrency=max_concurrency)
    errors = [each.error for each in found if each.status == "failed"]
    assert {type(error) for error in errors} == {AuthenticationError}
    assert len(errors) <= max_concurrency
    assert 8 - max_concurrency < len(store.tokens) < 8 + max_concurrency
    reasons = {each.reason for each in found[1:] if each.status == "skipped"}
    assert reasons == {"the API no longer accepts the token of the calling key"}


def test_all_other_keys_are_skipped_after_the_api_rejects_the_caller_once(
    doing: Doing, mock: MockAPI, keys: Any, store: Memory, manager: str
) -> None:
    aged(mock, 3)
    mock.fail_next(faults.Status(401), operation="show")
    found = rotated(doing, keys, store, mock, caller=manager, include_caller=True)
    assert [each.status for each in found] == ["failed", "skipped", "skipped", "skipped"]
    assert found[-1].key.id == manager
    assert sent(mock, "rotate") == []


def test_an_error_before_the_first_rotation_is_raised(
    doing: Doing, mock: MockAPI, keys: Any, store: Memory, tmp_path: Path
) -> None:
    aged(mock, 3)
    mock.fail_next(faults.Status(403), operation="list")
    with pytest.raises(PermissionDeniedError):
        rotated(doing, keys, store, mock)
    mock.clear_faults()
    store.unreadable = True
    with pytest.raises(StoreUnavailableError, match="cannot be read"):
        rotated(doing, keys, store, mock)
    with pytest.raises(StoreUnavailableError):
        rotated(doing, keys, FileStore(tmp_path / "none"), mock)
    assert sent(mock, "rotate") == []


def test_every_key_that_may_be_the_caller_is_skipped(
    doing: Doing, mock: MockAPI, keys: Any, store: Memory, manager: str
) -> None:
    mock.add_key("other", ["api_keys_manage"])
    mock.add_key("of a team", team_ids=["A"], team_role_names=["api_keys_manage", "schedules_reader"])
    aged(mock, 2)
    found = rotated(doing, keys, store, mock)
    rest = {"key 0": "rotated", "key 1": "rotated"}
    assert states(found) == {"Manager": "skipped", "other": "skipped", "of a team": "skipped", **rest}
    assert all("pass the ID of the calling key" in str(each.reason) for each in found[:3])
    mock.clock.advance(LONG)
    found = rotated(doing, keys, store, mock, caller=manager)
    assert states(found) == {"Manager": "skipped", "other": "rotated", "of a team": "rotated", **rest}
    assert found[0].reason == "it is the calling key"
    assert works(mock, mock.token)


@pytest.mark.parametrize("others", [0, 1, 7])
def test_the_caller_is_rotated_last_and_alone_with_a_grace_period(
    doing: Doing, mock: MockAPI, store: Memory, manager: str, others: int
) -> None:
    mock.clock.advance(timedelta(days=1))
    aged(mock, others)
    done: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(f"/{manager}/actions/rotate"):
            assert len(done) == others  # their tokens have been tested too
        return mock.handle(request)

    keys = doing.client(mock.token, handle)
    arguments: dict[str, Any] = {"caller": manager, "include_caller": True, "grace_period_minutes": 5}
    found = rotated(doing, keys, store, mock, progress=lambda each, *_: done.append(each.key.id), **arguments)
    assert {each.status for each in found} == {"rotated"}
    assert sent(mock, "rotate")[-1] == found[-1].key.id == manager
    assert works(mock, mock.token)
    mock.clock.advance(timedelta(minutes=5))
    assert not works(mock, mock.token)
    assert works(mock, store.tokens[manager])


def test_a_caller_that_reads_its_token_from_the_store_uses_the_new_one(
    doing: Doing, mock: MockAPI, manager: str, tmp_path: Path
) -> None:
    aged(mock, 1)
    store = FileStore(tmp_path)
    store.save(manager, mock.token)
    keys: Any = doing.client(file_token(store.path(manager)), mock.handle)
    found = rotated(doing, keys, store, mock, caller=manager, include_caller=True, grace_period_minutes=1)
    assert {each.status for each in found} == {"rotated"}
    mock.clock.advance(timedelta(minutes=1))
    assert doing(keys.show(manager)).id == manager


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("caller", ["01FCNDV6P870EA6S7TK1DSYDG0", "key 0"])
def test_an_invalid_caller_is_rejected_before_a_rotation(
    doing: Doing, mock: MockAPI, keys: Any, store: Memory, caller: str, include: bool
) -> None:
    issued = aged(mock, 2)
    caller = issued[0].api_key.id if caller == "key 0" else caller
    with pytest.raises(InvalidRequestError, match="is not a key that can manage keys"):
        rotated(doing, keys, store, mock, caller=caller, include_caller=include)
    assert sent(mock, "rotate") == []


@pytest.mark.parametrize("first", [None, faults.Status(404), faults.Close(), faults.CutJSON(0.3)], ids=repr)
@pytest.mark.parametrize("with_caller", [True, False])
def test_an_undeclared_single_slot_store_gets_only_one_token(
    doing: Doing, mock: MockAPI, keys: Any, tmp_path: Path, manager: str, with_caller: bool, first: Any
) -> None:
    aged(mock, 1 if with_caller else 5)
    if first:  # a failed rotation does not reveal the single slot
        mock.fail_next(first, operation="rotate", times=1 if with_caller else 3)
    store = UndeclaredSingleSlot(tmp_path / ".env")
    arguments: dict[str, Any] = {"caller": manager, "include_caller": True} if with_caller else {}
    found = rotated(doing, keys, store, mock, **arguments)
    expected = [] if with_caller else ["skipped"]
    expected += ["failed"] * ((1 if with_caller else 3) if first else 0) + ["rotated"]
    assert [each.status for each in found] == expected + ["skipped"] * (len(found) - len(expected))
    if found[-1].status == "skipped":
        assert found[-1].reason == "the store holds one token for all keys"


def test_an_occupied_single_slot_store_accepts_one_due_key_but_not_several(
    doing: Doing, mock: MockAPI, keys: Any, tmp_path: Path, manager: str
) -> None:
    store = UndeclaredSingleSlot(tmp_path / ".env")
    [issued] = aged(mock, 1)
    store.save("", issued.token)
    with pytest.raises(InvalidRequestError, match="holds one token for all keys"):
        rotated(doing, keys, store, mock, caller=manager, include_caller=True)
    assert works(mock, store.load(""))
    assert states(rotated(doing, keys, store, mock)) == {"Manager": "skipped", "key 0": "rotated"}
    aged(mock, 1)
    kept = store.load("")
    for arguments in ({}, {"caller": manager}, {"caller": manager, "include_caller": True}):
        with pytest.raises(InvalidRequestError, match="holds one token for all keys"):
            rotated(doing, keys, store, mock, **arguments)
    assert store.load("") == kept
    assert works(mock, kept)


INVALID: list[tuple[str, Any]] = [
    *(("client", client) for client in (None, "inc_1", KeysClient)),
    *(("store", store) for store in (None, "a file", Path("a file"))),
    *(("older_than", age) for age in ("", 5, timedelta())),
    *(("now", now) for now in ("now", 5)),
    *(("caller", caller) for caller in ("", 5)),
    *(("grace_period_minutes", minutes) for minutes in (-1, 10**6, "5", None, True)),
    *(("max_concurrency", max_concurrency) for max_concurrency in (0, 33, 1.5, "4", None, True)),
    ("progress", 5),
]


@pytest.mark.parametrize(("field", "value"), INVALID, ids=repr)
def test_an_invalid_argument_is_rejected_before_a_request(
    mock: MockAPI, keys: Any, store: Memory, field: str, value: Any
) -> None:
    arguments: dict[str, Any] = {"client": keys, "store": store, "older_than": "1 day", field: value}
    with pytest.raises(InvalidRequestError, match="nothing was rotated") as caught:
        rotate_due(**arguments)
    assert [problem.field for problem in caught.value.problems] == [field]
    with pytest.raises(InvalidRequestError) as caught:
        rotate_due(**{**arguments, "caller": value if field == "caller" else ""})
    assert {problem.field for problem in caught.value.problems} == {field, "caller"}
    assert mock.requests == []


def test_include_caller_requires_the_caller_id_and_a_grace_period(
    keys: Any, mock: MockAPI, store: Memory, manager: str
) -> None:
    mock.requests.clear()
    invalid: list[tuple[dict[str, Any], str]] = [
        ({}, "caller"),
        ({"caller": manager, "grace_period_minutes": 0}, "grace_period_minutes"),
        ({"caller": manager, "grace_period_minutes": -1}, "grace_period_minutes"),
    ]
    for arguments, field in invalid:
        with pytest.raises(InvalidRequestError) as caught:
            rotate_due(keys, store, older_than="1 day", include_caller=True, **arguments)
        assert [problem.field for problem in caught.value.problems] == [field]
    assert mock.requests == []


@pytest.mark.parametrize("occupied", [True, False])
def test_a_declared_single_slot_store_is_rejected_before_a_request(
    occupied: bool, doing: Doing, mock: MockAPI, keys: Any, tmp_path: Path
) -> None:
    store = DotenvStore(tmp_path / ".env")
    [issued] = aged(mock, 1)
    if occupied:
        store.save(issued.api_key.id, issued.token)
    with pytest.raises(InvalidRequestError, match="holds one token for all keys"):
        doing(rotate_due(keys, store, older_than="90 days", now=mock.clock.now()))
    assert mock.requests == []


def test_a_coroutine_function_as_a_filter_is_rejected(doing: Doing, mock: MockAPI, keys: Any, store: Memory) -> None:
    async def where(_: object) -> bool:
        return False

    arguments: dict[str, Any] = {"older_than": "1 day", "where": where}
    with pytest.raises(InvalidRequestError, match="where: is a coroutine function"):
        doing(rotate_due(keys, store, **arguments))
    assert mock.requests == []
