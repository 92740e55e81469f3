"""A rotation whose response is about another key: the token is neither stored nor lost."""

from __future__ import annotations

import json

import httpx
import pytest

from incident_io_keys import IncidentIOError, Token
from incident_io_keys.storage import FileStore, TokenNotStoredError, rotate_into
from incident_io_keys.testing import MockAPI

from .doing import Do, Memory, entries, works


@pytest.fixture(params=["complete", "without roles"])
def foreign(request: pytest.FixtureRequest, mock: MockAPI, key_id: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the mock rotate another key instead. The value lists the tokens that it issued."""
    incomplete = request.param == "without roles"
    other, tokens = mock.add_key("other", ["viewer"]).api_key.id, []
    respond = mock.respond

    def respond_about_another_key(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            assert key_id in request.url.path
            url = str(request.url).replace(key_id, other)
            request = httpx.Request("POST", url, headers=request.headers, content=request.content)
        response = respond(request)
        if request.method == "POST":
            body = json.loads(response.content)
            assert body["api_key"]["id"] == other
            tokens.append(body["token"])
            if incomplete:
                del body["api_key"]["roles"]
                return httpx.Response(response.status_code, json=body)
        return response

    monkeypatch.setattr(mock, "respond", respond_about_another_key)
    return tokens


def test_a_token_of_another_key_is_not_stored(do: Do, memory: Memory, key_id: str, foreign: list[str]) -> None:
    with pytest.raises(IncidentIOError):
        do(rotate_into, memory, key_id)
    assert len(foreign) == 1
    assert Token(foreign[0]) not in memory.tokens.values()


def test_a_token_of_another_key_is_on_the_error_and_the_journal_has_an_entry(
    do: Do, mock: MockAPI, store: FileStore, key_id: str, foreign: list[str]
) -> None:
    with pytest.raises(TokenNotStoredError) as caught:
        do(rotate_into, store, key_id)
    assert caught.value.token == Token(foreign[0])
    assert caught.value.may_have_applied
    assert works(mock, caught.value.token)
    assert len(entries(store)) == 1
