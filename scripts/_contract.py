"""Reads an OpenAPI document, says what is wrong with it and where, and finds the way about in it.

This module must not know what is made of the document.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from keyword import iskeyword
from pathlib import Path
from typing import Any

from jsonschema.exceptions import ValidationError
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
        lines = (f"{path}:{line_of(marked, steps)}: {_shown(steps)}: {message}" for steps, message in problems)
        raise ContractError("\n".join(dict.fromkeys(lines)))
    return document


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The ID, the method and the path of every operation."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield item[method].get("operationId", f"{method} {path}"), method, path


def resolved(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    found = follow(document, node)
    assert found is not None, "load() lets no reference pass that leads nowhere"
    return found


def follow(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any] | None:
    """Where references lead from a node: None for nowhere, and a node with a `$ref` of its own for in a circle."""
    found: dict[str, Any] | None = node
    passed: set[str] = set()
    while found is not None and isinstance(reference := found.get("$ref"), str) and reference not in passed:
        passed.add(reference)
        found = _find(document, reference)
    return found


def steps_of(reference: str) -> Steps:
    """The way that a reference, or a pointer, leads."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in reference.removeprefix("#/").split("/"))


def _find(document: dict[str, Any], reference: str) -> dict[str, Any] | None:
    node: Any = document
    for step in steps_of(reference):
        if not isinstance(node, dict) or step not in node:
            return None
        node = node[step]
    return node if isinstance(node, dict) else None


def walk(node: Any, steps: Steps = ()) -> Iterator[tuple[Steps, Any]]:
    """Every node of a document, with the way to it.

    Raises:
        ContractError: The nodes hold each other without end, as YAML's aliases let them.
    """
    if len(steps) > 100:
        raise ContractError(f"{_shown(steps[:5])} ...: holds itself, or is nested more than 100 deep")
    yield steps, node
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, member in members:
        yield from walk(member, (*steps, step))


def _indigestible(document: dict[str, Any]) -> Iterator[tuple[Steps, str]]:
    """What the validator would answer with an exception of its own instead of an error."""
    for steps, node in walk(document):
        if not isinstance(node, dict):
            continue
        for key in node:
            if not isinstance(key, str):
                yield (*steps, key), f"the key {key!r} is no string: put it in quotes"
        reference = node.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#/"):
            yield (*steps, "$ref"), f"{reference!r} leads out of this document; keep the contract in one file"
        elif isinstance(reference, str):
            found = follow(document, node)
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
        found = (way for way, node in walk(document) if node == error.instance)
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
    for steps, node in reached(document, responses=True):
        if isinstance(node.get("enum"), list):
            message = "what the API answers is open: a client that knows only these values could not read the next one"
            yield (*steps, "enum"), f"{message}; name them in the description, and give requests a schema of their own"
    for steps, schema in walk(document.get("components", {}).get("schemas", {}), ("components", "schemas")):
        if not isinstance(schema, dict) or steps[-1] in ("properties", "example", "default"):
            continue
        if schema.get("format") == "password" and steps[-2] != "properties":
            yield (*steps, "format"), "a secret stays out of a repr only where it is a property itself, without a $ref"
        if isinstance(schema.get("default"), (list, dict)) or re.search(r'["\\]', str(schema.get("default", ""))):
            message = "only a number, a truth value or a string without quotes and backslashes reaches the models"
            yield (*steps, "default"), message
        for index, value in enumerate(schema.get("enum", ())):
            if isinstance(value, str) and not (value.isascii() and value.isprintable()):
                yield (
                    (*steps, "enum", index),
                    f"{value!r} is another value in Python, or one that nobody can read",
                )
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


def reached(document: dict[str, Any], *, responses: bool) -> Iterator[tuple[Steps, dict[str, Any]]]:
    """Every node that what is received consists of, or what is sent, behind references too: its place, and the node.

    What is only an example, or a name, is none of them.
    """
    todo: list[tuple[Steps, Any]] = []
    for _, method, path in operations(document):
        place, item = ("paths", path), document["paths"][path]
        if responses:
            todo += [((*place, method, "responses", key), value) for key, value in item[method]["responses"].items()]
        else:
            given = [(place, item), ((*place, method), item[method])]
            todo += [
                ((*at, "parameters", index), each)
                for at, node in given
                for index, each in enumerate(node.get("parameters", ()))
            ]
            todo += [((*place, method, "requestBody"), item[method].get("requestBody"))]
    passed: set[Steps] = set()
    while todo:
        steps, node = todo.pop()
        if steps in passed or not isinstance(node, dict):
            continue
        passed.add(steps)
        yield steps, node
        if isinstance(reference := node.get("$ref"), str):
            todo.append((steps_of(reference), _find(document, reference)))
        for name in ("schema", "items", "additionalProperties", "not"):
            todo.append(((*steps, name), node.get(name)))
        for name in ("content", "properties"):
            members = node.get(name)
            todo += [((*steps, name, key), each) for key, each in members.items()] if isinstance(members, dict) else []
        for name in ("allOf", "oneOf", "anyOf"):
            todo += [((*steps, name, index), each) for index, each in enumerate(node.get(name, ()))]


def line_of(marked: Any, steps: Sequence[str | int]) -> int:
    """The line of a document where a place is, or the nearest place above it that exists.

    Args:
        marked: The document as ruamel.yaml loads it for a round trip, with line numbers.
        steps: The place.
    """
    line = 0
    for step in steps:
        step = int(step) if isinstance(marked, list) else step
        positions = getattr(getattr(marked, "lc", None), "data", None) or {}
        if step not in positions:
            break
        line = positions[step][0]
        marked = marked[step]
    return int(line) + 1


def _shown(steps: Sequence[str | int]) -> str:
    return ".".join(str(step) for step in steps) or "the document"
