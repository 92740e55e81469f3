"""An answer: what came over the wire, and what its headers say of the caller's rate limit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

if TYPE_CHECKING:
    import httpx

# Headers with a number: limit, remaining, reset. The limit comes as `1200, 1200;window=60`: the first number is it.
_RATE_LIMIT: Final = (b"x-ratelimit-limit", b"x-ratelimit-remaining", b"x-ratelimit-reset")

_NUMBER: Final = re.compile(rb"\s*(\d{1,18})(?!\d)")


@frozen
class Answer:
    """What came over the wire, its body read and decoded. It shows its status alone: all else may hold a token.

    Making a response of httpx's own takes ten times as long, which only an answer that becomes an error is worth.

    Attributes:
        status_code: The status.
        headers: The headers as they were sent.
        content: The body.
        request: What it is the answer to, if that is known.
        location: The headers that say where a redirect points, which are not among the others.
    """

    status_code: int
    headers: httpx.Headers = field(repr=False)
    content: bytes = field(repr=False)
    request: httpx.Request | None = field(repr=False, default=None)
    location: Sequence[tuple[bytes, bytes]] = field(repr=False, default=())

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status_code < 300

    @property
    def is_client_error(self) -> bool:
        """Whether the status is 4xx."""
        return 400 <= self.status_code < 500


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


def rate_limit_of(answer: Answer) -> RateLimit | None:
    """Read the rate limit from an answer; None if the answer says nothing of one."""
    found: dict[bytes, int | None] = dict.fromkeys(_RATE_LIMIT)
    for name, value in reversed(answer.headers.raw):  # of several, the first counts
        if (name := name.lower()) in found:
            number = _NUMBER.match(value)
            found[name] = int(number[1]) if number else None
    return None if not any(number is not None for number in found.values()) else RateLimit(*found.values())
