"""Derives from the contract what the generated package must contain, and finds what the package cannot express.

`_verify` compares the package with the result. Nothing here uses the generator's parser, so that a mistake of the
generator cannot repeat itself here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openapi_python_client.strings import PythonIdentifier, snake_case

import _constants
from _contract import raise_problems
from _document import METHODS, Steps, at, operations, parameters, resolved, resolved_steps, shown
from _expected_models import PREFIX, ExpectedModels
from _schema_rules import unsupported

# Names that a builder uses itself, and names that the generator changes.
NO_PARAMETERS = {"body", "client", "params", "quote", "url"}
PATH_ITEM = {"parameters", "summary", "description", *METHODS}
OPERATION = {
    *("tags", "summary", "description", "operationId", "parameters", "requestBody", "responses"),
    *("deprecated", "externalDocs", "security"),
}
PARAMETER = {"name", "in", "required", "description", "schema", "example", "examples", "deprecated"}
RESPONSE = {"description", "content", "headers"}
MEDIA_TYPE = {"schema", "example", "examples"}


def expect(spec: Path, document: dict[str, Any]) -> dict[str, Any]:
    """Return what the package must contain, as plain data that JSON can express.

    Raises:
        ContractError: The package cannot express the contract. The text has a line for each problem.
    """
    expectation = Expectation(document)
    raise_problems(spec, expectation.problems)
    raise_problems(spec, _constants.problems(document))
    return expectation.data()


class Expectation:
    """What the package must contain, and what the contract demands that it cannot contain."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._models = ExpectedModels(document)
        self._operations: dict[str, Any] = {}
        self.problems = self._models.problems
        for path, item in document["paths"].items():
            self.problems += unsupported(("paths", path), item, PATH_ITEM) if path.startswith("/") else ()
        for _, method, path in operations(document):
            self._add_operation(("paths", path, method), method, path)
        server = next((server["url"] for server in document.get("servers", ())), "")
        if not re.fullmatch(r"https://[\w.-]+(:\d{1,5})?(/[\w./-]*)?", server, re.ASCII):
            message = f"the first URL must be https:// with a host and perhaps a port and a path, not {server!r}"
            self._report(("servers",), message)

    def data(self) -> dict[str, Any]:
        """Return what the package must contain, as JSON can express it."""
        return {
            "models": self._models.models,
            "enums": self._models.enums,
            "aliases": self._models.aliases,
            "operations": self._operations,
        }

    def _report(self, steps: Steps, message: str) -> None:
        self.problems.append((steps, message))

    def _add_operation(self, steps: Steps, method: str, path: str) -> None:
        operation = at(self._document, steps)
        self.problems += unsupported(steps, operation, OPERATION)
        name = snake_case(operation["operationId"])
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            self._report((*steps, "operationId"), f"no function can be called {name!r}; begin it with a letter")
        found = {"steps": steps, "method": method.upper(), "path": path}
        same = [other for other in self._operations.values() if other["name"] == name]
        if same:
            self._report((*steps, "operationId"), f"{name} is also the name of {shown(same[0]['steps'])}; use another")
        self._check_security(steps, operation)
        if re.search(r"[?#\s]", path):
            self._report(steps[:2], "a path cannot contain a query or spaces; declare parameters with `in: query`")
        body = self._body((*steps, "requestBody")) if "requestBody" in operation else None
        for status in operation["responses"]:
            self._check_response(resolved_steps(self._document, (*steps, "responses", status)))
        directory = PythonIdentifier(next(iter(operation.get("tags", ())), "default"), "tag")
        module = f"{directory}.{PythonIdentifier(operation['operationId'], PREFIX)}"
        given = list(self._parameters(method, path))
        self._operations[module] = {**found, "name": name, "parameters": given, "body": body}

    def _check_security(self, steps: Steps, operation: dict[str, Any]) -> None:
        own = "security" in operation
        required = operation["security"] if own else self._document.get("security", [])
        schemes = self._document.get("components", {}).get("securitySchemes", {})
        names = [name for requirement in required for name in requirement]
        used = [resolved(self._document, schemes[name]) if name in schemes else {} for name in names]
        bearers = [each for each in used if (each.get("type"), str(each.get("scheme")).lower()) == ("http", "bearer")]
        if not (len(required) == len(used) == len(bearers) == 1):
            message = "each request has one bearer token; require one scheme of `type: http` and `scheme: bearer`"
            self._report((*steps, "security") if own else ("security",), message)

    def _parameters(self, method: str, path: str) -> Iterator[dict[str, Any]]:
        names: dict[str, Steps] = {}
        for place, parameter in parameters(self._document, method, path):
            name, where = parameter["name"], parameter["in"]
            self.problems += unsupported(place, parameter, PARAMETER)
            python_name = str(PythonIdentifier(name, PREFIX))
            if where not in ("path", "query"):
                self._report((*place, "in"), f"parameters cannot be sent in a {where}; use `in: query`, or remove it")
            if python_name in NO_PARAMETERS:
                self._report(
                    (*place, "name"), f"the generated function uses {python_name!r} itself; rename the parameter"
                )
            if (other := names.setdefault(python_name, place)) != place:
                self._report(
                    (*place, "name"), f"{python_name!r} is also the name of {shown(other)}; rename one of them"
                )
            if where == "path" and (
                path.count(f"{{{name}}}") != 1 or not re.fullmatch(r"[a-zA-Z_-][\w-]*", name, re.ASCII)
            ):
                self._report(place, f"the path must contain {{{name}}} once, with letters, digits, - and _; rename it")
            kind = self._models.type_of((*place, "schema")) if "schema" in parameter else "Any"
            allowed = {"str", "int"} if where == "path" else {"str", "int", "float", "bool"}
            if kind not in allowed and kind not in self._models.enums:
                text = "a string, an integer" if where == "path" else "a string, an integer, a number, a boolean"
                self._report(place, f"the value can only be {text} or an enum; change its schema")
            yield {
                "name": name,
                "python_name": python_name,
                "in": where,
                "type": kind,
                "required": parameter.get("required", False),
                "steps": place,
            }

    def _body(self, steps: Steps) -> str | None:
        steps = resolved_steps(self._document, steps)
        body = at(self._document, steps)
        if not body.get("required"):
            self._report(steps, "the generated function always sends the body; add `required: true`")
        return self._content(steps, body, sent=True)

    def _check_response(self, steps: Steps) -> None:
        response = at(self._document, steps)
        self.problems += unsupported(steps, response, RESPONSE)
        if "content" in response:
            self._content(steps, response, sent=False)

    def _content(self, steps: Steps, node: dict[str, Any], *, sent: bool) -> str | None:
        place: Steps = (*steps, "content", "application/json")
        for media_type in node["content"]:
            if media_type != "application/json":
                self._report((*steps, "content", media_type), "only application/json is supported; remove it")
        media = node["content"].get("application/json")
        if media is None or "schema" not in media:
            self._report((*steps, "content"), "must have a schema for application/json; add it")
            return None
        self.problems += unsupported(place, media, MEDIA_TYPE)
        kind = self._models.type_of((*place, "schema"))
        if sent and kind not in self._models.models:
            self._report(
                (*place, "schema"), "a body must be an object with properties; refer to one in components.schemas"
            )
        return kind
