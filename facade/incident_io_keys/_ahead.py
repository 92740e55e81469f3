"""A value that is got in the background while its consumer is busy, by a thread or by a task.

What goes wrong in the background is raised when the value is asked for.
"""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, Generic, TypeVar

from ._deadline import Deadline

T = TypeVar("T")

# A thread that looks up a name, or waits for a connection, cannot be interrupted. It is waited for no longer than this
# many seconds; it sends nothing any more, and ends when that step does.
_PATIENCE: Final = 0.5


class Ahead(Generic[T]):
    """A value that a thread gets.

    Args:
        get: Gets it, until the deadline at the most.
        deadline: The deadline, which `cancel` brings forward.
    """

    def __init__(self, get: Callable[[Deadline], T], deadline: Deadline) -> None:
        self._get = get
        self._deadline = deadline
        # Where the thread is. In a child of that process there is none, and its connection is not to be touched.
        self._pid: int | None = os.getpid()
        self._future: Future[T] = Future()
        context = contextvars.copy_context()  # for what traces requests
        # A daemon: a consumer that is forgotten must not keep the process from ending.
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name="incident-io-keys-prefetch", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError:  # the system gives no more threads, or the interpreter is about to end
            self._pid = None

    def _run(self) -> None:
        try:
            self._future.set_result(self._get(self._deadline))
        except BaseException as error:  # noqa: BLE001 - it is raised where the value is asked for
            self._future.set_exception(error)

    def result(self) -> T:
        """Wait for the value, and return it or raise what went wrong."""
        if self._pid != os.getpid():
            return self._get(Deadline(self._deadline.seconds))
        return self._future.result()

    def cancel(self) -> None:
        """Stop getting it, and wait until that is so."""
        if self._pid != os.getpid():
            return
        self._deadline.expire()
        if self._thread is not threading.current_thread():  # where the garbage of another iteration may be collected
            self._thread.join(_PATIENCE)


class AsyncAhead(Generic[T]):
    """A value that a task gets.

    Args:
        get: Gets it.
    """

    def __init__(self, get: Coroutine[Any, Any, T]) -> None:
        import asyncio

        self._task = asyncio.create_task(get, name="incident-io-keys-prefetch")

    async def result(self) -> T:
        """Wait for the value, and return it or raise what went wrong."""
        return await self._task

    async def cancel(self) -> None:
        """Stop getting it, and wait until that is so."""
        import asyncio

        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()  # or asyncio would say that nobody looked at it
