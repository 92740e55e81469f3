"""`resume`: what earlier runs left, and where the tokens are afterwards."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from incident_io_keys import APIKey, APITimeoutError, IssuedKey, KeysClient, Token
from incident_io_keys.storage import FileStore, StoreUnavailableError
from incident_io_keys.testing import MockAPI, faults

from .conftest import Open, Run, by_name, ended, rescued, rotated, screen, token_in, works


@pytest.mark.parametrize("content", ["inc_before", "notes\nof mine\n", ""])
def test_the_error_names_the_command_that_completes_the_operation(
    run: Run, mock: MockAPI, keys: KeysClient, key: APIKey, tmp_path: Path, content: str
) -> None:
    path, force = tmp_path / "token", ["--force"] if content else []
    path.write_text(content)
    mock.fail_next(faults.Close(), operation="rotate")
    left = run("rotate", key.id, "--token-file", path, *force)
    assert left.code == 3
    command = " ".join(["incident-io-keys resume --token-file", str(path), *force])
    assert f"{command} completes it" in left.err
    assert path.read_text() == content
    assert run("resume", "--token-file", path, *force).code == 0
    assert works(keys, token_in(path), key.id)
    assert run("resume", "--token-file", path, *force).out == "[]\n"


DEFINITION = ("--name", "deploy bot", "--role", "viewer", "--role", "incident_creator")


@pytest.fixture
def full(tokens: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the disk of a directory full."""
    save = FileStore.save

    def fails(store: FileStore, key: str, token: Token) -> None:
        if store.path(key).parent == tokens:
            raise StoreUnavailableError("the disk is full")
        save(store, key, token)

    monkeypatch.setattr(FileStore, "save", fails)


@pytest.mark.usefixtures("full")
def test_a_token_that_could_not_be_saved_is_rescued(
    run: Run, keys: KeysClient, key: APIKey, tokens: Path, tmp_path: Path
) -> None:
    result = run("rotate", "--due", "90 days", "--token-dir", tokens, "--yes")
    assert result.code == 1
    [told] = json.loads(result.out)
    assert told["status"] == "failed"
    assert works(keys, token_in(Path(told["token_file"])), key.id)
    assert rescued(tmp_path) == token_in(Path(told["token_file"]))


def test_what_is_left_is_finished_or_told(run: Run, mock: MockAPI, keys: KeysClient, key: APIKey, tokens: Path) -> None:
    nothing = run("resume", "--token-dir", tokens, "--output", "table")
    assert (nothing.code, nothing.out) == (0, "")
    assert (
        f"--token-dir {tokens}: no operation has used this destination, there is no journal {tokens}/.incident"
        in nothing.err
    )
    assert "`incident-io-keys resume --all` lists the pending operations" in nothing.err
    mock.fail_next(faults.Close(), operation="rotate")
    assert run("rotate", key.id, "--token-dir", tokens).code == 3
    mock.fail_next(faults.Status(401), operation="show")
    left = run("resume", "--token-dir", tokens)
    assert left.code == 2
    [told] = json.loads(left.out)
    assert (told["status"], told["id"]) == ("pending", key.id)
    assert "fix the cause, then run incident-io-keys resume again: show failed with 401" in told["hint"]
    done = run("resume", "--token-dir", tokens, "--output", "table")
    assert (done.code, done.out.partition(":")[0]) == (0, f"completed deploy bot ({key.id})")
    assert works(keys, token_in(tokens / key.id), key.id)
    assert run("resume", "--token-dir", tokens).out == "[]\n"


