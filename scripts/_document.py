"""Finds the parts of an OpenAPI document.

`Steps` lead to a node: the keys and indexes from the root of the document. Most functions here need a document whose
references all lead to a node, which `_contract` checks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

Steps = tuple[str | int, ...]
Problem = tuple[Steps, str]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class ContractError(Exception):
    """No client can be generated from the document. The text has one line for each problem, with its place."""


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the ID, the method and the path of every operation."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if path.startswith("/") and method in item:
                yield item[method].get("operationId", f"{method} {path}"), method, path


def parameters(document: dict[str, Any], method: str, path: str) -> Iterator[tuple[Steps, dict[str, Any]]]:
    """Every parameter of an operation; one of the operation replaces one of the path with the same name and place."""
    found: dict[tuple[str, str], tuple[Steps, dict[str, Any]]] = {}
    for owner in (("paths", path), ("paths", path, method)):
        for index in range(len(at(document, owner).get("parameters", ()))):
            steps = resolved_steps(document, (*owner, "parameters", index))
            parameter = at(document, steps)
            found[parameter["in"], parameter["name"]] = steps, parameter
    yield from found.values()


def schemas(document: dict[str, Any]) -> Iterator[tuple[Steps, dict[str, Any]]]:
    """Every schema of the document, those inside other schemas too."""
    roots = [("components", "schemas", name) for name in document.get("components", {}).get("schemas", {})]
    for steps, _ in walk(document):
        if (
            steps[-1:] == ("schema",)
            and steps[:2] != ("components", "schemas")
            and not any(step in ("example", "examples") or str(step).startswith("x-") for step in steps)
        ):
            roots.append(steps)  # type: ignore[arg-type]
    todo: list[Steps] = list(reversed(roots))
    while todo:
        steps = todo.pop()
        schema = at(document, steps)
        if not isinstance(schema, dict):
            continue
        yield steps, schema
        todo += [(*steps, name) for name in ("items", "additionalProperties", "not") if name in schema]
        todo += [(*steps, "properties", name) for name in schema.get("properties", ())]
        for name in ("allOf", "oneOf", "anyOf"):
            todo += [(*steps, name, index) for index in range(len(schema.get(name, ())))]


def at(document: dict[str, Any], steps: Steps) -> Any:
    """Return the node to which steps lead."""
    node: Any = document
    for step in steps:
        node = node[step]
    return node


def resolved_steps(document: dict[str, Any], steps: Steps) -> Steps:
    """Return the steps to what a node refers to, or the steps themselves."""
    while isinstance(reference := at(document, steps).get("$ref"), str):
        steps = steps_of(reference)
    return steps


def resolved(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Return what a node refers to, or the node itself."""
    found = follow(document, node)
    assert found is not None, "load() rejects a reference to nothing"
    return found


def follow(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any] | None:
    """Follow the references of a node: None if there is nothing, and a node with a `$ref` if they are circular."""
    found: dict[str, Any] | None = node
    passed: set[str] = set()
    while found is not None and isinstance(reference := found.get("$ref"), str) and reference not in passed:
        passed.add(reference)
        found = _find(document, reference)
    return found


def steps_of(reference: str) -> Steps:
    """Return the steps of a reference, or of a JSON pointer."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in reference.removeprefix("#/").split("/"))


def _find(document: dict[str, Any], reference: str) -> dict[str, Any] | None:
    node: Any = document
    for step in steps_of(reference):
        if not isinstance(node, dict) or step not in node:
            return None
        node = node[step]
    return node if isinstance(node, dict) else None


def walk(node: Any, steps: Steps = ()) -> Iterator[tuple[Steps, Any]]:
    """Yield every node of a document, with the steps to it.

    Raises:
        ContractError: A node contains itself, which an alias of YAML can do.
    """
    if len(steps) > 100:
        raise ContractError(f"{shown(steps[:5])} ...: contains itself, or is nested more than 100 deep; remove it")
    yield steps, node
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, member in members:
        yield from walk(member, (*steps, step))


def reached(document: dict[str, Any], *, responses: bool) -> Iterator[tuple[Steps, dict[str, Any]]]:
    """Yield every node of which responses, or requests, consist, also behind references: its steps, and the node.

    Examples and names are not among them.
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


def shown(steps: Sequence[str | int]) -> str:
    return ".".join(str(step) for step in steps) or "the document"
