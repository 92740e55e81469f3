"""`update` and `delete`: what is asked before, and what is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from incident_io_keys import APIKey, KeysClient, NotFoundError
from incident_io_keys.testing import MockAPI
from incident_io_keys_generated import contract

from .conftest import TEAM, Open, Run, by_name, ended

OTHER = "01FDAG4SAP5TYPT98WGR2N7W91"
LONGEST_NAME = contract.API_KEY_DEFINITION_NAME_MAX_LENGTH


@pytest.fixture
def key(mock: MockAPI, keys: KeysClient) -> APIKey:
    mock.add_key("deploy bot", ["viewer", "incident_creator"], [TEAM], ["schedules_editor"])
    found = by_name(keys, "deploy bot")
    mock.requests.clear()
    return found


def sent(mock: MockAPI) -> list[str]:
    return [request.method for request in mock.requests]


def definition(key: APIKey) -> tuple[str, list[str], list[str], list[str]]:
    return key.name, [role.name for role in key.roles], list(key.team_ids), [role.name for role in key.team_roles]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--name", "bot"], ("bot", ["viewer", "incident_creator"], [TEAM], ["schedules_editor"])),
        (["--role", "catalog_viewer"], ("deploy bot", ["catalog_viewer"], [TEAM], ["schedules_editor"])),
        (
            ["--add-role", "catalog_viewer", "--remove-role", "viewer"],
            ("deploy bot", ["incident_creator", "catalog_viewer"], [TEAM], ["schedules_editor"]),
        ),
        (["--add-team", OTHER], ("deploy bot", ["viewer", "incident_creator"], [TEAM, OTHER], ["schedules_editor"])),
        (
            ["--remove-team", TEAM, "--remove-team-role", "schedules_editor"],
            ("deploy bot", ["viewer", "incident_creator"], [], []),
        ),
        (
            ["--team", OTHER, "--add-team-role", "schedules_reader", "--add-team-role", "schedules_reader"],
            ("deploy bot", ["viewer", "incident_creator"], [OTHER], ["schedules_editor", "schedules_reader"]),
        ),
    ],
)
def test_what_is_not_mentioned_stays(
    run: Run, mock: MockAPI, keys: KeysClient, key: APIKey, options: list[str], expected: Any
) -> None:
    result = run("update", key.id, *options, "--yes")
    assert result.code == 0
    assert sent(mock) == ["GET", "GET", "PUT"]
    assert definition(keys.show(key.id)) == expected
    assert json.loads(result.out) == keys.show(key.id).to_dict()


def test_only_what_changes_is_given_to_edit(
    run: Run, keys: KeysClient, key: APIKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it keeps what somebody else changes in the meantime."""
    edit, given = KeysClient.edit, []

    def recorded(client: KeysClient, id: str, **changes: Any) -> APIKey:
        given.append(changes)
        keys.update(key.id, name="other", role_names=[], team_ids=[], team_role_names=[])
        return edit(client, id, **changes)

    monkeypatch.setattr(KeysClient, "edit", recorded)
    assert run("update", key.id, "--comments", "new", "--yes").code == 0
    assert given[-1] == {"comments": "new"}
    changed = keys.show(key.id)
    assert (changed.name, changed.roles, changed.comments) == ("other", (), "new")


def test_it_shows_what_will_change_and_asks(terminal: Open, keys: KeysClient, key: APIKey) -> None:
    options = ("--name", "bot", "--remove-role", "viewer", "--add-role", "catalog_viewer", "--add-team", OTHER)
    for answer, code in (("n", 1), ("y", 0)):
        child = terminal("update", key.id, *options)
        for line in (
            f"deploy bot ({key.id}):",
            "  name: deploy bot -> bot",
            "  - role viewer",
            "  + role catalog_viewer",
            f"  + team {OTHER}",
            "Change it? [y/N]: ",
        ):
            child.expect_exact(line)
        assert definition(keys.show(key.id)) == definition(key)
        child.sendline(answer)
        assert ended(child) == code
    assert keys.show(key.id).name == "bot"


@pytest.mark.parametrize("command", [("update", "--name", "bot"), ("delete",)])
def test_where_nobody_can_be_asked_nothing_is_changed(
    both: Run, mock: MockAPI, keys: KeysClient, key: APIKey, command: tuple[str, ...]
) -> None:
    result = both(*command, key.id)
    assert (result.code, result.out) == (1, "")
    assert "there is no terminal to ask at; --yes does it without" in result.err
    assert set(sent(mock)) == {"GET"}
    assert keys.show(key.id) == key


