"""Every exception of the client.

Each has a stable `code`. Details are attributes, so callers need not parse messages. All of them pickle. Neither an
exception nor its traceback contains a token, but for the attribute `token`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self

import httpx
from attrs import frozen

from incident_io_keys_generated.models import ErrorDetail

if TYPE_CHECKING:
    from .tokens import Token


class IncidentIOError(Exception):
    """The base of every exception of this package. It takes its attributes as keyword arguments.

    Attributes:
        code: A stable name of the kind of error, such as `not_found`: the name of the class, without `Error`.
        may_have_applied: Whether a write that failed may have taken effect: the request may have arrived, and no
            response says that it was rejected.
    """

    code: ClassVar[str] = "incident_io"
    may_have_applied: bool = False

    def __init_subclass__(cls) -> None:
        cls.code = re.sub("(?<=[a-z])(?=[A-Z])|(?<=API)", "_", cls.__name__.removesuffix("Error")).lower()

    def __init__(self, message: str, **attributes: Any) -> None:
        super().__init__(message)
        self.__dict__.update(attributes)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, self._state()

    def _state(self) -> dict[str, Any]:
        return self.__dict__

    def __copy__(self, *_: object) -> Self:
        return self  # the default copy uses pickle, which would drop a token

    __deepcopy__ = __copy__


@frozen
class Problem:
    """One problem of a call's arguments.

    Attributes:
        field: The argument, such as `role_names[2]`.
        message: What the problem is.
        suggestion: What to write instead, if known.
    """

    field: str
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" + (f"; {self.suggestion}" if self.suggestion else "")


class InvalidRequestError(IncidentIOError, ValueError):
    """The arguments do not fit the contract. Nothing was changed.

    Attributes:
        problems: Every problem of the arguments.
    """

    problems: tuple[Problem, ...]

    def __init__(self, outcome: str, problems: Iterable[Problem] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__("\n  ".join([f"{outcome}:", *map(str, self.problems)]) if self.problems else outcome)


class TokenSourceError(IncidentIOError):
    """A token source raised an exception, or returned no usable token, at the time of a call. Nothing was sent."""


class APIConnectionError(IncidentIOError):
    """No usable response arrived: there was no connection, or it was interrupted. `__cause__` is the network error."""


class APITimeoutError(APIConnectionError):
    """No usable response arrived before the timeout or the deadline."""


class InvalidResponseError(IncidentIOError):
    """A successful response does not fit the contract, or is not the response to this request.

    An interrupted response, or a failure, that contains an issued token raises it too.

    Attributes:
        path: The place in the body that does not fit, such as `$.api_keys[3].created_at`.
        token: The issued token, if the body had one. Store it: the API does not show it again. A pickled exception
            does not contain it.
    """

    path: str
    token: Token | None

    def _state(self) -> dict[str, Any]:
        return {**self.__dict__, "token": None}  # a pickle goes to a file or to another process


class PaginationError(IncidentIOError):
    """The API returned the same cursor twice. Following it would never end."""


class APIStatusError(IncidentIOError):
    """The API rejected the request, or failed.

    Attributes:
        status: The HTTP status.
        type: The API's name of the error, such as `validation_error`; None if the body has none.
        request_id: The request ID, for support requests; None if the response has none.
        errors: The single errors that the API reports; empty if it reports none.
        retry_after: The delay in seconds that the API requests; None if it requests none.
        response: The response, its body read. Tokens are redacted in it, and its request has no token. A pickled
            exception has a response without a request.
    """

    status: int
    type: str | None
    request_id: str | None
    errors: tuple[ErrorDetail, ...]
    retry_after: float | None
    response: httpx.Response

    def _state(self) -> dict[str, Any]:
        response = httpx.Response(self.status, headers=self.response.headers, content=self.response.content)
        return {**self.__dict__, "response": response}


class BadRequestError(APIStatusError):
    """400: the API did not understand the request."""


class AuthenticationError(APIStatusError):
    """401: the token is missing or does not work."""


class PermissionDeniedError(APIStatusError):
    """403: the calling key lacks a role or scope."""


class NotFoundError(APIStatusError):
    """404: there is no such key, or the caller may not see it."""


class ConflictError(APIStatusError):
    """409: the request conflicts with the state of the resource."""


class UnprocessableEntityError(APIStatusError):
    """422: the request does not fit the contract."""


class RateLimitError(APIStatusError):
    """429: the calling key has used up its requests. `retry_after` is the delay in seconds."""


class InternalServerError(APIStatusError):
    """500 and above: an error of the API, or of a gateway in front of it."""
