"""Maps a response or a network error to an exception, and redacts tokens in both."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from typing import Any, Final

import httpx
import msgspec

from incident_io_keys_generated.models import AccountRole, ErrorDetail

from . import errors as kinds
from ._operations import is_rejection
from ._redaction import redact
from ._retry import NOT_CONNECTED, Call, parse_retry_after
from ._token_recovery import MALFORMED
from .errors import APIConnectionError, APIStatusError, APITimeoutError
from .tokens import Token

_BY_STATUS: Final[dict[int, type[APIStatusError]]] = {
    400: kinds.BadRequestError,
    401: kinds.AuthenticationError,
    403: kinds.PermissionDeniedError,
    404: kinds.NotFoundError,
    409: kinds.ConflictError,
    422: kinds.UnprocessableEntityError,
    429: kinds.RateLimitError,
}

# Errors that a transport can raise. UnicodeError: invalid host name.
NETWORK_ERRORS: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, UnicodeError)

_MAY_HAVE_APPLIED: Final = "the request may have arrived and taken effect: check before you send it again"

_MOST_DETAILS: Final = 100

_LARGEST_DETAILS: Final = 256 * 1024

# The escapes of visible ASCII in JSON, except those of quotes and backslashes. A token can be written with them.
_ESCAPE: Final = re.compile(rb"\\u00(2[013-9a-f]|5[0-9abd-f]|[3467][0-9a-f])", re.IGNORECASE)


def status_error(call: Call, response: httpx.Response, token: Token, source: str) -> APIStatusError:
    """Return the exception for an unsuccessful response. `source` names the source of the token."""
    status = response.status_code
    kind = _BY_STATUS.get(status, kinds.InternalServerError if status >= 500 else APIStatusError)
    hint = _hint(response, token, source)
    response = _without_tokens(response, token)
    body = _read_members(response.content.decode("utf-8", "replace"))
    name, request_id = _text(body.get("type")), request_id_of(response)
    errors = tuple(_error_details(body.get("errors", msgspec.Raw(b"[]"))))
    limit = _read_members(body.get("rate_limit", b""))
    asked = (response.headers.get("Retry-After"), _text(limit.get("retry_after")))
    delays = (parse_retry_after(text, response.headers.get("Date")) for text in asked if text is not None)
    retry_after = next((delay for delay in delays if delay is not None), None)
    may_have_applied = call.may_have_applied or (call.operation.writes and not is_rejection(response))
    lines = [f"{call.operation.name} failed with {status}" + (f" {name}" if name else "")]
    for error in errors:
        field = error.source and (error.source.pointer or error.source.field)
        lines.append(f"{f'{field}: ' if field else ''}{error.message} ({error.code})")
    if hint:
        lines.append(hint)
    if status == 429 and retry_after is not None:
        lines.append(f"the API requests a delay of {round(retry_after, 3):g} s")
    if may_have_applied:
        lines.append(_MAY_HAVE_APPLIED)
    if request_id:
        lines.append(f"request id: {request_id}")
    # A terminal must not receive control characters from a server.
    lines = ["".join(character if character.isprintable() else " " for character in line) for line in lines]
    return kind(
        "\n  ".join(lines),
        status=status,
        response=response,
        type=name,
        request_id=request_id,
        errors=errors,
        retry_after=retry_after,
        may_have_applied=may_have_applied,
    )


class Trace:
    """Notes how far a request came; an extension of httpcore.

    Attributes:
        sent: Whether a part of it was sent to its server, and not only to a proxy.
        unused: The network stream that was opened for it, until something is sent.
    """

    sent = False
    unused: Any = None

    def __call__(self, event: str, info: dict[str, Any]) -> Any:
        """Note an event."""
        if event.endswith(".connect_tcp.complete"):
            self.unused = info["return_value"]
        elif event.endswith(".send_request_headers.started") and info["request"].method != b"CONNECT":
            self.sent, self.unused = True, None

    def raise_connect_error(self, error: BaseException) -> None:
        """Convert an error of sending into one of connecting, if nothing was sent."""
        if not self.sent and isinstance(error, Exception) and not isinstance(error, NOT_CONNECTED):
            # A name look-up raises ValueError for an invalid name, and RuntimeError once the interpreter shuts down.
            kind = httpx.ConnectTimeout if isinstance(error, httpx.TimeoutException) else httpx.ConnectError
            raise kind(f"{type(error).__name__}: {error}") from error


class AsyncTrace(Trace):
    """The same for an async transport."""

    async def __call__(self, event: str, info: dict[str, Any]) -> None:
        """Note an event."""
        super().__call__(event, info)


def connection_error(call: Call, error: Exception, request: httpx.Request, token: Token) -> APIConnectionError:
    """Return the exception for a request without a usable response, caused by an error of httpx."""
    name, host = call.operation.name, redact(request.url.netloc.decode("ascii"), token)
    # If a deadline ends a connect, only the trace says so. A custom transport has none, and the kind of error decides.
    not_sent = isinstance(error, (*NOT_CONNECTED, httpx.UnsupportedProtocol))
    sent = getattr(request.extensions.get("trace"), "sent", not not_sent)
    may_have_applied = call.may_have_applied or (call.operation.writes and sent)
    if call.seconds_left() <= 0 or isinstance(error, TimeoutError):
        kind: type[APIConnectionError] = APITimeoutError
        message = f"{name} got no usable response within the deadline of {call.seconds:g} s"
    else:
        kind = APITimeoutError if isinstance(error, httpx.TimeoutException) else APIConnectionError
        message = f"{name} got no usable response from {host}: {type(error).__name__}: {error}"
        message = message.removesuffix(": ")
    if may_have_applied:
        message += f"\n  {_MAY_HAVE_APPLIED}"
    failure = kind(message, may_have_applied=may_have_applied)
    failure.__cause__ = error
    return failure


def not_sent_in_time(call: Call, source: str) -> APITimeoutError:
    """Return the exception for a call whose deadline passed before an attempt could be sent."""
    message = f"{call.operation.name} was not sent within the deadline of {call.seconds:g} s"
    return APITimeoutError(f"{message}: it passed while the call waited for {source} or for a retry")


def strip_tracebacks(error: BaseException, token: Token | None = None, *, outer: BaseException | None = None) -> None:
    """Drop the frames of an error and of all its causes, and redact their texts.

    Frames of other packages hold the headers of a request as plain locals. `outer` is the exception that the caller was
    already handling; it is left alone.
    """
    seen = {id(outer)}
    links: list[BaseException | None] = [error]
    while links:
        link = links.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        link.__traceback__ = None
        with contextlib.suppress(Exception):  # a custom exception can reject it
            link.args = tuple(redact(each, token) if isinstance(each, str) else each for each in link.args)
        links += [link.__cause__, link.__context__, *(getattr(link, "exceptions", None) or ())]


def request_id_of(response: httpx.Response, token: Token | None = None) -> str | None:
    """Return the request ID, for support requests; None if the response has none."""
    body = _read_members(response.content.decode("utf-8", "replace"))
    found = _text(body.get("request_id")) or response.headers.get("X-Request-Id")
    return found and redact(found, token)


def _hint(response: httpx.Response, token: Token, source: str) -> str | None:
    if response.status_code == 401:
        return f"the token came from {source}: check that it is complete, and that its key still exists"
    if response.status_code == 403:
        role = AccountRole.API_KEYS_MANAGE
        return f"a key needs {role} (set in the dashboard) and every role that it assigns, and cannot update itself"
    if response.is_redirect and "Location" in response.headers:
        try:
            host = httpx.URL(response.headers["Location"]).host or "another path of the same host"
        except (httpx.InvalidURL, UnicodeError):
            host = "no URL"
        return f"it points to {redact(host, token)}; redirects are not followed, since the token would go there too"
    return None


def _read_members(content: str | bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """Return the undecoded members of a JSON object; an empty dict if the content is none."""
    # The generated ErrorResponse would reject an incomplete envelope, such as that of a gateway.
    try:
        return msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    except MALFORMED:
        return {}


def _error_details(errors: msgspec.Raw) -> Iterable[ErrorDetail]:
    if memoryview(errors).nbytes > _LARGEST_DETAILS:
        return
    with contextlib.suppress(*MALFORMED):
        for error in msgspec.json.decode(errors, type=list[msgspec.Raw])[:_MOST_DETAILS]:
            with contextlib.suppress(*MALFORMED):
                yield msgspec.json.decode(error, type=ErrorDetail)


def _text(value: msgspec.Raw | None) -> str | None:
    with contextlib.suppress(*MALFORMED):
        # `retry_after` can be a number.
        return str(msgspec.json.decode(value or b'""', type=str | int | float)) or None
    return None


def _without_tokens(response: httpx.Response, token: Token) -> httpx.Response:
    """Return the response, or a copy without the tokens that it contains: an API may echo what it received."""
    headers = [(_redact_bytes(name, token), _redact_bytes(value, token)) for name, value in response.headers.raw]
    # Escapes and UTF-16 can disguise a token.
    plain = _ESCAPE.sub(
        lambda escape: bytes.fromhex(escape[1].decode()), response.content.replace(b"\\/", b"/").replace(b"\0", b"")
    )
    redacted = _redact_bytes(plain, token)
    content = response.content if redacted == plain else redacted
    if content == response.content and headers == response.headers.raw:
        return response
    headers = [(name, value) for name, value in headers if name.lower() != b"content-length"]
    return httpx.Response(response.status_code, headers=headers, content=content, request=response.request)


def _redact_bytes(value: bytes, token: Token) -> bytes:
    # Latin-1 decodes every byte, and encodes it again.
    return redact(value.decode("latin-1"), token).encode("latin-1")
