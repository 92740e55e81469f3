"""Tokens that arrived and found no place: they are kept, in private, and the error says where."""

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
from incident_io_keys.testing import MockAPI, faults

from .conftest import COMMAND, Run, by_name, rescued, token_in, works

DEFINITION = ("--name", "deploy bot", "--role", "viewer", "--role", "incident_creator")


@pytest.mark.parametrize("planted", ["a link", "open to others", "somebody else's"])
def test_what_is_kept_is_kept_in_a_directory_of_one_s_own(
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


def test_a_link_of_one_s_own_to_a_directory_of_one_s_own_is_one(run: Run, mock: MockAPI, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "elsewhere").mkdir(0o700)
    (tmp_path / "state" / "incident-io-keys").symlink_to(tmp_path / "elsewhere")
    mock.fail_next(faults.DropProperty("api_key.name"), operation="create")
    assert run("create", *DEFINITION, "--show-token").code == 2
    assert len(list((tmp_path / "elsewhere" / "rescued").iterdir())) == 1


def test_what_is_no_absolute_path_says_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert run("create", *DEFINITION, "--token-file", tmp_path / "token").code == 0
    assert (tmp_path / "home" / ".local" / "state" / "incident-io-keys" / "files").is_dir()


def test_a_token_that_cannot_be_written_out_is_kept(keys: KeysClient, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*COMMAND, "create", *DEFINITION, "--show-token"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    key = by_name(keys, "deploy bot")
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert "inc_" not in done.stderr
    assert works(keys, rescued(tmp_path), key.id)


def test_a_token_in_an_answer_that_makes_no_sense_is_kept(run: Run, mock: MockAPI, tmp_path: Path) -> None:
    mock.fail_next(faults.DropProperty("api_key.name"), operation="create")
    result = run("create", *DEFINITION, "--show-token", "--output", "json")
    assert (result.code, result.out) == (2, "")
    error = json.loads(result.err)["error"]
    assert error["may_have_applied"] is True
    assert Path(error["token_file"]).parent == tmp_path / "state" / "incident-io-keys" / "rescued"
    with KeysClient(mock.token, transport=mock.transport()) as keys:
        assert works(keys, token_in(Path(error["token_file"])), by_name(keys, "deploy bot").id)


def test_so_is_one_in_this_process(run: Run, keys: KeysClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full, contextlib.suppress(OSError):
        monkeypatch.setattr(sys, "stdout", full)
        assert run("create", *DEFINITION, "--show-token").code == 1
    key = by_name(keys, "deploy bot")
    assert works(keys, rescued(tmp_path), key.id)


def test_a_store_that_cannot_be_read_counts_as_one_that_has_nothing(
    run: Run, mock: MockAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from incident_io_keys.cli._destinations import TokenFileStore

    path, store = tmp_path / "token", TokenFileStore.save

    def spoiled(self: TokenFileStore, key: str, token: Token) -> None:
        store(self, key, token)
        path.unlink()
        path.mkdir()

    monkeypatch.setattr(TokenFileStore, "save", spoiled)
    result = run("create", *DEFINITION, "--token-file", path)
    assert result.code == 1
    assert f"a token cannot be read in {path}: Is a directory" in result.err
    with KeysClient(mock.token, transport=mock.transport()) as keys:
        key = by_name(keys, "deploy bot")
        assert works(keys, rescued(tmp_path), key.id)


def test_where_nothing_can_be_kept_it_says_what_to_do(
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


def test_a_token_that_is_in_its_place_is_not_kept_twice(run: Run, mock: MockAPI, tmp_path: Path) -> None:
    # It is stored; and then the API cannot be asked whether it works.
    path = tmp_path / "token"
    mock.fail_next(faults.Status(503), operation="show", times=4)
    result = run("create", *DEFINITION, "--token-file", path)
    assert result.code == 1
    assert "could not be tried at the API" in result.err
    assert f"incident-io-keys resume --token-file {path} goes on with it" in result.err
    assert not (tmp_path / "state" / "incident-io-keys" / "rescued").exists()
    with KeysClient(mock.token, transport=mock.transport()) as keys:
        assert works(keys, token_in(path), by_name(keys, "deploy bot").id)
    resumed = run("resume", "--token-file", path, "--output", "table")
    assert (resumed.code, resumed.out.split()[0]) == (0, "completed")


def test_what_may_have_happened_is_told_with_what_to_do(run: Run, mock: MockAPI) -> None:
    mock.fail_next(faults.Close(), operation="create")
    result = run("create", *DEFINITION, "--show-token")
    assert (result.code, result.out) == (3, "")
    assert "look with `incident-io-keys list --name 'deploy bot'`" in result.err
    mock.fail_next(faults.Status(502), operation="create")
    result = run("create", "--name", "bot [prod]", "--show-token")
    assert result.code == 2
    assert "look with `incident-io-keys list --name 'bot [[]prod]'`" in result.err


def test_what_was_written_down_is_told_whatever_the_failure_is(
    run: Run, mock: MockAPI, keys: KeysClient, tmp_path: Path
) -> None:
    mock.fail_next(faults.Status(500), operation="create")
    result = run("create", *DEFINITION, "--token-file", tmp_path / "token")
    assert result.code == 2
    assert f"incident-io-keys resume --token-file {tmp_path / 'token'} goes on with it" in result.err
    assert "client, store" not in result.err
    key = by_name(keys, "Manager")
    mock.fail_next(faults.Status(502), operation="rotate")
    assert "rotate it again" in run("rotate", key.id, "--show-token").err


def test_an_interrupt_says_so_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    create, started = KeysClient.create, list[bool]()

    def interrupted(self: KeysClient, **definition: object) -> object:
        if not started:  # a rehearsal
            started.append(True)
            return create(self, **definition)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(KeysClient, "create", interrupted)
    result = run("create", *DEFINITION, "--show-token", "--output", "json")
    error = json.loads(result.err)["error"]
    assert (result.code, error["may_have_applied"]) == (130, True)
    assert "look with `incident-io-keys list --name 'deploy bot'`" in error["message"]


def test_a_token_on_its_way_to_standard_output_is_kept(run: Run, keys: KeysClient, tmp_path: Path) -> None:
    class Stalled(io.StringIO):
        def write(self, _text: str) -> int:
            raise KeyboardInterrupt

    with contextlib.redirect_stdout(Stalled()):
        assert run("create", *DEFINITION, "--show-token").code == 130
    assert works(keys, rescued(tmp_path), by_name(keys, "deploy bot").id)


def test_one_token_that_is_kept_does_not_take_the_place_of_another(run: Run, mock: MockAPI, tmp_path: Path) -> None:
    mock.fail_next(faults.DropProperty("api_key.name"), operation="create", times=2)
    for _ in range(2):
        assert run("create", *DEFINITION, "--show-token").code == 2
    kept = list((tmp_path / "state" / "incident-io-keys" / "rescued").iterdir())
    assert len({path.read_text() for path in kept}) == 2
