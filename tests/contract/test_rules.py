"""The contract: the mock's rules to the letter, as any client meets them."""

from __future__ import annotations

import json
import math
import re
from datetime import timedelta
from typing import Any

import pytest

from incident_io_keys import (
    PermissionDeniedError,
    RateLimitError,
    Token,
)
from incident_io_keys.testing import MockAPI

from .conftest import LONGEST_NAME, MINUTE, ClientOf, Raw
from .test_keys import DEFINITION, works
from .test_wire import FITS, details

SECOND = timedelta(seconds=1)


def test_what_authorizes_is_a_bearer_token(raw: Raw, mock: MockAPI) -> None:
    plain = mock.token.reveal()
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert raw("GET", headers={"Authorization": f"{scheme} {plain}"}).status_code == 200
    for header in (f"Basic {plain}", plain, "Bearer"):
        assert details(raw("GET", headers={"Authorization": header}), 401) == {("missing_authorization_material", None)}


def test_a_method_that_is_not_taken_is_told_which_are(raw: Raw) -> None:
    assert set(raw("PATCH").headers["Allow"].split(", ")) == {"GET", "POST"}
    assert set(raw("PATCH", "/x").headers["Allow"].split(", ")) == {"GET", "PUT", "DELETE"}


@pytest.mark.parametrize("accept", ["application/*", "*/*", "text/html, application/json;q=0.5", "Application/JSON"])
def test_whoever_accepts_json_gets_it(raw: Raw, accept: str) -> None:
    assert raw("GET", headers={"Accept": accept}).status_code == 200


@pytest.mark.parametrize("body", [[], "x", 1, None])
def test_a_body_that_is_no_object_does_not_fit(raw: Raw, mock: MockAPI, body: object) -> None:
    key = mock.add_key("x").api_key
    for method, path in (("POST", ""), ("PUT", f"/{key.id}"), ("POST", f"/{key.id}/actions/rotate")):
        assert details(raw(method, path, content=json.dumps(body)), 422) == {("invalid_type", "")}


def test_a_body_has_at_most_a_mebibyte(raw: Raw) -> None:
    body = json.dumps(FITS).encode()
    assert raw("POST", content=body.ljust(1 << 20)).status_code == 201
    assert raw("POST", content=body.ljust((1 << 20) + 1)).status_code == 413


def test_what_is_wrong_is_told_in_the_documented_type(raw: Raw, mock: MockAPI) -> None:
    mock.settings.rate_limit = 7
    answers = [
        raw("GET", "/gone"),
        raw("GET", "/a/b"),
        raw("PATCH"),
        raw("POST", content=b"{"),
        raw("POST", content=b" " * 2_000_000),
        raw("GET", headers={"Accept": "text/html"}),
        raw("GET", "?page_size=0"),
        raw("GET", token=Token("inc_0")),
        *(raw("GET") for _ in range(3)),
    ]
    bodies = [answer.json() for answer in answers]
    assert [body["type"] for body in bodies if "type" in body] == [
        "not_found",
        "not_found",
        "method_not_allowed",
        "invalid_request_error",
        "payload_too_large",
        "not_acceptable",
        "validation_error",
        "authentication_error",
        "too_many_requests",
    ]
    assert len({body["request_id"] for body in bodies if "type" in body}) == 9


# Definitions.


def test_a_name_is_as_long_as_its_characters_are_many(keys: Any) -> None:
    for name in ("ü" * LONGEST_NAME, "😀" * LONGEST_NAME, " x ", "\n"):
        assert keys.create(name=name, role_names=[]).api_key.name == name


def test_team_ids_come_back_in_the_order_in_which_they_were_given(keys: Any) -> None:
    given = {"name": "x", "role_names": [], "team_ids": ["B", "A"], "team_role_names": ["schedules_reader"]}
    key = keys.create(**given).api_key
    assert key.team_ids == ("B", "A")
    assert keys.show(key.id) == key


