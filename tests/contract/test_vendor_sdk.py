"""The contract: the vendor's own SDK works with the mock too.

The SDK is stricter than openapi.yaml in places. It fails, for example, on an error whose source has no pointer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import pytest

from incident_io_keys import AccountRole, TeamRole
from incident_io_keys.testing import MockAPI, MockSettings, faults
from incident_io_keys_generated import contract

# Importing the SDK takes as long as many quick tests, so that these tests import it when they run.
pytestmark = pytest.mark.exhaustive

OPERATIONS = ("list", "create", "show", "update", "delete", "rotate")
# The dashboard alone can assign this role.
MANAGER = "api_keys_manage"


class SDK:
    """Calls operations through the vendor's SDK, each call with a client of its own."""

    def __init__(self, url: str, *, asynchronous: bool) -> None:
        self.url = url
        self.asynchronous = asynchronous
        self.models = import_module("incident_io.models")
        self.clients = import_module("incident_io")

    def call(self, operation: str, *arguments: Any, token: str | None, **options: Any) -> Any:
        """Return the response, with its status, its content, and what the SDK has parsed. None sends no token."""
        module = import_module(f"incident_io.api.api_keys_v1.api_keys_v1_{operation}")
        client = self.client(token)
        if not self.asynchronous:
            with client:
                return module.sync_detailed(*arguments, client=client, **options)

        async def call() -> Any:
            async with client:
                return await module.asyncio_detailed(*arguments, client=client, **options)

        return asyncio.run(call())

    def client(self, token: str | None) -> Any:
        options: dict[str, Any] = {
            "base_url": self.url,
            "raise_on_unexpected_status": True,
            "httpx_args": {"trust_env": False},  # no proxy of the environment
            "verify_ssl": False,  # there is no TLS, and reading the certificates takes as long as a request
        }
        if token is None:
            return self.clients.Client(**options)
        return self.clients.AuthenticatedClient(**options, token=token)

    def create_payload(self, **changes: Any) -> Any:
        return self.models.APIKeysCreatePayloadV1.from_dict({**DEFINITION, **changes})

    def update_payload(self, **changes: Any) -> Any:
        return self.models.APIKeysUpdatePayloadV1.from_dict({**DEFINITION, **changes})

    def rotate_payload(self, minutes: int = 30) -> Any:
        return self.models.APIKeysRotatePayloadV1(grace_period_minutes=minutes)


DEFINITION: dict[str, Any] = {
    "name": "deploy bot",
    "role_names": ["viewer", "incident_creator"],
    "team_ids": ["01FCNDV6P870EA6S7TK1DSYDG0", "abc123"],
    "team_role_names": ["schedules_editor"],
}


@pytest.fixture(params=["sync", "async"])
def sdk(request: pytest.FixtureRequest, mock: MockAPI) -> Iterator[SDK]:
    pytest.importorskip("incident_io", reason="scripts/install --all installs the vendor's SDK")
    with mock.serve() as server:
        yield SDK(server.url, asynchronous=request.param == "async")


@pytest.fixture
def token(mock: MockAPI) -> str:
    return mock.token.reveal()


def parsed(response: Any, status: int) -> Any:
    """Return what the SDK has parsed. Fail unless that is all that the mock has sent, in known properties."""
    assert response.status_code == status, response.content
    sent = json.loads(response.content)
    assert comparable(response.parsed.to_dict()) == comparable(sent)
    assert not list(unknown_properties(response.parsed))
    return response.parsed


def comparable(value: Any) -> Any:
    """Return a JSON value with every time in one form."""
    if isinstance(value, dict):
        return {
            name: datetime.fromisoformat(member) if name.endswith("_at") else comparable(member)
            for name, member in value.items()
        }
    return [comparable(each) for each in value] if isinstance(value, list) else value


def unknown_properties(model: Any) -> Iterator[str]:
    """Yield the properties for which the SDK has no attribute, in a model and in the models that it holds."""
    for each in model if isinstance(model, list) else [model]:
        # The metadata of an error may have any property, and is not followed.
        if hasattr(each, "additional_properties") and type(each).__name__ != "ErrorSingleMetadata":
            yield from each.additional_properties
            for attribute in each.__attrs_attrs__:
                if attribute.name != "additional_properties":
                    yield from unknown_properties(getattr(each, attribute.name))


