"""scripts/_contract.py and _constants.py: what is refused, and what is carried over that the generator leaves out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import Meta
from ruamel.yaml import YAML

import _constants
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
    exec(_constants.constants(document), names)  # noqa: S102 - what is tested writes Python
    return {name: value for name, value in names.items() if name.isupper()}


def test_the_server_and_the_operations_are_carried_over(tmp_path: Path) -> None:
    answer = {"responses": {"200": {"description": "a"}}}
    paths = {"/a": {"get": {"operationId": "list_a", **answer}, "post": {"operationId": "create_a", **answer}}}
    assert constants(load(tmp_path, paths=paths)) == {
        "SERVER": "https://api.example",
        "OPERATION_LIST_A": ("GET", "/a"),
        "OPERATION_CREATE_A": ("POST", "/a"),
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


def body_of(schema: dict[str, Any]) -> dict[str, Any]:
    body = {"content": {"application/json": {"schema": schema}}}
    answer = {"responses": {"200": {"description": "a"}}}
    return {"/a": {"post": {"operationId": "create_a", "requestBody": body, **answer}}}


def test_what_a_request_need_not_have_is_carried_over_with_its_bounds(tmp_path: Path) -> None:
    short = {"type": "string", "maxLength": 9, "pattern": "a+", "default": "a"}
    base = {
        "type": "object",
        "required": ["always", "low"],
        "properties": {"always": short, "note": {"$ref": "#/components/schemas/Short"}, "low": short},
    }
    thing = {
        "allOf": [{"$ref": "#/components/schemas/Base"}],
        "properties": {
            "list": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "string"}},
            "share": {"type": "number", "minimum": 0, "maximum": 1.5, "exclusiveMaximum": True},
            "count": {"type": "integer", "minimum": 1.0, "multipleOf": 2},
            "free": {"type": "string"},
        },
    }
    components = schemas(Base=base, Thing=thing, Short=short, Unused=base)
    document = load(tmp_path, paths=body_of({"$ref": "#/components/schemas/Thing"}), components=components)
    optional = {name: value for name, value in constants(document).items() if name.endswith("_OPTIONAL")}
    assert optional == {
        "THING_OPTIONAL": {
            "note": Meta(max_length=9, pattern="a+"),
            "list": Meta(min_length=1, max_length=3),
            "share": Meta(ge=0, lt=1.5),
            "count": Meta(ge=1, multiple_of=2),
            "free": Meta(),
        }
    }


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "array", "uniqueItems": True, "items": {"type": "string"}}, "uniqueItems is a bound that the client"),
        ({"type": "string", "format": "date-time", "maxLength": 40}, "maxLength is a bound that the client cannot"),
        ({"type": "integer", "minLength": 1}, "minLength is a bound that the client cannot"),
        ({"type": "integer", "minimum": 1.5}, "minimum is 1.5, which the client cannot check"),
        ({"type": "integer", "maximum": 10**20}, "maximum is 100000000000000000000, which the client"),
        ({"type": "number", "multipleOf": 0.01}, "multipleOf is 0.01, which the client cannot check"),
        ({"type": "string", "nullable": True}, "null is no value of what is optional"),
    ],
)
def test_what_the_client_could_not_check_is_refused(tmp_path: Path, schema: dict[str, Any], message: str) -> None:
    components = schemas(Thing={"type": "object", "properties": {"given": schema}})
    document = load(tmp_path, paths=body_of({"$ref": "#/components/schemas/Thing"}), components=components)
    with pytest.raises(_contract.ContractError, match=f"Thing.given: .*{message}"):
        _constants.constants(document)


def test_an_instant_of_a_request_has_a_zone(tmp_path: Path) -> None:
    thing = {"type": "object", "properties": {"since": {"type": "string", "format": "date-time"}}}
    document = load(tmp_path, paths=body_of({"$ref": "#/components/schemas/Thing"}), components=schemas(Thing=thing))
    assert constants(document)["THING_OPTIONAL"] == {"since": Meta(tz=True)}


def test_a_body_without_a_name_is_called_as_its_operation(tmp_path: Path) -> None:
    document = load(tmp_path, paths=body_of({"type": "object", "properties": {"a": {"type": "string"}}}))
    assert constants(document)["CREATE_A_OPTIONAL"] == {"a": Meta()}


@pytest.mark.parametrize("value", ["admin\u202eresu", "a\u200b", "a\nb", "\u0435"])
def test_a_value_that_generation_would_change_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(_contract.ContractError, match="is another value in Python"):
        load(tmp_path, components=schemas(Kind={"type": "string", "enum": ["a", value]}))


ENUM = {"type": "string", "enum": ["a"]}


@pytest.mark.parametrize(
    "schema",
    [
        ENUM,
        {"type": "array", "items": ENUM},
        {"$ref": "#/components/schemas/Thing"},
        {"allOf": [{"$ref": "#/components/schemas/Thing"}]},
    ],
)
def test_what_is_answered_has_to_be_open(tmp_path: Path, schema: dict[str, Any]) -> None:
    components = schemas(Thing={"type": "object", "properties": {"value": ENUM}})  # as examples have it, too
    answer = {"description": "a", "content": {"application/json": {"schema": schema}}}
    for status in ("200", "422"):
        paths = {"/a": {"get": {"operationId": "show_a", "responses": {status: answer}}}}
        with pytest.raises(_contract.ContractError, match="what the API answers is open"):
            load(tmp_path, paths=paths, components=components)


def test_what_is_sent_may_be_closed_and_so_may_an_example_of_an_answer(tmp_path: Path) -> None:
    thing = {"type": "object", "properties": {"enum": ENUM}}
    paths = body_of({"$ref": "#/components/schemas/Thing"})
    answer = {"type": "object", "properties": {"enum": {"type": "string"}}, "example": {"enum": ["a"]}}
    content = {"schema": answer, "examples": {"one": {"value": {"enum": ["a"]}}}}
    paths["/a"]["post"]["responses"]["200"]["content"] = {"application/json": content}
    parameter = {"name": "sort", "in": "query", "schema": ENUM}
    paths["/a"]["parameters"] = [parameter]
    load(tmp_path, paths=paths, components=schemas(Thing=thing))


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
        _constants.constants(document)


def test_a_contract_without_a_server_is_refused(tmp_path: Path) -> None:
    for servers in ([], [{"url": "/v1"}], [{"url": "http://api.example"}], [{"url": "https://{host}.example"}]):
        with pytest.raises(_contract.ContractError, match="servers: "):
            _constants.constants(load(tmp_path, servers=servers))


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
