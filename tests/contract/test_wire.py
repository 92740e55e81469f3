"""The contract: what goes over the wire where something is wrong, on either side."""

from __future__ import annotations

from typing import Any

import pytest

from incident_io_keys import (
    APIConnectionError,
    APIStatusError,
    BadRequestError,
    ConflictError,
    InternalServerError,
    InvalidRequestError,
    InvalidResponseError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    UnprocessableEntityError,
)
from incident_io_keys.testing import MockAPI, faults

from .conftest import LARGEST_PAGE, LONGEST_GRACE, LONGEST_NAME, ClientOf, Raw
from .test_keys import DEFINITION, works

FITS: dict[str, Any] = {**DEFINITION, "role_names": ["viewer"], "team_role_names": ["on_call_editor"]}


def details(response: Any, status: int) -> set[tuple[str, str | None]]:
    assert response.status_code == status
    body = response.json()
    assert body["status"] == status
    return {(each["code"], each.get("source", {}).get("pointer")) for each in body["errors"]}


# What the API refuses, though the client would not have sent it.


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"name": ""}, {"/name"}),
        ({"name": "x" * (LONGEST_NAME + 1)}, {"/name"}),
        ({"name": None}, {"/name"}),
        ({"role_names": ["viwer", "viewer", "schedules_editr"]}, {"/role_names/0", "/role_names/2"}),
        ({"team_role_names": ["viewer"]}, {"/team_role_names/0"}),
        ({"team_ids": "A"}, {"/team_ids"}),
        ({"team_ids": []}, {"/team_ids"}),
        ({"team_role_names": []}, {"/team_role_names"}),
        ({"name": "", "role_names": [1], "team_ids": [None]}, {"/name", "/role_names/0", "/team_ids/0"}),
    ],
)
def test_a_definition_that_does_not_fit_is_refused_with_all_that_is_wrong(
    raw: Raw, mock: MockAPI, method: str, changes: dict[str, Any], pointers: set[str]
) -> None:
    key = mock.add_key("x").api_key
    response = raw(method, f"/{key.id}" if method == "PUT" else "", json={**FITS, **changes})
    assert {pointer for _, pointer in details(response, 422)} == pointers
    assert response.json()["type"] == "validation_error"
    assert raw("GET").json()["api_keys"][1:] == [raw("GET", f"/{key.id}").json()["api_key"]]
    assert raw("GET", f"/{key.id}").json()["api_key"]["name"] == "x"


@pytest.mark.parametrize("missing", list(FITS))
def test_what_is_missing_is_required(raw: Raw, missing: str) -> None:
    body = {name: value for name, value in FITS.items() if name != missing}
    assert details(raw("POST", json=body), 422) == {("is_required", f"/{missing}")}


@pytest.mark.parametrize(
    ("query", "field"),
    [("page_size=0", "page_size"), (f"page_size={LARGEST_PAGE + 1}", "page_size"), ("after=2", "after")],
)
def test_a_query_that_does_not_fit_is_refused(raw: Raw, query: str, field: str) -> None:
    response = raw("GET", f"?{query}")
    assert response.status_code == 422
    assert [error["source"]["field"] for error in response.json()["errors"]] == [field]


@pytest.mark.parametrize("minutes", [-1, LONGEST_GRACE + 1, "30", None, 1.5])
def test_a_grace_period_that_does_not_fit_rotates_nothing(raw: Raw, mock: MockAPI, minutes: object) -> None:
    issued = mock.add_key("x")
    before = raw("GET", f"/{issued.api_key.id}").json()
    response = raw("POST", f"/{issued.api_key.id}/actions/rotate", json={"grace_period_minutes": minutes})
    assert {pointer for _, pointer in details(response, 422)} == {"/grace_period_minutes"}
    assert raw("GET", f"/{issued.api_key.id}").json() == before
    assert raw("GET", token=issued.token).status_code == 403


