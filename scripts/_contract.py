"""Reads an OpenAPI document, says what is wrong with it and where, and writes down what the generator leaves out.

The generator carries types and enums into Python, but not bounds, the server's address or the operations' paths.
`constants` makes a module of those, so that openapi.yaml stays the one place where they are spelled. This module must
not know how or where the generated package is made.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from keyword import iskeyword
from pathlib import Path
from typing import Any

from jsonschema.exceptions import ValidationError
from openapi_python_client.strings import snake_case
from openapi_spec_validator import OpenAPIV30SpecValidator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

# Where jsonschema-rs is installed too, the validator would take that, whose errors are other ones.
os.environ["OPENAPI_SPEC_VALIDATOR_SCHEMA_VALIDATOR_BACKEND"] = "jsonschema"

Steps = tuple[str | int, ...]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
# What a schema can demand of a value beyond its type.
BOUNDS = (
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"),
)


# Redocly's extension that says what each member of an enum means.
DESCRIPTIONS = "x-enumDescriptions"


class ContractError(Exception):
    """The document is not one that a client could be made from; the text says what is wrong where, a line each."""


def load(path: Path) -> dict[str, Any]:
    """Read and check a document.

    Args:
        path: An OpenAPI 3.0 document in YAML (of which JSON is a part).

    Returns:
        The document as plain dictionaries and lists.

    Raises:
        ContractError: The file cannot be read, is no YAML, or is no OpenAPI 3.0 document.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = YAML(typ="safe").load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"{path}: cannot be read: {error}") from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ContractError(f"{path}:{line}: is no YAML: {error.problem or error.context}") from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise ContractError(f"{path}: is no YAML that can be read: {error}") from error
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3.0."):
        raise ContractError(f"{path}:1: is no OpenAPI 3.0 document: it does not begin with `openapi: 3.0.x`")
    # In this order: the validator cannot take what the first finds, and the last takes a document of the right shape.
    problems = list(_indigestible(document)) or list(_schema_errors(document)) or list(_unusable(document))
    if problems:
        marked = YAML(typ="rt").load(text)  # which remembers lines, and takes its time
        lines = (f"{path}:{_line(marked, steps)}: {_shown(steps)}: {message}" for steps, message in problems)
        raise ContractError("\n".join(dict.fromkeys(lines)))
    return document


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
    operations = {name: (method.upper(), path) for name, method, path in _operations(document)}
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
            f"SERVER: Final = {server!r}",
            "# The method and the path of each operation, by its ID.",
            f"OPERATIONS: Final[dict[str, tuple[str, str]]] = {operations!r}",
            *(f"{name}: Final = {value!r}" for name, value in sorted(values.items())),
            *(f"LIMIT_{name.upper()}: Final = {value!r}" for name, value in document.get("x-limits", {}).items()),
            *(
                f"{snake_case(name).upper()}_DESCRIPTIONS: Final[dict[str, str]] = {schema.get(DESCRIPTIONS, {})!r}"
                for name, schema in document.get("components", {}).get("schemas", {}).items()
                if "enum" in schema
            ),
            "",
        ]
    )


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The ID, the method and the path of every operation."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield item[method].get("operationId", f"{method} {path}"), method, path


