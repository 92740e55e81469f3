"""Pages of keys, and the iteration over all of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import aclosing, closing
from typing import TYPE_CHECKING

from attrs import frozen

from incident_io_keys_generated.models import APIKey, ListAPIKeysResponse

from ._validation import quote
from .errors import PaginationError

if TYPE_CHECKING:
    from ._ahead import Ahead, AsyncAhead


@frozen
class Page:
    """One page of keys.

    Attributes:
        keys: The keys, in the API's order.
        after: What to give to `list(after=...)` to go on behind this page. None on the last page: nothing is left to go
            on with, and `list(after=None)` would start again.
    """

    keys: tuple[APIKey, ...]
    after: str | None


class _Course:
    """The way from page to page, by the cursors that the API gives."""

    def __init__(self, after: str | None) -> None:
        self.after = after
        self._seen = {after}
        self._ended = False

    def page(self, body: ListAPIKeysResponse) -> Page:
        """Read a page, and with it where the next one is."""
        page = Page(tuple(body.api_keys), body.pagination_meta.after or None)
        self._ended = not page.keys or page.after is None
        self.after = page.after
        return page

    def leads_on(self) -> bool:
        """Whether there is a next page that was not there before."""
        return not self._ended and self.after not in self._seen

    def go_on(self) -> bool:
        """Go to the next page, if there is one.

        Raises:
            PaginationError: It was there before.
        """
        if self._ended:
            return False
        if not self.leads_on():
            raise PaginationError(f"the API gave the cursor {quote(self.after or '')} twice: going on would never end")
        self._seen.add(self.after)
        return True


# Of the following, nothing holds a page longer than the consumer does: a loop over keys needs the memory of one page.


class KeyPager:
    """Keys, page after page. Iterating it yields keys; `pages` yields pages.

    Nothing is sent before the first item is asked for, no page is fetched that is not reached (with `prefetch`, only
    the next), and each iteration starts afresh.
    """

    def __init__(
        self,
        fetch: Callable[[str | None], ListAPIKeysResponse],
        after: str | None,
        ahead: Callable[[str | None], Ahead[ListAPIKeysResponse]] | None = None,
    ) -> None:
        self._fetch = fetch
        self._after = after
        self._ahead = ahead

    def __iter__(self) -> Generator[APIKey, None, None]:
        with closing(self.pages()) as pages:
            for page in pages:
                yield from page.keys
                del page

    def pages(self) -> Generator[Page, None, None]:
        """Iterate over pages.

        Yields:
            Pages, up to the first that has no cursor to a next one, or no keys.

        Raises:
            PaginationError: The API gave a cursor that it had given before. The pages before it were yielded.
        """
        course = _Course(self._after)
        ahead: Ahead[ListAPIKeysResponse] | None = None
        try:
            while True:
                page = course.page(self._fetch(course.after) if ahead is None else ahead.result())
                ahead = self._ahead(course.after) if self._ahead is not None and course.leads_on() else None
                yield page
                del page
                if not course.go_on():
                    return
        finally:
            if ahead is not None:
                ahead.cancel()


class AsyncKeyPager:
    """Keys, page after page. Iterating it yields keys; `pages` yields pages.

    Nothing is sent before the first item is asked for, no page is fetched that is not reached (with `prefetch`, only
    the next), and each iteration starts afresh.
    """

    def __init__(
        self,
        fetch: Callable[[str | None], Awaitable[ListAPIKeysResponse]],
        after: str | None,
        ahead: Callable[[str | None], AsyncAhead[ListAPIKeysResponse]] | None = None,
    ) -> None:
        self._fetch = fetch
        self._after = after
        self._ahead = ahead

    async def __aiter__(self) -> AsyncGenerator[APIKey, None]:
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                for key in page.keys:
                    yield key
                    del key
                del page

    async def pages(self) -> AsyncGenerator[Page, None]:
        """Iterate over pages.

        Yields:
            Pages, up to the first that has no cursor to a next one, or no keys.

        Raises:
            PaginationError: The API gave a cursor that it had given before. The pages before it were yielded.
        """
        course = _Course(self._after)
        ahead: AsyncAhead[ListAPIKeysResponse] | None = None
        try:
            while True:
                page = course.page(await (self._fetch(course.after) if ahead is None else ahead.result()))
                ahead = self._ahead(course.after) if self._ahead is not None and course.leads_on() else None
                yield page
                del page
                if not course.go_on():
                    return
        finally:
            if ahead is not None:
                await ahead.cancel()
