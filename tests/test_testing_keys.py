"""The mock, where it is about one key: show, update, delete and rotate."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from incident_io_keys.testing import MockAPI
from incident_io_keys_generated import contract

from .conftest import unused
from .spec import example, validate
from .test_testing import URL, ask, faults

MINUTES = contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MAXIMUM


@pytest.fixture
def manager(mock: MockAPI) -> dict[str, Any]:
    [key] = ask(mock).json()["api_keys"]
    manager: dict[str, Any] = unused(key)
    return manager


def test_a_key_is_shown_updated_and_deleted_by_its_id(mock: MockAPI) -> None:
    key = ask(mock, "POST", json=example("create_request")).json()["api_key"]
    url = f"{URL}/{key['id']}"
    shown = ask(mock, url=url).json()
    validate(shown, "APIKeyResponse")
    assert shown == {"api_key": key}
    definition = {"name": "other", "role_names": [], "team_ids": [], "team_role_names": []}
    updated = ask(mock, "PUT", url, json=definition).json()
    validate(updated, "APIKeyResponse")
    changed = {"name": "other", "roles": [], "team_ids": [], "team_roles": []}
    assert updated == ask(mock, url=url).json() == {"api_key": {**key, **changed}}
    response = ask(mock, "DELETE", url)
    assert (response.status_code, response.content) == (204, b"")
    assert faults(ask(mock, url=url), 404, "not_found") == {("not_found", None)}


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/actions/rotate")])
def test_a_key_that_is_not_there_is_404_whatever_is_wanted_of_it(mock: MockAPI, method: str, path: str) -> None:
    for name in ("01F", "a%2Fb", "%E2%82%AC"):
        assert faults(ask(mock, method, f"{URL}/{name}{path}", json={}), 404, "not_found")


def test_an_update_is_checked_as_a_create_is_and_changes_nothing_if_it_does_not_fit(mock: MockAPI) -> None:
    key = ask(mock, "POST", json=example("create_request")).json()["api_key"]
    response = ask(mock, "PUT", f"{URL}/{key['id']}", json={"name": ""})
    assert len(faults(response, 422, "validation_error")) == 4
    assert faults(ask(mock, "PUT", f"{URL}/{key['id']}", content=b"{"), 400, "invalid_request_error")
    assert ask(mock, url=f"{URL}/{key['id']}").json()["api_key"] == key


def test_a_key_cannot_update_itself(mock: MockAPI, manager: dict[str, Any]) -> None:
    response = ask(mock, "PUT", f"{URL}/{manager['id']}", json=example("create_request"))
    assert faults(response, 403, "resource_forbidden") == {("cannot_update_self", None)}


def test_after_a_rotation_the_previous_token_works_for_the_grace_period(mock: MockAPI, manager: dict[str, Any]) -> None:
    mock.clock.advance(timedelta(seconds=5))
    response = ask(mock, "POST", f"{URL}/{manager['id']}/actions/rotate", json={"grace_period_minutes": 1})
    assert response.status_code == 201
    rotated = response.json()
    validate(rotated, "IssuedAPIKeyResponse")
    assert rotated["api_key"]["token_last_issued_at"] > manager["token_last_issued_at"]
    assert rotated["api_key"]["created_at"] == manager["created_at"]

    def statuses() -> list[int]:
        return [ask(mock, token=token).status_code for token in (mock.token.reveal(), rotated["token"])]

    assert statuses() == [200, 200]
    mock.clock.advance(timedelta(seconds=50))
    assert statuses() == [200, 200]
    mock.clock.advance(timedelta(seconds=11))
    assert statuses() == [401, 200]


def test_without_a_grace_period_the_previous_token_stops_at_once(mock: MockAPI, manager: dict[str, Any]) -> None:
    url = f"{URL}/{manager['id']}/actions/rotate"
    second = ask(mock, "POST", url, json={"grace_period_minutes": 0}).json()["token"]
    tokens = (mock.token.reveal(), second)
    assert [ask(mock, token=token).status_code for token in tokens] == [401, 200]
    third = ask(mock, "POST", url, token=second, json={"grace_period_minutes": 60}).json()["token"]
    # Which does not revive the first.
    assert [ask(mock, token=token).status_code for token in (*tokens, third)] == [401, 200, 200]


def test_a_deleted_keys_token_stops_working(mock: MockAPI, manager: dict[str, Any]) -> None:
    assert ask(mock, "DELETE", f"{URL}/{manager['id']}").status_code == 204
    assert ask(mock).status_code == 401


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({}, "is_required", "/grace_period_minutes"),
        ({"grace_period_minutes": "30"}, "invalid_type", "/grace_period_minutes"),
        ({"grace_period_minutes": True}, "invalid_type", "/grace_period_minutes"),
        ({"grace_period_minutes": -1}, "out_of_range", "/grace_period_minutes"),
        ({"grace_period_minutes": MINUTES + 1}, "out_of_range", "/grace_period_minutes"),
        ([], "invalid_type", ""),
    ],
)
def test_a_rotation_that_does_not_fit_is_422_and_rotates_nothing(
    mock: MockAPI, manager: dict[str, Any], body: object, code: str, pointer: str
) -> None:
    response = ask(mock, "POST", f"{URL}/{manager['id']}/actions/rotate", json=body)
    assert faults(response, 422, "validation_error") == {(code, pointer)}
    assert [unused(key) for key in ask(mock).json()["api_keys"]] == [manager]


def test_a_key_of_the_dashboard_can_be_as_old_as_a_test_wants(mock: MockAPI) -> None:
    mock.clock.freeze()
    old = mock.add_key("old", age_seconds=86_400.5).api_key
    new = mock.add_key("new").api_key
    assert old.created_at == old.token_last_issued_at == mock.clock.now() - timedelta(days=1, seconds=0.5)
    assert new.created_at == mock.clock.now()
    assert [key["name"] for key in ask(mock).json()["api_keys"]] == ["Manager", "old", "new"]


@pytest.mark.parametrize("age", [-1, float("nan"), float("inf"), 1e300, True, "1", None])
def test_what_is_no_age_is_refused(mock: MockAPI, age: Any) -> None:
    with pytest.raises(ValueError, match=r"age_seconds takes a number|a calendar does not go back"):
        mock.add_key("old", age_seconds=age)
    assert len(ask(mock).json()["api_keys"]) == 1
