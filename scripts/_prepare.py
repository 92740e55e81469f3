"""Rewrites the contract so that openapi-python-client keeps all of it."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from _contract import DESCRIPTIONS
from _document import Steps, at, operations, parameters, resolved, schemas
from _schema_rules import WORDS, member_name


def prepared(document: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of the document for the generator.

    - An object that combines others with `allOf` becomes a plain object. The generator drops the properties beside it.
    - The description of an enum becomes its docstring with its members, of which the generator reads no descriptions.
    - The description of a parameter moves to its schema, where the generator reads it.
    - Titles of schemas are removed. The generator names classes after them.

    Args:
        document: A document in which `_expected` found no problem.
    """
    # Aliases of YAML share nodes, which are changed here one by one.
    original, document = document, json.loads(json.dumps(document))
    for steps, schema in list(schemas(document)):
        if "allOf" in schema and _is_class(steps):
            merged = _merge(original, at(original, steps))
            schema.clear()
            schema.update(merged)
        if "enum" in schema and _is_class(steps):
            schema["description"] = _docstring(str(steps[-1]), schema)
    for _, method, path in operations(document):
        for _, parameter in parameters(document, method, path):
            if "description" in parameter and "$ref" not in parameter["schema"]:
                parameter["schema"].setdefault("description", parameter["description"])
    for _, schema in schemas(document):
        schema.pop("title", None)
    return document


def _is_class(steps: Steps) -> bool:
    return len(steps) == 3 and steps[:2] == ("components", "schemas")


def _merge(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return the plain object that a schema with `allOf` combines."""
    whole = {key: value for key, value in schema.items() if key in ("additionalProperties", *WORDS)}
    properties, required = dict(schema.get("properties", {})), list(schema.get("required", ()))
    for part in schema.get("allOf", ()):
        member = _merge(document, resolved(document, part))
        properties = {**member["properties"], **properties}
        required += [name for name in member["required"] if name not in required]
    return {**whole, "type": "object", "properties": properties, "required": required}


def _docstring(name: str, schema: dict[str, Any]) -> str:
    text = "\n".join(textwrap.wrap(schema.get("description") or f"The schema `{name}`.", 116))
    words = schema.get(DESCRIPTIONS, {})
    members = [f"{member_name(value)}: {words[value]}." for value in schema["enum"] if value in words]
    lines = [textwrap.fill(member, 112, subsequent_indent="    ") for member in members]
    return "\n".join(
        [text, *(["", "Attributes:"] if lines else []), *(textwrap.indent(line, "    ") for line in lines), ""]
    )
