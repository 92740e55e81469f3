"""Checks of the arguments that only this package has."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from .._validation import type_name
from ..errors import Problem


def check_instant(field: str, value: object, problems: list[Problem]) -> None:
    """Check a datetime that has a time zone."""
    if not isinstance(value, datetime):
        problems.append(Problem(field, f"takes a datetime, not {type_name(value)}"))
    elif value.tzinfo is None:
        problems.append(Problem(field, "has no time zone", "take datetime.now(UTC)"))


def check_path(field: str, value: object, problems: list[Problem]) -> Path:
    """Check a path. Return it as an absolute one; an empty path after a problem."""
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str):
        problems.append(Problem(field, f"takes a path, as a str or a pathlib.Path, not {type_name(value)}"))
    elif not text:
        problems.append(Problem(field, "is empty, which is no path", "for the working directory, write '.'"))
    elif not _can_name_a_file(text):
        problems.append(Problem(field, "contains what no path can have: a NUL, or half of a surrogate pair"))
    else:
        return Path(text).absolute()
    return Path()


def _can_name_a_file(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False
