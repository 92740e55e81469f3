"""Drafts parts of openapi.yaml from the vendor's document: schemas, parameters, responses and operations.

They have our names and our form, share with the rest of openapi.yaml what can be shared, and have upstream's words, for
a person to replace. This module must not know which parts are missing, nor why.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeVar

from openapi_python_client.strings import pascal_case
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, FoldedScalarString

import _yaml_edit
from _upstream_compare import Comparison
from _upstream_parts import Body, Operation, Parameter, Parts, Schema

T = TypeVar("T")

COMMENT = "From upstream: put it into words of ours."
# A text that is longer has lines of its own.
LONGEST = 90
SCALARS = ("string", "integer", "number", "boolean")


class ByHandError(Exception):
    """A part cannot be drafted; the text says why a person has to write it."""


class Draft:
    """Makes parts for one document.

    Args:
        comparison: The two documents, already compared.
        document: The one that grows; new schemas go there at once, everything else is returned.
    """

    def __init__(self, comparison: Comparison, document: CommentedMap) -> None:
        self.comparison = comparison
        self.theirs = comparison.theirs
        self.document = document
        # The schemas that were drafted as components, by what they are and whether they are sent.
        self._named: dict[tuple[Parts, bool], str] = {}
        self._under_way: set[tuple[Parts, bool]] = set()

    def schema(self, parts: Parts, *, sent: bool, name: str = "") -> CommentedMap:
        """A schema: a reference where it has a name, or is to have one, else written out.

        Args:
            parts: Where it stands upstream.
            sent: It is sent, so that its bounds and values count.
            name: What it is to be called if it is an object that nothing like it is here yet.
        """
        schema = self.theirs.schema(parts)
        if known := self._known(parts, schema, sent=sent, alike=bool(name) or (sent and schema.enum is not None)):
            return reference("schemas", known)
        at = self.theirs.resolved(parts[0]) if len(parts) == 1 else ()
        own = len(at) == 3 and at[:2] == ("components", "schemas")
        if not name and (not own or (schema.type in SCALARS and not (sent and schema.enum))):
            return self.written_out(schema, sent=sent)
        wanted = name or re.sub(r"V\d+$", "", str(at[-1]))
        if not re.fullmatch(r"\w+", wanted, re.ASCII):
            raise ByHandError(f"no schema can be called {wanted!r}")
        return reference("schemas", self._component(wanted, schema, sent=sent))

    def written_out(self, schema: Schema, *, sent: bool) -> CommentedMap:
        """A schema without a name."""
        if (schema.key, sent) in self._under_way:
            raise ByHandError("it holds itself without having a name")
        self._under_way.add((schema.key, sent))
        if schema.type and "|" in schema.type:
            raise ByHandError("it is of several types at once")
        made = CommentedMap({"type": schema.type} if schema.type else {})
        if schema.format:
            made["format"] = seen(schema.format)
        if schema.nullable:
            made["nullable"] = True
        # What is received has no enum, so that a client survives new values.
        if text := words(schema.description, () if sent else schema.enum or ()):
            made["description"] = text
        if sent:
            if schema.enum is not None:
                made["enum"] = allowed(schema.enum)
            for keyword, value in schema.bounds.items():
                made[keyword] = plain(keyword, value)
            if required := [name for name in schema.properties if name in schema.required]:
                made["required"] = flow(required)
        if schema.properties:
            members = ((attribute(name), self.schema(part, sent=sent)) for name, part in schema.properties.items())
            made["properties"] = CommentedMap(members)
        if schema.items:
            made["items"] = self.schema(schema.items, sent=sent)
        if schema.additional is not True:
            additional = schema.additional
            made["additionalProperties"] = self.schema(additional, sent=sent) if additional else False
        for word, choice in schema.choices.items():
            made[word] = CommentedSeq([self.schema(part, sent=sent) for part in choice])
        if (shown := example(schema.example)) is not None:
            made["example"] = shown
        self._under_way.discard((schema.key, sent))
        return made

    def parameter(self, given: Parameter) -> CommentedMap:
        """A parameter of an operation; that in the path is shared where we have one of that name."""
        for name, ours in (self.document["components"].get("parameters") or {}).items():
            if (ours["name"], ours["in"]) == (given.name, given.where) and given.where == "path":
                return reference("parameters", name)
        made = CommentedMap(name=seen(given.name))
        made["in"] = seen(given.where)
        made["required"] = given.required
        if given.description:
            made["description"] = words(given.description)
        made["schema"] = self.schema(given.schema, sent=True)
        made["schema"].pop("description", None)
        shown = made["schema"].pop("example", None)
        if (shown := example(given.example) or shown) is not None:
            made["example"] = shown
        return made

    def body(self, given: Body, *, sent: bool, name: str) -> CommentedMap:
        """What stands under `content`."""
        media = CommentedMap()
        if given.schema:
            media["schema"] = self.schema(given.schema, sent=sent, name=name)
        return CommentedMap({seen(given.media): media})

    def request(self, given: Body, operation: str) -> CommentedMap:
        """The body of a request."""
        made = CommentedMap(required=given.required)
        made["content"] = self.body(given, sent=True, name=f"{titled(operation)}Request")
        return made

    def response(self, status: str, given: Body, operation: str) -> CommentedMap:
        """The response of one status: for an error, ours that other operations have."""
        methods = [method for item in self.document["paths"].values() for method in item.values()]
        known = [method["responses"] for method in methods if isinstance(method, dict)]
        if status >= "4":
            for responses in known:
                if "$ref" in responses.get(status, {}):
                    return reference(*responses[status]["$ref"].split("/")[-2:])
        made = CommentedMap(description=words(given.description or f"The answer with the status {status}."))
        headers = (found["headers"] for responses in known for found in responses.values() if "headers" in found)
        if (shared := next(headers, None)) is not None:
            made["headers"] = shared  # the very same, which is written as an alias
        if given.media:
            made["content"] = self.body(given, sent=False, name=f"{titled(operation)}Response")
        return made

    def operation(self, name: str, given: Operation) -> CommentedMap:
        """An operation, with all of its parameters."""
        made = CommentedMap(tags=flow([tag["name"] for tag in self.document.get("tags", ())][:1]))
        made["operationId"] = name
        made["summary"] = re.sub(r" V\d+$", "", line(given.summary)) or name.replace("_", " ").capitalize()
        if given.description:
            made["description"] = words(given.description)
        if given.parameters:
            made["parameters"] = CommentedSeq([self.parameter(found) for found in given.parameters.values()])
        if given.body:
            made["requestBody"] = self.request(given.body, name)
        statuses = sorted(given.responses.items())
        made["responses"] = CommentedMap(
            (DoubleQuotedScalarString(status), self.response(status, body, name)) for status, body in statuses
        )
        return made

    def names(self) -> set[str]:
        """The schemas that were added."""
        return set(self._named.values())

    def forget(self, kept: set[str]) -> None:
        """Take back the schemas that were added since `names` gave that answer."""
        for key, name in list(self._named.items()):
            if name not in kept:
                del self._named[key]
                if name in self._schemas():
                    _yaml_edit.remove(self._schemas(), name)
        self._under_way.clear()

    def _known(self, parts: Parts, schema: Schema, *, sent: bool, alike: bool) -> str | None:
        """The schema of ours that stands for one of upstream, or for one that demands the same."""
        if name := self._named.get((schema.key, sent)):
            return name
        for there, at, direction in self.comparison.pairs.values():
            component = len(at) == 3 and at[:2] == ("components", "schemas") and at[2] in self._schemas()
            if component and direction == sent:
                one = self.theirs.schema(there)
                if one.key == schema.key or (alike and one.type == schema.type and self.comparison.same(there, parts)):
                    return str(at[2])
        return None

    def _component(self, wanted: str, schema: Schema, *, sent: bool) -> str:
        taken = {name.lower() for name in (*self._schemas(), *self._named.values())}
        name = wanted
        while name.lower() in taken:
            name += "Other"
        self._named[schema.key, sent] = name  # before it is made, since it may hold itself
        made = self.written_out(schema, sent=sent)
        if "properties" in made:
            made.pop("example", None)
        _yaml_edit.insert(self._schemas(), name, made, blank=True, comment=COMMENT)
        return name

    def _schemas(self) -> CommentedMap:
        found: CommentedMap = self.document["components"]["schemas"]
        return found


def reference(section: str, name: str) -> CommentedMap:
    """A reference to a component; but for a parameter, which is a line of a list, it is in braces."""
    made = CommentedMap({"$ref": DoubleQuotedScalarString(f"#/components/{section}/{name}")})
    if section != "parameters":
        made.fa.set_flow_style()
    return made


def flow(values: list[Any]) -> CommentedSeq:
    """A list in one line."""
    made = CommentedSeq(values)
    made.fa.set_flow_style()
    return made


def words(text: str, values: Iterable[object] = ()) -> str:
    """A text for people, with a full stop and the known values, and in several lines where it is long."""
    text = line(text)
    text += "." * text[-1:].isalnum()
    if known := ", ".join(f"`{seen(value)}`" for value in values):
        text = f"{text} Known values are {known}. Others may be added.".strip()
    if len(text) > LONGEST:
        text = FoldedScalarString(text)
    elif re.search(r": |:$| #|^\W", text):
        text = DoubleQuotedScalarString(text)
    return text


def example(value: object) -> object:
    """An example, if it is one of a value or of a list of values."""
    if isinstance(value, list) and not any(isinstance(member, (dict, list)) for member in value):
        return flow([example(member) for member in value])
    if isinstance(value, str):
        return quoted(line(value))
    return None if isinstance(value, (dict, list)) else value


def plain(keyword: str, value: object) -> object:
    """A bound or a default as it can be written."""
    if keyword == "pattern":
        seen(re.sub(r"[\x00-\x1f]", "", str(value)))  # YAML writes those as what they are
    else:
        seen(value)
    return quoted(value)


def quoted(value: object) -> object:
    """A value in quotes where YAML could take it for a number or a date."""
    return DoubleQuotedScalarString(value) if isinstance(value, str) and re.match(r"\d", value) else value


def allowed(given: Iterable[object]) -> CommentedSeq:
    """The values of an enum.

    Raises:
        ByHandError: There are none, or one of them is none that can be written.
    """
    if made := CommentedSeq(map(seen, given)):
        return made
    raise ByHandError("no value would be left")


def attribute(name: str) -> str:
    """The name of a property.

    Raises:
        ByHandError: No attribute of a model can be called so.
    """
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        raise ByHandError(f"no attribute of a model can be called {name!r}")
    return name


def seen(value: T) -> T:
    """A value of upstream that is to be written as it is.

    Raises:
        ByHandError: It is not of one part, or something in it could not be seen by who reviews it.
    """
    if isinstance(value, (dict, list)) or not str(value).isprintable():
        raise ByHandError(f"{value!r} is nothing that a reviewer could see as it is")
    return value


def line(text: str) -> str:
    """A text for people in one line, without what only a terminal would see."""
    return "".join(filter(str.isprintable, " ".join(text.split())))


def titled(name: str) -> str:
    """The name of an operation as our schemas have it."""
    return str(pascal_case(name)).replace("ApiKey", "APIKey")
