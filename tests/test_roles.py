from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from incident_io_keys import AccountRole, Problem, Role, TeamRole
from incident_io_keys.roles import check_team_pair, parse_roles, similar_roles

NEWER = 'if the API has a role of that name, upgrade incident-io-keys or pass Role(name=..., description="")'


def read(values: object, kind: type[AccountRole] | type[TeamRole] = AccountRole) -> tuple[list[str], list[str]]:
    problems: list[Problem] = []
    roles: Sequence[AccountRole | TeamRole]
    if kind is AccountRole:
        roles = parse_roles("roles", values, AccountRole, problems)
    else:
        roles = parse_roles("roles", values, TeamRole, problems)
    # A role that this version does not know is its name.
    return [str(role) for role in roles], [str(problem) for problem in problems]


def test_members_and_names_are_as_good() -> None:
    given: list[AccountRole | str] = [AccountRole.VIEWER, "incident_creator", "schedules_editor"]
    assert read(given) == (["viewer", "incident_creator", "schedules_editor"], [])
    assert read(role for role in given) == read(given)


def test_every_role_of_the_contract_is_taken_by_name() -> None:
    assert read([role.value for role in AccountRole]) == (list(AccountRole), [])
    assert read([role.value for role in TeamRole], TeamRole) == (list(TeamRole), [])


def test_no_roles_are_fine() -> None:
    assert read([]) == ([], [])


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("viwer", "viewer"),
        ("VIEWER", "viewer"),
        (" viewer ", "viewer"),
        ("Incident Creator", "incident_creator"),
        ("incident-creator", "incident_creator"),
        ("schedule_editor", "schedules_editor"),
        ("vviewer", "viewer"),
        ("voewer", "viewer"),
        ("veiwer", "viewer"),
        ("view", "viewer"),
        ("escalation_creater", "escalation_creator"),
    ],
)
def test_a_misspelled_role_gets_a_suggestion(written: str, meant: str) -> None:
    assert read(["viewer", written]) == (
        ["viewer"],
        [f"roles[1]: unknown role {written!r}; did you mean {meant!r}? I{NEWER[1:]}"],
    )


def test_an_unknown_role_that_resembles_no_other_gets_no_suggestion_but_what_to_do() -> None:
    assert read(["xyz"], TeamRole) == ([], [f"roles[0]: unknown role 'xyz'; {NEWER}"])


def test_a_suggestion_never_leads_to_another_role_that_exists() -> None:
    """Treat each role as unknown to an older version: it must not be suggested as a typo of another."""
    names = {role.value for role in (*AccountRole, *TeamRole)}
    assert {name: similar_roles(name, names - {name}) for name in names} == {name: [] for name in names}


WEAKER = (
    *("schedules_viewer", "incident_viewer", "catalog_reader", "secrets_view", "editor", "workflows_vieweditor"),
    *("notification_methods_redacted_viewer", "security_settings_auditor", "catalog_auditor", "on_call_auditor"),
)


@pytest.mark.parametrize("unknown", WEAKER)
def test_a_role_that_allows_less_is_not_taken_for_a_stronger_one(unknown: str) -> None:
    assert read([unknown]) == ([], [f"roles[0]: unknown role {unknown!r}; {NEWER}"])


def test_the_closest_roles_are_named_first_and_three_at_most() -> None:
    known = ["aaab", "aaac", "aaad", "aaae", "aaa"]
    assert similar_roles("aaac", known) == ["aaac", "aaa", "aaae"]
    assert similar_roles("ab", ["abc", "abcd"]) == ["abc"]


def test_the_closest_roles_are_named_and_not_all() -> None:
    _, [problem] = read(["incident_workload_privat_viewer"])
    assert "did you mean 'incident_workload_private_viewer'?" in problem
    assert len(problem) < 250


def test_an_account_role_among_team_roles_is_told_where_it_belongs() -> None:
    assert read(["viewer"], TeamRole) == (
        [],
        ["roles[0]: 'viewer' is an account role, not a team role; it belongs to role_names"],
    )
    assert read(["viwer"], TeamRole) == (
        [],
        [
            "roles[0]: unknown role 'viwer'; did you mean 'viewer'?"
            " That is an account role, and it belongs to role_names"
        ],
    )


