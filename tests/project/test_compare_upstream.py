"""scripts/compare-upstream: what it finds in the vendor's document, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import _yaml_edit

from .vendor import (
    KEY,
    KEYS,
    OTHER,
    ROTATE,
    SPEC,
    Vendor,
    add_a_property,
    add_a_role,
    add_a_version,
    add_to_an_answer,
    deprecate_an_operation,
    move_a_path,
    move_an_operation,
    move_the_server,
    open_an_operation,
    open_the_api,
    remove_a_property,
    remove_a_role,
    remove_an_operation,
    say_nothing_of_a_type,
    say_what_nothing_here_understands,
    send_tokens_elsewhere,
    wrap_what_is_received,
    wrap_what_is_sent,
)


def test_our_contract_is_written_as_it_was_read() -> None:
    text = SPEC.read_text()
    assert _yaml_edit.dump(_yaml_edit.load(text)) == text


def test_the_same_in_the_vendors_manner_is_no_difference(vendor: Vendor) -> None:
    code, output = vendor.run("--write-spec", vendor.out)
    assert (code, vendor.errors) == (0, "")
    assert output == (
        "6 operations, the same; 4 places where openapi.yaml is the more lenient one on purpose (--notes shows them)\n"
        f"{vendor.out} is written: review its diff\n"
    )
    assert vendor.out.read_text() == SPEC.read_text()
    assert [line.split()[-3:] for line in vendor.run("--notes")[1].splitlines()[3:]] == [
        ["maxLength", "9", "-"],
        ["enum", '["viewer"]', "-"],
        ["required", "true", "false"],
        ["required", "true", "false"],
    ]


def demand_less_of_an_answer(vendor: Vendor) -> None:
    vendor.schema("User")["required"].remove("role")


def demand_less_of_a_request(vendor: Vendor) -> None:
    for payload in vendor.payloads():
        payload["required"].remove("team_ids")


def change_bounds(vendor: Vendor) -> None:
    grace = vendor.schema("RotateAPIKeyRequest")["properties"]["grace_period_minutes"]
    grace |= {"maximum": 90, "default": 15, "multipleOf": 5}
    del grace["minimum"]


def change_a_type(vendor: Vendor) -> None:
    vendor.schema("RateLimit")["properties"]["retry_after"] = {"type": "integer", "example": 3}


def change_a_format(vendor: Vendor) -> None:
    vendor.schema("User")["properties"]["email"] |= {"format": "email", "nullable": True}


def change_what_a_map_holds(vendor: Vendor) -> None:
    vendor.schema("ErrorDetail")["properties"]["metadata"]["additionalProperties"] = {"type": "boolean"}


def change_parameters(vendor: Vendor) -> None:
    given = vendor.operation(KEYS, "get")["parameters"]
    given[0]["schema"]["maximum"] = 500
    given[1] = {"name": "order", "in": "query", "schema": {"type": "string", "enum": ["up", "down"]}}


def change_statuses(vendor: Vendor) -> None:
    responses = vendor.operation(KEYS, "get")["responses"]
    responses["451"] = {**responses["400"], "description": "Their words"}
    del responses["412"]


def rename_an_operation(vendor: Vendor) -> None:
    vendor.operation(KEY, "get")["operationId"] = "API Keys V1#Get"


def close_a_value(vendor: Vendor) -> None:
    for payload in vendor.payloads():
        payload["properties"]["name"]["enum"] = ["a", "b"]


ROLE = "create_api_key request.role_names[]"
CHANGES: dict[Callable[[Vendor], None], list[tuple[str, str, object, object]]] = {
    add_a_role: [(ROLE, "value added", "glossary_editor", None), (ROLE, "value added", "last_one", None)],
    remove_a_role: [("create_api_key request.team_role_names[]", "value removed", None, "api_keys_manage")],
    add_a_property: [
        (
            "create_api_key request.rehearsal_notes",
            "property added",
            'string, maxLength 9, pattern "^[^\\u0000]*$", required',
            None,
        )
    ],
    add_to_an_answer: [("list_api_keys 200.api_keys[].rehearsed_at", "property added", "string, date-time", None)],
    remove_a_property: [
        ("list_api_keys 200.api_keys[].creator.user.slack_user_id", "property removed", None, "slack_user_id")
    ],
    demand_less_of_an_answer: [("list_api_keys 200.api_keys[].creator.user.role", "required", False, True)],
    demand_less_of_a_request: [("create_api_key request.team_ids", "required", False, True)],
    change_bounds: [
        ("rotate_api_key request.grace_period_minutes", *change)
        for change in [("maximum", 90, 60), ("default", 15, 30), ("multipleOf", 5, None), ("minimum", None, 0)]
    ],
    change_a_type: [("list_api_keys 400.rate_limit.retry_after", "type", "integer", "string")],
    change_a_format: [
        ("list_api_keys 200.api_keys[].creator.user.email", "format", "email", None),
        ("list_api_keys 200.api_keys[].creator.user.email", "nullable", True, False),
    ],
    change_what_a_map_holds: [("list_api_keys 400.errors[].metadata.*", "type", "boolean", "string")],
    change_parameters: [
        ("list_api_keys ?page_size", "maximum", 500, 250),
        ("list_api_keys ?after", "parameter removed", None, "after"),
        ("list_api_keys ?order", "parameter added", "string, one of 2 values", None),
    ],
    change_statuses: [
        ("list_api_keys", "status added", "451", None),
        ("list_api_keys", "status removed", None, "412"),
    ],
    rename_an_operation: [("show_api_key", "operation renamed", "get_api_key", "show_api_key")],
    remove_an_operation: [("rotate_api_key", "operation removed", None, f"POST {ROTATE}")],
    close_a_value: [("create_api_key request.name", "enum", ["a", "b"], None)],
}


@pytest.mark.exhaustive
@pytest.mark.usefixtures("any_contract")
@pytest.mark.parametrize("change", CHANGES)
def test_each_difference_is_found_where_it_is_and_is_gone_from_what_is_written(
    vendor: Vendor, change: Callable[[Vendor], None]
) -> None:
    change(vendor)
    found = vendor.found("--write-spec", vendor.out, "--remove")
    assert sorted(found, key=str) == sorted(CHANGES[change], key=str)
    assert vendor.errors == ""
    assert vendor.found("--spec", vendor.out) == []
    text = vendor.out.read_text()
    kept = [line for line in SPEC.read_text().splitlines() if line.lstrip().startswith("#")]
    assert [line for line in text.splitlines() if line in kept] == kept, "comments stay, in their order"


TEXT = {"type": "string"}
OURS = "https://api.incident.io"
BEARER = [[{"type": "http", "scheme": "bearer"}]]
GRACE = "rotate_api_key request.grace_period_minutes"
CREATOR = "list_api_keys 200.api_keys[].creator.user"
DECISIONS: dict[Callable[[Vendor], None], list[tuple[str, str, object, object]]] = {
    move_the_server: [("the API", "server", OTHER, OURS)],
    move_a_path: [("rotate_api_key", "server", OTHER, OURS)],
    move_an_operation: [("rotate_api_key", "server", OTHER, OURS)],
    open_an_operation: [("rotate_api_key", "security", [], BEARER)],
    open_the_api: [("the API", "security", None, BEARER)],
    send_tokens_elsewhere: [("the API", "security", [[{"type": "apiKey", "in": "query", "name": "key"}]], BEARER)],
    add_a_version: [
        ("the API", "another version", f"{method} {path}", None)
        for method, path in [("GET", "/v2/api_keys/{id}"), ("POST", "/keys"), ("GET", "/tokens")]
    ],
    deprecate_an_operation: [("rotate_api_key", "deprecated", True, False)],
    say_what_nothing_here_understands: [(GRACE, "keyword not understood", "not", None)],
    wrap_what_is_sent: [(GRACE, "oneOf", True, False)],
    wrap_what_is_received: [(CREATOR, "anyOf", True, False)],
    say_nothing_of_a_type: [(CREATOR, "type", None, "object")],
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("change", DECISIONS)
def test_what_is_for_a_person_to_decide_is_found_and_not_written(
    vendor: Vendor, change: Callable[[Vendor], None]
) -> None:
    change(vendor)
    assert vendor.found("--write-spec", vendor.out, "--remove") == DECISIONS[change]
    said = [line.split(": ")[:2] for line in vendor.errors.splitlines()]
    assert said == [["to be done by hand", place] for place, *_ in DECISIONS[change]]
    assert vendor.out.read_text() == SPEC.read_text()


def test_what_is_received_may_have_what_nothing_here_understands(vendor: Vendor) -> None:
    vendor.schema("User")["patternProperties"] = {"^x": {"type": "string"}}
    code, output = vendor.run("--notes")
    assert code == 0
    [note] = [line for line in output.splitlines() if "keyword not understood" in line]
    assert note.startswith(f"{CREATOR} ")


def test_what_a_person_decided_is_no_difference_any_more(vendor: Vendor) -> None:
    deprecate_an_operation(vendor)
    move_an_operation(vendor)
    say_what_nothing_here_understands(vendor)
    document = _yaml_edit.load(SPEC.read_text())
    document["paths"][ROTATE]["post"] |= {"deprecated": True, "servers": [{"url": OTHER}]}
    properties = document["components"]["schemas"]["RotateAPIKeyRequest"]["properties"]
    properties["grace_period_minutes"]["not"] = {"enum": [7]}
    vendor.out.write_text(_yaml_edit.dump(document))
    assert vendor.found("--spec", vendor.out) == []


def test_a_scheme_that_is_not_there_is_refused(vendor: Vendor) -> None:
    vendor.document["security"] = [{"Gone": []}]
    vendor.file.write_text(json.dumps(vendor.document))
    vendor.refuses("security.0: there is no scheme 'Gone'")


def test_what_is_not_compared_is_said(vendor: Vendor) -> None:
    with pytest.raises(SystemExit):
        vendor.run("--help")
    assert "Not compared are words and examples, headers" in " ".join(vendor.capsys.readouterr().out.split())


def test_schemas_that_circle_and_chains_of_references_are_followed_to_their_end(vendor: Vendor) -> None:
    schemas = vendor.document["components"]["schemas"]
    for name in ("a/b~c", "plain"):
        schemas[name] = {"allOf": [{"$ref": "#/components/schemas/Other0"}], "nullable": False}
    vendor.schema("User")["properties"]["friend"] = {"$ref": "#/components/schemas/a~1b~0c"}
    schemas |= {f"Link{number}": {"$ref": f"#/components/schemas/Link{number + 1}"} for number in range(2000)}
    schemas["Link2000"] = vendor.schema("User")["properties"].pop("email")
    vendor.schema("User")["properties"]["email"] = {"$ref": "#/components/schemas/Link0"}
    assert vendor.found() == [("list_api_keys 200.api_keys[].creator.user.friend", "property added", "object", None)]


def test_a_merged_schema_is_compared_as_a_whole(vendor: Vendor) -> None:
    schemas = vendor.document["components"]["schemas"]
    whole = schemas["UserV1"]
    email = whole["properties"].pop("email")
    whole["required"] = ["id", "name"]
    more = {"type": "object", "required": ["role"], "properties": {"email": email}}
    schemas["UserV1"] = {"allOf": [{"$ref": "#/components/schemas/UserBase"}, more]}
    schemas["UserBase"] = whole
    assert vendor.found() == []


@pytest.mark.parametrize("turned", [False, True])
def test_of_merged_schemas_all_bounds_and_values_hold(vendor: Vendor, *, turned: bool) -> None:
    def parts(*parts: dict[str, Any]) -> dict[str, Any]:
        return {"allOf": [*reversed(parts)] if turned else [*parts]}

    grace = vendor.schema("RotateAPIKeyRequest")["properties"]
    whole = grace["grace_period_minutes"]
    grace["grace_period_minutes"] = parts(
        whole, {"maximum": 90, "minimum": -1}, {"maximum": 60, "exclusiveMaximum": False}
    )
    for payload in vendor.payloads():
        name = payload["properties"]["name"]
        payload["properties"]["name"] = parts(name, {"maxLength": 300, "minLength": 0})
        role = payload["properties"]["team_role_names"]["items"]
        payload["properties"]["team_role_names"]["items"] = parts(
            {**TEXT, "enum": ["one", *role["enum"]]}, {**TEXT, "enum": [*role["enum"], "other"]}
        )
    assert vendor.found() == []
    grace["grace_period_minutes"] = parts(whole, {"maximum": 60, "exclusiveMaximum": True}, {"exclusiveMinimum": 3})
    for payload in vendor.payloads():
        payload["properties"]["name"] = parts(
            {"maxLength": 50, "minLength": 1, **TEXT}, {"pattern": "a"}, {"pattern": "b"}
        )
    assert vendor.found() == [
        ("create_api_key request.name", "keyword not understood", "allOf", None),
        ("create_api_key request.name", "maxLength", 50, 200),
        ("create_api_key request.name", "pattern", "a", None),
        (GRACE, "minimum", 3, 0),
        (GRACE, "exclusiveMinimum", True, None),
        (GRACE, "exclusiveMaximum", True, None),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1:1: is no JSON"),
        ('{\n  "openapi": 3.0.3\n}', ":2:17: is no JSON: Expecting"),
        ("<!doctype html>", "it looks like a page for a browser"),
        ("[" * 100_000, "is nested too deeply"),
        ("[]", "is no OpenAPI 3 document"),
        ('{"swagger": "2.0"}', "is no OpenAPI 3 document"),
        ('{"openapi": "3.0.3", "openapi": "3.0.3"}', "'openapi' stands twice in one object"),
        ('{"openapi": "3.0.3", "a": NaN}', "NaN is no number"),
        ('{"openapi": "3.0.3", "a": ' + "9" * 5000 + "}", "is no JSON that can be used"),
        ('{"openapi": "3.0.3"}', "has no API keys"),
        ('{"openapi": "3.0.3", "paths": []}', "paths: must be an object, and is a list"),
        (
            '{"openapi": "3.0.3", "paths": {"/v1/api_keys": 3}}',
            "paths./v1/api_keys: must be an object, and is a number",
        ),
    ],
)
def test_a_file_that_is_no_such_document_is_refused(vendor: Vendor, text: str, message: str) -> None:
    vendor.file.write_text(text)
    vendor.refuses(message)


def test_a_file_that_cannot_be_read_is_refused(vendor: Vendor) -> None:
    vendor.refuses("cannot be read: No such file")
    vendor.file.mkdir()
    vendor.refuses("cannot be read: Is a directory")
    vendor.file.rmdir()
    vendor.file.write_bytes(b"{\xff")
    vendor.refuses("is no text: byte 1")


DEEP: dict[str, Any] = {"type": "string"}
for _ in range(150):
    DEEP = {"type": "array", "items": DEEP}
NAME = "components.schemas.UserV1.properties.name"
ID = "paths./v1/api_keys/{id}.get"


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (NAME, {"$ref": "#/components/schemas/Gone"}, f"{NAME}: nothing is at '#/components/schemas/Gone'"),
        (NAME, {"$ref": "other.json#/Name"}, f"{NAME}: the reference 'other.json#/Name' leads out of this document"),
        (NAME, {"$ref": f"#/{NAME.replace('.', '/')}"}, f"{NAME}: is a reference that leads in a circle"),
        (NAME, {"$ref": 3}, f"{NAME}.$ref: must be a string, and is a number"),
        (NAME, True, f"{NAME}: must be an object, and is true or false"),
        (NAME, None, f"{NAME}: must be an object, and is nothing"),
        (f"{NAME}.type", "text", f"{NAME}.type: no value is of the type 'text'"),
        (f"{NAME}.maxLength", "9", f"{NAME}.maxLength: must be a number, and is a string"),
        (f"{NAME}.maxLength", True, f"{NAME}.maxLength: must be a number, and is true or false"),
        (NAME, DEEP, "is nested more than 100 deep"),
        (f"{ID}.parameters", {}, f"{ID}.parameters: must be a list, and is an object"),
        (f"{ID}.parameters", [{}], f"{ID}.parameters.0: is a parameter without `name` or `in`"),
        (ID, 3, f"{ID}: must be an object, and is a number"),
        (f"{ID}.responses", ["200"], f"{ID}.responses: must be an object, and is a list"),
        (f"{ID}.operationId", "API Keys V1#List", "would both be called list_api_keys"),
        (
            "components.schemas.UserV1.properties.a",
            {"type": "string", "description": "\ud800"},
            "holds half of a character",
        ),
    ],
)
def test_a_document_with_a_mistake_is_refused_and_the_place_named(
    vendor: Vendor, place: str, value: object, message: str
) -> None:
    *way, last = place.split(".")
    node = vendor.document
    for step in way:
        node = node[step]
    node[last] = value
    vendor.file.write_text(json.dumps(vendor.document))
    vendor.refuses(message)


def test_what_cannot_be_written_changes_nothing(vendor: Vendor) -> None:
    assert vendor.run("--write-spec", vendor.out.parent / "not there" / "out.yaml")[0] == 2
    assert "cannot be written: No such file" in vendor.errors
    before = vendor.file.read_bytes()
    assert vendor.run_on_the_file("--write-spec", vendor.file)[0] == 2
    assert vendor.file.read_bytes() == before
    assert vendor.run("--spec", vendor.out)[0] == 2
    assert "out.yaml: cannot be read" in vendor.errors


def test_names_of_the_vendor_give_a_terminal_no_orders(vendor: Vendor) -> None:
    vendor.schema("User")["properties"]["a\x1b[31m\n"] = {"type": "string"}
    output = vendor.run()[1]
    assert "user.a\\x1b[31m\\n" in output
    assert "\x1b" not in output