def test_ids_and_tokens_are_of_the_documented_form(keys: Any) -> None:
    issued = keys.create(**DEFINITION)
    assert re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", issued.api_key.id)
    for each in (issued, keys.rotate(issued.api_key.id)):
        assert re.fullmatch(r"inc_[0-9a-f]{64}", each.token.reveal())


@pytest.mark.parametrize("minutes", [True, False])
def test_a_boolean_is_no_grace_period(raw: Raw, mock: MockAPI, minutes: bool) -> None:
    key = mock.add_key("x").api_key
    response = raw("POST", f"/{key.id}/actions/rotate", json={"grace_period_minutes": minutes})
    assert details(response, 422) == {("invalid_type", "/grace_period_minutes")}


def test_a_grace_period_is_required(raw: Raw, mock: MockAPI) -> None:
    key = mock.add_key("x").api_key
    assert details(raw("POST", f"/{key.id}/actions/rotate", json={}), 422) == {("is_required", "/grace_period_minutes")}


@pytest.mark.parametrize("size", ["x", "", "1.5", "2x", "٣"])
def test_a_page_size_is_a_number(raw: Raw, size: str) -> None:
    response = raw("GET", "", params={"page_size": size, "after": "x"})
    assert [error["source"]["field"] for error in response.json()["errors"]] == ["page_size", "after"]


def test_an_update_changes_neither_the_creator_nor_the_place_in_the_list(
    keys: Any, client: ClientOf, mock: MockAPI
) -> None:
    creator = client(mock.add_key("creator", ["api_keys_manage", "viewer"]).token)
    key = creator.create(name="Manager", role_names=["viewer"]).api_key
    added = mock.add_key("by a person").api_key
    later = keys.create(name="later", role_names=[]).api_key
    for changed in (key, added):
        updated = keys.update(changed.id, **DEFINITION)  # of a key that is called as the caller is, too
        assert updated.creator == changed.creator
    assert [each.id for each in keys.list(page_size=2)][-3:] == [key.id, added.id, later.id]


def test_what_a_caller_may_do_is_looked_up_each_time(keys: Any, client: ClientOf, mock: MockAPI) -> None:
    issued = mock.add_key("m", ["api_keys_manage"])
    caller = client(issued.token)
    assert len(list(caller.list())) == 2
    keys.update(issued.api_key.id, **DEFINITION)
    with pytest.raises(PermissionDeniedError):
        list(caller.list())


# Rights.


def test_a_team_s_manager_gets_whole_pages_of_its_teams_keys(client: ClientOf, mock: MockAPI) -> None:
    caller = client(mock.add_key("m", [], ["A"], ["api_keys_manage"]).token)
    for number, teams in enumerate((["A"], ["B"], ["B", "A"], ["B"], ["A", "C"], [])):
        mock.add_key(str(number), [], teams, ["schedules_reader"] if teams else [])
    pages = list(caller.list(page_size=2).pages())
    assert [[key.name for key in page.keys] for page in pages] == [["m", "0"], ["2", "4"]]
    assert pages[1].after is None
    assert caller.show(pages[1].keys[0].id) == pages[1].keys[0]


def test_rotating_needs_what_the_key_may_do_for_its_teams(client: ClientOf, mock: MockAPI) -> None:
    caller = client(mock.add_key("m", ["api_keys_manage", "viewer"], ["A"], ["schedules_reader"]).token)
    refused = [
        mock.add_key("another role", [], ["A"], ["escalation_creator"]),
        mock.add_key("another team", [], ["A", "B"], ["schedules_reader"]),
        mock.add_key("a role that includes it", [], ["A"], ["schedules_editor"]),
    ]
    for other in refused:
        with pytest.raises(PermissionDeniedError):
            caller.rotate(other.api_key.id)
        assert works(client, other.token)
    caller.rotate(mock.add_key("x", ["viewer"], ["A"], ["schedules_reader"]).api_key.id)


