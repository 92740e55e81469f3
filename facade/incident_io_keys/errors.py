"""Every exception that the client raises.

All of them pickle, and none holds a token that would show.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

from attrs import frozen

from incident_io_keys_generated.models import ErrorDetail

if TYPE_CHECKING:
    import httpx

    from .tokens import Token

REDACTED: Final = "<redacted>"
_TOKEN_SHAPED: Final = re.compile(r"inc_[0-9A-Za-z_-]{8,}")
# Shorter than any token: what is hidden wherever it occurs must not be a word.
_SHORTEST_TOKEN: Final = 8


def redact(text: str, token: Token | None = None) -> str:
    """Hide tokens in a text that a person may get to see.

    Args:
        text: The text.
        token: A token to hide wherever it occurs, beside whatever looks like one of the API's.
    """
    if token is not None and len(token.reveal()) >= _SHORTEST_TOKEN:
        for escaped in (str, html.escape, quote):  # as a page or a URL would show it
            text = text.replace(escaped(token.reveal()), REDACTED)
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

    So does what broke off after the token of a create or a rotation, and a failure whose body has that token.

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
        request_id: What to quote to incident.io's support; None if the response does not say.
        errors: What is wrong, thing by thing, as the API puts it; empty if the body does not say.
        retry_after: How many seconds the API asks to wait; None if it does not say.
        response: The response itself, its body read. What looks like a token is redacted in it, and its request does
            not carry the token any more. In a pickle it has no request.
    """

    def __init__(
        self,
        message: str,
        *,
        response: httpx.Response,
        type: str | None,
        request_id: str | None,
        errors: tuple[ErrorDetail, ...],
        retry_after: float | None,
        may_have_applied: bool,
    ) -> None:
        super().__init__(message)
        self.status = response.status_code
        self.type = type
        self.request_id = request_id
        self.errors = errors
        self.retry_after = retry_after
        self.response = response
        self.may_have_applied = may_have_applied

    def _state(self) -> dict[str, Any]:
        response = type(self.response)(self.status, headers=self.response.headers, content=self.response.content)
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
    """429: the calling key has used up its requests. `retry_after` says for how many seconds."""


class InternalServerError(APIStatusError):
    """500 and above: something broke at the API's end or in front of it."""
