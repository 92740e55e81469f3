"""Sends one request: adds the token, collects the body, maps errors, and removes the token again."""

from __future__ import annotations

import logging
import re
import sys
import time
import zlib
from collections.abc import Callable
from types import SimpleNamespace, TracebackType
from typing import Any, Final, Self

import httpx
from attrs import define, field

from ._error_mapping import NETWORK_ERRORS, connection_error, request_id_of, status_error, strip_tracebacks
from ._operations import LARGEST_BODY
from ._redaction import redact
from ._retry import LOGGER, Call, parse_rate_limit
from ._transport import has_left_over
from .errors import IncidentIOError, InvalidResponseError
from .tokens import Token

# A body of many tiny gzip members would take long to decode.
_MOST_GZIP_MEMBERS: Final = 100


def decode_body(content: bytes, coding: str, limit: int) -> bytes:
    """Return a body, with gzip decoded as far as possible, up to `limit` + 1 bytes.

    The client requests no coding, but a proxy may use one. Other bytes are returned as they are.
    """
    if [each for each in re.split("[ ,]+", coding.lower()) if each not in ("", "identity")] not in (
        ["gzip"],
        ["x-gzip"],
    ):
        return content
    decoded, rest = b"", content
    for number in range(_MOST_GZIP_MEMBERS):
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            # Decode the checksum at the end apart: if it is wrong, zlib drops its whole piece.
            for piece in (rest[:-8], rest[-8:]):
                if len(decoded) <= limit:
                    decoded += member.decompress(piece, limit + 1 - len(decoded))
        except zlib.error:
            return decoded if decoded or number else content
        rest = member.unused_data
        if not rest:
            break
    return decoded


@define(eq=False, repr=False)
class Exchange:
    """A `with` block in which one request is sent and its response received.

    Errors that leave the block have no token in their texts and frames. They are exceptions of this package, except
    interrupts and unknown errors of a custom transport.

    Attributes:
        source: The display name of the token's source.
        reported: Holds the latest `rate_limit`, which the exchange sets.
        is_closed: Whether the client was closed in the meantime.
        response: The response; None until its headers arrive.
        value: The value of the call, once the block has ended.
        failure: The exception of the call, if the response is an error or does not fit the contract.
    """

    call: Call
    request: httpx.Request
    token: Token
    source: str
    reported: SimpleNamespace
    is_closed: Callable[[], bool]
    response: httpx.Response | None = None
    value: Any = None
    failure: IncidentIOError | None = None
    parts: list[bytes] = field(factory=list)
    _size: int = 0
    _complete: httpx.Response | None = None
    _settled: bool = False  # whether there is a value or a failure
    _handled: BaseException | None = field(factory=sys.exception)
    _started: float = field(factory=time.perf_counter)

    def __enter__(self) -> Self:
        self.request.headers["Authorization"] = f"Bearer {self.token.reveal()}"
        return self

    def add(self, part: bytes) -> None:
        """Add a part of the body."""
        self.parts.append(part[: self._largest_body + 1 - self._size])
        self._size += len(part)
        self._check_size(self._size)

    def finish(self) -> None:
        """Parse the complete response. The block raises its failure, if there is one, once the response is closed."""
        self._complete = self._build_response()
        self.parts.clear()
        self._check_size(len(self._complete.content))
        self._parse(self._complete)

    def unusable_connection(self, response: httpx.Response) -> Any:
        """Return the connection of the response if it must not be reused; None otherwise."""
        headers = response.headers
        # A 204 or 304 has no body, whatever its headers say. One that arrives later would be read as the next response.
        body = "Transfer-Encoding" in headers or headers.get("Content-Length", "0") != "0"
        understood = self._settled and not isinstance(self.failure, InvalidResponseError)
        if understood and not (body and response.status_code in (204, 304)) and not has_left_over(response):
            return None
        # Other requests share a connection of HTTP/2, which tells them apart.
        return None if response.http_version == "HTTP/2" else response.extensions.get("network_stream")

    @property
    def _largest_body(self) -> int:
        success = self.response is not None and self.response.is_success
        return self.call.operation.largest_body if success else LARGEST_BODY

    def _check_size(self, size: int) -> None:
        if size > self._largest_body:
            raise httpx.DecodingError(f"the body has more than {self._largest_body} bytes")

    def _build_response(self) -> Any:
        """Return the response with as much of its body as arrived, decoded; None before its headers."""
        if self._complete is not None or self.response is None:
            return self._complete
        headers = self.response.headers.copy()
        content = decode_body(b"".join(self.parts), headers.pop("Content-Encoding", ""), self._largest_body)
        return httpx.Response(self.response.status_code, headers=headers, content=content, request=self.request)

    def _parse(self, response: httpx.Response) -> None:
        operation = self.call.operation
        self.reported.rate_limit = parse_rate_limit(response.headers) or self.reported.rate_limit
        missing = operation.missing_ok and self.call.may_have_applied and response.status_code == 404
        if response.is_success or missing:
            try:
                self.value = operation.parse(response, self.token)
            except InvalidResponseError as error:
                self.failure = error
        elif issued := operation.issued_token(response, self.token):
            self.failure = operation.invalid(response, "the status is that of a failure", "$", issued)
        else:
            self.failure = status_error(self.call, response, self.token, self.source)
        self._settled = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        del traceback  # it keeps the frames that are dropped below
        self.request.headers.pop("Authorization", None)  # errors keep a reference to the request
        self._log(error)
        if error is not None:
            strip_tracebacks(error, self.token, outer=self._handled)
        raised = self._error_to_raise(error)
        # Error reporters print local variables. Each of these attributes can contain a token.
        self.parts.clear()
        self.response = self._complete = self.failure = None
        if raised is not None and raised is not error:
            strip_tracebacks(raised, self.token, outer=self._handled)
            try:
                raise raised
            finally:
                del raised, error  # or its traceback would refer to itself
        return raised is None

    def _error_to_raise(self, error: BaseException | None) -> BaseException | None:
        """Return the exception to raise after an error that left the block, if any; None if there is a value."""
        if error is None or (self._settled and isinstance(error, Exception)):
            return self.failure  # after that, only closing the response can fail
        response, operation = self._build_response(), self.call.operation
        issued = response and operation.issued_token(response, self.token)
        if not isinstance(error, Exception):
            if issued:  # the call cannot return the token, so the cause of the interrupt has it
                error.__cause__ = operation.invalid(response, f"{type(error).__name__} interrupted it", "$", issued)
            return error
        # httpcore does not map every error of the network. The client's own transport is the one with a trace.
        of_network = isinstance(error, NETWORK_ERRORS) or "trace" in self.request.extensions
        if issued or (of_network and response and not response.is_success):
            # The partial response is more useful than the error: it has the token, or the status of a failure.
            self._parse(response)
            return self.failure
        if of_network or (isinstance(error, RuntimeError) and self.is_closed()):
            return connection_error(self.call, error, self.request, self.token)
        return error

    def _log(self, error: BaseException | None) -> None:
        if self.call.abandoned or not LOGGER.isEnabledFor(logging.DEBUG):
            return
        response = self._build_response()
        extra = {
            "method": self.request.method,
            "path": redact(self.request.url.path, self.token),
            "status": response and response.status_code,
            "request_id": response and request_id_of(response, self.token),
            "attempt": self.call.attempt,
            "milliseconds": round((time.perf_counter() - self._started) * 1000, 1),
        }
        outcome = type(error).__name__ if self._complete is None else self._complete.status_code
        LOGGER.debug("%s %s: %s", extra["method"], extra["path"], outcome, extra=extra)
