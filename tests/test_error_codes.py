"""The stable codes of the exceptions, which programs compare and metrics count."""

from __future__ import annotations

import incident_io_keys
from incident_io_keys import IncidentIOError

CODES = {
    "APIConnectionError": "api_connection",
    "APIStatusError": "api_status",
    "APITimeoutError": "api_timeout",
    "AuthenticationError": "authentication",
    "BadRequestError": "bad_request",
    "ConflictError": "conflict",
    "IncidentIOError": "incident_io",
    "InternalServerError": "internal_server",
    "InvalidRequestError": "invalid_request",
    "InvalidResponseError": "invalid_response",
    "NotFoundError": "not_found",
    "PaginationError": "pagination",
    "PermissionDeniedError": "permission_denied",
    "RateLimitError": "rate_limit",
    "TokenSourceError": "token_source",
    "UnprocessableEntityError": "unprocessable_entity",
}


def test_each_exception_has_its_code() -> None:
    kinds = [each for each in vars(incident_io_keys).values() if isinstance(each, type)]
    assert {kind.__name__: kind.code for kind in kinds if issubclass(kind, IncidentIOError)} == CODES


def test_a_subclass_of_a_caller_has_a_code_of_its_own() -> None:
    class KeyBusyError(IncidentIOError):
        pass

    assert KeyBusyError("busy").code == "key_busy"
