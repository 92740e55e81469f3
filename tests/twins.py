"""The async client behind the methods of the sync one, so that a test says everything once and runs it with both."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

from incident_io_keys import AsyncKeysClient


class Loop:
    """An event loop. What is to run after its end, such as the end of a generator that was forgotten, does not."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._closed = False

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        if self._closed:
            coroutine.close()
            return None
        return self._runner.run(coroutine)

    def close(self) -> None:
        self._closed = True
        self._runner.close()


class Blocking:
    """An `AsyncKeysClient` whose methods block, in an event loop of its own."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self.client = AsyncKeysClient(*arguments, **keywords)
        self._loop = Loop()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.client, name)
        return (lambda *a, **k: self._loop.run(value(*a, **k))) if inspect.iscoroutinefunction(value) else value

    def list(self, **keywords: Any) -> BlockingPager:
        return BlockingPager(self._loop, self.client.list(**keywords))

    def with_options(self, **options: Any) -> Blocking:
        return _blocking(self.client.with_options(**options), self._loop)

    def close(self) -> None:
        self._loop.run(self.client.aclose())

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in the event loop of the client."""
        return self._loop.run(coroutine)

    def end(self) -> None:
        """End the event loop."""
        self._loop.close()

    def __enter__(self) -> Blocking:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self.client)


def in_new_loop(keys: Any) -> Any:
    """Return a client as a forked child can use it. An async client needs another event loop there."""
    return _blocking(keys.client, Loop()) if isinstance(keys, Blocking) else keys


def _blocking(client: AsyncKeysClient, loop: Loop) -> Blocking:
    found = Blocking.__new__(Blocking)
    found.client, found._loop = client, loop
    return found


class BlockingPager:
    """An `AsyncKeyPager` that is iterated without `async`."""

    def __init__(self, loop: Loop, pager: Any) -> None:
        self._loop = loop
        self._pager = pager

    def __iter__(self) -> Iterator[Any]:
        return self._blocking(aiter(self._pager))

    def pages(self) -> Iterator[Any]:
        return self._blocking(self._pager.pages())

    def _blocking(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        async def step() -> Any:
            return await anext(items)

        async def end() -> None:
            await items.aclose()  # type: ignore[attr-defined]

        try:
            while True:
                try:
                    item = self._loop.run(step())
                except StopAsyncIteration:
                    return
                yield item
                del item
        finally:
            self._loop.run(end())
