from __future__ import annotations

import json
from enum import Enum
from typing import Any

import httpx
import pytest

from incident_io_keys import (
    AccountRole,
    APIStatusError,
    InvalidRequestError,
    InvalidResponseError,
    TeamRole,
    Token,
)
from incident_io_keys._operations import (
    Operation,
    create_key,
    list_keys,
)
from incident_io_keys_generated import contract

from .answers import answer_of
from .conftest import CANARY
from .spec import example


def create(**changes: Any) -> Operation[Any]:
    arguments: dict[str, Any] = {"name": "a", "role_names": [], "team_ids": [], "team_role_names": []}
    return create_key(**{**arguments, **changes})


def problems(**changes: Any) -> list[str]:
    with pytest.raises(InvalidRequestError) as caught:
        create(**changes)
    assert str(caught.value).startswith("create was not sent:\n  ")
    return [str(problem) for problem in caught.value.problems]


def test_create_sends_the_example_of_its_reference_page() -> None:
    body = example("create_request")
    # A member of the enum is as good as its name.
    roles = [AccountRole(body["role_names"][0]), *body["role_names"][1:]]
    team_roles = [TeamRole(name) for name in body["team_role_names"]]
    request = sent(create_key(**{**body, "role_names": roles, "team_role_names": team_roles}))
    assert (request.method, str(request.url)) == ("POST", "https://api.example/base/v1/api_keys")
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.content) == body


def test_create_sends_empty_lists_since_the_api_requires_all_four_members() -> None:
    assert create().request["json"] == {"name": "a", "role_names": [], "team_ids": [], "team_role_names": []}


def test_list_sends_its_page_size_and_leaves_out_a_cursor_that_is_not_given() -> None:
    assert list_keys(page_size=2, after=None).request["params"] == {"page_size": 2}
    assert list_keys(page_size=1, after="01F").request["params"] == {"page_size": 1, "after": "01F"}


def sent(operation: Operation[Any]) -> httpx.Request:
    """The request as httpx makes it."""
    with httpx.Client(base_url="https://api.example/base") as client:
        return client.build_request(**operation.request)


LEAST, MOST = contract.API_KEY_DEFINITION_NAME_MIN_LENGTH, contract.API_KEY_DEFINITION_NAME_MAX_LENGTH
SMALLEST, LARGEST = contract.LIST_API_KEYS_PAGE_SIZE_MINIMUM, contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM


@pytest.mark.parametrize("name", ["a" * LEAST, "a" * MOST, "ä" * MOST, "🔑" * MOST, " " * LEAST])
def test_a_name_as_long_as_the_contract_allows_is_taken(name: str) -> None:
    assert create(name=name).request["json"]["name"] == name


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a" * (LEAST - 1), f"name: has {LEAST - 1} characters, but takes {LEAST} to {MOST} characters"),
        ("a" * (MOST + 1), f"name: has {MOST + 1} characters, but takes {LEAST} to {MOST} characters"),
        (None, f"name: takes a string of {LEAST} to {MOST} characters, not None"),
        (b"a", f"name: takes a string of {LEAST} to {MOST} characters, not a value of type bytes"),
        (Token(CANARY), f"name: takes a string of {LEAST} to {MOST} characters, not a value of type Token"),
        ("a\ud800", "name: holds half of a surrogate pair, which no request can carry"),
    ],
)
def test_other_names_are_refused(name: object, problem: str) -> None:
    assert problems(name=name) == [problem]


@pytest.mark.parametrize(
    ("team_ids", "problem"),
    [
        ("01F", "team_ids: takes a list, not a single string; write ['01F']"),
        ([""], "team_ids[0]: has 0 characters, but takes 1 or more characters"),
        (["01F", 3], "team_ids[1]: takes a string of 1 or more characters, not a value of type int"),
        (["\udfff"], "team_ids[0]: holds half of a surrogate pair, which no request can carry"),
    ],
)
def test_team_ids_are_a_list_of_strings(team_ids: object, problem: str) -> None:
    assert problems(team_ids=team_ids, team_role_names=["schedules_editor"]) == [problem]


