"""CommandStore, with small programs that are really run."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incident_io_keys import InvalidRequestError, Token
from incident_io_keys.storage import CommandStore, StoreUnavailableError

from ..conftest import CANARY
from ..hiding import renderings

OLD = "inc_" + "0ddba11" * 8
SECRET = CANARY.removeprefix("inc_")

# What a vault's command line does. Beside the token, it notes all that others on the machine could see of it.
STORE = """
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


def python(source: str, *arguments: object) -> list[str]:
    return [sys.executable, "-S", "-c", source, *map(str, arguments)]


FINE = python("")
KEYED = python("", "{key}")


def store_of(tmp_path: Path, store: list[str] = FINE, load: list[str] = FINE, **arguments: Any) -> CommandStore:
    return CommandStore(store, load, journal=tmp_path / "journal", **arguments)


@pytest.fixture
def vault(tmp_path: Path) -> CommandStore:
    arguments = (tmp_path, "{key}")
    return store_of(tmp_path, python(STORE, *arguments), python(LOAD, *arguments), absent=[1])


def kept(tmp_path: Path, key: str) -> bytes:
    return (tmp_path / key.encode().hex()).read_bytes()


def test_a_program_gets_the_token_on_its_input_and_nowhere_else(vault: CommandStore, tmp_path: Path) -> None:
    vault.save("a", Token(OLD))
    vault.save("a", Token(CANARY))
    assert kept(tmp_path, "a") == CANARY.encode()  # without a line break
    argv, environment = json.loads((tmp_path / "seen").read_text())
    assert argv[1:] == [str(tmp_path), "a"]
    assert CANARY not in str(argv) + str(environment)
    assert vault.load("a") == Token(CANARY)


@pytest.mark.parametrize("key", ["a; rm -rf .", "$(id)", "`id`", "a b", "*", "'\"", "{key}", "--force", "é"])
def test_no_shell_reads_the_key(vault: CommandStore, tmp_path: Path, key: str) -> None:
    vault.save(key, Token(CANARY))
    assert kept(tmp_path, key) == CANARY.encode()
    assert vault.load(key) == Token(CANARY)


def test_the_key_stands_wherever_an_argument_names_it(tmp_path: Path) -> None:
    load = python("import sys; print(*sys.argv[1:], sep='|')", "path/{key}/{key}.txt", "{other}", "{{key}}")
    assert store_of(tmp_path, KEYED, load).load("a") == Token("path/a/a.txt|{other}|{a}")


def test_an_exit_code_may_say_that_there_is_none(vault: CommandStore, tmp_path: Path) -> None:
    assert vault.load("a") is None
    failing = store_of(tmp_path, python("raise SystemExit(1)"), python("raise SystemExit(2)"), absent={1})
    with pytest.raises(StoreUnavailableError) as caught:
        failing.load("a")
    advice = "if that says that it has none, give absent=[2]"
    assert str(caught.value) == f"load: {sys.executable} failed with exit code 2; {advice}"
    with pytest.raises(StoreUnavailableError, match=r"^save: .* failed with exit code 1$"):
        failing.save("a", Token(CANARY))  # it says so of `load` alone
    with pytest.raises(StoreUnavailableError, match=r"failed with exit code 1: no such secret; .* give absent=\[1\]$"):
        store_of(tmp_path, KEYED, python(LOAD, tmp_path, "{key}")).load("a")


def test_with_such_an_exit_code_no_output_counts(tmp_path: Path) -> None:
    load = python(f"print({OLD!r}); raise SystemExit(4)")
    assert store_of(tmp_path, load=load, absent=(4,)).load("a") is None


@pytest.mark.parametrize(
    ("output", "token"),
    [(b"", None), (b" \r\n", None), (b"  inc_abc\r\n", Token("inc_abc")), (b"x" * 65_536, Token("x" * 65_536))],
)
def test_what_a_program_writes_is_the_token(tmp_path: Path, output: bytes, token: Token | None) -> None:
    load = python(f"import sys; sys.stdout.buffer.write({output!r})")
    assert store_of(tmp_path, load=load).load("a") == token


NO_TOKENS = [b"inc_abc inc_def", b"token: " + OLD.encode(), b"\xff", "inc_é".encode(), b" " * 65_537, b"x" * 65_537]