def test_what_is_no_request_of_this_api_is_told_so(raw: Raw) -> None:
    assert details(raw("POST", content=b"{"), 400) == {("invalid_json", None)}
    assert details(raw("PATCH"), 405) == {("method_not_allowed", None)}
    assert details(raw("POST", "/01FCNDV6P870EA6S7TK1DSYDG0"), 405) == {("method_not_allowed", None)}
    assert details(raw("GET", "/a/b"), 404) == {("not_found", None)}
    assert details(raw("GET", headers={"Accept": "text/html"}), 406) == {("not_acceptable", None)}
    assert details(raw("POST", content=b" " * 2_000_000), 413) == {("payload_too_large", None)}
    assert details(raw("GET", headers={"Authorization": ""}), 401) == {("missing_authorization_material", None)}


# What the client does not send.


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "x" * (LONGEST_NAME + 1)},
        {"role_names": ["viwer"]},
        {"team_role_names": ["viewer"]},
        {"team_ids": []},
        {"team_role_names": []},
    ],
)
def test_what_the_api_would_refuse_is_not_sent(keys: Any, mock: MockAPI, changes: dict[str, Any]) -> None:
    definition = {**FITS, **changes}
    with pytest.raises(InvalidRequestError):
        keys.create(**definition)
    with pytest.raises(InvalidRequestError):
        keys.update("x", **definition)
    assert mock.requests == []


def test_numbers_out_of_bounds_are_not_sent(keys: Any, mock: MockAPI) -> None:
    for size in (0, LARGEST_PAGE + 1):
        with pytest.raises(InvalidRequestError):
            keys.list(page_size=size)
    for minutes in (-1, LONGEST_GRACE + 1):
        with pytest.raises(InvalidRequestError):
            keys.rotate("x", grace_period_minutes=minutes)
    assert mock.requests == []


def test_the_bounds_themselves_are_sent(keys: Any) -> None:
    issued = keys.create(name="x" * LONGEST_NAME, role_names=[])
    for minutes in (0, LONGEST_GRACE):
        keys.rotate(issued.api_key.id, grace_period_minutes=minutes)
    assert [len(page.keys) for size in (1, LARGEST_PAGE) for page in keys.list(page_size=size).pages()] == [1, 1, 2]


# What fails on the way.


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (405, APIStatusError),
        (409, ConflictError),
        (422, UnprocessableEntityError),
        (429, RateLimitError),
        (500, InternalServerError),
        (503, InternalServerError),
        (520, InternalServerError),
    ],
)
def test_each_refusal_is_an_exception_of_its_own(
    client: ClientOf, mock: MockAPI, status: int, kind: type[APIStatusError]
) -> None:
    mock.fail_next(faults.Status(status))
    with pytest.raises(APIStatusError) as caught:
        client(attempts=1).create(**DEFINITION)
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert caught.value.may_have_applied == (status >= 500)
    assert bool(caught.value.request_id) == (status in range(400, 501))


PASSING = (
    faults.Status(503),
    faults.Status(408),
    faults.RateLimited(),
    faults.Reset(),
    faults.Close(),
    faults.ShortBody(),
)


@pytest.mark.parametrize("fault", PASSING, ids=lambda fault: repr(fault))
def test_reading_is_repeated(keys: Any, mock: MockAPI, fault: faults.Fault) -> None:
    key = mock.add_key("x").api_key
    mock.fail_next(fault, times=3)
    assert keys.show(key.id) == key
    assert len(mock.requests) == 4
    mock.fail_next(fault, times=3)
    assert list(keys.list())[1] == key


@pytest.mark.parametrize("fault", PASSING, ids=lambda fault: repr(fault))
def test_replacing_and_deleting_is_repeated_and_done_once(keys: Any, mock: MockAPI, fault: faults.Fault) -> None:
    key = mock.add_key("x").api_key
    mock.fail_next(fault, operation="update", times=3)
    assert keys.update(key.id, **DEFINITION).name == DEFINITION["name"]
    if not isinstance(fault, faults.ShortBody):  # there is no body
        mock.fail_next(fault, operation="delete", times=3)
    keys.delete(key.id)
    assert [each.name for each in keys.list()] == ["Manager"]


