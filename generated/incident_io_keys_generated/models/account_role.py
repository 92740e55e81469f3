# Made from openapi.yaml by scripts/generate. Do not edit.
from enum import StrEnum


class AccountRole(StrEnum):
    API_KEYS_MANAGE = "api_keys_manage"
    CATALOG_EDITOR = "catalog_editor"
    CATALOG_VIEWER = "catalog_viewer"
    ESCALATION_CREATOR = "escalation_creator"
    GLOBAL_ACCESS = "global_access"
    INCIDENT_CREATOR = "incident_creator"
    INCIDENT_EDITOR = "incident_editor"
    INCIDENT_MEMBERSHIPS_EDITOR = "incident_memberships_editor"
    INVESTIGATION_DOWNLOAD = "investigation_download"
    MANAGE_SETTINGS = "manage_settings"
    ON_CALL_EDITOR = "on_call_editor"
    POSTMORTEMS_MANAGE = "postmortems_manage"
    POST_INCIDENT_FLOW_OPT_OUT = "post_incident_flow_opt_out"
    PRIVATE_WORKFLOWS_EDITOR = "private_workflows_editor"
    SCHEDULES_EDITOR = "schedules_editor"
    SCHEDULES_READER = "schedules_reader"
    SCHEDULE_OVERRIDES_EDITOR = "schedule_overrides_editor"
    SECURITY_SETTINGS_EDITOR = "security_settings_editor"
    STATUS_PAGE_PUBLISHER = "status_page_publisher"
    TEAM_MEMBERSHIPS_MANAGE = "team_memberships_manage"
    VIEWER = "viewer"
    WORKFLOWS_EDITOR = "workflows_editor"

    def __str__(self) -> str:
        return str(self.value)
