"""Tokens that do not get to a store: what the error has, what the journal has, and what resuming makes of it."""

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


def test_a_store_that_cannot_take_a_token_is_found_out_before_one_is_issued(
    into: Callable[[Any], Any], mock: MockAPI, memory: Memory
) -> None:
    memory.at["check"] = lambda: throw(OSError(28, "No space left on device"))
    error = failure(into, memory)
    assert type(error) is StoreUnavailableError
    assert "OSError: [Errno 28] No space left on device" in str(error)
    assert not any(request.method == "POST" for request in mock.requests)
    assert not list(memory.journal.glob("*"))


def test_a_journal_that_cannot_be_written_keeps_a_token_from_being_issued(
    into: Callable[[Any], Any], mock: MockAPI, memory: Memory
) -> None:
    memory.journal.write_text("no directory")
    assert type(failure(into, memory)) is StoreUnavailableError
    assert not any(request.method == "POST" for request in mock.requests)


def lose(memory: Memory) -> None:
    memory.tokens.clear()


def give_another(memory: Memory) -> None:
    memory.tokens = dict.fromkeys(memory.tokens, Token("inc_" + "0" * 64))


@pytest.mark.parametrize(
    ("step", "fails", "said"),
    [
        ("save", lambda _: throw(OSError(28, "No space left on device")), "OSError: [Errno 28] No space left"),
        ("save", lambda _: throw(StoreUnavailableError("full")), "saved: full"),
        ("load", lambda _: throw(ValueError("broken")), "ValueError: broken"),
        ("load", lose, "the token store does not return it"),
        ("load", give_another, "the token store does not return it"),
    ],
)
def test_a_token_that_does_not_get_to_its_place_is_on_the_error_and_in_the_journal(
    step: str,
    fails: Callable[[Memory], None],
    said: str,
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
    assert said in str(error)
    assert error.may_have_applied
    assert works(mock, error.token)
    assert error.key_id in [key.id for key in do(listed)]
    assert list(memory.journal.glob("*")) == [error.entry]
    assert error.token.reveal() not in renderings(error)

    assert f"resume(client, store) completes it (journal file {error.entry})" in str(error)

    # Brought there by hand, it is not replaced.
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
        return f"cannot keep {self.secret}"


@pytest.mark.parametrize("kind", [TalkativeError, StoreUnavailableError, ValueError])
def test_a_token_that_a_store_shows_when_it_fails_is_hidden(
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


@pytest.mark.parametrize(("at", "left"), [("check", []), ("save", ["completed"]), ("load", ["completed"])])
def test_an_interrupt_passes_and_shows_no_token(
    at: str, left: list[str], mock: MockAPI, memory: Memory, key_id: str
) -> None:
    memory.at[at] = lambda: throw(KeyboardInterrupt())
    with KeysClient(mock.token, transport=mock.transport()) as client:
        with pytest.raises(KeyboardInterrupt) as caught:
            rotate_into(client, memory, key_id)
        frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
        assert "secret = " not in "".join(frames)
        memory.at.clear()
        assert [each.status for each in resume(client, memory)] == left


@pytest.mark.parametrize("status", [401, 503])
def test_a_new_token_that_is_not_seen_to_work_is_told_of(
    status: int, into: Callable[[Any], Any], mock: MockAPI, memory: Memory, do: Do
) -> None:
    # The first show of a rotation is not the one that tries the new token.
    memory.at["save"] = lambda: mock.fail_next(faults.Status(status), operation="show", times=20)
    error = failure(into, memory)
    said = {401: "the API does not accept it", 503: "was saved, but its test failed"}
    assert said[status] in str(error)
    assert memory.tokens[error.key_id] == error.token
    mock.clear_faults()
    [found] = do(resume, memory)
    assert found.status == "completed"
    assert memory.tokens[error.key_id] == error.token


def test_a_new_token_may_take_a_moment_until_all_of_the_api_knows_it(
    into: Callable[[Any], Any], mock: MockAPI, memory: Memory
) -> None:
    memory.at["save"] = lambda: mock.fail_next(faults.Status(401), operation="show", times=3)
    issued = into(memory)
    assert memory.tokens == {issued.api_key.id: issued.token}


@pytest.mark.parametrize("fault", [faults.Status(403), faults.Status(404)], ids=repr)
def test_a_new_token_works_if_it_is_not_refused_whatever_else_is_answered(
    fault: faults.Fault, into: Callable[[Any], Any], mock: MockAPI, memory: Memory
) -> None:
    memory.at["save"] = lambda: mock.fail_next(fault, operation="show")
    issued = into(memory)
    assert memory.tokens == {issued.api_key.id: issued.token}
    assert mock.faults_left() == 0


def test_a_new_token_that_gets_an_answer_of_any_form_works(do: Do, mock: MockAPI, memory: Memory) -> None:
    key_id = mock.add_key("another", ["api_keys_manage"]).api_key.id
    memory.at["save"] = lambda: mock.fail_next(faults.DropProperty("api_key.name"), operation="show")
    issued = do(rotate_into, memory, key_id)
    assert memory.tokens == {key_id: issued.token}
    assert mock.faults_left() == 0


BROKEN = [faults.CutJSON(keep=0.999), faults.ShortBody(keep=0.999), faults.DropProperty("api_key.name")]


@pytest.mark.parametrize("fault", [*BROKEN, faults.DropProperty("api_key")], ids=repr)
def test_a_token_in_an_answer_that_does_not_fit_gets_to_its_place(
    fault: faults.Fault, into: Callable[[Any], Any], operation: str, mock: MockAPI, store: FileStore
) -> None:
    mock.fail_next(fault, operation=operation)
    issued = into(store)
    assert issued.api_key.name in ("deploy bot", "there")
    assert store.load(issued.api_key.id) == issued.token
    assert works(mock, issued.token)
    assert entries(store) == []


@pytest.mark.parametrize("hidden", ["late", "failing", "twice"])
def test_a_token_whose_key_is_not_known_is_on_the_error(
    hidden: str, do: Do, mock: MockAPI, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    respond = mock.respond

    def answer(request: httpx.Request) -> httpx.Response:
        answer = respond(request)
        if request.method == "POST":
            if hidden == "failing":
                mock.fail_next(faults.Status(520), operation="list", times=9)
            if hidden == "twice":
                headers = {"Authorization": f"Bearer {mock.token.reveal()}"}
                respond(httpx.Request("POST", request.url, headers=headers, content=request.content))
        return answer

    monkeypatch.setattr(mock, "respond", answer)
    if hidden == "late":
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
def test_what_the_api_refuses_leaves_nothing_to_do(
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
def test_what_may_have_happened_is_left_in_the_journal(
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


def test_a_key_that_is_not_there_leaves_nothing_to_do(do: Do, store: FileStore) -> None:
    assert type(failure(do, rotate_into, store, "01F")) is NotFoundError
    assert entries(store) == []


def test_a_journal_that_does_not_take_a_refusal_back_does_not_hide_it(
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
