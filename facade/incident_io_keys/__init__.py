"""A client for the API keys of incident.io: list and create them, with types, and without showing a token."""

from incident_io_keys_generated.models import (
    AccountRole,
    APIKey,
    Creator,
    CreatorAPIKey,
    ErrorDetail,
    ErrorSource,
    Role,
    TeamRole,
    User,
)

from ._version import __version__
from .client import KeysClient
from .errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    IncidentIOError,
    InternalServerError,
    InvalidRequestError,
    InvalidResponseError,
    NotFoundError,
    PaginationError,
    PermissionDeniedError,
    Problem,
    RateLimitError,
    UnprocessableEntityError,
)
from .pagination import KeyPager, Page
from .tokens import IssuedKey, Token

__all__ = [
    "APIConnectionError",
    "APIKey",
    "APIStatusError",
    "APITimeoutError",
    "AccountRole",
    "AuthenticationError",
    "BadRequestError",
    "ConflictError",
    "Creator",
    "CreatorAPIKey",
    "ErrorDetail",
    "ErrorSource",
    "IncidentIOError",
    "InternalServerError",
    "InvalidRequestError",
    "InvalidResponseError",
    "IssuedKey",
    "KeyPager",
    "KeysClient",
    "NotFoundError",
    "Page",
    "PaginationError",
    "PermissionDeniedError",
    "Problem",
    "RateLimitError",
    "Role",
    "TeamRole",
    "Token",
    "UnprocessableEntityError",
    "User",
    "__version__",
]
