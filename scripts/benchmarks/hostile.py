"""Responses that are expensive to read, for the tests and for the figures of scripts/bench."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Final

MEGABYTE: Final = 1024 * 1024
# The most that the client reads of a page, and of any other response.
LARGEST_PAGE: Final = 250 * 32 * 1024
LARGEST: Final = MEGABYTE


def _filled(start: bytes, unit: bytes, end: bytes = b"") -> Callable[[int], bytes]:
    def fill(size: int) -> bytes:
        return start + unit * ((size - len(start) - len(end)) // len(unit)) + end

    return fill


# By name: a function that returns a body of about as many bytes.
BODIES: Final[dict[str, Callable[[int], bytes]]] = {
    "spaces": _filled(b"", b" "),
    "spaces in an object": _filled(b"{", b" ", b"}"),
    "empty arrays": _filled(b"[", b"[],", b"[]]"),
    "empty arrays, unclosed": _filled(b"[", b"[],"),
    "empty arrays in an object": _filled(b'{"errors": [', b"[],", b"[]]}"),
    "empty objects": _filled(b'{"errors": [', b"{},", b"{}]}"),
    "empty strings in an object": _filled(b'{"a": [', b'"",', b'""]}'),
    "numbers in an object": _filled(b'{"a": [', b"1,", b"1]}"),
    "empty names": _filled(b"{", b'"":'),
    "empty names with values": _filled(b"{", b'"":1,', b'"":1}'),
    "strings": _filled(b"[", b'"a",'),
    "quotes": _filled(b"", b'"'),
    "nested objects": _filled(b"", b'{"a":'),
    "nested arrays": _filled(b"", b"["),
    "token names": _filled(b"{", b'"token":'),
    "token names and quotes": _filled(b"{", b'"token":"'),
    "unclosed token": _filled(b'{"token": "', b"a"),
    "tokens": _filled(b"{", b'"token":"inc_feedbead",'),
    "texts like tokens": _filled(b'{"a": "', b"inc_feedbead ", b'"}'),
    "one long text like a token": _filled(b'{"a": "inc_', b"a", b'"}'),
    "beginnings of tokens": _filled(b'{"a": "', b"inc_", b'"}'),
    "escaped quotes": _filled(b'{"a": "', b'\\"', b'"}'),
    "escaped letters": _filled(b'{"a": "', b"\\u0041", b'"}'),
    "backslashes": _filled(b'{"a": "', b"\\"),
    "no UTF-8": _filled(b'{"a": "', b"\xff", b'"}'),
    "details": _filled(b'{"errors": [', b'{"code":"","message":""},', b'{"code":"","message":""}]}'),
    "one long text": _filled(b'{"type": "', b"\x7f", b'"}'),
    "markup": _filled(b"", b"<p>&amp;"),
}


def bomb(megabytes: int = 200) -> bytes:
    """Return a gzip body of spaces, a thousandth of what it decompresses to."""
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    spaces = b" " * MEGABYTE
    return b"".join([*(packer.compress(spaces) for _ in range(megabytes)), packer.flush()])


def gzip_members(size: int, content: bytes = b" ") -> bytes:
    """Return a gzip body of about as many bytes, which consists of tiny members."""
    member = gzip.compress(content, mtime=0)
    return member * (size // len(member))


# By name: a function that returns a compressed body, given the most bytes that it may have.
GZIP: Final[dict[str, Callable[[int], bytes]]] = {
    "bomb": lambda _: bomb(),
    "tiny members": gzip_members,
    "empty members": lambda size: gzip_members(size, b""),
}

_CHUNKED: Final = b"HTTP/1.1 %d X\r\nTransfer-Encoding: chunked\r\n\r\n"
# By name: what a server sends first, and then without an end.
ENDLESS: Final[dict[str, tuple[bytes, bytes]]] = {
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "103 Early Hints": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-Long: a\r\n"),
    "one header": (b"HTTP/1.1 200 OK\r\nX-Long: ", b"a"),
    "empty lines": (b"", b"\r\n"),
    "chunks of one byte": (_CHUNKED % 200, b"1\r\n \r\n"),
    "chunks of one byte in an error": (_CHUNKED % 500, b"1\r\n \r\n"),
    "an extension of a chunk": (_CHUNKED % 200 + b"1;", b"a"),
    "trailers": (_CHUNKED % 200 + b"0\r\n", b"X-Long: a\r\n"),
    "a body": (b"HTTP/1.1 200 OK\r\n\r\n", b" " * 100),
}
