"""What the operations send and reject, and what create and list make of a response."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any

import httpx
import pytest

from incident_io_keys import AccountRole, APIStatusError, InvalidResponseError, KeysClient, TeamRole, Token
from incident_io_keys_generated import contract

from .conftest import CANARY
from .offline import rejected, returned, sent
from .spec import example

TOKEN = Token(example("create_response")["token"])
LEAST, MOST = contract.API_KEY_DEFINITION_NAME_MIN_LENGTH, contract.API_KEY_DEFINITION_NAME_MAX_LENGTH
SMALLEST, LARGEST = contract.LIST_API_KEYS_PAGE_SIZE_MINIMUM, contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM


def create(keys: KeysClient, **changes: Any) -> Any:
    return keys.create(**{"name": "a", "role_names": [], **changes})


def page(keys: KeysClient, **arguments: Any) -> Any:
    return next(keys.list(**arguments).pages())


def created_with(**changes: Any) -> Any:
    """The body that create sends."""
    return json.loads(sent(lambda keys: create(keys, **changes)).content)


def listed_with(**arguments: Any) -> dict[str, str]:
    """The query that list sends."""
    return dict(sent(lambda keys: page(keys, **arguments)).url.params)


def problems(**changes: Any) -> list[str]:
    """The problems for which create is rejected."""
    error = rejected(lambda keys: create(keys, **changes))
    assert str(error).startswith("create was not sent:\n")
    return [str(problem) for problem in error.problems]


def test_create_sends_the_example_of_its_reference_page() -> None:
    body = example("create_request")
    # A member of the enum is equivalent to its name.
    roles = [AccountRole(body["role_names"][0]), *body["role_names"][1:]]
    team_roles = [TeamRole(name) for name in body["team_role_names"]]
    request = sent(lambda keys: keys.create(**{**body, "role_names": roles, "team_role_names": team_roles}))
    assert (request.method, str(request.url)) == ("POST", "https://api.example/base/v1/api_keys")
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.content) == body


def test_create_sends_empty_lists_because_the_api_requires_all_four_members() -> None:
    assert created_with() == {"name": "a", "role_names": [], "team_ids": [], "team_role_names": []}


def test_list_sends_its_page_size_and_only_a_cursor_that_is_given() -> None:
    assert listed_with(page_size=2) == {"page_size": "2"}
    request = sent(lambda keys: page(keys, page_size=1, after="01F"))
    assert (request.method, request.url.path, request.content) == ("GET", "/base/v1/api_keys", b"")
    assert dict(request.url.params) == {"page_size": "1", "after": "01F"}


@pytest.mark.parametrize("name", ["a" * LEAST, "a" * MOST, "ä" * MOST, "🔑" * MOST, " " * LEAST])
def test_create_accepts_a_name_as_long_as_the_contract_allows(name: str) -> None:
    assert created_with(name=name)["name"] == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a" * (LEAST - 1), f"has {LEAST - 1} characters"),
        ("a" * (MOST + 1), f"has {MOST + 1} characters"),
        (None, "None"),
        (b"a", "bytes"),
        (Token(CANARY), "type Token"),
        ("a\ud800", "surrogate"),
    ],
)
def test_create_rejects_other_names(name: object, reason: str) -> None:
    [problem] = problems(name=name)
    assert problem.startswith("name: ")
    assert reason in problem
    assert reason == "surrogate" or f"{LEAST} to {MOST} characters" in problem


@pytest.mark.parametrize(
    ("team_ids", "field", "reason"),
    [
        ("01F", "team_ids", "['01F']"),
        ([""], "team_ids[0]", "has 0 characters"),
        (["01F", 3], "team_ids[1]", "type int"),
        (["\udfff"], "team_ids[0]", "surrogate"),
    ],
)
def test_create_rejects_team_ids_other_than_a_list_of_strings(team_ids: object, field: str, reason: str) -> None:
    [problem] = problems(team_ids=team_ids, team_role_names=["schedules_editor"])
    assert problem.startswith(f"{field}: ")
    assert reason in problem


def test_a_string_of_a_subclass_is_sent_as_its_value() -> None:
    class Own(str, Enum):  # noqa: UP042 - its str() differs from its value
        VIEWER = "viewer"
        TEAM = "01F"
        TEAM_ROLE = "schedules_editor"

    assert created_with(
        name=Own.TEAM, role_names=[Own.VIEWER], team_ids=[Own.TEAM], team_role_names=[Own.TEAM_ROLE]
    ) == {"name": "01F", "role_names": ["viewer"], "team_ids": ["01F"], "team_role_names": ["schedules_editor"]}
    assert listed_with(after=Own.TEAM)["after"] == "01F"


def test_create_reads_an_iterator_once_and_completely() -> None:
    lists = {"team_ids": ["1", "2"], "team_role_names": ["schedules_editor"], "role_names": ["viewer"]}
    assert created_with(**{name: iter(items) for name, items in lists.items()}) == {"name": "a", **lists}


def test_a_misspelled_team_role_is_not_also_reported_as_a_missing_one() -> None:
    assert len(problems(team_ids=["1"], team_role_names=["schedule_editor"])) == 1


def test_create_reports_every_problem_together() -> None:
    found = problems(name="", role_names="viewer", team_ids=["", "x"], team_role_names=["viewer", "zzz"])
    fields = [problem.partition(":")[0] for problem in found]
    assert fields == ["name", "role_names", "team_ids[0]", "team_role_names[0]", "team_role_names[1]"]


@pytest.mark.parametrize("page_size", [SMALLEST, LARGEST])
def test_list_accepts_a_page_size_that_the_contract_allows(page_size: int) -> None:
    assert listed_with(page_size=page_size) == {"page_size": str(page_size)}


@pytest.mark.parametrize(
    "page_size", [SMALLEST - 1, LARGEST + 1, -1, pytest.param(10**5000, id="huge"), 25.0, "25", None, True]
)
def test_list_rejects_other_page_sizes_before_the_iteration(page_size: Any) -> None:
    [problem] = rejected(lambda keys: keys.list(page_size=page_size)).problems
    assert problem.field == "page_size"
    assert f"{SMALLEST} to {LARGEST}" in problem.message


def test_a_number_of_a_subclass_is_sent_as_a_number() -> None:
    class Size(int, Enum):
        SMALL = 2

    assert listed_with(page_size=Size.SMALL) == {"page_size": "2"}


@pytest.mark.parametrize("after", ["", 3, "\ud800"])
def test_list_rejects_a_cursor_that_is_empty_or_no_string(after: Any) -> None:
    [problem] = rejected(lambda keys: keys.list(after=after)).problems
    assert problem.field == "after"


@pytest.mark.parametrize("status", [200, 201, 202])
def test_create_returns_the_key_and_token_of_the_example(status: int) -> None:
    body = example("create_response")
    issued = returned(create, status, json=body)
    assert issued.token.reveal() == body["token"]
    assert issued.api_key.to_dict() == body["api_key"]


def test_list_returns_the_page_of_the_example() -> None:
    body = example("list_response")
    listed = returned(page, 200, json=body)
    assert [key.to_dict() for key in listed.keys] == body["api_keys"]
    assert listed.after == body["pagination_meta"].get("after")


def test_properties_and_roles_that_the_api_adds_later_do_not_break_a_client() -> None:
    body = example("list_response")
    key = body["api_keys"][0]
    key["roles"].append({"name": "brand_new_role", "description": "", "scopes": [1]})
    key.update(last_used_at="2026-01-01T00:00:00Z", comments="new", team_ids=["abc123"])
    key["creator"] = {"workflow": {"id": "1"}}
    body["pagination_meta"]["total"] = 3
    [read] = returned(page, 200, json=body).keys
    assert [role.name for role in read.roles] == ["viewer", "brand_new_role"]
    assert (read.team_ids, read.comments) == (("abc123",), "new")
    assert (read.creator.user, read.creator.api_key) == (None, None)


def test_a_page_of_the_longest_names_and_comments_is_read() -> None:
    body = example("list_response")
    key = body["api_keys"][0]
    key.update(name="🔑" * MOST, comments="🔑" * contract.API_KEY_DEFINITION_COMMENTS_MAX_LENGTH)
    body["api_keys"] = [key] * LARGEST
    stream = httpx.ByteStream(json.dumps(body, ensure_ascii=False).encode())
    assert len(returned(page, 200, stream=stream).keys) == LARGEST


@pytest.mark.parametrize("email", [{}, {"email": None}])
def test_a_property_that_is_absent_or_null_is_none(email: dict[str, None]) -> None:
    body = example("create_response")
    body["api_key"]["creator"] = {"user": {"id": "1", "name": "a", "role": "b", **email}}
    creator = returned(create, 201, json=body).api_key.creator
    assert (creator.api_key, creator.user.email) == (None, None)


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        (lambda body: body["api_key"].pop("name"), "$.api_key", "missing required field `name`"),
        (lambda body: body["api_key"].update(name=3), "$.api_key.name", "Expected `str`, got `int`"),
        (lambda body: body["api_key"]["roles"][0].pop("name"), "$.api_key.roles[0]", "missing required field `name`"),
        (lambda body: body["api_key"].update(created_at="now"), "$.api_key.created_at", "Invalid RFC3339"),
        (lambda body: body.pop("api_key"), "$", "missing required field `api_key`"),
        (lambda body: body.update(api_key=None), "$.api_key", "got `null`"),
    ],
)
def test_an_error_of_a_response_that_does_not_fit_has_the_path_and_the_token(
    change: Any, path: str, reason: str
) -> None:
    body = example("create_response")
    change(body)
    with pytest.raises(InvalidResponseError) as caught:
        returned(create, 201, json=body)
    error = caught.value
    assert (error.path, error.token, error.may_have_applied) == (path, TOKEN, True)
    assert reason in str(error)
    assert path in str(error)
    assert TOKEN.reveal() not in str(error)


@pytest.mark.parametrize(
    "change",
    [
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: body.replace(b"My test", b"\n"),
        lambda body: body.replace(b"My test", b"\\ud800"),
        lambda body: body.replace(b"My test", b"\xff"),
        lambda body: body.replace(b'"api_key"', b'"x": NaN, "api_key"'),
        lambda body: body.replace(b'"api_key"', b'"x": ' + b"[" * 10_000 + b"]" * 10_000 + b', "api_key"'),
        lambda body: body.replace(b"My test", b'\\"token\\": \\"other\\"'),
        lambda body: body + b"}",
        lambda body: body[:-1],
    ],
)
def test_a_complete_token_is_found_in_a_malformed_body(change: Any) -> None:
    body = change(json.dumps(example("create_response")).encode())
    try:
        found = returned(create, 201, content=body).token
    except InvalidResponseError as error:
        found = error.token
    assert found == TOKEN


@pytest.mark.parametrize(("token", "kept"), [("", None), ("a b", Token("a b"))])
def test_a_token_that_no_request_can_carry_is_an_error_that_has_the_token(token: str, kept: Token | None) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        returned(create, 201, json={**example("create_response"), "token": token})
    assert (caught.value.path, caught.value.token) == ("$.token", kept)


@pytest.mark.parametrize(
    "body",
    [
        *(b'{"token": "one", "token": "two"', b'{"token": "cut', b'{"token": "\xff"', b'{"token": "\xff"}'),
        *(b"", b"{", b"<html>", b"\xff", b"null", b"[]", b'{"x":' + b"[" * 100_000, b'{"token": 3}'),
    ],
    ids=lambda body: body[:40],
)
def test_an_error_has_no_token_if_the_body_has_none_that_is_complete_and_the_only_one(body: bytes) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        returned(create, 201, content=body)
    assert caught.value.token is None
    assert caught.value.may_have_applied


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b'{"api_keys": []}', b"[" * 100_000, b'{"x":' + b"[" * 100_000])
def test_a_list_whose_response_does_not_fit_has_changed_nothing(body: bytes) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        returned(page, 200, content=body)
    assert (caught.value.path, caught.value.may_have_applied) == ("$", False)


@pytest.mark.parametrize(
    ("status", "unknown"),
    [(400, False), (408, True), (409, False), (422, False), (429, False), (500, True), (504, True)],
)
def test_an_error_says_whether_a_create_may_have_taken_effect(status: int, unknown: bool) -> None:
    for call, may_have_applied in ((create, unknown), (page, False)):
        with pytest.raises(APIStatusError) as caught:
            returned(call, status)
        assert caught.value.may_have_applied is may_have_applied
