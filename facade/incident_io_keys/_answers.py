"""An answer, put together from what came over the wire, and what its headers say of the caller's rate limit.

This module must not know what the answer is to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import httpx
from attrs import frozen

# A page of 250 keys has some 150 kB, a refusal less than one. What is larger by far must not fill the memory.
LARGEST_BODY: Final = 16 * 1024 * 1024
LARGEST_REFUSAL: Final = 256 * 1024

# The content codings to ask for. Neither makes more than some thousand bytes of one.
CODINGS: Final = ("gzip", "deflate")

# Headers that tell of the bytes as they were sent; a body that was read is decoded.
_OF_THE_WIRE: Final = (b"content-encoding", b"content-length", b"transfer-encoding")


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

    def answer(self, head: httpx.Response) -> httpx.Response:
        """The response with this body, or with what arrived of it, decoded; nothing on it can be followed or streamed.

        Args:
            head: The response as it came, its body not read.
        """
        content = head.content if self._read else self._decoded(head)
        headers = [(name, value) for name, value in head.headers.raw if name.lower() not in _OF_THE_WIRE]
        headers += head.extensions.get(_LOCATION, ())
        return httpx.Response(head.status_code, headers=headers, content=content, request=head.request)

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


@frozen
class RateLimit:
    """What the API said last of the calling key's rate limit. A number is None if the API left it out.

    Attributes:
        limit: How many requests a minute the key may make.
        remaining: How many of them are left.
        reset: When all of them are there again, in Unix seconds.
    """

    limit: int | None
    remaining: int | None
    reset: int | None


def rate_limit_of(response: httpx.Response) -> RateLimit | None:
    """Read the rate limit from a response; None if the response says nothing of one."""
    # The limit comes as `1200, 1200;window=60`: the first number is it.
    values = [_number(response.headers.get(f"X-RateLimit-{name}")) for name in ("Limit", "Remaining", "Reset")]
    return None if values == [None] * 3 else RateLimit(*values)


def _number(text: str | None) -> int | None:
    match = re.match(r"\s*(\d{1,18})(?!\d)", text or "", re.ASCII)
    return int(match[1]) if match else None
