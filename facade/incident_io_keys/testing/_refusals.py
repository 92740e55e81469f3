"""How the API refuses a request: one envelope for every error, with all that is wrong in it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final

import httpx
from attrs import field, frozen

from incident_io_keys_generated.models import ErrorDetail, ErrorResponse, ErrorSource, RateLimit

# The type that goes with each status that is documented.
TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "resource_forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_timeout",
    409: "conflict",
    412: "precondition_failed",
    413: "payload_too_large",
    422: "validation_error",
    429: "too_many_requests",
    500: "api_error",
}


@frozen
class Flaw:
    """One thing that is wrong: a code for programs, a message for people, and the part of the request it is about."""

    code: str
    message: str
    field: str | None = None
    pointer: str | None = None

    def to_detail(self) -> ErrorDetail:
        """Return the flaw as a member of the envelope's `errors`. A source has both a field and a pointer."""
        source = None
        if self.field is not None:
            source = ErrorSource(field=self.field, pointer=f"/{self.field}" if self.pointer is None else self.pointer)
        return ErrorDetail(code=self.code, message=self.message, source=source)


@frozen
class Refusal(Exception):  # noqa: N818 - it is an answer
    """A request that is not granted.

    Attributes:
        status: One of the documented statuses.
        flaws: All that is wrong.
        headers: Headers of the answer.
        rate_limit: The envelope's member of that name.
    """

    status: int
    flaws: tuple[Flaw, ...]
    headers: Mapping[str, str] = field(factory=dict)
    rate_limit: RateLimit | None = None

    def response(self) -> httpx.Response:
        """What the API answers."""
        envelope = ErrorResponse(
            type=TYPES[self.status],
            status=self.status,
            request_id=secrets.token_hex(16),
            errors=tuple(flaw.to_detail() for flaw in self.flaws),
            rate_limit=self.rate_limit,
        )
        return httpx.Response(self.status, headers=self.headers, json=envelope.to_dict())


def refuse(status: int, *flaws: Flaw) -> Refusal:
    """A refusal to raise."""
    return Refusal(status, flaws)
