"""The contract: what becomes of keys and tokens, as a client sees it."""

from __future__ import annotations

from typing import Any

import pytest

from incident_io_keys import (
    AccountRole,
    AuthenticationError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    TeamRole,
    Token,
    UnprocessableEntityError,
)
from incident_io_keys.testing import MockAPI
from incident_io_keys_generated import contract

from ..conftest import without_last_use
from .conftest import INSTANT, LONGEST_NAME, MINUTE, ClientOf, definition_of

DEFINITION: dict[str, Any] = {
    "name": "deploy bot",
    "role_names": [AccountRole.VIEWER, "incident_creator"],
    "team_ids": ["01FCNDV6P870EA6S7TK1DSYDG0", "abc123"],
    "team_role_names": [TeamRole.SCHEDULES_EDITOR],
}


def works(client: ClientOf, token: Token) -> bool:
    """Whether the API knows a token, whatever its key may do."""
    try:
        list(client(token).list())
    except AuthenticationError:
        return False
    except PermissionDeniedError:
        pass
    return True


def test_a_created_key_is_what_was_asked_for(keys: Any, mock: MockAPI) -> None:
    issued = keys.create(**DEFINITION)
    key = issued.api_key
    assert definition_of(key) == DEFINITION
    assert key.creator.api_key.name == "Manager"
    assert key.creator.user is None
    assert key.created_at == key.token_last_issued_at == mock.clock.now()
    assert keys.show(key.id) == key
    assert list(keys.list())[-1] == key


def test_each_created_key_has_an_id_and_a_token_of_its_own(keys: Any, client: ClientOf) -> None:
    issued = [keys.create(**DEFINITION) for _ in range(3)]
    assert len({each.api_key.id for each in issued}) == len({each.token for each in issued}) == 3
    assert all(works(client, each.token) for each in issued)


def test_any_name_comes_back_as_it_was(keys: Any) -> None:
    for name in ("x", "x" * LONGEST_NAME, "Ü\u2028\0\"'</script>😀", " "):
        assert keys.create(name=name, role_names=[]).api_key.name == name


def test_an_update_replaces_all_of_the_definition_and_nothing_else(keys: Any, client: ClientOf, mock: MockAPI) -> None:
    issued = keys.create(**DEFINITION)
    other = keys.create(**DEFINITION).api_key
    mock.clock.advance(MINUTE)
    emptied = {"name": "other", "role_names": [], "team_ids": [], "team_role_names": []}
    for definition in (emptied, DEFINITION, {**emptied, "role_names": ["catalog_viewer"]}):
        updated = keys.update(issued.api_key.id, **definition)
        assert definition_of(updated) == definition
        for name in ("id", "creator", "created_at", "token_last_issued_at"):
            assert getattr(updated, name) == getattr(issued.api_key, name)
        assert keys.show(issued.api_key.id) == updated
    assert keys.show(other.id) == other
    assert works(client, issued.token)


def test_a_deleted_key_is_gone_and_its_token_with_it(keys: Any, client: ClientOf) -> None:
    issued, other = keys.create(**DEFINITION), keys.create(**DEFINITION)
    assert keys.delete(issued.api_key.id) is None
    for call in (keys.show, keys.delete, keys.rotate):
        with pytest.raises(NotFoundError):
            call(issued.api_key.id)
    with pytest.raises(NotFoundError):
        keys.update(issued.api_key.id, **DEFINITION)
    assert issued.api_key.id not in [key.id for key in keys.list()]
    assert not works(client, issued.token)
    assert keys.show(other.api_key.id) == other.api_key
    assert works(client, other.token)


def test_a_rotation_issues_a_new_token_and_the_old_one_lives_out_its_grace(
    keys: Any, client: ClientOf, mock: MockAPI
) -> None:
    issued, other = keys.create(**DEFINITION), keys.create(**DEFINITION)
    mock.clock.advance(MINUTE)
    rotated = keys.rotate(issued.api_key.id, grace_period_minutes=10)
    assert rotated.token != issued.token
    assert rotated.api_key.token_last_issued_at == mock.clock.now()
    assert rotated.api_key == keys.show(issued.api_key.id)
    assert rotated.api_key.created_at == issued.api_key.created_at
    assert definition_of(rotated.api_key) == DEFINITION
    mock.clock.advance(10 * MINUTE - INSTANT)
    assert [works(client, each.token) for each in (issued, rotated)] == [True, True]
    mock.clock.advance(INSTANT)
    assert [works(client, each.token) for each in (issued, rotated, other)] == [False, True, True]


