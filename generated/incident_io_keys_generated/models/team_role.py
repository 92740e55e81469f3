# Made from openapi.yaml by scripts/generate. Do not edit.
from enum import StrEnum


class TeamRole(StrEnum):
    """A role for particular teams. `api_keys_manage` is among them, but can be assigned only in the dashboard.

    Attributes:
        SCHEDULES_EDITOR: create and change the on-call schedules of the teams.
        SCHEDULES_READER: see the on-call schedules of the teams.
        SCHEDULE_OVERRIDES_EDITOR: put somebody else on call for a while, in the teams' schedules.
        ON_CALL_EDITOR: change all of the teams' on-call: schedules, escalation paths and so on.
        ESCALATION_CREATOR: page the teams.
        API_KEYS_MANAGE: list, create, change, rotate and delete the teams' API keys; can be assigned only in the
            dashboard.
        CATALOG_EDITOR: change the teams' catalog entries.
        WORKFLOWS_EDITOR: create and change the teams' workflows.
        PRIVATE_WORKFLOWS_EDITOR: create and change the teams' workflows that see private incidents.
        SECRETS_MANAGE: create, change and delete the teams' secrets.
        SECRETS_USE: use the teams' secrets without seeing them.
        HEARTBEATS_PING: send the teams' heartbeats.
        TELEMETRY_QUERY_RESTRICTED: query the teams' telemetry, restricted data included.
        TELEMETRY_DATA_SOURCE_UPDATE: change the data sources of the teams' telemetry.
    """

    SCHEDULES_EDITOR = "schedules_editor"
    SCHEDULES_READER = "schedules_reader"
    SCHEDULE_OVERRIDES_EDITOR = "schedule_overrides_editor"
    ON_CALL_EDITOR = "on_call_editor"
    ESCALATION_CREATOR = "escalation_creator"
    API_KEYS_MANAGE = "api_keys_manage"
    CATALOG_EDITOR = "catalog_editor"
    WORKFLOWS_EDITOR = "workflows_editor"
    PRIVATE_WORKFLOWS_EDITOR = "private_workflows_editor"
    SECRETS_MANAGE = "secrets_manage"
    SECRETS_USE = "secrets_use"
    HEARTBEATS_PING = "heartbeats_ping"
    TELEMETRY_QUERY_RESTRICTED = "telemetry_query_restricted"
    TELEMETRY_DATA_SOURCE_UPDATE = "telemetry_data_source_update"
