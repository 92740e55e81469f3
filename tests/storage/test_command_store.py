"""CommandStore with small programs that really run."""

from __future__ import annotations

import base64
import fcntl
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from incident_io_keys import InvalidRequestError, Token
from incident_io_keys.storage import CommandStore, StoreUnavailableError

from ..conftest import CANARY
from ..hiding import renderings

OLD = "inc_" + "0ddba11" * 8
SECRET = CANARY.removeprefix("inc_")
HINT = "; show_output=True adds its error output, which can contain the token"

# The save program also records what other users of the machine can see of a process.
SAVE = """
import json, os, sys
from pathlib import Path
directory, key = sys.argv[1:]
(Path(directory) / "seen").write_text(json.dumps([sys.argv, dict(os.environ)]))
(Path(directory) / key.encode().hex()).write_bytes(sys.stdin.buffer.read())
"""
LOAD = """
import sys
from pathlib import Path
directory, key = sys.argv[1:]
path = Path(directory) / key.encode().hex()
if not path.exists():
    sys.exit("no such secret")
sys.stdout.buffer.write(path.read_bytes())
"""
# Forks a child that inherits all standard streams and a lock on the file. The alarm ends the child if a test does not.
LEAVE_CHILD = """
import fcntl, os, signal, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
if not (child := os.fork()):
    signal.alarm(30)
    signal.pause()
print(child, file=file, flush=True)
"""
Run: TypeAlias = Callable[[CommandStore], None]
Processes: TypeAlias = list[subprocess.Popen[bytes]]


def python(source: str, *arguments: object) -> list[str]:
    return [sys.executable, "-S", "-c", source, *map(str, arguments)]


def exit_with(code: int | str) -> list[str]:
    return python(f"raise SystemExit({code!r})")


OK = python("")
OK_WITH_KEY = python("", "{key}")
BLOCK = python("import signal; signal.pause()")


def store_of(tmp_path: Path, save: list[str] = OK, load: list[str] = OK, **arguments: Any) -> CommandStore:
    return CommandStore(save, load, journal=tmp_path / "journal", **arguments)


def save(store: CommandStore) -> None:
    store.save("a", Token(CANARY))


def load(store: CommandStore) -> None:
    store.load("a")


def check(store: CommandStore) -> None:
    store.check()


def error_of(run: Run, store: CommandStore) -> str:
    """Return the message of the error that a call raises, with a short name of the program."""
    with pytest.raises(StoreUnavailableError) as caught:
        run(store)
    return str(caught.value).replace(sys.executable, "python")


@pytest.fixture
def vault(tmp_path: Path) -> CommandStore:
    arguments = (tmp_path, "{key}")
    return store_of(tmp_path, python(SAVE, *arguments), python(LOAD, *arguments), absent=[1])


def saved(tmp_path: Path, key: str) -> bytes:
    return (tmp_path / key.encode().hex()).read_bytes()


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Path]:
    """The file that LEAVE_CHILD locks. The child is killed after the test."""
    path = tmp_path / "child"
    yield path
    if path.exists() and is_running(path):
        os.kill(int(path.read_text()), signal.SIGKILL)


def is_running(child: Path) -> bool:
    """Return whether the child still holds its lock. A PID alone also exists after the child has exited."""
    with child.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Processes:
    """The processes that the store has started."""
    processes: Processes = []

    class RecordingPopen(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **keywords: Any) -> None:
            super().__init__(*arguments, **keywords)
            processes.append(self)

    monkeypatch.setattr(subprocess, "Popen", RecordingPopen)
    return processes


def test_a_program_receives_the_token_on_standard_input_only(vault: CommandStore, tmp_path: Path) -> None:
    vault.save("a", Token("x" * 65_536))
    assert saved(tmp_path, "a") == b"x" * 65_536
    vault.save("a", Token(CANARY))
    assert saved(tmp_path, "a") == CANARY.encode()  # without a line break
    argv, environment = json.loads((tmp_path / "seen").read_text())
    assert argv[1:] == [str(tmp_path), "a"]
    assert CANARY not in str(argv) + str(environment)
    assert vault.load("a") == Token(CANARY)


@pytest.mark.parametrize("key", ["a; rm -rf .", "$(id)", "`id`", "a b", "*", "'\"", "{key}", "--force", "é"])
def test_no_shell_interprets_the_key(vault: CommandStore, tmp_path: Path, key: str) -> None:
    vault.save(key, Token(CANARY))
    assert saved(tmp_path, key) == CANARY.encode()
    assert vault.load(key) == Token(CANARY)


