"""Token sources, and what a client does when its token is refused."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from incident_io_keys import AsyncKeysClient, AuthenticationError, InvalidRequestError, Token, env_token, file_token
from incident_io_keys.testing import MockAPI

from .conftest import CANARY, Make
from .hiding import renderings

Source = Callable[[], Any]


class Door:
    """Lets one token in, and remembers which were tried."""

    def __init__(self, right: str) -> None:
        self.right = right
        self.tried: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.tried.append(request.headers["Authorization"].removeprefix("Bearer "))
        if self.tried[-1] != self.right:
            return httpx.Response(401, json={"type": "authentication_error"})
        return httpx.Response(200, json={"api_keys": [], "pagination_meta": {"page_size": 1}})


def knock(make: Make, door: Door, source: object, **more: Any) -> list[object]:
    return list(make(source, transport=httpx.MockTransport(door), **more).list())


@pytest.mark.parametrize("given", [CANARY, Token(CANARY)])
def test_a_source_is_asked_before_every_request(make: Make, given: str | Token) -> None:
    asked = []

    def source() -> str | Token:
        asked.append(1)
        return given

    keys = make(source, transport=httpx.MockTransport(Door(CANARY)))
    assert asked == []
    for _ in range(3):
        list(keys.list())
    assert len(asked) == 3


def test_a_token_of_the_environment_is_looked_up_each_time(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCIDENT_API_KEY", "first-token")
    monkeypatch.setenv("OTHER", "other-token")
    door = Door("")
    for source in (None, env_token(), env_token("OTHER")):
        with pytest.raises(AuthenticationError):
            knock(make, door, source)
    keys = make(None, transport=httpx.MockTransport(door))
    monkeypatch.setenv("INCIDENT_API_KEY", "second-token")
    with pytest.raises(AuthenticationError, match="came from the environment variable INCIDENT_API_KEY"):
        list(keys.list())
    assert door.tried == ["first-token", "first-token", "other-token", "second-token"]


def test_a_token_file_is_read_each_time_and_white_space_around_the_token_is_not_the_token(
    make: Make, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    door = Door("")
    keys = make(file_token(path), transport=httpx.MockTransport(door))
    for text in ("first-token\n", "second-tokn\r\n", " third-token"):  # same length, same moment
        path.write_text(text)
        with pytest.raises(AuthenticationError, match=f"came from the file {path}"):
            list(keys.list())
    assert door.tried == ["first-token", "second-tokn", "third-token"]


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (lambda _: None, "token: could not be had from the file {path}, which raised FileNotFoundError"),
        (lambda path: path.mkdir(), "token: could not be had from the file {path}, which raised IsADirectoryError"),
        (lambda path: path.write_text("\n"), "token: from the file {path} is missing or blank; give the bare token"),
        (
            lambda path: path.write_text(f"{CANARY}\n{CANARY}"),
            "token: from the file {path} has characters that a header cannot carry",
        ),
        (
            lambda path: path.write_bytes(b"\xff\xfe" + CANARY.encode()),
            "token: from the file {path} has characters that a header cannot carry",
        ),
    ],
)
def test_a_token_file_that_holds_no_token_is_refused(
    make: Make, tmp_path: Path, write: Callable[[Path], object], problem: str
) -> None:
    path = tmp_path / "token"
    write(path)
    door = Door(CANARY)
    with pytest.raises(InvalidRequestError) as caught:
        knock(make, door, file_token(path))
    assert str(caught.value.problems[0]).startswith(problem.format(path=path))
    assert CANARY not in renderings(caught.value)
    assert door.tried == []


def test_a_source_that_fails_is_refused_and_shows_nothing(make: Make) -> None:
    def vault() -> str:
        secret = CANARY
        raise LookupError(f"no lease for {secret}")

    with pytest.raises(InvalidRequestError) as caught:
        knock(make, Door(CANARY), vault)
    assert "list was not sent:\n  token: could not be had from the token source " in str(caught.value)
    assert str(caught.value).endswith("vault, which raised LookupError")
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert CANARY not in renderings(caught.value)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (lambda: None, "has to be a str or a Token, not None"),
        (lambda: CANARY.encode(), "has to be a str or a Token, not a value of type bytes"),
        (lambda: "", "token: from the token source <lambda> is missing or blank"),
        (lambda: CANARY + "\n", "has characters that a header cannot carry"),
    ],
)
def test_what_is_no_token_is_refused_whatever_source_gives_it(make: Make, source: Source, problem: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        knock(make, Door(CANARY), source)
    assert problem in str(caught.value)
    assert CANARY not in renderings(caught.value)


def test_an_async_client_awaits_a_coroutine_function_and_a_sync_one_says_that_it_cannot(make: Make) -> None:
    async def source(token: str) -> str:
        return token

    door = Door(CANARY)
    if "Async" in repr(make()):
        assert knock(make, door, functools.partial(source, CANARY)) == []
        assert knock(make, door, lambda: source(CANARY)) == []
    else:
        with pytest.raises(InvalidRequestError, match="coroutine function; those are for AsyncKeysClient"):
            knock(make, door, functools.partial(source, CANARY))
        with pytest.raises(InvalidRequestError, match="not a value of type coroutine"):
            knock(make, door, lambda: source(CANARY))


def test_a_source_that_waits_for_what_was_cancelled_has_failed() -> None:
    async def source() -> str:
        shared = asyncio.get_running_loop().create_future()
        shared.cancel()
        await shared
        return CANARY

    async def main() -> None:
        async with AsyncKeysClient(source, transport=httpx.MockTransport(Door(CANARY))) as keys:
            await keys.show("01F")

    with pytest.raises(InvalidRequestError, match="which raised CancelledError"):
        asyncio.run(main())


def test_a_call_that_is_cancelled_while_it_waits_for_its_token_is_cancelled() -> None:
    async def main() -> None:
        waits = asyncio.Event()

        async def source() -> str:
            waits.set()
            await asyncio.Event().wait()
            return CANARY

        async with AsyncKeysClient(source, transport=httpx.MockTransport(Door(CANARY))) as keys:
            call = asyncio.create_task(keys.delete("01F"))
            await waits.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    asyncio.run(main())


@pytest.mark.parametrize("attempts", [1, 4])
def test_a_request_that_is_refused_is_sent_once_more_if_there_is_another_token_by_then(
    make: Make, attempts: int
) -> None:
    door = Door("new-token")
    tokens = iter(["old-token", "new-token"])
    assert knock(make, door, lambda: next(tokens), attempts=attempts) == []
    assert door.tried == ["old-token", "new-token"]


def test_it_is_sent_once_more_and_not_twice(make: Make) -> None:
    door = Door("")
    tokens = (f"token-{number}" for number in range(9))
    with pytest.raises(AuthenticationError):
        knock(make, door, lambda: next(tokens))
    assert door.tried == ["token-0", "token-1"]


def test_a_create_is_sent_once_more_too_since_a_refusal_changed_nothing(make: Make, mock: MockAPI) -> None:
    tokens = iter(["inc_old-token", mock.token])
    keys = make(lambda: next(tokens), transport=mock.transport())
    assert keys.create(name="a", role_names=[]).api_key.name == "a"
    assert [request.method for request in mock.requests] == ["POST", "POST"]


@pytest.mark.parametrize("source", [CANARY, lambda: CANARY])
def test_a_refusal_stays_where_there_is_no_other_token(make: Make, source: object) -> None:
    door = Door("")
    with pytest.raises(AuthenticationError) as caught:
        knock(make, door, source)
    assert door.tried == [CANARY]
    name = "the token argument" if source == CANARY else "the token source <lambda>"
    assert f"the token came from {name}: " in str(caught.value)


def test_a_source_that_fails_when_asked_again_leaves_the_refusal(make: Make) -> None:
    tokens = iter([CANARY])
    with pytest.raises(AuthenticationError):
        knock(make, Door(""), lambda: next(tokens))
