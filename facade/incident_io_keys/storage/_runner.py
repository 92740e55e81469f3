"""Runs a procedure with a client of either kind.

A procedure is a plain function that calls the API through `Api`, and a token store through `SafeStore`. With an async
client, it runs in a thread of its own, and its API calls run in the event loop.
"""

from __future__ import annotations

import concurrent.futures
import contextvars
import inspect
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from ..async_client import AsyncKeysClient
from ..client import KeysClient
from ._adapters import Api, is_async
from ._errors import StoreUnavailableError

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
Client: TypeAlias = KeysClient | AsyncKeysClient

# Seconds between the checks whether an event loop was closed while a call was in progress.
_CHECK_INTERVAL: Final = 1.0


def wait(seconds: float, stop: threading.Event | None = None) -> None:
    (stop or threading.Event()).wait(seconds)


def start_thread(work: Callable[[], object], *, daemon: bool | None = None) -> threading.Thread | None:
    """Start a thread in the current context. Return None if no thread can be started."""
    context = contextvars.copy_context()  # tools that trace requests use it
    thread = threading.Thread(target=context.run, args=(work,), name="incident-io-keys-storage", daemon=daemon)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread


def run(client: Any, procedure: Callable[[Api], T]) -> Any:
    """Run a procedure; with an async client, return a coroutine that does."""
    return _run_async(client, procedure) if is_async(client) else procedure(Api(client))


async def _run_async(client: Any, procedure: Callable[[Api], T]) -> T:
    """Run a procedure in a thread. A cancellation sets `Api.stop`, and takes effect when the procedure has ended."""
    import asyncio

    import anyio

    await asyncio.sleep(0)  # an earlier cancellation takes effect here, before anything is done
    bridge = _Bridge(asyncio.get_running_loop())
    outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
    stop = threading.Event()

    def work() -> None:
        try:
            outcome.set_result(procedure(Api(client, bridge.run, stop)))
        except BaseException as error:  # noqa: BLE001 - the awaiting task raises it
            outcome.set_exception(error)

    if start_thread(work, daemon=True) is None:
        raise StoreUnavailableError("no thread can be started; nothing was issued")
    ended = asyncio.wrap_future(outcome)
    cancelled: asyncio.CancelledError | None = None
    try:
        try:
            await asyncio.wait([ended])
        except asyncio.CancelledError as error:
            cancelled = error
            stop.set()
            # anyio cancels a task again in every turn of the event loop, unless a scope is shielded.
            with anyio.CancelScope(shield=True):
                while not ended.done():
                    try:
                        await asyncio.wait([ended])
                    except asyncio.CancelledError as again:
                        cancelled = again
    finally:
        bridge.close()  # if the event loop ends before the procedure, its thread must not wait forever
    if cancelled is not None:
        cancelled.add_note("the call was completed before the cancellation took effect")
        raise cancelled from ended.exception()  # it may have the issued token
    return ended.result()


class _Bridge:
    """Runs functions, coroutine functions too, in an event loop for other threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pending: set[concurrent.futures.Future[Any]] = set()
        self._closed = False
        self._lock = threading.RLock()  # the garbage collector can call `close` at any point

    def run(self, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """Call a function in the event loop, wait for its result, and return it."""
        import asyncio

        interrupts: list[BaseException] = []

        async def call() -> Any:
            try:
                found = function(*arguments, **keywords)
                return await found if inspect.isawaitable(found) else found
            except (KeyboardInterrupt, SystemExit) as error:  # a task that raises it would stop the event loop
                interrupts.append(error)

        with self._lock:  # `close` must see the future, or this thread must see that it was called
            if self._closed or self._loop.is_closed():
                raise asyncio.CancelledError
            future = asyncio.run_coroutine_threadsafe(call(), self._loop)
            self._pending.add(future)
        try:
            while not concurrent.futures.wait([future], _CHECK_INTERVAL).done:
                if self._loop.is_closed():  # the future never ends
                    raise asyncio.CancelledError
            found = future.result()
        except concurrent.futures.CancelledError:
            raise asyncio.CancelledError from None
        finally:
            self._pending.discard(future)
        if interrupts:
            raise interrupts[0]
        return found

    def close(self) -> None:
        """Cancel running calls, and reject new ones."""
        with self._lock:
            self._closed = True
        for future in tuple(self._pending):
            future.cancel()
