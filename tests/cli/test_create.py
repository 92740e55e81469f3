"""`create`: what is created, and that its token is in one place, or nothing is created."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from incident_io_keys import KeysClient, Token
from incident_io_keys.testing import MockAPI
from incident_io_keys_generated import contract

from ..conftest import without_last_use
from .conftest import TEAM, Open, Run, by_name, ended, screen, token_in, works

DEFINITION = ("--name", "deploy bot", "--role", "viewer", "--role", "incident_creator")


def test_the_token_goes_to_a_file_that_only_its_owner_reads(process: Run, keys: KeysClient, tmp_path: Path) -> None:
    path = tmp_path / "token"
    result = process("create", *DEFINITION, "--team", TEAM, "--team-role", "schedules_editor", "--token-file", path)
    assert result.code == 0
    key = by_name(keys, "deploy bot")
    assert json.loads(result.out) == without_last_use(key).to_dict()
    assert [role.name for role in key.roles] == ["viewer", "incident_creator"]
    assert (list(key.team_ids), [role.name for role in key.team_roles]) == ([TEAM], ["schedules_editor"])
    assert works(keys, token_in(path), key.id)
    assert "inc_" not in result.out + result.err
    assert result.err == f"created deploy bot ({key.id}); its token is in {path}\n"
    assert {each.name for each in tmp_path.iterdir()} == {"token", "state"}


def test_at_a_terminal_the_key_is_shown_in_words(terminal: Open, keys: KeysClient, tmp_path: Path) -> None:
    child = terminal("create", *DEFINITION, "--token-file", tmp_path / "token")
    assert ended(child) == 0
    assert f"id            {by_name(keys, 'deploy bot').id}" in screen(child.before or "")


def test_standard_output_has_the_token_alone(both: Run, keys: KeysClient) -> None:
    result = both("create", *DEFINITION, "--show-token")
    assert result.code == 0
    key = by_name(keys, "deploy bot")
    [line] = result.out.splitlines()
    assert works(keys, Token(line), key.id)
    assert result.err == f"created deploy bot ({key.id})\n"


def test_a_dry_run_prints_the_request_and_needs_nothing(
    both: Run, mock: MockAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INCIDENT_API_KEY")
    result = both("create", *DEFINITION, "--dry-run")
    assert result.code == 0
    request = json.loads(result.out)
    assert request["method"] == "POST"
    assert request["url"] == f"{os.environ['INCIDENT_ENDPOINT']}/v1/api_keys"
    body = {"name": "deploy bot", "role_names": ["viewer", "incident_creator"], "team_ids": [], "team_role_names": []}
    assert request["body"] == body
    assert mock.requests == []
    assert both("create", *DEFINITION, "--dry-run", "--token-file", "/").code == 1  # nor would that be sent
    shown = both("create", *DEFINITION, "--dry-run", "--output", "table").out
    assert shown.splitlines()[0] == f"POST {os.environ['INCIDENT_ENDPOINT']}/v1/api_keys"
    assert json.loads(shown.partition("\n")[2]) == body


@pytest.mark.parametrize("dry", [["--dry-run"], []])
def test_what_does_not_fit_is_told_at_once_in_the_command_s_own_words(run: Run, mock: MockAPI, dry: list[str]) -> None:
    result = run("create", "--name", "", "--role", "viwer", "--team", TEAM, *dry)
    assert (result.code, result.out, mock.requests) == (1, "", [])
    where = [] if dry else ["  the token: has to go somewhere"]
    assert [line.partition("; give one of")[0] for line in result.err.splitlines()] == [
        "incident-io-keys create: create was not sent:",
        f"  --name: has 0 characters, but takes 1 to {contract.API_KEY_DEFINITION_NAME_MAX_LENGTH} characters",
        "  --role: unknown role 'viwer'; did you mean 'viewer'? If the API has a role of that name, upgrade"
        " incident-io-keys, or pass the name with --unchecked-role or --unchecked-team-role",
        "  --team-role: is empty, but --team is not; give both or neither",
        *where,
    ]


@pytest.mark.anything_is_sent
def test_comments_and_roles_newer_than_this_version_are_sent(run: Run, mock: MockAPI, keys: KeysClient) -> None:
    mock.settings.extra_roles = ("brand_new", "brand_new_in_teams")
    unchecked = ("--unchecked-role", "brand_new", "--unchecked-team-role", "brand_new_in_teams")
    result = run("create", *DEFINITION, "--team", TEAM, *unchecked, "--comments", "of the pipeline", "--show-token")
    assert result.code == 0
    key = by_name(keys, "deploy bot")
    assert [role.name for role in key.roles] == ["viewer", "incident_creator", "brand_new"]
    assert [role.name for role in key.team_roles] == ["brand_new_in_teams"]
    assert key.comments == "of the pipeline"


def test_a_token_in_the_place_of_a_name_is_not_shown(run: Run, mock: MockAPI) -> None:
    result = run("create", "--name", mock.token.reveal(), "--dry-run")
    assert json.loads(result.out)["body"]["name"] == "inc_<redacted>"


def test_a_key_needs_a_name(run: Run) -> None:
    result = run("create", "--show-token", "--role", "viwer")
    assert (result.code, result.out) == (1, "")
    assert "--name: is missing; give --name NAME, or --interactive" in result.err
    assert "did you mean 'viewer'?" in result.err


def test_a_dry_run_waits_for_nothing(run: Run) -> None:
    assert run("create", *DEFINITION, "--dry-run").err == ""
