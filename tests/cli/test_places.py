"""The destinations of tokens: files, directories, keyrings and standard output."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from incident_io_keys import KeysClient, Token
from incident_io_keys.cli import main
from incident_io_keys.testing import MockAPI, faults

from .conftest import COMMAND, Run, by_name, rescued, token_in, works

DEFINITION = ("--name", "deploy bot", "--role", "viewer", "--role", "incident_creator")


@pytest.mark.parametrize("content", ["something", "\n"])
def test_a_file_is_not_overwritten_without_force(run: Run, mock: MockAPI, tmp_path: Path, content: str) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    result = run("create", *DEFINITION, "--token-file", path)
    assert (result.code, path.read_text()) == (1, content)
    message = f"  --token-file: {path} exists; --force replaces what is in it\n"
    assert (result.out, result.err) == ("", f"incident-io-keys create: create was not sent:\n{message}")
    assert mock.requests == []


def test_force_overwrites_a_file(run: Run, keys: KeysClient, tmp_path: Path) -> None:
    path = tmp_path / "token"
    results = []
    for name in ("first", "second"):
        results.append(run("create", "--name", name, "--token-file", path, "--force"))
        assert results[-1].code == 0
        assert works(keys, token_in(path), by_name(keys, name).id)


def test_an_empty_file_is_overwritten(run: Run, keys: KeysClient, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.touch()  # as mktemp does
    assert run("create", *DEFINITION, "--token-file", path).code == 0
    assert works(keys, token_in(path), by_name(keys, "deploy bot").id)


def test_a_file_that_appears_meanwhile_is_not_overwritten(
    run: Run, mock: MockAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, create = tmp_path / "token", KeysClient.create

    def meanwhile(self: KeysClient, **definition: object) -> object:
        if mock.requests:  # not while the arguments are checked
            path.write_text("somebody else's")
        return create(self, **definition)  # type: ignore[arg-type]

    monkeypatch.setattr(KeysClient, "create", meanwhile)
    result = run("create", *DEFINITION, "--token-file", path)
    assert (result.code, path.read_text()) == (1, "somebody else's")
    assert f"the token was not saved to {path}: it contains something else" in result.err
    with KeysClient(mock.token, transport=mock.transport()) as keys:
        key = by_name(keys, "deploy bot")
        assert works(keys, rescued(tmp_path), key.id)
    assert str(tmp_path / "state" / "incident-io-keys" / "rescued") in result.err


def test_the_token_goes_to_a_directory(run: Run, keys: KeysClient, tmp_path: Path) -> None:
    (tmp_path / "tokens").mkdir(0o700)
    assert run("create", *DEFINITION, "--token-dir", tmp_path / "tokens").code == 0
    key = by_name(keys, "deploy bot")
    assert works(keys, token_in(tmp_path / "tokens" / key.id), key.id)


def test_the_token_goes_to_a_keyring(run: Run, keys: KeysClient, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[tuple[str, str], str] = {}

    class Ring:
        def set_password(self, service: str, name: str, value: str) -> None:
            kept[service, name] = value

        def get_password(self, service: str, name: str) -> str | None:
            return kept.get((service, name))

        def delete_password(self, service: str, name: str) -> None:
            del kept[service, name]

    monkeypatch.setattr("keyring.get_keyring", Ring)
    result = run("create", *DEFINITION, "--keyring", "ours")
    assert result.code == 0
    key = by_name(keys, "deploy bot")
    assert list(kept) == [("ours", key.id)]
    assert works(keys, Token(kept["ours", key.id]), key.id)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "the token: has to go somewhere; give one of --token-file PATH, --token-dir DIR, --keyring NAME, --show-"),
        (["--show-token", "--token-file", "t"], "the token: goes to one place; give one of --token-file PATH,"),
        (["--token-file", "a", "--keyring", "b"], "the token: goes to one place; give one of --token-file PATH,"),
        (["--show-token", "--force"], "--force: is for --token-file"),
        (["--token-file", "."], "is a directory; --token-dir saves the token to a file in it"),
        (["--token-file", "open/directory"], "is a directory; --token-dir saves the token to a file in it"),
        (["--token-file", ""], "'--token-file': the path is empty; is a shell variable unset?"),
        (["--token-dir", ""], "'--token-dir': the path is empty; is a shell variable unset?"),
        (["--keyring", ""], "'--keyring': the name is empty; is a shell variable unset?"),
        (["--token-file", "pipe", "--force"], "pipe: it is not a regular file"),
        (["--token-file", "role_names/token"], "/role_names/token: No such file or directory"),
        (["--token-file", "nowhere/token"], "No such file or directory"),
        (["--token-dir", "nowhere"], "No such file or directory"),
    ],
)
def test_without_a_usable_destination_nothing_is_sent(
    run: Run, mock: MockAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    (tmp_path / "open" / "directory").mkdir(parents=True)
    (tmp_path / "open").chmod(0o777)
    result = run("create", *DEFINITION, *options)
    assert (result.code, result.out) == (1, "")
    assert message in result.err
    assert len(result.err.splitlines()) <= 3
    assert mock.requests == []


def test_without_a_journal_nothing_is_sent(
    run: Run, mock: MockAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "taken"))
    result = run("create", *DEFINITION, "--token-file", tmp_path / "token")
    assert result.code == 1
    assert "XDG_STATE_HOME names another one" in result.err
    assert mock.requests == []


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_everyone_must_not_be_able_to_write_to_the_directory(
    run: Run, mock: MockAPI, tmp_path: Path, mode: int
) -> None:
    shared = tmp_path / "open"
    shared.mkdir()
    shared.chmod(mode)
    (shared / "link").symlink_to(tmp_path / "token")
    messages = {"token": "everyone can write to its directory", "link": "is a link in a directory that others can"}
    for name, message in messages.items():
        result = run("create", *DEFINITION, "--token-file", shared / name)
        assert result.code == 1
        assert message in result.err
    assert mock.requests == []


def test_a_group_may_write_to_the_directory_of_a_file_but_not_of_a_link(
    run: Run, keys: KeysClient, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o770)  # as a umask of 002 makes it
    assert run("create", *DEFINITION, "--token-file", shared / "token").code == 0
    assert works(keys, token_in(shared / "token"), by_name(keys, "deploy bot").id)
    (shared / "link").symlink_to(tmp_path / "elsewhere")
    result = run("create", *DEFINITION, "--token-file", shared / "link")
    assert result.code == 1
    assert "is a link in a directory that others can write to; pass its target" in result.err


def test_a_link_in_a_private_directory_is_followed(run: Run, keys: KeysClient, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "token")
    assert run("create", *DEFINITION, "--token-file", tmp_path / "link").code == 0
    assert (tmp_path / "link").is_symlink()
    assert works(keys, token_in(tmp_path / "token"), by_name(keys, "deploy bot").id)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_an_empty_file_of_another_user_is_rejected(run: Run, mock: MockAPI, tmp_path: Path) -> None:
    (tmp_path / "token").touch()
    os.chown(tmp_path / "token", 65534, 65534)
    result = run("create", *DEFINITION, "--token-file", tmp_path / "token")
    assert (result.code, mock.requests) == (1, [])
    assert "token: it belongs to another user, who could read the token; remove it" in result.err


def test_directories_are_private_whatever_the_umask_is(run: Run, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert run("create", *DEFINITION, "--token-file", tmp_path / "token").code == 0
    finally:
        os.umask(before)
    for name in ("", "files"):
        assert stat.S_IMODE((tmp_path / "state" / "incident-io-keys" / name).stat().st_mode) == 0o700


def test_each_file_has_its_own_journal(run: Run, mock: MockAPI, tmp_path: Path) -> None:
    mock.fail_next(faults.Close(), operation="create")
    assert run("create", *DEFINITION, "--token-file", tmp_path / "one").code == 3
    assert run("create", "--name", "other", "--token-file", tmp_path / "two").code == 0
    assert run("resume", "--token-file", tmp_path / "two").out == "[]\n"
    [left] = json.loads(run("resume", "--token-file", tmp_path / "one").out)
    assert left["status"] == "completed"


def test_the_suggested_command_works_in_every_directory(
    run: Run, mock: MockAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mock.fail_next(faults.Close(), operation="create")
    result = run("create", *DEFINITION, "--token-file", "inc_tokens of role_names")
    assert result.code == 3
    assert f"incident-io-keys resume --token-file '{tmp_path}/inc_tokens of role_names' completes it" in result.err


@pytest.mark.parametrize("closed", ["reader", "file"])
def test_standard_output_needs_a_reader(mock: MockAPI, closed: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    redirect = ["sh", "-c", 'exec "$@" >&-', "sh"] if closed == "file" else []
    command = [*redirect, *COMMAND, "create", *DEFINITION, "--show-token"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    os.close(writer)
    assert done.returncode == 1
    told = "standard output is closed" if closed == "file" else "--show-token: nobody reads standard output"
    assert told in done.stderr
    assert mock.requests == []


def test_a_keyring_needs_the_library(run: Run, mock: MockAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    result = run("create", *DEFINITION, "--keyring", "ours")
    assert (result.code, mock.requests) == (1, [])
    assert "keyring: is not installed; pip install 'incident-io-keys[keyring]'" in result.err


def test_the_error_of_a_keyring_says_how_to_choose_another_one(
    run: Run, mock: MockAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keyring.backends.fail import Keyring

    monkeypatch.setattr("keyring.get_keyring", Keyring)
    result = run("create", *DEFINITION, "--keyring", "ours")
    assert (result.code, mock.requests) == (1, [])
    assert "NoKeyringError; PYTHON_KEYRING_BACKEND names another backend" in result.err


def test_a_pipe_without_a_reader_is_detected_in_this_process_too(
    mock: MockAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(["create", *DEFINITION, "--show-token"]) == 1
    assert mock.requests == []
