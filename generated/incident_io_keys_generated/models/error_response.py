# Made from openapi.yaml by scripts/generate. Do not edit.
from __future__ import annotations

from typing import Any

from attrs import NOTHING as _NOTHING
from attrs import asdict as _asdict
from attrs import frozen as _frozen
from msgspec import convert as _convert
from msgspec import to_builtins as _to_builtins

from ..models.error_debug import ErrorDebug
from ..models.error_detail import ErrorDetail
from ..models.rate_limit import RateLimit


@_frozen(kw_only=True)
class ErrorResponse:
    """The body of every error.

    Attributes:
        type: One of `invalid_request_error`, `authentication_error`, `resource_forbidden`, `not_found`,
            `not_acceptable`, `method_not_allowed`, `request_timeout`, `conflict`, `precondition_failed`,
            `payload_too_large`, `validation_error`, `too_many_requests`, `api_error`, `rate_limit_reached`,
            `client_timeout`, or one that was added since. Example: validation_error.
        status: The HTTP status, once more. Example: 422.
        request_id: What to quote to the vendor's support.
        errors: What is wrong, each thing on its own.
        rate_limit: The limit that was hit; in the body of a 429. None where it is absent.
        debug: For the API's own developers. None where it is absent.
    """

    type: str
    status: int
    request_id: str
    errors: list[ErrorDetail]
    rate_limit: RateLimit | None = None
    debug: ErrorDebug | None = None

    @classmethod
    def from_dict(cls, src_dict: Any) -> ErrorResponse:
        """Read what `json.loads` gives; `msgspec.ValidationError` names the first place that does not fit."""
        return _convert(src_dict, cls)

    def to_dict(self) -> dict[str, Any]:
        """Make what `json.dumps` takes. An optional property that is None is left out."""
        present = _asdict(self, filter=lambda field, value: value is not None or field.default is _NOTHING)
        members: dict[str, Any] = _to_builtins(present)
        return members
