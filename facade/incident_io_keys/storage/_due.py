"""Which keys have had their token for too long."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias, overload

from dateutil.relativedelta import relativedelta

from incident_io_keys_generated.models import APIKey

from .._validation import quote, raise_if_invalid, type_name
from ..async_client import AsyncKeysClient
from ..client import KeysClient
from ..errors import Problem
from ._orphans import utc
from ._runner import Client, check_client
from ._validation import check_instant

Age: TypeAlias = timedelta | relativedelta | str

_PART: Final = re.compile(r"\s*(\d{1,6})\s*(minute|hour|day|week|month|year)s?\s*(?:,|and\b)?", re.ASCII)


@overload
def due(client: KeysClient, *, older_than: Age, now: datetime | None = None) -> Iterator[APIKey]: ...
@overload
def due(client: AsyncKeysClient, *, older_than: Age, now: datetime | None = None) -> AsyncIterator[APIKey]: ...
def due(client: Client, *, older_than: Age, now: datetime | None = None) -> Iterator[APIKey] | AsyncIterator[APIKey]:
    """Find the keys whose token was issued too long ago.

    API: `GET /v1/api_keys` (https://docs.incident.io/api-reference/api-keys-v1/list).

    Args:
        client: The client to list the keys with.
        older_than: The age from which on a token is due: a `timedelta`, a `relativedelta` of dateutil, or a text such
            as "90 days", "3 months" or "1 year 6 months". A month is one of the calendar, in UTC.
        now: What time it is, with its time zone; the time of this machine if it is not given.

    Yields:
        Keys, in the API's order; page after page is fetched as you go on. With an async client, use `async for`.

    Raises:
        InvalidRequestError: Arguments cannot be used.
        IncidentIOError: While iterating: a page could not be had.
    """
    problems: list[Problem] = []
    check_client(client, problems)
    limit = limit_of(older_than, now, problems)
    raise_if_invalid("due did nothing", problems)
    if isinstance(client, AsyncKeysClient):
        return (key async for key in client.list() if is_due(key, limit))
    return (key for key in client.list() if is_due(key, limit))


def is_due(key: APIKey, limit: datetime) -> bool:
    """Whether the token of a key was issued at this instant or before."""
    return utc(key.token_last_issued_at) <= limit


def limit_of(older_than: object, now: datetime | None, problems: list[Problem], field: str = "older_than") -> datetime:
    """Return the time that is `older_than` before now. Problems are reported under `field`."""
    if now is not None:
        check_instant("now", now, problems)
    present = now if isinstance(now, datetime) and now.tzinfo is not None else datetime.now(UTC)
    age = _age(older_than, problems, field)
    try:
        # In UTC: other clocks leave out hours, and repeat some.
        limit: datetime = present.astimezone(UTC) - age
    except (ValueError, OverflowError):
        problems.append(Problem(field, "is longer ago than the calendar goes"))
        return present
    if limit >= present:
        problems.append(Problem(field, "has to be more than nothing"))
    return limit


def _age(older_than: object, problems: list[Problem], field: str) -> timedelta | relativedelta:
    if isinstance(older_than, timedelta | relativedelta):
        return older_than
    example = 'such as "90 days" or "3 months"'
    if not isinstance(older_than, str):
        advice = f"give a timedelta, or a text {example}"
        problems.append(Problem(field, f"takes an age, not {type_name(older_than)}", advice))
        return timedelta(1)
    age, position = relativedelta(), 0
    while match := _PART.match(older_than, position):
        age += relativedelta(**{f"{match[2]}s": int(match[1])})  # type: ignore[arg-type]
        position = match.end()
    if not position or older_than[position:].strip():
        problems.append(Problem(field, f"{quote(older_than)} is no age", f"write one {example}"))
        return timedelta(1)
    return age
