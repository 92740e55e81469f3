"""Writes `contract.py`, the generated module of what the generator leaves out.

The generator carries types and enums into Python, but not bounds, the server's address or the operations' paths.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openapi_python_client.strings import snake_case

from _contract import BOUNDS, DESCRIPTIONS
from _document import ContractError, Problem, Steps, at, operations, parameters, resolved_steps, schemas, shown


def constants(document: dict[str, Any]) -> str:
    """Return the source of `contract.py`.

    It has the server, the operations, and a constant for each bound and default of a property or parameter, or of the
    members of one that is a list; the limits of `x-limits`; and the descriptions in `x-enumDescriptions`.

    Raises:
        ContractError: Two constants would have the same name, or there is no server.
    """
    found = list(problems(document))
    if not document.get("servers"):
        found.append((("servers",), "there is no server; add one"))
    if found:
        raise ContractError("\n".join(f"{shown(steps)}: {message}" for steps, message in found))
    server = document["servers"][0]["url"]
    values = {name: value for name, value, _ in _bounds(document)}
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


def problems(document: dict[str, Any]) -> Iterator[Problem]:
    """Find constants that would have the same name, and bounds that would have no constant."""
    named: list[tuple[str, Steps]] = [(name, steps) for name, _, steps in _bounds(document)]
    named += [(f"OPERATION_{snake_case(name).upper()}", ("paths", path, method, "operationId"))
              for name, method, path in operations(document)]  # fmt: skip
    named += [(f"LIMIT_{name.upper()}", ("x-limits", name)) for name in document.get("x-limits", {})]
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        if "enum" in schema:
            steps: Steps = ("components", "schemas", name)
            named += [(f"{snake_case(name).upper()}_DESCRIPTIONS", steps), (f"{name}Name", steps)]
    seen: dict[str, Steps] = {"SERVER": ("servers",), "Final": (), "Literal": ()}
    for constant, steps in named:
        if (other := seen.setdefault(constant, steps)) != steps:
            yield steps, f"the constant {constant} already stands for {shown(other)}; rename one of them"
    covered = {steps for _, _, steps in _bounds(document)}
    for place, schema in schemas(document):
        for keyword in (*BOUNDS, "default"):
            steps = (*place, keyword)
            if keyword in schema and steps not in covered and place[:2] == ("components", "schemas"):
                yield steps, "no constant has this bound, which is not that of a property or parameter; remove it"


def _bounds(document: dict[str, Any]) -> Iterator[tuple[str, object, Steps]]:
    """Yield each bound and default: the name of its constant, its value, and the steps to it."""
    for owner, name, steps in _bounded(document):
        schema = at(document, steps)
        for keyword in (*BOUNDS, "default"):
            value = schema.get(keyword)
            if isinstance(value, (str, int, float)):
                yield f"{snake_case(owner)}_{snake_case(name)}_{snake_case(keyword)}".upper(), value, (*steps, keyword)


def _bounded(document: dict[str, Any]) -> Iterator[tuple[str, str, Steps]]:
    """Yield each property and parameter, which may have a bound: owner, name, and the steps to its schema."""
    for owner in document.get("components", {}).get("schemas", {}):
        yield from _members(document, owner, "", ("components", "schemas", owner))
    for owner, method, path in operations(document):
        for steps, parameter in parameters(document, method, path):
            if "schema" in parameter:
                yield from _nested(document, owner, parameter["name"], (*steps, "schema"))
        operation = at(document, ("paths", path, method))
        if "requestBody" in operation:
            steps = resolved_steps(document, ("paths", path, method, "requestBody"))
            for media_type, content in at(document, steps).get("content", {}).items():
                if "schema" in content:
                    yield from _members(document, owner, "", (*steps, "content", media_type, "schema"))


def _members(document: dict[str, Any], owner: str, prefix: str, steps: Steps) -> Iterator[tuple[str, str, Steps]]:
    """Yield the properties of an object. One behind a reference has them under its own name."""
    schema = at(document, steps)
    for name in schema.get("properties", {}):
        yield from _nested(document, owner, f"{prefix} {name}", (*steps, "properties", name))
    for index in range(len(schema.get("allOf", ()))):
        yield from _members(document, owner, prefix, resolved_steps(document, (*steps, "allOf", index)))


def _nested(document: dict[str, Any], owner: str, name: str, steps: Steps) -> Iterator[tuple[str, str, Steps]]:
    """Yield a value, and what is written out within it: the members of a list, the properties of an object."""
    steps = _unwrapped(document, steps)
    yield owner, name, resolved_steps(document, steps)
    schema = at(document, steps)
    if "$ref" not in schema:
        yield from _members(document, owner, name, steps)
        if "items" in schema:
            yield from _nested(document, owner, f"{name} items", (*steps, "items"))


def _unwrapped(document: dict[str, Any], steps: Steps) -> Steps:
    """Return the steps to the only member of an `allOf`, which stands for it."""
    schema = at(document, steps)
    while "$ref" not in schema and len(schema.get("allOf", ())) == 1 and "properties" not in schema:
        steps = resolved_steps(document, (*steps, "allOf", 0))
        schema = at(document, steps)
    return steps
