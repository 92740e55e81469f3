"""Validators of what a test tells the mock, each with a message that says what would do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from attrs import Attribute

Validator: TypeAlias = Callable[[Any, "Attribute[Any]", Any], None]


def check(what: str, fits: Callable[[Any], bool]) -> Validator:
    """A validator that wants a value to be something.

    Args:
        what: What it has to be, for the message.
        fits: Whether a value is that.
    """

    def validate(_: object, attribute: Attribute[Any], value: Any) -> None:
        if not fits(value):
            raise ValueError(f"{attribute.name} must be {what}, not {value!r}")

    return validate


def whole_number(low: int, high: float, *, optional: bool = False) -> Validator:
    """A validator of whole numbers from `low` to `high`."""
    what = f"a whole number from {low} to {high:,.0f}" + (", or nothing" if optional else "")
    return check(what, lambda value: (optional and value is None) or (type(value) is int and low <= value <= high))


def number(high: float) -> Validator:
    """A validator of numbers from 0 to `high`."""
    return check(f"a number from 0 to {high:,.0f}", lambda value: type(value) in (int, float) and 0 <= value <= high)


def one_of(*values: object) -> Validator:
    """A validator of one of some values."""
    names = ", ".join(repr(value) for value in values)
    return check(f"one of {names}", lambda value: any(value is each or value == each for each in values))


FLAG = check("true or false", lambda value: isinstance(value, bool))
SHARE = check("a share from 0 to below 1", lambda value: type(value) in (int, float) and 0 <= value < 1)
TEXT = check("text", lambda value: isinstance(value, str))
