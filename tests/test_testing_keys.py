"""The mock, where it is about one key: show, update, delete and rotate."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from incident_io_keys.testing import MockAPI
from incident_io_keys_generated import contract

from .conftest import without_last_use
from .spec import example, validate
from .test_testing import URL, ask, faults

COMMENTS = contract.API_KEY_DEFINITION_COMMENTS_MAX_LENGTH
MINUTES = contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MAXIMUM


@pytest.fixture
def manager(mock: MockAPI) -> dict[str, Any]:
    [key] = ask(mock).json()["api_keys"]
    manager: dict[str, Any] = without_last_use(key)
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
    assert [without_last_use(key) for key in ask(mock).json()["api_keys"]] == [manager]


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


@pytest.mark.parametrize("age", [-1, float("nan"), 1e300, True, "1"])
def test_invalid_unused_seconds_are_rejected(mock: MockAPI, age: Any) -> None:
    with pytest.raises(ValueError, match=r"unused_seconds takes a number|a calendar does not go back"):
        mock.add_key("old", unused_seconds=age)
    assert len(ask(mock).json()["api_keys"]) == 1


def test_no_key_was_used_before_it_was_created(mock: MockAPI) -> None:
    mock.add_key("at once", age_seconds=10, unused_seconds=10)
    with pytest.raises(ValueError, match="unused_seconds takes at most age_seconds"):
        mock.add_key("before", age_seconds=10, unused_seconds=11)


@pytest.mark.anything_is_sent
def test_a_role_of_the_settings_can_be_given_by_the_manager_and_by_nobody_else(mock: MockAPI) -> None:
    wanted = {"name": "a", "role_names": ["brand_new"], "team_ids": ["A"], "team_role_names": ["brand_new"]}
    caller = mock.add_key("caller", ["api_keys_manage", "viewer"]).token.reveal()
    places = {("invalid_value", "/role_names/0"), ("invalid_value", "/team_role_names/0")}
    assert faults(ask(mock, "POST", json=wanted), 422, "validation_error") == places
    with pytest.raises(ValueError, match="role_names has no value 'brand_new'"):
        mock.add_key("a", ["brand_new"])
    mock.settings.extra_roles = ("brand_new",)
    made = ask(mock, "POST", json=wanted)
    assert made.status_code == 201
    assert made.json()["api_key"]["team_roles"] == [{"name": "brand_new", "description": "Can brand new"}]
    refused = ask(mock, "POST", token=caller, json=wanted)
    assert {code for code, _ in faults(refused, 403, "resource_forbidden")} == {"missing_scope"}
    # The manager needs all scopes of a key to rotate it.
    url = f"{URL}/{made.json()['api_key']['id']}/actions/rotate"
    assert ask(mock, "POST", url, json={"grace_period_minutes": 0}).status_code == 201
    mock.settings.extra_roles = ()
    assert faults(ask(mock, "POST", json=wanted), 422, "validation_error") == places


@pytest.mark.parametrize(
    ("comments", "code"),
    [("a" * (COMMENTS + 1), "invalid_length"), ("\0", "invalid_value"), (3, "invalid_type"), (None, "invalid_type")],
)
def test_comments_that_do_not_fit_are_422(mock: MockAPI, comments: Any, code: str) -> None:
    body = {"name": "a", "role_names": [], "team_ids": [], "team_role_names": [], "comments": comments}
    assert faults(ask(mock, "POST", json=body), 422, "validation_error") == {(code, "/comments")}
    assert len(ask(mock).json()["api_keys"]) == 1


def test_only_an_authenticated_request_sets_last_used_at(mock: MockAPI) -> None:
    mock.clock.freeze()
    issued = mock.add_key("a", ["viewer"])

    def last_used() -> str | None:
        key: dict[str, Any] = ask(mock, url=f"{URL}/{issued.api_key.id}").json()["api_key"]
        return key.get("last_used_at")

    assert ask(mock, token=issued.token.reveal() + "0").status_code == 401
    assert last_used() is None
    assert ask(mock, token=issued.token.reveal()).status_code == 403
    assert last_used() == mock.clock.now().isoformat().replace("+00:00", "Z")


def last_uses(mock: MockAPI, token: str) -> list[str | None]:
    return [key.get("last_used_at") for key in ask(mock, token=token).json()["api_keys"]]


def test_last_used_at_survives_a_restart(tmp_path: Path) -> None:
    with MockAPI(tmp_path / "keys.db") as mock:
        caller = mock.add_key("caller", ["api_keys_manage"]).token.reveal()
        mock.add_key("never")
        used = last_uses(mock, mock.token.reveal())[0]
    with MockAPI(tmp_path / "keys.db") as mock:
        # Only the caller of this request has been used since.
        assert last_uses(mock, caller)[::2] == [used, None]
    with MockAPI(tmp_path / "keys.db") as mock:
        assert None not in last_uses(mock, caller)[:2]
