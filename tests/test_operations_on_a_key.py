"""The operations on one key: what they send and reject, and what they make of a response."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx
import pytest
from hypothesis import example as example_of
from hypothesis import given, strategies

from incident_io_keys import InvalidRequestError, InvalidResponseError, NotFoundError, Token
from incident_io_keys_generated import contract

from .conftest import CANARY, Make
from .offline import rejected, returned, sent
from .spec import example

DEFINITION: dict[str, Any] = {"name": "a", "role_names": [], "team_ids": [], "team_role_names": []}
ISSUED = example("create_response")
KEY_ID = ISSUED["api_key"]["id"]

# The calls that take the ID of a key, by name.
ON_A_KEY: dict[str, Callable[[Any, Any], Any]] = {
    "show": lambda keys, key_id: keys.show(key_id),
    "update": lambda keys, key_id: keys.update(key_id, **DEFINITION),
    "delete": lambda keys, key_id: keys.delete(key_id),
    "rotate": lambda keys, key_id: keys.rotate(key_id),
}


@pytest.mark.parametrize(
    ("name", "method", "suffix", "body"),
    [
        ("show", "GET", "", None),
        ("update", "PUT", "", DEFINITION),
        ("delete", "DELETE", "", None),
        ("rotate", "POST", "/actions/rotate", {"grace_period_minutes": 30}),
    ],
)
def test_an_operation_on_a_key_sends_the_request_of_the_contract(
    name: str, method: str, suffix: str, body: object
) -> None:
    request = sent(lambda keys: ON_A_KEY[name](keys, "01F"))
    assert (request.method, request.url.path) == (method, f"/base/v1/api_keys/01F{suffix}")
    assert (json.loads(request.content) if request.content else None) == body


BAD_IDS = [
    *("", ".", "..", "a/b", "/", "a\\b", "a?b", "a#b", "%2e"),
    *("a b", "a\n", "\t", "a\u00a0", "\u2028", "a\0", "\x7f", "\x85"),
]


@pytest.mark.parametrize("name", ON_A_KEY)
@pytest.mark.parametrize("key_id", [*BAD_IDS, "\ud800", None, 3, b"01F", Token(CANARY)], ids=repr)
def test_an_id_that_could_change_the_path_is_rejected(name: str, key_id: Any) -> None:
    error = rejected(lambda keys: ON_A_KEY[name](keys, key_id))
    assert str(error).startswith(f"{name} was not sent:\n")
    assert [problem.field for problem in error.problems] == ["id"]


@pytest.mark.parametrize("name", ON_A_KEY)
@given(key_id=strategies.text())
@example_of(key_id="...")
@example_of(key_id="..;")
@example_of(key_id="\uff0f\uff0e\uff0e")
@example_of(key_id="@:&=+$,")
def test_every_id_is_one_segment_of_the_path(name: str, key_id: str) -> None:
    try:
        url = sent(lambda keys: ON_A_KEY[name](keys, key_id)).url
    except InvalidRequestError:
        assert key_id in BAD_IDS or re.search(r"[/\\?#%\s\x00-\x1f\x7f-\x9f\ud800-\udfff]", key_id)
        return
    prefix, suffix = b"/base/v1/api_keys/", b"/actions/rotate" if name == "rotate" else b""
    assert url.raw_path.startswith(prefix)
    assert url.raw_path.endswith(suffix)
    segment = url.raw_path.removeprefix(prefix).removesuffix(suffix)
    assert unquote_to_bytes(segment) == key_id.encode()
    assert not re.search(rb"[/\\?#]", segment)
    assert (url.host, url.query, url.fragment) == ("api.example", b"", "")


SHORTEST = contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MINIMUM
LONGEST = contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MAXIMUM


@pytest.mark.parametrize("minutes", [SHORTEST, LONGEST])
def test_rotate_accepts_a_grace_period_that_the_contract_allows(minutes: int) -> None:
    request = sent(lambda keys: keys.rotate("01F", grace_period_minutes=minutes))
    assert json.loads(request.content) == {"grace_period_minutes": minutes}


@pytest.mark.parametrize("minutes", [SHORTEST - 1, LONGEST + 1, 30.0, "30", None, True])
def test_rotate_rejects_other_grace_periods_together_with_the_id(minutes: Any) -> None:
    error = rejected(lambda keys: keys.rotate("a/b", grace_period_minutes=minutes))
    assert [problem.field for problem in error.problems] == ["id", "grace_period_minutes"]


def test_update_reports_every_problem_of_the_id_and_the_definition_together() -> None:
    definition: Any = {"name": "", "role_names": ["viwer"], "team_ids": ["1"], "team_role_names": []}
    error = rejected(lambda keys: keys.update("..", **definition))
    assert [problem.field for problem in error.problems] == ["id", "name", "role_names[0]", "team_role_names"]


@pytest.mark.parametrize("name", ["show", "update"])
def test_show_and_update_return_the_key_of_the_response(name: str) -> None:
    key = returned(lambda keys: ON_A_KEY[name](keys, KEY_ID), 200, json={"api_key": ISSUED["api_key"]})
    assert key.to_dict() == ISSUED["api_key"]


def test_rotate_returns_the_key_and_the_token_of_the_response() -> None:
    rotated = returned(lambda keys: keys.rotate(KEY_ID), 201, json=ISSUED)
    assert (rotated.api_key.to_dict(), rotated.token.reveal()) == (ISSUED["api_key"], ISSUED["token"])


@pytest.mark.parametrize(
    ("status", "body"), [(204, b""), (200, b""), (200, b" \n"), (200, b"{}"), (200, b'{"deleted": true}')]
)
def test_delete_accepts_a_success_with_or_without_a_json_object(status: int, body: bytes) -> None:
    assert returned(lambda keys: keys.delete("01F"), status, content=body) is None


@pytest.mark.parametrize("name", ON_A_KEY)
def test_the_html_page_of_a_gateway_is_an_invalid_response(name: str) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        returned(lambda keys: ON_A_KEY[name](keys, "01F"), 200, content=b"<html>please log in</html>")
    assert caught.value.may_have_applied is (name != "show")


@pytest.mark.parametrize(
    ("name", "statuses", "fails"),
    [
        ("delete", [503, 404], False),
        ("delete", [404], True),
        ("delete", [429, 404], True),
        ("show", [503, 404], True),
        ("update", [503, 404], True),
        ("rotate", [429, 404], True),
    ],
)
def test_a_missing_key_is_an_error_unless_an_earlier_attempt_may_have_deleted_it(
    make: Make, name: str, statuses: list[int], fails: bool
) -> None:
    responses = map(httpx.Response, statuses)
    keys = make(transport=httpx.MockTransport(lambda _: next(responses)))
    with pytest.raises(NotFoundError) if fails else contextlib.nullcontext():
        ON_A_KEY[name](keys, "01F")
    assert not list(responses)