def test_the_key_replaces_each_placeholder(tmp_path: Path) -> None:
    load = python("import sys; print(*sys.argv[1:], sep='|')", "path/{key}/{key}.txt", "{other}", "{{key}}")
    assert store_of(tmp_path, OK_WITH_KEY, load).load("a") == Token("path/a/a.txt|{other}|{a}")


def test_a_program_can_succeed_without_reading_its_input(tmp_path: Path) -> None:
    for token in (CANARY, "x" * 65_536):
        store_of(tmp_path, python("import os; os.close(0)")).save("a", Token(token))


@pytest.mark.parametrize("options", [{}, {"show_output": True}], ids=["hidden", "shown"])
@pytest.mark.parametrize("source", ["", "open(sys.argv[2], 'w').write(sys.stdin.read())"])
def test_save_does_not_wait_for_a_child_of_its_program(tmp_path: Path, child: Path, source: str, options: Any) -> None:
    program = python(LEAVE_CHILD + source, child, tmp_path / "token")
    store_of(tmp_path, program, timeout=60, **options).save("a", Token("x" * 65_536))
    assert is_running(child)
    assert not source or (tmp_path / "token").read_text() == "x" * 65_536


@pytest.mark.parametrize("output", ["inc_abc", "x" * 65_536], ids=["short", "as much as a pipe holds"])
def test_load_does_not_wait_for_a_child_of_its_program(tmp_path: Path, child: Path, output: str) -> None:
    program = python(LEAVE_CHILD + f"os.write(1, {output!r}.encode()); os._exit(0)", child)
    assert store_of(tmp_path, load=program, timeout=60).load("a") == Token(output)
    assert is_running(child)


@pytest.mark.parametrize("run", [save, load, check])
def test_the_exit_code_decides_while_a_child_is_still_running(tmp_path: Path, child: Path, run: Run) -> None:
    program = python(LEAVE_CHILD + "sys.exit(3)", child)
    assert "exit code 3" in error_of(run, store_of(tmp_path, program, program, check=program, timeout=60))
    assert is_running(child)


@pytest.mark.parametrize("run", [save, load, check])
@pytest.mark.parametrize("program", [OK, exit_with(3), BLOCK], ids=["success", "failure", "timeout"])
def test_no_process_and_no_file_descriptor_is_left(
    processes: Processes, tmp_path: Path, program: list[str], run: Run
) -> None:
    timeout = 0.1 if program is BLOCK else 30
    store = store_of(tmp_path, program, program, check=program, timeout=timeout, show_output=True)
    before = set(Path("/dev/fd").iterdir())
    with suppress(StoreUnavailableError):
        run(store)
    assert set(Path("/dev/fd").iterdir()) <= before
    with pytest.raises(ChildProcessError):  # the store has waited for it
        os.waitpid(processes[0].pid, os.WNOHANG)


@pytest.mark.parametrize("run", [save, load])
def test_a_program_is_killed_after_the_timeout(
    processes: Processes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: Run
) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)  # freezegun must not stop the timeout
    with pytest.raises(StoreUnavailableError) as caught:
        run(store_of(tmp_path, BLOCK, BLOCK, timeout=0.1))
    assert str(caught.value) == f"{run.__name__}: {sys.executable} did not exit within 0.1 s{HINT}"
    assert CANARY not in renderings(caught.value)
    assert [process.returncode for process in processes] == [-signal.SIGKILL]


def test_an_exit_code_can_mean_that_no_token_is_saved(vault: CommandStore, tmp_path: Path) -> None:
    assert vault.load("a") is None
    program = python(f"print({OLD!r}); raise SystemExit(4)")
    assert store_of(tmp_path, load=program, absent=(4,)).load("a") is None
    failing = store_of(tmp_path, exit_with(1), exit_with(2), check=exit_with(1), absent={1})
    absent = "if this code means that no token is saved, pass absent=[2]"
    assert error_of(load, failing) == f"load: python failed with exit code 2; {absent}{HINT}"
    # `absent` is for `load` only.
    assert error_of(save, failing) == f"save: python failed with exit code 1{HINT}"
    assert error_of(check, failing) == f"check: python failed with exit code 1{HINT}"


def test_a_program_that_a_signal_kills_has_failed(tmp_path: Path) -> None:
    program = python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    store = store_of(tmp_path, program, program)
    assert error_of(save, store) == f"save: python failed with exit code -9{HINT}"
    assert error_of(load, store) == f"load: python failed with exit code -9{HINT}"  # `absent` takes no signals


