"""What an error means for who runs the command: exit codes, words, JSON, and no token anywhere."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from incident_io_keys import APITimeoutError, InvalidResponseError, KeysClient
from incident_io_keys.cli import main
from incident_io_keys.testing import MockAPI, faults
from incident_io_keys_generated import contract

from .conftest import COMMAND, Open, Run, by_name, token_in

USER, API, NETWORK = 1, 2, 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["show", "01F"], API, "incident-io-keys show: show failed with 404 not_found"),
        (["nonsense"], USER, "incident-io-keys: No such command 'nonsense'."),
        (["list", "--nonsense"], USER, "incident-io-keys list: No such option"),
        (["list", "--output", "xml"], USER, "incident-io-keys list: Invalid value for '--output': 'xml' is not one of"),
        (["list", "more"], USER, "incident-io-keys list: Got unexpected extra argument"),
        (["show"], USER, "incident-io-keys show: Missing argument 'ID'."),
        (["show", "a/b"], USER, "incident-io-keys show: show was not sent:\n  ID: 'a/b' cannot be part of a path"),
    ],
)
def test_a_mistake_is_told_in_a_few_lines(process: Run, arguments: list[str], code: int, message: str) -> None:
    result = process(*arguments)
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith(message)
    assert len(result.err.splitlines()) <= 3
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("fault", "code", "kind"),
    [
        (faults.Status(401), API, "api"),
        (faults.Status(403), API, "api"),
        (faults.Status(503), API, "api"),
        (faults.Status(520), API, "api"),
        (faults.CutJSON(), API, "api"),
        (faults.RepeatCursor(), API, "api"),
        (faults.Close(), NETWORK, "network"),
        (faults.Reset(), NETWORK, "network"),
    ],
)
def test_each_failure_has_its_exit_code(run: Run, mock: MockAPI, fault: faults.Fault, code: int, kind: str) -> None:
    for number in range(contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM + 1):
        mock.add_key(f"key {number}")
    mock.fail_next(fault, operation="list", times=4)
    result = run("list", "--output", "json")
    assert result.code == code
    *waits, line = result.err.splitlines()
    assert json.loads(line)["error"].items() >= {"kind": kind, "exit_code": code, "may_have_applied": False}.items()
    assert all("retrying in" in wait for wait in waits)


def test_no_connection_is_one_of_the_network_s(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("INCIDENT_ENDPOINT", "http://127.0.0.1:1")
    result = run("list")
    assert result.code == NETWORK
    assert caplog.records == [], "what is told here is told to nobody else"
    assert result.err.splitlines()[-1].startswith("incident-io-keys list: list got no usable response from 127.0.0.1:1")


def test_what_is_tried_again_is_told_once(process: Run, mock: MockAPI) -> None:
    key = mock.add_key("deploy bot").api_key
    mock.fail_next(faults.Status(503, headers={"Retry-After": "0"}), operation="show")
    result = process("show", key.id)
    assert (result.code, json.loads(result.out)["id"]) == (0, key.id)
    [told] = result.err.splitlines()
    assert "show failed with 503" in told
    assert "retrying in" in told


@pytest.mark.parametrize(("variable", "value"), [("INCIDENT_API_KEY", " "), ("INCIDENT_ENDPOINT", "http://a.example")])
def test_what_is_wrong_in_the_environment_is_a_mistake(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    result = run("list", "--output=json")
    error = json.loads(result.err)["error"]
    assert (result.code, error["kind"], error["exit_code"]) == (USER, "usage", USER)
    [problem] = error["problems"]
    assert problem["field"] == variable
    assert "token=" not in result.err


def test_a_mistake_in_the_options_is_json_too(run: Run) -> None:
    error = json.loads(run("show", "--output", "json").err)["error"]
    assert error == {"kind": "usage", "exit_code": USER, "message": "Missing argument 'ID'."}


def test_what_the_api_says_of_an_error_is_there_for_programs(run: Run) -> None:
    error = json.loads(run("show", "01F", "--output", "json").err)["error"]
    assert (error["http_status"], error["type"], len(error["request_id"])) == (404, "not_found", 32)
    assert "There is no such API key" in error["message"]


def test_without_arguments_it_tells_what_there_is(both: Run) -> None:
    result = both()
    assert (result.code, result.out) == (USER, "")
    assert result.err.startswith("Usage: incident-io-keys [OPTIONS] COMMAND [ARGS]...\n")
    commands = ["list", "show", "create", "update", "delete", "rotate", "resume", "audit", "roles", "mock", "demo"]
    told = [line.split()[0] for line in result.err.partition("Commands:\n")[2].splitlines()]
    assert told == [*commands, "completion"]


@pytest.mark.parametrize("columns", ["80", "200"])
def test_help_fits_the_terminal(run: Run, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    for command in ("list", "create", "update", "rotate", "audit", "completion"):
        result = run(command, "--help")
        assert (result.code, result.err) == (0, "")
        assert all(len(line) <= min(int(columns), 100) for line in result.out.splitlines())


def test_the_version(run: Run) -> None:
    from incident_io_keys import __version__

    assert run("--version").out == f"incident-io-keys, version {__version__}\n"


@pytest.mark.parametrize("where", ["before", "after"])
def test_debug_shows_requests_and_where_an_error_comes_from_and_no_token(run: Run, mock: MockAPI, where: str) -> None:
    arguments = ["--debug", "show", "01F"] if where == "before" else ["show", "01F", "--debug"]
    result = run(*arguments)
    assert result.code == API
    assert "GET /v1/api_keys/01F: 404 request_id=" in result.err
    assert "Traceback (most recent call last)" in result.err
    assert "NotFoundError" in result.err
    assert "inc_" not in result.err
    assert mock.token.reveal() not in result.err


def test_a_mistake_of_the_command_itself_is_told_as_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("inc_0123456789abcdef is in here")

    monkeypatch.setattr(KeysClient, "show", broken)
    result = run("show", "01F")
    assert result.code == USER
    assert result.err.splitlines() == [
        "incident-io-keys show: ZeroDivisionError: inc_<redacted> is in here",
        "  this is a mistake of incident-io-keys: --debug shows where",
    ]
    assert "0123456789abcdef" not in run("show", "01F", "--debug").err


def test_what_the_system_refuses_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        Path("/nowhere/at/all").read_bytes()

    monkeypatch.setattr(KeysClient, "show", refused)
    assert run("show", "01F").err == "incident-io-keys show: /nowhere/at/all: No such file or directory\n"


@pytest.mark.parametrize("output", ["table", "json"])
def test_a_pipe_that_nobody_reads_ends_it(monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(["roles", "--output", output]) == 141
        stream.flush()  # what is left is nobody's


def test_a_full_disk_is_told_and_not_by_python() -> None:
    with Path("/dev/full").open("w") as full:
        command = [*COMMAND, "roles", "--output", "json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert done.returncode == USER
    assert json.loads(done.stderr)["error"]["message"] == "No space left on device"


def test_errors_at_a_terminal_have_no_escape_of_a_name(terminal: Open, mock: MockAPI) -> None:
    key = mock.add_key("\x1b[31mred").api_key
    child = terminal("update", key.id, "--remove-role", "\x1b[31mviewer", "--add-role", "viewer", NO_COLOR="1")
    child.expect_exact("the key does not have \\x1b[31mviewer")
    child = terminal("delete", key.id, NO_COLOR="1")
    child.expect_exact("To delete \\x1b[31mred for good")
    assert "\x1b[31m" not in (child.before or "")


@pytest.mark.parametrize("name", ["click", "jinja2", "rich"])
def test_without_the_extra_it_says_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from importlib.util import find_spec

    monkeypatch.setattr("incident_io_keys.cli.find_spec", lambda each: None if each == name else find_spec(each))
    assert main(["list"]) == USER
    said = capsys.readouterr()
    assert (said.out, said.err) == (
        "",
        f"incident-io-keys: {name} not installed; pip install 'incident-io-keys[cli]'\n",
    )


def test_elsewhere_than_on_posix_it_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("incident_io_keys.cli.find_spec", lambda each: None if each == "fcntl" else each)
    assert main(["list"]) == USER
    assert capsys.readouterr().err == "incident-io-keys: needs a POSIX system: Linux, macOS, or WSL on Windows\n"


def test_a_closed_standard_error_is_no_error(mock: MockAPI) -> None:
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *COMMAND, "list", "--output", "jsonl"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=60)
    assert done.returncode == 0
    assert json.loads(done.stdout)["name"] == "Manager"
    assert len(mock.requests) == 1


def test_streams_that_are_closed_are_replaced(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert run("create", "--name", "a", "--show-token").code == USER
    monkeypatch.setattr(sys, "stderr", None)
    assert run("list").code == 0
    for stream in (sys.stdout, sys.stderr):
        assert stream is not None
        stream.close()


def test_an_unexpected_timeout_is_of_the_network(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object, **__: object) -> None:
        raise APITimeoutError("show: no answer in time")

    monkeypatch.setattr(KeysClient, "show", late)
    assert run("show", "01F").code == NETWORK


def test_it_writes_to_what_stands_for_standard_output() -> None:
    with contextlib.redirect_stdout(io.StringIO()) as caught:
        assert main(["roles", "--output", "json"]) == 0
    assert json.loads(caught.getvalue())


def test_who_does_not_see_a_question_is_not_asked(
    run: Run, mock: MockAPI, types: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = mock.add_key("deploy bot").api_key
    types("deploy bot")
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda _: False)
    assert "there is no terminal to ask at" in run("delete", key.id).err


def test_a_token_behind_another_error_is_kept(run: Run, mock: MockAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = mock.add_key("deploy bot")

    def fails(*_: object, **__: object) -> None:
        try:
            raise InvalidResponseError("cut", path="$", token=issued.token, may_have_applied=True)
        except InvalidResponseError:
            raise ZeroDivisionError  # noqa: B904 - as a mistake does

    monkeypatch.setattr(KeysClient, "show", fails)
    where = Path(run("show", "01F").err.rpartition("is in ")[2].partition(",")[0])
    assert token_in(where) == issued.token


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_the_exit_code_is_right_if_standard_error_cannot_be_written(
    keys: KeysClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbuffered: str
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)

    def exit_code(*arguments: str) -> int:
        with Path("/dev/full").open("w") as full:
            return subprocess.run([*COMMAND, *arguments], stderr=full, check=False, timeout=60).returncode

    assert exit_code("create", "--name", "a", "--token-file", str(tmp_path / "token")) == 0
    assert exit_code("show", by_name(keys, "a").id) == 0
    assert exit_code("show", "unknown") == 2


def test_a_token_that_is_gone_in_the_middle_is_a_mistake(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Removing(MockAPI):
        def respond(self, request: httpx.Request) -> Any:
            monkeypatch.delenv("INCIDENT_API_KEY", raising=False)
            return super().respond(request)

    mock = Removing()
    for number in range(251):  # two pages
        mock.add_key(f"key {number}")
    with mock.serve() as server:
        monkeypatch.setenv("INCIDENT_ENDPOINT", server.url)
        monkeypatch.setenv("INCIDENT_API_KEY", mock.token.reveal())
        result = run("list", "--output=json")
    error = json.loads(result.err)["error"]
    assert (result.code, error["kind"]) == (USER, "usage")
    assert "the environment variable INCIDENT_API_KEY is missing or blank" in error["message"]
