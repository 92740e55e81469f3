"""Compares the API keys resource of the vendor's document with that of openapi.yaml, and says what differs where.

Both are walked at once from the operations, by position, since the names of schemas differ. What is sent is closed, so
that every bound and value counts; what is received is open, so that openapi.yaml may leave out what upstream promises,
and only demand no more than that. This module must not know how a difference is shown or written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from openapi_python_client.strings import snake_case

from _contract import BOUNDS
from _document import Steps
from _upstream import UpstreamError, canonical
from _upstream_parts import Body, Document, Operation, Parameter, Parts, Schema

# What upstream calls the resource, in the IDs and tags of its operations.
GROUP = "API Keys V1"
# What is for a person to decide, and why.
BY_HAND = {
    "server": "where tokens are sent is for a person to decide",
    "security": "how tokens are sent is for a person to decide",
    "another version": "which version is asked is for a person to decide",
    "deprecated": "what is to be told to users is for a person to decide",
    "media type": "it takes a thought",
    "oneOf": "it takes a thought",
    "anyOf": "it takes a thought",
    "keyword not understood": "what it demands takes a thought",
}

Finder = tuple[object, ...]


@dataclass(frozen=True)
class Difference:
    """One thing that upstream and openapi.yaml do not have in common.

    Attributes:
        place: Where it is, for people: the operation, and the way from there.
        what: The kind of difference.
        upstream: What upstream has, or None.
        ours: What openapi.yaml has, or None.
        note: It is known and harmless: openapi.yaml is the more lenient one on purpose.
        at: Where in openapi.yaml it is, behind all references.
        name: The property, value, status or keyword that it is about.
        part: The part of upstream's document that is to be written.
        sent: It is about what is sent, and not about what is received.
        also: Further places where the same difference shows.
        by_hand: Why it cannot be written into openapi.yaml; empty if it can.
    """

    place: str
    what: str
    upstream: object
    ours: object
    note: bool = False
    at: Steps = ()
    name: Any = None
    part: Any = None
    sent: bool = True
    also: tuple[str, ...] = ()
    by_hand: str = ""


@dataclass
class Comparison:
    """Two documents, and what came of comparing them.

    Attributes:
        theirs: The vendor's document.
        ours: The one of this project.
        differences: All that differs, in the order of the operations, notes among them.
        pairs: The schemas that stand for each other: upstream's places, ours, and whether they are sent.
        operations: The names of upstream's operations.
    """

    theirs: Document
    ours: Document
    differences: list[Difference] = field(default_factory=list)
    pairs: dict[Finder, tuple[Parts, Steps, bool]] = field(default_factory=dict)
    operations: list[str] = field(default_factory=list)
    _found: list[tuple[Finder, Difference]] = field(default_factory=list)
    # For each place of ours, what of theirs was held against it, and where.
    _visitors: dict[Steps, dict[Finder, str]] = field(default_factory=dict)

    def same(self, one: Parts, other: Parts) -> bool:
        """Whether two schemas of upstream demand the same."""
        probe = Comparison(self.theirs, self.theirs)
        probe._schemas(one, other, "", sent=True)
        return not probe._found

    def run(self) -> None:
        """Compare the two resources."""
        ours = {(o.method, o.path): o for o in self.ours.operations(lambda *_: True)}
        root = min((path for _, path in ours), key=len, default="/v1/api_keys")
        theirs = upstream_operations(self.theirs, root)
        self.operations = [name for name, _ in theirs.values()]
        self._access(self.theirs.access(), self.ours.access(), "the API")
        for shown in other_versions(self.theirs, root):
            self._add((), "the API", "another version", shown, None)
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            if key not in theirs:
                self._add((), ours[key].name, "operation removed", None, _shown(ours[key]), at=ours[key].at)
            elif key not in ours:
                name, added = theirs[key]
                self._add((), name, "operation added", _shown(added), None, at=added.at, name=name, part=added)
            else:
                self._operations(*theirs[key], ours[key])
        self.differences = list(self._merged())

    def _access(self, theirs: dict[str, object], ours: dict[str, object], place: str) -> None:
        for word in dict.fromkeys((*theirs, *ours)):
            # What an operation has none of its own of is that of the API.
            found = theirs.get(word, self.theirs.access().get(word)), ours.get(word, self.ours.access().get(word))
            if found[0] != found[1]:
                self._add((), place, word, *found)

    def _operations(self, name: str, theirs: Operation, ours: Operation) -> None:
        if name != ours.name:
            self._add((), ours.name, "operation renamed", name, ours.name, at=ours.at)
        place = ours.name
        if theirs.deprecated != ours.deprecated:
            self._add((), place, "deprecated", theirs.deprecated, ours.deprecated)
        self._access(theirs.access, ours.access, place)
        for key in dict.fromkeys((*ours.parameters, *theirs.parameters)):
            self._parameters(theirs.parameters.get(key), ours.parameters.get(key), place, ours)
        if theirs.body and ours.body:
            self._bodies(theirs.body, ours.body, f"{place} request", sent=True)
        elif theirs.body or ours.body:
            what = "request body added" if theirs.body else "request body removed"
            media = (body and body.media for body in (theirs.body, ours.body))
            self._add((), place, what, *media, at=ours.at, part=theirs.body)
        for status in sorted({*ours.responses, *theirs.responses}):
            body, known = theirs.responses.get(status), ours.responses.get(status)
            if body and known:
                self._bodies(body, known, f"{place} {status}", sent=False)
            else:
                what = "status added" if body else "status removed"
                found = (status if body else None, status if known else None)
                self._add((), place, what, *found, at=ours.at, name=status, part=body, sent=False)

    def _parameters(self, theirs: Parameter | None, ours: Parameter | None, place: str, owner: Operation) -> None:
        known = theirs or ours
        assert known is not None, "the name is that of one of the two"
        place = f"{place} {'?' if known.where == 'query' else known.where + ' '}{known.name}"
        if theirs and ours:
            finder = self._visit(theirs.at, ours.at, place)
            if theirs.required != ours.required:
                self._add(finder, place, "required", theirs.required, ours.required, at=ours.at)
            self._schemas(theirs.schema, ours.schema, place, sent=True)
        elif theirs:
            shown = self.describe(theirs.schema, sent=True, required=theirs.required)
            self._add((), place, "parameter added", shown, None, at=owner.at, name=theirs.name, part=theirs)
        elif ours:
            self._add((), place, "parameter removed", None, ours.name, at=owner.at, name=ours.name, part=ours.at)

    def _bodies(self, theirs: Body, ours: Body, place: str, *, sent: bool) -> None:
        finder = self._visit(theirs.at, ours.at, place)
        if sent and theirs.required != ours.required:
            self._add(finder, place, "required", theirs.required, ours.required, at=ours.at)
        if theirs.media != ours.media:
            what = "media type" if theirs.media and ours.media else "body added" if theirs.media else "body removed"
            self._add(finder, place, what, theirs.media, ours.media, at=ours.at, part=theirs, sent=sent)
        elif theirs.schema or ours.schema:
            self._schemas(theirs.schema or (), ours.schema or (), place, sent=sent)

    def _schemas(self, theirs: Parts, ours: Parts, place: str, *, sent: bool) -> None:
        todo = [(theirs, ours, place)]
        while todo:  # and no recursion: nobody knows how long a chain of references may be
            there, here, place = todo.pop()
            one, other = self.theirs.schema(there), self.ours.schema(here)
            finder = (one.key, sent)
            pair = (one.key, other.key, sent)
            self._visitors.setdefault(other.at, {}).setdefault(finder, place)
            if pair not in self.pairs:
                self.pairs[pair] = (there, other.at, sent)
                todo += reversed(list(self._pair(finder, one, other, place, sent=sent)))

    def _pair(
        self, finder: Finder, theirs: Schema, ours: Schema, place: str, *, sent: bool
    ) -> Iterator[tuple[Parts, Parts, str]]:
        """Add what differs in two schemas themselves, and find the pairs that are within them."""

        def add(what: str, upstream: object, ours_: object, name: object = None, **more: Any) -> None:
            at = f"{place}.{name}" if what.startswith("property") or more.pop("inner", False) else place
            self._add(finder, at, what, upstream, ours_, at=ours.at, name=name, sent=sent, **more)

        for word in {**theirs.unknown, **ours.unknown}:
            if canonical(theirs.unknown.get(word)) != canonical(ours.unknown.get(word)):
                upstream, known = (word if word in schema.unknown else None for schema in (theirs, ours))
                add("keyword not understood", upstream, known, word, note=not sent)
        if theirs.choices.keys() != ours.choices.keys():
            # A choice has what the schema would have itself, so that nothing else of the two can be compared.
            for word in sorted(theirs.choices.keys() ^ ours.choices.keys()):
                add(word, word in theirs.choices, word in ours.choices)
            return
        if theirs.type != ours.type:
            add("type", theirs.type, ours.type, part=theirs)
            return
        if theirs.format != ours.format:
            add("format", theirs.format, ours.format)
        if theirs.nullable != ours.nullable:
            add("nullable", theirs.nullable, ours.nullable, note=not sent and ours.nullable)
        for keyword in (*BOUNDS, "default"):
            found = theirs.bounds.get(keyword), ours.bounds.get(keyword)
            if canonical(found[0]) != canonical(found[1]):
                add(keyword, *found, note=not sent and found[1] is None)
        self._enums(add, theirs, ours, sent=sent)
        for name in dict.fromkeys((*ours.properties, *theirs.properties)):
            here, there = ours.properties.get(name), theirs.properties.get(name)
            if here and there:
                required = name in theirs.required, name in ours.required
                if required[0] != required[1]:
                    add("required", *required, name, inner=True, note=not sent and required[0])
                yield there, here, f"{place}.{name}"
            elif there:
                must = name in theirs.required
                add("property added", self.describe(there, sent=sent, required=must), None, name, part=(there, must))
            elif here:
                add("property removed", None, name, name)
        if theirs.items and ours.items:
            yield theirs.items, ours.items, f"{place}[]"
        elif theirs.items or ours.items:
            add("items", bool(theirs.items), bool(ours.items), part=theirs.items)
        if isinstance(theirs.additional, tuple) and isinstance(ours.additional, tuple):
            yield theirs.additional, ours.additional, f"{place}.*"
        elif theirs.additional != ours.additional:
            kinds = ["a schema" if isinstance(part, tuple) else part for part in (theirs.additional, ours.additional)]
            lenient = not sent and ours.additional is True and theirs.additional is False
            add("additionalProperties", *kinds, part=theirs.additional, note=lenient)

    def _enums(self, add: Any, theirs: Schema, ours: Schema, *, sent: bool) -> None:
        if theirs.enum is None or ours.enum is None:
            lists = [values and list(values) for values in (theirs.enum, ours.enum)]
            if lists[0] != lists[1]:
                add("enum", *lists, part=theirs.enum, note=not sent and ours.enum is None)
            return
        here, there = ([canonical(value) for value in part] for part in (ours.enum, theirs.enum))
        for value in theirs.enum:
            if canonical(value) not in here:
                add("value added", value, None, value, part=theirs.enum)
        for value in ours.enum:
            if canonical(value) not in there:
                add("value removed", None, value, value)

    def describe(self, parts: Parts, *, sent: bool, required: bool = False) -> str:
        """A schema of upstream in a few words."""
        schema = self.theirs.schema(parts)
        words = [schema.type or "anything", *([schema.format] if schema.format else [])]
        words += [f"{keyword} {json.dumps(value)}" for keyword, value in schema.bounds.items() if sent]
        words += [f"one of {len(schema.enum)} values"] if schema.enum and sent else []
        return ", ".join([*words, *(["required"] if required else [])])

    def _visit(self, theirs: Steps, ours: Steps, place: str) -> Finder:
        self._visitors.setdefault(ours, {}).setdefault((theirs,), place)
        return (theirs,)

    def _add(self, finder: Finder, place: str, what: str, upstream: object, ours: object, **more: Any) -> None:
        self._found.append((finder, Difference(place, what, upstream, ours, **more)))

    def _merged(self) -> Iterator[Difference]:
        """What was found, with what shows in several places only once."""
        groups: dict[str, list[tuple[Finder, Difference]]] = {}
        for finder, found in self._found:
            key = [found.what, found.at, found.name, found.upstream, found.ours, found.note]
            groups.setdefault(canonical(key if finder else [*key, found.place]), []).append((finder, found))
        for group in groups.values():
            first = group[0][1]
            visitors = self._visitors.get(first.at, {}) if group[0][0] else {}
            others = [place for finder, place in visitors.items() if finder not in {finder for finder, _ in group}]
            reason = f"it is shared with {', '.join(others)}, where upstream is not the same" if others else ""
            if first.what == "property added" and not all(self.same(first.part[0], d.part[0]) for _, d in group[1:]):
                reason = "upstream has several schemas for it, which are not the same"
            also = tuple(dict.fromkeys(d.place for _, d in group[1:] if d.place != first.place))
            yield replace(first, also=also, by_hand=reason or BY_HAND.get(first.what, ""))


def upstream_operations(document: Document, root: str) -> dict[tuple[str, str], tuple[str, Operation]]:
    """The operations of the API keys, with the names that they would have here.

    Args:
        document: The vendor's document.
        root: The path of the resource in openapi.yaml, under which its operations are found whatever their IDs are.

    Raises:
        UpstreamError: There are none, or two of them would have the same name.
    """
    found: dict[tuple[str, str], tuple[str, Operation]] = {}
    names: dict[str, Operation] = {}
    for operation in document.operations(partial(_belongs, root)):
        name = our_name(operation)
        if other := names.get(name):
            message = f"{_shown(other)} and {_shown(operation)} would both be called {name}"
            raise UpstreamError(f"{document.name}: {message}: {other.name!r} and {operation.name!r}")
        names[name] = operation
        found[operation.method, operation.path] = name, operation
    if not found:
        raise UpstreamError(f"{document.name}: has no API keys: no operation of {GROUP!r}, and no path under {root}")
    return found


def other_versions(document: Document, root: str) -> Iterator[str]:
    """The operations of upstream that do what those of the API keys do, in another version of the API."""
    path_of_any = re.compile(rf"/v\d+{re.escape(re.sub(r'^/v[0-9]+', '', root))}(/.*)?")
    group_of_any = re.compile(rf"{re.sub(r' V[0-9]+$', '', GROUP)}( V\d+)?", re.IGNORECASE)
    for at, path, identity, tags in document.listed():
        groups = (identity.partition("#")[0], *map(str, tags))
        if not _belongs(root, path, identity, tags) and (
            path_of_any.fullmatch(path) or any(map(group_of_any.fullmatch, groups))
        ):
            yield f"{str(at[-1]).upper()} {path}"


def our_name(operation: Operation) -> str:
    """What an operation of upstream would be called in openapi.yaml."""
    verb = snake_case(operation.name.partition("#")[2])
    if not re.fullmatch(r"[a-z][a-z0-9_]*", verb):
        # It has no ID that could be read: the method and the last word of the path say as much.
        words = [step for step in operation.path.split("/") if step and "{" not in step]
        return snake_case(f"{operation.method} {words[-1] if words else ''}")
    return verb if "_" in verb else f"{verb}_api_keys" if verb == "list" else f"{verb}_api_key"


def _belongs(root: str, path: str, identity: str, tags: list[Any]) -> bool:
    return GROUP in (identity.partition("#")[0], *tags) or path == root or path.startswith(f"{root}/")


def _shown(operation: Operation) -> str:
    return f"{operation.method.upper()} {operation.path}"
