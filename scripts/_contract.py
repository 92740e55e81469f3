"""Reads an OpenAPI document and validates it.

`load` reports every problem with its line. The checks here hold for any client. `_expected` checks what the generated
package cannot express.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jsonschema.exceptions import ValidationError
from openapi_spec_validator import OpenAPIV30SpecValidator
from openapi_spec_validator.validation.exceptions import (
    DuplicateOperationIDError,
    ExtraParametersError,
    ParameterDuplicateError,
    UnresolvableParameterError,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

# `load` raises it, so importers of this module find it here.
from _document import ContractError as ContractError
from _document import (
    Problem,
    Steps,
    at,
    follow,
    operations,
    parameters,
    reached,
    resolved_steps,
    schemas,
    shown,
    steps_of,
    walk,
)

# Where jsonschema-rs is installed too, the validator would take that, whose errors are other ones.
os.environ["OPENAPI_SPEC_VALIDATOR_SCHEMA_VALIDATOR_BACKEND"] = "jsonschema"

# What a schema can demand of a value beyond its type.
BOUNDS = (
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"),
)


# The errors of the validator that do not say where. `_operation_problems` and `_expected_models` find them again.
WITHOUT_PLACE = (DuplicateOperationIDError, ExtraParametersError, ParameterDuplicateError, UnresolvableParameterError)
NO_DEFAULT = object()
# Redocly's extension that says what each member of an enum means.
DESCRIPTIONS = "x-enumDescriptions"


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
    # In this order: the validator fails on what the first finds, and the last needs a document of the right shape.
    try:
        problems = list(_indigestible(document)) or _schema_errors(document) or list(_unusable(document))
    except ContractError as error:  # of nodes that contain themselves, which no line could tell apart
        raise ContractError(f"{path}:1: {error}") from error
    raise_problems(path, problems)
    return document


def raise_problems(path: Path, problems: Iterable[Problem]) -> None:
    """Raise a ContractError with one line for each problem, or return if there is none."""
    if found := dict.fromkeys(problems):
        marked = YAML(typ="rt").load(path.read_text(encoding="utf-8"))  # which keeps the line of each node, but is slow
        lines = (f"{path}:{line_of(marked, steps)}: {shown(steps)}: {message}" for steps, message in found)
        raise ContractError("\n".join(lines))


def _indigestible(document: dict[str, Any]) -> Iterator[Problem]:
    """Find what makes the validator raise an exception instead of reporting an error."""
    broken = False
    for steps, node in walk(document):
        if isinstance(node, float) and not math.isfinite(node):
            yield steps, f"{node} is not a finite number; remove it or write a finite one"
        if isinstance(node, str) and not _is_text(node):
            yield steps, "contains half of a surrogate pair; remove it"
        if node is not None and not isinstance(node, dict | list | str | int | float):
            yield steps, f"YAML reads this as a {type(node).__name__}; put it in quotes"
        if not isinstance(node, dict):
            continue
        words = node.get(DESCRIPTIONS, {})
        if not isinstance(words, dict) or not all(isinstance(text, str) for text in words.values()):
            yield (*steps, DESCRIPTIONS), "must have a text for each value that it describes"
        if not steps and not isinstance(node.get("x-limits", {}), dict):
            yield ("x-limits",), "must have a whole number for each name"
        for key in node:
            if not isinstance(key, str):
                yield (*steps, key), f"the key {key!r} is no string: put it in quotes"
        reference = node.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#/"):
            broken = True
            yield (*steps, "$ref"), f"{reference!r} is outside this document; keep the contract in one file"
        elif isinstance(reference, str):
            found = follow(document, node)
            if found is None or isinstance(found.get("$ref"), str):
                message = f"nothing is at {reference!r}" if found is None else f"{reference!r} is circular"
                broken = True
                yield (*steps, "$ref"), message
            elif steps_of(reference)[:-1] != ("components", section := _section(steps)):
                yield (*steps, "$ref"), f"{reference!r} is not in components.{section}, as a reference here must be"
    for steps, node in () if broken else walk(document):  # which follows references
        if isinstance(node, dict) and _combines_itself(document, steps):
            yield (*steps, "allOf"), "the schema contains itself through allOf; remove this member"


def _is_text(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _section(steps: Steps) -> str:
    """Return the section of `components` to which a node can refer."""
    above = steps[-2] if len(steps) > 1 else ""
    if above in ("parameters", "responses", "headers", "examples", "links", "callbacks", "securitySchemes"):
        return str(above)
    return "requestBodies" if "requestBody" in steps[-1:] or above == "requestBodies" else "schemas"


def _combines_itself(document: dict[str, Any], steps: Steps, above: tuple[Steps, ...] = ()) -> bool:
    schema = at(document, steps)
    members = schema.get("allOf") if isinstance(schema, dict) else None
    if steps in above or not isinstance(members, list):
        return steps in above
    parts = (index for index, part in enumerate(members) if isinstance(part, dict))
    inner = (resolved_steps(document, (*steps, "allOf", index)) for index in parts)
    return any(_combines_itself(document, each, (*above, steps)) for each in inner)


def _schema_errors(document: dict[str, Any]) -> list[Problem]:
    problems = list(_schema_problems(document))
    # An error without a place most often follows from one that has a place.
    return [problem for problem in problems if problem[0]] or problems


def _schema_problems(document: dict[str, Any]) -> Iterator[Problem]:
    for error in _errors_of_the_validator(document):
        if isinstance(error, WITHOUT_PLACE):
            continue
        if isinstance(error.schema, dict) and error.schema.get("default", NO_DEFAULT) == error.instance:
            yield from (((*each, "default"), error.message) for each, node in walk(document) if node == error.schema)
            continue
        # The most precise of its causes: the meta-schema allows a `$ref` almost everywhere, and says so first.
        while error.context:
            causes = [cause for cause in error.context if "'$ref' is a required property" not in cause.message]
            error = max(causes or error.context, key=lambda cause: len(cause.absolute_path))
        steps = tuple(error.absolute_path)
        # The validator checks schemas a second time on their own. The steps of these errors begin at the schema.
        found = (each for each, node in walk(document) if node == error.instance)
        ends = [each for each in found if each[len(each) - len(steps) :] == steps]
        message = error.message if len(error.message) < 200 else f"{error.message[:90]} ... {error.message[-90:]}"
        yield min(ends, key=len, default=steps), message


def _errors_of_the_validator(document: dict[str, Any]) -> Iterator[ValidationError]:
    try:
        yield from OpenAPIV30SpecValidator(document).iter_errors()
    except Exception as error:  # noqa: BLE001 - it reads parts before it checks that they exist
        yield ValidationError(f"the validator failed with {type(error).__name__}: {str(error)[:150]}")


def _unusable(document: dict[str, Any]) -> Iterator[Problem]:
    """Find what is valid OpenAPI, but could only result in a wrong client."""
    for name, value in document.get("x-limits", {}).items():
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or type(value) is not int:
            yield ("x-limits", name), "a limit must be a whole number, and its name must be in snake_case"
    yield from _operation_problems(document)
    for steps, node in reached(document, responses=True):
        if isinstance(node.get("enum"), list):
            message = "responses are open: a client that knows only these values could not read a new one"
            yield (*steps, "enum"), f"{message}; name them in the description, and give requests a schema of their own"
    for steps, schema in schemas(document):
        for index, value in enumerate(schema.get("enum", ())):
            if isinstance(value, str) and not (value.isascii() and value.isprintable()):
                message = f"{value!r} has characters that generation would change; use printable ASCII characters"
                yield (*steps, "enum", index), message
        for member in schema.get(DESCRIPTIONS, {}):
            if member not in schema.get("enum", ()):
                yield (*steps, DESCRIPTIONS, member), f"{member!r} is described, but is no member of the enum"


def _operation_problems(document: dict[str, Any]) -> Iterator[Problem]:
    """Find operations without an ID of their own, and parameters that are repeated or do not match their path."""
    seen: dict[str, Steps] = {}
    for _, method, path in operations(document):
        steps: Steps = ("paths", path, method)
        name = at(document, steps).get("operationId")
        if name is None:
            yield steps, "has no operationId; add one"
        elif name in seen:
            yield (*steps, "operationId"), f"{name!r} is also the ID of {shown(seen[name])}; use another"
        else:
            seen[name] = steps
        for owner in (steps[:2], steps):
            count = len(at(document, owner).get("parameters", ()))
            places = [resolved_steps(document, (*owner, "parameters", index)) for index in range(count)]
            pairs = [(at(document, place)["in"], at(document, place)["name"]) for place in places]
            for index, pair in enumerate(pairs):
                if pair in pairs[:index]:
                    yield (*owner, "parameters", index), f"{pair[1]!r} is declared twice; remove one of the two"
        known = {}
        for place, parameter in parameters(document, method, path):
            if parameter["in"] == "path":
                known[parameter["name"]] = place
        for missing in sorted({*re.findall(r"{(.*?)}", path)} - {*known}):
            yield steps, f"the path contains {{{missing}}}, but no parameter has this name; declare it with `in: path`"
        for name, place in known.items():
            if f"{{{name}}}" not in path:
                yield place, f"the path {path} does not contain {{{name}}}; remove the parameter, or change the path"


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
