# Made from openapi.yaml by scripts/generate. Do not edit.
from enum import StrEnum


class AccountRole(StrEnum):
    """A role for the whole account. `api_keys_manage` is among them, but can be assigned only in the dashboard.

    Attributes:
        VIEWER: see what everyone in the organisation sees: public incidents, settings.
        INCIDENT_CREATOR: create incidents.
        INCIDENT_EDITOR: create incidents, and change them.
        MANAGE_SETTINGS: change the settings of the organisation.
        GLOBAL_ACCESS: reach everything, private incidents included.
        CATALOG_VIEWER: see the types and entries of the catalog.
        CATALOG_EDITOR: change the types and entries of the catalog.
        INCIDENT_MEMBERSHIPS_EDITOR: let people into private incidents, and take them out.
        SCHEDULES_EDITOR: create and change on-call schedules.
        SCHEDULES_READER: see on-call schedules.
        SCHEDULE_OVERRIDES_EDITOR: put somebody else on call for a while.
        WORKFLOWS_EDITOR: create and change workflows.
        PRIVATE_WORKFLOWS_EDITOR: create and change workflows that see private incidents.
        ON_CALL_EDITOR: change all of on-call: schedules, escalation paths and so on.
        ESCALATION_CREATOR: page people.
        POST_INCIDENT_FLOW_OPT_OUT: take an incident out of its post-incident flow.
        SECURITY_SETTINGS_EDITOR: change the security settings of the organisation.
        INVESTIGATION_DOWNLOAD: download investigations.
        TEAM_MEMBERSHIPS_MANAGE: let people into teams, and take them out.
        STATUS_PAGE_PUBLISHER: publish on status pages.
        POSTMORTEMS_MANAGE: create and change post-mortems.
        API_KEYS_MANAGE: list, create, change, rotate and delete API keys; can be assigned only in the dashboard.
        GLOSSARY_ENTRIES_MANAGE: create, change and delete glossary entries.
        WORKFLOWS_VIEWER: see workflows.
        PRIVATE_ESCALATION_WORKFLOWS_EDITOR: create and change workflows that see private escalations.
        ON_CALL_VIEWER: see all of on-call: schedules, escalation paths and so on.
        STATUS_PAGE_VIEWER: see status pages, internal ones included.
        NOTIFICATION_METHODS_MANAGE: change the notification methods of people.
        NOTIFICATION_METHODS_UNREDACTED_VIEWER: see notification methods, with full phone numbers and addresses.
        INCIDENT_WORKLOAD_VIEWER: see the workload that incidents cause.
        INCIDENT_WORKLOAD_PRIVATE_VIEWER: see the workload that incidents cause, private ones included.
        ACT_ON_BEHALF_OF_USERS: make requests in the name of other users.
        SECRETS_MANAGE: create, change and delete secrets.
        SECRETS_USE: use secrets without seeing them.
        CALL_TRANSCRIPTS_VIEWER: see the transcripts of incident calls.
        HEARTBEATS_PING: send heartbeats.
        TELEMETRY_QUERY_RESTRICTED: query telemetry, restricted data included.
        TELEMETRY_DATA_SOURCE_UPDATE: change the data sources of telemetry.
        POLICIES_VIEWER: see policies.
        POLICY_FINDINGS_MANAGE: change the findings of policies.
        PAY_REPORTS_VIEWER: see on-call pay reports.
        PAY_REPORTS_EDITOR: create and change on-call pay reports.
        PAY_CONFIGS_VIEWER: see how on-call pay is calculated.
        PAY_CONFIGS_EDITOR: change how on-call pay is calculated.
        INVESTIGATIONS_EDITOR: create and change investigations.
        TELEMETRY_VIEWER: see telemetry.
        DOCUMENTS_VIEWER: see documents.
    """

    VIEWER = "viewer"
    INCIDENT_CREATOR = "incident_creator"
    INCIDENT_EDITOR = "incident_editor"
    MANAGE_SETTINGS = "manage_settings"
    GLOBAL_ACCESS = "global_access"
    CATALOG_VIEWER = "catalog_viewer"
    CATALOG_EDITOR = "catalog_editor"
    INCIDENT_MEMBERSHIPS_EDITOR = "incident_memberships_editor"
    SCHEDULES_EDITOR = "schedules_editor"
    SCHEDULES_READER = "schedules_reader"
    SCHEDULE_OVERRIDES_EDITOR = "schedule_overrides_editor"
    WORKFLOWS_EDITOR = "workflows_editor"
    PRIVATE_WORKFLOWS_EDITOR = "private_workflows_editor"
    ON_CALL_EDITOR = "on_call_editor"
    ESCALATION_CREATOR = "escalation_creator"
    POST_INCIDENT_FLOW_OPT_OUT = "post_incident_flow_opt_out"
    SECURITY_SETTINGS_EDITOR = "security_settings_editor"
    INVESTIGATION_DOWNLOAD = "investigation_download"
    TEAM_MEMBERSHIPS_MANAGE = "team_memberships_manage"
    STATUS_PAGE_PUBLISHER = "status_page_publisher"
    POSTMORTEMS_MANAGE = "postmortems_manage"
    API_KEYS_MANAGE = "api_keys_manage"
    GLOSSARY_ENTRIES_MANAGE = "glossary_entries_manage"
    WORKFLOWS_VIEWER = "workflows_viewer"
    PRIVATE_ESCALATION_WORKFLOWS_EDITOR = "private_escalation_workflows_editor"
    ON_CALL_VIEWER = "on_call_viewer"
    STATUS_PAGE_VIEWER = "status_page_viewer"
    NOTIFICATION_METHODS_MANAGE = "notification_methods_manage"
    NOTIFICATION_METHODS_UNREDACTED_VIEWER = "notification_methods_unredacted_viewer"
    INCIDENT_WORKLOAD_VIEWER = "incident_workload_viewer"
    INCIDENT_WORKLOAD_PRIVATE_VIEWER = "incident_workload_private_viewer"
    ACT_ON_BEHALF_OF_USERS = "act_on_behalf_of_users"
    SECRETS_MANAGE = "secrets_manage"
    SECRETS_USE = "secrets_use"
    CALL_TRANSCRIPTS_VIEWER = "call_transcripts_viewer"
    HEARTBEATS_PING = "heartbeats_ping"
    TELEMETRY_QUERY_RESTRICTED = "telemetry_query_restricted"
    TELEMETRY_DATA_SOURCE_UPDATE = "telemetry_data_source_update"
    POLICIES_VIEWER = "policies_viewer"
    POLICY_FINDINGS_MANAGE = "policy_findings_manage"
    PAY_REPORTS_VIEWER = "pay_reports_viewer"
    PAY_REPORTS_EDITOR = "pay_reports_editor"
    PAY_CONFIGS_VIEWER = "pay_configs_viewer"
    PAY_CONFIGS_EDITOR = "pay_configs_editor"
    INVESTIGATIONS_EDITOR = "investigations_editor"
    TELEMETRY_VIEWER = "telemetry_viewer"
    DOCUMENTS_VIEWER = "documents_viewer"
