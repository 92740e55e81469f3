"""openapi.yaml, as the tests need it: to look things up, and to hold values and whole exchanges against it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent

EXAMPLES = {
    "create_request": "CreateAPIKeyRequest",
    "create_response": "CreateAPIKeyResponse",
    "list_response": "ListAPIKeysResponse",
}


@cache
def contract() -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe").load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))
    return document


def example(name: str) -> Any:
    """An example of the reference pages, to be changed as one likes."""
    return deepcopy(contract()["components"]["examples"][EXAMPLES[name]]["value"])


def validate(value: object, schema: str) -> None:
    """Fail if a value does not fit the schema of that name."""
    _validator(schema, strict=False).validate(value)


def misfits(request: httpx.Request, response: httpx.Response, *, strangers: bool = False) -> Iterator[str]:
    """What in an exchange the contract does not foresee, down to properties of which it does not know.

    A request that is refused need not fit; what is answered must, and a request that is granted, but for one of
    strangers, who may send more than is documented.
    """
    path = request.url.path
    found = [(template, item) for template, item in contract()["paths"].items() if _matches(template, path)]
    if not found:
        yield from _misfits_of_body(response.json(), "ErrorResponse")
        return
    [(template, item)] = found
    operation = item.get(request.method.lower())
    if operation is None:
        if response.status_code != 405:
            yield f"{request.method} {template} is not documented, but answered with {response.status_code}"
        yield from _misfits_of_body(response.json(), "ErrorResponse")
        return
    name = operation["operationId"]
    if response.is_success and not strangers:
        yield from (f"{name}: {misfit}" for misfit in _misfits_of_request(request, operation))
    documented = operation["responses"].get(str(response.status_code))
    if documented is None:
        yield f"{name}: the status {response.status_code} is not documented"
        return
    documented = _resolved(documented)
    if "content" not in documented:
        if response.content:
            yield f"{name}: {response.status_code} has a body"
        return
    [(kind, media)] = documented["content"].items()
    if response.headers.get("Content-Type") != kind:
        yield f"{name}: the body of {response.status_code} is {response.headers.get('Content-Type')}"
    for misfit in _misfits_of_body(response.json(), media["schema"]["$ref"].rpartition("/")[2]):
        yield f"{name}: {response.status_code}: {misfit}"
    known = {header.lower(): _resolved(value)["schema"]["type"] for header, value in documented["headers"].items()}
    for header, value in response.headers.items():
        if header not in known and header not in {"content-type", "content-length", "date"}:
            yield f"{name}: the header {header} of {response.status_code} is not documented"
        elif known.get(header) == "integer" and not value.isdecimal():
            yield f"{name}: the header {header} of {response.status_code} is {value!r}"


def _misfits_of_request(request: httpx.Request, operation: dict[str, Any]) -> Iterator[str]:
    documented = {parameter["name"]: parameter["schema"] for parameter in operation.get("parameters", ())}
    for name, text in request.url.params.multi_items():
        if name not in documented:
            yield f"the query parameter {name} is not documented"
            continue
        schema = documented[name]
        value = int(text) if schema["type"] == "integer" and re.fullmatch(r"-?\d+", text) else text
        yield from (f"{name}: {error.message}" for error in jsonschema_rs.Draft4Validator(schema).iter_errors(value))
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        yield from _misfits_of_body(json.loads(request.content), schema)
    elif request.content:
        yield "a body is not documented"


def _misfits_of_body(body: object, schema: str) -> Iterator[str]:
    for error in _validator(schema, strict=True).iter_errors(body):
        yield f"{'/'.join(map(str, error.instance_path)) or 'the body'}: {error.message}"


def _matches(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) is not None


def _resolved(value: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in value:
        return value
    found: Any = contract()
    for step in value["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    resolved: dict[str, Any] = found
    return resolved


@cache
def _validator(schema: str, *, strict: bool) -> jsonschema_rs.Draft4Validator:
    components = deepcopy({"schemas": contract()["components"]["schemas"]})
    if strict:
        for each in components["schemas"].values():
            if each["type"] == "object":
                each.setdefault("additionalProperties", False)
    document = {"allOf": [{"$ref": f"#/components/schemas/{schema}"}], "components": components}
    return jsonschema_rs.Draft4Validator(document, validate_formats=True)
