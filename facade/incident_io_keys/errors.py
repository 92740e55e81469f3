"""Every exception that the client raises, and how an error response becomes one.

All of them pickle, and neither they nor their tracebacks hold a token that would show. This module must not know how
requests are made or sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

import httpx
import msgspec
from attrs import frozen

from incident_io_keys_generated.models import ErrorDetail

from ._waits import seconds_to_wait

if TYPE_CHECKING:
    from .tokens import Token

REDACTED: Final = "<redacted>"
_TOKEN_SHAPED: Final = re.compile(r"inc_[0-9A-Za-z_-]{8,}")


def redact(text: str) -> str:
    """Replace whatever looks like a token of the API in a text that a person may get to see."""
    return _TOKEN_SHAPED.sub(f"inc_{REDACTED}", text)


class IncidentIOError(Exception):
    """The base of every exception of this package.

    Attributes:
        may_have_applied: Whether a write that failed may have happened nonetheless: the request may have arrived, and
            no answer says that it was refused.
    """

    may_have_applied: bool = False

    def __reduce__(self) -> tuple[Callable[..., IncidentIOError], tuple[Any, ...]]:
        # BaseException would call __init__ again with what is in args, which ours is not made for.
        return _unpickled, (type(self), self.args, self._state())

    def _state(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def __copy__(self) -> Self:
        # Copying would take the way of pickling, and lose what a pickle may not hold.
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def _unpickled(kind: type[IncidentIOError], args: tuple[Any, ...], state: dict[str, Any]) -> IncidentIOError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


@frozen
class Problem:
    """One thing that is wrong with a call's arguments.

    Attributes:
        field: Which argument it is, as in `role_names[2]`.
        message: What is wrong with it.
        suggestion: What to write instead, where that can be said.
    """

    field: str
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" + (f"; {self.suggestion}" if self.suggestion else "")


class InvalidRequestError(IncidentIOError, ValueError):
    """The arguments do not fit the contract. Nothing was sent.

    Attributes:
        problems: Everything that is wrong with them, not only the first thing.
    """

    def __init__(self, outcome: str, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n  ".join([f"{outcome}:", *map(str, self.problems)]))


class APIConnectionError(IncidentIOError):
    """There is no usable answer: no connection, or one that broke. The cause is httpx's own error."""

    def __init__(self, message: str, *, may_have_applied: bool = False) -> None:
        super().__init__(message)
        self.may_have_applied = may_have_applied


class APITimeoutError(APIConnectionError):
    """There was no answer in time."""


class InvalidResponseError(IncidentIOError):
    """The API answered with success, but its body does not fit the contract.

    Attributes:
        path: The place in the body that does not fit, as in `$.api_keys[3].created_at`.
        token: The token that was issued, if the body held one: store it, the API will not show it again. It does not
            travel with a pickled exception.
    """

    def __init__(self, message: str, *, path: str, token: Token | None, may_have_applied: bool) -> None:
        super().__init__(message)
        self.path = path
        self.token = token
        self.may_have_applied = may_have_applied

    def _state(self) -> dict[str, Any]:
        # A pickle is a file, or a message to another process: no place for a secret.
        return {**self.__dict__, "token": None}


class PaginationError(IncidentIOError):
    """The API gave the same cursor twice: going on would never end."""


class APIStatusError(IncidentIOError):
    """The API refused the request or failed with it.

    Attributes:
        status: The HTTP status.
        type: The kind of error in the API's words, such as `validation_error`; None if the body does not say.
        request_id: What to quote to incident.io's support; None if the body does not say.
        errors: What is wrong, thing by thing, as the API puts it; empty if the body does not say.
        response: The response itself. Its request does not carry the token any more. In a pickle it has no request, and
            what looks like a token is redacted.
    """

    def __init__(self, message: str, *, response: httpx.Response, body: _Envelope, may_have_applied: bool) -> None:
        super().__init__(message)
        self.status = response.status_code
        self.type = body.type
        self.request_id = body.request_id
        self.errors = body.errors
        self.response = response
        self.may_have_applied = may_have_applied

    def _state(self) -> dict[str, Any]:
        # What the API echoes is there for whoever has the exception, but a pickle is no place for a secret.
        kept = [pair for pair in self.response.headers.multi_items() if pair[0] not in _OF_THE_BYTES]
        headers = [(name, redact(value)) for name, value in kept]
        response = httpx.Response(self.status, headers=headers, content=_redacted_body(self.response))
        return {**self.__dict__, "response": response}


class BadRequestError(APIStatusError):
    """400: the request could not be understood."""


class AuthenticationError(APIStatusError):
    """401: the token is missing or does not work."""


class PermissionDeniedError(APIStatusError):
    """403: the calling key lacks a role or scope."""


class NotFoundError(APIStatusError):
    """404: there is no such key, or the caller may not see it."""


class ConflictError(APIStatusError):
    """409: the request does not go together with the state of the resource."""


class UnprocessableEntityError(APIStatusError):
    """422: the request was understood, but does not fit the contract."""


