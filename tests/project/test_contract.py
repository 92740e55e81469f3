"""scripts/_contract.py and _constants.py: which documents are rejected, and what contract.py has of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import _constants
import _contract
from _document import shown

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


@pytest.mark.parametrize("value", ["admin\u202eresu", "a\u200b", "a\nb", "\u0435"])
def test_a_value_that_generation_would_change_is_rejected(tmp_path: Path, value: str) -> None:
    with pytest.raises(_contract.ContractError, match="has characters that generation would change"):
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
def test_responses_have_to_be_open(tmp_path: Path, schema: dict[str, Any]) -> None:
    components = schemas(Thing={"type": "object", "properties": {"value": ENUM}})  # as examples have it, too
    answer = {"description": "a", "content": {"application/json": {"schema": schema}}}
    for status in ("200", "422"):
        paths = {"/a": {"get": {"operationId": "show_a", "responses": {status: answer}}}}
        with pytest.raises(_contract.ContractError, match="responses are open"):
            load(tmp_path, paths=paths, components=components)


def test_requests_and_examples_of_responses_may_be_closed(tmp_path: Path) -> None:
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
        ("x-a: &a [*a]\n", "contains itself"),
        ("x-a: .inf\n", "small.yaml:9: x-a: inf is not a finite number"),
        ("x-a: {b: [.nan]}\n", "small.yaml:9: x-a.b.0: nan is not a finite number"),
        ("x-a: 2021-99-99\n", "is no YAML that can be read"),
        ("tags: [{description: no name}]\n", "name"),
        ("components: {schemas: {A: {type: object, properties: ' '}}}\n", "properties"),
        ("x-limits: {keys: true}\n", "small.yaml:9: x-limits.keys: a limit must be a whole number"),
        ("components: {responses: {200: {description: a}}}\n", "components.responses.200: the key 200 is no string"),
    ],
)
def test_whatever_stands_in_a_file_there_is_a_message(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "small.yaml"
    with file.open("w") as stream:
        YAML().dump(SMALL, stream)
        stream.write(text)
    with pytest.raises(_contract.ContractError, match=message):
        _contract.load(file)


def test_a_document_without_info_is_rejected_with_a_line(tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text("openapi: 3.0.3\npaths: {}\n")
    with pytest.raises(_contract.ContractError, match=r"small\.yaml:1: the document: 'info' is a required property"):
        _contract.load(file)
    file.write_text("openapi: 3.0.3\npaths: {}\ninfo: {version: '1'}\n")
    with pytest.raises(_contract.ContractError, match=r"small\.yaml:3: info: 'title' is a required property"):
        _contract.load(file)


A = "components.schemas.A"


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"$ref": "#/components/schemas/B"}, f"{A}.$ref: nothing is at '#/components/schemas/B'"),
        ({"$ref": "#/components/schemas/A"}, f"{A}.$ref: '#/components/schemas/A' is circular"),
        ({"$ref": "other.yaml#/B"}, f"{A}.$ref: 'other.yaml#/B' is outside this document"),
        ({"$ref": "#/info"}, f"{A}.$ref: '#/info' is not in components.schemas, as a reference here must be"),
        ({"allOf": [{"$ref": "#/components/schemas/A"}]}, f"{A}.allOf: the schema contains itself through allOf"),
        ({"type": "integer", "default": "a"}, f"{A}.default: 'a' is not of type 'integer'"),
        ({"type": "integer", "default": True}, f"{A}.default: True is not of type 'integer'"),
        ({"type": "integer", "maximum": 3, "default": 4}, f"{A}.default: 4 is greater than the maximum of 3"),
        ({"type": "string", "enum": ["a"], "default": "b"}, f"{A}.default: 'b' is not one of ['a']"),
        ({"type": "string", "pattern": "("}, f"{A}.pattern: '(' is not a 'regex'"),
        ({"type": "text"}, f"{A}.type: 'text' is not one of"),
        ({"type": "object", "additionalProperties": 1}, f"{A}.additionalProperties: 1 is not of type"),
    ],
)
def test_an_invalid_schema_is_rejected_at_its_line(tmp_path: Path, schema: dict[str, Any], message: str) -> None:
    # Another node has the same value, at another place.
    components = schemas(A=schema, Z={"type": "string", "example": schema.get("default")})
    with pytest.raises(_contract.ContractError) as caught:
        load(tmp_path, components=components)
    line = str(caught.value).partition("\n")[0]
    assert message in line
    keyword = message.removeprefix(f"{A}.").partition(":")[0]
    number = int(line.removeprefix(f"{tmp_path}/small.yaml:").partition(":")[0])
    assert f"{keyword}:" in (tmp_path / "small.yaml").read_text().splitlines()[number - 1]


def test_schemas_that_contain_each_other_through_all_of_are_rejected(tmp_path: Path) -> None:
    refer = {name: {"allOf": [{"type": "object"}, {"$ref": f"#/components/schemas/{name}"}]} for name in "AB"}
    with pytest.raises(_contract.ContractError) as caught:
        load(tmp_path, components=schemas(A=refer["B"], B=refer["A"]))
    assert str(caught.value).count("the schema contains itself through allOf") == 2


ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


@pytest.mark.parametrize(
    ("path", "parameters", "name", "message"),
    [
        ("/a/{id}", [], "show_a", "paths./a/{id}.get: the path contains {id}, but no parameter has this name"),
        ("/a", [ID], "show_a", "paths./a.get.parameters.0: the path /a does not contain {id}"),
        (
            "/a/{id}",
            [ID, {**ID, "description": "a"}],
            "show_a",
            "paths./a/{id}.get.parameters.1: 'id' is declared twice",
        ),
        ("/a/{id}", [{**ID, "required": False}], "show_a", "parameters.0.required: False is not one of [True]"),
        ("/a", [], None, "paths./a.get: has no operationId; add one"),
        ("/a", [], "list_b", "paths./b.get.operationId: 'list_b' is also the ID of paths./a.get; use another"),
    ],
)
def test_an_invalid_operation_is_rejected(
    tmp_path: Path, path: str, parameters: list[Any], name: str | None, message: str
) -> None:
    responses = {"200": {"description": "a"}}
    operation = {"parameters": parameters, "responses": responses, **({"operationId": name} if name else {})}
    paths = {path: {"get": operation}, "/b": {"get": {"operationId": "list_b", "responses": responses}}}
    with pytest.raises(_contract.ContractError) as caught:
        load(tmp_path, paths=paths)
    [line] = str(caught.value).splitlines()
    assert message in line
    assert not line.startswith(f"{tmp_path}/small.yaml:1:")


def test_constants_of_one_name_are_a_problem(tmp_path: Path) -> None:
    bounded = {"type": "string", "maxLength": 1}
    enum = {"type": "string", "enum": ["a"]}
    responses = {"200": {"description": "a"}}
    document = load(
        tmp_path,
        components=schemas(
            A={"type": "object", "properties": {"bC": bounded, "b_c": bounded}}, Kind=enum, kind=enum, LIMIT=enum
        ),
        paths={f"/{name}": {"get": {"operationId": name, "responses": responses}} for name in ("showA", "show-a")},
        **{"x-limits": {"descriptions": 7}},
    )
    assert [message.partition(" stands for ")[0] for _, message in _constants.problems(document)] == [
        "the constant A_B_C_MAX_LENGTH already",
        "the constant OPERATION_SHOW_A already",
        "the constant KIND_DESCRIPTIONS already",
        "the constant LIMIT_DESCRIPTIONS already",
    ]
    with pytest.raises(_contract.ContractError, match=r"A\.properties\.b_c\.maxLength: the constant A_B_C_MAX_LENGTH"):
        _constants.constants(document)


def test_a_bound_without_a_constant_is_a_problem(tmp_path: Path) -> None:
    bounded = {"type": "string", "maxLength": 1}
    mapping = {"type": "object", "additionalProperties": bounded}
    document = load(tmp_path, components=schemas(A={"type": "object", "properties": {"a": mapping, "b": bounded}}))
    [(steps, message)] = _constants.problems(document)
    assert shown(steps) == "components.schemas.A.properties.a.additionalProperties.maxLength"
    assert message.startswith("no constant has this bound")


def test_a_parameter_of_an_operation_replaces_the_one_of_its_path(tmp_path: Path) -> None:
    paths = body_of({"type": "object"})
    given = [{"name": "size", "in": "query", "schema": {"type": "integer", "maximum": value}} for value in (1, 2)]
    paths["/a"]["parameters"], paths["/a"]["post"]["parameters"] = given[:1], given[1:]
    assert constants(load(tmp_path, paths=paths))["CREATE_A_SIZE_MAXIMUM"] == 2


def test_a_contract_without_a_server_has_no_constants(tmp_path: Path) -> None:
    with pytest.raises(_contract.ContractError, match="servers: "):
        _constants.constants(load(tmp_path, servers=[]))


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
