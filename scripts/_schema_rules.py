"""Finds what a single schema demands that generated code cannot express, or that contradicts itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from keyword import iskeyword
from typing import Any

from openapi_python_client.strings import snake_case

from _contract import DESCRIPTIONS
from _document import Problem, Steps

# Keywords that change nothing in the code.
WORDS = {"description", "title", "example", "deprecated", "externalDocs"}
NUMBERS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
# The keywords that each type can have, and its formats with the type of Python that they give. No format is None.
KEYWORDS = {
    "string": {"format", "minLength", "maxLength", "pattern", "default"},
    "integer": {"format", *NUMBERS, "default"},
    "number": {"format", *NUMBERS, "default"},
    "boolean": {"format", "default"},
    "array": {"items", "minItems", "maxItems", "uniqueItems"},
    "object": {"properties", "required", "additionalProperties"},
}
TYPES: dict[str, dict[str | None, str]] = {
    "string": {None: "str", "password": "str", "email": "str", "uri": "str", "date-time": "datetime", "date": "date"},
    "integer": {None: "int", "int32": "int", "int64": "int"},
    "number": {None: "float", "float": "float", "double": "float"},
    "boolean": {None: "bool"},
}
PAIRS = (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"))
ENUM_KEYWORDS = {"type", "enum", DESCRIPTIONS, *WORDS}
# Names that an attribute of a model cannot have: those that the annotations use, and those that each model already has.
ANNOTATIONS = {"Any", "Mapping", "bool", "date", "datetime", "float", "int", "str", "tuple"}
NO_ATTRIBUTES = {*ANNOTATIONS, "from_dict", "self", "to_dict"}


def value_problems(steps: Steps, schema: dict[str, Any]) -> Iterator[Problem]:
    """Find the problems of a schema that is no class: an array, a mapping, or a value such as a string."""
    kind = schema.get("type")
    if kind not in KEYWORDS:
        known = set().union(*KEYWORDS.values(), WORDS)
        yield from list(unsupported(steps, schema, known)) or [(steps, "has no type; add one")]
        return
    yield from unsupported(steps, schema, {"type", *KEYWORDS[kind], *WORDS})
    if kind == "array" and "items" not in schema:
        yield steps, "has no items; add the schema of a member"
    if kind in TYPES and schema.get("format") not in TYPES[kind]:
        formats = ", ".join(sorted(filter(None, TYPES[kind])))
        yield (
            (*steps, "format"),
            f"{schema['format']!r} is not supported for type {kind}; remove it, or use one of: {formats}",
        )
    yield from _bound_problems(steps, schema)
    if "default" in schema:
        yield from _default_problems((*steps, "default"), schema)


def unsupported(steps: Steps, node: dict[str, Any], keywords: set[str]) -> Iterator[Problem]:
    """Find the keywords that are not among those given. Extensions are, except one that the generator reads."""
    for key in node:
        if key not in keywords and (not key.startswith("x-") or key == "x-enum-varnames"):
            yield (*steps, key), f"generated code cannot express {key!r} here; remove it"


def _bound_problems(steps: Steps, schema: dict[str, Any]) -> Iterator[Problem]:
    for low, high in PAIRS:
        if low in schema and high in schema:
            strict = schema.get("exclusiveMinimum") is True or schema.get("exclusiveMaximum") is True
            if schema[low] > schema[high] or (low == "minimum" and strict and schema[low] == schema[high]):
                yield (*steps, low), f"no value fits: {low} is {schema[low]}, and {high} is {schema[high]}; change one"
    for keyword in ("minimum", "maximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems"):
        bound = schema.get(keyword)
        if schema["type"] != "number" and isinstance(bound, float):
            yield (*steps, keyword), f"{bound} is not a whole number; write one"
    for keyword in ("minLength", "maxLength", "pattern"):
        if keyword in schema and schema.get("format") in ("date", "date-time"):
            yield (*steps, keyword), f"no string is checked where the format is {schema['format']}; remove the bound"


def _default_problems(steps: Steps, schema: dict[str, Any]) -> Iterator[Problem]:
    default = schema["default"]
    if schema.get("format") in ("date", "date-time", "password"):
        yield steps, f"the generator cannot express a default of format {schema['format']}; remove it"
    elif isinstance(default, str) and not re.fullmatch(r"[ -~]*", default):
        yield steps, f"{default!r} has characters that generation would change; use printable ASCII characters"
    elif isinstance(default, str) and re.search(r'["\\]', default):
        yield steps, f"the generator cannot express the quotes and backslashes in {default!r}; remove them"


def enum_problems(steps: Steps, schema: dict[str, Any]) -> Iterator[Problem]:
    """Find the problems of an enum under components.schemas."""
    yield from unsupported(steps, schema, ENUM_KEYWORDS)
    if schema.get("type") != "string":
        yield steps, "only an enum of `type: string` is supported; change its type"
    seen: dict[str, object] = {}
    for index, value in enumerate(schema["enum"]):
        place = (*steps, "enum", index)
        name = member_name(str(value))
        if not isinstance(value, str):
            yield place, f"{value!r} is no string; put it in quotes"
        elif not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or not value[0].isalpha():
            yield place, f"no member can be named after {value!r}, which must begin with a letter; change the value"
        elif name in seen:
            yield place, f"the member {name} already stands for {seen[name]!r}; change one of the values"
        seen.setdefault(name, value)


def member_name(value: str) -> str:
    """Return the name of an enum's member, by the rule of the generator."""
    return snake_case(value.upper()).upper()


def model_problems(steps: Steps, schema: dict[str, Any], *, part: bool) -> Iterator[Problem]:
    """Find the problems of an object with properties, or of what is part of one through allOf."""
    yield from unsupported(steps, schema, {"type", "properties", "required", "additionalProperties", "allOf", *WORDS})
    kind = schema.get("type")
    if kind not in ("object", None):
        yield (*steps, "type"), f"properties belong to `type: object`, not to {kind}; change the type"
    elif kind is None and not part and "allOf" not in schema:
        yield steps, "has no type; add `type: object`"
    if schema.get("properties") == {}:
        yield (*steps, "properties"), "is empty; add a property, or remove the keyword for an object with any keys"
    if "additionalProperties" in schema and (part or "allOf" in schema):
        yield (*steps, "additionalProperties"), "contradicts allOf, which adds properties; remove it"
    elif schema.get("additionalProperties", False) is not False:
        yield (*steps, "additionalProperties"), "a model keeps no further properties beside its own; remove it"


def attribute_problems(steps: Steps, name: str) -> Iterator[Problem]:
    """Find out whether a property's name can be the name of an attribute."""
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) or iskeyword(name) or name in NO_ATTRIBUTES:
        yield steps, f"no attribute of a model can be called {name!r}; generate it by hand, or leave it out"