@pytest.mark.parametrize("output", NO_TOKENS)
def test_what_a_program_writes_is_refused_and_not_shown_where_it_is_no_token(tmp_path: Path, output: bytes) -> None:
    load = python(f"import sys; sys.stdout.buffer.write({output!r})")
    with pytest.raises(StoreUnavailableError, match=r"^load: .* writes what is no token: it has ") as caught:
        store_of(tmp_path, load=load).load("a")
    assert OLD not in str(caught.value)


def test_what_a_store_writes_does_not_matter(tmp_path: Path) -> None:
    store = python("print('done ' * 100_000)")
    store_of(tmp_path, store, check=store).save("a", Token(CANARY))
    store_of(tmp_path, store, check=store).check()


def test_a_program_that_is_killed_has_failed(tmp_path: Path) -> None:
    dies = python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(StoreUnavailableError, match=r"^save: .* failed with exit code -9$"):
        store_of(tmp_path, dies).save("a", Token(CANARY))
    with pytest.raises(
        StoreUnavailableError, match=r"^load: .* failed with exit code -9$"
    ):  # which says nothing of the token
        store_of(tmp_path, load=dies).load("a")


def test_a_program_that_does_not_read_its_input_may_still_succeed(tmp_path: Path) -> None:
    store_of(tmp_path, python("import os; os.close(0)")).save("a", Token(CANARY))


WAITS = python("import os; r, w = os.pipe(); os.read(r, 1)")


def save(store: CommandStore) -> None:
    store.save("a", Token(CANARY))


def load(store: CommandStore) -> None:
    store.load("a")


@pytest.mark.parametrize("run", [save, load])
def test_a_program_that_takes_too_long_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: Callable[[CommandStore], object]
) -> None:
    processes: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **keywords: Any) -> None:
            super().__init__(*arguments, **keywords)
            processes.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    with pytest.raises(StoreUnavailableError) as caught:
        run(store_of(tmp_path, WAITS, WAITS, timeout=0.2))
    assert str(caught.value) == f"{run.__name__}: {sys.executable} took more than 0.2 s"
    assert CANARY not in renderings(caught.value)
    assert [process.poll() for process in processes] == [-9]


SAYS = "import sys; token = sys.stdin.read(); sys.stderr.write({}); raise SystemExit(3)"


WRAPPED = "' \\n\\t'.join(token[at : at + 7] for at in range(0, len(token), 7))"


@pytest.mark.parametrize("said", ["token", "'\\x1b[31m' + token", "repr(token)", "'x' * 490 + token", WRAPPED])
@pytest.mark.parametrize("token", [Token(CANARY), Token("no-prefix/" + SECRET)], ids=["ours", "of another shape"])
def test_what_a_program_says_of_the_token_is_not_told_on(tmp_path: Path, said: str, token: Token) -> None:
    with pytest.raises(StoreUnavailableError) as caught:
        store_of(tmp_path, python(SAYS.format(said))).save("a", token)
    left_out = "failed with exit code 3 (what it says is left out: a token is in it)"
    assert str(caught.value) == f"save: {sys.executable} {left_out}"
    assert SECRET not in renderings(caught.value)
    assert caught.value.__context__ is None


def test_of_what_a_program_says_there_is_not_more_than_a_person_reads(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError) as caught:
        store_of(tmp_path, python(SAYS.format("'é' * 100_000"))).save("a", Token(CANARY))
    assert 500 <= len(str(caught.value)) - len(sys.executable) < 600


def test_binary_that_a_program_says_is_no_reason_to_fail_otherwise(tmp_path: Path) -> None:
    store = python("import sys; sys.stderr.buffer.write(bytes(range(256))); raise SystemExit(3)")
    with pytest.raises(StoreUnavailableError, match="exit code 3: ") as caught:
        store_of(tmp_path, store).save("a", Token(CANARY))
    assert str(caught.value).isprintable()


def test_a_token_that_is_printed_by_a_load_that_fails_is_not_told_on(tmp_path: Path) -> None:
    load = python(f"import sys; print({OLD!r}); print({OLD!r}, file=sys.stderr); raise SystemExit(1)")
    with pytest.raises(StoreUnavailableError) as caught:
        store_of(tmp_path, load=load).load("a")
    assert "failed with exit code 1 (what it says is left out: a token is in it); if" in str(caught.value)
    assert OLD not in str(caught.value)


