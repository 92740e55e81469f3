"""scripts/_expected.py: the contracts that generated code cannot express are rejected, each problem at its place."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import _contract
from _expected import expect

REMOVED = object()
STRING = {"type": "string"}
RESPONSE = {"description": "a", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Part"}}}}
PATH_ID = {"name": "id", "in": "path", "required": True, "schema": STRING}
PARTS_GET = {"operationId": "list_parts", "responses": {"200": RESPONSE}}
SMALL: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "a", "version": "1"},
    "servers": [{"url": "https://api.example"}],
    "security": [{"Bearer": []}],
    "paths": {
        "/things/{id}": {
            "put": {
                "operationId": "update_thing",
                "parameters": [
                    PATH_ID,
                    {"name": "size", "in": "query", "schema": {"type": "integer"}},
                ],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
                },
                "responses": {"200": RESPONSE},
            }
        },
        "/parts": {"get": PARTS_GET},
    },
    "components": {
        "securitySchemes": {
            "Bearer": {"type": "http", "scheme": "bearer"},
            "Basic": {"type": "http", "scheme": "basic"},
        },
        "schemas": {
            "Thing": {
                "type": "object",
                "required": ["kind"],
                "properties": {"kind": {"$ref": "#/components/schemas/Kind"}, "name": STRING},
            },
            "Kind": {"type": "string", "enum": ["one", "two"]},
            "Part": {"type": "object", "properties": {"length": {"type": "integer"}, "a": STRING}},
        },
    },
}
SCHEMAS = "components.schemas"
PUT = "paths./things/{id}.put"
BODY = f"{PUT}.requestBody"
PARTS = "paths./parts.get"


def changed(place: str, value: Any) -> dict[str, Any]:
    """Return the small contract with another value at a place, of which the steps have dots between them."""
    tree: dict[str, Any] = json.loads(json.dumps(SMALL))
    *steps, last = (int(step) if step in ("0", "1") else step for step in place.split("."))
    node: Any = tree
    for step in steps:
        node = node[step]
    if value is REMOVED:
        del node[last]
    else:
        node[last] = deepcopy(value)
    return tree


def problems(tmp_path: Path, tree: dict[str, Any]) -> list[str]:
    """Return the problems, with their lines."""
    spec = tmp_path / "small.yaml"
    with spec.open("w") as stream:
        YAML().dump(tree, stream)
    try:
        expect(spec, _contract.load(spec))
    except _contract.ContractError as error:
        return [line.removeprefix(f"{spec}:") for line in str(error).splitlines()]
    return []


def rejects(tmp_path: Path, place: str, value: Any, message: str) -> None:
    """Check that a change is rejected with this message alone, at a line other than the first."""
    found = problems(tmp_path, changed(place, value))
    assert [line.partition(": ")[2] for line in found if message in line], found
    assert len(found) == 1, found
    assert not found[0].startswith("1:"), found


def test_the_small_contract_has_no_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, SMALL) == []


P = f"{SCHEMAS}.Thing.properties.new"
REF = {"$ref": "#/components/schemas/Part"}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({}, f"{P}: has no type; add one"),
        ({**STRING, "nullable": True}, f"{P}.nullable: generated code cannot express 'nullable' here"),
        ({**STRING, "readOnly": True}, f"{P}.readOnly: generated code cannot express"),
        ({**STRING, "writeOnly": True}, f"{P}.writeOnly: generated code cannot express"),
        ({**STRING, "discriminator": {"propertyName": "a"}}, f"{P}.discriminator: generated code cannot express"),
        ({**STRING, "xml": {}}, f"{P}.xml: generated code cannot express"),
        ({**STRING, "x-enum-varnames": ["A"]}, f"{P}.x-enum-varnames: generated code cannot express"),
        ({"oneOf": [STRING]}, f"{P}.oneOf: generated code cannot express"),
        ({"anyOf": [STRING]}, f"{P}.anyOf: generated code cannot express"),
        ({"not": STRING}, f"{P}.not: generated code cannot express"),
        ({**STRING, "format": "uuid"}, f"{P}.format: 'uuid' is not supported for type string"),
        ({**STRING, "format": "binary"}, f"{P}.format: 'binary' is not supported"),
        ({"type": "integer", "format": "date"}, f"{P}.format: 'date' is not supported for type integer"),
        ({"type": "array"}, f"{P}: has no items"),
        ({"type": "array", "items": {}}, f"{P}.items: has no type"),
        ({"type": "array", "items": STRING, "default": []}, f"{P}.default: generated code cannot express 'default'"),
        ({"type": "array", "items": STRING, "minItems": 3, "maxItems": 2}, f"{P}.minItems: no value fits"),
        ({"type": "array", "items": {**STRING, "format": "password"}}, f"{P}.items.format: a secret must be"),
        ({"type": "array", "items": {**STRING, "enum": ["a"]}}, f"{P}.items.enum: has no name; move the schema"),
        ({**STRING, "enum": ["a"]}, f"{P}.enum: has no name; move the schema to components.schemas"),
        ({"type": "object", "properties": {"a": STRING}}, f"{P}.properties: has no name; move the schema"),
        ({"type": "object", "additionalProperties": False}, f"{P}: an object without properties is a mapping"),
        ({"type": "object", "required": ["a"]}, f"{P}: an object without properties is a mapping"),
        ({"type": "object", "minProperties": 1}, f"{P}.minProperties: generated code cannot express"),
        (
            {**STRING, "minLength": 3, "maxLength": 2},
            f"{P}.minLength: no value fits: minLength is 3, and maxLength is 2",
        ),
        ({"type": "number", "minimum": 3, "maximum": 2}, f"{P}.minimum: no value fits"),
        ({"type": "integer", "minimum": 2, "maximum": 2, "exclusiveMaximum": True}, f"{P}.minimum: no value fits"),
        ({"type": "integer", "minimum": 0.5}, f"{P}.minimum: 0.5 is not a whole number"),
        ({**STRING, "minimum": 1}, f"{P}.minimum: generated code cannot express 'minimum' here"),
        ({**STRING, "format": "date-time", "maxLength": 9}, f"{P}.maxLength: no string is checked"),
        ({**STRING, "format": "date", "default": "2021-08-17"}, f"{P}.default: the generator cannot express"),
        ({**STRING, "default": 'a"b'}, f"{P}.default: the generator cannot express the quotes"),
        ({**STRING, "default": "a\\b"}, f"{P}.default: the generator cannot express the quotes"),
        ({**STRING, "default": "a\u202eb"}, f"{P}.default: 'a\\u202eb' has characters that generation would change"),
        ({**REF, "description": "a"}, f"{P}: keywords beside $ref have no effect"),
        ({"allOf": [REF], "nullable": True}, f"{P}.allOf: only one $ref can stand in allOf here"),
        ({"allOf": [REF, REF]}, f"{P}.allOf: only one $ref can stand in allOf here"),
        ({"allOf": [{"type": "object", "properties": {"a": STRING}}]}, f"{P}.allOf: only one $ref can stand"),
        ({"$ref": "#/components/schemas/Thing"}, f"{P}: models cannot contain each other: Thing -> Thing"),
    ],
)
def test_a_property_that_generated_code_cannot_express_is_rejected(
    tmp_path: Path, schema: dict[str, Any], message: str
) -> None:
    rejects(tmp_path, P, schema, message)


@pytest.mark.parametrize(
    "name",
    ["self", "str", "int", "tuple", "datetime", "Any", "Mapping", "to_dict", "class", "_a", "a-b", "é", "1a", "Part"],
)
def test_a_property_whose_name_no_attribute_can_have_is_rejected(tmp_path: Path, name: str) -> None:
    rejects(tmp_path, f"{SCHEMAS}.Thing.properties.{name}", STRING, f"Thing.properties.{name}: no attribute")


@pytest.mark.parametrize("name", ["Name", "NAME", "name_", "na me"])
def test_two_properties_that_the_generator_gives_one_name_are_rejected(tmp_path: Path, name: str) -> None:
    [found] = problems(tmp_path, changed(f"{SCHEMAS}.Thing.properties.{name}", STRING))[-1:]
    assert f"Thing.properties.{name}: " in found


S = f"{SCHEMAS}.New"
INHERITS = {"allOf": [REF]}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (REF, f"{S}.$ref: a schema cannot be another name of a schema"),
        ({"type": "array", "items": STRING}, f"{S}: an array cannot have a name"),
        ({**STRING, "default": "a"}, f"{S}.default: is lost behind a $ref"),
        ({**STRING, "format": "password"}, f"{S}.format: a secret must be a property itself"),
        ({"oneOf": [REF]}, f"{S}.oneOf: generated code cannot express"),
        ({"properties": {"a": STRING}}, f"{S}: has no type; add `type: object`"),
        ({"type": "string", "properties": {"a": STRING}}, f"{S}.type: properties belong to `type: object`"),
        ({"type": "object", "properties": {}}, f"{S}.properties: is empty"),
        ({"type": "object", "properties": {"a": STRING}, "nullable": True}, f"{S}.nullable: generated code cannot"),
        (
            {"type": "object", "properties": {"a": STRING}, "additionalProperties": True},
            f"{S}.additionalProperties: a model keeps no further properties",
        ),
        (
            {"type": "object", "properties": {"a": STRING}, "additionalProperties": STRING},
            f"{S}.additionalProperties: a model keeps no further properties",
        ),
        (
            {"type": "object", "properties": {"a": STRING}, "required": ["b"]},
            f"{S}.required.0: 'b' is required, but is no property",
        ),
        ({"type": "object", "minProperties": 1}, f"{S}.minProperties: generated code cannot express"),
        ({"type": "object", "additionalProperties": {"$ref": "#/components/schemas/New"}}, f"{S}.additionalProperties"),
        ({**INHERITS, "additionalProperties": False}, f"{S}.additionalProperties: contradicts allOf"),
        ({**INHERITS, "required": ["b"]}, f"{S}.required.0: 'b' is required, but is no property"),
        ({"allOf": [REF, {"required": ["b"]}]}, f"{S}.allOf.1.required.0: 'b' is required, but is no property"),
        ({"allOf": [REF, STRING]}, f"{S}.allOf.1.type: properties belong to `type: object`"),
        ({"allOf": [REF, {"oneOf": [REF]}]}, f"{S}.allOf.1: allOf can only combine objects"),
        ({"allOf": [{**REF, "description": "a"}]}, f"{S}.allOf.0: keywords beside $ref have no effect"),
        (
            {**INHERITS, "properties": {"length": STRING}},
            f"{S}.properties.length: allOf combines it with another 'length', {SCHEMAS}.Part.properties.length",
        ),
        ({"type": "integer", "enum": [1]}, f"{S}: only an enum of `type: string` is supported"),
        ({"type": "string", "enum": ["a", "b"], "default": "a"}, f"{S}.default: generated code cannot express"),
        ({"type": "string", "enum": ["a-b", "a_b"]}, f"{S}.enum.1: the member A_B already stands for 'a-b'"),
        (
            {"type": "string", "enum": ["viewer", "Viewer"]},
            f"{S}.enum.1: the member VIEWER already stands for 'viewer'",
        ),
        ({"type": "string", "enum": ["a", "1st"]}, f"{S}.enum.1: no member can be named after '1st'"),
        ({"type": "string", "enum": ["a", 1]}, f"{S}.enum.1: 1 is no string; put it in quotes"),
        ({"type": "string", "enum": [""]}, f"{S}.enum.0: no member can be named after ''"),
    ],
)
def test_a_schema_that_generated_code_cannot_express_is_rejected(
    tmp_path: Path, schema: dict[str, Any], message: str
) -> None:
    found = problems(tmp_path, changed(S, schema))
    assert any(message in line for line in found), found
    assert all(f": {S}" in line for line in found), found


@pytest.mark.parametrize(
    "name", ["Any", "Mapping", "StrEnum", "None", "Literal", "part_list", "Part_", "my-part", "PART", "parts"]
)
def test_a_schema_whose_name_no_class_can_have_is_rejected(tmp_path: Path, name: str) -> None:
    found = problems(tmp_path, changed(f"{SCHEMAS}.{name}", {"type": "object", "properties": {"a": STRING}}))
    assert any(f"{SCHEMAS}.{name}: " in line for line in found), found


BEARER = "each request has one bearer token; require one scheme"


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("security", REMOVED, f"security: {BEARER}"),
        ("security", [], f"security: {BEARER}"),
        ("security", [{"Basic": []}], f"security: {BEARER}"),
        ("security", [{"Other": []}], f"security: {BEARER}"),
        ("security", [{"Bearer": []}, {}], f"security: {BEARER}"),
        ("security", [{"Bearer": [], "Basic": []}], f"security: {BEARER}"),
        (f"{PUT}.security", [], f"{PUT}.security: {BEARER}"),
        (f"{PUT}.security", [{"Basic": []}], f"{PUT}.security: {BEARER}"),
        ("servers", [{"url": "/v1"}], "servers: the first URL must be https://"),
        ("servers", [{"url": "http://api.example"}], "servers: the first URL must be https://"),
        ("servers", [{"url": "https://{host}.example"}], "servers: the first URL must be https://"),
        ("servers", REMOVED, "servers: the first URL must be https://"),
        (f"{PUT}.operationId", "listParts", f"{PARTS}.operationId: list_parts is also the name of {PUT}; use another"),
        (f"{PUT}.operationId", "1st", f"{PUT}.operationId: no function can be called '1st'"),
        (f"{PUT}.callbacks", {}, f"{PUT}.callbacks: generated code cannot express"),
        (f"{PUT}.servers", [{"url": "https://a.example"}], f"{PUT}.servers: generated code cannot express"),
        ("paths./parts.servers", [{"url": "https://a.example"}], "paths./parts.servers: generated code cannot express"),
        (
            "paths./parts?a=b",
            {"get": {**PARTS_GET, "operationId": "a"}},
            "paths./parts?a=b: a path cannot contain a query",
        ),
        (
            f"{PARTS}.responses.200.content.application/json.schema",
            {"type": "object"},
            "200.content.application/json.schema: has no name; move the schema",
        ),
        (
            f"{BODY}.content.application/json.schema",
            {"$ref": "#/components/schemas/Kind"},
            f"{BODY}.content.application/json.schema: a body must be an object with properties",
        ),
        (
            "paths./a/{id}/{id}",
            {"get": {**PARTS_GET, "operationId": "a", "parameters": [PATH_ID]}},
            "paths./a/{id}/{id}.get.parameters.0: the path must contain {id} once",
        ),
        (f"{PARTS}.responses.200.links", {}, f"{PARTS}.responses.200.links: generated code cannot express"),
        (f"{BODY}.required", REMOVED, f"{BODY}: the generated function always sends the body"),
        (
            f"{BODY}.content.application/xml",
            {"schema": REF},
            f"{BODY}.content.application/xml: only application/json is supported",
        ),
        (f"{BODY}.content.application/json", {}, f"{BODY}.content: must have a schema for application/json"),
        (f"{BODY}.content.application/json.encoding", {}, "application/json.encoding: generated code cannot express"),
        (f"{PUT}.parameters.1.in", "header", f"{PUT}.parameters.1.in: parameters cannot be sent in a header"),
        (f"{PUT}.parameters.1.in", "cookie", f"{PUT}.parameters.1.in: parameters cannot be sent in a cookie"),
        (f"{PUT}.parameters.1.explode", True, f"{PUT}.parameters.1.explode: generated code cannot express"),
        (f"{PUT}.parameters.1.name", "body", f"{PUT}.parameters.1.name: the generated function uses 'body' itself"),
        (f"{PUT}.parameters.1.name", "params", f"{PUT}.parameters.1.name: the generated function uses 'params'"),
        (f"{PUT}.parameters.1.name", "quote", f"{PUT}.parameters.1.name: the generated function uses 'quote'"),
        (f"{PUT}.parameters.1.name", "id", f"{PUT}.parameters.1.name: 'id' is also the name of {PUT}.parameters.0"),
        (f"{PUT}.parameters.1.name", "ID", f"{PUT}.parameters.1.name: 'id' is also the name of {PUT}.parameters.0"),
        (
            f"{PUT}.parameters.1.schema",
            {"type": "array", "items": STRING},
            "parameters.1: the value can only be a string",
        ),
        (f"{PUT}.parameters.1.schema", {**STRING, "format": "date"}, "parameters.1: the value can only be a string"),
        (f"{PUT}.parameters.1.schema", REF, "parameters.1: the value can only be a string"),
        (
            f"{PUT}.parameters.0.schema",
            {"type": "boolean"},
            "parameters.0: the value can only be a string, an integer or",
        ),
        (
            f"{PARTS}.responses.200.content",
            {"text/csv": {}},
            "200.content.text/csv: only application/json is supported",
        ),
    ],
)
def test_an_operation_that_generated_code_cannot_express_is_rejected(
    tmp_path: Path, place: str, value: Any, message: str
) -> None:
    found = problems(tmp_path, changed(place, value))
    assert any(message in line for line in found), found


def test_all_problems_are_reported_with_their_lines(tmp_path: Path) -> None:
    tree = changed(P, {**STRING, "nullable": True})
    tree["components"]["schemas"]["Kind"]["enum"] = ["a", "A"]
    tree["security"] = []
    found = problems(tmp_path, tree)
    lines = (tmp_path / "small.yaml").read_text().splitlines()
    assert [lines[int(line.partition(":")[0]) - 1].strip() for line in found] == [
        "nullable: true",
        "- A",
        "security: []",
    ]


def test_models_that_contain_each_other_are_rejected(tmp_path: Path) -> None:
    tree = changed(f"{SCHEMAS}.Part.properties.new", {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}})
    tree["components"]["schemas"]["Thing"] = {"type": "object", "properties": {"part": REF}}
    [found] = problems(tmp_path, tree)
    assert "models cannot contain each other: Thing -> Part -> Thing; remove one of the references" in found
