"""Writes the openapi.yaml that follows from a comparison: ours, with each difference applied, and nothing else changed.

What would need a thought is left out and handed back with the reason. This module must not know how differences are
found, nor where the text goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from openapi_python_client.strings import snake_case
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

import _yaml_edit
from _contract import BOUNDS, DESCRIPTIONS
from _document import METHODS, Steps
from _upstream_compare import Comparison, Difference
from _upstream_draft import COMMENT, ByHandError, Draft, allowed, attribute, flow, plain, seen, titled

# The comment above values without a description.
UNDESCRIBED = f"From upstream: describe these under {DESCRIPTIONS}."
NEW_IN_CALLS = "this new {} parameter is required; openapi.yaml has it now, and facade/ has to send it in every call"
# The order of a schema's keywords.
ORDER = (
    "type",
    "format",
    "nullable",
    "description",
    "enum",
    DESCRIPTIONS,
    *BOUNDS,
    "default",
    "required",
    "properties",
)


def follow(comparison: Comparison, text: str, *, remove: bool = False) -> tuple[str, list[Difference]]:
    """Apply what was found.

    Args:
        comparison: Upstream and the document of `text`, already compared.
        text: An openapi.yaml.
        remove: Take out what upstream has not, with all that we say of it.

    Returns:
        The text that follows, and what was left out of it, with the reasons.
    """
    document = _yaml_edit.load(text)
    before = set(_referred(document))
    draft = Draft(comparison, document)
    edit = Edit(document, draft, remove=remove)
    left: list[Difference] = []
    # What goes may free a name for what comes.
    for difference in sorted(comparison.differences, key=lambda found: found.what != "operation removed"):
        if difference.by_hand:
            left += [] if difference.note else [difference]
        elif not difference.note:
            kept = draft.names()
            try:
                edit.apply(difference)
            except ByHandError as error:
                draft.forget(kept)
                left.append(replace(difference, by_hand=str(error)))
            else:
                if difference.what == "parameter added" and difference.part.required:
                    left.append(replace(difference, by_hand=NEW_IN_CALLS.format(difference.part.where)))
    for section, name in before - set(_referred(document)):
        _yaml_edit.remove(document["components"][section], name)  # nothing that is left needs it
        if not document["components"][section]:
            _yaml_edit.remove(document["components"], section)
    return _yaml_edit.dump(document), left


class Edit:
    """Applies differences to a document.

    Args:
        document: The document.
        draft: What makes new parts of it.
        remove: Take out what upstream has not.
    """

    def __init__(self, document: CommentedMap, draft: Draft, *, remove: bool) -> None:
        self.document = document
        self.draft = draft
        self.remove = remove

    def apply(self, found: Difference) -> None:
        """Apply one difference.

        Raises:
            ByHandError: It takes a person.
        """
        gone = found.ours == "object" if found.what == "type" else found.upstream is None
        if gone and not self.remove:
            # Nobody knows which of the two is behind, and our words would go too.
            raise ByHandError("upstream's document may be behind its documentation (--remove takes it out)")
        if found.what in (*BOUNDS, "default"):
            self._set(found, None if found.upstream is None else plain(found.what, found.upstream))
        else:
            getattr(self, f"_{snake_case(found.what)}")(found)

    def _node(self, at: Steps) -> CommentedMap:
        node: Any = self.document
        for step in at:
            node = node[step]
        found: CommentedMap = node
        return found

    def _schema(self, found: Difference) -> CommentedMap:
        if not found.at:
            raise ByHandError("ours has no schema there")
        node = self._node(found.at)
        if "allOf" in node:
            raise ByHandError("ours is put together by allOf")
        return node

    def _set(self, found: Difference, value: object) -> None:
        """Set the keyword of a schema that the difference is called after, or take it out."""
        node = self._schema(found)
        if value is None:
            _yaml_edit.remove(node, found.what)
        elif found.what in node:
            node[found.what] = value
        else:
            before = ORDER[: ORDER.index(found.what)]
            _yaml_edit.insert(node, found.what, value, after=[key for key in node if key in before][-1])

    def _free(self, name: str) -> str:
        """The name of an operation, if it can be one and no other has it."""
        methods = [method for item in self.document["paths"].values() for method in item.values()]
        if any(isinstance(method, dict) and method.get("operationId") == name for method in methods):
            raise ByHandError(f"ours has another operation that is called {name}")
        if not re.fullmatch(r"\w+", name, re.ASCII):
            raise ByHandError(f"no operation can be called {name!r}")
        return name

    def _operation_removed(self, found: Difference) -> None:
        item = self._node(found.at[:-1])
        _yaml_edit.remove(item, found.at[-1])
        if not any(method in item for method in METHODS):
            _yaml_edit.remove(self.document["paths"], found.at[-2])

    def _operation_renamed(self, found: Difference) -> None:
        self._node(found.at)["operationId"] = self._free(str(found.upstream))

    def _operation_added(self, found: Difference) -> None:
        paths, path = self.document["paths"], seen(found.part.path)
        made = self.draft.operation(self._free(found.name), found.part)
        shared = [given for given in made.get("parameters", ()) if "$ref" in given]
        own = [given for given in made.get("parameters", ()) if given not in shared]
        here = paths[path].get("parameters", ()) if path in paths else shared
        own += [given for given in shared if given not in here]
        if own:
            made["parameters"] = CommentedSeq(own)
        else:
            made.pop("parameters", None)
        if path not in paths:
            item = CommentedMap(parameters=CommentedSeq(shared)) if shared else CommentedMap()
            item[found.part.method] = made
            _yaml_edit.insert(paths, path, item, blank=True, comment=COMMENT)
        else:
            _yaml_edit.insert(paths[path], found.part.method, made, comment=COMMENT)

    def _parameter_added(self, found: Difference) -> None:
        operation = self._node(found.at)
        made = self.draft.parameter(found.part)
        if "parameters" not in operation:
            before = [key for key in operation if key not in ("requestBody", "responses")]
            _yaml_edit.insert(operation, "parameters", CommentedSeq([made]), after=before[-1], comment=COMMENT)
            return
        _yaml_edit.append(operation["parameters"], made)
        if "$ref" not in made:
            made.yaml_set_start_comment(COMMENT, indent=operation.lc.col + 2)

    def _parameter_removed(self, found: Difference) -> None:
        operation = self._node(found.at)
        for index, given in enumerate(operation.get("parameters", ())):
            if given.get("name") == found.name or given.get("$ref") == f"#/{'/'.join(map(str, found.part))}":
                _yaml_edit.remove(operation["parameters"], index)
                if not operation["parameters"]:
                    _yaml_edit.remove(operation, "parameters")
                return
        raise ByHandError("all operations of the path have it")

    def _status_added(self, found: Difference) -> None:
        operation = self._node(found.at)
        made = self.draft.response(found.name, found.part, operation["operationId"])
        lower = [status for status in operation["responses"] if status < found.name]
        comment = "" if "$ref" in made else COMMENT
        status = DoubleQuotedScalarString(seen(found.name))
        if lower:
            _yaml_edit.insert(operation["responses"], status, made, after=lower[-1], comment=comment)
        else:
            operation["responses"].insert(0, status, made)

    def _status_removed(self, found: Difference) -> None:
        _yaml_edit.remove(self._node(found.at)["responses"], found.name)

    def _request_body_added(self, found: Difference) -> None:
        operation = self._node(found.at)
        made = self.draft.request(found.part, operation["operationId"])
        before = [key for key in operation if key != "responses"]
        _yaml_edit.insert(operation, "requestBody", made, after=before[-1])

    def _request_body_removed(self, found: Difference) -> None:
        _yaml_edit.remove(self._node(found.at), "requestBody")

    def _body_added(self, found: Difference) -> None:
        kind = "Request" if found.sent else "Response"
        content = self.draft.body(found.part, sent=found.sent, name=f"{titled(found.place.split()[0])}{kind}")
        _yaml_edit.insert(self._node(found.at), "content", content)

    def _body_removed(self, found: Difference) -> None:
        _yaml_edit.remove(self._node(found.at), "content")

    def _property_added(self, found: Difference) -> None:
        node, (parts, required) = self._schema(found), found.part
        attribute(found.name)
        made = self.draft.schema(parts, sent=found.sent)
        if "properties" not in node:
            _yaml_edit.insert(node, "properties", CommentedMap())
        _yaml_edit.insert(node["properties"], found.name, made, comment=COMMENT)
        if required and found.sent:  # what is received may come to lack it
            self._require(node, found.name)

    def _property_removed(self, found: Difference) -> None:
        node = self._schema(found)
        _yaml_edit.remove(node["properties"], found.name)
        if not node["properties"]:
            _yaml_edit.remove(node, "properties")
        self._release(node, found.name)

    def _required(self, found: Difference) -> None:
        node = self._schema(found)
        if found.name is None:  # a parameter or a body
            node["required"] = found.upstream
        elif found.upstream:
            self._require(node, found.name)
        else:
            self._release(node, found.name)

    def _require(self, node: CommentedMap, name: str) -> None:
        if "required" in node:
            _yaml_edit.append(node["required"], name)
        else:
            before = [key for key in node if key in ORDER[: ORDER.index("required")]]
            _yaml_edit.insert(node, "required", flow([name]), after=before[-1])

    def _release(self, node: CommentedMap, name: str) -> None:
        if name in node.get("required", ()):
            _yaml_edit.remove(node["required"], node["required"].index(name))
            if not node["required"]:
                _yaml_edit.remove(node, "required")

    def _type(self, found: Difference) -> None:
        node = self._schema(found)
        if found.upstream is None:
            raise ByHandError("upstream does not say what it is")
        made = self.draft.written_out(found.part, sent=found.sent)
        if "description" in node:
            made.pop("description", None)
            position = [key for key in made if key in ORDER[:3]]
            made.insert(len(position), "description", node["description"])
        _yaml_edit.replace(self._node(found.at[:-1]), found.at[-1], made)

    def _format(self, found: Difference) -> None:
        self._set(found, found.upstream and seen(found.upstream))

    def _nullable(self, found: Difference) -> None:
        self._set(found, found.upstream or None)

    def _enum(self, found: Difference) -> None:
        node = self._schema(found)
        if found.upstream is None and DESCRIPTIONS in node:
            _yaml_edit.remove(node, DESCRIPTIONS)
        self._set(found, None if found.part is None else allowed(found.part))

    def _value_added(self, found: Difference) -> None:
        _yaml_edit.append(self._schema(found)["enum"], seen(found.name), comment=UNDESCRIBED)

    def _value_removed(self, found: Difference) -> None:
        node = self._schema(found)
        if len(node["enum"]) == 1:
            raise ByHandError("no value would be left")
        _yaml_edit.remove(node["enum"], node["enum"].index(found.name))
        if found.name in node.get(DESCRIPTIONS, ()):
            _yaml_edit.remove(node[DESCRIPTIONS], found.name)
            if not node[DESCRIPTIONS]:
                _yaml_edit.remove(node, DESCRIPTIONS)

    def _items(self, found: Difference) -> None:
        node = self._schema(found)
        if found.part is None:
            _yaml_edit.remove(node, "items")
        else:
            _yaml_edit.insert(node, "items", self.draft.schema(found.part, sent=found.sent))

    def _additional_properties(self, found: Difference) -> None:
        node = self._schema(found)
        if isinstance(found.part, tuple) and "properties" in node:
            raise ByHandError("a model keeps no further properties beside its own")
        if "additionalProperties" in node:
            _yaml_edit.remove(node, "additionalProperties")
        if found.part is not True:
            made = self.draft.schema(found.part, sent=found.sent) if found.part else False
            _yaml_edit.insert(node, "additionalProperties", made)


def _referred(document: CommentedMap) -> Iterator[tuple[str, str]]:
    """The components to which anything refers, from the paths on."""
    passed: set[int] = set()
    todo: list[Any] = [document["paths"]]
    while todo:
        current = todo.pop()
        if isinstance(current, (dict, list)) and id(current) not in passed:
            passed.add(id(current))
            todo += current.values() if isinstance(current, dict) else current
            reference = current.get("$ref") if isinstance(current, dict) else None
            if isinstance(reference, str) and reference.count("/") == 3:
                section, name = reference.split("/")[2:]
                yield section, name
                todo.append(document["components"][section][name])
