# Made from openapi.yaml by scripts/generate. Do not edit.
"""Contains all the data models used in inputs/outputs"""

from .account_role import AccountRole
from .api_key import APIKey
from .api_key_definition import APIKeyDefinition
from .api_key_response import APIKeyResponse
from .creator import Creator
from .creator_api_key import CreatorAPIKey
from .error_debug import ErrorDebug
from .error_detail import ErrorDetail
from .error_detail_metadata import ErrorDetailMetadata
from .error_response import ErrorResponse
from .error_source import ErrorSource
from .issued_api_key_response import IssuedAPIKeyResponse
from .list_api_keys_response import ListAPIKeysResponse
from .pagination_meta import PaginationMeta
from .rate_limit import RateLimit
from .role import Role
from .rotate_api_key_request import RotateAPIKeyRequest
from .team_role import TeamRole
from .user import User

__all__ = (
    "AccountRole",
    "APIKey",
    "APIKeyDefinition",
    "APIKeyResponse",
    "Creator",
    "CreatorAPIKey",
    "ErrorDebug",
    "ErrorDetail",
    "ErrorDetailMetadata",
    "ErrorResponse",
    "ErrorSource",
    "IssuedAPIKeyResponse",
    "ListAPIKeysResponse",
    "PaginationMeta",
    "RateLimit",
    "Role",
    "RotateAPIKeyRequest",
    "TeamRole",
    "User",
)