def error_of(response: Any, status: int) -> Any:
    """Return the error that the SDK has parsed, of a type that the SDK knows."""
    error = parsed(response, status)
    assert type(error).__name__ == "ErrorResponse"
    assert error.status == status
    assert error.type_ in type(error.type_).__members__.values()
    assert error.request_id
    assert error.errors
    return error


def sources(error: Any) -> set[tuple[str, str, str]]:
    """Return the code, field and pointer of each error that a response reports."""
    return {(each.code, each.source.field, each.source.pointer) for each in error.errors}


def test_all_operations(sdk: SDK, mock: MockAPI, token: str) -> None:
    created = parsed(sdk.call("create", token=token, body=sdk.create_payload()), 201)
    key = created.api_key
    assert created.token.startswith("inc_")
    assert (key.name, key.team_ids) == (DEFINITION["name"], DEFINITION["team_ids"])
    assert [role.name for role in key.roles] == DEFINITION["role_names"]
    assert [role.name for role in key.team_roles] == DEFINITION["team_role_names"]
    assert key.creator.api_key.name == "Manager"
    assert key.created_at == key.token_last_issued_at == mock.clock.now()

    assert parsed(sdk.call("show", key.id, token=token), 200).api_key == key
    listed = parsed(sdk.call("list", token=token), 200)
    assert [each.name for each in listed.api_keys] == ["Manager", "deploy bot"]
    assert listed.api_keys[0].creator.user.name
    assert not listed.pagination_meta.after

    payload = sdk.update_payload(name="deploy bot 2", role_names=[], team_ids=[], team_role_names=[])
    updated = parsed(sdk.call("update", key.id, token=token, body=payload), 200).api_key
    assert (updated.name, updated.roles, updated.team_ids, updated.team_roles) == ("deploy bot 2", [], [], [])

    mock.clock.advance(timedelta(minutes=1))
    rotated = parsed(sdk.call("rotate", key.id, token=token, body=sdk.rotate_payload()), 201)
    assert rotated.token != created.token
    assert rotated.api_key.token_last_issued_at == mock.clock.now()

    deleted = sdk.call("delete", key.id, token=token)
    assert (deleted.status_code, deleted.content, deleted.parsed) == (204, b"", None)
    assert [each.name for each in sdk.call("list", token=token).parsed.api_keys] == ["Manager"]


def test_comments_and_the_last_use_are_read_back(sdk: SDK, mock: MockAPI, token: str) -> None:
    created = parsed(sdk.call("create", token=token, body=sdk.create_payload(comments="Ü 😀\nline")), 201)
    assert created.api_key.comments == "Ü 😀\nline"
    assert not created.api_key.last_used_at

    def show() -> Any:
        return parsed(sdk.call("show", created.api_key.id, token=token), 200).api_key

    def update(payload: Any) -> Any:
        return parsed(sdk.call("update", created.api_key.id, token=token, body=payload), 200).api_key

    assert show() == created.api_key

    mock.clock.advance(timedelta(hours=1))
    error_of(sdk.call("list", token=created.token), 403)
    assert show().last_used_at == mock.clock.now()

    assert update(sdk.update_payload(comments="changed")).comments == "changed"
    assert not update(sdk.update_payload()).comments  # an update replaces the whole definition


def test_every_role_can_be_assigned(sdk: SDK, mock: MockAPI, token: str) -> None:
    known = sdk.models.APIKeysCreatePayloadV1RoleNamesItem, sdk.models.APIKeysCreatePayloadV1TeamRoleNamesItem
    for of_the_sdk, of_the_mock in zip(known, (AccountRole, TeamRole), strict=True):
        assert {str(role) for role in of_the_sdk} <= {str(role) for role in of_the_mock}
    roles = [str(role) for role in AccountRole if role != MANAGER]
    team_roles = [str(role) for role in TeamRole if role != MANAGER]
    payload = sdk.create_payload(role_names=roles, team_role_names=team_roles)
    key = parsed(sdk.call("create", token=token, body=payload), 201).api_key
    assert [role.name for role in key.roles] == roles
    assert [role.name for role in key.team_roles] == team_roles

    dashboard = mock.add_key("from the dashboard", [*AccountRole], ["A"], [*TeamRole]).api_key
    key = parsed(sdk.call("show", dashboard.id, token=token), 200).api_key
    assert ([role.name for role in key.roles], [role.name for role in key.team_roles]) == ([*AccountRole], [*TeamRole])


