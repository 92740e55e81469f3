"""`create --interactive`: what is asked, how often, and where it ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from incident_io_keys import AccountRole, KeysClient
from incident_io_keys.testing import MockAPI
from incident_io_keys_generated import contract

from .conftest import TEAM, Open, Run, by_name, ended, token_in, works


def test_it_is_asked_for_at_a_terminal(terminal: Open, keys: KeysClient, tmp_path: Path) -> None:
    child = terminal("create", "--interactive", NO_COLOR="1")
    child.expect_exact("Name of the key:")
    child.sendline("deploy bot")
    child.expect(r"viewer\s[^\r]*see what")  # the roles with what they allow
    child.expect_exact("Roles in the account (numbers or names, or nothing):")
    child.sendline("viwer 99")
    child.expect_exact("did you mean 'viewer'?")
    child.expect_exact("Roles in the account")
    child.sendline("1, viewer")
    child.expect_exact("Teams in which it has further roles (IDs, or nothing):")
    child.sendline(TEAM)
    child.expect_exact("Roles in the teams")
    child.sendline("")
    child.expect_exact("a key with teams needs at least one role in them")
    child.expect_exact("Roles in the teams")
    child.sendline("schedules_reader")
    child.expect_exact("Comments (or nothing):")
    child.sendline("of the pipeline")
    child.expect_exact("File for the token:")
    child.sendline(str(tmp_path / "token"))
    child.expect_exact("[y/N]:")
    child.sendline("y")
    assert ended(child) == 0
    key = by_name(keys, "deploy bot")
    assert [role.name for role in key.roles] == [min({*AccountRole} - {AccountRole.API_KEYS_MANAGE}), "viewer"]
    assert (list(key.team_ids), [role.name for role in key.team_roles]) == ([TEAM], ["schedules_reader"])
    assert key.comments == "of the pipeline"
    assert works(keys, token_in(tmp_path / "token"), key.id)


def test_what_was_given_is_not_asked_for(
    run: Run, keys: KeysClient, types: Callable[..., None], tmp_path: Path
) -> None:
    types("")
    options = ("--role", "viewer", "--team", TEAM, "--team-role", "schedules_reader", "--comments", "a")
    result = run("create", "--interactive", *options, "--token-file", tmp_path / "token", "--name", "deploy bot")
    assert result.code == 1  # to say nothing is to say no
    assert result.err.endswith("incident-io-keys create: nothing was changed\n")
    assert [key.name for key in keys.list()] == ["Manager"]


def test_a_wrong_answer_is_asked_for_again(
    run: Run, keys: KeysClient, types: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a token")
    files = ("", str(tmp_path / "taken"), str(tmp_path / "token"))
    types("", "deploy bot", "viwer 0", "", TEAM, "", "schedules_reader", "", *files, "y")
    result = run("create", "--interactive")
    assert result.code == 0
    assert f"has 0 characters, but takes 1 to {contract.API_KEY_DEFINITION_NAME_MAX_LENGTH} characters" in result.err
    assert "unknown role 'viwer'; did you mean 'viewer'?" in result.err
    assert "unknown role '0'" in result.err
    assert "--unchecked-role" in result.err
    assert "Role(" not in result.err
    assert "taken exists; --force replaces what is in it" in result.err
    told = f"Create deploy bot with the roles (none), and schedules_reader in {TEAM} (--token-file {tmp_path}/token)?"
    assert told in result.err
    assert "enter the path of a file, or press Ctrl-C to cancel" in result.err
    assert works(keys, token_in(tmp_path / "token"), by_name(keys, "deploy bot").id)


def test_who_goes_away_creates_nothing(run: Run, keys: KeysClient, types: Callable[..., None]) -> None:
    types()
    result = run("create", "--interactive")
    assert (result.code, [key.name for key in keys.list()]) == (1, ["Manager"])
    assert "nobody answered; nothing was done" in result.err


def test_without_a_terminal_nobody_is_asked(both: Run, mock: MockAPI) -> None:
    result = both("create", "--interactive")
    assert (result.code, mock.requests) == (1, [])
    assert result.err == "incident-io-keys create: --interactive needs a terminal\n"
