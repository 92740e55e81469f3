"""How a mock behaves where the API's documentation leaves it open, or has more than one form of an answer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final, Literal, get_args

from attrs import define, field

from ._checks import FLAG, check, one_of, whole_number
from ._clock import LONGEST
from ._limits import SIZE, WaitForm

SecondRotation = Literal["keeps", "ends"]

_NONE: Final = timedelta()


def _names(given: object) -> tuple[object, ...]:
    # A single string must not be split into characters.
    return tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)


@define(kw_only=True)
class MockSettings:
    """What can be switched at any time, by setting an attribute.

    Attributes:
        rate_limit: How many requests a minute a key has, 1,200 as documented; `None` for no limit. Some endpoints of
            the API have less.
        retry_after: The form in which a 429 tells the wait, in its header and in its body: `"seconds"`,
            `"http_date"`, `"http_date_utc"` or `"rfc3339"`; `None` to tell none.
        second_rotation: What becomes of a token that lives out its grace period when its key is rotated once more: it
            `"keeps"` its time, or `"ends"`.
        cursor_on_full_last_page: Whether a last page that is full has a cursor, to a page of no keys.
        list_delay: For how long a new key is not listed yet.
        extra_roles: Names of roles that the API has and this version does not know, for the account and for teams. The
            manager key can assign them. Without this setting, the mock rejects such roles.
    """

    rate_limit: int | None = field(default=SIZE, validator=whole_number(1, 10**9, optional=True))
    retry_after: WaitForm | None = field(default="seconds", validator=one_of(*get_args(WaitForm), None))
    second_rotation: SecondRotation = field(default="keeps", validator=one_of(*get_args(SecondRotation)))
    cursor_on_full_last_page: bool = field(default=False, validator=FLAG)
    extra_roles: tuple[str, ...] = field(
        default=(),
        converter=_names,
        validator=check("names of roles", lambda names: all(isinstance(name, str) and name for name in names)),
    )
    list_delay: timedelta = field(
        default=_NONE,
        validator=check(
            f"a timedelta from 0 to {LONGEST.days} days",
            lambda value: isinstance(value, timedelta) and _NONE <= value <= LONGEST,
        ),
    )
