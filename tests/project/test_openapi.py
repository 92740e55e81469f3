"""openapi.yaml against the pages that it is written from."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from ..spec import ROOT, contract, example, validate

STATUSES = {"400", "401", "403", "404", "405", "406", "408", "409", "412", "413", "422", "429", "500"}
OPERATIONS = {
    "list_api_keys": ("get", "/v1/api_keys", "200", "ListAPIKeysResponse"),
    "create_api_key": ("post", "/v1/api_keys", "201", "IssuedAPIKeyResponse"),
    "show_api_key": ("get", "/v1/api_keys/{id}", "200", "APIKeyResponse"),
    "update_api_key": ("put", "/v1/api_keys/{id}", "200", "APIKeyResponse"),
    "delete_api_key": ("delete", "/v1/api_keys/{id}", "204", None),
    "rotate_api_key": ("post", "/v1/api_keys/{id}/actions/rotate", "201", "IssuedAPIKeyResponse"),
}


def operation(name: str) -> dict[str, Any]:
    method, path, *_ = OPERATIONS[name]
    found: dict[str, Any] = contract()["paths"][path][method]
    return found


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = contract()["components"]["schemas"][name]
    return found


def test_the_contract_is_valid_openapi() -> None:
    assert contract()["openapi"] == "3.0.3"
    OpenAPIV30SpecValidator(contract()).validate()


def test_it_has_the_six_operations_and_no_other() -> None:
    methods = {
        found["operationId"]: (method, path)
        for path, item in contract()["paths"].items()
        for method, found in item.items()
        if method != "parameters"
    }
    assert methods == {name: (method, path) for name, (method, path, *_) in OPERATIONS.items()}


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_has_its_success_and_every_documented_error(name: str) -> None:
    _, _, status, body = OPERATIONS[name]
    responses = operation(name)["responses"]
    assert set(responses) == {status} | STATUSES
    if body is None:
        assert "content" not in responses[status]
    else:
        found = responses[status]["content"]["application/json"]["schema"]
        assert found == {"$ref": f"#/components/schemas/{body}"}


def test_every_error_has_the_envelope_and_the_rate_limit_headers() -> None:
    for name, response in contract()["components"]["responses"].items():
        assert response["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorResponse"}, name
        limits = {f"X-RateLimit-{part}" for part in ("Limit", "Remaining", "Used", "Reset")}
        assert set(response["headers"]) - {"Retry-After"} == limits, name
    assert "Retry-After" in contract()["components"]["responses"]["TooManyRequests"]["headers"]


def test_every_operation_needs_the_bearer_token() -> None:
    assert contract()["security"] == [{"BearerAuth": []}]
    assert contract()["components"]["securitySchemes"]["BearerAuth"]["scheme"] == "bearer"
    assert not any("security" in operation(name) for name in OPERATIONS)


# As the reference page of Create lists them, in its order.
ACCOUNT_ROLES_OF_THE_PAGE = """
viewer incident_creator incident_editor manage_settings global_access catalog_viewer catalog_editor
incident_memberships_editor schedules_editor schedules_reader schedule_overrides_editor workflows_editor
private_workflows_editor on_call_editor escalation_creator post_incident_flow_opt_out security_settings_editor
investigation_download team_memberships_manage status_page_publisher postmortems_manage api_keys_manage
""".split()  # noqa: SIM905 - one role a line would hide their order
TEAM_ROLES_OF_THE_PAGE = """
schedules_editor schedules_reader schedule_overrides_editor on_call_editor escalation_creator api_keys_manage
""".split()  # noqa: SIM905 - one role a line would hide their order
# What the API has added since.
LATER_ACCOUNT_ROLES = """
glossary_entries_manage workflows_viewer private_escalation_workflows_editor on_call_viewer status_page_viewer
notification_methods_manage notification_methods_unredacted_viewer incident_workload_viewer
incident_workload_private_viewer act_on_behalf_of_users secrets_manage secrets_use call_transcripts_viewer
heartbeats_ping telemetry_query_restricted telemetry_data_source_update policies_viewer policy_findings_manage
pay_reports_viewer pay_reports_editor pay_configs_viewer pay_configs_editor investigations_editor telemetry_viewer
documents_viewer
""".split()  # noqa: SIM905 - one role a line would hide their order
LATER_TEAM_ROLES = """
catalog_editor workflows_editor private_workflows_editor secrets_manage secrets_use heartbeats_ping
telemetry_query_restricted telemetry_data_source_update
""".split()  # noqa: SIM905 - one role a line would hide their order


def test_the_roles_of_the_page_come_first_in_its_order() -> None:
    assert (len(ACCOUNT_ROLES_OF_THE_PAGE), len(TEAM_ROLES_OF_THE_PAGE)) == (22, 6)
    assert schema("AccountRole")["enum"][:22] == ACCOUNT_ROLES_OF_THE_PAGE
    assert schema("TeamRole")["enum"][:6] == TEAM_ROLES_OF_THE_PAGE


def test_the_roles_that_the_api_has_added_follow_marked_as_such() -> None:
    assert schema("AccountRole")["enum"][22:] == LATER_ACCOUNT_ROLES
    assert schema("TeamRole")["enum"][6:] == LATER_TEAM_ROLES
    text = (ROOT / "openapi.yaml").read_text()
    for roles in (LATER_ACCOUNT_ROLES, LATER_TEAM_ROLES):
        assert f"        # Added after the reference pages:\n        - {roles[0]}\n" in text
    for name in ("comments", "last_used_at"):
        assert f"        # Added after the reference pages.\n        {name}:\n" in text


def test_every_role_is_described() -> None:
    for name in ("AccountRole", "TeamRole"):
        assert list(schema(name)["x-enumDescriptions"]) == schema(name)["enum"]


def test_request_roles_are_closed_and_spelled_once() -> None:
    account, team = schema("AccountRole")["enum"], schema("TeamRole")["enum"]
    assert (len(set(account)), len(set(team))) == (len(account), len(team)) == (47, 14)
    text = (ROOT / "openapi.yaml").read_text()
    assert text.count("enum:") == 2
    members = schema("APIKeyDefinition")["properties"]
    assert members["role_names"]["items"] == {"$ref": "#/components/schemas/AccountRole"}
    assert members["team_role_names"]["items"] == {"$ref": "#/components/schemas/TeamRole"}


def test_response_roles_are_open() -> None:
    assert schema("Role")["properties"]["name"]["type"] == "string"
    assert "enum" not in schema("Role")["properties"]["name"]
    validate({"name": "brand_new", "description": "", "more": 1}, "Role")


def test_the_bounds_and_defaults_are_those_of_the_pages() -> None:
    name = schema("APIKeyDefinition")["properties"]["name"]
    assert (name["minLength"], name["maxLength"]) == (1, 200)
    grace = schema("RotateAPIKeyRequest")["properties"]["grace_period_minutes"]
    assert (grace["minimum"], grace["maximum"], grace["default"], grace["format"]) == (0, 60, 30, "int64")
    page_size = operation("list_api_keys")["parameters"][0]["schema"]
    assert (page_size["minimum"], page_size["maximum"], page_size["default"]) == (1, 250, 25)
    assert page_size["format"] == "int64"


def test_comments_are_bounded_where_they_are_sent() -> None:
    sent, received = (schema(name)["properties"]["comments"] for name in ("APIKeyDefinition", "APIKey"))
    assert (sent["maxLength"], sent["pattern"]) == (5000, "^[^\0]*$")
    assert not {"maxLength", "pattern"} & set(received)


def test_the_required_members_are_those_of_the_pages() -> None:
    assert set(schema("APIKeyDefinition")["required"]) == {"name", "role_names", "team_ids", "team_role_names"}
    always = {"id", "name", "roles", "team_ids", "team_roles", "creator", "created_at", "token_last_issued_at"}
    assert set(schema("APIKey")["required"]) == always
    assert set(schema("APIKey")["properties"]) - always == {"comments", "last_used_at"}
    assert schema("APIKey")["properties"]["last_used_at"]["format"] == "date-time"
    assert "required" not in schema("Creator")
    assert set(schema("User")["properties"]) - set(schema("User")["required"]) == {"email", "slack_user_id"}
    assert schema("PaginationMeta")["required"] == ["page_size"]
    assert set(schema("ErrorResponse")["properties"]) - set(schema("ErrorResponse")["required"]) == {
        "rate_limit",
        "debug",
    }


@pytest.mark.parametrize(
    ("name", "schema_name"),
    [
        ("create_request", "APIKeyDefinition"),
        ("create_response", "IssuedAPIKeyResponse"),
        ("list_response", "ListAPIKeysResponse"),
    ],
)
def test_the_examples_of_the_pages_fit_their_schemas(name: str, schema_name: str) -> None:
    validate(example(name), schema_name)
