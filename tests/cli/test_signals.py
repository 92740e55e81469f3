"""Ctrl-C and other signals, at whatever moment: an exit code, no traceback, and no token lost."""

from __future__ import annotations

import contextlib
import errno
import io
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from incident_io_keys import InvalidResponseError, KeysClient
from incident_io_keys.cli import main
from incident_io_keys.storage import FileStore
from incident_io_keys.testing import MockAPI, faults

from .conftest import COMMAND, Open, Run, by_name, rotated, token_in, wait_for, works

USER, API, NETWORK = 1, 2, 3


def test_ctrl_c_ends_it_without_a_traceback(mock: MockAPI) -> None:
    mock.fail_next(faults.Hang(), operation="show")
    with subprocess.Popen([*COMMAND, "show", "01F"], stderr=subprocess.PIPE, text=True) as child:
        wait_for(lambda: mock.requests)
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 130
        assert child.stderr is not None
        assert child.stderr.read() == "incident-io-keys show: interrupted\n"


def test_ctrl_c_at_a_question_ends_it_too(terminal: Open, mock: MockAPI) -> None:
    key = mock.add_key("deploy bot").api_key
    child = terminal("delete", key.id)
    child.expect_exact("type its name")
    child.sendintr()
    child.expect_exact("interrupted")
    child.wait()
    assert child.exitstatus == 130


def test_a_token_that_arrives_with_ctrl_c_is_rescued(run: Run, mock: MockAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = mock.add_key("deploy bot")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt from InvalidResponseError("cut", path="$", token=issued.token, may_have_applied=True)

    monkeypatch.setattr(KeysClient, "create", interrupted)
    result = run("create", "--name", "deploy bot", "--show-token")
    assert (result.code, result.out) == (130, "")
    where = Path(result.err.rpartition("is in ")[2].partition(",")[0])
    with KeysClient(mock.token, transport=mock.transport()) as keys:
        assert works(keys, token_in(where), by_name(keys, "deploy bot").id)


@contextlib.contextmanager
def default_action(number: int) -> Iterator[None]:
    """Set a signal to its default action.

    Under nohup, child processes would inherit an ignored SIGHUP.
    """
    before = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_other_signals_end_it_as_ctrl_c_does(mock: MockAPI, number: int, code: int) -> None:
    mock.fail_next(faults.Hang(), operation="create")
    command = [*COMMAND, "create", "--name", "deploy bot", "--show-token"]
    with default_action(number):
        started = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with started as child:
        wait_for(lambda: mock.requests)
        child.send_signal(number)
        assert child.wait(60) == code
        assert child.stderr is not None
        interrupted, look = child.stderr.read().splitlines()
    assert interrupted == "incident-io-keys create: interrupted"
    assert "look with `incident-io-keys list --name 'deploy bot'`" in look


def test_signals_are_as_they_were_afterwards(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(KeysClient, "show", ended)
    with default_action(signal.SIGTERM):
        assert run("show", "01F").code == 143
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    monkeypatch.setattr(signal, "getsignal", lambda _: signal.SIG_IGN)  # as nohup has it
    assert run("roles").code == 0


def test_a_thread_can_run_it() -> None:
    codes: list[int] = []
    with contextlib.redirect_stdout(io.StringIO()):
        thread = threading.Thread(target=lambda: codes.append(main(["roles"])))
        thread.start()
        thread.join(60)
    assert codes == [0]


def test_an_interrupt_reports_the_pending_operation(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    create = KeysClient.create
    checked: list[bool] = []

    def interrupted(self: KeysClient, **definition: object) -> object:
        if not checked:
            checked.append(True)
            return create(self, **definition)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(KeysClient, "create", interrupted)
    result = run("create", "--name", "a", "--token-file", tmp_path / "token")
    assert result.code == 130
    assert f"incident-io-keys resume --token-file {tmp_path / 'token'} completes it" in result.err
    assert "client, store" not in result.err


def test_ctrl_c_while_it_begins_is_one_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "incident_io_keys.cli._main":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "incident_io_keys.cli._main")
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    assert main(["list"]) == 130
    assert capsys.readouterr() == ("", "")


def test_ctrl_c_at_a_question_leaves_the_line(
    run: Run, mock: MockAPI, types: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    types("")
    monkeypatch.setattr(type(sys.stdin), "readline", lambda _: signal.raise_signal(signal.SIGINT))
    result = run("delete", mock.add_key("deploy bot").api_key.id)
    assert (result.code, result.err.splitlines()[-1]) == (130, "incident-io-keys delete: interrupted")


def test_more_signals_do_not_interrupt_the_rescue_of_a_token(
    run: Run, mock: MockAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued, save = mock.add_key("deploy bot"), FileStore.save

    def interrupted(*_: object, **__: object) -> None:
        raise InvalidResponseError("cut", path="$", token=issued.token, may_have_applied=True)

    def again(*arguments: Any, **options: Any) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.raise_signal(number)
        save(*arguments, **options)

    monkeypatch.setattr(KeysClient, "show", interrupted)
    monkeypatch.setattr(FileStore, "save", again)
    result = run("show", "01F")
    assert result.code == API
    assert token_in(Path(result.err.rpartition("is in ")[2].partition(",")[0])) == issued.token


def test_an_interrupt_while_the_new_token_is_tried_says_how_to_go_on(
    run: Run, mock: MockAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(KeysClient, "with_token", interrupted)
    result = run("create", "--name", "a", "--token-file", tmp_path / "token")
    assert result.code == 130
    assert (
        f"`incident-io-keys resume --token-file {tmp_path / 'token'}` finishes what was begun, if anything was"
        in result.err
    )
    assert len([request for request in mock.requests if request.method == "POST"]) == 1


def test_a_terminal_that_goes_away_ends_nothing_that_is_going_on(run: Run, mock: MockAPI, tokens: Path) -> None:
    for number in range(5):
        mock.add_key(f"key {number}", age_seconds=100 * 86_400)

    class Gone(io.StringIO):
        def isatty(self) -> bool:
            return True

        def write(self, _text: str) -> int:
            raise OSError(errno.EIO, "Input/output error")

    with contextlib.redirect_stderr(Gone()):
        result = run("rotate", "--due", "90 days", "--token-dir", tokens, "--yes")
    assert (result.code, len(rotated(mock))) == (0, 5)
