# Made from openapi.yaml by scripts/generate. Do not edit.
"""What the contract says beyond types: its server, operations, bounds, defaults and limits.

A bound is named after its schema or operation, the property or parameter, and the keyword.
"""

from typing import Final

from msgspec import Meta

SERVER: Final = "https://api.incident.io"
# The method and the path of each operation.
OPERATION_LIST_API_KEYS: Final = ("GET", "/v1/api_keys")
OPERATION_CREATE_API_KEY: Final = ("POST", "/v1/api_keys")
OPERATION_SHOW_API_KEY: Final = ("GET", "/v1/api_keys/{id}")
OPERATION_UPDATE_API_KEY: Final = ("PUT", "/v1/api_keys/{id}")
OPERATION_DELETE_API_KEY: Final = ("DELETE", "/v1/api_keys/{id}")
OPERATION_ROTATE_API_KEY: Final = ("POST", "/v1/api_keys/{id}/actions/rotate")
API_KEY_DEFINITION_NAME_MAX_LENGTH: Final = 200
API_KEY_DEFINITION_NAME_MIN_LENGTH: Final = 1
LIST_API_KEYS_PAGE_SIZE_DEFAULT: Final = 25
LIST_API_KEYS_PAGE_SIZE_MAXIMUM: Final = 250
LIST_API_KEYS_PAGE_SIZE_MINIMUM: Final = 1
ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_DEFAULT: Final = 30
ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MAXIMUM: Final = 60
ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MINIMUM: Final = 0
LIMIT_ACTIVE_KEYS: Final = 5000
ACCOUNT_ROLE_DESCRIPTIONS: Final[dict[str, str]] = {
    "viewer": "see what everyone in the organisation sees: public incidents, settings",
    "incident_creator": "create incidents",
    "incident_editor": "create incidents, and change them",
    "manage_settings": "change the settings of the organisation",
    "global_access": "reach everything, private incidents included",
    "catalog_viewer": "see the types and entries of the catalog",
    "catalog_editor": "change the types and entries of the catalog",
    "incident_memberships_editor": "let people into private incidents, and take them out",
    "schedules_editor": "create and change on-call schedules",
    "schedules_reader": "see on-call schedules",
    "schedule_overrides_editor": "put somebody else on call for a while",
    "workflows_editor": "create and change workflows",
    "private_workflows_editor": "create and change workflows that see private incidents",
    "on_call_editor": "change all of on-call: schedules, escalation paths and so on",
    "escalation_creator": "page people",
    "post_incident_flow_opt_out": "take an incident out of its post-incident flow",
    "security_settings_editor": "change the security settings of the organisation",
    "investigation_download": "download investigations",
    "team_memberships_manage": "let people into teams, and take them out",
    "status_page_publisher": "publish on status pages",
    "postmortems_manage": "create and change post-mortems",
    "api_keys_manage": "list, create, change, rotate and delete API keys; given only in the dashboard",
}
TEAM_ROLE_DESCRIPTIONS: Final[dict[str, str]] = {
    "schedules_editor": "create and change the on-call schedules of the teams",
    "schedules_reader": "see the on-call schedules of the teams",
    "schedule_overrides_editor": "put somebody else on call for a while, in the teams' schedules",
    "on_call_editor": "change all of the teams' on-call: schedules, escalation paths and so on",
    "escalation_creator": "page the teams",
    "api_keys_manage": "list, create, change, rotate and delete the teams' API keys; given only in the dashboard",
}
# What a request's body need not have, and the bounds of that.
API_KEY_DEFINITION_OPTIONAL: Final[dict[str, Meta]] = {}
ROTATE_API_KEY_REQUEST_OPTIONAL: Final[dict[str, Meta]] = {}