def test_what_somebody_else_changes_meanwhile_is_not_undone(
    run: Run, keys: KeysClient, key: APIKey, types: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(_self: object, _question: str) -> bool:
        # Not the name: all of it counts.
        keys.edit(key.id, comments="new")
        return True

    types()
    monkeypatch.setattr("incident_io_keys.cli._terminal.Terminal.confirms", meanwhile)
    result = run("update", key.id, "--add-role", "catalog_viewer")
    assert result.code == 1
    assert f"somebody has changed the key {key.id} meanwhile; look again. Nothing was changed." in result.err
    assert keys.show(key.id).roles == key.roles


def test_what_is_so_already_is_not_sent(run: Run, mock: MockAPI, key: APIKey) -> None:
    result = run("update", key.id, "--add-role", "viewer", "--name", "deploy bot", "--output", "table")
    assert (result.code, sent(mock)) == (0, ["GET"])
    assert "deploy bot is so already; nothing was changed" in result.err


@pytest.mark.parametrize(
    ("options", "message", "asked"),
    [
        ([], "what is to change? See --help", 0),
        (["--role", "viewer", "--add-role", "viewer"], "give one or the other", 0),
        (["--remove-team", OTHER], f"the key does not have {OTHER}: --remove-team", 1),
        (["--add-role", "viwer"], "--role: unknown role 'viwer'; did you mean 'viewer'?", 1),
        (["--remove-team", TEAM], "--team: is empty, but --team-role is not; give both or neither", 1),
        (
            ["--name", ""],
            f"--name: has 0 characters, but takes 1 to {LONGEST_NAME} characters",
            1,
        ),
    ],
)
def test_what_cannot_be_is_not_asked_for(
    run: Run, mock: MockAPI, key: APIKey, types: Callable[..., None], options: list[str], message: str, asked: int
) -> None:
    types("y")
    result = run("update", key.id, *options)
    assert (result.code, sent(mock)) == (1, ["GET"] * asked)
    assert message in result.err
    assert "Change it?" not in result.err


def test_dry_runs_change_nothing(run: Run, mock: MockAPI, keys: KeysClient, key: APIKey) -> None:
    result = run("update", key.id, "--add-role", "catalog_viewer", "--dry-run")
    assert result.err == f"deploy bot ({key.id}):\n  + role catalog_viewer\n", "and nothing of a rehearsal that failed"
    update = json.loads(result.out)
    assert (update["method"], update["url"].rpartition("/")[2]) == ("PUT", key.id)
    assert update["body"]["role_names"] == ["viewer", "incident_creator", "catalog_viewer"]
    assert update["body"]["team_ids"] == [TEAM]
    delete = json.loads(run("delete", key.id, "--dry-run").out)
    assert (delete["method"], delete["url"].rpartition("/")[2], delete["body"]) == ("DELETE", key.id, None)
    assert run("delete", key.id, "--dry-run", "--output", "table").out == f"DELETE {delete['url']}\n"
    assert sent(mock) == ["GET"]
    assert keys.show(key.id) == key


def test_delete_asks_for_the_name(terminal: Open, keys: KeysClient, key: APIKey) -> None:
    child = terminal("delete", key.id)
    child.expect_exact("To delete deploy bot for good, type its name, deploy bot: ")
    child.sendline("Deploy bot")
    assert ended(child) == 1
    assert "that is not its name; nothing was deleted" in (child.before or "")
    assert keys.show(key.id) == key
    child = terminal("delete", key.id)
    child.expect_exact("deploy bot: ")
    child.sendline("deploy bot")
    assert ended(child) == 0
    with pytest.raises(NotFoundError):
        keys.show(key.id)


def test_another_name_deletes_nothing(run: Run, keys: KeysClient, key: APIKey, types: Callable[..., None]) -> None:
    types("deploy")
    result = run("delete", key.id)
    assert (result.code, keys.show(key.id)) == (1, key)
    assert "that is not its name; nothing was deleted" in result.err


@pytest.mark.parametrize("name", [" a ", "   ", "a\x1bb", "a\nb"])
def test_where_the_name_cannot_be_typed_the_id_is_asked_for(
    run: Run, mock: MockAPI, keys: KeysClient, types: Callable[..., None], name: str
) -> None:
    key = mock.add_key(name).api_key
    for answer, code in (("", 1), (name.strip(), 1), (key.id, 0)):
        types(answer)
        result = run("delete", key.id)
        assert result.code == code
        assert f"type its ID, {key.id}: " in result.err
    assert [key.name for key in keys.list()] == ["Manager"]


@pytest.mark.parametrize("changes", [{"name": "production gateway"}, {"role_names": ["global_access"]}])
def test_what_was_changed_while_one_thinks_is_not_deleted(
    run: Run, keys: KeysClient, key: APIKey, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    def meanwhile(_self: object, _question: str) -> str:
        name, role_names, team_ids, team_role_names = definition(key)
        given = {"name": name, "role_names": role_names, "team_ids": team_ids, "team_role_names": team_role_names}
        keys.update(key.id, **{**given, **changes})
        return key.name

    monkeypatch.setattr("incident_io_keys.cli._terminal.Terminal.can_ask", True)
    monkeypatch.setattr("incident_io_keys.cli._terminal.Terminal.ask", meanwhile)
    result = run("delete", key.id)
    assert result.code == 1
    assert f"somebody has changed the key {key.id} meanwhile; look again." in result.err
    assert keys.show(key.id).id == key.id


@pytest.mark.anything_is_sent
@pytest.mark.parametrize("options", [["--name", "bot"], ["--add-role", "catalog_viewer"], ["--comments", "new"]])
def test_a_role_that_this_version_does_not_know_is_kept(
    run: Run, mock: MockAPI, keys: KeysClient, options: list[str]
) -> None:
    mock.settings.extra_roles = ("brand_new", "brand_new_in_teams")
    key = mock.add_key("deploy bot", ["viewer", "brand_new"], [TEAM], ["brand_new_in_teams"]).api_key
    assert run("update", key.id, *options, "--yes").code == 0
    updated = keys.show(key.id)
    assert updated != key
    assert {role.name for role in key.roles} <= {role.name for role in updated.roles}
    assert updated.team_roles == key.team_roles
    assert run("update", key.id, "--remove-role", "brand_new", "--yes").code == 0
    assert "brand_new" not in [role.name for role in keys.show(key.id).roles]


@pytest.mark.anything_is_sent
def test_a_role_newer_than_this_version_can_be_given(run: Run, mock: MockAPI, keys: KeysClient, key: APIKey) -> None:
    mock.settings.extra_roles = ("brand_new", "brand_new_in_teams")
    refused = run("update", key.id, "--add-role", "brand_new", "--yes")
    assert (refused.code, keys.show(key.id)) == (1, key)
    assert "--role: unknown role 'brand_new'" in refused.err
    assert "--unchecked-role" in refused.err
    assert "Role(" not in refused.err
    options = ("--unchecked-role", "brand_new", "--unchecked-team-role", "brand_new_in_teams")
    assert run("update", key.id, *options, "--yes").code == 0
    name, roles, teams, team_roles = definition(key)
    expected = (name, [*roles, "brand_new"], teams, [*team_roles, "brand_new_in_teams"])
    assert definition(keys.show(key.id)) == expected


def test_comments_are_kept_changed_and_emptied(run: Run, mock: MockAPI, keys: KeysClient) -> None:
    key = mock.add_key("deploy bot", comments="of the pipeline").api_key
    assert run("update", key.id, "--name", "bot", "--yes").code == 0
    assert keys.show(key.id).comments == "of the pipeline"
    result = run("update", key.id, "--comments", "of nobody", "--yes")
    assert "  comments: of the pipeline -> of nobody\n" in result.err
    assert keys.show(key.id).comments == "of nobody"
    assert run("update", key.id, "--comments", "", "--yes").code == 0
    assert not keys.show(key.id).comments
    result = run("update", key.id, "--comments", "", "--yes")
    assert f"{keys.show(key.id).name} is so already" in result.err
    result = run("update", key.id, "--unchecked-role", "", "--yes")
    assert "--role: has 0 characters" in result.err
    result = run("update", key.id, "--comments", "a\0b", "--yes")
    assert (result.code, keys.show(key.id).comments) == (1, "")
    assert "--comments: contains a null character" in result.err


def test_with_yes_nobody_is_asked(both: Run, keys: KeysClient, key: APIKey) -> None:
    result = both("delete", key.id, "--yes")
    assert (result.code, result.out, result.err) == (0, "", f"deleted deploy bot ({key.id})\n")
    assert [each.name for each in keys.list()] == ["Manager"]
