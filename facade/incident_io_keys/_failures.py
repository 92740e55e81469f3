"""How an error of the network becomes an exception."""

from __future__ import annotations

from typing import Final

import httpx

from ._error_mapping import MAY_HAVE_APPLIED
from ._scrubbing import scrub
from .errors import APIConnectionError, APITimeoutError, InvalidRequestError, Problem, redact
from .tokens import Token

# What httpx raises where there was no connection.
NOT_CONNECTED: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
# What it raises before a request can have reached anyone.
_NEVER_SENT: Final = (*NOT_CONNECTED, httpx.UnsupportedProtocol)


def connection_error(
    what: str,
    error: Exception,
    *,
    writes: bool,
    earlier: bool = False,
    token: Token | None = None,
    host: str = "the API",
    overdue: float | None = None,
    outer: BaseException | None = None,
) -> APIConnectionError:
    """Make the exception for a request that got no usable answer; raise it from `error`.

    Args:
        what: What was tried, as in `create`.
        error: What came out of httpx. The frames of its traceback are dropped, and tokens in its texts hidden.
        writes: Whether the API changes something when it gets the request.
        earlier: Whether an earlier try may have had its effect.
        token: The token that the request carried.
        host: Where it was to go.
        overdue: The deadline in seconds, if it is over.
        outer: What the caller was handling when it called.
    """
    may_have_applied = earlier or (writes and not isinstance(error, _NEVER_SENT))
    scrub(error, token, outer=outer)
    if overdue is not None:
        return overdue_error(what, overdue, None, may_have_applied=may_have_applied)
    kind = APITimeoutError if isinstance(error, httpx.TimeoutException) else APIConnectionError
    name = type(error).__name__
    message = f"{what} got no usable answer from {redact(host, token)}: {name}" + (f": {error}" if str(error) else "")
    return kind(_warned(message, may_have_applied), may_have_applied=may_have_applied)


def overdue_error(what: str, deadline: float, waited_for: str | None, *, may_have_applied: bool) -> APITimeoutError:
    """Make the exception for a call that took more than its deadline.

    Args:
        what: What was tried, as in `create`.
        deadline: How many seconds it had.
        waited_for: What took the time, if it was not the API.
        may_have_applied: Whether it was a write that may have happened all the same.
    """
    message = f"{what} got no usable answer within the deadline of {deadline:g} s"
    if waited_for is not None:
        message = f"{what} was not sent within the deadline of {deadline:g} s: waiting took it, or {waited_for}"
    return APITimeoutError(_warned(message, may_have_applied), may_have_applied=may_have_applied)


def _warned(message: str, may_have_applied: bool) -> str:
    return f"{message}\n  {MAY_HAVE_APPLIED}" if may_have_applied else message


def closed_error(what: str) -> InvalidRequestError:
    """Make the exception for a client that is closed."""
    return InvalidRequestError(f"{what} was not sent", [Problem("client", "is closed", "make a new one")])