@pytest.mark.parametrize(
    ("output", "token"),
    [(b"", None), (b" \r\n", None), (b"  inc_abc\r\n", Token("inc_abc")), (b"x" * 65_536, Token("x" * 65_536))],
)
def test_load_ignores_surrounding_white_space(tmp_path: Path, output: bytes, token: Token | None) -> None:
    load = python(f"import sys; sys.stdout.buffer.write({output!r})")
    assert store_of(tmp_path, load=load).load("a") == token


INVALID = ["b'inc_abc inc_def'", "b'token: inc_' + b'0ddba11' * 8", r"b'\xff'", r"b'inc_\xc3\xa9'", "b'\"inc_abc\"'"]


@pytest.mark.parametrize("output", INVALID)
def test_load_rejects_output_that_is_not_a_token_and_does_not_quote_it(tmp_path: Path, output: str) -> None:
    load = python(f"import sys; sys.stdout.buffer.write({output})")
    with pytest.raises(StoreUnavailableError, match=r"^load: .* printed an invalid token: it (is|has) ") as caught:
        store_of(tmp_path, load=load).load("a")
    assert OLD not in renderings(caught.value)


def test_a_program_that_prints_more_than_a_pipe_holds_has_failed(tmp_path: Path) -> None:
    load = python("print('x' * 65_536)")
    with pytest.raises(StoreUnavailableError, match=r"^load: .* did not exit within 0\.3 s"):
        store_of(tmp_path, load=load, timeout=0.3).load("a")


def test_the_output_of_save_and_check_is_ignored(tmp_path: Path) -> None:
    program = python("import sys; print('done ' * 100_000); print('done ' * 100_000, file=sys.stderr)")
    store = store_of(tmp_path, program, check=program)
    store.save("a", Token(CANARY))
    store.check()


PRINT = "import base64, sys; token = sys.stdin.read(); {}; raise SystemExit(3)"
FORMS = "base64.b64encode(token.encode()).decode(), token.encode().hex(), token[::-1], token[4:36]"


@pytest.mark.parametrize("arguments", [{}, {"show_output": False}, {"show_output": "false"}])
def test_an_error_contains_no_output_by_default(tmp_path: Path, arguments: dict[str, Any]) -> None:
    program = python(PRINT.format(f"print(token); print({FORMS}, file=sys.stderr)"))
    with pytest.raises(StoreUnavailableError) as caught:
        store_of(tmp_path, program, **arguments).save("a", Token(CANARY))
    text = renderings(caught.value)
    for form in (base64.b64encode(CANARY.encode()).decode(), CANARY.encode().hex(), CANARY[::-1], CANARY[4:36]):
        assert form not in text
    assert str(caught.value) == f"save: {sys.executable} failed with exit code 3{HINT}"


def test_an_error_quotes_the_error_output_on_request(tmp_path: Path) -> None:
    failing = exit_with("vault is sealed")
    store = store_of(tmp_path, failing, failing, check=failing, show_output=True)
    failed = "python failed with exit code 1: vault is sealed"
    assert error_of(save, store) == f"save: {failed}"
    assert error_of(load, store) == f"load: {failed}; if this code means that no token is saved, pass absent=[1]"
    assert error_of(check, store) == f"check: {failed}"
    assert error_of(save, store_of(tmp_path, exit_with(3), show_output=True)) == "save: python failed with exit code 3"


WRAPPED = "' \\n\\t'.join(token[at : at + 7] for at in range(0, len(token), 7))"


@pytest.mark.parametrize("output", ["token", "'\\x1b[31m' + token", "repr(token)", "'x' * 490 + token", WRAPPED])
@pytest.mark.parametrize("token", [Token(CANARY), Token("no-prefix/" + SECRET)], ids=["prefix", "no prefix"])
def test_error_output_that_contains_the_token_is_omitted(tmp_path: Path, output: str, token: Token) -> None:
    program = python(PRINT.format(f"sys.stderr.write({output})"))
    with pytest.raises(StoreUnavailableError) as caught:
        store_of(tmp_path, program, show_output=True).save("a", token)
    omitted = "failed with exit code 3 (its error output is omitted: it contains a token)"
    assert str(caught.value) == f"save: {sys.executable} {omitted}"
    assert SECRET not in renderings(caught.value)
    assert caught.value.__context__ is None


def test_error_output_of_load_that_contains_a_token_is_omitted(tmp_path: Path) -> None:
    message = error_of(load, store_of(tmp_path, load=exit_with(OLD), show_output=True))
    assert "its error output is omitted" in message
    assert OLD not in message


