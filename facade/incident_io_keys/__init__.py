"""A typed sync and async client for incident.io API keys."""

from incident_io_keys_generated.contract import AccountRoleName, TeamRoleName
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

from ._auth import AsyncTokenSource, TokenSource
from ._config import __version__
from ._retry import RateLimit
from .async_client import AsyncKeysClient
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
    TokenSourceError,
    UnprocessableEntityError,
)
from .pagination import AsyncKeyPager, KeyPager, Page
from .tokens import IssuedKey, Token, env_token, file_token

__all__ = [
    "APIConnectionError",
    "APIKey",
    "APIStatusError",
    "APITimeoutError",
    "AccountRole",
    "AccountRoleName",
    "AsyncKeyPager",
    "AsyncKeysClient",
    "AsyncTokenSource",
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
    "RateLimit",
    "RateLimitError",
    "Role",
    "TeamRole",
    "TeamRoleName",
    "Token",
    "TokenSource",
    "TokenSourceError",
    "UnprocessableEntityError",
    "User",
    "__version__",
    "env_token",
    "file_token",
]
