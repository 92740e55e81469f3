"""Responses whose bodies arrive in parts, or stop."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterator

import httpx


class Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Bytes as they come from a network, and what happens after them."""

    def __init__(self, *parts: bytes, then: Callable[[], object] = lambda: None) -> None:
        self._parts = parts
        self._then = then

    def __iter__(self) -> Iterator[bytes]:
        yield from self._parts
        self._then()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part


def raising(error: BaseException) -> Callable[[], object]:
    def then() -> None:
        raise error

    return then


def responding(response: httpx.Response) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: response)


def gzipped(*parts: bytes) -> list[bytes]:
    """Compress parts so that each can be decompressed when it arrives, without an end."""
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    return [packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH) for part in parts]


class Stalling(httpx.AsyncByteStream):
    """Bytes, something that happens when they were read, and then nothing."""

    def __init__(self, content: bytes, then: Callable[[], object] = lambda: None) -> None:
        self._content = content
        self._then = then

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content
        self._then()
        await asyncio.Event().wait()
