"""`due`: finds the keys whose token was issued too long ago."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias, overload

from dateutil.relativedelta import relativedelta

from incident_io_keys_generated.models import APIKey

from .._validation import quote, raise_if_invalid, type_name
from ..async_client import AsyncKeysClient
from ..client import KeysClient
from ..errors import Problem
from ._adapters import check_client, is_async
from ._runner import Client
from ._validation import check_aware_datetime

Age: TypeAlias = timedelta | relativedelta | str

_PART: Final = re.compile(r"\s*(\d{1,6})\s*(minute|hour|day|week|month|year)s?\s*(?:,|and\b)?", re.ASCII)


@overload
def due(client: KeysClient, *, older_than: Age, now: datetime | None = None) -> Iterator[APIKey]: ...
@overload
def due(client: AsyncKeysClient, *, older_than: Age, now: datetime | None = None) -> AsyncIterator[APIKey]: ...
def due(client: Client, *, older_than: Age, now: datetime | None = None) -> Iterator[APIKey] | AsyncIterator[APIKey]:
    """Iterate over the keys whose token was issued too long ago.

    API: `GET /v1/api_keys` (https://docs.incident.io/api-reference/api-keys-v1/list).

    Args:
        client: The client that lists the keys. With an async client, use `async for`.
        older_than: The age from which a token is due: a `timedelta`, a `relativedelta` of dateutil, or a text such as
            "90 days", "3 months" or "1 year 6 months". A month is a calendar month, in UTC.
        now: The current time, with its time zone; by default this machine's.

    Yields:
        The keys, in the API's order. Pages are fetched as they are reached.

    Raises:
        InvalidRequestError: Arguments are invalid.
        IncidentIOError: While iterating: a page could not be fetched.
    """
    problems: list[Problem] = []
    check_client(client, problems, "list")
    limit = cutoff("older_than", older_than, now, problems)
    raise_if_invalid("due did nothing", problems)
    pager: Any = client.list()
    if is_async(client):
        return (key async for key in pager if key.token_last_issued_at <= limit)
    return (key for key in pager if key.token_last_issued_at <= limit)


def time_ago(age: Age, *, now: datetime | None = None) -> datetime:
    """Return the time that is an age before now.

    Args:
        age: As `older_than` of `due`.
        now: As for `due`.

    Raises:
        InvalidRequestError: Arguments are invalid.
    """
    problems: list[Problem] = []
    limit = cutoff("age", age, now, problems)
    raise_if_invalid("time_ago returned nothing", problems)
    return limit


def cutoff(field: str, age: object, now: datetime | None, problems: list[Problem]) -> datetime:
    if now is not None:
        check_aware_datetime("now", now, problems)
    present = now if isinstance(now, datetime) and now.tzinfo is not None else datetime.now(UTC)
    length = _parse_age(field, age, problems)
    try:
        # In UTC: other clocks leave out hours, and repeat some.
        limit: datetime = present.astimezone(UTC) - length
    except (ValueError, OverflowError):
        problems.append(Problem(field, "is too long: it reaches back before the year 1"))
        return present
    if limit >= present:
        problems.append(Problem(field, "must be more than zero"))
    return limit


def _parse_age(field: str, age: object, problems: list[Problem]) -> timedelta | relativedelta:
    if isinstance(age, timedelta | relativedelta):
        return age
    example = 'such as "90 days" or "3 months"'
    if not isinstance(age, str):
        problems.append(Problem(field, f"takes an age, not {type_name(age)}", f"pass a timedelta, or a text {example}"))
        return timedelta(1)
    length, position = relativedelta(), 0
    while match := _PART.match(age, position):
        length += relativedelta(**{f"{match[2]}s": int(match[1])})  # type: ignore[arg-type]
        position = match.end()
    if not position or age[position:].strip():
        problems.append(Problem(field, f"{quote(age)} is not an age", f"write one {example}"))
        return timedelta(1)
    return length