def test_what_may_still_happen_is_told_and_is_no_success(
    run: Run, mock: MockAPI, key: APIKey, tokens: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotate = KeysClient.rotate

    def lost(self: KeysClient, id: str, **options: int) -> IssuedKey:
        if not mock.requests:  # a rehearsal
            return rotate(self, id, **options)
        raise APITimeoutError("nobody knows", may_have_applied=True)

    with monkeypatch.context() as patched:
        patched.setattr(KeysClient, "rotate", lost)
        assert run("rotate", key.id, "--token-dir", tokens).code == 3
    result = run("resume", "--token-dir", tokens, "--output", "table")
    assert result.code == 1
    assert result.out.startswith(f"pending deploy bot ({key.id}): the key")
    assert "run incident-io-keys resume again after" in result.out
    assert rotated(mock) == []


def test_a_token_that_resume_could_not_save_is_rescued(
    run: Run, mock: MockAPI, keys: KeysClient, key: APIKey, tokens: Path, request: pytest.FixtureRequest
) -> None:
    mock.fail_next(faults.Close(), operation="rotate")
    assert run("rotate", key.id, "--token-dir", tokens).code == 3
    request.getfixturevalue("full")
    result = run("resume", "--token-dir", tokens, "--output", "table")
    assert result.code == 1
    where = Path(result.out.rpartition("is in ")[2].partition(",")[0])
    assert works(keys, token_in(where), key.id)


def test_what_an_interrupted_create_left_is_finished(run: Run, mock: MockAPI, tmp_path: Path) -> None:
    (tmp_path / "tokens").mkdir(0o700)
    place = ("--token-dir", tmp_path / "tokens")
    mock.fail_next(faults.Close(), operation="create")
    first = run("create", *DEFINITION, *place)
    assert first.code == 3
    assert f"incident-io-keys resume --token-dir {tmp_path / 'tokens'} completes it" in first.err
    second = run("resume", *place, "--output", "json")
    assert second.code == 0
    [told] = json.loads(second.out)
    with KeysClient(mock.token, transport=mock.transport()) as keys:
        key = by_name(keys, "deploy bot")
        assert (told["status"], told["operation"], told["id"]) == ("completed", "create", key.id)
        assert works(keys, FileStore(tmp_path / "tokens").load(key.id) or Token(""), key.id)


def test_force_does_not_make_resume_blind(run: Run, mock: MockAPI, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("something")
    mock.fail_next(faults.Status(503), operation="show", times=4)
    assert run("create", *DEFINITION, "--token-file", path, "--force").code == 1
    stored = path.read_text()
    [told] = json.loads(run("resume", "--token-file", path, "--force").out)
    assert (told["status"], path.read_text()) == ("completed", stored)
    assert not any(request.url.path.endswith("rotate") for request in mock.requests)


def test_as_a_process_it_tells_what_came_of_it(
    process: Run, mock: MockAPI, keys: KeysClient, key: APIKey, tokens: Path
) -> None:
    mock.fail_next(faults.Close(), operation="rotate")
    assert process("rotate", key.id, "--token-dir", tokens).code == 3
    result = process("resume", "--token-dir", tokens)
    assert (result.code, result.err) == (0, "")
    assert [(each["status"], each["id"]) for each in json.loads(result.out)] == [("completed", key.id)]
    assert works(keys, token_in(tokens / key.id), key.id)


def test_at_a_terminal_it_tells_it_in_words(
    terminal: Open, run: Run, mock: MockAPI, keys: KeysClient, key: APIKey, tokens: Path
) -> None:
    mock.fail_next(faults.Close(), operation="rotate")
    assert run("rotate", key.id, "--token-dir", tokens).code == 3
    child = terminal("resume", "--token-dir", tokens)
    assert ended(child) == 0
    assert any(line.startswith(f"completed deploy bot ({key.id}): ") for line in screen(child.before or ""))
    child = terminal("rotate", key.id, "--token-dir", tokens)
    assert ended(child) == 0
    assert f"rotated deploy bot ({key.id}); its token is in " in " ".join(screen(child.before or ""))
    assert works(keys, token_in(tokens / key.id), key.id)


def test_all_lists_the_pending_operations_of_every_destination(
    run: Run, mock: MockAPI, key: APIKey, tokens: Path, tmp_path: Path
) -> None:
    assert (run("resume", "--all").code, run("resume", "--all").out) == (0, "[]\n")
    (tmp_path / "state" / "incident-io-keys" / "journals" / "left.tmp").touch()  # by a killed process
    path = tmp_path / "token"
    mock.fail_next(faults.Close(), operation="rotate")
    assert run("rotate", key.id, "--token-dir", tokens).code == 3
    mock.fail_next(faults.Close(), operation="create")
    assert run("create", *DEFINITION, "--token-file", path).code == 3
    sent = len(mock.requests)
    listed = run("resume", "--all")
    assert listed.code == 1
    assert {(each["operation"], each["id"], each["command"]) for each in json.loads(listed.out)} == {
        ("rotate", key.id, f"incident-io-keys resume --token-dir {tokens}"),
        ("create", None, f"incident-io-keys resume --token-file {path}"),
    }
    table = run("resume", "--all", "--output", "table")
    assert f"pending: rotate of deploy bot ({key.id}); run `incident-io-keys resume --token-dir {tokens}`" in table.out
    assert len(mock.requests) == sent
    assert run("resume", "--token-dir", tokens).code == run("resume", "--token-file", path).code == 0
    assert (run("resume", "--all").code, run("resume", "--all").out) == (0, "[]\n")


def test_all_takes_no_destination(run: Run, tokens: Path) -> None:
    result = run("resume", "--all", "--token-dir", tokens)
    assert "--all lists all destinations" in result.err
    assert result.code == 1


def test_a_lost_create_is_not_repeated_at_another_destination(run: Run, mock: MockAPI, tmp_path: Path) -> None:
    directories = [tmp_path / name for name in ("one", "two")]
    for directory in directories:
        directory.mkdir(0o700)
    mock.fail_next(faults.Close(), operation="create")
    assert run("create", *DEFINITION, "--token-dir", directories[0]).code == 3
    for place in (["--token-dir", directories[1]], ["--token-file", tmp_path / "token"], ["--show-token"]):
        again = run("create", *DEFINITION, *place)
        assert again.code == 1
        assert f"a create of this name is pending with --token-dir {directories[0]}" in again.err
        assert f"run `incident-io-keys resume --token-dir {directories[0]}` first" in again.err
    assert run("resume", "--token-dir", directories[0]).code == 0
    assert run("create", *DEFINITION, "--token-dir", directories[1]).code == 0


def test_a_journal_that_cannot_be_read_is_listed_and_one_that_was_removed_is_not(
    run: Run, mock: MockAPI, key: APIKey, tokens: Path
) -> None:
    mock.fail_next(faults.Close(), operation="rotate")
    assert run("rotate", key.id, "--token-dir", tokens).code == 3
    journal = tokens / ".incident-io-keys-journal"
    journal.chmod(0o777)
    listed = run("resume", "--all", "--output", "table")
    assert listed.code == 1
    assert f"pending: {journal}; other users can write to {journal}" in listed.out
    journal.rename(tokens / "elsewhere")
    assert run("resume", "--all").out == "[]\n"


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "another value": lambda path: path.write_text("[1]"),
    "not UTF-8": lambda path: path.write_bytes(b"\xff"),
    "a named pipe": lambda path: replace(path, os.mkfifo),
    "a directory": lambda path: replace(path, Path.mkdir),
}


def replace(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_note_of_a_destination_is_reported_and_prevents_nothing(
    run: Run, tokens: Path, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    assert run("create", *DEFINITION, "--token-dir", tokens).code == 0
    [note] = (tmp_path / "state" / "incident-io-keys" / "journals").iterdir()
    damage(note)
    listed = run("resume", "--all", "--output", "table")
    assert listed.code == 1
    assert f"pending: {note}; {note} cannot be read" in listed.out
    assert run("create", "--name", "other", "--role", "viewer", "--token-file", tmp_path / "token").code == 0


def test_a_state_directory_that_cannot_be_used_is_an_error_of_resume_and_not_of_create(
    run: Run, tokens: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state" / "incident-io-keys"
    state.mkdir(parents=True)
    state.chmod(0o777)
    assert run("create", *DEFINITION, "--token-dir", tokens).code == 0
    listed = run("resume", "--all")
    assert listed.code == 1
    assert "cannot be used" in listed.err
