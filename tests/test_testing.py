from __future__ import annotations

import json
import re
from datetime import timedelta
from functools import reduce
from pathlib import Path
from typing import Any

import httpx
import pytest

import incident_io_keys.testing
from incident_io_keys import Token
from incident_io_keys.testing import MockAPI, MockSettings
from incident_io_keys_generated import contract
from incident_io_keys_generated.models import AccountRole

from .spec import example, validate

URL = "https://api.incident.io/v1/api_keys"


def ask(mock: MockAPI, method: str = "GET", url: str = URL, token: str | None = "", **more: Any) -> httpx.Response:
    """Ask the mock with its own token, another, or (None) no token."""
    headers = {} if token is None else {"Authorization": f"Bearer {token or mock.token.reveal()}"}
    return mock.handle(httpx.Request(method, url, headers=headers, **more))


def faults(response: httpx.Response, status: int, kind: str) -> set[tuple[str, str | None]]:
    """The code and pointer of each fault, after holding the envelope against the contract."""
    body = response.json()
    validate(body, "ErrorResponse")
    assert (response.status_code, body["status"], body["type"]) == (status, status, kind)
    return {(error["code"], error.get("source", {}).get("pointer")) for error in body["errors"]}


def test_a_manager_is_there_from_the_start_and_may_call(mock: MockAPI) -> None:
    [manager] = ask(mock).json()["api_keys"]
    assert {role["name"] for role in manager["roles"]} == set(AccountRole)
    assert manager["creator"]["user"]
    assert isinstance(mock.token, Token)


def test_what_a_mock_is_made_of_cannot_be_put_in_its_place(mock: MockAPI) -> None:
    mock.settings = MockSettings(rate_limit=1)
    assert [ask(mock).status_code for _ in range(2)] == [200, 429]
    for name in ("token", "clock"):
        with pytest.raises(AttributeError):
            setattr(mock, name, getattr(mock, name))
    with pytest.raises(TypeError, match="must be MockSettings"):
        mock.settings = {"rate_limit": 1}  # type: ignore[assignment]
    with pytest.raises(TypeError, match="must be MockSettings"):
        MockAPI(settings={"rate_limit": 1})  # type: ignore[arg-type]


def test_two_mocks_have_nothing_in_common() -> None:
    assert MockAPI().token != MockAPI().token


def test_create_answers_with_the_key_and_a_token_of_the_documented_form(mock: MockAPI) -> None:
    asked = example("create_request")
    response = ask(mock, "POST", json=asked)
    assert response.status_code == 201
    body = response.json()
    validate(body, "IssuedAPIKeyResponse")
    key = body["api_key"]
    assert (key["name"], key["team_ids"]) == (asked["name"], asked["team_ids"])
    assert [role["name"] for role in key["roles"]] == asked["role_names"]
    assert [role["name"] for role in key["team_roles"]] == asked["team_role_names"]
    assert key["creator"] == {"api_key": {"id": ask(mock).json()["api_keys"][0]["id"], "name": "Manager"}}
    assert key["token_last_issued_at"] == key["created_at"]
    assert body["token"].startswith("inc_")
    assert len(bytes.fromhex(body["token"][4:])) == 32


def test_ids_are_ulids_that_grow(mock: MockAPI) -> None:
    ids = [ask(mock, "POST", json=example("create_request")).json()["api_key"]["id"] for _ in range(50)]
    assert ids == sorted(set(ids))
    assert all(len(name) == 26 and set(name) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ") for name in ids)


def test_an_id_begins_with_the_time_at_which_it_was_made(mock: MockAPI) -> None:
    for _ in range(3):
        mock.clock.advance(timedelta(days=1))
        key = mock.add_key("x").api_key
        milliseconds = reduce(lambda number, digit: number * 32 + ALPHABET.index(digit), key.id[:10], 0)
        assert abs(milliseconds - key.created_at.timestamp() * 1000) < 2


ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def test_list_gives_page_after_page_with_a_cursor_on_all_but_the_last(mock: MockAPI) -> None:
    for _ in range(4):
        ask(mock, "POST", json=example("create_request"))
    everything = ask(mock).json()
    validate(everything, "ListAPIKeysResponse")
    assert everything["pagination_meta"] == {"page_size": contract.LIST_API_KEYS_PAGE_SIZE_DEFAULT}
    pages, cursor = [], ""
    for _ in range(3):
        page = ask(mock, url=f"{URL}?page_size=2" + (f"&after={cursor}" if cursor else "")).json()
        pages.append([key["id"] for key in page["api_keys"]])
        cursor = page["pagination_meta"].get("after")
    assert cursor is None
    assert pages == [[key["id"] for key in everything["api_keys"]][start : start + 2] for start in (0, 2, 4)]


def test_a_full_last_page_has_no_cursor(mock: MockAPI) -> None:
    assert ask(mock, url=f"{URL}?page_size=1").json()["pagination_meta"] == {"page_size": 1}


LARGEST = contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM
LONGEST = contract.API_KEY_DEFINITION_NAME_MAX_LENGTH


@pytest.mark.parametrize("size", ["0", str(LARGEST + 1), "-1", "ten", "", "1.5", "9" * 30, "²"])
def test_a_page_size_that_does_not_fit_is_422(mock: MockAPI, size: str) -> None:
    response = ask(mock, url=str(httpx.URL(URL, params={"page_size": size})))
    [(code, _)] = faults(response, 422, "validation_error")
    assert code in {"out_of_range", "invalid_type"}
    assert response.json()["errors"][0]["source"] == {"field": "page_size", "pointer": "/page_size"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": ""}, {("invalid_length", "/name")}),
        ({"name": "a" * (LONGEST + 1)}, {("invalid_length", "/name")}),
        ({"name": 3}, {("invalid_type", "/name")}),
        ({"role_names": "viewer"}, {("invalid_type", "/role_names")}),
        ({"role_names": ["viewer", "viwer"]}, {("invalid_value", "/role_names/1")}),
        ({"role_names": [3]}, {("invalid_type", "/role_names/0")}),
        ({"team_role_names": ["viewer"]}, {("invalid_value", "/team_role_names/0")}),
        ({"team_ids": [3]}, {("invalid_type", "/team_ids/0")}),
        ({"team_ids": []}, {("is_required", "/team_ids")}),
        ({"team_role_names": []}, {("is_required", "/team_role_names")}),
        ({"name": None, "role_names": None}, {("invalid_type", "/name"), ("invalid_type", "/role_names")}),
    ],
)
def test_a_definition_that_does_not_fit_is_422_and_every_fault_is_told(
    mock: MockAPI, changes: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    response = ask(mock, "POST", json={**example("create_request"), **changes})
    assert faults(response, 422, "validation_error") == expected
    assert len(ask(mock).json()["api_keys"]) == 1


def test_missing_members_are_required(mock: MockAPI) -> None:
    response = ask(mock, "POST", json={})
    names = ("name", "role_names", "team_ids", "team_role_names")
    assert faults(response, 422, "validation_error") == {("is_required", f"/{name}") for name in names}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'"\xff"', b"NaN", b'{"name": "\\ud800"}', b"[" * 100_000])
