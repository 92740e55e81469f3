"""Pages of keys, the iteration over all of them, and the prefetch of the next page."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from attrs import define, frozen

from incident_io_keys_generated.models import APIKey, ListAPIKeysResponse

from ._retry import Call
from ._validation import quote
from .errors import PaginationError

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

# A thread that connects cannot be interrupted. Closing a client waits for it no longer than this.
_JOIN_SECONDS: Final = 1.0


@frozen
class Page:
    """One page of keys.

    Attributes:
        keys: The keys, in the API's order.
        after: The cursor for `list(after=...)` that continues after this page; None on the last page.
    """

    keys: tuple[APIKey, ...]
    after: str | None


class CursorTracker:
    """The cursors of one iteration: which page is next, and whether its cursor was used before."""

    def __init__(self, after: str | None) -> None:
        self.after = after
        self._seen = {after}
        self._ended = False

    def page(self, body: ListAPIKeysResponse) -> Page:
        """Return the page of a response, and note the cursor of the next one."""
        page = Page(tuple(body.api_keys), body.pagination_meta.after or None)
        self._ended = not page.keys or page.after is None
        self.after = page.after
        return page

    def has_next(self) -> bool:
        """Return whether there is a next page whose cursor is new."""
        return not self._ended and self.after not in self._seen

    def advance(self) -> bool:
        """Go to the next page. Return False if there is none; raise PaginationError if its cursor was used before."""
        if self._ended:
            return False
        if self.after in self._seen:
            message = f"the API returned the cursor {quote(self.after or '')} twice: following it would never end"
            raise PaginationError(message)
        self._seen.add(self.after)
        return True


class Prefetch(Generic[T]):
    """A value that a daemon thread fetches, as part of a call."""

    def __init__(self, fetch: Callable[[Call | None], T], call: Call) -> None:
        self._fetch, self._call = fetch, call
        self._outcome: tuple[T] | BaseException | None = None
        run = contextvars.copy_context().run  # tools that trace requests use the context
        thread = threading.Thread(target=run, args=(self._run,), name="incident-io-keys-prefetch", daemon=True)
        self._thread: threading.Thread | None = thread
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads, or the interpreter shuts down
            self._thread = None

    def _run(self) -> None:
        try:
            self._outcome = (self._fetch(self._call),)
        except BaseException as error:  # noqa: BLE001 - it is raised by result
            self._outcome = error

    def result(self) -> T:
        """Wait for the value, and return it or raise the error of fetching it."""
        self.join(None)
        if self._outcome is None:  # there was no thread, or a fork ended it
            return self._fetch(None)
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome[0]

    def cancel(self) -> None:
        """Abandon the value. A request that was sent is not interrupted, but it is not retried."""
        self._call.abandoned = True

    def join(self, timeout: float | None = _JOIN_SECONDS) -> None:
        """Wait until the thread has ended, at most for the timeout in seconds."""
        if self._thread not in (None, threading.current_thread()):
            self._thread.join(timeout)


# Both pagers delete each page before they fetch the next one, so that a loop over keys holds one page.


@define(eq=False, repr=False)
class KeyPager:
    """Keys, page after page. Iterating it yields keys; `pages` yields pages.

    Each iteration starts anew. It sends nothing before its first item, and fetches a page only when it is reached (with
    `prefetch`, the next page too).
    """

    _fetch: Callable[[str | None], ListAPIKeysResponse]
    _after: str | None
    _prefetch: Callable[[str | None], Prefetch[ListAPIKeysResponse]] | None

    def __iter__(self) -> Generator[APIKey, None, None]:
        with closing(self.pages()) as pages:
            for page in pages:
                yield from page.keys
                del page

    def pages(self) -> Generator[Page, None, None]:
        """Iterate over pages.

        Yields:
            Pages, up to the first without keys, or without a cursor to a next one.

        Raises:
            PaginationError: The API returned a cursor twice. The pages before it were yielded.
        """
        tracker = CursorTracker(self._after)
        ahead: Prefetch[ListAPIKeysResponse] | None = None
        try:
            while True:
                page = tracker.page(ahead.result() if ahead else self._fetch(tracker.after))
                ahead = self._prefetch(tracker.after) if self._prefetch and tracker.has_next() else None
                yield page
                del page
                if not tracker.advance():
                    return
        finally:
            if ahead:
                ahead.cancel()


@define(eq=False, repr=False)
class AsyncKeyPager:
    """Keys, page after page, for `async for`; see `KeyPager`."""

    _fetch: Callable[[str | None], Awaitable[ListAPIKeysResponse]]
    _after: str | None
    _prefetch: Callable[[str | None], asyncio.Task[ListAPIKeysResponse]] | None

    async def __aiter__(self) -> AsyncGenerator[APIKey, None]:
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                for key in page.keys:
                    yield key
                    del key
                del page

    async def pages(self) -> AsyncGenerator[Page, None]:
        """Iterate over pages; see `KeyPager.pages`."""
        import asyncio

        tracker = CursorTracker(self._after)
        ahead: asyncio.Task[ListAPIKeysResponse] | None = None
        try:
            while True:
                page = tracker.page(await (ahead or self._fetch(tracker.after)))
                ahead = self._prefetch(tracker.after) if self._prefetch and tracker.has_next() else None
                yield page
                del page
                if not tracker.advance():
                    return
        finally:
            if ahead:
                ahead.cancel()
                # It waits until the task has ended, and retrieves its exception, which asyncio would log.
                await asyncio.gather(ahead, return_exceptions=True)
