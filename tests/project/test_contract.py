"""scripts/_contract.py: what it refuses, and what it carries over that the generator leaves out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import _contract

SMALL: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "a", "version": "1"},
    "servers": [{"url": "https://api.example"}, {"url": "https://other.example"}],
    "paths": {},
}


def load(tmp_path: Path, **parts: Any) -> dict[str, Any]:
    file = tmp_path / "small.yaml"
    with file.open("w") as stream:
        YAML().dump({**SMALL, **parts}, stream)
    return _contract.load(file)


def schemas(**named: Any) -> dict[str, Any]:
    return {"schemas": named}


def constants(document: dict[str, Any]) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(_contract.constants(document), names)  # noqa: S102 - what is tested writes Python
    return {name: value for name, value in names.items() if name.isupper()}


def test_the_server_and_the_operations_are_carried_over(tmp_path: Path) -> None:
    answer = {"responses": {"200": {"description": "a"}}}
    paths = {"/a": {"get": {"operationId": "list_a", **answer}, "post": {"operationId": "create_a", **answer}}}
    assert constants(load(tmp_path, paths=paths)) == {
        "SERVER": "https://api.example",
        "OPERATIONS": {"list_a": ("GET", "/a"), "create_a": ("POST", "/a")},
    }


def test_every_bound_and_default_of_a_property_is_carried_over(tmp_path: Path) -> None:
    members = {
        "text": {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "a+", "default": "aa"},
        "number": {"type": "number", "minimum": 0.5, "maximum": 2, "multipleOf": 0.5, "default": 1.5},
        "list": {"type": "array", "maxItems": 3, "uniqueItems": True, "items": {"type": "string", "maxLength": 5}},
        "flag": {"type": "boolean", "default": False},
        "free": {"type": "string"},
    }
    document = load(tmp_path, components=schemas(BigThing={"type": "object", "properties": members}))
    assert {name: value for name, value in constants(document).items() if name.startswith("BIG_THING_")} == {
        "BIG_THING_TEXT_MIN_LENGTH": 1,
        "BIG_THING_TEXT_MAX_LENGTH": 9,
        "BIG_THING_TEXT_PATTERN": "a+",
        "BIG_THING_TEXT_DEFAULT": "aa",
        "BIG_THING_NUMBER_MINIMUM": 0.5,
        "BIG_THING_NUMBER_MAXIMUM": 2,
        "BIG_THING_NUMBER_MULTIPLE_OF": 0.5,
        "BIG_THING_NUMBER_DEFAULT": 1.5,
        "BIG_THING_LIST_MAX_ITEMS": 3,
        "BIG_THING_LIST_UNIQUE_ITEMS": True,
        "BIG_THING_LIST_ITEMS_MAX_LENGTH": 5,
        "BIG_THING_FLAG_DEFAULT": False,
    }


def test_a_bound_is_found_behind_references(tmp_path: Path) -> None:
    name = {"type": "string", "maxLength": 9}
    parameter = {"name": "size", "in": "query", "schema": {"$ref": "#/components/schemas/Size"}}
    components = {
        "schemas": {
            "Name": name,
            "Size": {"type": "integer", "maximum": 7},
            "Base": {"type": "object", "properties": {"name": {"$ref": "#/components/schemas/Name"}}},
            "Thing": {"allOf": [{"$ref": "#/components/schemas/Base"}]},
        },
        "parameters": {"own/size": parameter},
    }
    answer = {"responses": {"200": {"description": "a"}}}
    # The parameter stands at the path, and its key has a character that a reference must escape.
    path = {"parameters": [{"$ref": "#/components/parameters/own~1size"}], "get": {"operationId": "list_a", **answer}}
    found = constants(load(tmp_path, paths={"/a": path}, components=components))
    assert (found["BASE_NAME_MAX_LENGTH"], found["THING_NAME_MAX_LENGTH"]) == (9, 9)
    assert found["LIST_A_SIZE_MAXIMUM"] == 7


def test_a_bound_is_found_wherever_it_is_written_out(tmp_path: Path) -> None:
    text = {"type": "string", "maxLength": 9}
    inner = {"type": "object", "properties": {"text": text}}
    rows = {"type": "array", "items": {"type": "array", "items": text}}
    base = {"allOf": [{"allOf": [inner]}]}
    body = {"content": {"application/json": {"schema": inner}}}
    answer = {"responses": {"200": {"description": "a"}}}
    found = constants(
        load(
            tmp_path,
            paths={"/a": {"post": {"operationId": "create_a", "requestBody": body, **answer}}},
            components=schemas(Thing={"type": "object", "properties": {"inner": inner, "rows": rows}}, Base=base),
        )
    )
    assert {name for name in found if name.endswith("MAX_LENGTH")} == {
        "THING_INNER_TEXT_MAX_LENGTH",
        "THING_ROWS_ITEMS_ITEMS_MAX_LENGTH",
        "BASE_TEXT_MAX_LENGTH",
        "CREATE_A_TEXT_MAX_LENGTH",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x-a: &a [*a]\n", "holds itself"),
        ("x-a: 2021-99-99\n", "is no YAML that can be read"),
        ("tags: [{description: no name}]\n", "name"),
        ("components: {schemas: {A: {type: object, properties: ' '}}}\n", "properties"),
    ],
)
def test_whatever_stands_in_a_file_there_is_a_message(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "small.yaml"
    with file.open("w") as stream:
        YAML().dump(SMALL, stream)
        stream.write(text)
    with pytest.raises(_contract.ContractError, match=message):
        _contract.load(file)


def test_two_bounds_of_one_name_are_refused(tmp_path: Path) -> None:
    named = {
        "ab": {"type": "object", "properties": {"c": {"type": "string", "maxLength": 1}}},
        "Ab": {"type": "object", "properties": {"c": {"type": "string", "maxLength": 2}}},
    }
    document = load(tmp_path, components=schemas(**named))
    with pytest.raises(_contract.ContractError, match="AB_C_MAX_LENGTH would stand for two different bounds"):
        _contract.constants(document)


def test_a_contract_without_a_server_is_refused(tmp_path: Path) -> None:
    for servers in ([], [{"url": "/v1"}], [{"url": "http://api.example"}], [{"url": "https://{host}.example"}]):
        with pytest.raises(_contract.ContractError, match="servers: "):
            _contract.constants(load(tmp_path, servers=servers))


@pytest.mark.parametrize(
    ("components", "message"),
    [
        (
            schemas(
                A={"type": "object", "properties": {"a": {"$ref": "#/components/schemas/B"}}},
                B={"type": "string", "format": "password"},
            ),
            "components.schemas.B.format: a secret stays out of a repr only where",
        ),
        (
            schemas(
                A={
                    "type": "object",
                    "properties": {"a": {"type": "array", "items": {"type": "string", "format": "password"}}},
                }
            ),
            "components.schemas.A.properties.a.items.format: a secret",
        ),
        (
            schemas(
                A={
                    "type": "object",
                    "properties": {"a": {"type": "array", "items": {"type": "string"}, "default": ["x"]}},
                }
            ),
            "components.schemas.A.properties.a.default: only a number, a truth value or",
        ),
        (
            schemas(
                A={
                    "type": "object",
                    "properties": {"a": {"type": "string"}},
                    "additionalProperties": {"type": "string"},
                }
            ),
            "components.schemas.A.additionalProperties: a model keeps no further properties",
        ),
        (
            schemas(A={"type": "object", "properties": {"a": {"type": "string", "default": 'a"b'}}}),
            "components.schemas.A.properties.a.default: only a number, a truth value or",
        ),
        (
            schemas(A={"$ref": "#/components/schemas/B"}, B={"$ref": "#/components/schemas/A"}),
            "components.schemas.A.$ref: '#/components/schemas/B' leads in a circle",
        ),
        (
            {"responses": {200: {"description": "a"}}},
            "components.responses.200: the key 200 is no string",
        ),
    ],
)
def test_what_could_only_make_a_wrong_client_is_refused(
    tmp_path: Path, components: dict[str, Any], message: str
) -> None:
    with pytest.raises(_contract.ContractError) as caught:
        load(tmp_path, components=components)
    [line] = str(caught.value).splitlines()[:1]
    assert message in line
    assert line.startswith(str(tmp_path / "small.yaml:"))


def test_a_property_may_have_the_name_of_a_keyword_of_the_contract(tmp_path: Path) -> None:
    members = {"properties": {"type": "string"}, "required": {"type": "string"}, "format": {"type": "string"}}
    load(tmp_path, components=schemas(A={"type": "object", "properties": members, "required": ["required"]}))


def test_limits_and_what_is_said_of_an_enum_s_members_are_carried_over(tmp_path: Path) -> None:
    described = {"type": "string", "enum": ["b", "a"], "x-enumDescriptions": {"a": "the first: 'it'"}}
    plain = {"type": "string", "enum": ["c"]}
    document = load(tmp_path, **{"x-limits": {"things": 7}}, components=schemas(BigRole=described, Plain=plain))
    found = constants(document)
    assert (found["LIMIT_THINGS"], found["BIG_ROLE_DESCRIPTIONS"]) == (7, {"a": "the first: 'it'"})
    assert found["PLAIN_DESCRIPTIONS"] == {}, "a role that nobody has described is one all the same"


def test_a_description_of_what_is_no_member_is_a_mistake(tmp_path: Path) -> None:
    described = {"type": "string", "enum": ["viewer"], "x-enumDescriptions": {"viwer": "see"}}
    with pytest.raises(
        _contract.ContractError, match=r"x-enumDescriptions\.viwer: 'viwer' is described, but is no member"
    ):
        load(tmp_path, components=schemas(Role=described))
