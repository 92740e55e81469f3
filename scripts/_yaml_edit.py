"""Adds and removes entries of a YAML document, so that nothing else of it changes when it is written again.

ruamel.yaml keeps what stands between two entries, blank lines and comments, with the last leaf of the first of them.
Whoever adds behind that leaf, or removes it, has to carry it on. This module must not know what a document is about.
"""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.scalarstring import FoldedScalarString, LiteralScalarString
from ruamel.yaml.tokens import CommentToken

BLANK = "\n\n"


def load(text: str) -> CommentedMap:
    """Read a document with all that it says to people."""
    document: CommentedMap = _yaml().load(text)
    return document


def dump(document: CommentedMap) -> str:
    """Write a document in the form that openapi.yaml has."""
    stream = io.StringIO()
    _yaml().dump(document, stream)
    return stream.getvalue()


def insert(
    parent: CommentedMap, key: str, value: Any, *, after: str | None = None, blank: bool = False, comment: str = ""
) -> None:
    """Add an entry to a mapping.

    Args:
        parent: A mapping in block style.
        key: The key, which is not there yet.
        value: What it has.
        after: The entry behind which it goes; without it, or where that is not there, it goes to the end.
        blank: A blank line goes before it.
        comment: A line that goes above it.
    """
    keys = list(parent)
    index = keys.index(after) + 1 if after in parent else len(keys)
    tail = _take(parent, keys[index - 1]) if index else ""
    parent.insert(index, key, value)
    _give(parent, key, tail)
    if blank and index:
        _give(parent, keys[index - 1], BLANK)
    if comment:
        parent.yaml_set_comment_before_after_key(key, before=comment, indent=parent.lc.col)


def append(parent: CommentedSeq, value: Any, *, comment: str = "") -> None:
    """Append a value to a non-empty list.

    Args:
        parent: The list. One in flow style with a comment becomes one in block style.
        value: The value.
        comment: A line that goes above it, unless the list has that line already.
    """
    last = len(parent) - 1
    if comment:
        parent.fa.set_block_style()
    above = [str(held) for index, held in parent.ca.items.items() if index < last]
    tail = _take(parent, last)
    parent.append(value)
    _give(parent, last + 1, tail)
    if comment and comment not in "".join(above):
        _give(parent, last, f"\n{' ' * parent.lc.col}# {comment}\n")


def remove(parent: CommentedMap | CommentedSeq, key: Any) -> None:
    """Take out an entry of a mapping, or the value of that index of a list, with the comment above it."""
    keys = list(parent) if isinstance(parent, CommentedMap) else list(range(len(parent)))
    index = keys.index(key)
    tail = _take(parent, key)
    del parent[key]
    if isinstance(parent, CommentedMap):
        parent.ca.items.pop(key, None)
    if index:
        _take(parent, keys[index - 1])
        _give(parent, keys[index - 1], tail)


def replace(parent: CommentedMap, key: Any, value: Any) -> None:
    """Put another value in the place of one."""
    tail = _take(parent, key)
    parent[key] = value
    _give(parent, key, tail)


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _leaf(parent: Any, key: Any) -> tuple[Any, Any, int]:
    """The mapping or list that holds the last leaf of an entry, its key there, and the slot of what follows it."""
    value = parent[key]
    # What has an anchor may stand in several places, and keeps nothing for one of them.
    while (
        isinstance(value, (CommentedMap, CommentedSeq)) and value and not value.fa.flow_style() and not _anchor(value)
    ):
        parent, key = value, list(value)[-1] if isinstance(value, CommentedMap) else len(value) - 1
        value = parent[key]
    return parent, key, 2 if isinstance(parent, CommentedMap) else 0


def _anchor(value: Any) -> bool:
    return value.yaml_anchor() is not None


def _take(parent: Any, key: Any) -> str:
    """Take away what follows an entry, from the end of its line on, and return it."""
    owner, last, slot = _leaf(parent, key)
    held = owner.ca.items.get(last)
    token = held[slot] if held else None
    if token is None:
        return ""
    beside, _, rest = token.value.partition("\n")
    if isinstance(owner[last], (FoldedScalarString, LiteralScalarString)):
        beside, rest = "", token.value  # such text ends its own line
    held[slot] = CommentToken(f"{beside}\n", token.start_mark, None) if beside else None
    if not any(held):
        del owner.ca.items[last]
    return f"\n{rest}" if rest else ""


def _give(parent: Any, key: Any, tail: str) -> None:
    """Let that follow an entry."""
    if not tail:
        return
    owner, last, slot = _leaf(parent, key)
    held = owner.ca.items.setdefault(last, [None] * 4)
    token = held[slot]
    beside = token.value.partition("\n")[0] if token else ""
    text = tail[1:] if isinstance(owner[last], (FoldedScalarString, LiteralScalarString)) else beside + tail
    held[slot] = CommentToken(text, token.start_mark if token else CommentMark(0), None)
