"""Writes the module of what the contract says and the generator leaves out.

The generator carries types and enums into Python, but not bounds, the server's address or the operations' paths. This
module must not know how the generated package is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from openapi_python_client.strings import snake_case

from _contract import BOUNDS, DESCRIPTIONS, ContractError, operations, resolved

# How msgspec calls those that it has, and for which types.
NUMBERS = ("integer", "number")
META = {
    "minimum": ("ge", NUMBERS),
    "maximum": ("le", NUMBERS),
    "multipleOf": ("multiple_of", NUMBERS),
    "pattern": ("pattern", ("string",)),
    "minLength": ("min_length", ("string",)),
    "maxLength": ("max_length", ("string",)),
    "minItems": ("min_length", ("array",)),
    "maxItems": ("max_length", ("array",)),
}
LEFT_OUT = {"minimum": "gt", "maximum": "lt"}
# Formats that are no string to Python.
NO_STRINGS = ("date-time", "date", "uuid", "binary")


def constants(document: dict[str, Any]) -> str:
    """Write the module of what the generator leaves out.

    Args:
        document: What `load` returned.

    Returns:
        The source of `contract.py`: the server, the operations, and a constant for each bound and default of a
        property or parameter, or of the members of one that is a list; the limits of `x-limits`; and what
        `x-enumDescriptions` says of an enum's members.

    Raises:
        ContractError: Two bounds would have the same name, or there is no server.
    """
    server = next((server["url"] for server in document.get("servers", ())), "")
    if not re.fullmatch(r"https://[^\s{}]+", server):
        raise ContractError(f"servers: the first is where the client asks; it must begin with https://, not {server!r}")
    values: dict[str, object] = {}
    for owner, name, schema in _bounded(document):
        for keyword in (*BOUNDS, "default"):
            value = schema.get(keyword)
            if isinstance(value, (str, int, float)):
                constant = f"{snake_case(owner)}_{snake_case(name)}_{snake_case(keyword)}".upper()
                if values.setdefault(constant, value) != value:
                    raise ContractError(f"{owner}.{name}: {constant} would stand for two different bounds")
    return "\n".join(
        [
            '"""What the contract says beyond types: its server, operations, bounds, defaults and limits.',
            "",
            "A bound is named after its schema or operation, the property or parameter, and the keyword.",
            '"""',
            "from typing import Final, Literal",
            f"SERVER: Final = {server!r}",
            "# The method and the path of each operation.",
            *(
                f"OPERATION_{snake_case(name).upper()}: Final = {(method.upper(), path)!r}"
                for name, method, path in operations(document)
            ),
            *(f"{name}: Final = {value!r}" for name, value in sorted(values.items())),
            *(f"LIMIT_{name.upper()}: Final = {value!r}" for name, value in document.get("x-limits", {}).items()),
            *(
                f"{snake_case(name).upper()}_DESCRIPTIONS: Final[dict[str, str]] = {schema.get(DESCRIPTIONS, {})!r}"
                for name, schema in document.get("components", {}).get("schemas", {}).items()
                if "enum" in schema
            ),
            "# The values of each enum, for type checkers.",
            *(
                f"{name}Name = Literal[{', '.join(map(repr, schema['enum']))}]"
                for name, schema in document.get("components", {}).get("schemas", {}).items()
                if "enum" in schema
            ),
            "",
        ]
    )


def _bounded(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every property and parameter, which may carry a bound: owner, name and schema."""
    for owner, schema in document.get("components", {}).get("schemas", {}).items():
        yield from _members(document, owner, "", schema)
    for owner, method, path in operations(document):
        item = document["paths"][path]
        operation = item[method]
        for given in (*item.get("parameters", ()), *operation.get("parameters", ())):
            parameter = resolved(document, given)
            yield from _nested(document, owner, parameter["name"], parameter.get("schema", {}))
        for content in resolved(document, operation.get("requestBody", {})).get("content", {}).values():
            yield from _members(document, owner, "", content.get("schema", {}))


def _members(
    document: dict[str, Any], owner: str, prefix: str, schema: dict[str, Any]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The properties of an object; one behind a reference has them under its own name."""
    for name, member in schema.get("properties", {}).items():
        yield from _nested(document, owner, f"{prefix} {name}", member)
    for part in schema.get("allOf", ()):
        yield from _members(document, owner, prefix, resolved(document, part))


def _nested(
    document: dict[str, Any], owner: str, name: str, schema: dict[str, Any]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """A value, and what is written out within it: the members of a list, the properties of an object."""
    yield owner, name, resolved(document, schema)
    if "$ref" not in schema:
        yield from _members(document, owner, name, schema)
        if "items" in schema:
            yield from _nested(document, owner, f"{name} items", schema["items"])
