"""Masks tokens in texts that a person may see."""

from __future__ import annotations

import html
import re
from typing import Final, Protocol
from urllib.parse import quote

REDACTED: Final = "<redacted>"
_TOKEN_SHAPED: Final = re.compile(r"inc_[0-9A-Za-z_-]{8,}")
# A shorter secret could be a word of the text.
_SHORTEST_SECRET: Final = 8


class _Secret(Protocol):
    def reveal(self) -> str: ...


def redact(text: str, token: _Secret | None = None) -> str:
    """Mask everything that looks like a token, and the given token as it is, as HTML and as part of a URL."""
    if token is not None and len(token.reveal()) >= _SHORTEST_SECRET:
        for escape in (str, html.escape, quote):
            text = text.replace(escape(token.reveal()), REDACTED)
    return _TOKEN_SHAPED.sub(f"inc_{REDACTED}", text)


def plain_str(value: str) -> str:
    """Return the text of a string of any class. `str()` of a `class Role(str, Enum)` gives another text."""
    return str.__str__(value)