def test_an_error_quotes_at_most_500_printable_characters(tmp_path: Path) -> None:
    program = python(PRINT.format("sys.stderr.write('é' * 20_000)"))
    message = error_of(save, store_of(tmp_path, program, show_output=True))
    assert message == f"save: python failed with exit code 3: {'é' * 500}"
    program = python(PRINT.format("sys.stderr.buffer.write(bytes(range(256)))"))
    message = error_of(save, store_of(tmp_path, program, show_output=True))
    assert "ABC" in message
    assert message.isprintable()


def test_check_finds_a_missing_program(tmp_path: Path) -> None:
    check(store_of(tmp_path))
    check(store_of(tmp_path, check=OK))
    missing = str(tmp_path / "missing")
    message = f"program {missing} not found; install it or correct its path"
    assert error_of(check, store_of(tmp_path, [missing])) == f"save: {message}"
    assert error_of(check, store_of(tmp_path, load=[missing])) == f"load: {message}"
    assert error_of(save, store_of(tmp_path, [missing])) == f"save: {missing} could not be run: FileNotFoundError"


@pytest.mark.parametrize(
    ("key", "plain", "problem"),
    [("a\0b", "inc_a", "could not be run"), ("a", "\ud800", "could not be run"), ("a", "x" * 65_537, "is too long")],
)
def test_a_key_or_token_that_no_program_can_receive_is_rejected(
    vault: CommandStore, key: str, plain: str, problem: str
) -> None:
    with pytest.raises(StoreUnavailableError, match=problem):
        vault.save(key, Token(plain))


@pytest.mark.parametrize("run", [save, load])
@pytest.mark.parametrize(
    ("error", "expected"), [(OverflowError, StoreUnavailableError), (KeyboardInterrupt, KeyboardInterrupt)]
)
def test_an_unexpected_exception_kills_the_program_and_contains_no_token(
    processes: Processes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: Run, error: Any, expected: Any
) -> None:
    sleep, failures = time.sleep, [error]

    def fail(seconds: float) -> None:
        data = CANARY
        if failures:
            raise failures.pop()(f"at {data}")
        sleep(seconds)

    def run_while_handling() -> None:
        try:
            raise LookupError("of the caller")
        except LookupError:
            run(store_of(tmp_path, BLOCK, BLOCK))

    monkeypatch.setattr(time, "sleep", fail)
    with pytest.raises(expected) as caught:
        run_while_handling()
    assert CANARY not in renderings(caught.value)
    assert isinstance(caught.value.__context__, LookupError)
    assert caught.value.__context__.__traceback__ is not None  # the caller's own exception is unchanged
    assert [process.returncode for process in processes] == [-signal.SIGKILL]


@pytest.mark.parametrize(("save", "load", "field"), [(OK, OK_WITH_KEY, "save"), (OK_WITH_KEY, OK, "load")])
def test_save_and_load_share_the_placeholder(tmp_path: Path, save: list[str], load: list[str], field: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"{field}: has no {{key}}, but"):
        store_of(tmp_path, save, load)


def test_a_store_without_the_placeholder_has_a_single_slot(vault: CommandStore, tmp_path: Path) -> None:
    assert store_of(tmp_path).single_slot is True
    assert vault.single_slot is False
    assert store_of(tmp_path, ["put", "name={key}"], ["get", "{key}"], check=OK).single_slot is False


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        *(("absent", [code], r"\[0\]: .* 1 to 255") for code in (0, 256, -9, True, "2", 2.0, None)),
        *(("journal", path, ": ") for path in ("", "a\0b", None, 3, b"journal")),
        *(("timeout", seconds, ": takes sec.* 86400$") for seconds in (0, -1, math.nan, math.inf, 86_401, None, "1")),
    ],
)
def test_invalid_arguments_are_rejected(tmp_path: Path, field: str, value: Any, problem: str) -> None:
    arguments = {"journal": tmp_path, field: value}
    with pytest.raises(InvalidRequestError, match=rf"^the store was not created:\n  {field}{problem}"):
        CommandStore(OK, OK, **arguments)


def test_one_error_reports_all_invalid_arguments(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"save": [], "load": "cat {key}", "check": ["a", 1], "timeout": 0, "absent": 1}
    with pytest.raises(InvalidRequestError) as caught:
        CommandStore(**arguments, journal=tmp_path)
    assert [problem.field for problem in caught.value.problems] == ["save", "load", "check[1]", "timeout", "absent"]
    assert "CommandStore('')" in renderings(caught.value)
    store = store_of(tmp_path, absent=[1, 255], timeout=86_400)
    assert repr(store) == f"CommandStore({sys.executable!r})"
    assert store.journal == tmp_path / "journal"