def test_a_rotation_without_grace_stops_the_old_token_at_once(keys: Any, client: ClientOf) -> None:
    issued = keys.create(**DEFINITION)
    rotated = keys.rotate(issued.api_key.id, grace_period_minutes=0)
    assert [works(client, each.token) for each in (issued, rotated)] == [False, True]


def test_a_second_rotation_does_not_renew_the_first_grace(keys: Any, client: ClientOf, mock: MockAPI) -> None:
    issued = keys.create(**DEFINITION)
    second = keys.rotate(issued.api_key.id, grace_period_minutes=10)
    mock.clock.advance(5 * MINUTE)
    third = keys.rotate(issued.api_key.id, grace_period_minutes=10)
    assert [works(client, each.token) for each in (issued, second, third)] == [True, True, True]
    mock.clock.advance(5 * MINUTE)
    assert [works(client, each.token) for each in (issued, second, third)] == [False, True, True]
    mock.clock.advance(5 * MINUTE)
    assert [works(client, each.token) for each in (issued, second, third)] == [False, False, True]


def test_the_grace_is_the_contract_s_unless_it_is_told(keys: Any, client: ClientOf, mock: MockAPI) -> None:
    issued = keys.create(**DEFINITION)
    keys.rotate(issued.api_key.id)
    mock.clock.advance(contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_DEFAULT * MINUTE - INSTANT)
    assert works(client, issued.token)
    mock.clock.advance(INSTANT)
    assert not works(client, issued.token)


def test_a_key_can_rotate_and_delete_but_not_update_itself(keys: Any, client: ClientOf, mock: MockAPI) -> None:
    [manager] = keys.list()
    with pytest.raises(PermissionDeniedError):
        keys.update(manager.id, **DEFINITION)
    assert keys.show(manager.id) == manager
    own = client(keys.rotate(manager.id, grace_period_minutes=0).token)
    assert not works(client, mock.token)
    own.delete(manager.id)
    with pytest.raises(AuthenticationError):
        own.show(manager.id)


def test_an_unknown_token_is_refused_whatever_it_wants(client: ClientOf) -> None:
    stranger = client(Token("inc_" + "0" * 64))
    for call in (lambda: list(stranger.list()), lambda: stranger.create(**DEFINITION), lambda: stranger.show("x")):
        with pytest.raises(AuthenticationError) as caught:
            call()
        assert caught.value.type == "authentication_error"


def test_a_key_without_the_managing_role_may_do_nothing(keys: Any, client: ClientOf) -> None:
    issued = keys.create(**DEFINITION)
    viewer = client(issued.token)
    calls = (
        lambda: list(viewer.list()),
        lambda: viewer.create(name="x", role_names=["viewer"]),
        lambda: viewer.show(issued.api_key.id),
        lambda: viewer.delete(issued.api_key.id),
        lambda: viewer.rotate(issued.api_key.id),
    )
    for call in calls:
        with pytest.raises(PermissionDeniedError) as caught:
            call()
        assert caught.value.type == "resource_forbidden"
    assert without_last_use(keys.show(issued.api_key.id)) == issued.api_key


def test_a_caller_hands_out_only_what_it_has(client: ClientOf, mock: MockAPI) -> None:
    caller = client(mock.add_key("m", ["api_keys_manage", "viewer", "incident_creator"]).token)
    key = caller.create(name="x", role_names=["viewer", "incident_creator"]).api_key
    with pytest.raises(PermissionDeniedError):
        caller.create(name="x", role_names=["incident_editor"])
    with pytest.raises(PermissionDeniedError):
        caller.update(key.id, name="x", role_names=["viewer", "catalog_viewer"], team_ids=[], team_role_names=[])
    with pytest.raises(PermissionDeniedError):
        caller.create(name="x", role_names=[], team_ids=["A"], team_role_names=["schedules_reader"])
    assert caller.show(key.id) == key
    assert len(list(caller.list())) == 3


