# Made from openapi.yaml by scripts/generate. Do not edit.
from enum import StrEnum


class TeamRole(StrEnum):
    API_KEYS_MANAGE = "api_keys_manage"
    ESCALATION_CREATOR = "escalation_creator"
    ON_CALL_EDITOR = "on_call_editor"
    SCHEDULES_EDITOR = "schedules_editor"
    SCHEDULES_READER = "schedules_reader"
    SCHEDULE_OVERRIDES_EDITOR = "schedule_overrides_editor"

    def __str__(self) -> str:
        return str(self.value)