def test_an_unknown_role_is_read(sdk: SDK, mock: MockAPI, token: str) -> None:
    mock.fail_next(faults.UnknownRole())
    assert parsed(sdk.call("list", token=token), 200).api_keys[0].roles[-1].name == "role_of_tomorrow"


@pytest.mark.parametrize("full", [False, True])
def test_all_pages(sdk: SDK, mock: MockAPI, token: str, full: bool) -> None:
    mock.settings = MockSettings(cursor_on_full_last_page=full)
    ids = [mock.add_key(f"key {number}").api_key.id for number in range(5)]
    found, sizes, cursor = [], [], None
    while cursor is None or cursor:
        page = parsed(sdk.call("list", token=token, page_size=2, **({"after": cursor} if cursor else {})), 200)
        found += [key.id for key in page.api_keys]
        sizes.append(len(page.api_keys))
        cursor = page.pagination_meta.after
    assert found[1:] == ids
    assert sizes == [2, 2, 2, 0] if full else [2, 2, 2]


@pytest.mark.parametrize(
    ("wrong", "code"), [(None, "missing_authorization_material"), ("inc_0", "invalid_authorization_material")]
)
def test_401(sdk: SDK, wrong: str | None, code: str) -> None:
    for operation in ("list", "show"):
        arguments = ["01FCNDV6P870EA6S7TK1DSYDG0"] if operation == "show" else []
        error = error_of(sdk.call(operation, *arguments, token=wrong), 401)
        assert error.type_ == "authentication_error"
        assert [each.code for each in error.errors] == [code]


def test_403_with_several_errors(sdk: SDK, mock: MockAPI) -> None:
    caller = mock.add_key("limited", [MANAGER, "viewer"])
    error = error_of(sdk.call("create", token=caller.token.reveal(), body=sdk.create_payload()), 403)
    assert error.type_ == "resource_forbidden"
    assert {pointer for _, _, pointer in sources(error)} == {"/role_names/1", "/team_role_names/0"}
    own = sdk.call("update", caller.api_key.id, token=caller.token.reveal(), body=sdk.update_payload())
    assert [each.code for each in error_of(own, 403).errors] == ["cannot_update_self"]
    stranger = mock.add_key("stranger", ["viewer"])
    assert error_of(sdk.call("list", token=stranger.token.reveal()), 403).type_ == "resource_forbidden"
    team = mock.add_key("team", [], ["A"], [MANAGER, "schedules_editor"])
    payload = sdk.create_payload(role_names=[], team_ids=["A", "B"])
    error = error_of(sdk.call("create", token=team.token.reveal(), body=payload), 403)
    assert sources(error) == {
        ("missing_scope", "team_role_names", "/team_role_names/0"),
        ("not_your_team", "team_ids", "/team_ids/1"),
    }
    rotated = sdk.call("rotate", team.api_key.id, token=caller.token.reveal(), body=sdk.rotate_payload())
    error_of(rotated, 403)


def test_404(sdk: SDK, token: str) -> None:
    for operation, body in (
        ("show", {}),
        ("update", {"body": sdk.update_payload()}),
        ("delete", {}),
        ("rotate", {"body": sdk.rotate_payload()}),
    ):
        for missing in ("01FCNDV6P870EA6S7TK1DSYDG0", "", "a/b?c"):
            error = error_of(sdk.call(operation, missing, token=token, **body), 404)
            assert error.type_ == "not_found"


def test_405(sdk: SDK, token: str) -> None:
    # No operation of the SDK can cause it. The test sends the request with the SDK's HTTP client.
    with sdk.client(token) as client:
        response = client.get_httpx_client().patch("/v1/api_keys")
    error = sdk.models.ErrorResponse.from_dict(response.json())
    assert (error.status, error.type_) == (405, "method_not_allowed")
    assert error.to_dict() == response.json()


