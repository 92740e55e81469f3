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
            "from typing import Final",
            "from msgspec import Meta",
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
            "# What a request's body need not have, and the bounds of that.",
            *(
                f"{snake_case(name).upper()}_OPTIONAL: Final[dict[str, Meta]] = {{{', '.join(optional)}}}"
                for name, optional in _optional(document).items()
            ),
            "",
        ]
    )


def _optional(document: dict[str, Any]) -> dict[str, list[str]]:
    """The optional properties of each schema that is a request's body, as items of a dict of msgspec's bounds."""
    found = {}
    for name, method, path in operations(document):
        body = resolved(document, document["paths"][path][method].get("requestBody", {}))
        for content in body.get("content", {}).values():
            # Who has no name is called as the operation is, as for bounds.
            schema = content.get("schema", {}).get("$ref", name).rpartition("/")[2]
            properties, required = _object(document, content.get("schema", {}))
            found[schema] = [
                f"{each!r}: Meta({_meta(document, f'{schema}.{each}', value)})"
                for each, value in properties.items()
                if each not in required
            ]
    return found


def _object(document: dict[str, Any], schema: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """The properties of an object, and which of them are required, with those of what it consists of."""
    schema = resolved(document, schema)
    properties, required = dict(schema.get("properties", {})), set(schema.get("required", ()))
    for part in schema.get("allOf", ()):
        more, demanded = _object(document, part)
        properties, required = {**more, **properties}, required | demanded
    return properties, required


def _meta(document: dict[str, Any], place: str, given: dict[str, Any]) -> str:
    """The bounds of a value that is optional, as arguments of msgspec's `Meta`."""
    schema, arguments = resolved(document, given), []
    if schema.get("nullable"):
        raise ContractError(f"{place}: null is no value of what is optional: None stands for its absence")
    for keyword in BOUNDS:
        if keyword not in schema or keyword in ("exclusiveMinimum", "exclusiveMaximum"):
            continue
        if schema.get("type") not in META.get(keyword, ("", ()))[1] or schema.get("format") in NO_STRINGS:
            raise ContractError(
                f"{place}: {keyword} is a bound that the client cannot check here, where it is optional"
            )
        value = schema[keyword]
        # What msgspec, or a float, cannot do.
        whole = isinstance(value, str) or (value == int(value) and abs(value) < 2**63)
        if not whole and (schema["type"] == "integer" or keyword == "multipleOf"):
            raise ContractError(f"{place}: {keyword} is {value}, which the client cannot check where it is optional")
        value = value if isinstance(value, str) or not whole else int(value)
        # OpenAPI 3.0 says beside a bound whether that itself is left out.
        left_out = schema.get(f"exclusive{keyword.capitalize()}", False)
        arguments.append(f"{LEFT_OUT[keyword] if left_out else META[keyword][0]}={value!r}")
    # An instant without its zone is another one for everybody.
    return ", ".join([*arguments, *(["tz=True"] if schema.get("format") == "date-time" else [])])


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
