"""DotenvStore: one line of a dotenv file is ours, and whatever else is in it stays as it is."""

from __future__ import annotations

import errno
import os
import shlex
import stat
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from incident_io_keys import InvalidRequestError, Token
from incident_io_keys.storage import DotenvStore, StoreUnavailableError, _files

from ..conftest import CANARY
from ..hiding import renderings

OLD = "inc_" + "0ddba11" * 8
THEIRS = "sk_live_51Hx"  # what stands in another line
KEY = "any"
LOCK = "..env.incident-io-keys-lock"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path / ".env"


def filled(path: Path, content: str | bytes) -> DotenvStore:
    path.touch(0o600)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return DotenvStore(path)


def attempts(store: DotenvStore) -> list[Callable[[], object]]:
    return [store.check, lambda: store.load(KEY), lambda: store.save(KEY, Token(CANARY))]


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize(
    "line",
    ["{}", "'{}'", '"{}"', " {} ", "{} # the key", "'{}' # it's the key", '"{}"\t#x', " '{}' ", "{}\t", "{}\r", "{} #"],
)
def test_a_value_is_read_as_others_write_it(path: Path, line: str) -> None:
    store = filled(path, f"INCIDENT_API_KEY={line.format(OLD)}\nA=1\n")
    store.check()
    assert store.load(KEY) == Token(OLD)


@pytest.mark.parametrize(
    "value", [f"{OLD} {THEIRS}", f"'{OLD}", f"{OLD}#", f"'{OLD}'x", "$SECRET", f"{OLD}é", f"'{OLD} '", f"{OLD}\\"]
)
def test_a_value_that_programs_read_differently_is_refused_and_not_shown(path: Path, value: str) -> None:
    store = filled(path, f"A={THEIRS}\nINCIDENT_API_KEY={value}\n")
    before = Token(path.read_text())  # which does not show in the frame of this test
    del value
    for attempt in attempts(store):
        with pytest.raises(StoreUnavailableError, match="sets INCIDENT_API_KEY to what is no token") as caught:
            attempt()
        shown = renderings(caught.value)
        assert not [secret for secret in (OLD, THEIRS, CANARY) if secret in shown]
    assert Token(path.read_text()) == before


def test_a_variable_that_is_set_several_times_is_refused_and_not_shown(path: Path) -> None:
    store = filled(path, f"INCIDENT_API_KEY={OLD}\nA={THEIRS}\nexport INCIDENT_API_KEY={OLD}\n")
    for attempt in attempts(store):
        with pytest.raises(StoreUnavailableError, match="sets INCIDENT_API_KEY 2 times: leave one of them") as caught:
            attempt()
        shown = renderings(caught.value)
        assert not [secret for secret in (OLD, THEIRS, CANARY) if secret in shown]
    assert CANARY not in path.read_text()


@pytest.mark.parametrize(
    "plain", ["a b", "a#b", "a$b", "a'b", 'a"b', "a\\b", "a`b", "a\nb", "a\rb", "é", "\ud800", "", "!", "~root/a"]
)
def test_a_token_that_programs_would_read_differently_is_refused_and_the_file_stays(path: Path, plain: str) -> None:
    store = filled(path, f"INCIDENT_API_KEY={OLD}")
    for token in (Token(plain), Token(CANARY + plain + CANARY)):
        if token == Token(CANARY * 2):
            continue
        with pytest.raises(StoreUnavailableError, match="characters that programs read differently") as caught:
            store.save(KEY, token)
        assert CANARY not in renderings(caught.value)
    assert path.read_text() == f"INCIDENT_API_KEY={OLD}"


@pytest.mark.parametrize("token", [Token(CANARY), Token("09aZ_.+/=:@%-"), Token("=="), Token("%s%%")])
def test_what_is_written_is_read_alike_by_all(path: Path, token: Token) -> None:
    store = filled(path, f"# a comment\nA='{THEIRS}'\nexport B=1")
    for each in (Token(OLD), token):  # in a line of its own, and in the place of another
        store.save(KEY, each)
    by_shell = subprocess.run(
        ["sh", "-c", 'set -a; . "$1"; printf %s "$INCIDENT_API_KEY"', "sh", path],  # noqa: S607
        capture_output=True,
        check=True,
    )
    assert by_shell.stdout.decode() == token.reveal()
    words = shlex.split(path.read_text(), comments=True)
    assert f"INCIDENT_API_KEY={token.reveal()}" in words
    assert f"INCIDENT_API_KEY={token.reveal()}" in path.read_text().splitlines()  # as `docker --env-file` takes it


