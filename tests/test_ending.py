"""A call that is cut off, a client that is closed or forgotten, and a try that cannot be begun."""

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
    InvalidRequestError,
    KeysClient,
    RateLimitError,
)
from incident_io_keys._deadline import Deadline
from incident_io_keys._operations import create_key
from incident_io_keys.testing import MockAPI

from .conftest import CANARY, Make
from .faults import Connection, FaultServer


def test_a_cancelled_call_stops_at_once_and_leaves_the_client_usable() -> None:
    arrived = threading.Event()

    def hang(connection: Connection) -> None:
        arrived.set()
        connection.hang()

    async def main(url: str) -> None:
        async with AsyncKeysClient(CANARY, base_url=url, attempts=1) as keys:
            for _ in range(120):  # more than there are connections in the pool
                arrived.clear()
                call = asyncio.create_task(keys.create(name="a", role_names=[]))
                while not arrived.is_set():
                    await asyncio.sleep(0)
                call.cancel()
                with pytest.raises(asyncio.CancelledError) as caught:
                    await call
                shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
                assert CANARY not in "".join(shown)
            behaviour[0] = lambda connection: connection.answer(204, b"")
            await keys.delete("01F")

    behaviour = [hang]
    with FaultServer([lambda connection: behaviour[0](connection)]).running() as server:
        asyncio.run(main(server.url))


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Whoever started the tests may have had the signal ignored, as nohup does."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_an_interrupt_stops_a_sync_call_at_once_and_leaves_the_client_usable() -> None:
    def interrupt(connection: Connection) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        connection.hang()

    faults = [interrupt, lambda connection: connection.answer(204, b"")]
    with FaultServer(faults).running() as server, KeysClient(CANARY, base_url=server.url) as keys:
        with pytest.raises(KeyboardInterrupt) as caught:
            keys.create(name="a", role_names=[])
        shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
        assert "operation = " in shown
        assert CANARY not in shown
        keys.delete("01F")


@pytest.mark.parametrize("kind", [KeysClient, AsyncKeysClient])
def test_a_client_that_is_never_closed_warns(kind: type[KeysClient] | type[AsyncKeysClient]) -> None:
    with pytest.warns(ResourceWarning, match=r"KeysClient\(.*\) was never closed") as caught:
        kind(CANARY, transport=MockAPI().transport())  # and it is gone: nothing holds it
    assert CANARY not in str(caught[0].message)


def test_a_client_that_could_not_be_made_does_not_warn() -> None:
    with pytest.raises(InvalidRequestError):
        KeysClient(CANARY, timeout=0)
    gc.collect()


def test_a_client_is_closed_more_than_once_without_harm(make: Make) -> None:
    keys = make(transport=MockAPI().transport())
    keys.close()
    keys.close()
    with pytest.raises(InvalidRequestError, match="show was not sent:\n  client: is closed; make a new one"):
        keys.show("01F")


def test_a_client_that_is_closed_while_a_call_begins_says_so(mock: MockAPI) -> None:
    def close() -> str:
        keys.close()
        return CANARY

    async def close_async() -> str:
        await async_keys.aclose()
        return CANARY

    keys = KeysClient(close, transport=mock.transport())
    with pytest.raises(InvalidRequestError, match="client: is closed"):
        keys.show("01F")
    async_keys = AsyncKeysClient(close_async, transport=mock.transport())
    with pytest.raises(InvalidRequestError, match="client: is closed"):
        asyncio.run(async_keys.show("01F"))
    assert mock.requests == []


def test_an_error_of_a_transport_of_ones_own_is_ones_own(make: Make) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise RuntimeError("a fault of the transport")

    with pytest.raises(RuntimeError, match="a fault of the transport"):
        make(transport=httpx.MockTransport(fail)).create(name="a", role_names=[])


def test_a_token_that_cannot_be_had_for_another_try_does_not_hide_the_first(make: Make) -> None:
    def lose(_: httpx.Request) -> httpx.Response:
        asked.append(1)
        raise httpx.ReadError("the answer is lost")

    def source() -> str:
        if asked:
            raise LookupError("no lease")
        return CANARY

    asked: list[int] = []
    keys = make(source, transport=httpx.MockTransport(lose))
    with pytest.raises(APIConnectionError, match="the answer is lost\n  the request may have arrived") as caught:
        keys.delete("01F")
    assert asked == [1]
    assert caught.value.may_have_applied
    assert len(caught.value.__notes__) == 1, "it went on trying"
    assert isinstance(caught.value.__cause__, httpx.ReadError)
    assert "It was not tried again: delete was not sent:\n  token: could not be had from" in caught.value.__notes__[0]


def test_a_client_that_is_closed_before_another_try_does_not_hide_the_first(caplog: pytest.LogCaptureFixture) -> None:
    """Nor does the log announce a retry. `list | head` closes its client while it fetches the next page."""

    def lose(_: httpx.Request) -> httpx.Response:
        keys.close()
        raise httpx.ReadError("the answer is lost")

    keys = KeysClient(CANARY, transport=httpx.MockTransport(lose))
    with pytest.raises(APIConnectionError, match="the answer is lost") as caught:
        keys.delete("01F")
    assert caught.value.may_have_applied
    assert "the client was closed" in caught.value.__notes__[0]
    assert not caplog.records


def test_a_source_that_takes_all_of_the_time_for_another_try_does_not_hide_the_first() -> None:
    async def source() -> str:
        if asked:
            await asyncio.Event().wait()
        return CANARY

    def lose(_: httpx.Request) -> httpx.Response:
        asked.append(1)
        raise httpx.ReadError("the answer is lost")

    async def main() -> None:
        async with AsyncKeysClient(source, transport=httpx.MockTransport(lose), deadline=0.7) as keys:
            await keys.delete("01F")

    asked: list[int] = []
    with pytest.raises(APIConnectionError, match="the answer is lost") as caught:
        asyncio.run(main())
    assert "not sent within the deadline of 0.7 s: waiting took it, or the token source" in caught.value.__notes__[0]


@pytest.mark.parametrize("fault", [httpx.ReadError("broken"), RuntimeError("broken")])
def test_what_the_caller_was_handling_is_left_as_it_is(make: Make, fault: Exception) -> None:
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


def test_after_the_deadline_nothing_is_sent(mock: MockAPI, keys: KeysClient) -> None:
    over = Deadline(3)
    over.expire()  # as if the token source had taken all of it
    with pytest.raises(
        APITimeoutError, match="not sent within the deadline of 3 s: waiting took it, or the token argument"
    ) as caught:
        keys._sender.send(create_key(name="a", role_names=[], team_ids=[], team_role_names=[]), deadline=over)
    assert not caught.value.may_have_applied
    assert mock.requests == []


@pytest.mark.parametrize(("tries", "raised"), [(0, APITimeoutError), (1, RateLimitError)])
def test_a_coroutine_that_gives_no_token_ends_at_the_deadline_too(tries: int, raised: type[APITimeoutError]) -> None:
    asked = []

    async def source() -> str:
        asked.append(1)
        if len(asked) > tries:
            await asyncio.Event().wait()
        return CANARY

    async def main() -> None:
        busy = httpx.MockTransport(lambda _: httpx.Response(429, headers={"Retry-After": "0"}))
        async with AsyncKeysClient(source, transport=busy, deadline=0.1) as keys:
            await keys.create(name="a", role_names=[])

    with pytest.raises(raised) as caught:
        asyncio.run(main())
    said = str(caught.value) + "".join(getattr(caught.value, "__notes__", ()))
    assert "not sent within the deadline of 0.1 s: waiting took it, or the token source" in said
    assert not caught.value.may_have_applied
