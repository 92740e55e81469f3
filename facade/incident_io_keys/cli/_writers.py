"""How keys are written, page after page, so that the first of thousands is there with the first page."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from incident_io_keys_generated.models import APIKey

from ._terminal import printable

_UNPRINTABLE: Final = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# What a spreadsheet takes for the beginning of a formula.
_FORMULA: Final = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20\t\r]")


class Writer(Protocol):
    """Writes keys, some at a time."""

    def write(self, keys: Iterable[APIKey]) -> None:
        """Write some."""

    def end(self) -> None:
        """Write what comes after the last."""


class JSONWriter:
    """A list of keys in the API's own form. One that breaks off is no JSON, and so is not taken for the whole."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._before = "["

    def write(self, keys: Iterable[APIKey]) -> None:
        """Write some."""
        for key in keys:
            self._write(f"{self._before}\n{as_json(key.to_dict(), indent=2)}")
            self._before = ","

    def end(self) -> None:
        """Write what comes after the last."""
        self._write("[]\n" if self._before == "[" else "\n]\n")


class JSONLinesWriter:
    """A key in the API's own form a line."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def write(self, keys: Iterable[APIKey]) -> None:
        """Write some."""
        for key in keys:
            self._write(as_json(key.to_dict()) + "\n")

    def end(self) -> None:
        """There is nothing after the last."""


class CSVWriter:
    """A key a line, for spreadsheets: no value is one that they would compute."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._row(
            *("id", "name", "roles", "team_ids", "team_roles"),
            "creator",
            "created_at",
            "token_last_issued_at",
            *("last_used_at", "comments"),
        )

    def write(self, keys: Iterable[APIKey]) -> None:
        """Write some."""
        for key in keys:
            self._row(
                *(key.id, key.name, names_of(key.roles), " ".join(key.team_ids), names_of(key.team_roles)),
                *(creator_of(key), key.created_at.isoformat(), key.token_last_issued_at.isoformat()),
                *("" if key.last_used_at is None else key.last_used_at.isoformat(), key.comments or ""),
            )

    def end(self) -> None:
        """There is nothing after the last."""

    def _row(self, *values: str) -> None:
        line = io.StringIO()
        shown = (printable(value) for value in values)
        csv.writer(line, lineterminator="\n").writerow(
            f"'{value}" if _FORMULA.match(value) else value for value in shown
        )
        self._write(line.getvalue())


def as_answer(value: Mapping[str, Any] | list[Any]) -> str:
    """What a command answers in JSON: all of it, over several lines."""
    return as_json(value, indent=2) + "\n"


def as_json(value: Mapping[str, Any] | list[Any], indent: int | None = None) -> str:
    """JSON in which nothing can drive a terminal, and which is the same JSON for all that."""
    # Where a letter could not be written as it is, what stands for it would be no JSON.
    ascii_only = "utf" not in (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def names_of(roles: Iterable[Any], between: str = " ") -> str:
    """The names of roles."""
    return between.join(role.name for role in roles)


def creator_of(key: APIKey) -> str:
    """Who made a key; nothing if the API does not say."""
    who = key.creator.user or key.creator.api_key
    return who.name if who else ""
