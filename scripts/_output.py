"""Prints text that others wrote, such as names and descriptions of an API, without letting it control a terminal.

It does not depend on where the text comes from.
"""

from __future__ import annotations

import sys
from typing import TextIO


def printable(text: str) -> str:
    """Return a text as one line, with its control and direction characters as escape sequences."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def say(text: str, stream: TextIO | None = None) -> None:
    """Print lines, with everything escaped that the stream cannot encode or a terminal would act on."""
    out = stream or sys.stdout
    encoding = out.encoding or "utf-8"
    lines = "\n".join(map(printable, text.split("\n")))
    print(lines.encode(encoding, "backslashreplace").decode(encoding), file=out)
