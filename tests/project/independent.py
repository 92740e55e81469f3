"""Compares a generated package with the document that it was generated from, by what both accept.

This is a program of its own, since a process can import only one package of this name. It shares nothing with scripts/:
for each schema it asks the package and a JSON Schema validator whether they accept the same objects. It prints what
differs, a line each.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import httpx
from msgspec import ValidationError
from openapi_schema_validator import OAS30Validator

PACKAGE = "incident_io_keys_generated"
# One of each JSON type. None of the bounds of the schemas matters here: the models check types only.
VALUES: tuple[Any, ...] = (True, 7, 1.5, "x", {"unknown": "x"}, [[]])
BOUNDS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern", "multipleOf", "default")


def unbounded(node: Any) -> Any:
    """The same without bounds and defaults."""
    if isinstance(node, list):
        return [unbounded(each) for each in node]
    if not isinstance(node, dict):
        return node
    found = {key: value for key, value in node.items() if key not in BOUNDS or isinstance(value, dict)}
    return {key: unbounded(value) for key, value in found.items()}


class Document:
    """The document, and what it accepts."""

    def __init__(self, tree: dict[str, Any]) -> None:
        self.tree = tree
        self.schemas = tree["components"]["schemas"]
        self.components = unbounded(tree["components"])

    def at(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            found: Any = self.tree
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step.replace("~1", "/").replace("~0", "~")]
            node = found
        return node

    def accepts(self, name: str, value: Any) -> bool:
        schema = {**self.components["schemas"][name], "components": self.components}
        return bool(OAS30Validator(schema).is_valid(value))

    def properties(self, schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
        schema = self.at(schema)
        found: dict[str, dict[str, Any]] = {}
        for member in schema.get("allOf", ()):
            found |= self.properties(member)
        found |= schema.get("properties", {})
        return found

    def sample(self, schema: dict[str, Any]) -> Any:
        schema = self.at(schema)
        if "enum" in schema:
            return schema["enum"][-1]
        if "allOf" in schema or "properties" in schema:
            return {name: self.sample(each) for name, each in self.properties(schema).items()}
        if schema["type"] == "array":
            return [self.sample(schema["items"])]
        if schema["type"] == "object":
            values = schema.get("additionalProperties", True)
            return {"k": self.sample(values) if isinstance(values, dict) and values else 1}
        formats = {"date-time": "2021-08-17T13:28:57Z", "date": "2021-08-17"}
        return {"string": formats.get(schema.get("format", ""), "x/ y"), "integer": 7, "number": 1.5, "boolean": True}[
            schema["type"]
        ]


def schema_differences(document: Document, models: Any) -> Iterator[str]:
    classes = {name for name in models.__all__ if inspect.isclass(getattr(models, name))}
    named = {name for name, each in document.schemas.items() if {"enum", "properties", "allOf"} & {*each}}
    if classes != named:
        yield f"classes: {sorted(classes)}; schemas: {sorted(named)}"
    for name in classes & named:
        schema, model = document.schemas[name], getattr(models, name)
        if "enum" in schema:
            if [member.value for member in model] != schema["enum"]:
                yield f"{name}: {list(model)} and {schema['enum']}"
            continue
        full, properties = document.sample(schema), document.properties(schema)
        assert document.accepts(name, full), (name, full)
        again = json.loads(json.dumps(model.from_dict(full).to_dict()))
        if again != full:
            yield f"{name}: {full} becomes {again}"
        for key, each in properties.items():
            objects = [{other: value for other, value in full.items() if other != key}]
            if "default" in each:
                objects.clear()
            if document.at(each).get("format") not in ("date", "date-time"):
                objects += [{**full, key: value} for value in VALUES]
                objects += [{**full, key: [value]} for value in VALUES]
            for value in objects:
                try:
                    model.from_dict(value)
                    accepted = True
                except ValidationError:
                    accepted = False
                if accepted != document.accepts(name, value):
                    yield f"{name}.{key}: {value} is {'accepted' if accepted else 'rejected'}"


def operation_differences(document: Document, package: Any) -> Iterator[str]:
    wanted: list[Any] = []
    for path, item in document.tree["paths"].items():
        for method in {*item} & {"get", "put", "post", "delete", "patch", "head", "options", "trace"}:
            operation = item[method]
            given = {}
            for each in (*item.get("parameters", ()), *operation.get("parameters", ())):
                parameter = document.at(each)
                given[parameter["in"], parameter["name"]] = parameter
            url = re.sub(r"{(.*?)}", lambda m: str(document.sample(given["path", m[1]]["schema"])), path)  # noqa: B023
            query = {
                name: str(document.sample(each["schema"])).lower()
                for (place, name), each in given.items()
                if place == "query"
            }
            body = None
            if "requestBody" in operation:
                content = document.at(operation["requestBody"])["content"]["application/json"]
                body = document.sample(content["schema"])
            wanted.append([method.upper(), url, sorted(query.items()), body])
    found: list[Any] = []
    models = importlib.import_module(f"{PACKAGE}.models")
    for module in pkgutil.walk_packages(package.__path__, f"{PACKAGE}.api."):
        build = getattr(importlib.import_module(module.name), "build_request", None)
        if build is None:
            continue
        arguments = {}
        for name, each in inspect.signature(build).parameters.items():
            kind = str(each.annotation).split(" | ")[0] if "|" in str(each.annotation) else each.annotation.__name__
            kind = kind.rpartition(".")[2]
            if kind in models.__all__:
                value = document.sample(document.schemas[kind])
                model = getattr(models, kind)
                arguments[name] = model(value) if "enum" in document.schemas[kind] else model.from_dict(value)
            else:
                arguments[name] = {"str": "x/ y", "int": 7, "float": 1.5, "bool": True}[kind]
        request = httpx.Client(base_url="https://api.example").build_request(**build(**arguments))
        body = json.loads(request.content) if request.content else None
        sent = sorted((key, value.lower()) for key, value in request.url.params.multi_items())
        found.append([request.method, unquote(request.url.raw_path.decode().partition("?")[0]), sent, body])
    if sorted(json.dumps(each, sort_keys=True) for each in found) != sorted(
        json.dumps(each, sort_keys=True) for each in wanted
    ):
        yield f"requests: {found}; operations: {wanted}"


def bound_differences(document: Document, contract: Any) -> Iterator[str]:
    def walk(node: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(node, dict) and isinstance(node.get("type"), str):
            yield from ((key, node[key]) for key in BOUNDS if key in node)
        for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from walk(each)

    for tree in (document.tree["paths"], {name: each for name, each in document.schemas.items() if "type" in each}):
        for keyword, value in walk(tree):
            suffix = re.sub("([A-Z])", r"_\1", keyword).upper()
            if value not in [each for name, each in vars(contract).items() if name.endswith(suffix)]:
                yield f"no constant {suffix} is {value!r}"


def main() -> None:
    document = Document(json.load(sys.stdin))
    package = importlib.import_module(f"{PACKAGE}.api")
    lines = (
        *schema_differences(document, importlib.import_module(f"{PACKAGE}.models")),
        *operation_differences(document, package),
        *bound_differences(document, importlib.import_module(f"{PACKAGE}.contract")),
    )
    print(*lines, sep="\n", end="")  # noqa: T201 - which the test reads


if __name__ == "__main__":
    main()
