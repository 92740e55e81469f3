"""The async client: the methods of the sync one, awaited."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, cast

from incident_io_keys_generated import contract

from ._base_client import AsyncClient
from ._operations import list_keys
from .client import KeysClient
from .pagination import AsyncKeyPager

P = ParamSpec("P")
T = TypeVar("T")


def _awaited(
    method: Callable[Concatenate[KeysClient, P], T],
) -> Callable[Concatenate[AsyncKeysClient, P], Coroutine[Any, Any, T]]:
    """Return a method of the sync client for the async one, whose `_request` and `_edit` are coroutine functions."""

    async def call(self: AsyncKeysClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        result: T = await cast(Any, method)(self, *args, **kwargs)
        return result

    functools.update_wrapper(call, method)
    call.__module__, call.__qualname__ = __name__, f"AsyncKeysClient.{method.__name__}"
    return call


class AsyncKeysClient(AsyncClient):
    """A client for the API keys of incident.io. Use it in an `async with` statement, or call `aclose`.

    Tasks can share it. Its methods, errors and arguments are those of `KeysClient`. A token source can be a coroutine
    function too, and `transport` is an `httpx.AsyncBaseTransport`.
    """

    def list(
        self,
        *,
        page_size: int = contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM,
        after: str | None = None,
        prefetch: bool = False,
    ) -> AsyncKeyPager:
        """List the keys that the caller may see, as `KeysClient.list` does. A prefetch uses a task."""
        page = functools.partial(list_keys, page_size=page_size)
        page(after=after)  # reports an invalid argument here instead of in a loop
        ahead = (lambda cursor: self._prefetch(page(after=cursor))) if prefetch else None
        return AsyncKeyPager(lambda cursor: self._request(page(after=cursor)), after, ahead)

    create = _awaited(KeysClient.create)
    show = _awaited(KeysClient.show)
    update = _awaited(KeysClient.update)
    edit = _awaited(KeysClient.edit)
    delete = _awaited(KeysClient.delete)
    rotate = _awaited(KeysClient.rotate)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
