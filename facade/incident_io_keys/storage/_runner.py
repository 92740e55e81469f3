"""Runs procedures that do no I/O themselves, in a sync and an async twin.

A procedure is a generator: it yields what is to be done, and goes on with what came of it. What storage does is thus
written once, whatever client it is done with.
"""

from __future__ import annotations

import contextvars
import inspect
import sys
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from attrs import frozen

from .._error_mapping import strip_tracebacks
from .._redaction import redact
from .._validation import type_name
from ..async_client import AsyncKeysClient
from ..client import KeysClient
from ..errors import IncidentIOError, Problem
from ..tokens import Token
from ._errors import StorageError, StoreUnavailableError
from ._store import TokenStore

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
Client: TypeAlias = KeysClient | AsyncKeysClient

# How a procedure waits; a test puts its own clock in their place.
_sleep = time.sleep


async def _sleep_async(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


@frozen
class Ask:
    """One thing to be done.

    Attributes:
        function: What does it.
        arguments: What it is given.
        keywords: What it is given by name.
        blocks: Whether it blocks, and belongs into a thread of its own where nothing else may.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    blocks: bool

    def __call__(self) -> Any:
        """Do it.

        Raises:
            IncidentIOError: It failed. Of what is none of ours, nothing is kept but the text: frames and attributes are
                of those who handle tokens.
        """
        token = next((each for each in self.arguments if isinstance(each, Token)), None)
        outer = sys.exception()
        try:
            return self.function(*self.arguments, **self.keywords)
        except Exception as error:  # noqa: BLE001 - a store may raise whatever it likes, and a transport too
            failure = self.failure(error, token, outer)
        except BaseException as error:
            strip_tracebacks(error, token, outer=outer)
            raise
        raise failure

    def failure(self, error: Exception, token: Token | None, outer: BaseException | None) -> IncidentIOError:
        """What to raise where this failed."""
        if not self.blocks and isinstance(error, IncidentIOError):
            return error
        strip_tracebacks(error, token, outer=outer)
        if self.blocks and isinstance(error, (StoreUnavailableError, StorageError)):
            error.__cause__ = error.__context__ = None
            vars(error).pop("__notes__", None)
            return error
        try:
            text = redact(f"{type(error).__name__}: {error}", token)
        except Exception:  # noqa: BLE001 - that it cannot be shown must not hide what it is about
            text = type(error).__name__
        # What a transport of the user's own raises says nothing of what the API did.
        return StoreUnavailableError(text) if self.blocks else StorageError(text, may_have_applied=True)


@frozen
class Outcome:
    """What came of it: a value, or what was raised."""

    value: Any = None
    error: BaseException | None = None

    def get(self) -> Any:
        """Return the value, or raise."""
        if self.error is not None:
            raise self.error
        return self.value


# What came of it is sent in and not thrown: tools that trace a program lose sight of generators that something is
# thrown into.
Steps: TypeAlias = Generator[Ask, Outcome, T]


def api(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Steps[Any]:
    """Ask for a call of a client, sync or async."""
    return (yield Ask(function, arguments, keywords, blocks=False)).get()


def local(function: Callable[..., T], *arguments: Any, **keywords: Any) -> Steps[T]:
    """Ask for what blocks and is on this machine: a store's method, or the journal's."""
    found: T = (yield Ask(function, arguments, keywords, blocks=True)).get()
    return found


def load(store: TokenStore, key_id: str) -> Steps[Token | None]:
    """Ask for the token that a store has for a key."""
    return (yield from local(_loaded, store, key_id))


def _loaded(store: TokenStore, key_id: str) -> Token | None:
    found: Any = store.load(key_id)
    if found is not None and not isinstance(found, Token):
        raise StoreUnavailableError(f"the store gives {type_name(found)}, and not a Token")
    return found


def pause(client: Client, seconds: float) -> Steps[None]:
    """Ask for a wait."""
    (yield Ask(_sleep_async if isinstance(client, AsyncKeysClient) else _sleep, (seconds,), {}, blocks=False)).get()


def every_key(client: Client) -> Any:
    """All keys that the caller sees, as a list: for `api`."""
    return list(client.list()) if isinstance(client, KeysClient) else _gathered(client)


async def _gathered(client: AsyncKeysClient) -> list[Any]:
    return [key async for key in client.list()]


def check_client(client: object, problems: list[Problem]) -> None:
    """See whether it is a client."""
    if not isinstance(client, KeysClient | AsyncKeysClient):
        problems.append(Problem("client", "takes a KeysClient or an AsyncKeysClient"))


def run_with(client: Client, steps: Steps[T]) -> Any:
    """Run a procedure: now, or with an async client once the coroutine that this returns is awaited."""
    return run(steps) if isinstance(client, KeysClient) else to_the_end(steps)


def run(steps: Steps[T]) -> T:
    """Run a procedure."""
    try:
        ask = next(steps)
        while True:
            try:
                outcome = Outcome(ask())
            except BaseException as error:  # noqa: BLE001 - the procedure decides
                outcome = Outcome(error=error)
            ask = steps.send(outcome)
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        steps.close()  # after an interrupt, it would keep what it has locked


async def run_async(steps: Steps[T]) -> T:
    """Run a procedure in an event loop. What blocks is done in threads."""
    cancelled: list[asyncio.CancelledError] = []
    try:
        ask = next(steps)
        while True:
            try:
                outcome = Outcome(await (_in_thread(ask, cancelled) if ask.blocks else _awaited(ask)))
            except BaseException as error:  # noqa: BLE001
                outcome = Outcome(error=error)
            ask = steps.send(outcome)
    except StopIteration as stop:
        if cancelled:
            raise cancelled[0] from None
        value: T = stop.value
        return value
    finally:
        steps.close()


async def _in_thread(ask: Ask, cancelled: list[asyncio.CancelledError]) -> Any:
    """Do what blocks. A thread cannot be cancelled: that takes effect later, and until then nothing is let go of."""
    import asyncio

    done = asyncio.get_running_loop().run_in_executor(None, contextvars.copy_context().run, ask)
    while not done.done():
        try:
            await asyncio.wait([done])
        except asyncio.CancelledError as error:
            cancelled.append(error)
    return done.result()


async def _awaited(ask: Ask) -> Any:
    outer = sys.exception()
    try:
        found = ask()
        return await found if inspect.isawaitable(found) else found
    except Exception as error:  # noqa: BLE001
        failure = ask.failure(error, None, outer)
    raise failure


async def to_the_end(steps: Steps[T]) -> T:
    """Run a procedure that must not be left half done in an event loop: a cancellation takes effect once it is over.

    Where all tasks of the loop are cancelled, a request that is under way is cut off all the same.
    """
    import asyncio

    task = asyncio.create_task(run_async(steps))
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None and not task.cancelled():
        raise cancelled from task.exception()  # which may have the token
    return task.result()
