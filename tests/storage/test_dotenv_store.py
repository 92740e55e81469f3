"""DotenvStore: the token of one key in a line of a dotenv file."""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from incident_io_keys import InvalidRequestError, Token
from incident_io_keys.storage import DotenvStore, StoreUnavailableError

from ..conftest import CANARY
from ..hiding import renderings

OLD = "inc_" + "0ddba11" * 8
THEIRS = "sk_live_51Hx"  # a secret in another line
LOCK = "..env.incident-io-keys-lock"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path / ".env"


def filled(path: Path, content: str | bytes) -> DotenvStore:
    path.touch(0o600)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return DotenvStore(path)


def rejected(store: DotenvStore, problem: str) -> None:
    """Assert that check, save and load raise an error with this problem, and that the file does not change."""
    path = Path(store.journal.parent / ".env")
    before = Token(path.read_bytes().decode("latin-1"))
    attempts: dict[str, Callable[[], object]] = {
        "cannot save a token to": store.check,
        "the token was not saved to": lambda: store.save("any", Token(CANARY)),
        "cannot read a token from": lambda: store.load("any"),
    }
    for what, attempt in attempts.items():
        with pytest.raises(StoreUnavailableError) as caught:
            attempt()
        assert str(caught.value) == f"{what} {path}: {problem}"
        assert caught.value.__context__ is not None
        shown = renderings(caught.value) + renderings(caught.value.__context__)
        assert not [secret for secret in (OLD, THEIRS, CANARY) if secret in shown]
    assert Token(path.read_bytes().decode("latin-1")) == before


def test_a_variable_is_added_and_then_replaced(path: Path) -> None:
    store = DotenvStore(path)
    store.check()
    assert store.load("any") is None
    assert [each.name for each in path.parent.iterdir()] == [LOCK]
    store.save("any", Token(OLD))
    store.save("other", Token(CANARY))
    assert store.load("any") == Token(CANARY)
    assert path.read_text() == f"INCIDENT_API_KEY={CANARY}\n"


@pytest.mark.parametrize(
    "line",
    ["{}", "'{}'", '"{}"', " {} ", "{} # the key", "'{}' # it's the key", '"{}"\t#x', " '{}' ", "{}\t", "{}\r", "{} #"],
)
def test_a_plain_value_is_loaded(path: Path, line: str) -> None:
    store = filled(path, f"INCIDENT_API_KEY={line.format(OLD)}\nA=1\n")
    store.check()
    assert store.load("any") == Token(OLD)


@pytest.mark.parametrize(
    "value",
    [
        *("{} sk_live_51Hx", "{}#", "'{}'x", "$SECRET", "{}é", "'{} '", "{}\\", "'{}'#x", "{}; export A", "{}\x0b"),
        *("\xa0{}", "'{}\nA=1'", "`{}`"),
    ],
)
def test_a_value_that_programs_read_differently_is_rejected(path: Path, value: str) -> None:
    store = filled(path, f"A={THEIRS}\nINCIDENT_API_KEY={value.format(OLD)}\n")
    problem = "line 2 sets INCIDENT_API_KEY to something other than a token; write INCIDENT_API_KEY=TOKEN"
    rejected(store, problem)


def test_a_variable_that_is_set_twice_is_rejected(path: Path) -> None:
    store = filled(path, f"INCIDENT_API_KEY={OLD}\nA={THEIRS}\nexport INCIDENT_API_KEY=\n")
    rejected(store, "it sets INCIDENT_API_KEY 2 times; keep one of the lines")


