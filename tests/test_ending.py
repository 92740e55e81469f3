"""Calls that are cancelled, interrupted or out of time, and clients that are closed or never closed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import threading
import traceback
from collections.abc import Iterator

import httpx
import pytest

from incident_io_keys import (
    APIConnectionError,
    APITimeoutError,
    AsyncKeysClient,
    IncidentIOError,
    InternalServerError,
    InvalidRequestError,
    KeysClient,
    RateLimitError,
)
from incident_io_keys.testing import MockAPI

from .calls import CALLS, KEY_ID
from .conftest import CANARY, Make
from .faults import Connection, FaultServer


def frames(error: BaseException) -> str:
    """Return the traceback of an exception, with local variables."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def test_a_cancelled_call_ends_immediately_and_the_client_stays_usable() -> None:
    arrived = threading.Event()

    def hang(connection: Connection) -> None:
        arrived.set()
        connection.hang()

    async def main(url: str) -> None:
        async with AsyncKeysClient(CANARY, base_url=url, attempts=1) as keys:
            for _ in range(120):  # more than the pool has connections
                arrived.clear()
                call = asyncio.create_task(keys.create(name="a", role_names=[]))
                while not arrived.is_set():
                    await asyncio.sleep(0)
                call.cancel()
                with pytest.raises(asyncio.CancelledError) as caught:
                    await call
                assert CANARY not in frames(caught.value)
            behavior[0] = lambda connection: connection.answer(204, b"")
            await keys.delete(KEY_ID)

    behavior = [hang]
    with FaultServer([lambda connection: behavior[0](connection)]).running() as server:
        asyncio.run(main(server.url))


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Handle SIGINT as Python does by default. A parent such as nohup may have made this process ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_an_interrupted_sync_call_ends_immediately_and_the_client_stays_usable() -> None:
    def interrupt(connection: Connection) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        connection.hang()

    faults = [interrupt, lambda connection: connection.answer(204, b"")]
    with FaultServer(faults).running() as server, KeysClient(CANARY, base_url=server.url) as keys:
        with pytest.raises(KeyboardInterrupt) as caught:
            keys.create(name="a", role_names=[])
        assert "self = " in frames(caught.value), "no local variables to search"
        assert CANARY not in frames(caught.value)
        keys.delete(KEY_ID)


@pytest.mark.parametrize("kind", [KeysClient, AsyncKeysClient])
def test_a_client_that_is_never_closed_warns(kind: type[KeysClient] | type[AsyncKeysClient]) -> None:
    with pytest.warns(ResourceWarning, match=r"KeysClient\(.*\) was never closed") as caught:
        kind(CANARY, transport=MockAPI().transport())  # no reference keeps it alive
    assert CANARY not in str(caught[0].message)


def test_a_client_that_could_not_be_made_does_not_warn() -> None:
    with pytest.raises(InvalidRequestError):
        KeysClient(CANARY, timeout=0)
    gc.collect()


def test_a_client_can_be_closed_twice_and_rejects_calls(make: Make) -> None:
    keys = make(transport=MockAPI().transport())
    keys.close()
    keys.close()
    with pytest.raises(InvalidRequestError, match="show was not sent:\n  client: is closed"):
        keys.show(KEY_ID)


def test_a_client_that_its_token_source_closes_sends_nothing(mock: MockAPI) -> None:
    def close() -> str:
        keys.close()
        return CANARY

    async def close_async() -> str:
        await async_keys.aclose()
        return CANARY

    keys = KeysClient(close, transport=mock.transport())
    with pytest.raises(InvalidRequestError, match="client: is closed"):
        keys.show(KEY_ID)
    async_keys = AsyncKeysClient(close_async, transport=mock.transport())
    with pytest.raises(InvalidRequestError, match="client: is closed"):
        asyncio.run(async_keys.show(KEY_ID))
    assert mock.requests == []


def test_an_unknown_error_of_a_custom_transport_is_raised_unchanged(make: Make) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise fault

    fault = RuntimeError("a fault of the transport")
    with pytest.raises(RuntimeError) as caught:
        make(transport=httpx.MockTransport(fail)).create(name="a", role_names=[])
    assert caught.value is fault


def test_a_retry_without_a_token_raises_the_first_failure(make: Make) -> None:
    def lose(_: httpx.Request) -> httpx.Response:
        sent.append(1)
        raise httpx.ReadError("the response is lost")

    def source() -> str:
        if sent:
            raise LookupError("no lease")
        return CANARY

    sent: list[int] = []
    with pytest.raises(APIConnectionError, match="the response is lost") as caught:
        make(source, transport=httpx.MockTransport(lose)).delete(KEY_ID)
    assert sent == [1]
    assert caught.value.may_have_applied
    assert isinstance(caught.value.__cause__, httpx.ReadError)
    [note] = caught.value.__notes__
    assert "token" in note


def test_a_client_that_is_closed_before_a_retry_raises_the_first_failure(caplog: pytest.LogCaptureFixture) -> None:
    """`list | head` closes its client while it fetches the next page. The log must not announce a retry then."""

    def lose(_: httpx.Request) -> httpx.Response:
        keys.close()
        raise httpx.ReadError("the response is lost")

    keys = KeysClient(CANARY, transport=httpx.MockTransport(lose))
    with pytest.raises(APIConnectionError, match="the response is lost") as caught:
        keys.delete(KEY_ID)
    assert caught.value.may_have_applied
    assert len(caught.value.__notes__) == 1
    assert not caplog.records


@pytest.mark.parametrize("fault", [httpx.ReadError("broken"), RuntimeError("broken")])
def test_the_exception_that_the_caller_handles_stays_unchanged(make: Make, fault: Exception) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise fault

    keys = make(transport=httpx.MockTransport(fail))
    mine = ValueError(f"mine {CANARY}")
    try:
        raise mine
    except ValueError:
        with contextlib.suppress(APIConnectionError, RuntimeError):
            keys.create(name="a", role_names=[])
    assert mine.args == (f"mine {CANARY}",)
    assert mine.__traceback__ is not None


def test_nothing_is_sent_after_the_deadline(make: Make, mock: MockAPI) -> None:
    keys = make(mock.token, transport=mock.transport(), deadline=1e-9)  # exceeded before the first request
    with pytest.raises(APITimeoutError, match="create was not sent within the deadline") as caught:
        keys.create(name="a", role_names=[])
    assert not caught.value.may_have_applied
    assert mock.requests == []


@pytest.mark.parametrize(
    ("name", "statuses", "kind", "may_have_applied"),
    [
        ("create", [], APITimeoutError, False),
        ("create", [429], RateLimitError, False),
        ("delete", [503], InternalServerError, True),
    ],
)
def test_an_async_token_source_that_never_returns_ends_at_the_deadline(
    name: str, statuses: list[int], kind: type[IncidentIOError], may_have_applied: bool
) -> None:
    async def source() -> str:
        if not statuses:
            await asyncio.Event().wait()
        return CANARY

    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(left.pop(), headers={"Retry-After": "0.001"})

    async def main() -> None:
        async with AsyncKeysClient(source, transport=httpx.MockTransport(respond), deadline=0.1) as keys:
            await CALLS[name](keys)

    left = statuses = list(statuses)
    with pytest.raises(kind) as caught:
        asyncio.run(main())
    assert type(caught.value) is kind
    assert caught.value.may_have_applied is may_have_applied
    assert "deadline" in str(caught.value) + "".join(getattr(caught.value, "__notes__", ()))
