"""scripts/compare-upstream --write-spec: the openapi.yaml that follows from the vendor's document."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from ruamel.yaml.comments import CommentedSeq

import _contract
import _yaml_edit

from ..spec import contract
from .vendor import (
    KEY,
    KEYS,
    SPEC,
    Vendor,
    add_a_property,
    add_a_role,
    add_to_an_answer,
    remove_a_role,
    remove_an_operation,
)


def test_a_reviewer_sees_nothing_but_what_changed(vendor: Vendor) -> None:
    add_a_role(vendor)
    add_a_property(vendor)
    remove_a_role(vendor)
    add_to_an_answer(vendor)
    _, said = vendor.run("--write-spec", vendor.out, "--remove")
    assert said.endswith("out.yaml is written: review its diff\n")
    before, after = SPEC.read_text().splitlines(), vendor.out.read_text().splitlines()
    changed = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    assert changed == [
        "+         # From upstream: describe these under x-enumDescriptions.",
        "+         - glossary_editor",
        "+         - last_one",
        "-         - api_keys_manage",
        "-         api_keys_manage: \"list, create, change, rotate and delete the teams' API keys; "
        'can be assigned only in the dashboard"',
        "-       required: [name, role_names, team_ids, team_role_names]",
        "+       required: [name, role_names, team_ids, team_role_names, rehearsal_notes]",
        "+         # From upstream: put it into words of ours.",
        "+         rehearsal_notes:",
        "+           type: string",
        '+           description: "Their words: some."',
        "+           maxLength: 9",
        '+           pattern: "^[^\\0]*$"',
        "+         # From upstream: put it into words of ours.",
        "+         rehearsed_at:",
        "+           type: string",
        "+           format: date-time",
        "+           description: Known values are `now`. Others may be added.",
        '+           example: "2021-08-17T13:28:57Z"',
    ]
    roles = _contract.load(vendor.out)["components"]["schemas"]["AccountRole"]["enum"]
    assert roles[-2:] == ["glossary_editor", "last_one"], "after ours, in upstream's order"
    assert vendor.run("--spec", vendor.out, "--write-spec", vendor.out)[0] == 0, (
        "it may take the place of what it is from"
    )
    assert vendor.out.read_text().splitlines() == after


MARK = "        # From upstream: describe these under x-enumDescriptions.\n"


@pytest.mark.exhaustive
def test_roles_are_added_after_ours_in_the_order_of_upstream_under_one_mark(vendor: Vendor) -> None:
    pages = SPEC.parent / "tests" / "fixtures" / "two-pages.yaml"
    for payload in vendor.payloads():  # upstream has the later roles among those of the pages
        for name, count in (("role_names", 22), ("team_role_names", 6)):
            roles = payload["properties"][name]["items"]["enum"]
            roles[:] = [*roles[count : count + 3], *reversed(roles[:count]), *roles[count + 3 :]]
    vendor.run("--spec", pages, "--write-spec", vendor.out)
    assert vendor.errors == ""
    ours, written = contract()["components"]["schemas"], _contract.load(vendor.out)["components"]["schemas"]
    for name in ("AccountRole", "TeamRole"):
        assert written[name]["enum"] == ours[name]["enum"]
    text = vendor.out.read_text()
    assert f"        - api_keys_manage\n{MARK}        - glossary_entries_manage\n" in text
    assert f"        - api_keys_manage\n{MARK}        - catalog_editor\n" in text
    assert text.count(MARK) == 2
    add_a_role(vendor)
    vendor.run("--spec", vendor.out, "--write-spec", vendor.out)
    text = vendor.out.read_text()
    assert text.count(MARK) == 2, "those that come later stand under the same mark"
    assert "        - documents_viewer\n        - glossary_editor\n        - last_one\n" in text
    assert vendor.run("--spec", vendor.out, "--write-spec", vendor.out)[0] == 0
    assert vendor.out.read_text() == text


@pytest.mark.exhaustive
def test_values_that_have_words_of_ours_are_above_the_mark(vendor: Vendor) -> None:
    add_a_role(vendor)
    vendor.run("--write-spec", vendor.out)
    described = vendor.out.read_text().replace(MARK, "")
    vendor.out.write_text(described)
    for payload in vendor.payloads():
        payload["properties"]["role_names"]["items"]["enum"].insert(0, "the_newest")
    vendor.run("--spec", vendor.out, "--write-spec", vendor.out)
    last = "        - last_one\n"
    assert vendor.out.read_text() == described.replace(last, f"{last}{MARK}        - the_newest\n")


@pytest.mark.exhaustive
@pytest.mark.usefixtures("any_contract")
def test_values_are_added_to_a_list_in_one_line_too(vendor: Vendor) -> None:
    given = {"name": "order", "in": "query", "required": False, "schema": {"type": "string", "enum": ["up", "down"]}}
    document = _yaml_edit.load(SPEC.read_text())
    values = CommentedSeq(["up"])
    values.fa.set_flow_style()
    document["paths"][KEYS]["get"]["parameters"].append({**given, "schema": {"type": "string", "enum": values}})
    vendor.out.write_text(_yaml_edit.dump(document))
    vendor.operation(KEYS, "get")["parameters"].append(given)
    vendor.run("--spec", vendor.out, "--write-spec", vendor.out)
    assert (vendor.errors, vendor.found("--spec", vendor.out)) == ("", [])
    assert re.search(rf" - up\n +{MARK.strip()}\n +- down\n", vendor.out.read_text())


def test_the_values_of_what_is_received_are_words(vendor: Vendor) -> None:
    state = {"type": "string", "enum": ["a", "b"]}
    level = {"type": "integer", "enum": [1, 2], "description": "How\n urgent"}
    vendor.schema("User")["properties"] |= {"state": state, "level": level, "states": {"type": "array", "items": state}}
    vendor.run("--write-spec", vendor.out)
    assert (vendor.errors, vendor.found("--spec", vendor.out)) == ("", [])
    written = _contract.load(vendor.out)["components"]["schemas"]["User"]["properties"]
    values = "Known values are `a`, `b`. Others may be added."
    assert written["state"] == {"type": "string", "description": values}
    assert written["states"]["items"] == {"type": "string", "description": values}
    level_words = "How urgent. Known values are `1`, `2`. Others may be added."
    assert written["level"] == {"type": "integer", "description": level_words}


def test_what_only_one_of_two_requests_gains_is_left_to_a_person(vendor: Vendor) -> None:
    vendor.payloads()[0]["properties"]["rehearsal_notes"] = {"type": "string"}
    add_to_an_answer(vendor)
    assert vendor.run("--write-spec", vendor.out)[0] == 1
    assert vendor.errors == (
        "to be done by hand: create_api_key request.rehearsal_notes: property added rehearsal_notes: "
        "it is shared with update_api_key request, where upstream is not the same\n"
    )
    assert "rehearsed_at:" in vendor.out.read_text()
    [left] = vendor.found("--spec", vendor.out)
    assert left[:2] == ("create_api_key request.rehearsal_notes", "property added")


def test_two_requests_that_gain_different_things_of_one_name_are_left_to_a_person(vendor: Vendor) -> None:
    for payload, most in zip(vendor.payloads(), (5, 6), strict=True):
        inner = {"type": "object", "properties": {"text": {"type": "string", "maxLength": most}}}
        payload["properties"]["rehearsal_notes"] = inner
    assert vendor.run("--write-spec", vendor.out)[0] == 1
    assert "upstream has several schemas for it, which are not the same" in vendor.errors
    assert vendor.out.read_text() == SPEC.read_text()


def added_operations(vendor: Vendor) -> None:
    """An operation at a new path, whose schemas circle, and one at a path that is there."""
    user = {"$ref": "#/components/schemas/UserV2"}
    text = {"type": "string", "maxLength": 4, "default": "x"}
    members = {"nick": text, "boss": user, "friends": {"type": "array", "items": {"allOf": [user]}}}
    roles = deepcopy(vendor.payloads()[0]["properties"]["role_names"])
    vendor.document["components"]["schemas"] |= {
        "UserV2": {"type": "object", "properties": members, "required": ["nick"]},
        "ArchivePayload": {"type": "object", "properties": {"role_names": roles, "by": user}},
        "ArchiveResult": deepcopy(vendor.schema("APIKeyResponse")),
    }
    show = vendor.operation(KEY, "get")

    def body(schema: object) -> dict[str, Any]:
        return {"description": "OK", "content": {"application/json": {"schema": schema}}}

    path_id = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    dry = {"name": "dry", "in": "query", "schema": {"type": "boolean"}}
    vendor.document["paths"][f"{KEY}/actions/archive"] = {
        "post": {
            "operationId": "API Keys V1#Archive",
            "parameters": [path_id, dry],
            "requestBody": {**body({"$ref": "#/components/schemas/ArchivePayload"}), "required": True},
            "responses": {"200": body({"$ref": "#/components/schemas/ArchiveResult"}), "404": show["responses"]["404"]},
        }
    }
    answer = body({"type": "object", "properties": {"users": {"type": "array", "items": user}}})
    vendor.document["paths"][KEY]["patch"] = {
        "operationId": "API Keys V1#ListTokens",
        "parameters": [path_id],
        "responses": {"200": answer},
    }


@pytest.mark.usefixtures("any_contract")
def test_an_added_operation_is_drafted_in_our_manner(vendor: Vendor) -> None:
    added_operations(vendor)
    assert vendor.found("--write-spec", vendor.out) == [
        ("list_tokens", "operation added", f"PATCH {KEY}", None),
        ("archive_api_key", "operation added", f"POST {KEY}/actions/archive", None),
    ]
    assert (vendor.errors, vendor.found("--spec", vendor.out)) == ("", [])
    document = _contract.load(vendor.out)
    item = document["paths"][f"{KEY}/actions/archive"]
    assert item["parameters"] == [{"$ref": "#/components/parameters/id"}]
    archive = item["post"]
    assert (archive["operationId"], archive["tags"]) == ("archive_api_key", ["api_keys"])
    assert [given["name"] for given in archive["parameters"]] == ["dry"]
    assert archive["responses"]["404"] == {"$ref": "#/components/responses/NotFound"}
    assert (
        archive["responses"]["200"]["headers"].keys()
        == contract()["components"]["responses"]["NotFound"]["headers"].keys()
    )
    schemas = document["components"]["schemas"]
    new = schemas.keys() - contract()["components"]["schemas"].keys()
    assert new == {"ArchiveAPIKeyRequest", "ListTokensResponse", "UserOther", "UserOtherOther"}
    answer = archive["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/APIKeyResponse"}, "what we have is not made again"
    sent = schemas["ArchiveAPIKeyRequest"]["properties"]
    assert sent["role_names"]["items"] == {"$ref": "#/components/schemas/AccountRole"}
    assert sent["by"] == {"$ref": "#/components/schemas/UserOtherOther"}
    # What is sent is closed, and what is received is open.
    assert schemas["UserOtherOther"]["properties"]["nick"] == {"type": "string", "maxLength": 4, "default": "x"}
    assert schemas["UserOther"]["properties"]["nick"] == {"type": "string"}
    assert schemas["UserOther"]["properties"]["boss"] == {"$ref": "#/components/schemas/UserOther"}
    text = vendor.out.read_text()
    assert text.count("&rate_limit_headers") == 1
    assert text.count("# From upstream: ") == SPEC.read_text(encoding="utf-8").count("# From upstream: ") + 6


def test_what_nothing_needs_any_more_goes_too(vendor: Vendor) -> None:
    remove_an_operation(vendor)
    del vendor.document["paths"][KEYS]["get"]
    vendor.run("--write-spec", vendor.out, "--remove")
    components = _contract.load(vendor.out)["components"]
    gone = contract()["components"]["schemas"].keys() - components["schemas"].keys()
    assert gone == {"RotateAPIKeyRequest", "ListAPIKeysResponse", "PaginationMeta"}
    assert components["examples"].keys() == {"CreateAPIKeyRequest", "CreateAPIKeyResponse"}


@pytest.mark.usefixtures("any_contract")
def test_bodies_parameters_and_schemas_of_a_later_openapi_are_written_too(vendor: Vendor) -> None:
    vendor.document["openapi"] = "3.1.0"
    vendor.schema("User")["properties"]["email"]["type"] = ["string", "null"]
    grace = vendor.schema("RotateAPIKeyRequest")["properties"]["grace_period_minutes"]
    grace["exclusiveMaximum"] = grace.pop("maximum")
    choice = [{"type": "string"}, {"$ref": "#/components/schemas/UserV1"}]
    detail = vendor.schema("ErrorDetail")["properties"]
    detail |= {"list": {"type": "array", "items": {"oneOf": choice}}, "metadata": {"type": "object"}}
    gone = {"type": "object", "properties": {"gone": {"type": "boolean"}}}
    delete = vendor.operation(KEY, "delete")
    delete["responses"]["204"]["content"] = {"application/json": {"schema": gone}}
    delete["requestBody"] = {"content": {"application/json": {"schema": gone}}}
    del vendor.operation(KEY, "put")["responses"]["200"]["content"]
    vendor.operation(KEY, "put")["parameters"].append({"name": "dry", "in": "query", "schema": {"type": "boolean"}})
    vendor.operation(KEYS, "get")["parameters"][0]["required"] = True
    assert {(place, what) for place, what, *_ in vendor.found("--write-spec", vendor.out, "--remove")} == {
        ("list_api_keys ?page_size", "required"),
        ("list_api_keys 200.api_keys[].creator.user.email", "nullable"),
        ("list_api_keys 400.errors[].list", "property added"),
        ("list_api_keys 400.errors[].metadata", "additionalProperties"),
        ("update_api_key ?dry", "parameter added"),
        ("update_api_key 200", "body removed"),
        ("delete_api_key", "request body added"),
        ("delete_api_key 204", "body added"),
        ("rotate_api_key request.grace_period_minutes", "exclusiveMaximum"),
    }
    assert (vendor.errors, vendor.found("--spec", vendor.out)) == ("", [])
    schemas = _contract.load(vendor.out)["components"]["schemas"]
    assert schemas["DeleteAPIKeyResponse"]["properties"] == {"gone": {"type": "boolean"}}
    written = schemas["RotateAPIKeyRequest"]["properties"]["grace_period_minutes"]
    assert (written["maximum"], written["exclusiveMaximum"]) == (60, True)


def test_to_remove_is_a_way_to_write(vendor: Vendor) -> None:
    with pytest.raises(SystemExit, match="2"):
        vendor.run("--remove")


@pytest.mark.exhaustive
@pytest.mark.usefixtures("any_contract")
def test_what_is_received_stays_optional(vendor: Vendor) -> None:
    user, inner = vendor.schema("User"), {"type": "object", "properties": {"text": {"type": "string"}}}
    user["properties"]["note"] = {**inner, "required": ["text"]}
    user["required"] = [*user["required"], "note"]
    assert vendor.found("--write-spec", vendor.out) == [
        ("list_api_keys 200.api_keys[].creator.user.note", "property added", "object, required", None)
    ]
    ours = _contract.load(vendor.out)["components"]["schemas"]["User"]
    assert ours["required"] == contract()["components"]["schemas"]["User"]["required"]
    assert "required" not in ours["properties"]["note"]
    assert (vendor.errors, vendor.found("--spec", vendor.out)) == ("", [])


def give_a_role(value: object) -> Callable[[Vendor], None]:
    def change(vendor: Vendor) -> None:
        for payload in vendor.payloads():
            payload["properties"]["team_role_names"]["items"]["enum"].append(value)

    return change


def give_a_property(name: str, schema: dict[str, Any], **components: Any) -> Callable[[Vendor], None]:
    def change(vendor: Vendor) -> None:
        for payload in vendor.payloads():
            payload["properties"][name] = schema
        vendor.document["components"]["schemas"] |= components

    return change


def give_a_value_to_a_response(vendor: Vendor) -> None:
    vendor.schema("User")["properties"]["state"] = {**TEXT, "enum": ["b\u200b"]}


def give_a_parameter(vendor: Vendor) -> None:
    given = {"name": "dry\u202e", "in": "query", "schema": {"type": "string"}}
    vendor.operation(KEYS, "get")["parameters"].append(given)


def give_an_operation(vendor: Vendor) -> None:
    operation = vendor.operation(KEYS, "get") | {"operationId": "API Keys V1#X"}
    vendor.document["paths"][f"{KEYS}/\u202e"] = {"get": operation}


def give_a_kind(vendor: Vendor) -> None:
    answer = {"description": "", "content": {"text/\u202e": {}}}
    vendor.operation(KEY, "get")["responses"]["299"] = answer


def rename_an_operation(vendor: Vendor) -> None:
    vendor.operation(KEY, "delete")["operationId"] = "API Keys V1#CreateAPIKey"
    vendor.operation(KEYS, "post")["operationId"] = "API Keys V1#DeleteAPIKey"


TEXT = {"type": "string"}
NOT_PLAIN = [
    *map(give_a_role, ["zero\u200b", "turned\u202e", "\x1b[31m", "two\nlines", "half\ud800", ["a"], {"a": 1}]),
    *(give_a_property(name, TEXT) for name in ("a b", "a\u200b", "\u0430", "a\n")),
    *(give_a_property("a", {"$ref": f"#/components/schemas/{name}"}, **{name: {"type": "object"}})
      for name in ("A B", "A.B", "\u0410bc", "A\u202e", "V2")),
    give_a_property("a", {"type": "object", "properties": {"b\u200b": TEXT}}),
    give_a_property("a", {**TEXT, "enum": ["b\u200b"]}),
    give_a_property("a", {**TEXT, "enum": []}),
    give_a_value_to_a_response,
    give_a_property("a", {**TEXT, "format": "b\u200b"}),
    give_a_property("a", {**TEXT, "default": "b\n"}),
    give_a_property("a", {**TEXT, "pattern": "b\u202e"}),
    give_a_property("name", {**TEXT, "minLength": 1, "maxLength": 200, "format": "\u202e"}),
    give_a_property("name", {**TEXT, "minLength": 1, "maxLength": 200, "enum": ["\u202e"]}),
    give_a_property("name", {**TEXT, "minLength": 1, "maxLength": 200, "default": "\u202e"}),
    give_a_parameter,
    give_an_operation,
    give_a_kind,
    rename_an_operation,
]  # fmt: skip


@pytest.mark.exhaustive
@pytest.mark.parametrize("change", NOT_PLAIN)
def test_what_a_reviewer_could_not_see_is_never_written(vendor: Vendor, change: Callable[[Vendor], None]) -> None:
    change(vendor)
    assert vendor.run("--write-spec", vendor.out)[0] == 1
    assert vendor.errors.startswith("to be done by hand: ")
    assert vendor.out.read_text() == SPEC.read_text()
    assert vendor.errors.replace("\n", "").isprintable()


def test_words_of_upstream_are_written_without_what_only_a_terminal_sees(vendor: Vendor) -> None:
    hidden = "a\x1b[31m\u202e\u200b\x07b "
    used = {**TEXT, "description": hidden * 20, "example": hidden}
    vendor.schema("User")["properties"] |= {"short": {**TEXT, "description": hidden}, "long": used}
    vendor.schema("User")["properties"]["list"] = {"type": "array", "items": TEXT, "example": [hidden, "\ud800"]}
    path = {"get": vendor.operation(KEYS, "get") | {"operationId": "API Keys V1#X", "summary": hidden}}
    vendor.document["paths"][f"{KEYS}/x"] = path
    assert vendor.run("--write-spec", vendor.out)[0] == 1
    assert (vendor.errors, vendor.found("--spec", vendor.out)) == ("", [])
    text = vendor.out.read_text()
    assert [character for character in set(text) if not character.isprintable()] == ["\n"]
    assert not re.search(r"\\e|\\x|\\u", text)
    properties = _contract.load(vendor.out)["components"]["schemas"]["User"]["properties"]
    assert properties["long"]["example"] == "a[31mb"
