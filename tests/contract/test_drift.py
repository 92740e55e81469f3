"""The contract: what the API has gained since its reference pages, and what it may gain next."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from incident_io_keys import AccountRole, InvalidRequestError, PermissionDeniedError, Role, TeamRole
from incident_io_keys.testing import MockAPI, MockSettings

from .conftest import MINUTE, ClientOf

TEAM = "01FCNDV6P870EA6S7TK1DSYDG0"


def test_every_role_that_the_api_has_can_be_given_but_for_the_one_of_the_dashboard(keys: Any) -> None:
    roles = [role for role in AccountRole if role is not AccountRole.API_KEYS_MANAGE]
    team_roles = [role for role in TeamRole if role is not TeamRole.API_KEYS_MANAGE]
    key = keys.create(name="a", role_names=roles, team_ids=[TEAM], team_role_names=team_roles).api_key
    assert [role.name for role in key.roles] == roles
    assert [role.name for role in key.team_roles] == team_roles


@pytest.mark.anything_is_sent
def test_a_key_with_a_role_that_this_version_does_not_know_is_renamed_and_keeps_it(keys: Any, mock: MockAPI) -> None:
    mock.settings = MockSettings(extra_roles=["brand_new"])
    key = mock.add_key("a", ["viewer", "brand_new"], [TEAM], ["brand_new"], comments="notes").api_key
    definition = {"role_names": key.roles, "team_ids": key.team_ids, "team_role_names": key.team_roles}
    updated = keys.update(key.id, name="x", **definition, comments=key.comments)
    assert (updated.name, updated.roles, updated.team_roles) == ("x", key.roles, key.team_roles)
    edited = keys.edit(key.id, name="y")
    assert (edited.name, edited.roles, edited.team_roles) == ("y", key.roles, key.team_roles)
    assert edited.comments == "notes"
    assert keys.show(key.id) == edited


@pytest.mark.anything_is_sent
def test_a_role_newer_than_this_version_can_be_given_as_a_role_and_not_as_a_string(keys: Any, mock: MockAPI) -> None:
    with pytest.raises(InvalidRequestError, match="role_names\\[0\\]: unknown role 'brand_new'"):
        keys.create(name="a", role_names=["brand_new"])
    assert not mock.requests
    mock.settings.extra_roles = ("brand_new",)
    new = Role(name="brand_new", description="")
    assert [role.name for role in keys.create(name="a", role_names=[new]).api_key.roles] == ["brand_new"]


def test_a_key_says_when_it_was_last_used(keys: Any, client: ClientOf, mock: MockAPI) -> None:
    issued = keys.create(name="a", role_names=["viewer"])
    assert issued.api_key.last_used_at is None
    assert keys.show(issued.api_key.id).last_used_at is None
    mock.clock.advance(MINUTE)
    used = mock.clock.now()
    with pytest.raises(PermissionDeniedError):
        list(client(issued.token).list())
    mock.clock.advance(MINUTE)
    assert keys.show(issued.api_key.id).last_used_at == used
    [manager, _] = keys.list()
    assert manager.last_used_at == mock.clock.now()
    # What is done to a key is no use of it.
    keys.update(issued.api_key.id, name="b", role_names=[], team_ids=[], team_role_names=[])
    assert keys.rotate(issued.api_key.id).api_key.last_used_at == used


def test_a_key_of_a_test_can_have_been_used_long_ago(keys: Any, mock: MockAPI) -> None:
    key = mock.add_key("old", age_seconds=1000, unused_seconds=500).api_key
    assert key.last_used_at == mock.clock.now() - timedelta(seconds=500)
    assert keys.show(key.id) == key


def test_an_update_without_comments_deletes_them(keys: Any) -> None:
    key = keys.create(name="a", role_names=[], comments="notes").api_key
    assert key.comments == "notes"
    definition = {"name": "a", "role_names": [], "team_ids": [], "team_role_names": []}
    assert keys.update(key.id, **definition, comments="other").comments == "other"
    assert keys.update(key.id, **definition).comments is None
    assert keys.show(key.id).comments is None
