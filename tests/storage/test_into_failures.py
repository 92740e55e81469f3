"""Tokens that cannot be saved: the error, the journal file, and the result of `resume`."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from incident_io_keys import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    IncidentIOError,
    InternalServerError,
    InvalidResponseError,
    KeysClient,
    NotFoundError,
    PermissionDeniedError,
    Token,
)
from incident_io_keys.storage import (
    FileStore,
    StoreUnavailableError,
    TokenNotStoredError,
    create_into,
    resume,
    rotate_into,
)
from incident_io_keys.testing import MockAPI, MockSettings, faults

from ..hiding import renderings
from .doing import NEW, Do, Memory, entries, failure, listed, throw, works


def test_a_store_that_fails_its_check_is_reported_before_a_token_is_issued(
    into: Callable[[Any], Any], mock: MockAPI, memory: Memory
) -> None:
    memory.at["check"] = lambda: throw(OSError(28, "No space left on device"))
    error = failure(into, memory)
    assert type(error) is StoreUnavailableError
    assert "OSError: [Errno 28] No space left on device" in str(error)
    assert not any(request.method == "POST" for request in mock.requests)
    assert not list(memory.journal.glob("*"))


def test_no_token_is_issued_if_the_journal_cannot_be_written(
    into: Callable[[Any], Any], mock: MockAPI, memory: Memory
) -> None:
    memory.journal.write_text("not a directory")
    assert type(failure(into, memory)) is StoreUnavailableError
    assert not any(request.method == "POST" for request in mock.requests)


def lose(memory: Memory) -> None:
    memory.tokens.clear()


def replace_token(memory: Memory) -> None:
    memory.tokens = dict.fromkeys(memory.tokens, Token("inc_" + "0" * 64))


@pytest.mark.parametrize(
    ("step", "fails", "message"),
    [
        ("save", lambda _: throw(OSError(28, "No space left on device")), "OSError: [Errno 28] No space left"),
        ("save", lambda _: throw(StoreUnavailableError("full")), "saved: full"),
        ("load", lambda _: throw(ValueError("broken")), "ValueError: broken"),
        ("load", lose, "the token store does not return it"),
        ("load", replace_token, "the token store does not return it"),
    ],
)
def test_a_token_that_is_not_saved_is_on_the_error_and_the_operation_is_pending(
    step: str,
    fails: Callable[[Memory], None],
    message: str,
    into: Callable[[Any], Any],
    do: Do,
    mock: MockAPI,
    memory: Memory,
) -> None:

    def fail() -> None:
        if "save" in memory.steps:
            fails(memory)

    memory.at[step] = fail
    error = failure(into, memory)
    assert type(error) is TokenNotStoredError
    assert error.token is not None
    assert error.key_id is not None
    assert message in str(error)
    assert error.may_have_applied
    assert works(mock, error.token)
    assert error.key_id in [key.id for key in do(listed)]
    assert list(memory.journal.glob("*")) == [error.entry]
    assert error.token.reveal() not in renderings(error)

    assert f"resume(client, store) completes it (journal file {error.entry})" in str(error)

    # `resume` does not replace a token that the user has saved.
    memory.at.clear()
    memory.save(error.key_id, error.token)
    [found] = do(resume, memory)
    assert (found.status, found.key_id) == ("completed", error.key_id)
    assert memory.tokens[error.key_id] == error.token
    assert list(memory.journal.glob("*")) == []


class TalkativeError(Exception):
    def __init__(self, secret: str) -> None:
        super().__init__()
        self.secret = secret

    def __str__(self) -> str:
        return f"cannot save {self.secret}"


@pytest.mark.parametrize("kind", [TalkativeError, StoreUnavailableError, ValueError])
def test_a_token_in_an_exception_of_a_store_is_redacted(
    kind: type[Exception], into: Callable[[Any], Any], memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets: list[str] = []

    def store(_key: str, token: Token) -> None:
        secret = token.reveal()
        secrets.append(secret)
        try:
            raise RuntimeError(secret)
        except RuntimeError as error:
            raise kind(secret) from error

    monkeypatch.setattr(memory, "save", store)
    error = failure(into, memory)
    assert error.token == Token(secrets[0])
    assert secrets[0] not in renderings(error)


@pytest.mark.parametrize(("at", "statuses"), [("check", []), ("save", ["completed"]), ("load", ["completed"])])
def test_an_interrupt_propagates_and_its_traceback_contains_no_token(
    at: str, statuses: list[str], mock: MockAPI, memory: Memory, key_id: str
) -> None:
    memory.at[at] = lambda: throw(KeyboardInterrupt())
    with KeysClient(mock.token, transport=mock.transport()) as client:
        with pytest.raises(KeyboardInterrupt) as caught:
            rotate_into(client, memory, key_id)
        frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
        assert "secret = " not in "".join(frames)
        memory.at.clear()
        assert [each.status for each in resume(client, memory)] == statuses


@pytest.mark.parametrize("status", [401, 503])
def test_a_new_token_that_fails_its_test_is_reported(
    status: int, into: Callable[[Any], Any], mock: MockAPI, memory: Memory, do: Do
) -> None:
    # The first show request of a rotation does not test the new token.
    memory.at["save"] = lambda: mock.fail_next(faults.Status(status), operation="show", times=20)
    error = failure(into, memory)
    messages = {401: "the API does not accept it", 503: "was saved, but its test failed"}
    assert messages[status] in str(error)
    assert memory.tokens[error.key_id] == error.token
    mock.clear_faults()
    [found] = do(resume, memory)
    assert found.status == "completed"
    assert memory.tokens[error.key_id] == error.token


def test_the_test_of_a_new_token_is_retried_after_401(
    into: Callable[[Any], Any], mock: MockAPI, memory: Memory
) -> None:
    memory.at["save"] = lambda: mock.fail_next(faults.Status(401), operation="show", times=3)
    issued = into(memory)
    assert memory.tokens == {issued.api_key.id: issued.token}


@pytest.mark.parametrize("fault", [faults.Status(403), faults.Status(404)], ids=repr)
def test_a_new_token_passes_its_test_with_403_and_404(
    fault: faults.Fault, into: Callable[[Any], Any], mock: MockAPI, memory: Memory
) -> None:
    memory.at["save"] = lambda: mock.fail_next(fault, operation="show")
    issued = into(memory)
    assert memory.tokens == {issued.api_key.id: issued.token}
    assert mock.faults_left() == 0


def test_a_new_token_passes_its_test_with_a_malformed_response(do: Do, mock: MockAPI, memory: Memory) -> None:
    key_id = mock.add_key("another", ["api_keys_manage"]).api_key.id
    memory.at["save"] = lambda: mock.fail_next(faults.DropProperty("api_key.name"), operation="show")
    issued = do(rotate_into, memory, key_id)
    assert memory.tokens == {key_id: issued.token}
    assert mock.faults_left() == 0


BROKEN = [faults.CutJSON(keep=0.999), faults.ShortBody(keep=0.999), faults.DropProperty("api_key.name")]


@pytest.mark.parametrize("fault", [*BROKEN, faults.DropProperty("api_key")], ids=repr)
def test_the_token_in_a_malformed_response_is_saved(
    fault: faults.Fault, into: Callable[[Any], Any], operation: str, mock: MockAPI, store: FileStore
) -> None:
    mock.fail_next(fault, operation=operation)
    issued = into(store)
    assert issued.api_key.name in ("deploy bot", "there")
    assert store.load(issued.api_key.id) == issued.token
    assert works(mock, issued.token)
    assert entries(store) == []


@pytest.mark.parametrize("cause", ["late", "failing", "twice"])
def test_the_token_of_an_unknown_key_is_on_the_error(
    cause: str, do: Do, mock: MockAPI, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    respond = mock.respond

    def handle(request: httpx.Request) -> httpx.Response:
        response = respond(request)
        if request.method == "POST":
            if cause == "failing":
                mock.fail_next(faults.Status(520), operation="list", times=9)
            if cause == "twice":
                headers = {"Authorization": f"Bearer {mock.token.reveal()}"}
                respond(httpx.Request("POST", request.url, headers=headers, content=request.content))
        return response

    monkeypatch.setattr(mock, "respond", handle)
    if cause == "late":
        mock.settings = MockSettings(list_delay=timedelta(minutes=1))
    mock.fail_next(faults.CutJSON(keep=0.999), operation="create")
    error = failure(do, create_into, memory, **NEW)
    assert type(error) is TokenNotStoredError
    assert error.key_id is None
    assert works(mock, error.token)
    assert list(memory.journal.glob("*")) == [error.entry]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (faults.Status(403), PermissionDeniedError),
        (faults.Status(422), IncidentIOError),
        (faults.Status(401), AuthenticationError),
        (faults.RateLimited(seconds=100_000), IncidentIOError),
    ],
    ids=repr,
)
def test_no_operation_is_pending_after_the_api_rejects_a_request(
    fault: faults.Fault,
    kind: type[IncidentIOError],
    into: Callable[[Any], Any],
    operation: str,
    mock: MockAPI,
    store: FileStore,
) -> None:
    mock.fail_next(fault, operation=operation)
    assert isinstance(failure(into, store), kind)
    assert entries(store) == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (faults.Status(503), InternalServerError),
        (faults.Close(), APIConnectionError),
        (faults.Close(applied=False), APIConnectionError),
        (faults.Hang(), APITimeoutError),
        (faults.DropProperty("token"), InvalidResponseError),
    ],
    ids=repr,
)
def test_an_operation_that_may_have_taken_effect_is_pending(
    fault: faults.Fault,
    kind: type[IncidentIOError],
    into: Callable[[Any], Any],
    operation: str,
    mock: MockAPI,
    store: FileStore,
) -> None:
    mock.fail_next(fault, operation=operation)
    error = failure(into, store)
    assert isinstance(error, kind)
    assert error.may_have_applied
    [entry] = entries(store)
    assert f"resume(client, store) completes it (journal file {entry})" in str(error)


def test_no_operation_is_pending_after_the_rotation_of_an_unknown_key(do: Do, store: FileStore) -> None:
    assert type(failure(do, rotate_into, store, "01F")) is NotFoundError
    assert entries(store) == []


def test_a_journal_file_that_cannot_be_removed_does_not_replace_the_error_of_the_api(
    do: Do, mock: MockAPI, store: FileStore, key_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = Path.unlink

    def broken(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".json":
            raise OSError(5, "broken")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", broken)
    mock.fail_next(faults.Status(403), operation="rotate")
    assert type(failure(do, rotate_into, store, key_id)) is PermissionDeniedError
