"""Misbehaving stores, transports, gateways and clients: no foreign exception is raised and no token is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from incident_io_keys import AuthenticationError, IncidentIOError, KeysClient, Token
from incident_io_keys.storage import (
    StorageError,
    StoreUnavailableError,
    TokenNotStoredError,
    create_into,
    recover_orphan,
    resume,
    rotate_due,
    rotate_into,
)
from incident_io_keys.testing import MockAPI, faults

from ..hiding import renderings
from .doing import NEW, Do, Doing, Memory, aged, failure, states, throw, works


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even that")


def authentication_error() -> IncidentIOError:
    """Return an error as a store raises it that calls another API with this package."""
    error = AuthenticationError.__new__(AuthenticationError)
    error.args = ("401",)
    return error


@pytest.mark.parametrize(
    "error", [UnprintableError(), IncidentIOError("mine"), authentication_error(), ExceptionGroup("a", [OSError()])]
)
def test_the_token_is_on_the_error_whatever_a_store_raises(
    error: Exception, into: Callable[[Any], Any], mock: MockAPI, memory: Memory, do: Do
) -> None:
    memory.at["save"] = lambda: throw(error)
    raised = failure(into, memory)
    assert type(raised) is TokenNotStoredError
    assert works(mock, raised.token)
    memory.at.clear()
    assert [found.status for found in do(resume, memory)] == ["completed"]


def test_a_str_that_a_store_returns_instead_of_a_token_is_redacted(
    do: Do, mock: MockAPI, memory: Memory, key_id: str
) -> None:
    memory.load = lambda key: memory.tokens[key].reveal() if key in memory.tokens else None  # type: ignore[method-assign,return-value,assignment]
    error = failure(do, rotate_into, memory, key_id)
    assert "Memory.load returns a value of type str instead of a Token" in str(error)
    assert works(mock, error.token)
    assert memory.tokens[key_id].reveal() not in renderings(error)


def test_an_authentication_error_of_a_store_does_not_stop_the_run(
    doing: Doing, mock: MockAPI, keys: Any, memory: Memory
) -> None:
    aged(mock, 3)
    memory.at["save"] = lambda: throw(authentication_error())
    found = doing(rotate_due(keys, memory, older_than="90 days", now=mock.clock.now()))
    assert states(found) == {"Manager": "skipped", "key 0": "failed", "key 1": "failed", "key 2": "failed"}
    assert all(works(mock, each.token) for each in found if each.status == "failed")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_exception_of_a_custom_transport_becomes_a_storage_error(
    method: str, doing: Doing, mock: MockAPI, memory: Memory
) -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        if request.method == method:
            raise ValueError("a bug of the transport's")
        return mock.handle(request)

    client = doing.client(mock.token, broken)
    error = failure(lambda: doing(create_into(client, memory, **NEW)))
    assert type(error) is StorageError
    assert "ValueError: a bug of the transport's" in str(error)
    assert error.may_have_applied == (method == "POST")
    assert len(list(memory.journal.glob("*"))) == (method == "POST")


@pytest.mark.parametrize(
    "fault", [faults.Status(403, body="<html>"), faults.Status(404, body="<html>"), faults.Status(520)], ids=repr
)
def test_a_token_fails_its_test_with_an_error_page_of_a_gateway(
    fault: faults.Fault, into: Callable[[Any], Any], mock: MockAPI, memory: Memory
) -> None:
    memory.at["save"] = lambda: mock.fail_next(fault, operation="show", times=9)
    assert "was saved, but its test failed" in str(failure(into, memory))


def test_a_token_fails_its_test_with_a_truncated_response(do: Do, mock: MockAPI, memory: Memory) -> None:
    key_id = mock.add_key("another", ["api_keys_manage"]).api_key.id
    memory.at["save"] = lambda: mock.fail_next(faults.CutJSON(), operation="show")
    assert "was saved, but its test failed" in str(failure(do, rotate_into, memory, key_id))


def test_a_token_that_is_not_a_valid_header_value_fails_its_test(
    do: Do, mock: MockAPI, memory: Memory, key_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    respond = mock.respond

    def handle(request: httpx.Request) -> httpx.Response:
        response = respond(request)
        if request.method != "POST":
            return response
        return httpx.Response(201, json={**response.json(), "token": "has a blank"})

    monkeypatch.setattr(mock, "respond", handle)
    error = failure(do, rotate_into, memory, key_id)
    assert "the API does not accept it" in str(error)
    assert error.token == Token("has a blank")


def test_an_interrupt_has_a_note_about_the_pending_operation(mock: MockAPI, memory: Memory) -> None:
    def interrupted(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            raise KeyboardInterrupt
        return mock.handle(request)

    client = KeysClient(mock.token, transport=httpx.MockTransport(interrupted))
    with client, pytest.raises(KeyboardInterrupt) as caught:
        create_into(client, memory, **NEW)
    [entry] = memory.journal.glob("*")
    assert caught.value.__notes__ == [
        f"the operation is pending: resume(client, store) completes it (journal file {entry})"
    ]


def test_the_notes_and_the_cause_of_a_store_error_are_redacted(
    do: Do, mock: MockAPI, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_: str) -> Token | None:
        error = StoreUnavailableError("it cannot be read")
        error.add_note(mock.token.reveal())
        cause = ValueError("no JSON")
        vars(cause)["doc"] = mock.token.reveal()
        raise error from cause

    monkeypatch.setattr(memory, "load", load)
    error = failure(do, create_into, memory, **NEW)
    assert str(error) == "it cannot be read"
    assert mock.token.reveal() not in renderings(error)


@pytest.mark.parametrize("kind", [StorageError, StoreUnavailableError])
def test_a_storage_error_of_a_store_loses_no_token_and_keeps_no_attributes(
    kind: type[StorageError], do: Do, mock: MockAPI, memory: Memory
) -> None:
    def fail() -> None:
        if "save" in memory.steps:
            raise kind("broken", request=mock.token.reveal())

    memory.at["load"] = fail
    error = failure(do, create_into, memory, **NEW)
    assert type(error) is TokenNotStoredError
    assert works(mock, error.token)
    assert mock.token.reveal() not in renderings(error)


class StubbornError(Exception):
    """An exception that cannot be redacted."""

    exceptions = None
    args = property(lambda _: ("broken",))


def test_an_exception_that_cannot_be_redacted_is_replaced(do: Do, mock: MockAPI, memory: Memory, key_id: str) -> None:
    memory.at["save"] = lambda: throw(StubbornError())
    error = failure(do, rotate_into, memory, key_id)
    assert type(error) is TokenNotStoredError
    assert works(mock, error.token)


@pytest.mark.parametrize("error", [ZeroDivisionError, StopIteration])
def test_a_filter_that_raises_rotates_nothing(error: type[Exception], do: Do, mock: MockAPI, memory: Memory) -> None:
    mock.add_key("old", ["viewer"], age_seconds=10**7)
    failed = failure(do, rotate_due, memory, older_than="1 day", where=lambda _: throw(error()))
    assert type(failed) is StorageError
    assert f"`where` raised {error.__name__}" in str(failed)
    assert not any(request.method == "POST" for request in mock.requests)


def test_a_client_whose_with_token_and_rate_limit_raise_loses_no_token(mock: MockAPI, memory: Memory) -> None:
    class Broken(KeysClient):
        @property
        def rate_limit(self) -> Any:
            raise ValueError(mock.token.reveal())

        def with_token(self, token: Any) -> Any:
            raise StopIteration(mock.token.reveal())

    mock.add_key("old", ["viewer"], age_seconds=10**7)
    with Broken(mock.token, transport=mock.transport()) as client:
        error = failure(create_into, client, memory, **NEW)
        [rotated] = rotate_due(client, memory, older_than="1 day")
    for each in (error, rotated.error):
        assert type(each) is TokenNotStoredError
        assert each.saved
        assert works(mock, each.token)
        assert mock.token.reveal() not in renderings(each)


@pytest.mark.parametrize("by", ["rotate", "delete"])
def test_a_custom_transport_that_fails_at_a_write_may_have_sent_it(
    by: str, doing: Doing, mock: MockAPI, memory: Memory
) -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        if request.method in ("POST", "DELETE"):
            raise ValueError("a bug of the transport")
        return mock.handle(request)

    with KeysClient(mock.token, transport=mock.transport()) as other:
        key = other.create(name="there", role_names=["viewer"]).api_key
    client = doing.client(mock.token, broken)
    if by == "rotate":
        error = failure(lambda: doing(rotate_into(client, memory, key.id)))
        assert len(list(memory.journal.glob("*.json"))) == 1
    else:
        arguments: dict[str, Any] = {"name": key.name, "since": key.created_at, "by": "delete"}
        error = failure(lambda: doing(recover_orphan(client, **arguments)))
    assert type(error) is StorageError
    assert error.may_have_applied


def test_a_class_in_place_of_a_store_is_rejected(do: Do) -> None:
    error = failure(do, rotate_into, Memory, "01A")
    assert [str(problem) for problem in error.problems] == ["store: is a class; pass a FileStore or another TokenStore"]
    error = failure(do, rotate_into, object(), "01A")
    assert "store: lacks the methods check, save, load" in str(error)
