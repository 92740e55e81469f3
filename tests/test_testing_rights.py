"""The mock, where it is about who may do what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from incident_io_keys import IssuedKey
from incident_io_keys.testing import MockAPI
from incident_io_keys.testing._rights import INCLUDES, MANAGER, scopes_of
from incident_io_keys_generated.contract import LIMIT_ACTIVE_KEYS
from incident_io_keys_generated.models import AccountRole, TeamRole

from .test_testing import URL, ask, faults

NOBODY: dict[str, Any] = {"name": "a", "role_names": [], "team_ids": [], "team_role_names": []}


def defined(*roles: str, teams: Sequence[str] = (), team_roles: Sequence[str] = ()) -> dict[str, Any]:
    return {"name": "a", "role_names": [*roles], "team_ids": [*teams], "team_role_names": [*team_roles]}


@pytest.fixture
def manager_with(mock: MockAPI) -> Callable[..., IssuedKey]:
    """Makes a key that manages keys of the whole account and has some roles more."""
    return lambda *roles, **teams: mock.add_key("manager", [MANAGER, *roles], **teams)


@pytest.fixture
def manager_of(mock: MockAPI) -> Callable[..., IssuedKey]:
    """Makes a key that manages the keys of teams and has some roles more in them."""
    return lambda *teams, roles=(), account=(): mock.add_key("team manager", account, teams, [MANAGER, *roles])


def create(mock: MockAPI, caller: IssuedKey, definition: dict[str, Any]) -> Any:
    return ask(mock, "POST", token=caller.token.reveal(), json=definition)


def refused(response: Any) -> set[tuple[str, str | None]]:
    return faults(response, 403, "resource_forbidden")


# The examples of the documentation.


def test_a_caller_hands_out_what_it_has_itself_and_nothing_else(
    mock: MockAPI, manager_with: Callable[..., IssuedKey]
) -> None:
    caller = manager_with("viewer", "incident_creator")
    assert create(mock, caller, defined("viewer", "incident_creator")).status_code == 201
    response = create(mock, caller, defined("viewer", "incident_editor", "catalog_viewer"))
    assert refused(response) == {("missing_scope", "/role_names/1"), ("missing_scope", "/role_names/2")}


def test_what_is_had_in_the_account_can_be_handed_out_for_any_team(
    mock: MockAPI, manager_with: Callable[..., IssuedKey]
) -> None:
    caller = manager_with("schedules_editor")
    response = create(mock, caller, defined(teams=["A", "B"], team_roles=["schedules_editor"]))
    assert response.status_code == 201


def test_what_is_had_in_a_team_can_be_handed_out_for_that_team_only(
    mock: MockAPI, manager_with: Callable[..., IssuedKey]
) -> None:
    caller = manager_with(team_ids=["A"], team_role_names=["schedules_editor"])
    assert create(mock, caller, defined(teams=["A"], team_roles=["schedules_editor"])).status_code == 201
    for teams in (["B"], ["A", "B"]):
        response = create(mock, caller, defined(teams=teams, team_roles=["schedules_editor"]))
        assert refused(response) == {("missing_scope", "/team_role_names/0")}
    assert refused(create(mock, caller, defined("schedules_editor"))) == {("missing_scope", "/role_names/0")}


# What follows from them.


def test_a_role_that_includes_another_hands_it_out(mock: MockAPI, manager_with: Callable[..., IssuedKey]) -> None:
    caller = manager_with("on_call_editor")
    assert create(mock, caller, defined("schedules_reader", "escalation_creator")).status_code == 201
    assert create(mock, manager_with("schedules_reader"), defined("on_call_editor")).status_code == 403


def test_every_role_has_a_scope_of_its_own_and_no_two_are_the_same() -> None:
    roles = {*map(str, AccountRole), *map(str, TeamRole)}
    assert all(role in scopes_of(role) for role in roles)
    assert len({scopes_of(role) for role in roles}) == len(roles)
    assert set(INCLUDES) <= roles
    assert scopes_of("a_role_that_is_yet_to_come") == {"a_role_that_is_yet_to_come"}


@pytest.mark.parametrize("field", ["role_names", "team_role_names"])
def test_the_managing_role_is_not_given_here_not_even_by_one_who_has_it_all(mock: MockAPI, field: str) -> None:
    changes: dict[str, Any] = {field: [str(MANAGER)], **({"team_ids": ["A"]} if field == "team_role_names" else {})}
    response = ask(mock, "POST", json={**NOBODY, **changes})
    assert faults(response, 422, "validation_error") == {("not_assignable", f"/{field}/0")}
    # In the dashboard it is.
    mock.add_key("manager", **changes)


def test_an_update_hands_out_no_more_than_a_create(mock: MockAPI, manager_with: Callable[..., IssuedKey]) -> None:
    caller = manager_with("viewer")
    other = mock.add_key("other", ["incident_editor"])
    url = f"{URL}/{other.api_key.id}"
    response = ask(mock, "PUT", url, token=caller.token.reveal(), json=defined("incident_editor"))
    assert refused(response) == {("missing_scope", "/role_names/0")}
    assert [role["name"] for role in ask(mock, url=url).json()["api_key"]["roles"]] == ["incident_editor"]
    # It may take away what it does not have.
    assert ask(mock, "PUT", url, token=caller.token.reveal(), json=defined("viewer")).status_code == 200


def test_rotating_needs_all_that_the_key_may_do_and_deleting_does_not(
    mock: MockAPI, manager_with: Callable[..., IssuedKey]
) -> None:
    caller = manager_with("viewer")
    other = mock.add_key("other", ["viewer", "incident_editor"], ["A"], ["schedules_reader"])
    url = f"{URL}/{other.api_key.id}"
    body = {"grace_period_minutes": 0}
    response = ask(mock, "POST", f"{url}/actions/rotate", token=caller.token.reveal(), json=body)
    assert refused(response) == {("missing_scope", None)}
    assert len(response.json()["errors"]) == 2
    assert ask(mock, token=other.token.reveal()).status_code == 403  # and not 401: its token still works
    assert ask(mock, "DELETE", url, token=caller.token.reveal()).status_code == 204


def test_a_key_that_manages_nothing_is_refused_whatever_it_wants(mock: MockAPI) -> None:
    other = mock.add_key("viewer", ["viewer"])
    url = f"{URL}/{other.api_key.id}"
    for method, where in (("GET", URL), ("POST", URL), ("GET", url), ("PUT", url), ("DELETE", url)):
        assert refused(ask(mock, method, where, token=other.token.reveal())) == {("missing_role", None)}


# Callers that manage the keys of teams.


def test_a_team_s_manager_sees_the_keys_of_its_teams_and_no_others(
    mock: MockAPI, manager_of: Callable[..., IssuedKey]
) -> None:
    caller = manager_of("A", "B", roles=["schedules_reader"])
    ours = [mock.add_key("x", [], teams, ["schedules_reader"]).api_key.id for teams in (["A"], ["B"], ["A", "C"])]
    theirs = [mock.add_key("y", [], ["C"], ["schedules_reader"]).api_key.id, mock.add_key("z", ["viewer"]).api_key.id]
    token = caller.token.reveal()
    listed = [key["id"] for key in ask(mock, token=token).json()["api_keys"]]
    assert listed == [caller.api_key.id, *ours]
    for key_id in ours:
        assert ask(mock, url=f"{URL}/{key_id}", token=token).status_code == 200
    for key_id in theirs:
        for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/actions/rotate")):
            response = ask(mock, method, f"{URL}/{key_id}{path}", token=token, json=NOBODY)
            assert faults(response, 404, "not_found") == {("not_found", None)}
    assert len(ask(mock).json()["api_keys"]) == 7


def test_pages_of_a_team_s_manager_are_full_of_keys_that_it_sees(
    mock: MockAPI, manager_of: Callable[..., IssuedKey]
) -> None:
    caller = manager_of("A")
    for number in range(6):
        mock.add_key(str(number), [], ["A" if number % 2 else "B"], ["schedules_reader"])
    token, cursor, names = caller.token.reveal(), "", []
    while cursor is not None:
        page = ask(mock, url=f"{URL}?page_size=2{cursor and f'&after={cursor}'}", token=token).json()
        names.append([key["name"] for key in page["api_keys"]])
        cursor = page["pagination_meta"].get("after")
    assert names == [["team manager", "1"], ["3", "5"]]


def test_a_team_s_manager_makes_keys_of_its_teams_only(mock: MockAPI, manager_of: Callable[..., IssuedKey]) -> None:
    caller = manager_of("A", roles=["schedules_reader"], account=["viewer", "schedules_editor"])
    # In its account it has schedules_editor: for team A it can give that, for team B it has no say.
    assert create(mock, caller, defined("viewer", teams=["A"], team_roles=["schedules_editor"])).status_code == 201
    response = create(mock, caller, defined(teams=["A", "B"], team_roles=["schedules_editor"]))
    assert refused(response) == {("not_your_team", "/team_ids/1")}
    assert refused(create(mock, caller, defined("viewer"))) == {("not_your_team", "/team_ids")}


def test_a_team_s_manager_can_neither_widen_a_key_nor_give_it_away(
    mock: MockAPI, manager_of: Callable[..., IssuedKey]
) -> None:
    caller = manager_of("A", roles=["schedules_reader"])
    created = create(mock, caller, defined(teams=["A"], team_roles=["schedules_reader"])).json()["api_key"]
    url, token = f"{URL}/{created['id']}", caller.token.reveal()
    for definition in (
        defined(teams=["B"], team_roles=["schedules_reader"]),
        defined(teams=["A"], team_roles=["on_call_editor"]),
        defined("viewer", teams=["A"], team_roles=["schedules_reader"]),
        NOBODY,
    ):
        assert ask(mock, "PUT", url, token=token, json=definition).status_code == 403
    assert ask(mock, url=url).json()["api_key"] == created


def test_everything_against_a_definition_is_told_at_once(mock: MockAPI, manager_of: Callable[..., IssuedKey]) -> None:
    definition = defined("viewer", teams=["A", "B"], team_roles=["schedules_reader"])
    assert refused(create(mock, manager_of("A"), definition)) == {
        ("missing_scope", "/role_names/0"),
        ("missing_scope", "/team_role_names/0"),
        ("not_your_team", "/team_ids/1"),
    }


def test_who_created_a_key_is_told_with_it(mock: MockAPI, manager_with: Callable[..., IssuedKey]) -> None:
    caller = manager_with()
    created = create(mock, caller, NOBODY).json()["api_key"]
    assert created["creator"] == {"api_key": {"id": caller.api_key.id, "name": "manager"}}
    assert caller.api_key.creator.user is not None
    assert caller.api_key.creator.api_key is None


def test_what_the_dashboard_would_not_take_is_a_mistake_of_the_test(mock: MockAPI) -> None:
    with pytest.raises(ValueError, match=r"name must have 1 to \d+ characters; role_names has no value"):
        mock.add_key("", ["viwer"])
    with pytest.raises(ValueError, match="team_ids must be an array"):
        mock.add_key("x", [], "TEAM", ["schedules_reader"])
    with pytest.raises(ValueError, match="surrogates"):
        mock.add_key("\ud800")


def test_an_organisation_has_at_most_5000_keys(mock: MockAPI) -> None:
    for number in range(LIMIT_ACTIVE_KEYS - 1):
        mock.add_key(str(number))
    with pytest.raises(ValueError, match="at most 5,000"):
        mock.add_key("one too many")
    response = ask(mock, "POST", json=NOBODY)
    assert faults(response, 409, "conflict") == {("too_many_api_keys", None)}
    last = ask(mock, url=f"{URL}?page_size=250").json()["api_keys"][-1]["id"]
    assert ask(mock, "DELETE", f"{URL}/{last}").status_code == 204
    assert ask(mock, "POST", json=NOBODY).status_code == 201
    assert ask(mock, "POST", json=NOBODY).status_code == 409
