# Made from openapi.yaml by scripts/generate. Do not edit.
"""What the contract says beyond types: its server, its operations, the bounds and defaults of values.

A bound is named after its schema or operation, the property or parameter, and the keyword.
"""

from typing import Final

SERVER: Final = "https://api.incident.io"
# The method and the path of each operation, by its ID.
OPERATIONS: Final[dict[str, tuple[str, str]]] = {
    "list_api_keys": ("GET", "/v1/api_keys"),
    "create_api_key": ("POST", "/v1/api_keys"),
    "show_api_key": ("GET", "/v1/api_keys/{id}"),
    "update_api_key": ("PUT", "/v1/api_keys/{id}"),
    "delete_api_key": ("DELETE", "/v1/api_keys/{id}"),
    "rotate_api_key": ("POST", "/v1/api_keys/{id}/actions/rotate"),
}
API_KEY_DEFINITION_NAME_MAX_LENGTH: Final = 200
API_KEY_DEFINITION_NAME_MIN_LENGTH: Final = 1
LIST_API_KEYS_PAGE_SIZE_DEFAULT: Final = 25
LIST_API_KEYS_PAGE_SIZE_MAXIMUM: Final = 250
LIST_API_KEYS_PAGE_SIZE_MINIMUM: Final = 1
ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_DEFAULT: Final = 30
ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MAXIMUM: Final = 60
ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MINIMUM: Final = 0
