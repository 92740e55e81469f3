"""Rewrites the contract so that openapi-python-client keeps all of it."""

from __future__ import annotations

import textwrap
from copy import deepcopy
from typing import Any

from openapi_python_client.strings import snake_case

from _contract import DESCRIPTIONS, ContractError, resolved, walk

# What a schema may have beside `allOf` when it only describes the one schema that it refers to.
WORDS = {"description", "title", "example", "deprecated"}


def prepared(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document for the generator, which shares nothing with the one that `load` returned.

    Objects that `allOf` puts together become plain objects: the generator drops the properties that stand beside it.
    The description of an enum becomes its docstring, members included: the generator knows no descriptions of members.
    A parameter's description moves to its schema, where the generator looks for it.

    Raises:
        ContractError: `allOf` puts together what is no object, or gives a property two schemas.
    """
    document = deepcopy(document)
    schemas = document.get("components", {}).get("schemas", {})
    for name, schema in schemas.items():
        if "enum" in schema:
            schema["description"] = _docstring(name, schema)
    for steps, node in list(walk(document)):
        if not isinstance(node, dict):
            continue
        if {"in", "schema", "description"} <= set(node):
            node["schema"].setdefault("description", node["description"])
        if isinstance(node.get("allOf"), list) and not _is_wrapper(node):
            merged = merge(document, ".".join(map(str, steps)), node)
            node.clear()
            node.update(merged)
    return document


def merge(document: dict[str, Any], place: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the plain object that a schema with `allOf` puts together."""
    whole = {key: value for key, value in schema.items() if key != "allOf"}
    properties, required = dict(whole.get("properties", {})), list(whole.get("required", ()))
    for part in schema.get("allOf", ()):
        member = merge(document, place, resolved(document, part))
        if member.get("type", "object") != "object" or "properties" not in member:
            raise ContractError(f"{place}.allOf: only objects with properties can be put together")
        for name, value in member["properties"].items():
            if properties.setdefault(name, value) != value:
                raise ContractError(f"{place}.allOf: gives the property {name!r} two different schemas")
        required += [name for name in member.get("required", ()) if name not in required]
    if "allOf" in schema:
        whole |= {"type": "object", "properties": properties, **({"required": required} if required else {})}
    return whole


def _is_wrapper(schema: dict[str, Any]) -> bool:
    return len(schema["allOf"]) == 1 and "$ref" in schema["allOf"][0] and set(schema) <= {"allOf", *WORDS}


def _docstring(name: str, schema: dict[str, Any]) -> str:
    text = "\n".join(textwrap.wrap(schema.get("description") or f"The schema `{name}`.", 116))
    words = schema.get(DESCRIPTIONS, {})
    members = [f"{snake_case(str(value)).upper()}: {words[value]}." for value in schema["enum"] if value in words]
    lines = [textwrap.fill(member, 112, subsequent_indent="    ") for member in members]
    return "\n".join(
        [text, *(["", "Attributes:"] if lines else []), *(textwrap.indent(line, "    ") for line in lines), ""]
    )
