"""Tokens that were issued but not saved: a private file has them, and the error names it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from incident_io_keys import KeysClient, Token
from incident_io_keys.storage import FileStore
from incident_io_keys.testing import MockAPI, faults

from .conftest import COMMAND, Run, by_name, rescued, token_in, works

DEFINITION = ("--name", "deploy bot", "--role", "viewer", "--role", "incident_creator")


@pytest.mark.parametrize("planted", ["a link", "open to others", "somebody else's"])
def test_a_token_is_only_rescued_to_a_private_directory(
    run: Run, mock: MockAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    if planted == "somebody else's" and os.geteuid() != 0:
        pytest.skip("only root can give directories to others")
    state = tmp_path / "state" / "incident-io-keys"
    state.mkdir(parents=True)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs").chmod(0o777)
    if planted == "a link":
        (state / "rescued").symlink_to(tmp_path / "theirs")
    else:
        (state / "rescued").mkdir()
        (state / "rescued").chmod(0o777 if planted == "open to others" else 0o700)
        os.chown(state / "rescued", *((65534, 65534) if planted == "somebody else's" else (-1, -1)))
    monkeypatch.setattr("tempfile.mkdtemp", lambda **_: str(tmp_path / "nowhere"))
    mock.fail_next(faults.DropProperty("api_key.name"), operation="create")
    assert "the token could be kept nowhere" in run("create", *DEFINITION, "--show-token").err
    assert not list((tmp_path / "theirs").iterdir())
    assert not list((state / "rescued").iterdir())


def test_the_private_directory_may_be_a_link(run: Run, mock: MockAPI, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "elsewhere").mkdir(0o700)
    (tmp_path / "state" / "incident-io-keys").symlink_to(tmp_path / "elsewhere")
    mock.fail_next(faults.DropProperty("api_key.name"), operation="create")
    assert run("create", *DEFINITION, "--show-token").code == 2
    assert len(list((tmp_path / "elsewhere" / "rescued").iterdir())) == 1


def test_a_relative_state_directory_is_ignored(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert run("create", *DEFINITION, "--token-file", tmp_path / "token").code == 0
    assert (tmp_path / "home" / ".local" / "state" / "incident-io-keys" / "files").is_dir()


def test_a_token_that_cannot_be_printed_is_rescued(keys: KeysClient, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*COMMAND, "create", *DEFINITION, "--show-token"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    key = by_name(keys, "deploy bot")
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert "inc_" not in done.stderr
    assert works(keys, rescued(tmp_path), key.id)


def test_a_token_in_an_invalid_response_is_rescued(run: Run, mock: MockAPI, tmp_path: Path) -> None:
    mock.fail_next(faults.DropProperty("api_key.name"), operation="create")
    result = run("create", *DEFINITION, "--show-token", "--output", "json")
    assert (result.code, result.out) == (2, "")
    error = json.loads(result.err)["error"]
    assert error["may_have_applied"] is True
    assert Path(error["token_file"]).parent == tmp_path / "state" / "incident-io-keys" / "rescued"
    with KeysClient(mock.token, transport=mock.transport()) as keys:
        assert works(keys, token_in(Path(error["token_file"])), by_name(keys, "deploy bot").id)


def test_a_token_that_cannot_be_printed_in_this_process_is_rescued(
    run: Run, keys: KeysClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/dev/full").open("w") as full, contextlib.suppress(OSError):
        monkeypatch.setattr(sys, "stdout", full)
        assert run("create", *DEFINITION, "--show-token").code == 1
    key = by_name(keys, "deploy bot")
    assert works(keys, rescued(tmp_path), key.id)


def test_a_token_is_rescued_if_its_file_cannot_be_read(
    run: Run, mock: MockAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, save = tmp_path / "token", FileStore.save

    def replaced(self: FileStore, key: str, token: Token) -> None:
        save(self, key, token)
        if self.path(key) == path:
            path.unlink()
            path.mkdir()

    monkeypatch.setattr(FileStore, "save", replaced)
    result = run("create", *DEFINITION, "--token-file", path)
    assert result.code == 1
    assert f"cannot read a token from {path}: Is a directory" in result.err
    with KeysClient(mock.token, transport=mock.transport()) as keys:
        key = by_name(keys, "deploy bot")
        assert works(keys, rescued(tmp_path), key.id)


def test_the_error_says_what_to_do_if_a_token_cannot_be_rescued(
    run: Run, mock: MockAPI, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "taken").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "taken"))
    monkeypatch.setattr("tempfile.mkdtemp", lambda **_: str(tmp_path / "taken"))
    mock.fail_next(faults.DropProperty("api_key.name"), operation="create")
    result = run("create", *DEFINITION, "--show-token")
    assert result.code == 2
    assert "the token could be kept nowhere: rotate the key to have another one" in result.err
    assert "inc_" not in result.err


def test_a_saved_token_is_not_rescued(run: Run, mock: MockAPI, tmp_path: Path) -> None:
    # It is saved, and then the test call with it fails.
    path = tmp_path / "token"
    mock.fail_next(faults.Status(503), operation="show", times=4)
    result = run("create", *DEFINITION, "--token-file", path)
    assert result.code == 1
    assert "was saved, but its test failed: show failed with 503" in result.err
    assert f"incident-io-keys resume --token-file {path} completes it" in result.err
    assert not (tmp_path / "state" / "incident-io-keys" / "rescued").exists()
    with KeysClient(mock.token, transport=mock.transport()) as keys:
        assert works(keys, token_in(path), by_name(keys, "deploy bot").id)
    resumed = run("resume", "--token-file", path, "--output", "table")
    assert (resumed.code, resumed.out.split()[0]) == (0, "completed")


def test_an_operation_that_may_have_taken_effect_is_reported_with_a_hint(run: Run, mock: MockAPI) -> None:
    mock.fail_next(faults.Close(), operation="create")
    result = run("create", *DEFINITION, "--show-token")
    assert (result.code, result.out) == (3, "")
    assert "look with `incident-io-keys list --name 'deploy bot'`" in result.err
    mock.fail_next(faults.Status(502), operation="create")
    result = run("create", "--name", "bot [prod]", "--show-token")
    assert result.code == 2
    assert "look with `incident-io-keys list --name 'bot [[]prod]'`" in result.err


def test_a_pending_operation_is_reported_with_every_error(
    run: Run, mock: MockAPI, keys: KeysClient, tmp_path: Path
) -> None:
    mock.fail_next(faults.Status(500), operation="create")
    result = run("create", *DEFINITION, "--token-file", tmp_path / "token")
    assert result.code == 2
    assert f"incident-io-keys resume --token-file {tmp_path / 'token'} completes it" in result.err
    assert "client, store" not in result.err
    key = by_name(keys, "Manager")
    mock.fail_next(faults.Status(502), operation="rotate")
    assert "rotate it again" in run("rotate", key.id, "--show-token").err


def test_an_interrupt_is_reported_with_a_hint(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    create, started = KeysClient.create, list[bool]()

    def interrupted(self: KeysClient, **definition: object) -> object:
        if not started:  # while the arguments are checked
            started.append(True)
            return create(self, **definition)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(KeysClient, "create", interrupted)
    result = run("create", *DEFINITION, "--show-token", "--output", "json")
    error = json.loads(result.err)["error"]
    assert (result.code, error["may_have_applied"]) == (130, True)
    assert "look with `incident-io-keys list --name 'deploy bot'`" in error["message"]


def test_a_token_is_rescued_from_an_interrupted_print(run: Run, keys: KeysClient, tmp_path: Path) -> None:
    class Stalled(io.StringIO):
        def write(self, _text: str) -> int:
            raise KeyboardInterrupt

    with contextlib.redirect_stdout(Stalled()):
        assert run("create", *DEFINITION, "--show-token").code == 130
    assert works(keys, rescued(tmp_path), by_name(keys, "deploy bot").id)


def test_a_rescued_token_does_not_replace_another(run: Run, mock: MockAPI, tmp_path: Path) -> None:
    mock.fail_next(faults.DropProperty("api_key.name"), operation="create", times=2)
    for _ in range(2):
        assert run("create", *DEFINITION, "--show-token").code == 2
    kept = list((tmp_path / "state" / "incident-io-keys" / "rescued").iterdir())
    assert len({path.read_text() for path in kept}) == 2
