"""Mistakes in openapi.yaml: each is an error with its line, and none is a traceback or an endless loop."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import _constants
import _contract
import _expected
import _generate

from ..spec import ROOT

SCHEMAS = "    APIKeyDefinition:\n"
LIMITS = "x-limits:\n  # Of an organisation; deleted ones do not count.\n  active_keys: 5000"
INSTANT = 'example: "2021-08-17T13:28:57.801578Z"'
SERVER = "https://api.incident.io"
TEXTS = "{type: object, additionalProperties: {type: string}}"


def changed(old: str, new: str) -> str:
    text = (ROOT / "openapi.yaml").read_text(encoding="utf-8")
    assert old in text
    return text.replace(old, new, 1)


def with_schema(schema: str) -> tuple[str, str]:
    return SCHEMAS, f"    Foo: {schema}\n{SCHEMAS}"


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        (*with_schema('{allOf: [{$ref: "#/components/schemas/Nope"}]}'), "allOf.0.$ref", "nothing is at"),
        (*with_schema('{allOf: [{$ref: "other.yaml#/X"}]}'), "allOf.0.$ref", "is outside this document"),
        (*with_schema("{allOf: [x]}"), "components.schemas.Foo.allOf.0", "'x' is not of type 'object'"),
        (
            *with_schema('{allOf: [{$ref: "#/components/schemas/A"}]}\n    A: {$ref: "#/components/schemas/A"}'),
            "components.schemas.Foo.allOf.0.$ref",
            "is circular",
        ),
        (
            *with_schema('{allOf: [{$ref: "#/components/schemas/Foo"}]}'),
            "components.schemas.Foo.allOf",
            "the schema contains itself",
        ),
        (
            *with_schema(
                "{type: object, properties: {properties: {type: array, items: {type: string, format: password}}}}"
            ),
            "properties.properties.items.format",
            "a secret must be a property itself",
        ),
        (
            *with_schema(f"{{type: object, properties: {{a: {{type: array, items: {TEXTS}}}}}}}"),
            "components.schemas.Foo.properties.a.items",
            "a mapping can only be a property",
        ),
        (
            *with_schema(f"{{type: object, properties: {{a: {{type: object, additionalProperties: {TEXTS}}}}}}}"),
            "components.schemas.Foo.properties.a.additionalProperties",
            "a mapping can only be a property",
        ),
        (INSTANT, INSTANT.replace('"', ""), "created_at.example", "YAML reads this as a datetime; put it in quotes"),
        (LIMITS, "x-limits:", "x-limits", "must have a whole number for each name"),
        (LIMITS, "x-limits: [1]", "x-limits", "must have a whole number for each name"),
        ("heartbeats_ping: send heartbeats", "heartbeats_ping: 5", "x-enumDescriptions", "must have a text for each"),
        ("description: An API key.", 'description: "\\ud800" #', "APIKey.description", "half of a surrogate pair"),
        (SERVER, f"{SERVER}/?a=b", "servers", "the first URL must be https:// with a host"),
        (SERVER, "https://user:password@api.incident.io", "servers", "the first URL must be https:// with a host"),
        (LIMITS, f"x-a: &a {{b: *a}}\n{LIMITS}", "x-a.b.b.b.b", "contains itself"),
    ],
)
def test_a_mistake_is_an_error_with_its_line(tmp_path: Path, old: str, new: str, place: str, message: str) -> None:
    spec = tmp_path / "openapi.yaml"
    spec.write_text(changed(old, new), encoding="utf-8")
    with pytest.raises(_contract.ContractError) as caught:
        _expected.expect(spec, _contract.load(spec))
    lines = str(caught.value).splitlines()
    assert all(re.match(rf"{re.escape(str(spec))}:\d+: ", line) for line in lines)
    assert any(place in line and message in line for line in lines), lines


CREATOR = '        creator: {$ref: "#/components/schemas/Creator"}\n'
WITH_DESCRIPTION = """\
        creator:
          description: Absent for keys of the system.
          allOf: [{$ref: "#/components/schemas/Creator"}]
"""
TEXT = "          schema:\n            type: string\n"
RESPONSES = "      responses:\n"
BEFORE = "        - {name: before, in: query, description: The other end., schema: *text}\n"


@pytest.mark.exhaustive
def test_descriptions_are_those_of_the_place(tmp_path: Path) -> None:
    """An alias of YAML stands for a copy, and a description beside `allOf` is the property's own."""
    text = changed(CREATOR, WITH_DESCRIPTION).replace(TEXT, "          schema: &text {type: string}\n", 1)
    spec = tmp_path / "openapi.yaml"
    spec.write_text(text.replace(RESPONSES, f"{BEFORE}{RESPONSES}", 1), encoding="utf-8")
    package = _generate.make(spec, tmp_path)
    assert "creator: Absent for keys of the system." in (package / "models" / "api_key.py").read_text()
    builder = (package / "api" / "api_keys" / "list_api_keys.py").read_text()
    assert "after: The ID of a key; the page starts behind it" in builder
    assert "before: The other end." in builder


def test_a_bound_behind_allof_has_the_name_of_each_place(tmp_path: Path) -> None:
    size = "{type: integer, maximum: 7}"
    text = changed(SCHEMAS, f"    Size: {size}\n{SCHEMAS}")
    wrapped = '{allOf: [{$ref: "#/components/schemas/Size"}]}'
    text = text.replace(TEXT, f"          schema: {wrapped}\n", 1)
    text = text.replace(f"{CREATOR}", f"{CREATOR}        size: {wrapped}\n", 1)
    spec = tmp_path / "openapi.yaml"
    spec.write_text(text, encoding="utf-8")
    made = _constants.constants(_contract.load(spec))
    assert "LIST_API_KEYS_AFTER_MAXIMUM: Final = 7\n" in made
    assert "API_KEY_SIZE_MAXIMUM: Final = 7\n" in made
