"""`due`: the ages that it accepts, the exact limit, and how it lists keys."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from dateutil.relativedelta import relativedelta

from incident_io_keys import InvalidRequestError, KeysClient, NotFoundError
from incident_io_keys.storage import due
from incident_io_keys.testing import MockAPI, faults
from incident_io_keys_generated import contract

from ..conftest import CANARY
from .doing import Doing

NOW = datetime(2026, 5, 31, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)

MORE_THAN_A_PAGE = contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM + 1


def issued_at(*instants: str) -> Any:
    """Return an API that has a key with a token issued at each of these times."""
    key = {
        "name": "",
        "roles": [],
        "team_ids": [],
        "team_roles": [],
        "creator": {},
        "created_at": "2020-01-01T00:00:00Z",
    }
    page = {
        "api_keys": [{**key, "id": instant, "token_last_issued_at": instant} for instant in instants],
        "pagination_meta": {"page_size": 250},
    }
    return lambda _: httpx.Response(200, text=json.dumps(page))


def found(doing: Doing, instants: list[str], older_than: Any, now: datetime = NOW) -> list[str]:
    client = doing.client(CANARY, issued_at(*instants))
    return [key.id for key in doing(due(client, older_than=older_than, now=now))]


AGES = [
    (timedelta(days=90), "2026-03-02T12:00:00Z"),
    (timedelta(microseconds=1), "2026-05-31T11:59:59.999999Z"),
    (relativedelta(months=3), "2026-02-28T12:00:00Z"),
    ("90 days", "2026-03-02T12:00:00Z"),
    ("90days", "2026-03-02T12:00:00Z"),
    (" 1 minute ", "2026-05-31T11:59:00Z"),
    ("3 months", "2026-02-28T12:00:00Z"),
    ("1 month and 1 day", "2026-04-29T12:00:00Z"),
    ("1 year 6 months", "2024-11-30T12:00:00Z"),
    ("2 weeks, 1 day and 3 hours", "2026-05-16T09:00:00Z"),
    ("1 day 1 day", "2026-05-29T12:00:00Z"),
]


@pytest.mark.parametrize(("older_than", "limit"), AGES, ids=[str(age) for age, _ in AGES])
def test_a_token_is_due_as_soon_as_it_reaches_the_age(doing: Doing, older_than: Any, limit: str) -> None:
    instants = [(datetime.fromisoformat(limit) + timedelta(microseconds=by)).isoformat() for by in (1, 0, -1)]
    assert found(doing, instants, older_than) == instants[1:]


@pytest.mark.parametrize("instant", ["2026-05-30T12:00:00Z", "2026-05-30T12:00:00", "2026-05-30T14:00:00+02:00"])
def test_a_time_without_a_time_zone_is_in_utc(doing: Doing, instant: str) -> None:
    assert found(doing, [instant], timedelta(days=1)) == [instant]
    assert found(doing, [instant], timedelta(days=1) + SECOND) == []


# In Berlin, 02:30 occurs twice on 25 October 2026. The first is one hour before the second.
@pytest.mark.parametrize("fold", [0, 1])
def test_an_hour_is_exact_when_daylight_saving_time_ends(doing: Doing, fold: int) -> None:
    now = datetime(2026, 10, 25, 2, 30, fold=fold, tzinfo=ZoneInfo("Europe/Berlin"))
    limit = now.astimezone(UTC) - timedelta(hours=1)
    instants = [limit.isoformat(), (limit + SECOND).isoformat()]
    assert found(doing, instants, timedelta(hours=1), now) == instants[:1]


def test_now_defaults_to_the_time_of_this_machine(doing: Doing) -> None:
    now = datetime.now(UTC)
    instants = [(now - timedelta(days=90, minutes=by)).isoformat() for by in (1, -1)]
    client = doing.client(CANARY, issued_at(*instants))
    assert [key.id for key in doing(due(client, older_than="90 days"))] == instants[:1]


INVALID: list[Any] = ["", " ", "soon", "3", "days", "-1 days", "0 days", "1.5 days", "3 days or so", "and 3 days"]
INVALID += [
    "x 3 days",
    "٣ days",
    "1000000 days",
    "999999 years",
    "999999 months",
    5,
    0.5,
    None,
    True,
    float("nan"),
    b"3 days",
]
INVALID += [timedelta(), timedelta(days=-1), timedelta.max, relativedelta()]
INVALID += [relativedelta(months=-1), relativedelta(years=10_000), relativedelta(year=2030), ["3 days"]]


@pytest.mark.parametrize("older_than", INVALID, ids=repr)
def test_an_invalid_age_is_rejected(doing: Doing, mock: MockAPI, older_than: Any) -> None:
    client = doing.client(mock.token, mock.handle)
    with pytest.raises(InvalidRequestError) as caught:
        due(client, older_than=older_than, now=NOW)
    assert [problem.field for problem in caught.value.problems] == ["older_than"]
    assert mock.requests == []


def test_a_token_passed_as_an_age_is_redacted(doing: Doing, mock: MockAPI) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        due(doing.client(mock.token, mock.handle), older_than=CANARY)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("older_than", [timedelta(), "soon"])
def test_one_error_reports_all_problems(older_than: Any) -> None:
    client: Any = "client"
    with pytest.raises(InvalidRequestError) as caught:
        due(client, older_than=older_than, now=NOW.replace(tzinfo=None))
    assert [problem.field for problem in caught.value.problems] == ["client", "now", "older_than"]
    with pytest.raises(InvalidRequestError) as caught:
        due(client, older_than="1 day", now="today")  # type: ignore[call-overload]
    assert [problem.field for problem in caught.value.problems] == ["client", "now"]


def test_pages_are_fetched_while_iterating(doing: Doing, mock: MockAPI) -> None:
    for number in range(MORE_THAN_A_PAGE):
        mock.add_key(str(number))
    mock.clock.advance(timedelta(days=2))
    client = doing.client(mock.token, mock.handle)
    keys = due(client, older_than="1 day", now=mock.clock.now())
    assert mock.requests == []
    assert doing.first(keys).name == "Manager"
    assert len(mock.requests) == 1
    rest = list(keys) if isinstance(client, KeysClient) else doing(keys)
    assert [key.name for key in rest] == [str(number) for number in range(MORE_THAN_A_PAGE)]
    assert len(mock.requests) == 2


def test_an_error_of_a_page_is_raised_while_iterating(doing: Doing, mock: MockAPI) -> None:
    mock.fail_next(faults.Status(404), operation="list")
    keys = due(doing.client(mock.token, mock.handle), older_than="1 day")
    with pytest.raises(NotFoundError):
        doing.first(keys)