class RateLimitError(APIStatusError):
    """429: the calling key has used up its requests.

    Attributes:
        retry_after: How many seconds the API asks to wait; None if it does not say.
    """

    def __init__(self, message: str, *, response: httpx.Response, body: _Envelope, may_have_applied: bool) -> None:
        super().__init__(message, response=response, body=body, may_have_applied=may_have_applied)
        told = (response.headers.get("Retry-After"), body.retry_after)
        waits = (seconds_to_wait(form, response.headers.get("Date")) for form in told if form is not None)
        self.retry_after = next((wait for wait in waits if wait is not None), None)


class InternalServerError(APIStatusError):
    """500 and above: something broke at the API's end or in front of it."""


# Headers that tell of the bytes of a body, and would be wrong for what is made of it.
_OF_THE_BYTES: Final = ("content-encoding", "content-length", "content-type", "transfer-encoding")

_BY_STATUS: Final[dict[int, type[APIStatusError]]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}


def status_error(what: str, response: httpx.Response, *, may_have_applied: bool) -> APIStatusError:
    """Make the exception for a response that is no success, whatever its body is.

    Args:
        what: What was tried, as in `create`.
        response: The response, read to its end.
        may_have_applied: Whether it was a write that may have happened all the same.
    """
    status = response.status_code
    kind = _BY_STATUS.get(status, InternalServerError if status >= 500 else APIStatusError)
    body = _read_envelope(response)
    lines = [f"{what} failed with {status}" + (f" {body.type}" if body.type else "")]
    for error in body.errors:
        where = error.source and (error.source.pointer or error.source.field)
        lines.append(f"{f'{where}: ' if where else ''}{error.message} ({error.code})")
    if body.request_id:
        lines.append(f"request id: {body.request_id}")
    # Without what could drive the terminal that it is shown on.
    lines = ["".join(character if character.isprintable() else " " for character in line) for line in lines]
    return kind("\n  ".join(lines), response=response, body=body, may_have_applied=may_have_applied)


# What httpx raises before a request can have reached anyone.
_NEVER_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


def connection_error(what: str, error: Exception, *, writes: bool) -> APIConnectionError:
    """Make the exception for a request that got no usable answer; raise it from `error`.

    Args:
        what: What was tried, as in `create`.
        error: What came out of httpx. The frames of its traceback are dropped.
        writes: Whether the API changes something when it gets the request.
    """
    may_have_applied = writes and not isinstance(error, _NEVER_SENT)
    drop_frames(error)
    kind = APITimeoutError if isinstance(error, httpx.TimeoutException) else APIConnectionError
    message = f"{what} got no usable answer: {type(error).__name__}" + (f": {redact(str(error))}" if str(error) else "")
    if may_have_applied:
        message += "\n  the request may have arrived and done its work: look before you repeat it"
    return kind(message, may_have_applied=may_have_applied)


def drop_frames(error: BaseException | None) -> None:
    """Drop the frames of an error that passed through the HTTP libraries.

    While a request is being written, theirs hold its headers, and with them the token, as plain locals.
    """
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


@frozen
class _Envelope:
    """As much of the error envelope as a body has."""

    type: str | None = None
    request_id: str | None = None
    errors: tuple[ErrorDetail, ...] = ()
    retry_after: str | None = None


# What reading a body as JSON raises if it is none.
_NO_JSON: Final = (msgspec.DecodeError, RecursionError)


def _redacted_json(response: httpx.Response) -> Any:
    return _redacted(msgspec.json.decode(response.content.decode("utf-8", "replace")))


def _redacted_body(response: httpx.Response) -> bytes:
    try:
        return msgspec.json.encode(_redacted_json(response))
    except _NO_JSON:
        return redact(response.content.decode("utf-8", "replace")).encode()


def _read_envelope(response: httpx.Response) -> _Envelope:
    # Member by member, not as the generated ErrorResponse: a gateway's half of an envelope is better than nothing.
    try:
        members = _redacted_json(response)
    except _NO_JSON:
        return _Envelope()
    if not isinstance(members, dict):
        return _Envelope()
    errors = members.get("errors")
    limit = members.get("rate_limit")
    return _Envelope(
        type=_text(members.get("type")),
        request_id=_text(members.get("request_id")),
        errors=tuple(_details(errors if isinstance(errors, list) else ())),
        retry_after=_text(limit.get("retry_after")) if isinstance(limit, dict) else None,
    )


def _redacted(value: Any) -> Any:
    """What was decoded, without tokens; before decoding, an escape could hide one."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [_redacted(member) for member in value]
    if isinstance(value, dict):
        return {redact(name): _redacted(member) for name, member in value.items()}
    return value


def _details(errors: Sequence[object]) -> Iterable[ErrorDetail]:
    for error in errors:
        try:
            yield msgspec.convert(error, ErrorDetail)
        except msgspec.ValidationError:
            continue


def _text(value: object) -> str | None:
    # Numbers too: `retry_after` may well be one.
    return str(value) if isinstance(value, (str, int, float)) and value != "" else None
