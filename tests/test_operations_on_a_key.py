"""The operations on one key, without I/O: what is sent, and what becomes of the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example as example_of
from hypothesis import given, strategies

from incident_io_keys import (
    InvalidRequestError,
    InvalidResponseError,
    NotFoundError,
    Token,
)
from incident_io_keys._operations import (
    Operation,
    delete_key,
    rotate_key,
    show_key,
    update_key,
)
from incident_io_keys_generated import contract

from .answers import answer_of
from .conftest import CANARY
from .spec import example
from .test_operations import sent

DEFINITION: dict[str, Any] = {"name": "a", "role_names": [], "team_ids": [], "team_role_names": []}


# An operation on one key, made from its ID.
ON_A_KEY: dict[str, Callable[[str], Operation[Any]]] = {
    "show": show_key,
    "update": lambda key_id: update_key(key_id, **DEFINITION),
    "delete": delete_key,
    "rotate": lambda key_id: rotate_key(key_id, grace_period_minutes=30),
}


SUFFIX = {"rotate": "/actions/rotate"}


def test_an_operation_on_a_key_sends_what_the_contract_says() -> None:
    requests = {name: sent(make("01F")) for name, make in ON_A_KEY.items()}
    assert {name: (request.method, request.url.path) for name, request in requests.items()} == {
        "show": ("GET", "/base/v1/api_keys/01F"),
        "update": ("PUT", "/base/v1/api_keys/01F"),
        "delete": ("DELETE", "/base/v1/api_keys/01F"),
        "rotate": ("POST", "/base/v1/api_keys/01F/actions/rotate"),
    }
    assert json.loads(requests["update"].content) == DEFINITION
    assert json.loads(requests["rotate"].content) == {"grace_period_minutes": 30}
    assert requests["show"].content == requests["delete"].content == b""


BAD_IDS = [
    *("", ".", "..", "a/b", "/", "a\\b", "a?b", "a#b", "%2e"),
    *("a b", "a\n", "\t", "a\u00a0", "\u2028", "a\0", "\x7f", "\x85"),
]


@pytest.mark.parametrize("name", ON_A_KEY)
@pytest.mark.parametrize("key_id", [*BAD_IDS, "\ud800", None, 3, b"01F", Token(CANARY)], ids=repr)
def test_an_id_that_could_be_another_path_is_refused(name: str, key_id: Any) -> None:
    with pytest.raises(InvalidRequestError, match=f"{name} was not sent") as caught:
        ON_A_KEY[name](key_id)
    assert caught.value.problems[0].field == "id"


@pytest.mark.parametrize("name", ON_A_KEY)
@given(key_id=strategies.text())
@example_of(key_id="...")
@example_of(key_id="..;")
@example_of(key_id="\uff0f\uff0e\uff0e")
@example_of(key_id="@:&=+$,")
def test_no_id_reaches_another_path_than_its_own(name: str, key_id: str) -> None:
    try:
        operation = ON_A_KEY[name](key_id)
    except InvalidRequestError:
        assert key_id in BAD_IDS or re.search(r"[/\\?#%\s\x00-\x1f\x7f-\x9f\ud800-\udfff]", key_id)
        return
    url = sent(operation).url
    prefix, suffix = b"/base/v1/api_keys/", SUFFIX.get(name, "").encode()
    assert url.raw_path.startswith(prefix)
    assert url.raw_path.endswith(suffix)
    segment = url.raw_path.removeprefix(prefix).removesuffix(suffix)
    assert unquote_to_bytes(segment) == key_id.encode()
    assert not re.search(rb"[/\\?#]", segment)
    assert (url.host, url.query, url.fragment) == ("api.example", b"", "")


MINUTES = (
    contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MINIMUM,
    contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MAXIMUM,
)


@pytest.mark.parametrize("minutes", MINUTES)
def test_a_grace_period_that_the_contract_allows_is_taken(minutes: int) -> None:
    assert rotate_key("01F", grace_period_minutes=minutes).request["json"] == {"grace_period_minutes": minutes}


@pytest.mark.parametrize("minutes", [MINUTES[0] - 1, MINUTES[1] + 1, 30.0, "30", None, True])
def test_other_grace_periods_are_refused_and_so_is_the_id_at_once(minutes: Any) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        rotate_key("a/b", grace_period_minutes=minutes)
    assert [problem.field for problem in caught.value.problems] == ["id", "grace_period_minutes"]


def test_an_update_names_everything_that_is_wrong_with_id_and_definition() -> None:
    with pytest.raises(InvalidRequestError, match="update was not sent") as caught:
        update_key("..", name="", role_names=["viwer"], team_ids=["1"], team_role_names=[])  # type: ignore[list-item]
    assert [problem.field for problem in caught.value.problems] == ["id", "name", "role_names[0]", "team_role_names"]


def test_the_answers_of_the_operations_on_a_key_become_values() -> None:
    issued = example("create_response")
    shown = answer_of(200, json={"api_key": issued["api_key"]})
    for name in ("show", "update"):
        assert ON_A_KEY[name]("01F").decode(shown).to_dict() == issued["api_key"]
    rotated = ON_A_KEY["rotate"]("01F").decode(answer_of(201, json=issued))
    assert rotated.token.reveal() == issued["token"]
    assert ON_A_KEY["delete"]("01F").decode(answer_of(204)) is None


@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b'{"deleted": true}'])
def test_a_delete_that_succeeds_with_more_than_was_promised_succeeds(body: bytes) -> None:
    ON_A_KEY["delete"]("01F").decode(answer_of(200, content=body))


@pytest.mark.parametrize("name", ON_A_KEY)
def test_a_page_of_a_gateway_is_no_success(name: str) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        ON_A_KEY[name]("01F").decode(answer_of(200, content=b"<html>please log in</html>"))
    assert caught.value.may_have_applied is (name != "show")


def test_a_delete_that_may_have_happened_before_is_content_to_find_nothing() -> None:
    gone = answer_of(404, json={"type": "not_found"})
    ON_A_KEY["delete"]("01F").decode(gone, may_have_applied=True)
    for name in ("delete", "show", "update", "rotate"):
        with pytest.raises(NotFoundError):
            ON_A_KEY[name]("01F").decode(gone, may_have_applied=name == "update")
