"""`create_into` and `rotate_into`: the order of their steps, and the arguments that they reject before a request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import incident_io_keys.storage as storage
from incident_io_keys import InvalidRequestError, KeysClient
from incident_io_keys.storage import FileStore, KeyBusyError, create_into, resume, rotate_into
from incident_io_keys.testing import MockAPI

from .doing import NEW, Do, Memory, entries, failure, listed, requests_of, works


def test_a_saved_token_works_and_no_operation_is_pending(
    into: Callable[[Any], Any], mock: MockAPI, store: FileStore, do: Do
) -> None:
    issued = into(store)
    assert store.load(issued.api_key.id) == issued.token
    assert works(mock, issued.token)
    assert entries(store) == []
    assert do(resume, store) == []


def test_the_order_of_the_steps_of_a_create(do: Do, mock: MockAPI, memory: Memory) -> None:
    do(create_into, memory, **NEW)
    # The loads check for an occupied single slot, for a token of another process, and for the saved token.
    assert memory.steps == ["check", "load", "load", "save", "load"]
    assert requests_of(mock) == ["GET api_keys", "POST api_keys", f"GET {next(iter(memory.tokens))}"]


def test_the_order_of_the_steps_of_a_rotation(do: Do, mock: MockAPI, memory: Memory, key_id: str) -> None:
    do(rotate_into, memory, key_id, grace_period_minutes=7)
    assert memory.steps == ["check", "save", "load"]
    assert requests_of(mock) == [f"GET {key_id}", "POST rotate", f"GET {key_id}"]
    assert mock.requests[1].content == b'{"grace_period_minutes":7}'


def test_the_journal_is_written_before_the_request_and_contains_no_token(
    operation: str, into: Callable[[Any], Any], store: FileStore, mock: MockAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    respond = mock.respond

    def handle(request: httpx.Request) -> httpx.Response:
        response = respond(request)
        if request.method == "POST":
            [entry] = store.journal.glob("*.json")
            seen.append((entry.read_text(), response.json()["token"]))
        return response

    monkeypatch.setattr(mock, "respond", handle)
    into(store)
    into(store)  # in a rotation, the store now has a token of the key
    assert len(seen) == 2
    for text, token in seen:
        assert f'"operation":"{operation}"' in text
        assert ("deploy bot" if operation == "create" else "there") in text
        assert token not in text
        assert mock.token.reveal() not in text
    assert seen[0][1] not in seen[1][0]


@pytest.mark.parametrize("roles", [["viewer"], ["api_keys_manage"]])
def test_a_token_is_tested_with_any_roles_of_its_key(roles: list[str], do: Do, mock: MockAPI, store: FileStore) -> None:
    key = mock.add_key(
        "another", [], ["01FCNDV6P870EA6S7TK1DSYDG0"], roles if roles != ["viewer"] else ["on_call_editor"]
    )
    do(rotate_into, store, key.api_key.id)
    assert works(mock, store.load(key.api_key.id))


def test_concurrent_rotations_of_one_key_are_rejected(do: Do, mock: MockAPI, memory: Memory, key_id: str) -> None:
    other = mock.add_key("other", ["viewer"]).api_key.id
    found: list[Any] = []

    def act_concurrently() -> None:
        memory.at.clear()
        with KeysClient(mock.token, transport=mock.transport()) as client:
            found.append(failure(rotate_into, client, memory, key_id))
            found.append(rotate_into(client, memory, other))

    memory.at["save"] = act_concurrently
    issued = do(rotate_into, memory, key_id)
    assert type(found[0]) is KeyBusyError
    assert "another process or thread is using the journal file" in str(found[0])
    assert memory.tokens == {key_id: issued.token, other: found[1].token}


def test_an_occupied_single_slot_store_rejects_a_new_key(do: Do, mock: MockAPI, memory: Memory) -> None:
    memory.load = lambda _: mock.token  # type: ignore[assignment,method-assign]
    error = failure(do, create_into, memory, **NEW)
    assert [problem.field for problem in error.problems] == ["store"]
    assert requests_of(mock) == []


def test_one_error_reports_all_problems_before_a_request(do: Do, mock: MockAPI) -> None:
    created = failure(do, create_into, object(), name="", role_names="viewer", team_ids=["a"])
    assert type(created) is InvalidRequestError
    assert [problem.field for problem in created.problems] == ["store", "name", "role_names", "team_role_names"]
    rotated = failure(do, rotate_into, Memory(Path()).tokens, "a/b", grace_period_minutes=10**6)
    assert [problem.field for problem in rotated.problems] == ["store", "id", "grace_period_minutes"]
    assert requests_of(mock) == []


def test_an_invalid_client_and_a_store_without_a_journal_are_reported(memory: Memory) -> None:
    del memory.journal
    error = failure(create_into, None, memory, **NEW)
    assert [problem.field for problem in error.problems] == ["client", "store"]
    assert "has no journal" in str(error)


def test_roles_may_come_from_a_generator(do: Do, store: FileStore) -> None:
    issued = do(create_into, store, name="a", role_names=(role for role in ["viewer"]))
    assert [role.name for role in issued.api_key.roles] == ["viewer"]


def test_an_invalid_caller_is_rejected_before_a_create(do: Do, mock: MockAPI, store: FileStore, key_id: str) -> None:
    for caller in ("01F", key_id):  # an unknown key, and a key that may not manage keys
        error = failure(do, create_into, store, **NEW, caller=caller)
        assert [problem.field for problem in error.problems] == ["caller"]
    assert requests_of(mock) == ["GET api_keys", "GET api_keys"]
    manager = next(key for key in do(listed) if key.name == "Manager")
    do(create_into, store, **NEW, caller=manager.id)


def test_storage_uses_only_the_public_client() -> None:
    # `storage` uses `_operations` only to validate arguments.
    for path in Path(str(storage.__file__)).parent.glob("*.py"):
        text = path.read_text()
        for private in ("_sender", "_sending", "_exchange", "_transport", "_http", "generated.api"):
            assert private not in text, path
