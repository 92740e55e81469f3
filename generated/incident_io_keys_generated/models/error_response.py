# Made from openapi.yaml by scripts/generate. Do not edit.

from attrs import frozen as _frozen

from ..models.error_debug import ErrorDebug
from ..models.error_detail import ErrorDetail
from ..models.rate_limit import RateLimit
from ..types import Model as _Model


@_frozen(kw_only=True)
class ErrorResponse(_Model):
    """The body of every error.

    Attributes:
        type: One of `invalid_request_error`, `authentication_error`, `resource_forbidden`, `not_found`,
            `not_acceptable`, `method_not_allowed`, `request_timeout`, `conflict`, `precondition_failed`,
            `payload_too_large`, `validation_error`, `too_many_requests`, `api_error`, `rate_limit_reached`,
            `client_timeout`, or one that was added since. Example: validation_error.
        status: The HTTP status, once more. Example: 422.
        request_id: What to quote to the vendor's support.
        errors: What is wrong, each thing on its own.
        rate_limit: The limit that was hit; in the body of a 429. Optional.
        debug: For the API's own developers. Optional.
    """

    type: str
    status: int
    request_id: str
    errors: tuple[ErrorDetail, ...]
    rate_limit: RateLimit | None = None
    debug: ErrorDebug | None = None
