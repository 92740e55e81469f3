"""Reads JSON of somebody else, and looks up in it what stands where, with its type checked.

What is asked for is what it says it is, or the answer is an `UpstreamError` that names the place. This module must not
know what an operation or a schema is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from _document import Steps, steps_of

T = TypeVar("T")

KINDS = {dict: "an object", list: "a list", str: "a string", bool: "true or false", int: "a number", float: "a number"}


class UpstreamError(Exception):
    """The document cannot be used; the text says what is wrong where."""


class Tree:
    """A document that nobody has checked.

    Args:
        tree: What JSON or YAML made of it.
        name: What messages call it.
    """

    def __init__(self, tree: dict[str, Any], name: str) -> None:
        self.tree = tree
        self.name = name

    def resolved(self, steps: Steps) -> Steps:
        """Where the references at a place lead in the end."""
        passed = set()
        while isinstance(node := self.get(steps), dict) and "$ref" in node:
            if steps in passed:
                self.fail(steps, "is a reference that leads in a circle")
            passed.add(steps)
            reference = self.read((*steps, "$ref"), str) or ""
            if not reference.startswith("#/"):
                self.fail(steps, f"the reference {reference!r} leads out of this document")
            target: Steps = ()
            for step in steps_of(reference):
                target = self._step(target, str(step))
            if self.get(target) is None:
                self.fail(steps, f"nothing is at {reference!r}")
            steps = target
        return steps

    def _step(self, steps: Steps, step: str) -> Steps:
        index = isinstance(self.get(steps), list) and step.isascii() and step.isdigit()
        return (*steps, int(step) if index and len(step) < 9 else step)

    def get(self, steps: Steps) -> Any:
        """What is at a place; None where nothing is, which is also what JSON's null is taken for."""
        node: Any = self.tree
        for step in steps:
            if isinstance(node, dict):
                node = node.get(step)
            elif isinstance(node, list) and isinstance(step, int) and step < len(node):
                node = node[step]
            else:
                return None
        return node

    def read(self, steps: Steps, kind: type[T]) -> T | None:
        """What is at a place, if it is of that kind; `float` stands for any number."""
        value = self.get(steps)
        if value is None:
            return None
        fits = isinstance(value, kind)
        if kind is float:
            whole = isinstance(value, int) and not isinstance(value, bool)
            fits = whole or (isinstance(value, float) and math.isfinite(value))
        if not fits:
            self.refuse(steps, kind, value)
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            self.fail(steps, "holds half of a character, as JSON lets it")
        return value  # type: ignore[no-any-return]

    def members(self, steps: Steps) -> dict[str, Any]:
        """The members of an object, or none."""
        return self.read(steps, dict) or {}

    def entries(self, steps: Steps) -> list[Any]:
        """The members of a list, or none."""
        return self.read(steps, list) or []

    def refuse(self, steps: Steps, kind: type[object], value: object) -> NoReturn:
        """Raise the error that something of another kind is at a place."""
        found = "nothing" if value is None else KINDS.get(type(value), "something else")
        self.fail(steps, f"must be {KINDS[kind]}, and is {found}")

    def fail(self, steps: Iterable[str | int], message: str) -> NoReturn:
        """Raise an error about a place."""
        raise UpstreamError(f"{self.name}: {'.'.join(map(str, steps)) or 'the document'}: {message}")


def read(path: Path) -> dict[str, Any]:
    """Read a document in JSON.

    Raises:
        UpstreamError: The file cannot be read, is no JSON, or is no OpenAPI document.
    """
    text = ""
    try:
        text = path.read_text(encoding="utf-8-sig")
        tree = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except OSError as error:
        raise UpstreamError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UpstreamError(f"{path}: is no text: byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        hint = "; it looks like a page for a browser" if text.lstrip().startswith("<") else ""
        raise UpstreamError(f"{path}:{error.lineno}:{error.colno}: is no JSON: {error.msg}{hint}") from error
    except RecursionError as error:
        raise UpstreamError(f"{path}: is nested too deeply") from error
    except ValueError as error:
        raise UpstreamError(f"{path}: is no JSON that can be used: {error}") from error
    if not isinstance(tree, dict) or not str(tree.get("openapi", "")).startswith("3."):
        raise UpstreamError(f"{path}: is no OpenAPI 3 document: it has no member `openapi` that begins with 3")
    return tree


def canonical(value: object) -> str:
    """The same text for the same value; 1 and 1.0 are one number in JSON, but 1 is not true."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True, default=str)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands twice in one object")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
