"""Derives from the schemas of the contract which models, enums and mappings the generated package must contain.

It finds the schemas that the package cannot express. Of the generator it shares only the naming rules, and two parts
that get the same name are a problem.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openapi_python_client.strings import ClassName, PythonIdentifier, pascal_case

from _document import Problem, Steps, at, resolved_steps, shown, steps_of
from _schema_rules import (
    ANNOTATIONS,
    TYPES,
    WORDS,
    attribute_problems,
    enum_problems,
    member_name,
    model_problems,
    value_problems,
)

PREFIX = "field_"  # the generator's own, for a name that cannot begin an identifier
# Names that the templates import, and classes therefore cannot have.
NO_CLASSES = {*ANNOTATIONS, "Final", "Literal", "StrEnum"}


class ExpectedModels:
    """What the package must contain for the schemas, and the problems of the schemas."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.problems: list[Problem] = []
        self.models: dict[str, Any] = {}
        self.enums: dict[str, Any] = {}
        self.aliases: dict[str, Any] = {}
        self._document = document
        self._schemas: dict[str, Any] = document.get("components", {}).get("schemas", {})
        self._modules: dict[str, Steps] = {}
        self._references: dict[str, dict[str, Steps]] = {}
        self._open: list[Steps] = []
        for name in self._schemas:
            self._add_schema(name, ("components", "schemas", name))
        self.problems += self._cycles()

    def _report(self, steps: Steps, message: str) -> None:
        self.problems.append((steps, message))

    def _kind(self, steps: Steps) -> str:
        schema = at(self._document, steps)
        if "enum" in schema:
            return "enum"
        if "properties" in schema or "allOf" in schema:
            return "model"
        return "mapping" if schema.get("type") == "object" else "value"

    def _add_schema(self, name: str, steps: Steps) -> None:
        schema = at(self._document, steps)
        kind = self._kind(steps)
        if "$ref" in schema:
            self._report((*steps, "$ref"), "a schema cannot be another name of a schema; use the other one directly")
        elif kind == "value":
            if schema.get("type") == "array":
                self._report(steps, "an array cannot have a name; write it where it is used")
            elif "default" in schema:
                self._report((*steps, "default"), "is lost behind a $ref; write the default where the schema is used")
            self.type_of(steps)
        else:
            if ClassName(name, PREFIX) != name or name in NO_CLASSES:
                self._report(steps, f"no class can be called {name!r}; use another name, in PascalCase")
            found = self._claim(name, steps)
            if kind == "enum":
                self.problems += enum_problems(steps, schema)
                members = [[member_name(str(value)), value] for value in schema["enum"]]
                self.enums[name] = {**found, "members": members}
            elif kind == "mapping":
                self.problems += value_problems(steps, schema)
                self.aliases[name] = {**found, "type": self._mapping(steps, name)}
            else:
                self.models[name] = {**found, "fields": dict(self._fields(name, steps))}

    def _claim(self, name: str, steps: Steps) -> dict[str, Any]:
        module = str(PythonIdentifier(name, PREFIX))
        if (other := self._modules.setdefault(module, steps)) != steps:
            self._report(steps, f"the module {module}.py is already that of {shown(other)}; rename one of them")
        return {"steps": steps, "module": module}

    def _fields(self, owner: str, steps: Steps) -> Iterator[tuple[str, dict[str, Any]]]:
        properties, required = self._gather(steps)
        for place, name in required:
            if name not in properties:
                self._report(place, f"{name!r} is required, but is no property; add the property, or correct the name")
        needed = {name for _, name in required}
        names: dict[str, str] = {}
        for name, place in properties.items():
            self.problems += attribute_problems(place, name)
            if (other := names.setdefault(str(PythonIdentifier(name, PREFIX)), name)) != name:
                self._report(place, f"the generator gives it and {other!r} the same name; rename one of them")
            if name in self._schemas:
                self._report(place, f"no attribute can be called {name!r}, as a class is; rename the schema")
            schema = at(self._document, place)
            kind = self.type_of(place, owner, name, is_property=True)
            default = {"default": schema["default"]} if "default" in schema else {}
            if kind == "float" and isinstance(schema.get("default"), int):
                default = {"default": float(schema["default"])}
            secret = schema.get("format") == "password"
            yield name, {"steps": place, "type": kind, "required": name in needed, "secret": secret, **default}

    def _gather(self, steps: Steps, *, part: bool = False) -> tuple[dict[str, Steps], list[tuple[Steps, str]]]:
        """Return where an object's properties are, and the names of the required ones, with those from `allOf`."""
        schema = at(self._document, steps)
        self.problems += model_problems(steps, schema, part=part)
        properties: dict[str, Steps] = {name: (*steps, "properties", name) for name in schema.get("properties", ())}
        required = [((*steps, "required", index), name) for index, name in enumerate(schema.get("required", ()))]
        for index, given in enumerate(schema.get("allOf", ())):
            reference: Steps = (*steps, "allOf", index)
            if "$ref" in given and len(given) > 1:
                self._report(reference, "keywords beside $ref have no effect; remove them")
            place = resolved_steps(self._document, reference)
            member = at(self._document, place)
            if self._kind(place) != "model" and not {*member} <= {"type", "required", *WORDS}:
                self._report(reference, "allOf can only combine objects with properties; remove this member")
                continue
            more, names = self._gather(place, part=True)
            required += names
            for name, other in more.items():
                mine = properties.setdefault(name, other)
                if at(self._document, mine) != at(self._document, other):
                    self._report(
                        mine, f"allOf combines it with another {name!r}, {shown(other)}; make the schemas equal"
                    )
        return properties, required

    def type_of(self, steps: Steps, owner: str = "", name: str = "", *, is_property: bool = False) -> str:
        """Return the Python type of a schema, as `_verify` writes types."""
        schema = at(self._document, steps)
        if "$ref" in schema:
            if len(schema) > 1:
                self._report(steps, "keywords beside $ref have no effect; remove them")
            return self._referred(steps, owner, steps_of(schema["$ref"]))
        if "allOf" in schema:
            if len(schema["allOf"]) == 1 and "$ref" in schema["allOf"][0] and {*schema} <= {"allOf", *WORDS}:
                return self.type_of((*steps, "allOf", 0), owner, name)
            message = "only one $ref can stand in allOf here, with a description; give anything else a name"
            self._report((*steps, "allOf"), f"{message} under components.schemas")
            return "Any"
        if "enum" in schema or "properties" in schema:
            what = "enum" if "enum" in schema else "properties"
            self._report((*steps, what), "has no name; move the schema to components.schemas, and refer to it")
            return "Any"
        self.problems += value_problems(steps, schema)
        if schema.get("format") == "password" and not is_property:
            self._report((*steps, "format"), "a secret must be a property itself, without $ref, to stay out of a repr")
        kind = schema.get("type")
        if kind == "array" and "items" in schema:
            member = self.type_of((*steps, "items"), owner, f"{name}_item")
            self._reject_mapping((*steps, "items"), member)
            return f"tuple[{member}, ...]"
        if kind == "object":
            if not owner:
                self._report(steps, "has no name; move the schema to components.schemas, and refer to it")
            alias = str(ClassName(pascal_case(owner) + pascal_case(name), PREFIX))
            self.aliases[alias] = {**self._claim(alias, steps), "type": self._mapping(steps, alias)}
            return str(self.aliases[alias]["type"])
        return TYPES.get(str(kind), {}).get(schema.get("format"), "Any")

    def _referred(self, steps: Steps, owner: str, target: Steps) -> str:
        if "$ref" in at(self._document, target):
            return "Any"  # reported there
        kind, name = self._kind(target), str(target[-1])
        if kind in ("mapping", "model"):
            self._references.setdefault(owner, {}).setdefault(name, steps)
        if kind in ("enum", "model"):
            return name
        if target in self._open:
            return "Any"  # It contains itself, which `_cycles` reports.
        self._open.append(target)
        found = self._mapping(target, name) if kind == "mapping" else self.type_of(target)
        self._open.pop()
        return found

    def _mapping(self, steps: Steps, owner: str) -> str:
        schema = at(self._document, steps)
        value = schema.get("additionalProperties", True)
        if value is False or "required" in schema:
            self._report(steps, "an object without properties is a mapping, with any keys; add properties")
        if value is True or not value:
            return "Mapping[str, Any]"
        member = self.type_of((*steps, "additionalProperties"), owner, "AdditionalProperty")
        self._reject_mapping((*steps, "additionalProperties"), member)
        return f"Mapping[str, {member}]"

    def _reject_mapping(self, steps: Steps, kind: str) -> None:
        if kind.startswith("Mapping["):
            self._report(steps, "a mapping can only be a property, or it could be changed; give it properties")

    def _cycles(self) -> Iterator[Problem]:
        """Find models that contain each other, which cannot be imported."""
        done: set[str] = set()

        def visit(name: str, above: tuple[str, ...]) -> Iterator[Problem]:
            for target, steps in self._references.get(name, {}).items():
                if target in above:
                    chain = " -> ".join((*above[above.index(target) :], target))
                    yield steps, f"models cannot contain each other: {chain}; remove one of the references"
                elif target not in done:
                    yield from visit(target, (*above, target))
            done.add(name)

        for name in self._references:
            if name not in done:
                yield from visit(name, (name,))
