"""One request and its response: what is done before it is sent, and what becomes of whatever happens then."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import Any, Final, Self

import httpx
from attrs import define, field

from ._error_mapping import (
    NETWORK_ERRORS,
    client_closed,
    connection_error,
    request_id_of,
    status_error,
    strip_tracebacks,
)
from ._operations import LARGEST_BODY, decode_body
from ._redaction import redact
from ._retry import LOGGER, Call, parse_rate_limit
from ._transport import has_left_over
from .errors import IncidentIOError
from .tokens import Token

_LOCATION: Final = "incident_io_keys.location"


def hide_location(response: httpx.Response) -> None:
    """Take the Location header away until the exchange ends; an event hook of httpx.

    httpx makes the request that follows a redirect, with the token, even if it does not send it.
    """
    if "Location" in response.headers:
        response.extensions[_LOCATION] = response.headers.pop("Location")


@define(eq=False, repr=False)
class Exchange:
    """A `with` block in which one request is sent and its response received.

    It adds the token to the request and removes it again. An error that leaves the block has no token in its texts and
    frames, and is one of this package, unless it is an interrupt or comes from a user's own transport.

    Attributes:
        response: The response, once it has begun.
        value: What the call returns, once the block has ended.
    """

    client: Any
    call: Call
    request: httpx.Request
    token: Token
    response: httpx.Response | None = None
    value: Any = None
    _parts: list[bytes] = field(factory=list, repr=False)  # not for tools that show locals
    _size: int = 0
    _finished: httpx.Response | None = None
    _understood: bool = False
    _outer: BaseException | None = field(factory=sys.exception)
    _started: float = field(factory=time.perf_counter)

    def __enter__(self) -> Self:
        self.request.headers["Authorization"] = f"Bearer {self.token.reveal()}"
        self.call.sent = True
        return self

    def add(self, part: bytes) -> None:
        """Add a part of the body."""
        self._parts.append(part[: self._limit + 1 - self._size])
        self._size += len(part)
        self._check_size(self._size)

    def finish(self) -> None:
        """Set the value to what the response means, once its body has arrived; or raise what it means."""
        self._finished = self._received()
        self._parts.clear()
        self._check_size(len(self._finished.content))
        self._conclude(self._finished)

    def unusable_connection(self) -> Any:
        """Return the connection if what arrives on it cannot be trusted, so that it must not serve another request."""
        if self.response is None or (self._understood and not has_left_over(self.response)):
            return None
        return self.response.extensions.get("network_stream")

    @property
    def _limit(self) -> int:
        success = self.response is not None and self.response.is_success
        return self.call.operation.largest_body if success else LARGEST_BODY

    def _check_size(self, size: int) -> None:
        if size > self._limit:
            raise httpx.DecodingError(f"the body has more than {self._limit} bytes")

    def _received(self) -> Any:
        """Return the response with as much of its body as arrived, decoded; None if none has begun."""
        if self._finished is not None or self.response is None:
            return self._finished
        headers = self.response.headers.copy()
        if _LOCATION in self.response.extensions:
            headers["Location"] = self.response.extensions[_LOCATION]
        content = decode_body(b"".join(self._parts), headers.pop("Content-Encoding", ""), self._limit)
        return httpx.Response(self.response.status_code, headers=headers, content=content, request=self.request)

    def _conclude(self, response: httpx.Response) -> None:
        client, operation = self.client, self.call.operation
        client._rate_limit = parse_rate_limit(response.headers) or client._rate_limit
        missing = operation.missing_ok and self.call.may_have_applied and response.status_code == 404
        if response.is_success or missing:
            self.value = operation.parse(response, self.token)
            self._understood = True
        elif issued := operation.issued_token(response, self.token):
            raise operation.invalid(response, "the status is that of a failure", "$", issued)
        else:
            self._understood = True
            raise status_error(self.call, response, self.token, client._config.credentials.name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        del traceback  # it keeps the frames that are dropped below
        # The request lives on in errors, which people log, pickle and inspect.
        self.request.headers.pop("Authorization", None)
        self._log(error)
        if error is not None:
            strip_tracebacks(error, self.token, outer=self._outer)
        failure = self._meaning(error)
        succeeded = self._understood and failure is None
        self._forget()
        if failure is not None and failure is not error:
            raise failure
        return succeeded and isinstance(error, Exception)

    def _meaning(self, error: BaseException | None) -> BaseException | None:
        """Return what to raise for an error, or None if the value arrived before it."""
        if isinstance(error, IncidentIOError):
            return error
        if self._understood and isinstance(error, Exception | None):
            return None
        call, response, network = self.call, self._received(), isinstance(error, NETWORK_ERRORS)
        issued = response and call.operation.issued_token(response, self.token)
        if issued and error is not None and not isinstance(error, Exception):
            # The call cannot return the token any more. Whoever handles the interrupt finds it on its cause.
            error.__cause__ = call.operation.invalid(response, f"{type(error).__name__} interrupted it", "$", issued)
        elif issued or (network and response and not response.is_success):
            try:
                self._conclude(response)
            except IncidentIOError as meaning:
                strip_tracebacks(meaning, self.token, outer=self._outer)
                return meaning
            return None
        elif isinstance(error, NETWORK_ERRORS):
            return connection_error(call, error, self.token, self.request.url.netloc.decode("ascii"))
        elif isinstance(error, RuntimeError) and self.client._is_closed:
            return client_closed(call)
        return error

    def _forget(self) -> None:
        # Tools that show the frames of an error look into this object. A token can be in all of these.
        self._parts.clear()
        if self.response is not None:
            # The stream and its response refer to each other. A mock can return the same response again.
            consumed = self.response.is_stream_consumed
            self.response.stream = httpx.ByteStream(self.response.content if consumed else b"")
        self.response = self._finished = None

    def _log(self, error: BaseException | None) -> None:
        if self.call.abandoned or not LOGGER.isEnabledFor(logging.DEBUG):
            return
        response = self._received()
        extra = {
            "method": self.request.method,
            "path": redact(self.request.url.path, self.token),
            "status": response and response.status_code,
            "request_id": response and request_id_of(response, self.token),
            "attempt": self.call.attempt,
            "milliseconds": round((time.perf_counter() - self._started) * 1000, 1),
        }
        outcome = type(error).__name__ if self._finished is None else self._finished.status_code
        LOGGER.debug("%s %s: %s", extra["method"], extra["path"], outcome, extra=extra)