@pytest.mark.parametrize("fault", [fault for fault in PASSING if not isinstance(fault, faults.RateLimited)], ids=repr)
def test_what_issues_a_token_is_not_repeated(keys: Any, client: ClientOf, mock: MockAPI, fault: faults.Fault) -> None:
    applied = not isinstance(fault, faults.Status)
    mock.fail_next(fault)
    with pytest.raises((APIConnectionError, InternalServerError, APIStatusError)) as caught:
        keys.create(**DEFINITION)
    assert caught.value.may_have_applied
    assert len(mock.requests) == 1
    assert len(list(keys.list())) == 1 + applied
    other = mock.add_key("x")
    mock.fail_next(fault, operation="rotate")
    with pytest.raises((APIConnectionError, InternalServerError, APIStatusError)) as caught:
        keys.rotate(other.api_key.id, grace_period_minutes=0)
    assert caught.value.may_have_applied
    assert works(client, other.token) != applied


def test_a_refusal_for_the_rate_is_repeated_for_whatever_it_was(keys: Any, mock: MockAPI) -> None:
    mock.fail_next(faults.RateLimited(), times=3)
    issued = keys.create(**DEFINITION)
    mock.fail_next(faults.RateLimited(), times=3)
    keys.rotate(issued.api_key.id)
    assert len(mock.requests) == 8
    assert len(list(keys.list())) == 2


def test_the_attempts_are_as_many_as_were_allowed(client: ClientOf, mock: MockAPI) -> None:
    mock.fail_next(faults.Status(503), times=100)
    with pytest.raises(InternalServerError):
        list(client(attempts=3).list())
    assert len(mock.requests) == 3


def test_what_fails_is_what_was_to_fail(client: ClientOf, mock: MockAPI) -> None:
    impatient, key = client(attempts=1), mock.add_key("x").api_key
    mock.fail_next(faults.Status(503), operation="delete", times=2)
    assert impatient.show(key.id) == key
    for _ in range(2):
        with pytest.raises(InternalServerError):
            impatient.delete(key.id)
    assert mock.faults_left() == 0
    impatient.delete(key.id)


# What has drifted.


def test_a_role_that_nobody_knows_yet_is_read(keys: Any, mock: MockAPI) -> None:
    mock.fail_next(faults.UnknownRole("role_of_tomorrow"))
    assert [role.name for role in keys.create(**DEFINITION).api_key.roles][-1] == "role_of_tomorrow"


@pytest.mark.parametrize("path", ["api_key.created_at", "api_key.id", "api_key.creator", "api_key"])
def test_an_answer_that_does_not_fit_does_not_cost_the_token(
    keys: Any, client: ClientOf, mock: MockAPI, path: str
) -> None:
    mock.fail_next(faults.DropProperty(path))
    with pytest.raises(InvalidResponseError) as caught:
        keys.create(**DEFINITION)
    assert caught.value.may_have_applied
    assert caught.value.token is not None
    assert works(client, caught.value.token)


def test_a_cut_answer_is_told_as_such_and_reading_it_is_not_repeated(keys: Any, mock: MockAPI) -> None:
    key = mock.add_key("x").api_key
    mock.fail_next(faults.CutJSON())
    with pytest.raises(InvalidResponseError):
        keys.show(key.id)
    assert keys.show(key.id) == key


def test_what_is_left_of_the_rate_limit_is_known(keys: Any, mock: MockAPI) -> None:
    keys.create(**DEFINITION)
    assert (keys.rate_limit.limit, keys.rate_limit.remaining) == (1200, 1199)
    assert keys.rate_limit.reset >= mock.clock.now().timestamp()


def test_a_key_that_has_used_up_its_requests_is_told_how_long_to_wait(client: ClientOf, mock: MockAPI) -> None:
    mock.settings.rate_limit = 6
    impatient = client(attempts=1)
    for _ in range(6):
        list(impatient.list())
    with pytest.raises(RateLimitError) as caught:
        list(impatient.list())
    assert caught.value.retry_after == 10
