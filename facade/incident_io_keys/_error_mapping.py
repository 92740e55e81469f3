"""How an answer that is no success becomes an exception."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable
from typing import Any, Final

import httpx
import msgspec
from attrs import frozen

from incident_io_keys_generated.models import AccountRole, ErrorDetail

from ._answers import Answer
from ._waits import seconds_to_wait
from .errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    UnprocessableEntityError,
    redact,
)
from .tokens import Token

# Headers that tell of the bytes as they were sent; a body that was read is decoded.
_OF_THE_WIRE: Final = (b"content-encoding", b"content-length", b"transfer-encoding")

_BY_STATUS: Final[dict[int, type[APIStatusError]]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}

MAY_HAVE_APPLIED: Final = "the request may have arrived and done its work: look before you repeat it"


def status_error(
    what: str, response: httpx.Response, *, may_have_applied: bool, token: Token | None = None, source: str = "token"
) -> APIStatusError:
    """Make the exception for a response that is no success, whatever its body is.

    Args:
        what: What was tried, as in `create`.
        response: The response, read to its end.
        may_have_applied: Whether it was a write that may have happened all the same.
        token: The token that the request carried, to hide it where the response shows it.
        source: Where that token comes from, for the person who has to change it there.
    """
    status = response.status_code
    kind = _BY_STATUS.get(status, InternalServerError if status >= 500 else APIStatusError)
    advice = _advice(response, token, source)
    response = _without_tokens(response, token)
    body = _read_envelope(response)
    told = (response.headers.get("Retry-After"), body.retry_after)
    waits = (seconds_to_wait(form, response.headers.get("Date")) for form in told if form is not None)
    retry_after = next((wait for wait in waits if wait is not None), None)
    lines = [f"{what} failed with {status}" + (f" {body.type}" if body.type else "")]
    for error in body.errors:
        where = error.source and (error.source.pointer or error.source.field)
        lines.append(f"{f'{where}: ' if where else ''}{error.message} ({error.code})")
    lines += advice
    if status == 429 and retry_after is not None:
        lines.append(f"the API asks to wait {retry_after:.3g} s")
    if may_have_applied:
        lines.append(MAY_HAVE_APPLIED)
    if body.request_id:
        lines.append(f"request id: {body.request_id}")
    # Without what could drive the terminal that it is shown on.
    lines = ["".join(character if character.isprintable() else " " for character in line) for line in lines]
    return kind(
        "\n  ".join(lines),
        response=response,
        type=body.type,
        request_id=body.request_id,
        errors=body.errors,
        retry_after=retry_after,
        may_have_applied=may_have_applied,
    )


def response_of(answer: Answer) -> httpx.Response:
    """An answer as a response of httpx's. Nothing on it can be followed or streamed."""
    headers = [(name, value) for name, value in answer.headers.raw if name.lower() not in _OF_THE_WIRE]
    headers += answer.location
    return httpx.Response(answer.status_code, headers=headers, content=answer.content, request=answer.request)


def request_id_of(response: httpx.Response | Answer, token: Token | None) -> str | None:
    """What to quote to incident.io's support; None if the response does not say."""
    found = _read_envelope(response).request_id
    return None if found is None else redact(found, token)


def _advice(response: httpx.Response, token: Token | None, source: str) -> list[str]:
    status = response.status_code
    if status == 401:
        return [f"the token came from {source}: look whether it is whole, and whether its key still exists"]
    if status == 403:
        role = AccountRole.API_KEYS_MANAGE
        return [f"look whether the calling key has the role {role} (given in the dashboard), and all that it hands out"]
    if 300 <= status < 400 and "Location" in response.headers:
        host = redact(_host(response.headers["Location"]), token)
        return [f"it points to {host}; redirects are not followed, since the token would go there too"]
    return []


def _host(location: str) -> str:
    try:
        host = httpx.URL(location).host
    except (httpx.InvalidURL, UnicodeError):
        return "no URL"
    return host or "another path of the same host"


@frozen
class _Envelope:
    """As much of the error envelope as a response has."""

    type: str | None = None
    request_id: str | None = None
    errors: tuple[ErrorDetail, ...] = ()
    retry_after: str | None = None


# What reading a body as JSON raises if it is none.
_NO_JSON: Final = (msgspec.DecodeError, RecursionError)


def _read_envelope(response: httpx.Response | Answer) -> _Envelope:
    # Member by member, not as the generated ErrorResponse: a gateway's half of an envelope is better than nothing.
    request_id = response.headers.get("X-Request-Id")
    try:
        members = _json(response)
    except _NO_JSON:
        return _Envelope(request_id=request_id)
    if not isinstance(members, dict):
        return _Envelope(request_id=request_id)
    errors = members.get("errors")
    limit = members.get("rate_limit")
    return _Envelope(
        type=_text(members.get("type")),
        request_id=_text(members.get("request_id")) or request_id,
        errors=tuple(_details(errors if isinstance(errors, list) else ())),
        retry_after=_text(limit.get("retry_after")) if isinstance(limit, dict) else None,
    )


def _json(response: httpx.Response | Answer) -> Any:
    return msgspec.json.decode(response.content.decode("utf-8", "replace"))


def _details(errors: Iterable[object]) -> Iterable[ErrorDetail]:
    for error in itertools.islice(errors, 100):
        try:
            yield msgspec.convert(error, ErrorDetail)
        except msgspec.ValidationError:
            continue


def _text(value: object) -> str | None:
    # Numbers too: `retry_after` may well be one.
    return str(value) if isinstance(value, (str, int, float)) and value != "" else None


def _without_tokens(response: httpx.Response, token: Token | None) -> httpx.Response:
    """The response, or one like it without the tokens that it shows: an API may echo what it was sent."""
    headers = [(name, _redacted_bytes(value, token)) for name, value in response.headers.raw]
    content = response.content
    try:
        members = _json(response)
        hidden = _redacted(members, token)
        if hidden != members:  # an escape can hide a token from a look at the bytes
            content = msgspec.json.encode(hidden)
    except _NO_JSON:
        pass
    content = _redacted_bytes(content, token)
    if content == response.content and headers == response.headers.raw:
        return response
    headers = [(name, value) for name, value in headers if name.lower() != b"content-length"]
    redacted = httpx.Response(response.status_code, headers=headers, content=content)
    with contextlib.suppress(RuntimeError):  # it has no request
        redacted.request = response.request
    return redacted


def _redacted_bytes(value: bytes, token: Token | None) -> bytes:
    # Latin-1 takes any bytes, and gives them back.
    return redact(value.decode("latin-1"), token).encode("latin-1")


def _redacted(value: Any, token: Token | None) -> Any:
    if isinstance(value, str):
        return redact(value, token)
    if isinstance(value, list):
        return [_redacted(member, token) for member in value]
    if isinstance(value, dict):
        return {redact(name, token): _redacted(member, token) for name, member in value.items()}
    return value