def test_a_part_of_a_role_is_not_enough(client: ClientOf, mock: MockAPI) -> None:
    caller = client(mock.add_key("m", ["api_keys_manage"], ["A"], ["schedules_reader"]).token)
    with pytest.raises(PermissionDeniedError):
        caller.create(name="x", role_names=[], team_ids=["A"], team_role_names=["schedules_editor"])
    caller = client(mock.add_key("m", ["api_keys_manage", "incident_creator"]).token)
    with pytest.raises(PermissionDeniedError):
        caller.create(name="x", role_names=["incident_editor"])


@pytest.mark.parametrize(
    ("role", "included"),
    [
        ("incident_editor", "incident_creator"),
        ("catalog_editor", "catalog_viewer"),
        ("schedule_overrides_editor", "schedules_reader"),
        ("on_call_editor", "escalation_creator"),
        ("on_call_editor", "schedules_reader"),
        ("private_workflows_editor", "workflows_editor"),
    ],
)
def test_a_role_hands_out_what_it_includes_and_not_the_other_way_round(
    client: ClientOf, mock: MockAPI, role: str, included: str
) -> None:
    client(mock.add_key("m", ["api_keys_manage", role]).token).create(name="x", role_names=[included])
    with pytest.raises(PermissionDeniedError):
        client(mock.add_key("m", ["api_keys_manage", included]).token).create(name="x", role_names=[role])


def test_all_that_a_caller_lacks_is_told_with_its_place(raw: Raw, mock: MockAPI) -> None:
    manager = mock.add_key("m", ["viewer"], ["A"], ["api_keys_manage"]).token
    body = {
        "name": "x",
        "role_names": ["catalog_viewer", "viewer", "incident_creator"],
        "team_ids": ["A", "B"],
        "team_role_names": ["schedules_reader", "on_call_editor"],
    }
    assert details(raw("POST", token=manager, json=body), 403) == {
        ("missing_scope", "/role_names/0"),
        ("missing_scope", "/role_names/2"),
        ("missing_scope", "/team_role_names/0"),
        ("missing_scope", "/team_role_names/1"),
        ("not_your_team", "/team_ids/1"),
    }


# Rotations and lists.


def test_a_second_rotation_ends_the_first_grace_where_that_is_set(keys: Any, client: ClientOf, mock: MockAPI) -> None:
    mock.settings.second_rotation = "ends"
    first = keys.create(**DEFINITION)
    second = keys.rotate(first.api_key.id, grace_period_minutes=10)
    third = keys.rotate(first.api_key.id, grace_period_minutes=10)
    assert [works(client, each.token) for each in (first, second, third)] == [False, True, True]


def test_a_second_rotation_does_not_shorten_the_first_grace(keys: Any, client: ClientOf, mock: MockAPI) -> None:
    first = keys.create(**DEFINITION)
    second = keys.rotate(first.api_key.id, grace_period_minutes=60)
    keys.rotate(first.api_key.id, grace_period_minutes=1)
    mock.clock.advance(2 * MINUTE)
    assert [works(client, each.token) for each in (first, second)] == [True, False]


def test_an_update_ends_no_grace(keys: Any, client: ClientOf) -> None:
    first = keys.create(**DEFINITION)
    second = keys.rotate(first.api_key.id, grace_period_minutes=10)
    keys.update(first.api_key.id, **{**DEFINITION, "name": "other"})
    assert [works(client, each.token) for each in (first, second)] == [True, True]


def test_a_rotated_key_stays_in_the_list(keys: Any, mock: MockAPI) -> None:
    mock.settings.list_delay = MINUTE
    key = keys.create(**DEFINITION).api_key
    mock.clock.advance(MINUTE)
    keys.rotate(key.id)
    assert key.id in [each.id for each in keys.list()]


