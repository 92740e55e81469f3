"""The command in this process, as a process of its own, and at a terminal; always against a mock on a socket."""

from __future__ import annotations

import io
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pexpect
import pyte
import pytest
from attrs import frozen

from incident_io_keys import APIKey, AuthenticationError, IssuedKey, KeysClient, PermissionDeniedError, Token
from incident_io_keys.cli import main
from incident_io_keys.testing import MockAPI

from ..delays import skip_delays

COMMAND = [str(Path(sys.executable).parent / "incident-io-keys")]
DAY = 86_400
TEAM = "01FCNDV6P870EA6S7TK1DSYDG0"


@frozen
class Result:
    """What came of a run."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]
Open = Callable[..., "pexpect.spawn[str]"]


@pytest.fixture(autouse=True)
def _environment(mock: MockAPI, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A mock on a socket, to which the environment points, and a home of the test's own."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    # Who runs the tests may ignore it, and so would what the tests run.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("INCIDENT_API_KEY", mock.token.reveal())
    with mock.serve() as server:
        monkeypatch.setenv("INCIDENT_ENDPOINT", server.url)
        with skip_delays():
            yield


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process."""

    def run(*arguments: object) -> Result:
        code = main([str(each) for each in arguments])
        said = capsys.readouterr()
        return Result(code, said.out, said.err)

    return run


@pytest.fixture
def process() -> Run:
    """Runs the command as a process of its own, whose streams are pipes."""

    def run(*arguments: object, **options: Any) -> Result:
        command = [*COMMAND, *map(str, arguments)]
        # Without what readline, which pytest loads, writes past Python into the environment: the size of a terminal.
        options.setdefault("env", dict(os.environ))
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL, **options
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(params=["here", "process"])
def both(request: pytest.FixtureRequest) -> Run:
    """Runs the command in either way."""
    run: Run = request.getfixturevalue("run" if request.param == "here" else "process")
    return run


@pytest.fixture
def terminal() -> Iterator[Open]:
    """Runs the command at a terminal of 80 columns."""
    opened: list[pexpect.spawn[str]] = []

    def open_(*arguments: object, columns: int = 80, **environment: str) -> pexpect.spawn[str]:
        child = pexpect.spawn(
            COMMAND[0],
            list(map(str, arguments)),
            env={**os.environ, "TERM": "xterm-256color", **environment},
            dimensions=(50, columns),
            encoding="utf-8",
            timeout=30,
            echo=False,
        )
        child.delaybeforesend = None
        opened.append(child)
        return child

    yield open_
    for child in opened:
        child.close(force=True)


class Typed(io.StringIO):
    """A person at a terminal who types this, and then nothing more."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has a person at the terminal who types these lines."""

    def types(*lines: str) -> None:
        monkeypatch.setattr(sys, "stdin", Typed("".join(f"{line}\n" for line in lines)))
        monkeypatch.setattr(type(sys.stderr), "isatty", lambda _: True)

    return types


def ended(child: pexpect.spawn[str]) -> int:
    """The exit code of a command at a terminal, once it has ended."""
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus is not None, f"killed by {child.signalstatus}"
    return int(child.exitstatus)


def by_name(keys: KeysClient, name: str) -> APIKey:
    """The one key of that name."""
    [found] = [key for key in keys.list() if key.name == name]
    return found


def rows(text: str) -> Sequence[str]:
    """The lines of a table."""
    return [line.rstrip() for line in text.splitlines()]


def screen(text: str, columns: int = 80) -> Sequence[str]:
    """What is on the screen of a terminal at the end."""
    shown = pyte.Screen(columns, 200)
    pyte.Stream(shown).feed(text)
    return [line.rstrip() for line in shown.display]


def skip_without(program: str) -> NoReturn:
    """Skip a test whose program is missing.

    In CI, fail instead if scripts/install --all could have installed the program.
    """
    can_install = os.geteuid() == 0 and shutil.which("apt-get")
    assert not ("CI" in os.environ and can_install), f"there is no {program}"
    pytest.skip(f"there is no {program}; scripts/install --all installs it as root on Debian")


def token_in(path: Path) -> Token:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return Token(path.read_text().strip())


def works(keys: KeysClient, token: Token, key_id: str) -> bool:
    try:
        keys.with_token(token).show(key_id)
    except PermissionDeniedError:
        return True
    except AuthenticationError:
        return False
    return True


def rescued(tmp_path: Path) -> Token:
    [path] = (tmp_path / "state" / "incident-io-keys" / "rescued").iterdir()
    return token_in(path)


def wait_for(condition: Callable[[], object]) -> None:
    """Wait for another process."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def issued(mock: MockAPI) -> IssuedKey:
    return mock.add_key("deploy bot", ["viewer"], age_seconds=100 * DAY)


@pytest.fixture
def key(issued: IssuedKey) -> APIKey:
    return issued.api_key


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    (tmp_path / "tokens").mkdir(0o700)
    return tmp_path / "tokens"


def rotated(mock: MockAPI) -> list[str]:
    return [request.url.path.split("/")[3] for request in mock.requests if request.url.path.endswith("rotate")]
