# Made from openapi.yaml by scripts/generate. Do not edit.
"""What the contract says beyond types: its server, operations, bounds, defaults and limits.

A bound is named after its schema or operation, the property or parameter, and the keyword.
"""

from typing import Final, Literal

SERVER: Final = "https://api.incident.io"
# The method and the path of each operation.
OPERATION_LIST_API_KEYS: Final = ("GET", "/v1/api_keys")
OPERATION_CREATE_API_KEY: Final = ("POST", "/v1/api_keys")
OPERATION_SHOW_API_KEY: Final = ("GET", "/v1/api_keys/{id}")
OPERATION_UPDATE_API_KEY: Final = ("PUT", "/v1/api_keys/{id}")
OPERATION_DELETE_API_KEY: Final = ("DELETE", "/v1/api_keys/{id}")
OPERATION_ROTATE_API_KEY: Final = ("POST", "/v1/api_keys/{id}/actions/rotate")
API_KEY_DEFINITION_COMMENTS_MAX_LENGTH: Final = 5000
API_KEY_DEFINITION_COMMENTS_PATTERN: Final = "^[^\x00]*$"
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
    "api_keys_manage": "list, create, change, rotate and delete API keys; can be assigned only in the dashboard",
    "glossary_entries_manage": "create, change and delete glossary entries",
    "workflows_viewer": "see workflows",
    "private_escalation_workflows_editor": "create and change workflows that see private escalations",
    "on_call_viewer": "see all of on-call: schedules, escalation paths and so on",
    "status_page_viewer": "see status pages, internal ones included",
    "notification_methods_manage": "change the notification methods of people",
    "notification_methods_unredacted_viewer": "see notification methods, with full phone numbers and addresses",
    "incident_workload_viewer": "see the workload that incidents cause",
    "incident_workload_private_viewer": "see the workload that incidents cause, private ones included",
    "act_on_behalf_of_users": "make requests in the name of other users",
    "secrets_manage": "create, change and delete secrets",
    "secrets_use": "use secrets without seeing them",
    "call_transcripts_viewer": "see the transcripts of incident calls",
    "heartbeats_ping": "send heartbeats",
    "telemetry_query_restricted": "query telemetry, restricted data included",
    "telemetry_data_source_update": "change the data sources of telemetry",
    "policies_viewer": "see policies",
    "policy_findings_manage": "change the findings of policies",
    "pay_reports_viewer": "see on-call pay reports",
    "pay_reports_editor": "create and change on-call pay reports",
    "pay_configs_viewer": "see how on-call pay is calculated",
    "pay_configs_editor": "change how on-call pay is calculated",
    "investigations_editor": "create and change investigations",
    "telemetry_viewer": "see telemetry",
    "documents_viewer": "see documents",
}
TEAM_ROLE_DESCRIPTIONS: Final[dict[str, str]] = {
    "schedules_editor": "create and change the on-call schedules of the teams",
    "schedules_reader": "see the on-call schedules of the teams",
    "schedule_overrides_editor": "put somebody else on call for a while, in the teams' schedules",
    "on_call_editor": "change all of the teams' on-call: schedules, escalation paths and so on",
    "escalation_creator": "page the teams",
    "api_keys_manage": "list, create, change, rotate and delete the teams' API keys; can be assigned only in the dashboard",
    "catalog_editor": "change the teams' catalog entries",
    "workflows_editor": "create and change the teams' workflows",
    "private_workflows_editor": "create and change the teams' workflows that see private incidents",
    "secrets_manage": "create, change and delete the teams' secrets",
    "secrets_use": "use the teams' secrets without seeing them",
    "heartbeats_ping": "send the teams' heartbeats",
    "telemetry_query_restricted": "query the teams' telemetry, restricted data included",
    "telemetry_data_source_update": "change the data sources of the teams' telemetry",
}
# The values of each enum, for type checkers.
AccountRoleName = Literal[
    "viewer",
    "incident_creator",
    "incident_editor",
    "manage_settings",
    "global_access",
    "catalog_viewer",
    "catalog_editor",
    "incident_memberships_editor",
    "schedules_editor",
    "schedules_reader",
    "schedule_overrides_editor",
    "workflows_editor",
    "private_workflows_editor",
    "on_call_editor",
    "escalation_creator",
    "post_incident_flow_opt_out",
    "security_settings_editor",
    "investigation_download",
    "team_memberships_manage",
    "status_page_publisher",
    "postmortems_manage",
    "api_keys_manage",
    "glossary_entries_manage",
    "workflows_viewer",
    "private_escalation_workflows_editor",
    "on_call_viewer",
    "status_page_viewer",
    "notification_methods_manage",
    "notification_methods_unredacted_viewer",
    "incident_workload_viewer",
    "incident_workload_private_viewer",
    "act_on_behalf_of_users",
    "secrets_manage",
    "secrets_use",
    "call_transcripts_viewer",
    "heartbeats_ping",
    "telemetry_query_restricted",
    "telemetry_data_source_update",
    "policies_viewer",
    "policy_findings_manage",
    "pay_reports_viewer",
    "pay_reports_editor",
    "pay_configs_viewer",
    "pay_configs_editor",
    "investigations_editor",
    "telemetry_viewer",
    "documents_viewer",
]
TeamRoleName = Literal[
    "schedules_editor",
    "schedules_reader",
    "schedule_overrides_editor",
    "on_call_editor",
    "escalation_creator",
    "api_keys_manage",
    "catalog_editor",
    "workflows_editor",
    "private_workflows_editor",
    "secrets_manage",
    "secrets_use",
    "heartbeats_ping",
    "telemetry_query_restricted",
    "telemetry_data_source_update",
]
