"""Cancelled calls of the async client: the pool keeps all of its connections, and nothing is left over."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from incident_io_keys import APITimeoutError, AsyncKeysClient

from .calls import CALLS, DEFINITION
from .conftest import CANARY
from .trust import trusted_context
from .turns import IN_FLIGHT, Cancel, TurnServer, cancel_in_group, cancel_scope, cancel_task, turn

# Far more turns of the event loop than a call needs.
MOST_TURNS = 300

CALLS_OF: dict[str, Callable[[AsyncKeysClient], Coroutine[Any, Any, Any]]] = {
    "list": lambda keys: anext(keys.list().pages()),
    **{name: call for name, call in CALLS.items() if name != "list"},
}


def client_of(server: TurnServer) -> AsyncKeysClient:
    """Return a client that soon fails if no connection is free."""
    return AsyncKeysClient(CANARY, base_url=server.url, attempts=1, timeout=5)


async def have_hundred_in_flight(keys: AsyncKeysClient, server: TurnServer) -> None:
    """Make calls that get their responses once all of them have arrived. A lost connection would leave one waiting."""
    ids = [f"flight-{number}" for number in range(IN_FLIGHT)]
    server.hold, server.held = IN_FLIGHT, b"flight-"  # requests of cancelled calls can still arrive
    server.waiting.clear()
    found = await asyncio.gather(*(keys.show(each) for each in ids))
    assert [key.id for key in found] == ids
    server.hold, server.held = 1, b""


async def check_nothing_is_left() -> None:
    """Check that no task but the current one runs, and that nothing that is collected warns."""
    await turn(10)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    gc.collect()


async def cancel_often(keys: AsyncKeysClient, cancel: Cancel, cancellations: int) -> None:
    """Cancel each operation after each number of turns up to its end, and begin again."""
    cancelled = 0
    while cancelled < cancellations:
        for call in CALLS_OF.values():
            for turns in range(MOST_TURNS):
                if not await cancel(call(keys), turns):
                    break
                cancelled += 1
            assert 3 < turns < MOST_TURNS - 1, "the call hangs"


def run(main: Coroutine[Any, Any, None], loop: str = "asyncio") -> None:
    """Run in an event loop of a kind."""
    with asyncio.Runner(loop_factory=None if loop != "uvloop" else pytest.importorskip("uvloop").new_event_loop) as it:
        if loop == "eager tasks":
            it.get_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined, unused-ignore]
        it.run(main)


LOOPS = [
    "asyncio",
    "uvloop",
    pytest.param("eager tasks", marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="no eager tasks yet")),
]


@pytest.mark.parametrize("cancel", [cancel_task, cancel_in_group, cancel_scope])
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("cancellations", [900, pytest.param(12_000, marks=pytest.mark.exhaustive)])
def test_a_client_keeps_its_connections_after_cancellations(loop: str, cancel: Cancel, cancellations: int) -> None:
    async def main() -> None:
        async with TurnServer().running() as server:
            async with client_of(server) as keys:
                await cancel_often(keys, cancel, cancellations)
                await have_hundred_in_flight(keys, server)
            await check_nothing_is_left()

    run(main(), loop)


@pytest.mark.parametrize("cancel", [cancel_task, cancel_scope])
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("cancellations", [150, pytest.param(3_000, marks=pytest.mark.exhaustive)])
def test_a_client_keeps_its_connections_after_cancellations_over_tls(
    loop: str, cancel: Cancel, cancellations: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(context: ssl.SSLContext) -> None:
        async with TurnServer().running(context) as server:
            async with client_of(server) as keys:
                await cancel_often(keys, cancel, cancellations)
                await have_hundred_in_flight(keys, server)
            await check_nothing_is_left()

    run(main(trusted_context(tmp_path, monkeypatch)), loop)


@pytest.mark.parametrize("cancel", [cancel_task, cancel_in_group, cancel_scope])
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("released", [0, 1, 100])
def test_a_client_keeps_its_connections_after_cancellations_while_calls_wait_for_one(
    loop: str, cancel: Cancel, released: int
) -> None:
    """All connections are in use. Some of them become free in the turn in which the waiting calls are cancelled."""

    async def main() -> None:
        async with TurnServer().running() as server:
            async with client_of(server) as keys:
                for turns in (0, 1, 2, 3, 5, 8, 20):
                    server.hold = IN_FLIGHT + 1
                    held = [asyncio.create_task(keys.show("a")) for _ in range(IN_FLIGHT)]
                    while len(server.waiting) < IN_FLIGHT:
                        assert not any(call.done() for call in held), "a call has got no connection"
                        await turn()
                    waiting = [asyncio.create_task(cancel(keys.create(**DEFINITION), turns)) for _ in range(20)]
                    for send in server.waiting[:released]:
                        send()
                    del server.waiting[:released]
                    await asyncio.gather(*waiting)
                    server.hold = 1
                    server.release()
                    assert {key.id for key in await asyncio.gather(*held)} == {"a"}
                await have_hundred_in_flight(keys, server)
            await check_nothing_is_left()

    run(main(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_client_keeps_its_connections_after_loops_that_were_left_while_they_prefetched(loop: str) -> None:
    async def main() -> None:
        async with TurnServer().running() as server:
            async with client_of(server) as keys:
                for number in range(1_500):
                    async for _ in keys.list(page_size=1, prefetch=True):
                        await turn(number % 20)
                        break
                await turn(20)  # the event loop closes the generators that were left
                await have_hundred_in_flight(keys, server)
            await check_nothing_is_left()

    run(main(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_client_keeps_its_connections_after_calls_that_ended_at_their_deadline(loop: str) -> None:
    async def main() -> None:
        async with TurnServer().running() as server:
            async with client_of(server) as keys:

                async def time_out(number: int) -> None:
                    with contextlib.suppress(APITimeoutError):
                        await CALLS_OF[names[number % 6]](keys.with_options(deadline=1e-4 * (number + 1)))

                names = list(CALLS_OF)
                for wave in range(5):
                    server.hold = 45 * (wave % 2) + 1  # in every other wave, most calls get no response
                    await asyncio.gather(*(time_out(number) for number in range(60)))
                await have_hundred_in_flight(keys, server)
            await check_nothing_is_left()

    run(main(), loop)