def _bounded(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every property and parameter, which may carry a bound: owner, name and schema."""
    for owner, schema in document.get("components", {}).get("schemas", {}).items():
        yield from _members(document, owner, "", schema)
    for owner, method, path in _operations(document):
        item = document["paths"][path]
        operation = item[method]
        for given in (*item.get("parameters", ()), *operation.get("parameters", ())):
            parameter = _resolved(document, given)
            yield from _nested(document, owner, parameter["name"], parameter.get("schema", {}))
        for content in _resolved(document, operation.get("requestBody", {})).get("content", {}).values():
            yield from _members(document, owner, "", content.get("schema", {}))


def _members(
    document: dict[str, Any], owner: str, prefix: str, schema: dict[str, Any]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The properties of an object; one behind a reference has them under its own name."""
    for name, member in schema.get("properties", {}).items():
        yield from _nested(document, owner, f"{prefix} {name}", member)
    for part in schema.get("allOf", ()):
        yield from _members(document, owner, prefix, _resolved(document, part))


def _nested(
    document: dict[str, Any], owner: str, name: str, schema: dict[str, Any]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """A value, and what is written out within it: the members of a list, the properties of an object."""
    yield owner, name, _resolved(document, schema)
    if "$ref" not in schema:
        yield from _members(document, owner, name, schema)
        if "items" in schema:
            yield from _nested(document, owner, f"{name} items", schema["items"])


def _resolved(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    found = _follow(document, node)
    assert found is not None, "load() lets no reference pass that leads nowhere"
    return found


def _follow(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any] | None:
    """Where references lead from a node: None for nowhere, and a node with a `$ref` of its own for in a circle."""
    found: dict[str, Any] | None = node
    passed: set[str] = set()
    while found is not None and isinstance(reference := found.get("$ref"), str) and reference not in passed:
        passed.add(reference)
        found = _find(document, reference)
    return found


def _find(document: dict[str, Any], reference: str) -> dict[str, Any] | None:
    node: Any = document
    for step in reference.removeprefix("#/").split("/"):
        step = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, dict) or step not in node:
            return None
        node = node[step]
    return node if isinstance(node, dict) else None


def _walk(node: Any, steps: Steps = ()) -> Iterator[tuple[Steps, Any]]:
    """Every node of a document, with the way to it.

    Raises:
        ContractError: The nodes hold each other without end, as YAML's aliases let them.
    """
    if len(steps) > 100:
        raise ContractError(f"{_shown(steps[:5])} ...: holds itself, or is nested more than 100 deep")
    yield steps, node
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, member in members:
        yield from _walk(member, (*steps, step))


def _indigestible(document: dict[str, Any]) -> Iterator[tuple[Steps, str]]:
    """What the validator would answer with an exception of its own instead of an error."""
    for steps, node in _walk(document):
        if not isinstance(node, dict):
            continue
        for key in node:
            if not isinstance(key, str):
                yield (*steps, key), f"the key {key!r} is no string: put it in quotes"
        reference = node.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#/"):
            yield (*steps, "$ref"), f"{reference!r} leads out of this document; keep the contract in one file"
        elif isinstance(reference, str):
            found = _follow(document, node)
            if found is None or isinstance(found.get("$ref"), str):
                message = f"nothing is at {reference!r}" if found is None else f"{reference!r} leads in a circle"
                yield (*steps, "$ref"), message


def _schema_errors(document: dict[str, Any]) -> Iterator[tuple[Steps, str]]:
    for error in _errors_of_the_validator(document):
        # The most precise of its causes: the meta-schema allows a `$ref` almost everywhere, and says so first.
        while error.context:
            causes = [cause for cause in error.context if "'$ref' is a required property" not in cause.message]
            error = max(causes or error.context, key=lambda cause: len(cause.absolute_path))
        steps = tuple(error.absolute_path)
        # Schemas are looked at once more on their own, with ways that begin there.
        found = (way for way, node in _walk(document) if node == error.instance)
        ends = [way for way in found if way[len(way) - len(steps) :] == steps]
        message = error.message if len(error.message) < 200 else f"{error.message[:90]} ... {error.message[-90:]}"
        yield min(ends, key=len, default=steps), message


def _errors_of_the_validator(document: dict[str, Any]) -> Iterator[ValidationError]:
    try:
        yield from OpenAPIV30SpecValidator(document).iter_errors()
    except Exception as error:  # noqa: BLE001 - it looks for parts before it knows that they are there
        yield ValidationError(f"the validator gives up with {type(error).__name__}: {str(error)[:150]}")


def _unusable(document: dict[str, Any]) -> Iterator[tuple[Steps, str]]:
    """What is valid, but could only make a wrong client, or one that lacks a part."""
    for name, value in document.get("x-limits", {}).items():
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or not isinstance(value, int):
            yield ("x-limits", name), "a limit is a whole number, and has a name of small letters"
    for steps, schema in _walk(document.get("components", {}).get("schemas", {}), ("components", "schemas")):
        if not isinstance(schema, dict) or steps[-1] in ("properties", "example", "default"):
            continue
        if schema.get("format") == "password" and steps[-2] != "properties":
            yield (*steps, "format"), "a secret stays out of a repr only where it is a property itself, without a $ref"
        if isinstance(schema.get("default"), (list, dict)) or re.search(r'["\\]', str(schema.get("default", ""))):
            message = "only a number, a truth value or a string without quotes and backslashes reaches the models"
            yield (*steps, "default"), message
        for member in schema.get(DESCRIPTIONS, {}):
            if member not in schema.get("enum", ()):
                yield (*steps, DESCRIPTIONS, member), f"{member!r} is described, but is no member of the enum"
        if not isinstance(schema.get("properties"), dict):
            continue
        if isinstance(schema.get("additionalProperties"), dict):
            yield (*steps, "additionalProperties"), "a model keeps no further properties beside its own"
        for name in schema["properties"]:
            if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) or iskeyword(name) or name in ("from_dict", "to_dict"):
                yield (*steps, "properties", name), f"no attribute of a model can be called {name!r}"
        for index, name in enumerate(schema.get("required", ())):
            if name not in schema["properties"]:
                yield (*steps, "required", index), f"{name!r} is required, but is no property"


def _line(marked: Any, steps: Sequence[str | int]) -> int:
    line = 0
    for step in steps:
        positions = getattr(getattr(marked, "lc", None), "data", None) or {}
        if step not in positions:
            break
        line = positions[step][0]
        marked = marked[step]
    return int(line) + 1


def _shown(steps: Sequence[str | int]) -> str:
    return ".".join(str(step) for step in steps) or "the document"
