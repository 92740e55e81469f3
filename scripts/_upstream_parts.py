"""An OpenAPI document of any size as typed parts: operations, parameters, bodies and schemas.

Nothing is looked at before it is asked for, so that one resource of a large document costs no more than it is large
itself. References are followed and `allOf` is merged on the way. This module must not know what the parts are compared
with, nor what is written from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from _contract import BOUNDS
from _document import METHODS, Steps
from _upstream import Tree, canonical

# Where a schema is written: in one place, or in several that all hold.
Parts = tuple[Steps, ...]

DEEPEST = 100
# What a schema can demand, as far as it is read here.
STRUCTURE = frozenset(
    (*BOUNDS, "default", "type", "format", "nullable", "required", "properties", "items", "additionalProperties")
) | {"enum", "const", "oneOf", "anyOf", "allOf"}
# These tell people about a value, or how to show it. A schema of nothing else is words about another one.
WORDS = frozenset(("title", "description", "example", "examples", "externalDocs", "discriminator", "xml")) | {
    *("deprecated", "readOnly", "writeOnly", "$comment")
}
# What makes a scheme of authentication the one that it is.
SCHEME = ("type", "scheme", "in", "name", "flows", "openIdConnectUrl")
TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
# These say how wide a value is, or how to show it, and not what it is.
NO_FORMATS = ("int32", "int64", "password")


@dataclass(frozen=True)
class Schema:
    """What a schema demands, with the schemas within it as the places where they are written."""

    at: Steps
    key: Parts  # every place that it is merged from: what makes it the same schema as another one
    type: str | None
    format: str | None
    nullable: bool
    required: frozenset[str]
    properties: dict[str, Parts]
    items: Parts | None
    additional: bool | Parts
    enum: tuple[object, ...] | None
    bounds: dict[str, object]  # of _contract.BOUNDS, and the default
    choices: dict[str, tuple[Parts, ...]]  # oneOf and anyOf
    unknown: dict[str, object]  # keywords that nothing here understands, with what they have
    description: str
    example: object

    def children(self) -> Iterator[Parts]:
        """The schemas directly within this one."""
        yield from self.properties.values()
        yield from (part for part in (self.items, self.additional) if isinstance(part, tuple))
        for choice in self.choices.values():
            yield from choice


@dataclass(frozen=True)
class Parameter:
    """A value in the path, the query or a header."""

    at: Steps
    where: str
    name: str
    required: bool
    schema: Parts
    description: str
    example: object


@dataclass(frozen=True)
class Body:
    """What is sent, or what is answered with one status."""

    at: Steps
    required: bool
    media: str | None
    schema: Parts | None
    description: str


@dataclass(frozen=True)
class Operation:
    """What can be asked of the API."""

    at: Steps
    name: str
    method: str
    path: str
    summary: str
    description: str
    deprecated: bool
    access: dict[str, object]  # of Document.access, where it has its own
    parameters: dict[tuple[str, str], Parameter]
    body: Body | None
    responses: dict[str, Body]


class Document(Tree):
    """An OpenAPI document that nobody has checked, as typed parts."""

    def __init__(self, tree: dict[str, Any], name: str) -> None:
        super().__init__(tree, name)
        self._schemas: dict[Parts, Schema] = {}

    def access(self, at: Steps = ()) -> dict[str, object]:
        """The server that is asked, and the security, which is what requests must show, where a place has its own.

        Args:
            at: An operation or a path; without it, the place is the whole document.
        """
        found: dict[str, object] = {}
        if self.entries((*at, "servers")):
            found["server"] = (self.read((*at, "servers", 0, "url"), str) or "").rstrip("/")
        if (ways := self.read((*at, "security"), list)) is not None:
            found["security"] = [self._schemes((*at, "security", index)) for index in range(len(ways))]
        return found

    def listed(self) -> Iterator[tuple[Steps, str, str, list[Any]]]:
        """All operations, unchecked: where each is, its path, its ID and its tags."""
        for path, item in self.members(("paths",)).items():
            at = self.resolved(("paths", path)) if isinstance(item, dict) else ()
            for method in METHODS if at else ():
                if (given := self.members(at).get(method)) is not None:
                    known = given if isinstance(given, dict) else {}
                    tags = known.get("tags")
                    yield (*at, method), path, str(known.get("operationId", "")), tags if isinstance(tags, list) else []

    def operations(self, belongs: Callable[[str, str, list[Any]], bool]) -> Iterator[Operation]:
        """The operations that belong to a resource, with all that they refer to checked.

        Args:
            belongs: Tells by an operation's path, ID and tags.

        Raises:
            UpstreamError: They, or what they refer to, are not what OpenAPI says.
        """
        for path, item in self.members(("paths",)).items():
            if not isinstance(item, dict) and belongs(path, "", []):
                self.refuse(("paths", path), dict, item)
        for at, path, identity, tags in self.listed():
            if belongs(path, identity, tags):
                operation = self._operation(at, path)
                self._reach(operation)
                yield operation

    def schema(self, parts: Parts) -> Schema:
        """What all of the schemas at some places demand together."""
        if parts not in self._schemas:
            self._schemas[parts] = self._merged(parts)
        return self._schemas[parts]

    def _schemes(self, at: Steps) -> list[dict[str, Any]]:
        """What one way to be let in takes, without the names of the schemes, which are anybody's choice."""
        found = []
        for name in self.members(at):
            scheme = self.members(self.resolved(("components", "securitySchemes", name)))
            if not scheme:
                self.fail(at, f"there is no scheme {name!r}")
            scopes = self.entries((*at, name))
            found.append(
                {word: scheme[word] for word in SCHEME if word in scheme} | ({"scopes": scopes} if scopes else {})
            )
        return sorted(found, key=canonical)

    def _operation(self, at: Steps, path: str) -> Operation:
        self.read(at, dict)  # or else it would have nothing, and no mistake
        parameters = {}
        for owner in (at[:-1], at):  # an operation's own come last, and stand for the path's
            for index in range(len(self.entries((*owner, "parameters")))):
                found = self._parameter(self.resolved((*owner, "parameters", index)))
                parameters[found.where, found.name] = found
        given = self.members((*at, "responses"))
        return Operation(
            at=at,
            name=self.read((*at, "operationId"), str) or f"{at[-1]} {path}",
            method=str(at[-1]),
            path=path,
            summary=self.read((*at, "summary"), str) or "",
            description=self.read((*at, "description"), str) or "",
            deprecated=self.read((*at, "deprecated"), bool) or False,
            access={**self.access(at[:-1]), **self.access(at)},
            parameters=parameters,
            body=self._body((*at, "requestBody")) if self.read((*at, "requestBody"), dict) is not None else None,
            responses={status: self._body((*at, "responses", status)) for status in given},
        )

    def _parameter(self, at: Steps) -> Parameter:
        name, where = self.read((*at, "name"), str), self.read((*at, "in"), str)
        if name is None or where is None:
            self.fail(at, "is a parameter without `name` or `in`")
        return Parameter(
            at=at,
            where=where,
            name=name,
            required=self.read((*at, "required"), bool) or False,
            schema=((*at, "schema"),) if self.read((*at, "schema"), dict) is not None else (),
            description=self.read((*at, "description"), str) or "",
            example=self.get((*at, "example")),
        )

    def _body(self, steps: Steps) -> Body:
        at = self.resolved(steps)
        kinds = self.members((*at, "content"))
        media = "application/json" if "application/json" in kinds else next(iter(kinds), None)
        schema: Parts | None = None
        if media is not None and self.members((*at, "content", media)):
            place = (*at, "content", media, "schema")
            schema = (place,) if self.read(place, dict) is not None else None
        description = self.read((*at, "description"), str) or ""
        return Body(at, self.read((*at, "required"), bool) or False, media, schema, description)

    def _reach(self, operation: Operation) -> None:
        """Look at every schema of an operation once, so that a mistake in any of them is found before it is used."""
        bodies = [*operation.responses.values(), *([operation.body] if operation.body else [])]
        todo = [parameter.schema for parameter in operation.parameters.values()]
        todo += [body.schema for body in bodies if body.schema is not None]
        seen: set[Parts] = set()
        while todo:
            schema = self.schema(todo.pop())
            if schema.key not in seen:
                seen.add(schema.key)
                todo += schema.children()

    def _merged(self, parts: Parts) -> Schema:
        places: list[Steps] = []
        todo, seen = list(reversed(parts)), set()
        while todo:
            at = self.resolved(todo.pop())
            node = self.read(at, dict)
            if len(at) > DEEPEST:
                self.fail(at[:5], f"is nested more than {DEEPEST} deep")
            if at in seen:
                continue
            if node is None:
                self.refuse(at, dict, None)
            seen.add(at)
            if any(word not in WORDS and word != "allOf" and not word.startswith("x-") for word in node):
                places.append(at)
            todo += [(*at, "allOf", index) for index in reversed(range(len(self.entries((*at, "allOf")))))]
        return self._schema(parts, tuple(places))

    def _schema(self, parts: Parts, places: Parts) -> Schema:
        kinds = [name for at in places for name in self._types(at)]
        properties: dict[str, Parts] = {}
        choices: dict[str, tuple[Parts, ...]] = {}
        for at in places:
            for name in self.members((*at, "properties")):
                properties[name] = (*properties.get(name, ()), (*at, "properties", name))
            for word in ("oneOf", "anyOf"):
                if given := self.entries((*at, word)):
                    choices[word] = tuple(((*at, word, index),) for index in range(len(given)))
        items = tuple((*at, "items") for at in places if self.read((*at, "items"), dict) is not None)
        named = sorted({name for name in kinds if name != "null"})
        if not named and (properties or items):
            named = ["object"] if properties else ["array"]
        formats = [self.read((*at, "format"), str) for at in places]
        begin = self.resolved(parts[0]) if parts else ()
        about = tuple(dict.fromkeys((*((begin,) if begin else ()), *places)))
        return Schema(
            at=places[0] if len(places) == 1 else begin,
            key=places or (begin,),
            type="|".join(named) or None,
            format=next((name for name in formats if name and name not in NO_FORMATS), None),
            nullable="null" in kinds or any(self.read((*at, "nullable"), bool) for at in places),
            required=frozenset(name for at in places for name in self._names((*at, "required"))),
            properties=properties,
            items=items or None,
            additional=self._additional(places),
            enum=self._enum(places),
            bounds=self._bounds(places),
            choices=choices,
            unknown=self._unknown(places),
            description=next((text for at in about if (text := self.read((*at, "description"), str))), ""),
            example=next((found for at in about if (found := self.get((*at, "example"))) is not None), None),
        )

    def _types(self, at: Steps) -> list[str]:
        given = self.get((*at, "type"))
        # OpenAPI 3.1 has lists of types, of which one is "null".
        kinds = self._names((*at, "type")) if isinstance(given, list) else [self.read((*at, "type"), str)]
        if unknown := [kind for kind in kinds if kind is not None and kind not in TYPES]:
            self.fail((*at, "type"), f"no value is of the type {unknown[0]!r}")
        return [kind for kind in kinds if kind]

    def _additional(self, places: Parts) -> bool | Parts:
        open_to: list[Steps] = []
        for steps in ((*at, "additionalProperties") for at in places):
            given = self.get(steps)
            if given is False:
                return False
            if given is not None and given is not True and self.members(steps):
                open_to.append(steps)
        return tuple(open_to) or True

    def _enum(self, places: Parts) -> tuple[object, ...] | None:
        """The values that all allow."""
        lists = [values for at in places if (values := self._values(at)) is not None]
        if not lists:
            return None
        others = [{canonical(value) for value in values} for values in lists[1:]]
        return tuple(value for value in lists[0] if all(canonical(value) in other for other in others))

    def _values(self, at: Steps) -> list[object] | None:
        if (only := self.get((*at, "const"))) is not None:
            return [only]
        given = self.read((*at, "enum"), list)
        return None if given is None else [value for value in given if value is not None]

    def _bounds(self, places: Parts) -> dict[str, object]:
        """What all demand: of what is the least, the greatest, and of what is the most, the smallest."""
        found: dict[str, object] = {}
        for keyword, sign in (("minimum", 1), ("maximum", -1)):
            if edges := [(sign * value, left_out) for at in places for value, left_out in self._edges(at, keyword)]:
                value, left_out = max(edges)
                found[keyword] = sign * value
                found |= {f"exclusive{keyword.capitalize()}": True} if left_out else {}
        for keyword in BOUNDS:
            if keyword.lower().endswith(("minimum", "maximum")):
                continue
            kind: type[Any] = bool if keyword == "uniqueItems" else str if keyword == "pattern" else float
            given = [self.read((*at, keyword), kind) for at in places]
            # False says nothing, and a length of 0 or more is what any value has.
            values = [value for value in given if value or (value == 0 and keyword.startswith("max"))]
            if values:
                found[keyword] = max(values) if keyword.startswith("min") else min(values)
        default = next((value for at in places if (value := self.get((*at, "default"))) is not None), None)
        return found if default is None else {**found, "default": default}

    def _edges(self, at: Steps, keyword: str) -> Iterator[tuple[float, bool]]:
        """The least or the most that a number may be, and whether it is left out itself."""
        exclusive = (*at, f"exclusive{keyword.capitalize()}")
        flag = self.get(exclusive)
        if (value := self.read((*at, keyword), float)) is not None:
            yield value, flag is True
        # OpenAPI 3.1 has a number here, where 3.0 has it in `minimum` and says true.
        if not isinstance(flag, bool) and (value := self.read(exclusive, float)) is not None:
            yield value, True

    def _unknown(self, places: Parts) -> dict[str, object]:
        known = STRUCTURE | WORDS
        nodes = [self.members(at) for at in places]
        found = {
            word: value
            for node in nodes
            for word, value in node.items()
            if word not in known and not word.startswith("x-")
        }
        # Several of these hold at once, and no single one says the same.
        several = ("pattern", "multipleOf", "format")
        twice = [word for word in several if len({node[word] for node in nodes if word in node}) > 1]
        return {**found, "allOf": twice} if twice else found

    def _names(self, at: Steps) -> list[str]:
        given = self.entries(at)
        for index in range(len(given)):
            if self.read((*at, index), str) is None:
                self.refuse((*at, index), str, None)
        return given
