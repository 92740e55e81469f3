"""Checks of arguments against the contract. Each adds what is wrong to a list, so that all of it is told at once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from incident_io_keys_generated import contract

from .errors import InvalidRequestError, Problem, redact

# What would end a segment of a path, or could be read as the escape of what does; and control characters.
_NO_SEGMENT: Final = re.compile(r"[/\\?#%\s\x00-\x1f\x7f-\x9f]")

NO_TEXT: Final = "holds half of a surrogate pair, which no request can carry"


def raise_if_invalid(outcome: str, problems: list[Problem]) -> None:
    """Raise what was found, if anything was.

    Args:
        outcome: What did not happen, as in `create was not sent`.
        problems: What was found.

    Raises:
        InvalidRequestError: There are problems.
    """
    if problems:
        raise InvalidRequestError(outcome, problems)


def check_text(
    field: str, value: object, problems: list[Problem], *, low: int, high: int | None = None, pattern: str = ""
) -> str:
    """Validate the length of a string in characters, and its pattern.

    Returns:
        The string itself, also where a subclass was given; an empty one if there was a problem.
    """
    bounds = f"{low} to {high} characters" if high is not None else f"{low} or more characters"
    if not isinstance(value, str):
        problems.append(Problem(field, f"takes a string of {bounds}, not {type_name(value)}"))
    elif len(value) < low or (high is not None and len(value) > high):
        problems.append(Problem(field, f"has {len(value)} characters, but takes {bounds}"))
    elif not re.search(pattern, value):
        nul = "\0" in value  # the pattern of today's contract forbids nothing else
        problems.append(Problem(field, "contains a null character" if nul else f"does not match {pattern!r}"))
    else:
        try:
            plain_str(value).encode()
        except UnicodeEncodeError:
            problems.append(Problem(field, NO_TEXT))
        else:
            return plain_str(value)
    return ""


def check_id(field: str, value: object, problems: list[Problem]) -> str:
    """Read an ID that is to become a segment of a path, and of no other path than its own.

    Returns:
        The string itself; an empty one if there was a problem.
    """
    text = check_text(field, value, problems, low=1)
    if text in (".", "..") or _NO_SEGMENT.search(text):
        message = f"{quote(text)} cannot be part of a path"
        problems.append(Problem(field, message, "give the ID alone, as in key.id"))
        return ""
    return text


def plain_str(value: str) -> str:
    """The text of a string of any class: a member of `class Role(str, Enum)` has another `str` than its value."""
    return str.__str__(value)


def check_whole_number(field: str, value: object, problems: list[Problem], *, low: int, high: int) -> int:
    """Read an integer, and check its bounds, both of them included.

    Returns:
        The number itself, also where a subclass was given; the lower bound if there was a problem.
    """
    # A bool is an int to Python, but True keys a page is a mistake.
    if not isinstance(value, int) or isinstance(value, bool):
        problems.append(Problem(field, f"takes a whole number from {low} to {high}, not {type_name(value)}"))
    elif not low <= value <= high:
        # Python itself refuses to write out a number of some thousand digits.
        problems.append(Problem(field, f"is {value if abs(value) < 10**9 else 'far off'}, but takes {low} to {high}"))
    else:
        return int(value)
    return low


def check_grace_period(minutes: int, problems: list[Problem]) -> int:
    """Read for how many minutes the previous token of a key is to work: `KeysClient.rotate` says what it is."""
    return check_whole_number(
        *("grace_period_minutes", minutes, problems),
        low=contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MINIMUM,
        high=contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MAXIMUM,
    )


def check_list(field: str, value: object, problems: list[Problem]) -> list[object] | None:
    """Read a list, or anything that can be iterated in its place.

    Returns:
        The members; None if there was a problem.
    """
    # A string is the classic: it iterates, letter by letter.
    if isinstance(value, str):
        problems.append(Problem(field, "takes a list, not a single string", f"write [{quote(value)}]"))
    elif not isinstance(value, Iterable) or isinstance(value, (bytes, bytearray, Mapping)):
        advice = "for none, write []" if value is None else None
        problems.append(Problem(field, f"takes a list, not {type_name(value)}", advice))
    else:
        return list(value)
    return None


def check_instant(field: str, value: object, problems: list[Problem]) -> None:
    """See whether it is a date and time that says which instant it is."""
    if not isinstance(value, datetime):
        problems.append(Problem(field, f"takes a datetime, not {type_name(value)}"))
    elif value.tzinfo is None:
        problems.append(Problem(field, "has no time zone", "take datetime.now(UTC)"))


def check_path(field: str, value: object, problems: list[Problem]) -> Path:
    """Read a path.

    Returns:
        The path, absolute; an empty one if there was a problem.
    """
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str):
        problems.append(Problem(field, f"takes a path, as a str or a pathlib.Path, not {type_name(value)}"))
    elif not text:
        problems.append(Problem(field, "is empty, which is no path", "for the working directory, write '.'"))
    elif not _can_name_a_file(text):
        problems.append(Problem(field, "holds what no path can have: a NUL, or half of a surrogate pair"))
    else:
        return Path(text).absolute()
    return Path()


def _can_name_a_file(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def quote(value: str) -> str:
    """A value as a message may show it: quoted, not too long, and without anything that looks like a token."""
    value = redact(plain_str(value))
    return repr(value if len(value) <= 80 else value[:77] + "...")


def type_name(value: object) -> str:
    """What a value is, where the value itself may be a secret."""
    return "None" if value is None else f"a value of type {type(value).__name__}"
