"""The body of an answer, as it arrives: how much of it is taken, and what it is once it is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import httpx

from ._answers import Answer

# A page of 250 keys has some 150 kB, a refusal less than one. What is larger by far must not fill the memory.
LARGEST_BODY: Final = 16 * 1024 * 1024
LARGEST_REFUSAL: Final = 256 * 1024

# The content codings to ask for. Neither makes more than some thousand bytes of one.
CODINGS: Final = ("gzip", "deflate")

# The member of a response's extensions that holds its Location.
_LOCATION: Final = "incident_io_keys.location"


def keep_from_following(response: httpx.Response) -> None:
    """An event hook of httpx: hide where a redirect points until the answer is put together.

    httpx makes the request that would follow it, token included, even where it is told not to send it, and fails on a
    Location that is no URL.
    """
    if location := [pair for pair in response.headers.raw if pair[0].lower() == b"location"]:
        response.extensions[_LOCATION] = location
        del response.headers["Location"]


class Body(httpx.SyncByteStream):
    """The bytes of a body, as they arrive. It does not show them: they may hold a token."""

    def __init__(self, most: int = 0) -> None:
        self._most = most
        self._parts: list[bytes] = []
        self._size = 0
        self._read = False

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)

    def is_to_come(self, head: httpx.Response) -> bool:
        """Whether the body has to be taken. httpx's own mock transport gives responses that are read already."""
        self._most = LARGEST_BODY if head.is_success else LARGEST_REFUSAL
        self._read = head.is_stream_consumed
        return not self._read

    def take(self, part: bytes) -> None:
        """Add what arrived.

        Raises:
            httpx.DecodingError: It is too much.
        """
        self._parts.append(part)
        self._size += len(part)
        if self._size > self._most:
            raise httpx.DecodingError(f"the body has more than {self._most} bytes")

    def answer(self, head: httpx.Response) -> Answer:
        """The answer with this body, or with what arrived of it, decoded.

        Args:
            head: The response as it came, its body not read.
        """
        content = head.content if self._read else self._decoded(head)
        return Answer(head.status_code, head.headers, content, head.request, head.extensions.get(_LOCATION, ()))

    def _decoded(self, head: httpx.Response) -> bytes:
        # Whatever else the header says was not asked for; and what is packed twice could unpack to any size at once.
        if head.headers.get("Content-Encoding", "").lower() in CODINGS:
            headers = {"Content-Encoding": head.headers["Content-Encoding"]}
            decoded = Body(self._most)
            try:
                for part in httpx.Response(200, headers=headers, stream=self).iter_bytes():
                    decoded.take(part)
            except httpx.DecodingError:
                if decoded._size > self._most:  # a part is kept, with a comma after it: it must not pass for all
                    return b"".join(decoded._parts)[: self._most] + b","
                return b"".join(self._parts)  # the header says what is not so: the bytes are what there is
            return b"".join(decoded._parts)
        return b"".join(self._parts)