@pytest.mark.parametrize(
    "content",
    [
        *(f"\ufeffINCIDENT_API_KEY={OLD}\n".encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be")),
        f"INCIDENT_API_KEY={OLD}\n".encode("utf-16-le"),
        *(f"A=é\nINCIDENT_API_KEY={OLD}\n".encode("latin-1"), b"\xff\xfe", b"\xef\xbb\xbf", b"A=1\0\n"),
    ],
    ids=["utf-8 bom", "utf-16-le bom", "utf-16-be bom", "utf-16", "latin-1", "utf-16 empty", "utf-8 empty", "null"],
)
def test_another_encoding_than_utf_8_is_rejected(path: Path, content: bytes) -> None:
    store = filled(path, content)
    del content  # it would be in the frame of this test
    problem = "it has a byte order mark or is not UTF-8; save the file as UTF-8 without a byte order mark"
    rejected(store, problem)


@pytest.mark.parametrize(
    "plain", ["a b", "a#b", "a$b", "a'b", 'a"b', "a\\b", "a`b", "a\nb", "a\rb", "é", "\ud800", "", "!", "~root/a"]
)
def test_a_token_that_programs_would_read_differently_is_not_saved(path: Path, plain: str) -> None:
    store = filled(path, f"INCIDENT_API_KEY={OLD}")
    token = Token(CANARY + plain + CANARY if plain else "")
    with pytest.raises(StoreUnavailableError, match="characters that programs read differently") as caught:
        store.save("any", token)
    assert CANARY not in renderings(caught.value)
    assert path.read_text() == f"INCIDENT_API_KEY={OLD}"


@pytest.mark.parametrize("token", [Token(CANARY), Token("09aZ_.+/=:@%-"), Token("=="), Token("%s%%")])
def test_every_program_reads_the_saved_token(path: Path, token: Token) -> None:
    store = filled(path, f"# a comment\nA='{THEIRS}'\nexport B=1")
    for each in (Token(OLD), token):
        store.save("any", each)
    by_shell = subprocess.run(
        ["sh", "-c", 'set -a; . "$1"; printf %s "$INCIDENT_API_KEY"', "sh", path],  # noqa: S607
        capture_output=True,
        check=True,
    )
    assert by_shell.stdout.decode() == token.reveal()
    assert f"INCIDENT_API_KEY={token.reveal()}" in shlex.split(path.read_text(), comments=True)
    assert f"INCIDENT_API_KEY={token.reveal()}" in path.read_text().splitlines()  # as `docker --env-file` reads it


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601])
def test_others_must_not_use_the_file_or_write_to_its_directory(path: Path, mode: int) -> None:
    store = filled(path, "")
    path.chmod(mode)
    with pytest.raises(StoreUnavailableError, match="everyone can use the file; run chmod o= on it"):
        store.check()
    path.chmod(0o600)
    path.parent.chmod(0o777)
    with pytest.raises(StoreUnavailableError, match="everyone can write to its directory; run chmod o-w on it"):
        store.check()


def test_a_link_is_followed(path: Path) -> None:
    (path.parent / "real").mkdir()
    path.symlink_to("real/env")
    store = DotenvStore(path)
    store.save("any", Token(OLD))
    store.save("any", Token(CANARY))
    assert path.is_symlink()
    assert (path.parent / "real" / "env").read_text() == f"INCIDENT_API_KEY={CANARY}\n"
    assert store.journal.parent == path.parent / "real"  # the same for every link to the file


def test_a_path_without_a_usable_file_is_an_error(path: Path) -> None:
    (path.parent / "dangling").symlink_to("missing/env")
    (path.parent / "loop").symlink_to("loop")
    for name, message in (("dangling", "No such file"), ("loop", "Too many levels"), (".", "Is a directory")):
        with pytest.raises(StoreUnavailableError, match=message):
            DotenvStore(path.parent / name).check()
    assert DotenvStore("/").journal == Path("/..INCIDENT_API_KEY-journal")


def test_stores_of_one_file_keep_each_others_variables(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    filled(path, f"A={THEIRS}\n")
    barrier = Barrier(6)

    def work(number: int) -> None:
        store = DotenvStore(path, f"KEY_{number}")
        barrier.wait(30)
        for turn in range(20):
            store.check()
            store.save("any", Token(f"inc_{number}_{turn}"))
            assert store.load("any") == Token(f"inc_{number}_{turn}")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    lines = {f"A={THEIRS}", *(f"KEY_{number}=inc_{number}_19" for number in range(6))}
    assert set(path.read_text().splitlines()) == lines
    assert sorted(each.name for each in path.parent.iterdir()) == [LOCK, ".env"]


def test_the_check_needs_as_much_space_as_the_file_will_take(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    store = filled(path, f"INCIDENT_API_KEY={OLD}\n" + "# é\n" * 10_000)
    size = path.stat().st_size

    def fsync(descriptor: int) -> None:
        if os.fstat(descriptor).st_size > size + len(CANARY):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StoreUnavailableError, match=r"cannot save a token to .*: No space left on device") as caught:
        store.check()
    assert OLD not in renderings(caught.value)
    assert path.stat().st_size == size


def test_a_variable_needs_a_valid_name(path: Path) -> None:
    variables: list[Any] = ["", "1A", "A-B", "A B", "A=", "É", "A\n", None, 3, b"A", ["A"]]
    for variable in variables:
        with pytest.raises(InvalidRequestError, match=r"variable: (takes|has 0 characters)"):
            DotenvStore(path, variable)
    with pytest.raises(InvalidRequestError) as caught:
        DotenvStore("a\0b", "1A")
    assert [problem.field for problem in caught.value.problems] == ["path", "variable"]
    stores = DotenvStore(path), DotenvStore(path, "_b2")
    assert [repr(store) for store in stores] == [
        f"DotenvStore({str(path)!r}, 'INCIDENT_API_KEY')",
        f"DotenvStore({str(path)!r}, '_b2')",
    ]
    assert stores[0].journal != stores[1].journal
