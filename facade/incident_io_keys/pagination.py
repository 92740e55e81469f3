"""Pages of keys, and the iteration over all of them.

This module must not know how a page is fetched: it is handed a function for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import frozen

from incident_io_keys_generated.models import APIKey, ListAPIKeysResponse

from ._arguments import shown
from .errors import PaginationError


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


class KeyPager:
    """Keys, page after page. Iterating it yields keys; `pages` yields pages.

    Nothing is sent before the first item is asked for, no page is fetched that is not reached, and each iteration
    starts afresh.
    """

    def __init__(self, fetch: Callable[[str | None], ListAPIKeysResponse], after: str | None) -> None:
        self._fetch = fetch
        self._after = after

    def __iter__(self) -> Iterator[APIKey]:
        for page in self.pages():
            yield from page.keys

    def pages(self) -> Iterator[Page]:
        """Iterate over pages.

        Yields:
            Pages, up to the first that has no cursor to a next one, or no keys.

        Raises:
            PaginationError: The API gave a cursor that it had given before. The pages before it were yielded.
        """
        seen = {self._after}
        after = self._after
        while True:
            page = _page(self._fetch(after))
            yield page
            if not page.keys or page.after is None:
                return
            after = page.after
            if after in seen:
                raise PaginationError(f"the API gave the cursor {shown(after)} twice: going on would never end")
            seen.add(after)


def _page(body: ListAPIKeysResponse) -> Page:
    return Page(tuple(body.api_keys), body.pagination_meta.after or None)