def test_a_missing_program_is_found_by_the_check(tmp_path: Path) -> None:
    store_of(tmp_path).check()
    missing = [str(tmp_path / "missing")]
    for what, store in (("save", store_of(tmp_path, missing)), ("load", store_of(tmp_path, load=missing))):
        with pytest.raises(StoreUnavailableError, match=rf"^{what}: there is no program .*missing"):
            store.check()
    with pytest.raises(StoreUnavailableError, match="missing cannot be run: FileNotFoundError") as caught:
        store_of(tmp_path, missing).save("a", Token(CANARY))
    assert CANARY not in renderings(caught.value)


def test_a_program_of_ones_own_can_check(tmp_path: Path) -> None:
    store_of(tmp_path, check=FINE).check()
    with pytest.raises(StoreUnavailableError, match=r"^check: .* failed with exit code 1: sealed$"):
        store_of(tmp_path, check=python("raise SystemExit('sealed')"), absent=[1]).check()


@pytest.mark.parametrize(("key", "plain"), [("a\0b", "inc_a"), ("a", "\ud800")])
def test_what_no_program_can_be_given_is_a_failure_of_the_store(vault: CommandStore, key: str, plain: str) -> None:
    with pytest.raises(StoreUnavailableError, match="cannot be run: "):
        vault.save(key, Token(plain))


def test_whatever_running_a_program_raises_shows_no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def run(*_: object, input: bytes, **__: object) -> None:
        raise OverflowError(input)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(StoreUnavailableError, match="cannot be run: OverflowError") as caught:
        store_of(tmp_path).save("a", Token(CANARY))
    assert CANARY not in renderings(caught.value)


@pytest.mark.parametrize("run", [save, load])
def test_an_interrupt_gets_through_and_shows_no_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: Callable[[CommandStore], None]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        written = CANARY  # as subprocess has what it reads and writes
        raise KeyboardInterrupt(f"at {written}")

    def run_while_handling() -> None:
        try:
            raise LookupError("of the caller")
        except LookupError:
            run(store_of(tmp_path))

    monkeypatch.setattr(subprocess, "run", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        run_while_handling()
    assert CANARY not in renderings(caught.value)
    assert caught.value.__context__ is not None
    assert caught.value.__context__.__traceback__ is not None  # that is none of ours


@pytest.mark.parametrize(("save", "load", "field"), [(FINE, KEYED, "save"), (KEYED, FINE, "load")])
def test_a_key_that_only_one_of_the_programs_is_told_is_refused(
    tmp_path: Path, save: list[str], load: list[str], field: str
) -> None:
    with pytest.raises(InvalidRequestError, match=rf"{field}: has no {{key}}, but"):
        store_of(tmp_path, save, load)


def test_without_the_key_in_its_programs_it_has_one_place(vault: CommandStore, tmp_path: Path) -> None:
    assert store_of(tmp_path).single_slot is True
    assert vault.single_slot is False
    assert store_of(tmp_path, ["put", "name={key}"], ["get", "{key}"], check=FINE).single_slot is False


@pytest.mark.parametrize("absent", [[0], [256], [-9], [True], ["2"], [2.0], [None]])
def test_what_no_exit_code_is_is_refused(tmp_path: Path, absent: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"absent\[0\]: .* 1 to 255"):
        store_of(tmp_path, absent=absent)
    store_of(tmp_path, absent=[1, 255])


@pytest.mark.parametrize("journal", ["", "a\0b", None, 3, b"journal"])
def test_a_journal_that_is_no_path_is_refused(journal: Any) -> None:
    with pytest.raises(InvalidRequestError, match="journal: "):
        CommandStore(FINE, FINE, journal=journal)


@pytest.mark.parametrize("timeout", [0, -1, math.nan, math.inf, 86_401, None, "1"])
def test_a_timeout_that_no_program_could_be_given_is_refused(tmp_path: Path, timeout: Any) -> None:
    with pytest.raises(InvalidRequestError, match="timeout: takes seconds, more than 0 and at most 86400"):
        store_of(tmp_path, timeout=timeout)
    store_of(tmp_path, FINE, timeout=86_400).save("a", Token(CANARY))


def test_all_that_is_wrong_with_the_arguments_is_told_at_once(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"save": [], "load": "cat {key}", "check": ["a", 1], "timeout": 0, "absent": 1}
    with pytest.raises(InvalidRequestError) as caught:
        CommandStore(**arguments, journal=tmp_path)
    assert [problem.field for problem in caught.value.problems] == ["save", "load", "check[1]", "timeout", "absent"]
    assert "CommandStore('')" in renderings(caught.value)
    assert repr(store_of(tmp_path)) == f"CommandStore({sys.executable!r})"
    assert store_of(tmp_path).journal == tmp_path / "journal"