def test_strings_of_any_class_are_sent_as_their_text() -> None:
    class Own(str, Enum):  # noqa: UP042 - its str() is another text than its value
        VIEWER = "viewer"
        TEAM = "01F"
        TEAM_ROLE = "schedules_editor"

    body = create(name=Own.TEAM, role_names=[Own.VIEWER], team_ids=[Own.TEAM], team_role_names=[Own.TEAM_ROLE]).request[
        "json"
    ]
    assert json.dumps(body) == json.dumps(
        {"name": "01F", "role_names": ["viewer"], "team_ids": ["01F"], "team_role_names": ["schedules_editor"]}
    )
    assert str(list_keys(page_size=1, after=Own.TEAM).request["params"]["after"]) == "01F"


def test_iterators_are_read_once_and_whole() -> None:
    operation = create(
        team_ids=iter(["1", "2"]), team_role_names=iter(["schedules_editor"]), role_names=iter(["viewer"])
    )
    assert operation.request["json"]["team_ids"] == ["1", "2"]
    assert operation.request["json"]["team_role_names"] == ["schedules_editor"]
    assert operation.request["json"]["role_names"] == ["viewer"]


def test_a_misspelled_team_role_is_one_problem_not_half_a_pair_too() -> None:
    assert len(problems(team_ids=["1"], team_role_names=["schedule_editor"])) == 1


def test_everything_that_is_wrong_is_told_at_once() -> None:
    found = problems(name="", role_names="viewer", team_ids=["", "x"], team_role_names=["viewer", "zzz"])
    assert [problem.partition(":")[0] for problem in found] == [
        "name",
        "role_names",
        "team_ids[0]",
        "team_role_names[0]",
        "team_role_names[1]",
    ]


@pytest.mark.parametrize("page_size", [SMALLEST, LARGEST])
def test_a_page_size_that_the_contract_allows_is_taken(page_size: int) -> None:
    assert list_keys(page_size=page_size, after=None).request["params"]["page_size"] == page_size


@pytest.mark.parametrize("page_size", [SMALLEST - 1, LARGEST + 1, -1, 25.0, "25", None, True])
def test_other_page_sizes_are_refused(page_size: Any) -> None:
    with pytest.raises(InvalidRequestError, match=f"page_size: .*{SMALLEST} to {LARGEST}"):
        list_keys(page_size=page_size, after=None)


def test_a_number_of_any_class_is_sent_as_a_number() -> None:
    class Size(int, Enum):
        SMALL = 2

    assert str(list_keys(page_size=Size.SMALL, after=None).request["params"]["page_size"]) == "2"


def test_a_number_too_long_to_write_out_is_refused_all_the_same() -> None:
    with pytest.raises(InvalidRequestError, match="page_size: is far off, but takes"):
        list_keys(page_size=10**5000, after=None)


@pytest.mark.parametrize("after", ["", 3, "\ud800"])
def test_a_cursor_is_a_string_that_is_not_empty(after: Any) -> None:
    with pytest.raises(InvalidRequestError, match="after: "):
        list_keys(page_size=1, after=after)


@pytest.mark.parametrize("status", [200, 201, 202])
def test_the_example_answer_of_create_becomes_a_key_and_its_token(status: int) -> None:
    answer = example("create_response")
    issued = create().decode(answer_of(status, json=answer))
    assert issued.token.reveal() == answer["token"]
    assert issued.api_key.to_dict() == answer["api_key"]


def test_the_example_answer_of_list_becomes_keys() -> None:
    answer = example("list_response")
    body = list_keys(page_size=25, after=None).decode(answer_of(200, json=answer))
    assert body.to_dict() == answer


def test_what_the_api_adds_later_does_not_break_an_installed_client() -> None:
    answer = example("list_response")
    key = answer["api_keys"][0]
    key["roles"].append({"name": "brand_new_role", "description": "", "scopes": [1]})
    key.update(last_used_at="2026-01-01T00:00:00Z", comments="new", team_ids=["abc123"])
    key["creator"] = {"workflow": {"id": "1"}}
    answer["pagination_meta"]["total"] = 3
    [read] = list_keys(page_size=25, after=None).decode(answer_of(200, json=answer)).api_keys
    assert [role.name for role in read.roles] == ["viewer", "brand_new_role"]
    assert read.team_ids == ("abc123",)
    assert read.creator.user is None
    assert read.creator.api_key is None


def test_absent_and_null_are_none() -> None:
    answer = example("create_response")["api_key"]
    for user in ({"id": "1", "name": "a", "role": "b"}, {"id": "1", "name": "a", "role": "b", "email": None}):
        answer["creator"] = {"user": user}
        body = {"api_key": answer, "token": CANARY}
        creator = create().decode(answer_of(201, json=body)).api_key.creator
        assert creator.api_key is None
        assert creator.user.email is None