def test_a_team_role_among_account_roles_is_told_where_it_belongs() -> None:
    assert read([TeamRole.ON_CALL_EDITOR]) == (
        [],
        [
            "roles[0]: TeamRole.ON_CALL_EDITOR is a team role, not an account role; it belongs to team_role_names;"
            " for the role of that name here, write AccountRole.ON_CALL_EDITOR"
        ],
    )
    assert read([AccountRole.VIEWER], TeamRole) == (
        [],
        ["roles[0]: AccountRole.VIEWER is an account role, not a team role; it belongs to role_names"],
    )


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ("viewer", "roles: takes a list, not a single string; write ['viewer']"),
        (AccountRole.VIEWER, "roles: takes a list, not a single string; write ['viewer']"),
        (b"viewer", "roles: takes a list, not a value of type bytes"),
        (bytearray(b"viewer"), "roles: takes a list, not a value of type bytearray"),
        ({"viewer": 1}, "roles: takes a list, not a value of type dict"),
        (3, "roles: takes a list, not a value of type int"),
        (None, "roles: takes a list, not None; for none, write []"),
        ([3], "roles[0]: takes an account role, its name or a Role, not a value of type int"),
        ([None], "roles[0]: takes an account role, its name or a Role, not None"),
        ([b"viewer"], "roles[0]: takes an account role, its name or a Role, not a value of type bytes"),
        ([["viewer"]], "roles[0]: takes an account role, its name or a Role, not a value of type list"),
    ],
)
def test_what_is_no_list_of_roles_is_told_so(values: object, problem: str) -> None:
    assert read(values) == ([], [problem])


def test_every_problem_is_told_not_only_the_first() -> None:
    roles, problems = read(["viwer", "viewer", 3, "xyz"])
    assert roles == ["viewer"]
    assert [problem.partition(":")[0] for problem in problems] == ["roles[0]", "roles[2]", "roles[3]"]


def test_a_problem_shows_neither_a_token_nor_all_of_a_long_value() -> None:
    _, [token, long] = read(["inc_" + "0" * 64, "x" * 1000])
    assert "unknown role 'inc_<redacted>'" in token
    assert "x" * 77 + "...'" in long
    assert "x" * 78 not in long


@pytest.mark.parametrize(
    ("team_ids", "team_roles", "problems"),
    [
        ([], [], []),
        (["a"], ["b"], []),
        (["a"], [], ["team_role_names: is empty, but team_ids is not; give both or neither"]),
        ([], ["b"], ["team_ids: is empty, but team_role_names is not; give both or neither"]),
    ],
)
def test_teams_and_team_roles_go_together(team_ids: list[str], team_roles: list[str], problems: list[str]) -> None:
    found: list[Problem] = []
    check_team_pair(team_ids, team_roles, found)
    assert [str(problem) for problem in found] == problems


def role(name: str) -> Role:
    return Role(name=name, description="Can do something")


def test_the_roles_of_a_key_are_taken_also_those_that_this_version_does_not_know() -> None:
    assert read([role("viewer"), "incident_creator", role("brand_new")]) == (
        ["viewer", "incident_creator", "brand_new"],
        [],
    )
    assert read((role("schedules_editor"), role("brand_new")), TeamRole) == (["schedules_editor", "brand_new"], [])


def test_a_role_object_of_the_wrong_list_is_rejected() -> None:
    assert read([role("viewer")], TeamRole) == (
        [],
        ["roles[0]: 'viewer' is an account role, not a team role; it belongs to role_names"],
    )


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "roles[0].name: has 0 characters, but takes 1 or more characters"),
        ("\ud800", "roles[0].name: contains half of a surrogate pair, which no request can carry"),
        (3, "roles[0].name: takes a string of 1 or more characters, not a value of type int"),
    ],
)
def test_a_role_without_a_name_that_can_be_sent_is_rejected(name: Any, problem: str) -> None:
    assert read([role(name)]) == ([], [problem])
