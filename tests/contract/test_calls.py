"""The contract: how often a call is sent, what it waits for, which token it carries, where a list begins and ends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from incident_io_keys import (
    APIStatusError,
    InvalidResponseError,
    PaginationError,
    PermissionDeniedError,
    RateLimitError,
)
from incident_io_keys.testing import MockAPI, faults

from ..conftest import without_last_use
from .conftest import ClientOf
from .test_keys import DEFINITION, works
from .test_pages import listed


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_what_passes_is_repeated(keys: Any, mock: MockAPI, status: int) -> None:
    key = mock.add_key("x").api_key
    mock.fail_next(faults.Status(status), times=3)
    assert keys.show(key.id) == key
    assert len(mock.requests) == 4


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 405, 409, 422, 501, 505])
def test_what_does_not_pass_is_not_repeated(keys: Any, mock: MockAPI, status: int) -> None:
    key = mock.add_key("x").api_key
    mock.fail_next(faults.Status(status))
    with pytest.raises(APIStatusError):
        keys.show(key.id)
    assert len(mock.requests) == 1


def test_what_was_lost_counts_until_the_call_is_over(keys: Any, mock: MockAPI) -> None:
    key, other = mock.add_key("x").api_key, mock.add_key("y").api_key
    mock.fail_next(faults.Reset(), operation="update")
    mock.fail_next(faults.RateLimited(), operation="update")
    mock.fail_next(faults.Status(403), operation="update")
    with pytest.raises(PermissionDeniedError) as caught:
        keys.update(key.id, **DEFINITION)
    assert caught.value.may_have_applied
    mock.fail_next(faults.Reset(), operation="delete")
    mock.fail_next(faults.RateLimited(), operation="delete")
    keys.delete(key.id)
    mock.fail_next(faults.Reset(), operation="delete")
    mock.fail_next(faults.Status(404, body="<html>gone</html>"), operation="delete")
    keys.delete(other.id)


def test_a_redirect_is_not_followed_and_may_have_applied(keys: Any, mock: MockAPI) -> None:
    mock.fail_next(faults.Status(307, headers={"Location": "/v1/api_keys"}))
    with pytest.raises(APIStatusError) as caught:
        keys.create(**DEFINITION)
    assert caught.value.may_have_applied
    assert len(mock.requests) == 1


def waits(caplog: pytest.LogCaptureFixture) -> list[float]:
    return [record.delay for record in caplog.records if record.name == "incident_io_keys"]  # type: ignore[attr-defined]


def test_a_client_has_four_attempts_and_says_how_long_it_waits(
    keys: Any, mock: MockAPI, caplog: pytest.LogCaptureFixture
) -> None:
    mock.fail_next(faults.Status(503), times=4)
    with pytest.raises(APIStatusError):
        list(keys.list())
    assert len(mock.requests) == 4
    first, second, third = waits(caplog)
    assert 0.25 <= first <= 0.5 <= second <= 1 <= third <= 2


def test_no_wait_of_a_client_s_own_is_longer_than_8_seconds(
    client: ClientOf, mock: MockAPI, caplog: pytest.LogCaptureFixture
) -> None:
    mock.fail_next(faults.Status(503), times=8)
    list(client(attempts=9, deadline=1000).list())
    assert all(4 <= wait <= 8 for wait in waits(caplog)[-4:])


@pytest.mark.parametrize("seconds", [1, 7])
def test_the_wait_that_the_api_asks_for_is_kept(
    keys: Any, mock: MockAPI, caplog: pytest.LogCaptureFixture, seconds: int
) -> None:
    mock.fail_next(faults.RateLimited(seconds))
    list(keys.list())
    assert waits(caplog) == [seconds]


def test_a_wait_that_would_pass_the_deadline_is_not_begun(keys: Any, mock: MockAPI) -> None:
    mock.fail_next(faults.RateLimited(3600))
    with pytest.raises(RateLimitError) as caught:
        list(keys.list())
    assert caught.value.retry_after == 3600
    assert len(mock.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [
        faults.Status(429, headers={"Retry-After": "7"}),
        faults.Status(429, body='{"rate_limit": {"retry_after": "7"}}'),
        faults.Status(429, body='{"rate_limit": {"retry_after": 7}}'),
    ],
    ids=["header", "body", "number"],
)
def test_a_wait_is_read_wherever_it_is_told(client: ClientOf, mock: MockAPI, fault: faults.Fault) -> None:
    mock.fail_next(fault)
    with pytest.raises(RateLimitError) as caught:
        list(client(attempts=1).list())
    assert caught.value.retry_after == 7


def test_a_token_source_is_asked_before_every_request(keys: Any, client: ClientOf, mock: MockAPI) -> None:
    token = mock.add_key("own", ["api_keys_manage", "viewer"]).token
    own = client(lambda: token)
    key = list(own.list())[-1]
    token = keys.rotate(key.id, grace_period_minutes=0).token
    assert own.show(key.id).id == key.id
    token = own.rotate(key.id, grace_period_minutes=0).token
    assert list(own.list())[-1].id == key.id
    assert len(mock.requests) == 5
    assert all(request.headers["Authorization"] == "<redacted>" for request in mock.requests)


def test_a_token_that_was_replaced_meanwhile_is_asked_for_again(keys: Any, client: ClientOf, mock: MockAPI) -> None:
    old = mock.add_key("own", ["api_keys_manage"])
    new = keys.rotate(old.api_key.id, grace_period_minutes=0)
    asked = iter([old.token, new.token])
    del mock.requests[:]
    assert without_last_use(client(lambda: next(asked)).show(old.api_key.id)) == new.api_key
    assert len(mock.requests) == 2


def test_another_token_is_asked_for_only_after_a_401(client: ClientOf, mock: MockAPI) -> None:
    viewer = mock.add_key("viewer", ["viewer"])
    asked = iter([viewer.token, mock.token])
    with pytest.raises(PermissionDeniedError):
        client(lambda: next(asked)).show(viewer.api_key.id)
    assert len(mock.requests) == 1


def test_a_cut_answer_does_not_cost_a_token_that_is_whole(keys: Any, client: ClientOf, mock: MockAPI) -> None:
    mock.fail_next(faults.CutJSON(keep=0.9999))
    with pytest.raises(InvalidResponseError) as caught:
        keys.create(**DEFINITION)
    assert caught.value.token is not None
    assert works(client, caught.value.token)


def test_the_rate_limit_is_what_was_told_last(client: ClientOf, mock: MockAPI) -> None:
    keys = client(attempts=1)
    for remaining in (1199, 1198):
        keys.create(**DEFINITION)
        assert keys.rate_limit.remaining == remaining
    mock.fail_next(faults.Status(503))
    with pytest.raises(APIStatusError):
        list(keys.list())
    assert keys.rate_limit.remaining == 1198
    assert client().rate_limit is None
    assert 0 < keys.rate_limit.reset - mock.clock.now().timestamp() < 61


def test_a_request_says_who_sends_it_and_what_it_takes(keys: Any, mock: MockAPI) -> None:
    keys.create(**DEFINITION)
    [request] = mock.requests
    assert request.headers["Accept"] == "application/json"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["User-Agent"].startswith("incident-io-keys/")
    assert json.loads(request.content) == DEFINITION


def test_each_iteration_starts_afresh(keys: Any, mock: MockAPI) -> None:
    for number in range(5):
        mock.add_key(str(number))
    pager = keys.list(page_size=2)
    next(iter(pager))
    next(pager.pages())
    assert listed(pager) == listed(pager) == ["Manager", "0", "1", "2", "3", "4"]


def test_the_cursor_that_a_list_starts_with_does_not_come_back(keys: Any, mock: MockAPI) -> None:
    start = mock.add_key("0").api_key
    for number in range(1, 5):
        mock.add_key(str(number))
    mock.fail_next(faults.RepeatCursor())
    got = iter(keys.list(page_size=2, after=start.id))
    assert [next(got).name for _ in range(2)] == ["1", "2"]
    with pytest.raises(PaginationError):
        next(got)
    assert len(mock.requests) == 1


def test_an_empty_page_is_the_last(keys: Any, mock: MockAPI) -> None:
    mock.settings.cursor_on_full_last_page = True
    mock.fail_next(faults.RepeatCursor())
    assert [len(page.keys) for page in keys.list(page_size=1).pages()] == [1, 0]
