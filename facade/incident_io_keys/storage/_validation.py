"""Checks of arguments that only this package has."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from .._validation import type_name
from ..errors import Problem


def check_aware_datetime(field: str, value: object, problems: list[Problem]) -> None:
    """Check a datetime that has a time zone."""
    if not isinstance(value, datetime):
        problems.append(Problem(field, f"takes a datetime, not {type_name(value)}"))
    elif value.tzinfo is None:
        problems.append(Problem(field, "has no time zone", "pass datetime.now(UTC), for example"))


def check_path(field: str, value: object, problems: list[Problem]) -> Path:
    """Check a path. Return it as an absolute path; an empty one if it is invalid."""
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str):
        problems.append(Problem(field, f"takes a path, as a str or a pathlib.Path, not {type_name(value)}"))
    elif not text:
        problems.append(Problem(field, "is empty", "write '.' for the working directory"))
    elif not _is_encodable(text):
        problems.append(Problem(field, "contains a null character or half of a surrogate pair, as no path does"))
    else:
        return Path(text).absolute()
    return Path()


def _is_encodable(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False