def test_a_page_says_which_size_was_asked_for(raw: Raw) -> None:
    assert raw("GET", "?page_size=200").json()["pagination_meta"] == {"page_size": 200}


# The rate.


def test_the_answer_to_what_was_counted_tells_of_the_rate(raw: Raw, mock: MockAPI) -> None:
    mock.settings.rate_limit = 60
    for number, answer in enumerate([raw("GET"), raw("GET", "/gone"), raw("POST", content=b"{")], start=1):
        told = {name: value for name, value in answer.headers.items() if name.startswith("x-ratelimit")}
        assert told == {
            "x-ratelimit-limit": "60, 60;window=60",
            "x-ratelimit-remaining": str(60 - number),
            "x-ratelimit-used": str(number),
            "x-ratelimit-reset": str(math.ceil(mock.clock.now().timestamp() + number)),
        }
    viewer = mock.add_key("viewer", ["viewer"]).token
    assert raw("GET", token=viewer).headers["X-RateLimit-Used"] == "1"
    assert "X-RateLimit-Used" not in raw("GET", token=Token("inc_0")).headers


def test_the_rate_is_that_of_each_key_and_comes_back_evenly(client: ClientOf, mock: MockAPI) -> None:
    mock.settings.rate_limit = 6
    one, other = (client(mock.add_key(name, ["api_keys_manage"]).token, attempts=1) for name in ("one", "other"))

    def granted(most: int) -> int:
        for number in range(most):
            try:
                list(one.list())
            except RateLimitError:
                return number
        return most

    assert granted(10) == 6
    list(other.list())
    mock.clock.advance(9 * SECOND)
    assert granted(10) == 0
    mock.clock.advance(SECOND)
    assert granted(10) == 1
    mock.clock.advance(10 * MINUTE)
    assert granted(10) == 6
    mock.settings.rate_limit = 3
    assert granted(10) == 3


@pytest.mark.parametrize(("limit", "wait"), [(6, 10), (7, 9)])
@pytest.mark.parametrize("form", ["seconds", "http_date", "http_date_utc", "rfc3339", None])
def test_a_wait_is_long_enough_in_each_form(
    raw: Raw, client: ClientOf, mock: MockAPI, form: Any, limit: int, wait: int
) -> None:
    mock.settings.rate_limit, mock.settings.retry_after = limit, form
    for _ in range(limit):
        raw("GET")
    answer = raw("GET")
    until = mock.clock.now() + timedelta(seconds=wait, microseconds=999_999)
    expected = {
        "seconds": str(wait),
        "http_date": f"{until:%a, %d %b %Y %H:%M:%S GMT}",
        "http_date_utc": f"{until:%a, %d %b %Y %H:%M:%S UTC}",
        "rfc3339": f"{until:%Y-%m-%dT%H:%M:%SZ}",
        None: None,
    }[form]
    assert answer.headers.get("Retry-After") == expected
    assert answer.json().get("rate_limit", {}).get("retry_after") == expected
    with pytest.raises(RateLimitError) as caught:
        list(client(attempts=1).list())
    told = caught.value.retry_after
    if form is None:
        assert told is None
    else:
        assert abs((told or 0) - wait) <= (0 if form == "seconds" else 1)


def test_an_id_is_found_however_it_is_escaped(raw: Raw, mock: MockAPI) -> None:
    key = mock.add_key("x").api_key
    assert raw("GET", f"/%{ord(key.id[0]):x}{key.id[1:]}").json()["api_key"]["id"] == key.id


def test_the_role_is_looked_at_before_anything_else(raw: Raw, mock: MockAPI) -> None:
    viewer = mock.add_key("viewer", ["viewer"]).token
    for arguments in ({"headers": {"Accept": "text/html"}}, {"content": b"{"}, {"params": {"page_size": "0"}}):
        for method in ("GET", "POST"):
            assert details(raw(method, token=viewer, **arguments), 403) == {("missing_role", None)}