def test_409_at_the_key_limit(sdk: SDK, mock: MockAPI, token: str) -> None:
    for _ in range(contract.LIMIT_ACTIVE_KEYS - 1):
        mock.add_key("one of many")
    error = error_of(sdk.call("create", token=token, body=sdk.create_payload()), 409)
    assert (error.type_, [each.code for each in error.errors]) == ("conflict", ["too_many_api_keys"])


@pytest.mark.parametrize("operation", ["create", "update"])
def test_422_for_a_body_with_several_errors(sdk: SDK, mock: MockAPI, token: str, operation: str) -> None:
    arguments = [mock.add_key("x").api_key.id] if operation == "update" else []
    payload_of = sdk.update_payload if operation == "update" else sdk.create_payload

    def errors(**changes: Any) -> set[tuple[str, str, str]]:
        payload = payload_of(**changes)
        error = error_of(sdk.call(operation, *arguments, token=token, body=payload), 422)
        assert error.type_ == "validation_error"
        return sources(error)

    assert errors(name="", role_names=["viewer", "viwer"], team_ids=[], comments="x" * 5_001) == {
        ("invalid_length", "name", "/name"),
        ("invalid_value", "role_names", "/role_names/1"),
        ("is_required", "team_ids", "/team_ids"),
        ("invalid_length", "comments", "/comments"),
    }
    assert errors(role_names=[MANAGER], team_role_names=["viwer", MANAGER]) == {
        ("not_assignable", "role_names", "/role_names/0"),
        ("invalid_value", "team_role_names", "/team_role_names/0"),
        ("not_assignable", "team_role_names", "/team_role_names/1"),
    }


def test_422_for_a_body_that_is_not_an_object(sdk: SDK, token: str) -> None:
    with sdk.client(token) as client:
        response = client.get_httpx_client().post("/v1/api_keys", json=[])
    assert response.status_code == 422
    assert sdk.models.ErrorResponse.from_dict(response.json()).to_dict() == response.json()


@pytest.mark.parametrize("minutes", [-1, 61])
def test_422_for_a_grace_period(sdk: SDK, mock: MockAPI, token: str, minutes: int) -> None:
    key = mock.add_key("x").api_key
    error = error_of(sdk.call("rotate", key.id, token=token, body=sdk.rotate_payload(minutes)), 422)
    assert sources(error) == {("out_of_range", "grace_period_minutes", "/grace_period_minutes")}


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ({"page_size": 0}, {("out_of_range", "page_size")}),
        ({"page_size": 251}, {("out_of_range", "page_size")}),
        ({"after": "no ID"}, {("invalid_value", "after")}),
        ({"page_size": "many", "after": "no ID"}, {("invalid_type", "page_size"), ("invalid_value", "after")}),
    ],
)
def test_422_for_a_query(sdk: SDK, token: str, query: dict[str, Any], codes: set[tuple[str, str]]) -> None:
    error = error_of(sdk.call("list", token=token, **query), 422)
    assert {(code, field) for code, field, _ in sources(error)} == codes


@pytest.mark.parametrize("form", ["seconds", "http_date", "http_date_utc", "rfc3339"])
def test_429_with_the_rate_limit(sdk: SDK, mock: MockAPI, token: str, form: Any) -> None:
    mock.settings = MockSettings(rate_limit=1, retry_after=form)
    sdk.call("list", token=token)
    for _ in range(2):
        response = sdk.call("list", token=token)
        error = error_of(response, 429)
        assert error.type_ == "too_many_requests"
        assert (error.rate_limit.limit, error.rate_limit.remaining) == (1, 0)
        assert error.rate_limit.retry_after == response.headers["Retry-After"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_documented_status(sdk: SDK, mock: MockAPI, token: str, operation: str) -> None:
    arguments = [] if operation in ("list", "create") else [mock.add_key("x").api_key.id]
    payloads = {"create": sdk.create_payload(), "update": sdk.update_payload(), "rotate": sdk.rotate_payload()}
    body = {"body": payloads[operation]} if operation in payloads else {}
    for status in (400, 401, 403, 404, 405, 406, 408, 409, 412, 413, 422, 429, 500):
        mock.fail_next(faults.Status(status))
        error_of(sdk.call(operation, *arguments, token=token, **body), status)