@pytest.mark.parametrize(
    ("spoil", "path", "reason"),
    [
        (lambda body: body["api_key"].pop("name"), "$.api_key", "missing required field `name`"),
        (lambda body: body["api_key"].update(name=3), "$.api_key.name", "Expected `str`, got `int`"),
        (lambda body: body["api_key"]["roles"][0].pop("name"), "$.api_key.roles[0]", "missing required field `name`"),
        (lambda body: body["api_key"].update(created_at="now"), "$.api_key.created_at", "Invalid RFC3339"),
        (lambda body: body.pop("api_key"), "$", "missing required field `api_key`"),
        (lambda body: body.update(api_key=None), "$.api_key", "got `null`"),
    ],
)
def test_an_answer_that_does_not_fit_names_the_place_and_still_gives_the_token(
    spoil: Any, path: str, reason: str
) -> None:
    body = example("create_response")
    spoil(body)
    with pytest.raises(InvalidResponseError) as caught:
        create().decode(answer_of(201, json=body))
    assert caught.value.path == path
    assert caught.value.token == Token(body["token"])
    assert caught.value.may_have_applied
    assert reason in str(caught.value)
    assert f"at {path})" in str(caught.value)
    assert "store it" in str(caught.value)
    assert body["token"] not in str(caught.value)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: body.replace(b"My test", b"\n"),
        lambda body: body.replace(b"My test", b"\\ud800"),
        lambda body: body.replace(b'"api_key"', b'"x": NaN, "api_key"'),
        lambda body: body.replace(b'"api_key"', b'"x": ' + b"[" * 10_000 + b"]" * 10_000 + b', "api_key"'),
        lambda body: body.replace(b"My test", b'\\"token\\": \\"other\\"'),
        lambda body: body + b"}",
        lambda body: body[:-1],
    ],
)
def test_a_token_that_arrived_whole_is_found_in_a_body_that_is_no_json(spoil: Any) -> None:
    body = spoil(json.dumps(example("create_response")).encode())
    try:
        found = create().decode(answer_of(201, content=body)).token
    except InvalidResponseError as error:
        found = error.token
    assert found == Token(example("create_response")["token"])


@pytest.mark.parametrize("body", [b'{"token": "one", "token": "two"', b'{"token": "cut', b'{"token": "\xff"'])
def test_a_token_that_may_be_another_is_not_given(body: bytes) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        create().decode(answer_of(201, content=body))
    assert caught.value.token is None


@pytest.mark.parametrize(("token", "kept"), [("", None), ("a b", Token("a b"))])
def test_a_token_that_no_request_can_carry_is_a_misfit_but_not_lost(token: str, kept: Token | None) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        create().decode(answer_of(201, json={**example("create_response"), "token": token}))
    assert (caught.value.path, caught.value.token) == ("$.token", kept)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"<html>", b"\xff", b'{"token": "\xff"}', b"null", b"[]", b'{"x":' + b"[" * 100_000, b'{"token": 3}'],
)
def test_a_success_without_a_token_in_it_says_so_by_none(body: bytes) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        create().decode(answer_of(201, content=body))
    assert caught.value.token is None
    assert "store it" not in str(caught.value)


def test_a_token_is_found_beside_bytes_that_are_no_text() -> None:
    body = json.dumps(example("create_response")).encode().replace(b"My test", b"\xff")
    with pytest.raises(InvalidResponseError) as caught:
        create().decode(answer_of(201, content=body))
    assert caught.value.token == Token(example("create_response")["token"])


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b'{"api_keys": []}', b"[" * 100_000, b'{"x":' + b"[" * 100_000])
def test_a_list_that_does_not_fit_has_not_applied_anything(body: bytes) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        list_keys(page_size=1, after=None).decode(answer_of(200, content=body))
    assert not caught.value.may_have_applied
    assert caught.value.path == "$"


@pytest.mark.parametrize(
    ("status", "unknown"),
    [(400, False), (408, True), (409, False), (422, False), (429, False), (500, True), (504, True)],
)
def test_a_create_that_fails_says_whether_it_may_have_happened(status: int, unknown: bool) -> None:
    with pytest.raises(APIStatusError) as caught:
        create().decode(answer_of(status))
    assert caught.value.may_have_applied is unknown
    with pytest.raises(APIStatusError) as caught:
        list_keys(page_size=1, after=None).decode(answer_of(status))
    assert not caught.value.may_have_applied
