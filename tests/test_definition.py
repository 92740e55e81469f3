"""The optional properties of requests (`comments`), and `edit`."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

import attrs
import httpx
import pytest

from incident_io_keys import (
    AsyncKeysClient,
    InvalidRequestError,
    InvalidResponseError,
    KeysClient,
    NotFoundError,
    Role,
)
from incident_io_keys.storage import FileStore, create_into
from incident_io_keys.testing import MockAPI, MockSettings
from incident_io_keys_generated import contract
from incident_io_keys_generated.models import APIKey, APIKeyDefinition

from .spec import contract as document

MOST = contract.API_KEY_DEFINITION_COMMENTS_MAX_LENGTH
NOTHING: dict[str, Any] = {"role_names": [], "team_ids": [], "team_role_names": []}
OPTIONAL = {each.name for each in attrs.fields(APIKeyDefinition) if each.default is not attrs.NOTHING}
SIGNATURES: list[Callable[..., Any]] = [
    *(getattr(client, name) for client in (KeysClient, AsyncKeysClient) for name in ("create", "update", "edit")),
    create_into,
    MockAPI.add_key,
]


def test_every_optional_property_of_a_request_is_an_argument() -> None:
    """If this fails, openapi.yaml has gained an optional property: CONTRIBUTING lists what it needs."""
    missing = {
        f"{function.__module__}.{function.__qualname__}: {name}"
        for function in SIGNATURES
        for name in OPTIONAL - set(inspect.signature(function).parameters)
    }
    assert not missing
    # edit() sends what it reads. It would delete a property that responses do not contain.
    assert {each.name for each in attrs.fields(APIKey)} >= OPTIONAL
    rotation = document()["components"]["schemas"]["RotateAPIKeyRequest"]
    assert set(rotation["properties"]) == set(rotation["required"]) == {"grace_period_minutes"}


@pytest.mark.parametrize("comments", ["", "a", "\U0001f511" * MOST, "two\nlines"])
def test_comments_are_sent_and_returned(keys: KeysClient, comments: str) -> None:
    key = keys.create(name="a", role_names=[], comments=comments).api_key
    assert key.comments == comments
    assert keys.show(key.id) == key


@pytest.mark.parametrize(
    ("comments", "reason"),
    [
        ("a" * (MOST + 1), f"has {MOST + 1} characters, but takes 0 to {MOST} characters"),
        ("a\0b", "null character"),
        ("\ud800", "surrogate"),
        (3, "type int"),
    ],
)
def test_other_comments_are_rejected_before_anything_is_sent(
    keys: KeysClient, mock: MockAPI, comments: Any, reason: str
) -> None:
    calls: list[Callable[[], object]] = [
        lambda: keys.create(name="a", role_names=[], comments=comments),
        lambda: keys.update("1", name="a", **NOTHING, comments=comments),
        lambda: keys.edit("1", comments=comments),
    ]
    for call in calls:
        with pytest.raises(InvalidRequestError) as caught:
            call()
        assert [(each.field, reason in each.message) for each in caught.value.problems] == [("comments", True)]
    assert not mock.requests


def test_an_update_without_comments_deletes_them(keys: KeysClient, mock: MockAPI) -> None:
    key = keys.create(name="a", role_names=[], comments="old").api_key
    assert keys.update(key.id, name="a", **NOTHING, comments="new").comments == "new"
    assert keys.update(key.id, name="a", **NOTHING).comments is None
    assert "comments" not in json.loads(mock.requests[-1].content)
    assert keys.show(key.id).comments is None


def test_create_into_sends_comments(keys: KeysClient, tmp_path: Any) -> None:
    store = FileStore(tmp_path)
    assert create_into(keys, store, name="a", role_names=[], comments="kept").api_key.comments == "kept"


@pytest.fixture
def key(mock: MockAPI) -> APIKey:
    """A key with every property, and with roles that this version does not know."""
    mock.settings = MockSettings(extra_roles=("brand_new", "brand_new_in_teams"))
    roles, team_roles = ["viewer", "brand_new"], ["schedules_editor", "brand_new_in_teams"]
    issued = mock.add_key("a", roles, ["T", "U"], team_roles, comments="notes")
    mock.requests.clear()
    return issued.api_key


@pytest.mark.anything_is_sent
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "x"}, {"name": "x"}),
        ({"comments": "x"}, {"comments": "x"}),
        ({"comments": ""}, {"comments": ""}),
        ({"role_names": ["incident_creator"]}, {"role_names": ["incident_creator"]}),
        ({"role_names": []}, {"role_names": []}),
        ({"team_ids": ["V", "W"]}, {"team_ids": ["V", "W"]}),
        (
            {"team_role_names": [Role(name="brand_new", description=""), "on_call_editor"]},
            {"team_role_names": ["brand_new", "on_call_editor"]},
        ),
        ({"team_ids": [], "team_role_names": []}, {"team_ids": [], "team_role_names": []}),
        ({}, {}),
    ],
)
def test_edit_changes_what_is_given_and_keeps_the_rest(
    make: Any, mock: MockAPI, key: APIKey, changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    # An iterator can be read only once.
    given = {name: iter(value) if isinstance(value, list) else value for name, value in changes.items()}
    edited = make(mock.token, transport=mock.transport()).edit(key.id, **given)
    assert [request.method for request in mock.requests] == ["GET", "PUT"]
    kept = {
        "name": "a",
        "role_names": ["viewer", "brand_new"],
        "team_ids": ["T", "U"],
        "team_role_names": ["schedules_editor", "brand_new_in_teams"],
        "comments": "notes",
    }
    assert json.loads(mock.requests[-1].content) == {**kept, **expected}
    assert edited.id == key.id
    with KeysClient(mock.token, transport=mock.transport()) as keys:
        assert keys.show(key.id) == edited


def test_edit_reports_every_problem_before_anything_is_sent(make: Any, mock: MockAPI) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        make(mock.token, transport=mock.transport()).edit(
            "a/b", name="", role_names="viewer", team_ids=["T"], team_role_names=[], comments=3
        )
    assert str(caught.value).startswith("edit was not sent")
    fields = [problem.field for problem in caught.value.problems]
    assert fields == ["id", "name", "role_names", "team_role_names", "comments"]
    assert not mock.requests


def test_edit_checks_team_roles_against_the_teams_of_the_key(keys: KeysClient, mock: MockAPI) -> None:
    key = mock.add_key("a", ["viewer"]).api_key
    with pytest.raises(InvalidRequestError, match=r"^edit was not sent:\n  team_ids: "):
        keys.edit(key.id, team_role_names=["schedules_editor"])
    assert keys.show(key.id) == key


def test_edit_does_not_check_values_that_the_key_already_has(make: Any, mock: MockAPI) -> None:
    """The API may allow what this version does not know: longer names, or a role in the other list."""
    name, comments = "a" * 201, "b" * 5001
    has = {"id": "01F", "name": name, "comments": comments, "team_ids": [], "creator": {}}
    roles = {"roles": [{"name": "viewer", "description": ""}], "team_roles": [{"name": "viewer", "description": ""}]}
    times = dict.fromkeys(("created_at", "token_last_issued_at"), "2026-01-01T00:00:00Z")
    bodies: list[Any] = []

    def handler(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content or "null"))
        return httpx.Response(200, json={"api_key": {**has, **roles, **times}})

    make(mock.token, transport=httpx.MockTransport(handler)).edit("01F", role_names=["incident_creator"])
    assert bodies[1] == {
        "name": name,
        "comments": comments,
        "team_ids": [],
        "team_role_names": ["viewer"],
        "role_names": ["incident_creator"],
    }


def test_edit_writes_nothing_if_the_response_is_about_another_key(make: Any, mock: MockAPI) -> None:
    key, other = (mock.add_key(name).api_key for name in ("a", "b"))
    mock.requests.clear()

    def handler(request: httpx.Request) -> httpx.Response:
        return mock.handle(httpx.Request(request.method, f"https://a/v1/api_keys/{other.id}", headers=request.headers))

    with pytest.raises(InvalidResponseError, match="another key") as caught:
        make(mock.token, transport=httpx.MockTransport(handler)).edit(key.id, name="x")
    assert (caught.value.path, caught.value.token) == ("$.api_key.id", None)
    assert [request.method for request in mock.requests] == ["GET"]


class Once:
    """An iterable that is not an iterator and can be read only once."""

    def __init__(self, *values: str) -> None:
        self.values = iter(values)

    def __iter__(self) -> Any:
        return self.values


def test_edit_reads_every_list_once(make: Any, mock: MockAPI) -> None:
    key = mock.add_key("a", ["viewer"]).api_key
    edited = make(mock.token, transport=mock.transport()).edit(key.id, role_names=Once("viewer", "catalog_viewer"))
    assert [role.name for role in edited.roles] == ["viewer", "catalog_viewer"]


def test_edit_of_a_key_that_does_not_exist_changes_nothing(make: Any, mock: MockAPI) -> None:
    with pytest.raises(NotFoundError):
        make(mock.token, transport=mock.transport()).edit("01FCNDV6P870EA6S7TK1DSYDG0", name="x")
    assert [request.method for request in mock.requests] == ["GET"]


def test_an_unknown_argument_raises_type_error(keys: KeysClient, mock: MockAPI) -> None:
    definition: Any = {"name": "deploy bot", "role_names": ["viewer"], "nmae": "deploy bot"}
    with pytest.raises(TypeError, match="unexpected keyword argument 'nmae'"):
        keys.create(**definition)
    assert not mock.requests
