"""`rotate` and `resume`: one key or all that are due, and where the tokens are afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from incident_io_keys import APIKey, IssuedKey, KeysClient, Token
from incident_io_keys.testing import MockAPI
from incident_io_keys_generated import contract

from .conftest import Run, token_in, works

TOO_LONG = contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MAXIMUM + 1


def test_the_new_token_goes_to_a_file_and_the_old_one_works_for_a_while(
    both: Run, keys: KeysClient, issued: IssuedKey, tmp_path: Path
) -> None:
    path, key = tmp_path / "token", issued.api_key
    result = both("rotate", key.id, "--token-file", path, "--grace", "5")
    assert result.code == 0
    told = f"rotated deploy bot ({key.id}); its token is in {path}; the previous token works for 5 minutes more\n"
    assert result.err == told
    assert json.loads(result.out)["id"] == key.id
    assert works(keys, token_in(path), key.id)
    assert works(keys, issued.token, key.id)


def test_without_grace_the_old_one_ends_at_once(run: Run, keys: KeysClient, issued: IssuedKey, tokens: Path) -> None:
    key = issued.api_key
    result = run("rotate", key.id, "--token-dir", tokens, "--grace", "0")
    assert result.err.endswith("; the previous token has ended\n")
    assert works(keys, token_in(tokens / key.id), key.id)
    assert not works(keys, issued.token, key.id)


def test_only_force_replaces_a_file(run: Run, keys: KeysClient, key: APIKey, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("inc_before")
    assert run("rotate", key.id, "--token-file", path).code == 1
    assert path.read_text() == "inc_before"
    assert run("rotate", key.id, "--token-file", path, "--force").code == 0
    assert works(keys, token_in(path), key.id)
    assert run("rotate", key.id, "--token-file", path).code == 1


def test_standard_output_has_the_token_alone(both: Run, keys: KeysClient, key: APIKey) -> None:
    result = both("rotate", key.id, "--show-token")
    [line] = result.out.splitlines()
    assert works(keys, Token(line), key.id)
    assert "inc_" not in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--token-dir", "."], "what is to be rotated: is not clear; give the ID of a key, or --due AGE, not both"),
        (["01F", "--due", "90 days", "--token-dir", "."], "give the ID of a key, or --due AGE, not both"),
        (["01F", "--role", "viewer", "--token-dir", "."], "--caller, --name, --role, --team: are for --due"),
        (["01F", "--caller", "01F", "--token-dir", "."], "--caller, --name, --role, --team: are for --due"),
        (["01F"], "the token: has to go somewhere"),
        (["--due", "90 days", "--show-token"], "--due: needs a place for many tokens; give --token-dir or --keyring"),
        (["--due", "90 days", "--token-file", "t"], "--due: needs a place for many tokens; give --token-dir or"),
        (["--due", "90 days"], "the token: has to go somewhere"),
        (
            ["--due", "90 days", "--dry-run", "--grace", str(TOO_LONG)],
            f"--grace: is {TOO_LONG}, but takes 0 to {TOO_LONG - 1}",
        ),
        (
            ["--due", "3 fortnights", "--token-dir", "."],
            """AGE: '3 fortnights' is not an age; write one such as "90 days\"""",
        ),
        (
            ["01F", "--grace", str(TOO_LONG), "--token-dir", "."],
            f"--grace: is {TOO_LONG}, but takes 0 to {TOO_LONG - 1}",
        ),
        (["01F", "--grace", "x", "--token-dir", "."], "'x' is not a valid integer"),
        (["a/b", "--token-dir", "."], "ID: 'a/b' cannot be part of a path; give the ID alone"),
    ],
)
def test_what_cannot_be_is_not_sent(
    run: Run, mock: MockAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o700)
    result = run("rotate", *arguments)
    assert (result.code, result.out, mock.requests) == (1, "", [])
    assert message in result.err


def test_a_dry_run_prints_the_request(run: Run, mock: MockAPI, key: APIKey) -> None:
    request = json.loads(run("rotate", key.id, "--grace", "7", "--dry-run").out)
    assert request["method"] == "POST"
    assert request["url"].endswith(f"/v1/api_keys/{key.id}/actions/rotate")
    assert request["body"] == {"grace_period_minutes": 7}
    assert mock.requests == []
