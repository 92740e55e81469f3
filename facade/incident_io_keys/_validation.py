"""Checks of single arguments. Each adds its problems to a list, so that one error reports all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from incident_io_keys_generated import contract

from ._redaction import plain_str, redact
from .errors import InvalidRequestError, Problem
from .tokens import Token

# Characters that end a path segment, percent signs, and control characters.
_NOT_IN_SEGMENT: Final = re.compile(r"[/\\?#%\s\x00-\x1f\x7f-\x9f]")

# What a header can carry. The API documents no rule for tokens. White space comes from a careless copy.
_HEADER_SAFE: Final = re.compile(r"[\x21-\x7e]+")

NOT_UNICODE: Final = "contains half of a surrogate pair, which no request can carry"


def raise_if_invalid(outcome: str, problems: list[Problem]) -> None:
    """Raise InvalidRequestError if there are problems. The outcome begins its message: `create was not sent`."""
    if problems:
        raise InvalidRequestError(outcome, problems)


def check_text(
    field: str, value: object, problems: list[Problem], *, low: int, high: int | None = None, pattern: str = ""
) -> str:
    """Check the length and the pattern of a string. Return it as a plain `str`; empty if it is invalid."""
    bounds = f"{low} to {high} characters" if high is not None else f"{low} or more characters"
    if not isinstance(value, str):
        problems.append(Problem(field, f"takes a string of {bounds}, not {type_name(value)}"))
    elif len(value) < low or (high is not None and len(value) > high):
        problems.append(Problem(field, f"has {len(value)} characters, but takes {bounds}"))
    elif not re.search(pattern, value):
        nul = "\0" in value  # the only character that a pattern of the contract excludes today
        problems.append(Problem(field, "contains a null character" if nul else f"does not match {pattern!r}"))
    elif re.search("[\ud800-\udfff]", value):
        problems.append(Problem(field, NOT_UNICODE))
    else:
        return plain_str(value)
    return ""


def check_id(field: str, value: object, problems: list[Problem]) -> str:
    """Check an ID that becomes one segment of a path. Return it; empty if it is invalid."""
    text = check_text(field, value, problems, low=1)
    if text in (".", "..") or _NOT_IN_SEGMENT.search(text):
        problems.append(Problem(field, f"{quote(text)} cannot be part of a path", "give the ID alone, as in key.id"))
        return ""
    return text


def check_whole_number(field: str, value: object, problems: list[Problem], *, low: int, high: int) -> int:
    """Check an integer and its inclusive bounds. Return it as a plain `int`; `low` if it is invalid."""
    # A bool is an int to Python, but page_size=True is a mistake.
    if not isinstance(value, int) or isinstance(value, bool):
        problems.append(Problem(field, f"takes a whole number from {low} to {high}, not {type_name(value)}"))
    elif not low <= value <= high:
        # Python raises ValueError for numbers of thousands of digits.
        problems.append(Problem(field, f"is {value if abs(value) < 10**9 else 'far off'}, but takes {low} to {high}"))
    else:
        return int(value)
    return low


def check_grace_period(minutes: object, problems: list[Problem]) -> int:
    """Check a grace period in minutes. Return it; the minimum if it is invalid."""
    return check_whole_number(
        "grace_period_minutes",
        minutes,
        problems,
        low=contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MINIMUM,
        high=contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MAXIMUM,
    )


def check_list(field: str, value: object, problems: list[Problem]) -> list[object] | None:
    """Check a list or another iterable. Return its members; None if it is invalid."""
    # A string is iterable too, letter by letter.
    if isinstance(value, str):
        problems.append(Problem(field, "takes a list, not a single string", f"write [{quote(value)}]"))
    elif not isinstance(value, Iterable) or isinstance(value, (bytes, bytearray, Mapping)):
        suggestion = "for none, write []" if value is None else None
        problems.append(Problem(field, f"takes a list, not {type_name(value)}", suggestion))
    else:
        return list(value)
    return None


def token_problem(token: Token) -> str | None:
    """Return why no request can carry a token; None if a request can."""
    if not token.reveal().strip():
        return "is missing or blank"
    if token.reveal()[0] in "\"'" or token.reveal()[-1] in "\"'":
        return "is in quotes"
    if not _HEADER_SAFE.fullmatch(token.reveal()):
        return "has white space or another character that no token has"
    return None


def quote(value: str) -> str:
    """Return a value for a message: quoted, shortened and redacted."""
    value = redact(plain_str(value))
    return repr(value if len(value) <= 80 else value[:77] + "...")


def type_name(value: object) -> str:
    """Return the type of a value for a message, without the value, which may be a secret."""
    return "None" if value is None else f"a value of type {type(value).__name__}"