def test_a_body_that_is_no_json_is_400(mock: MockAPI, body: bytes) -> None:
    assert faults(ask(mock, "POST", content=body), 400, "invalid_request_error") == {("invalid_json", None)}
    assert ask(mock).status_code == 200


@pytest.mark.parametrize("body", [[], "text", None, 3])
def test_a_body_that_is_no_object_is_422(mock: MockAPI, body: object) -> None:
    assert faults(ask(mock, "POST", content=json.dumps(body)), 422, "validation_error") == {("invalid_type", "")}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_token_that_works_there_is_401(mock: MockAPI, method: str) -> None:
    missing = {("missing_authorization_material", None)}
    assert faults(ask(mock, method, token=None), 401, "authentication_error") == missing
    basic = mock.handle(httpx.Request(method, URL, headers={"Authorization": f"Basic {mock.token.reveal()}"}))
    assert faults(basic, 401, "authentication_error") == missing
    wrong = ask(mock, method, token="inc_" + "0" * 64)
    assert faults(wrong, 401, "authentication_error") == {("invalid_authorization_material", None)}


def test_a_key_without_the_managing_role_is_403(mock: MockAPI) -> None:
    token = ask(mock, "POST", json=example("create_request")).json()["token"]
    assert faults(ask(mock, token=token), 403, "resource_forbidden") == {("missing_role", None)}


def test_other_methods_are_405_and_other_paths_404(mock: MockAPI) -> None:
    response = ask(mock, "PATCH")
    assert faults(response, 405, "method_not_allowed") == {("method_not_allowed", None)}
    assert response.headers["Allow"] == "GET, POST"
    for url in (URL + "/", URL + "x", "https://api.incident.io/", "https://api.incident.io/v2/api_keys"):
        assert faults(ask(mock, url=url), 404, "not_found") == {("not_found", None)}


def test_what_arrived_is_kept_without_the_token(mock: MockAPI) -> None:
    ask(mock, "POST", json=example("create_request"))
    [request] = mock.requests
    assert (request.method, str(request.url)) == ("POST", URL)
    assert json.loads(request.content) == example("create_request")
    assert mock.token.reveal() not in str(request.headers.raw)


def test_a_bearer_is_one_in_any_case(mock: MockAPI) -> None:
    request = httpx.Request("GET", URL, headers={"Authorization": f"bearer {mock.token.reveal()}"})
    assert mock.handle(request).status_code == 200


def test_a_mock_without_a_file_has_nothing_to_close() -> None:
    with MockAPI() as mock:
        assert ask(mock).status_code == 200
    assert ask(mock, "POST", json=example("create_request")).status_code == 201


def test_the_mock_shares_no_code_with_the_client() -> None:
    # But for the types of what it hands to the tests: a mock that shared the client's code would share its mistakes.
    package = Path(incident_io_keys.testing.__file__).parent
    sources = [file.read_text(encoding="utf-8") for file in package.glob("*.py")]
    taken = {name for source in sources for name in re.findall(r"^from \.\.(\w+) import", source, re.MULTILINE)}
    assert taken == {"tokens"}
    assert not [line for line in imports(sources) if re.match(r"\s*(from|import) incident_io_keys(\s|\.)", line)]


def imports(sources: list[str]) -> list[str]:
    return [line for source in sources for line in source.splitlines() if re.match(r"\s*(from|import) ", line)]
