"""Takes tokens out of errors that passed through other people's code."""

from __future__ import annotations

from .errors import redact
from .tokens import Token


def scrub(error: BaseException, token: Token | None = None, *, outer: BaseException | None = None) -> None:
    """Take what could show a token from an error that passed through the HTTP libraries, and from all that it hangs on.

    That is their frames, which hold the headers of a request as plain locals while it is being written; and their
    texts, where they quote what a server sent.

    Args:
        error: The error.
        token: A token to hide in texts, beside whatever looks like one of the API's.
        outer: What the caller was handling when it called: that is none of ours, and stays as it is.
    """
    seen = {id(outer)}
    rest: list[BaseException | None] = [error]
    while rest:
        link = rest.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        link.__traceback__ = None
        link.args = tuple(redact(given, token) if isinstance(given, str) else given for given in link.args)
        rest += [link.__cause__, link.__context__, *getattr(link, "exceptions", ())]