def test_a_new_file_only_its_owner_can_read_and_an_existing_one_keeps_its_mode(path: Path) -> None:
    store = DotenvStore(path)
    store.check()
    assert names(path.parent) == [LOCK]
    store.save(KEY, Token(CANARY))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for mode in (0o640, 0o400):
        path.chmod(mode)
        store.check()
        store.save(KEY, Token(CANARY))
        assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601])
def test_a_file_that_is_open_to_others_is_refused(path: Path, mode: int) -> None:
    store = filled(path, "")
    path.chmod(mode)
    with pytest.raises(StoreUnavailableError, match=r"is open to everyone: take that from others \(chmod o=\)"):
        store.check()
    path.chmod(0o600)
    path.parent.chmod(0o777)
    with pytest.raises(StoreUnavailableError, match="everyone can write to"):
        store.check()


def test_what_a_link_points_to_is_replaced_and_the_link_stays(path: Path) -> None:
    (path.parent / "real").mkdir()
    path.symlink_to("real/env")
    store = DotenvStore(path)
    store.save(KEY, Token(OLD))
    store.save(KEY, Token(CANARY))
    assert path.is_symlink()
    assert (path.parent / "real" / "env").read_text() == f"INCIDENT_API_KEY={CANARY}\n"
    assert store.journal.parent == path.parent / "real"  # which all have in common, whatever link they take


def test_a_link_that_leads_nowhere_is_found_by_the_check(path: Path) -> None:
    path.symlink_to("missing/env")
    with pytest.raises(StoreUnavailableError, match="No such file"):
        DotenvStore(path).check()
    (path.parent / "loop").symlink_to("loop")
    with pytest.raises(StoreUnavailableError):
        DotenvStore(path.parent / "loop").check()


def test_stores_of_one_file_lose_nothing_of_each_other(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    filled(path, f"A={THEIRS}\n")
    barrier = Barrier(6)

    def work(number: int) -> None:
        store = DotenvStore(path, f"KEY_{number}")
        barrier.wait(30)
        for turn in range(20):
            store.check()
            store.save(KEY, Token(f"inc_{number}_{turn}"))
            assert store.load(KEY) == Token(f"inc_{number}_{turn}")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert set(path.read_text().splitlines()) == {
        f"A={THEIRS}",
        *(f"KEY_{number}=inc_{number}_19" for number in range(6)),
    }
    assert names(path.parent) == [LOCK, ".env"]


@pytest.mark.parametrize("reads", [0, 1, 2])
def test_a_file_that_cannot_be_read_shows_nothing_of_the_new_token(
    monkeypatch: pytest.MonkeyPatch, path: Path, reads: int
) -> None:
    store = filled(path, f"A={THEIRS}\nINCIDENT_API_KEY={OLD}\n")
    left = iter(range(reads))
    read = _files.read

    def fails_at_last(path: Path) -> bytes:
        if next(left, None) is None:
            raise OSError(errno.EIO, "Input/output error")
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(_files, "read", fails_at_last)
        with pytest.raises(StoreUnavailableError, match=r"was not kept in .*: Input/output error") as caught:
            store.save(KEY, Token(CANARY))
    assert caught.value.__context__ is not None
    shown = renderings(caught.value) + renderings(caught.value.__context__)
    assert not [secret for secret in (OLD, THEIRS, CANARY) if secret in shown]
    assert path.read_text() == f"A={THEIRS}\nINCIDENT_API_KEY={OLD}\n"
    assert names(path.parent) == [LOCK, ".env"]


def test_a_full_disk_is_found_by_the_check_with_as_much_as_the_file_will_have(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    store = filled(path, f"INCIDENT_API_KEY={OLD}\n" + "# x\n" * 10_000)
    size = path.stat().st_size

    def fsync(descriptor: int) -> None:
        if os.fstat(descriptor).st_size > size + len(CANARY):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StoreUnavailableError, match=r"would not be kept in .*: No space left on device") as caught:
        store.check()
    assert OLD not in renderings(caught.value)
    assert path.stat().st_size == size
    assert names(path.parent) == [LOCK, ".env"]


def test_a_file_that_is_none_is_no_empty_one(path: Path) -> None:
    path.mkdir()
    store = DotenvStore(path)
    for attempt in attempts(store):
        with pytest.raises(StoreUnavailableError, match="Is a directory"):
            attempt()
    assert DotenvStore("/").journal == Path("/..INCIDENT_API_KEY-journal")


def test_a_store_is_only_made_of_what_can_name_a_file_and_a_variable(path: Path) -> None:
    variables: list[Any] = ["", "1A", "A-B", "A B", "A=", "É", "A\n", None, 3, b"A", ["A"]]
    for variable in variables:
        with pytest.raises(InvalidRequestError, match="variable: takes letters"):
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