def test_what_a_caller_has_for_a_team_it_hands_out_for_that_team(client: ClientOf, mock: MockAPI) -> None:
    caller = client(mock.add_key("m", ["api_keys_manage"], ["A"], ["schedules_editor"]).token)
    caller.create(name="x", role_names=[], team_ids=["A"], team_role_names=["schedules_editor"])
    with pytest.raises(PermissionDeniedError):
        caller.create(name="x", role_names=[], team_ids=["B"], team_role_names=["schedules_editor"])
    with pytest.raises(PermissionDeniedError):
        caller.create(name="x", role_names=["schedules_editor"])
    wide = client(mock.add_key("m", ["api_keys_manage", "schedules_editor"]).token)
    wide.create(name="x", role_names=[], team_ids=["A", "B"], team_role_names=["schedules_editor"])


def test_a_role_that_includes_another_can_hand_it_out(client: ClientOf, mock: MockAPI) -> None:
    caller = client(mock.add_key("m", ["api_keys_manage", "schedules_editor"]).token)
    caller.create(name="x", role_names=["schedules_reader"], team_ids=["A"], team_role_names=["schedules_reader"])
    with pytest.raises(PermissionDeniedError):
        caller.create(name="x", role_names=["on_call_editor"])


def test_the_managing_role_cannot_be_given(keys: Any) -> None:
    for definition in (
        {"role_names": ["api_keys_manage"]},
        {"role_names": [], "team_ids": ["A"], "team_role_names": ["api_keys_manage"]},
    ):
        with pytest.raises(UnprocessableEntityError) as caught:
            keys.create(name="x", **definition)
        [error] = caught.value.errors
        assert error.source is not None
        assert error.source.pointer in {"/role_names/0", "/team_role_names/0"}
    assert len(list(keys.list())) == 1


def test_rotating_needs_what_the_key_may_do_and_deleting_does_not(client: ClientOf, mock: MockAPI) -> None:
    caller = client(mock.add_key("m", ["api_keys_manage"]).token)
    other = mock.add_key("x", ["viewer"])
    with pytest.raises(PermissionDeniedError):
        caller.rotate(other.api_key.id)
    assert works(client, other.token)
    caller.delete(other.api_key.id)
    assert not works(client, other.token)


def test_a_team_s_manager_sees_its_teams_keys_only(keys: Any, client: ClientOf, mock: MockAPI) -> None:
    caller = client(mock.add_key("m", [], ["A"], ["api_keys_manage", "schedules_reader"]).token)
    ours = caller.create(name="ours", role_names=[], team_ids=["A"], team_role_names=["schedules_reader"]).api_key
    theirs = [
        keys.create(name="theirs", role_names=[], team_ids=["B"], team_role_names=["schedules_reader"]).api_key,
        keys.create(name="everyone's", role_names=["viewer"]).api_key,
    ]
    assert [key.name for key in caller.list()] == ["m", "ours"]
    assert caller.show(ours.id) == ours
    for key in theirs:
        for call in (caller.show, caller.delete, caller.rotate):
            with pytest.raises(NotFoundError):
                call(key.id)
        assert keys.show(key.id) == key
    assert len(list(keys.list())) == 5


def test_a_team_s_manager_makes_keys_of_its_teams_only(client: ClientOf, mock: MockAPI) -> None:
    # What it has in its account it could hand out anywhere, but the keys there are not its own.
    roles = ["viewer", "schedules_editor"]
    caller = client(mock.add_key("m", roles, ["A"], ["api_keys_manage"]).token)
    caller.create(name="x", role_names=["viewer"], team_ids=["A"], team_role_names=["schedules_editor"])
    with pytest.raises(PermissionDeniedError):
        caller.create(name="x", role_names=["viewer"])
    with pytest.raises(PermissionDeniedError):
        caller.create(name="x", role_names=[], team_ids=["A", "B"], team_role_names=["schedules_editor"])


def test_an_organisation_has_at_most_5000_keys(keys: Any, mock: MockAPI) -> None:
    for number in range(4_998):
        mock.add_key(str(number))
    last = keys.create(name="the 5,000th", role_names=[]).api_key
    with pytest.raises(ConflictError):
        keys.create(name="one too many", role_names=[])
    keys.delete(last.id)
    keys.create(name="room again", role_names=[])
