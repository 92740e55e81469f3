"""The mock, where it is told to fail. What a fault does to a connection, test_testing_server says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from incident_io_keys import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    InternalServerError,
    InvalidResponseError,
    PaginationError,
    RateLimitError,
)
from incident_io_keys.testing import MockAPI, faults

from .conftest import Make
from .test_testing import URL, ask

NEW = {"name": "a", "role_names": ["viewer"]}


@pytest.fixture
def client(make: Make, mock: MockAPI) -> Any:
    """A client that tries each call once."""
    return make(mock.token, transport=mock.transport(), attempts=1)


def keys_of(mock: MockAPI) -> int:
    return len(ask(mock).json()["api_keys"]) - 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 408, 409, 412, 413, 422, 429, 500])
def test_a_documented_status_comes_in_the_envelope_and_without_an_effect(
    mock: MockAPI, client: Any, status: int
) -> None:
    mock.fail_next(faults.Status(status))
    with pytest.raises(APIStatusError) as caught:
        client.create(**NEW)
    assert (caught.value.status, bool(caught.value.request_id)) == (status, True)
    assert keys_of(mock) == 0


@pytest.mark.parametrize("status", [502, 503, 504, 520, 530])
def test_a_status_of_a_gateway_comes_as_html(mock: MockAPI, client: Any, status: int) -> None:
    mock.fail_next(faults.Status(status))
    with pytest.raises(InternalServerError) as caught:
        client.create(**NEW)
    assert caught.value.response.headers["Content-Type"].startswith("text/html")
    assert keys_of(mock) == 0


def test_a_status_can_have_a_body_and_headers_of_its_own(mock: MockAPI) -> None:
    mock.fail_next(faults.Status(302, headers={"Location": "https://example.com"}))
    mock.fail_next(faults.Status(503, body="back soon", headers={"Retry-After": "5"}))
    mock.fail_next(faults.Status(409, headers={"X-Own": "1"}))
    assert ask(mock).headers["Location"] == "https://example.com"
    late = ask(mock)
    assert (late.text, late.headers["Retry-After"]) == ("back soon", "5")
    assert ask(mock).headers["X-Own"] == "1"


@pytest.mark.parametrize("form", ["seconds", "http_date", "http_date_utc", "rfc3339"])
def test_a_429_asks_for_the_wait_that_was_chosen(mock: MockAPI, client: Any, form: Any) -> None:
    mock.fail_next(faults.RateLimited(7, form))
    with pytest.raises(RateLimitError) as caught:
        client.create(**NEW)
    assert 6 <= (caught.value.retry_after or 0) <= 8
    assert keys_of(mock) == 0


def test_a_429_can_ask_for_no_wait(mock: MockAPI, client: Any) -> None:
    mock.fail_next(faults.RateLimited(form=None))
    with pytest.raises(RateLimitError) as caught:
        client.create(**NEW)
    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    ("fault", "path"),
    [
        (faults.CutJSON(), "$"),
        (faults.CutJSON(keep=0), "$"),
        (faults.DropProperty("api_key.created_at"), "$.api_key"),
        (faults.DropProperty("api_key.roles.name"), "$.api_key.roles[0]"),
        (faults.DropProperty("api_key"), "$"),
    ],
)
def test_an_answer_can_be_spoilt_after_its_effect(mock: MockAPI, client: Any, fault: faults.Fault, path: str) -> None:
    mock.fail_next(fault)
    with pytest.raises(InvalidResponseError) as caught:
        client.create(**NEW)
    assert caught.value.path == path
    assert keys_of(mock) == 1


def test_a_property_that_no_answer_has_cannot_be_dropped() -> None:
    for path in ("api_key.nmae", "api_keys.id.x", "$.api_key", "", ".", 3):
        with pytest.raises(ValueError, match="path must be the path of a property that an answer has"):
            faults.DropProperty(path)  # type: ignore[arg-type]


def test_a_dropped_property_waits_for_an_answer_that_has_it(mock: MockAPI, client: Any) -> None:
    mock.fail_next(faults.DropProperty("api_key.created_at"))
    mock.fail_next(faults.DropProperty("pagination_meta.after"))
    mock.fail_next(faults.DropProperty("api_keys.creator.user"))
    assert "after" not in ask(mock).json()["pagination_meta"]  # and it never was there
    assert ask(mock).json()["api_keys"][0]["creator"] == {}
    assert mock.faults_left() == 1
    with pytest.raises(InvalidResponseError):
        client.create(**NEW)
    with pytest.raises(ValueError, match="one of create, rotate for DropProperty, not 'show'"):
        mock.fail_next(faults.DropProperty("token"), operation="show")


def test_every_key_of_an_answer_can_have_a_role_that_nobody_knows(mock: MockAPI, client: Any) -> None:
    mock.add_key("other")
    mock.fail_next(faults.UnknownRole())
    assert [key.roles[-1].name for key in client.list()] == ["role_of_tomorrow"] * 2
    mock.fail_next(faults.UnknownRole("boss"))
    issued = client.create(**NEW)
    assert issued.api_key.roles[-1].name == "boss"
    assert client.show(issued.api_key.id).roles[-1].name == "viewer"


def test_a_cursor_can_come_twice(mock: MockAPI, client: Any) -> None:
    for number in range(3):
        mock.add_key(str(number))
    mock.fail_next(faults.RepeatCursor())
    keys = iter(client.list(page_size=1))
    assert [next(keys).name for _ in range(2)] == ["Manager", "0"]
    with pytest.raises(PaginationError):
        next(keys)


@pytest.mark.parametrize(
    "fault", [faults.CutJSON(), faults.DropProperty("api_key"), faults.UnknownRole(), faults.RepeatCursor()]
)
def test_a_fault_of_an_answer_leaves_a_refusal_readable(mock: MockAPI, fault: faults.Fault) -> None:
    mock.fail_next(fault)
    response = ask(mock, url=f"{URL}?after=01FDAG4SAP5TYPT98WGR2N7W91&page_size=0")
    if not isinstance(fault, faults.CutJSON):
        assert response.json()["status"] == 422


@pytest.mark.parametrize(
    ("fault", "error", "applied"),
    [
        (faults.Reset(), httpx.ReadError, True),
        (faults.Reset(applied=False), httpx.ReadError, False),
        (faults.Close(), httpx.RemoteProtocolError, True),
        (faults.Close(applied=False), httpx.RemoteProtocolError, False),
        (faults.Hang(), httpx.ReadTimeout, True),
        (faults.Hang(applied=False), httpx.ReadTimeout, False),
        (faults.ShortBody(), httpx.RemoteProtocolError, True),
        (faults.Drip(), httpx.ReadTimeout, True),
        (faults.Slow(31), httpx.ReadTimeout, True),
    ],
)
def test_a_client_in_the_same_process_gets_what_httpx_raises_for_a_broken_connection(
    mock: MockAPI, client: Any, fault: faults.Fault, error: type[Exception], applied: bool
) -> None:
    mock.fail_next(fault)
    with pytest.raises(APIConnectionError) as caught:
        client.create(**NEW)
    assert type(caught.value.__cause__) is error
    assert isinstance(caught.value, APITimeoutError) == (error is httpx.ReadTimeout)
    assert caught.value.may_have_applied
    assert keys_of(mock) == applied


def test_what_arrives_of_a_broken_body_arrives_first(mock: MockAPI) -> None:
    with httpx.Client(transport=mock.transport(), headers={"Authorization": f"Bearer {mock.token.reveal()}"}) as http:
        whole = len(http.get(URL).content)
        mock.fail_next(faults.ShortBody(keep=0.5))
        with http.stream("GET", URL) as response:
            parts = response.iter_raw()
            assert len(next(parts)) == whole // 2
            with pytest.raises(httpx.RemoteProtocolError):
                next(parts)


def test_in_the_same_process_a_late_answer_takes_no_time_but_the_mock_s(mock: MockAPI, client: Any) -> None:
    mock.clock.freeze()
    before = mock.clock.now()
    mock.fail_next(faults.Slow(29.5), times=2)
    client.create(**NEW)
    assert (mock.clock.now() - before).total_seconds() == 29.5
    headers = {"Authorization": f"Bearer {mock.token.reveal()}"}
    with httpx.Client(transport=mock.transport(), headers=headers, timeout=None) as patient:  # noqa: S113 - it is
        assert patient.get(URL).status_code == 200
    mock.fail_next(faults.Slow(31))
    with pytest.raises(APITimeoutError):
        client.create(**NEW)
    assert (mock.clock.now() - before).total_seconds() == 29.5 * 2 + 30


def test_faults_come_in_order_by_operation_and_by_count(mock: MockAPI) -> None:
    mock.fail_next(faults.Status(500), operation="create", times=2)
    mock.fail_next(faults.Status(409), operation="create")
    mock.fail_next(faults.RepeatCursor())
    mock.fail_next(faults.Status(502))
    assert ask(mock, url="https://api.incident.io/elsewhere").status_code == 404
    assert [ask(mock).status_code for _ in range(2)] == [502, 200]
    assert [ask(mock, "POST", json={}).status_code for _ in range(4)] == [500, 500, 409, 422]


def test_whoever_asks_meets_the_fault(mock: MockAPI) -> None:
    mock.fail_next(faults.Status(503), operation="delete")
    assert ask(mock, "DELETE", f"{URL}/x", token=None).status_code == 503
    assert ask(mock, "DELETE", f"{URL}/x", token=None).status_code == 401


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"fault": faults.Reset}, TypeError, "one of incident_io_keys.testing.faults"),
        ({"fault": 503}, TypeError, "one of incident_io_keys.testing.faults"),
        ({"fault": faults.Reset(), "operation": "creat"}, ValueError, "list, create, show, update, delete, rotate"),
        ({"fault": faults.RepeatCursor(), "operation": "show"}, ValueError, "one of list for RepeatCursor, not 'show'"),
        ({"fault": faults.CutJSON(), "operation": "delete"}, ValueError, "one of list, create, show, update, rotate"),
        ({"fault": faults.Reset(), "times": 1.5}, ValueError, "times must be a whole number from 1, not 1.5"),
        ({"fault": faults.Reset(), "times": True}, ValueError, "times must be a whole number from 1, not True"),
        ({"fault": faults.Reset(), "times": 0}, ValueError, "times must be a whole number from 1, not 0"),
    ],
)
def test_a_fault_that_cannot_happen_is_refused(
    mock: MockAPI, arguments: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        mock.fail_next(**arguments)
    assert ask(mock).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: faults.Status(200), "status must be a whole number from 300 to 599, not 200"),
        (lambda: faults.Status("503"), "status must be a whole number from 300 to 599, not '503'"),  # type: ignore[arg-type]
        (lambda: faults.Status(503, body={}), "body must be text"),  # type: ignore[arg-type]
        (lambda: faults.Status(503, headers={"X": 5}), "headers must be names with values"),  # type: ignore[dict-item]
        (lambda: faults.Status(503, headers=["X"]), "headers must be names with values"),  # type: ignore[arg-type]
        (lambda: faults.Status(503, headers={"X": "a\r\nY: b"}), "headers must be names with values"),
        (lambda: faults.RateLimited(-1), "seconds must be a whole number from 0 to 31,622,400, not -1"),
        (lambda: faults.RateLimited(True), "seconds must be a whole number"),
        (lambda: faults.RateLimited(1, "soon"), "form must be one of 'seconds', 'http_date', 'http_date_utc', "),  # type: ignore[arg-type]
        (lambda: faults.CutJSON(keep=1), "keep must be a share from 0 to below 1, not 1"),
        (lambda: faults.ShortBody(keep="half"), "keep must be a share from 0 to below 1, not 'half'"),  # type: ignore[arg-type]
        (lambda: faults.Slow(-1), "seconds must be a number from 0 to 31,622,400, not -1"),
        (lambda: faults.Slow(float("inf")), "seconds must be a number"),
        (lambda: faults.Slow(float("nan")), "seconds must be a number"),
        (lambda: faults.Reset(applied="no"), "applied must be true or false, not 'no'"),  # type: ignore[arg-type]
        (lambda: faults.UnknownRole("viewer"), "name must be a role that the contract does not have, not 'viewer'"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_when_it_is_made(wrong: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        wrong()


def test_a_dropped_property_leaves_a_refusal_as_it_is(mock: MockAPI) -> None:
    mock.fail_next(faults.DropProperty("api_key"), operation="show")
    assert ask(mock, url=f"{URL}/x").json()["type"] == "not_found"
    assert mock.faults_left() == 0


def test_faults_that_have_not_happened_can_be_counted_and_cleared(mock: MockAPI) -> None:
    mock.fail_next(faults.Status(503), times=3)
    mock.fail_next(faults.Reset(), operation="delete")
    ask(mock)
    assert mock.faults_left() == 3
    mock.clear_faults()
    assert mock.faults_left() == 0
    assert ask(mock).status_code == 200


def test_a_page_without_keys_can_be_spoilt_too(mock: MockAPI) -> None:
    [manager] = ask(mock).json()["api_keys"]
    for fault in (faults.UnknownRole(), faults.DropProperty("api_keys.name"), faults.CutJSON(), faults.RepeatCursor()):
        mock.fail_next(fault)
        assert ask(mock, url=f"{URL}?after={manager['id']}").status_code == 200


def test_a_wait_that_is_told_as_a_date_counts_from_the_mock_s_time(mock: MockAPI, client: Any) -> None:
    mock.clock.advance(timedelta(days=1))
    mock.fail_next(faults.RateLimited(3, "http_date"))
    with pytest.raises(RateLimitError) as caught:
        client.create(**NEW)
    assert 2 <= (caught.value.retry_after or 0) <= 4


def test_a_429_tells_the_limit_that_there_is(mock: MockAPI) -> None:
    mock.settings.rate_limit = 60
    mock.fail_next(faults.RateLimited())
    assert ask(mock).json()["rate_limit"]["limit"] == 60


def test_what_arrived_is_kept_without_tokens_wherever_they_stood(mock: MockAPI) -> None:
    token = mock.token.reveal()
    url = f"{URL}?after={token}"
    mock.handle(httpx.Request("POST", url, headers={"X-Copy": token, "authorization": token}, json={"name": token}))
    [request] = mock.requests
    assert token not in f"{request.url}{request.headers.raw}{request.content!r}"
    assert json.loads(request.content) == {"name": "<redacted>"}
    assert request.headers["Authorization"] == request.headers["X-Copy"] == "<redacted>"
    assert request.url.params["after"] == "redacted"
    other = token.replace("_", "%5F"), token.replace("_", "\\u005f")
    mock.handle(httpx.Request("GET", f"https://{token}@host/{other[0]}#{token}", content=other[1]))
    kept = f"{mock.requests[-1].url}{mock.requests[-1].content!r}"
    assert token[4:] not in kept
    ask(mock, token=None)
    assert "Authorization" not in mock.requests[-1].headers


def test_of_very_many_requests_the_latest_are_kept(mock: MockAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("incident_io_keys.testing._mock.MOST_REQUESTS", 10)
    for number in range(45):
        ask(mock, url=f"{URL}/{number}")
        assert min(number + 1, 10) <= len(mock.requests) <= 20
    assert str(mock.requests[-1].url) == f"{URL}/44"
