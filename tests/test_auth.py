"""Token sources, and the second request after a 401."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from incident_io_keys import (
    AsyncKeysClient,
    AuthenticationError,
    IncidentIOError,
    InvalidRequestError,
    Token,
    TokenSourceError,
    env_token,
    file_token,
)
from incident_io_keys.testing import MockAPI

from .calls import CALLS
from .conftest import CANARY, Make
from .hiding import renderings

Source = Callable[[], Any]


class Gate:
    """A handler that accepts one token and records those of all requests."""

    def __init__(self, accepted: str) -> None:
        self.accepted = accepted
        self.tokens: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.tokens.append(request.headers["Authorization"].removeprefix("Bearer "))
        if self.tokens[-1] != self.accepted:
            return httpx.Response(401, json={"type": "authentication_error"})
        return httpx.Response(200, json={"api_keys": [], "pagination_meta": {"page_size": 1}})


def list_keys(make: Make, gate: Gate, source: object, **options: Any) -> list[object]:
    return list(make(source, transport=httpx.MockTransport(gate), **options).list())


@pytest.mark.parametrize("given", [CANARY, Token(CANARY)])
def test_a_source_is_called_before_every_request(make: Make, given: str | Token) -> None:
    calls = []

    def source() -> str | Token:
        calls.append(1)
        return given

    keys = make(source, transport=httpx.MockTransport(Gate(CANARY)))
    assert calls == []
    for _ in range(3):
        list(keys.list())
    assert len(calls) == 3


def test_the_environment_is_read_for_every_request(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCIDENT_API_KEY", "first-token")
    monkeypatch.setenv("OTHER", "other-token")
    gate = Gate("")
    for source in (None, env_token(), env_token("OTHER")):
        with pytest.raises(AuthenticationError):
            list_keys(make, gate, source)
    keys = make(None, transport=httpx.MockTransport(gate))
    monkeypatch.setenv("INCIDENT_API_KEY", "second-token")
    with pytest.raises(AuthenticationError, match="the environment variable INCIDENT_API_KEY"):
        list(keys.list())
    assert gate.tokens == ["first-token", "first-token", "other-token", "second-token"]


def test_a_token_file_is_read_for_every_request_and_stripped(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "token"
    gate = Gate("")
    keys = make(file_token(path), transport=httpx.MockTransport(gate))
    for text in ("first-token\n", "second-tokn\r\n", " third-token"):  # the same length and mtime
        path.write_text(text)
        with pytest.raises(AuthenticationError, match=f"the file {path}"):
            list(keys.list())
    assert gate.tokens == ["first-token", "second-tokn", "third-token"]


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (lambda _: None, "FileNotFoundError"),
        (lambda path: path.mkdir(), "IsADirectoryError"),
        (lambda path: path.write_text("\n"), "is missing or blank"),
        (
            lambda path: path.write_text(f"{CANARY}\n{CANARY}"),
            "has white space or another character that no token has",
        ),
        (
            lambda path: path.write_bytes(b"\xff\xfe" + CANARY.encode()),
            "has white space or another character that no token has",
        ),
    ],
)
def test_a_token_file_without_a_usable_token_is_rejected(
    make: Make, tmp_path: Path, write: Callable[[Path], object], problem: str
) -> None:
    path = tmp_path / "token"
    write(path)
    gate = Gate(CANARY)
    with pytest.raises(IncidentIOError, match=f"the file {path}.* {problem}") as caught:
        list_keys(make, gate, file_token(path))
    assert CANARY not in renderings(caught.value)
    assert gate.tokens == []


def test_a_failing_source_shows_no_token(make: Make) -> None:
    def vault() -> str:
        secret = CANARY
        raise LookupError(f"no lease for {secret}")

    with pytest.raises(IncidentIOError, match=r"the token source .*vault.* LookupError") as caught:
        list_keys(make, Gate(CANARY), vault)
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert CANARY not in renderings(caught.value)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (lambda: None, "has to be a str or a Token, not None"),
        (lambda: CANARY.encode(), "has to be a str or a Token, not a value of type bytes"),
        (lambda: "", "the token source <lambda> is missing or blank"),
        (lambda: CANARY + "\n", "has white space or another character that no token has"),
    ],
)
def test_a_source_that_returns_no_usable_token_is_rejected(make: Make, source: Source, problem: str) -> None:
    with pytest.raises(IncidentIOError) as caught:
        list_keys(make, Gate(CANARY), source)
    assert problem in str(caught.value)
    assert CANARY not in renderings(caught.value)


def return_bytes() -> Any:
    return CANARY.encode()


def raise_value_error() -> str:
    raise ValueError(CANARY)


def raise_invalid_request() -> str:
    raise InvalidRequestError("vault", [])


SOURCES: dict[str, Source] = {
    "raises": raise_value_error,
    "raises the error of an argument": raise_invalid_request,
    "none": lambda: None,
    "bytes": return_bytes,
    "blank": lambda: " ",
    "quotes": lambda: f"'{CANARY}'",
    "line break": lambda: f"{CANARY}\n",
    "two lines": lambda: f"{CANARY}\n{CANARY}",
    "not ASCII": lambda: f"\u201c{CANARY}\u201d",
    "blank token": lambda: Token(""),
    "file": file_token("/does/not/exist"),
    "environment": env_token("NO_SUCH_VARIABLE"),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("source", SOURCES)
def test_a_source_without_a_usable_token_is_a_token_source_error(make: Make, source: str, name: str) -> None:
    gate = Gate(CANARY)
    with pytest.raises(TokenSourceError, match=rf"^{name} was not sent: ") as caught:
        CALLS[name](make(SOURCES[source], transport=httpx.MockTransport(gate)))
    assert not isinstance(caught.value, (InvalidRequestError, ValueError))
    assert not caught.value.may_have_applied
    assert caught.value.code == "token_source"
    assert ("is in quotes" in str(caught.value)) is (source == "quotes")
    assert CANARY not in renderings(caught.value)
    assert gate.tokens == []


def test_an_async_client_awaits_a_coroutine_function_and_a_sync_client_rejects_it(make: Make) -> None:
    async def source(token: str) -> str:
        return token

    gate = Gate(CANARY)
    if "Async" in repr(make()):
        assert list_keys(make, gate, functools.partial(source, CANARY)) == []
        assert list_keys(make, gate, lambda: source(CANARY)) == []
    else:
        with pytest.raises(InvalidRequestError, match=r"coroutine function.* AsyncKeysClient"):
            list_keys(make, gate, functools.partial(source, CANARY))
        with pytest.raises(IncidentIOError, match="type coroutine"):
            list_keys(make, gate, lambda: source(CANARY))


def test_a_source_that_awaits_a_cancelled_future_has_failed() -> None:
    async def source() -> str:
        shared = asyncio.get_running_loop().create_future()
        shared.cancel()
        await shared
        return CANARY

    async def main() -> None:
        async with AsyncKeysClient(source, transport=httpx.MockTransport(Gate(CANARY))) as keys:
            await keys.show("01F")

    with pytest.raises(IncidentIOError, match="CancelledError"):
        asyncio.run(main())


def test_a_call_can_be_cancelled_while_it_waits_for_its_token() -> None:
    async def main() -> None:
        waits = asyncio.Event()

        async def source() -> str:
            waits.set()
            await asyncio.Event().wait()
            return CANARY

        async with AsyncKeysClient(source, transport=httpx.MockTransport(Gate(CANARY))) as keys:
            call = asyncio.create_task(keys.delete("01F"))
            await waits.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    asyncio.run(main())


@pytest.mark.parametrize("attempts", [1, 4])
def test_a_401_is_followed_by_a_second_request_if_the_source_has_a_newer_token(make: Make, attempts: int) -> None:
    gate = Gate("new-token")
    tokens = iter(["old-token", "new-token"])
    assert list_keys(make, gate, lambda: next(tokens), attempts=attempts) == []
    assert gate.tokens == ["old-token", "new-token"]


def test_there_is_no_third_request_after_a_401(make: Make) -> None:
    gate = Gate("")
    tokens = (f"token-{number}" for number in range(9))
    with pytest.raises(AuthenticationError):
        list_keys(make, gate, lambda: next(tokens))
    assert gate.tokens == ["token-0", "token-1"]


def test_a_create_is_resent_after_a_401_too(make: Make, mock: MockAPI) -> None:
    tokens = iter(["inc_old-token", mock.token])
    keys = make(lambda: next(tokens), transport=mock.transport())
    assert keys.create(name="a", role_names=[]).api_key.name == "a"
    assert [request.method for request in mock.requests] == ["POST", "POST"]


@pytest.mark.parametrize("source", [CANARY, lambda: CANARY])
def test_a_401_is_raised_if_there_is_no_newer_token(make: Make, source: object) -> None:
    gate = Gate("")
    with pytest.raises(AuthenticationError) as caught:
        list_keys(make, gate, source)
    assert gate.tokens == [CANARY]
    name = "the token argument" if source == CANARY else "the token source <lambda>"
    assert name in str(caught.value)


def test_a_401_is_raised_if_the_source_fails_the_second_time(make: Make) -> None:
    tokens = iter([CANARY])
    with pytest.raises(AuthenticationError):
        list_keys(make, Gate(""), lambda: next(tokens))
