"""The journal: what other processes find of an operation, who may work on it, and that it has no token."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from incident_io_keys import Token
from incident_io_keys.storage import KeyBusyError, StoreUnavailableError
from incident_io_keys.storage._journal import Entry, Fingerprint, Journal

from ..conftest import CANARY
from ..hiding import renderings
from ..programs import fork
from .doing import throw

ENTRY = Entry(
    operation="rotate",
    name="café \u2028 'bot' \\",
    began=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    key_id="01ABC",
    known=("a", "b"),
    caller="01CALLER",
    issued_before=datetime(2025, 1, 2, tzinfo=UTC) + timedelta(microseconds=1),
    fingerprint=Fingerprint("0f" * 16, "ab" * 32),
    grace_period_minutes=7,
)
NEXT = evolve(ENTRY, name="next", fingerprint=None, issued_before=None)
HOLDS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from incident_io_keys.storage._journal import Entry, Journal
operation = Journal(Path(sys.argv[1]), single_slot=False).begin_rotation("a")
operation.begin(Entry(operation="rotate", name="bot", began=datetime(2026, 1, 2, tzinfo=UTC)))
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "rotate-a.json"


@pytest.fixture
def journal(path: Path) -> Journal:
    return Journal(path.parent, single_slot=False)


def pending(journal: Journal, path: Path) -> Entry | None:
    """Return what another process finds."""
    with journal.open(path) as operation:
        return operation.entry


def files(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


@pytest.mark.parametrize("entry", [ENTRY, NEXT, Entry(operation="create", name="", began=ENTRY.began)])
def test_another_process_finds_the_last_entry(journal: Journal, path: Path, entry: Entry) -> None:
    with journal.begin_rotation("a") as operation:
        assert (operation.path, operation.entry) == (path, None)
        operation.begin(evolve(entry, name="earlier"))
        operation.write(entry)
    assert journal.paths() == [path]
    assert pending(journal, path) == entry
    assert files(path) == ["rotate-a.json"]


def test_a_completed_operation_leaves_no_file(journal: Journal, path: Path) -> None:
    for work in (lambda operation: operation.complete(), lambda operation: operation.rollback(), lambda _: None):
        with journal.begin_rotation("a") as operation:
            operation.begin(ENTRY)
            work(operation)
        assert files(path) == (["rotate-a.json"] if operation.entry else [])


def test_a_rejected_request_restores_the_earlier_entry(journal: Journal, path: Path) -> None:
    with journal.begin_rotation("a") as operation:
        operation.begin(ENTRY)
    for _ in range(2):
        with journal.begin_rotation("a") as operation:
            operation.begin(NEXT)
            operation.rollback()
        assert pending(journal, path) == ENTRY


@pytest.mark.parametrize("fails", ["rename", "sync"])
@pytest.mark.parametrize("earlier", [None, ENTRY])
def test_an_entry_that_cannot_be_written_is_not_pending(
    fails: str, earlier: Entry | None, journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with journal.begin_rotation("a") as operation:
        if earlier is not None:
            operation.begin(earlier)
    with journal.begin_rotation("a") as operation, monkeypatch.context() as patch:
        failures = [OSError(errno.ENOSPC, "No space left on device")]

        def replace(old: Path, new: Path) -> None:
            if fails == "sync":
                os.replace(old, new)  # noqa: PTH105 - Path.replace is patched
            if failures:
                raise failures.pop()

        patch.setattr(Path, "replace", replace)
        with pytest.raises(StoreUnavailableError, match="No space left on device"):
            operation.begin(NEXT)
    assert pending(journal, path) == earlier


CONTENTS = [
    b"",
    b"\0" * 99,
    b"\xff\xfe",
    b'{"operation":"rotate","name":"caf\xc3"}',
    b'{"operation": "cre',
    b"[" * 100_000,
    b"{}",
    b"[]",
    b'{"operation":"transfer","name":"a","began":"2026-01-01T00:00:00Z"}',
]


@pytest.mark.parametrize("content", CONTENTS)
def test_a_damaged_file_is_an_error(journal: Journal, path: Path, content: bytes) -> None:
    path.parent.mkdir(0o700)
    path.write_bytes(content)
    attempts: list[Callable[[], object]] = [lambda: journal.begin_rotation("a"), lambda: journal.open(path)]
    for attempt in attempts:
        with pytest.raises(StoreUnavailableError, match=r"rotate-a.json (is damaged|was written by another)") as caught:
            attempt()
        assert caught.value.entry == path
    assert path.read_bytes() == content


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("elsewhere")])
def test_an_entry_that_is_not_a_regular_file_is_an_error(journal: Journal, path: Path, make: Any) -> None:
    path.parent.mkdir(0o700)
    (path.parent / "elsewhere").mkdir()
    make(path)
    with pytest.raises(StoreUnavailableError, match=r"rotate-a.json is damaged or cannot be read"):
        journal.open(path)


def test_two_creates_of_a_name_exclude_each_other(journal: Journal) -> None:
    with journal.begin_create("a bot") as operation:
        with pytest.raises(KeyBusyError):
            journal.begin_create("a bot")
        journal.begin_create("another bot").release()
        operation.begin(evolve(ENTRY, operation="create"))
    assert journal.begin_create("a bot").entry == operation.entry


def test_files_of_other_programs_are_ignored(journal: Journal, path: Path) -> None:
    path.parent.mkdir(0o700)
    names = ["package.json", "uv.lock", "rotate.lock", "slot.txt", ".pwd.lock", "my-rotate-a.json"]
    for name in names:
        (path.parent / name).write_text("{}")
    assert journal.paths() == []
    assert files(path) == sorted(names)


@pytest.mark.parametrize("key_id", ["x" * 300, "é" * 90, "\ud800"])
def test_a_key_can_have_any_id(journal: Journal, key_id: str) -> None:
    with journal.begin_rotation(key_id) as operation:
        operation.begin(evolve(ENTRY, key_id=key_id.replace("\ud800", "?")))
    assert journal.paths() == [operation.path]


@pytest.mark.parametrize(
    "change",
    [
        {"began": "9999-12-31T23:59:59Z"},
        {"began": "0001-01-01T00:00:00Z"},
        {"fingerprint": {"salt": "zz", "digest": "é"}},
    ],
)
def test_an_entry_that_was_edited_to_nonsense_is_an_error(journal: Journal, path: Path, change: dict[str, Any]) -> None:
    with journal.begin_rotation("a") as operation:
        operation.begin(ENTRY)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(StoreUnavailableError, match=r"rotate-a.json (is damaged|was written by another)"):
        journal.open(path)


def test_each_create_and_each_key_has_its_own_file(journal: Journal, path: Path) -> None:
    assert journal.paths() == []
    keys = ["a", "../b", ".", ""]
    operations = [
        journal.begin_create("a bot"),
        journal.begin_create("another bot"),
        *map(journal.begin_rotation, keys),
    ]
    assert sorted(each.path for each in operations) == journal.paths()
    assert len({each.path for each in operations}) == 6
    assert {each.path.parent for each in operations} == {path.parent}
    (path.parent / "notes.txt").touch()
    assert len(journal.paths()) == 6
    for each in operations:
        each.release()
    assert files(path) == ["notes.txt"]


def test_only_its_owner_can_read_it(journal: Journal, path: Path) -> None:
    before = os.umask(0)
    try:
        operation = journal.begin_rotation("a")
        operation.begin(ENTRY)
    finally:
        os.umask(before)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}
    operation.release()


def test_no_file_of_it_has_a_token(journal: Journal, path: Path) -> None:
    with journal.begin_rotation("a") as operation:
        operation.begin(evolve(ENTRY, fingerprint=Fingerprint.of(Token(CANARY))))
    content = path.read_bytes()
    for part in (CANARY[:12], CANARY[4:12], CANARY[-8:]):
        assert part.encode() not in content
    entry = pending(journal, path)
    assert entry is not None
    assert entry.fingerprint is not None
    assert entry.fingerprint.matches(Token(CANARY))


def test_a_fingerprint_fits_its_token_only() -> None:
    one, other = Fingerprint.of(Token(CANARY)), Fingerprint.of(Token(CANARY))
    assert one.matches(Token(CANARY))
    for token in (CANARY[:-1], CANARY + "0", CANARY.upper(), "", CANARY + "\ud800"):
        assert not one.matches(Token(token))
    assert (one.salt != other.salt, one.digest != other.digest) == (True, True)  # two keys cannot be compared
    assert CANARY[4:12] not in repr(one)
    assert Fingerprint.of(Token("\ud800")).matches(Token("\ud800"))


def test_an_operation_is_busy_until_it_is_released(journal: Journal, path: Path) -> None:
    operation = journal.begin_rotation("a")
    operation.begin(ENTRY)
    attempts: list[Callable[[], object]] = [lambda: journal.begin_rotation("a"), lambda: journal.open(path)]
    for attempt in attempts:
        with pytest.raises(KeyBusyError, match="another process or thread is using the journal file") as caught:
            attempt()
        assert (caught.value.entry, caught.value.may_have_applied) == (path, False)
        assert "rotate-a.json" in renderings(caught.value)
    journal.begin_rotation("b").release()
    operation.release()
    operation.release()  # the second time, it must not close a descriptor of somebody else
    again = journal.begin_rotation("a")
    operation.release()
    with pytest.raises(KeyBusyError):
        journal.open(path)
    again.release()


def test_a_lock_ends_with_its_process_and_the_entry_stays(journal: Journal, path: Path) -> None:
    command = [sys.executable, "-c", HOLDS, str(path.parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        with pytest.raises(KeyBusyError):
            journal.begin_rotation("a")
        process.kill()
    assert files(path) == ["rotate-a.json", "rotate-a.lock"]
    entry = pending(journal, path)
    assert entry is not None
    assert entry.name == "bot"
    assert files(path) == ["rotate-a.json"]


def test_a_lock_without_an_entry_is_listed_and_removed(journal: Journal, path: Path) -> None:
    path.parent.mkdir(0o700)
    path.with_suffix(".lock").touch()
    assert journal.paths() == [path]
    assert pending(journal, path) is None
    assert files(path) == []


def test_a_program_started_in_between_does_not_keep_the_lock(journal: Journal) -> None:
    operation = journal.begin_rotation("a")
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE, close_fds=False) as process:
        operation.release()
        journal.begin_rotation("a").release()
        process.communicate(b"\n")


def test_a_forked_child_neither_keeps_nor_releases_the_lock(journal: Journal) -> None:
    operation = journal.begin_rotation("a")

    def child() -> None:
        operation.release()
        with pytest.raises(KeyBusyError):
            journal.begin_rotation("a")

    fork(child)
    with pytest.raises(KeyBusyError):
        journal.begin_rotation("a")
    operation.release()
    journal.begin_rotation("a").release()


def test_a_file_that_its_owner_removes_first_is_not_used(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, waiting = fcntl.flock, [path.with_suffix(".lock")]

    def flock(descriptor: int, operation: int) -> None:
        if waiting:
            waiting.pop().unlink()
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with journal.begin_rotation("a") as operation:
        operation.begin(ENTRY)
        with pytest.raises(KeyBusyError):
            journal.open(path)


def test_an_operation_whose_lock_was_removed_changes_nothing(journal: Journal, path: Path) -> None:
    operation = journal.begin_rotation("a")
    operation.begin(ENTRY)
    path.with_suffix(".lock").unlink()
    with pytest.raises(StoreUnavailableError, match=r"the lock of .* was removed"):
        operation.write(ENTRY)
    following = journal.begin_rotation("a")
    following.begin(NEXT)
    operation.complete()
    operation.rollback()
    operation.release()
    assert path.with_suffix(".lock").exists()
    following.release()
    assert pending(journal, path) == NEXT


@pytest.mark.parametrize("mode", [0o720, 0o702])
def test_a_journal_that_other_users_can_write_to_is_rejected(journal: Journal, path: Path, mode: int) -> None:
    path.parent.mkdir()
    path.parent.chmod(mode)
    for begin in (lambda: journal.begin_create("a bot"), journal.paths):
        with pytest.raises(StoreUnavailableError, match=r"other users can write to .*: run chmod go-w"):
            begin()


def test_a_file_system_without_locks_is_an_error_and_leaves_no_descriptor(
    monkeypatch: pytest.MonkeyPatch, journal: Journal, path: Path
) -> None:
    journal.begin_create("a bot").release()
    lowest = os.dup(0)
    os.close(lowest)
    monkeypatch.setattr(fcntl, "flock", lambda *_: throw(OSError(errno.ENOLCK, "No locks available")))
    attempts: list[Callable[[], object]] = [lambda: journal.begin_rotation("a"), lambda: journal.open(path)]
    for attempt in attempts:
        with pytest.raises(StoreUnavailableError, match="No locks available"):
            attempt()
    again = os.dup(0)
    os.close(again)
    assert again == lowest


def test_a_link_in_place_of_a_lock_is_not_followed(journal: Journal, path: Path, tmp_path: Path) -> None:
    journal.begin_create("a bot").release()
    path.with_suffix(".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnavailableError, match=os.strerror(errno.ELOOP)):
        journal.begin_rotation("a")
    assert not (tmp_path / "elsewhere").exists()


def test_a_journal_that_cannot_be_read_is_an_error(journal: Journal, path: Path) -> None:
    path.parent.touch()
    for attempt in (journal.paths, lambda: journal.begin_create("a bot")):
        with pytest.raises(StoreUnavailableError, match=r"Not a directory|File exists"):
            attempt()
    with pytest.raises(StoreUnavailableError, match="missing does not exist"):
        Journal(path.parent.with_name("missing") / "journal", single_slot=False).begin_create("a bot")


def test_an_entry_that_cannot_be_removed_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, journal: Journal, path: Path
) -> None:
    with journal.begin_rotation("a") as operation:
        operation.begin(ENTRY)
        with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, "incident_io_keys"):
            patch.setattr(Path, "unlink", lambda *_, **__: throw(OSError(errno.EROFS, "Read-only file system")))
            operation.complete()
            operation.release()
    [record] = caplog.records
    expected = f"the journal {path} cannot be used: Read-only file system; the operation is complete"
    assert record.getMessage() == expected
    assert pending(journal, path) == ENTRY


def test_what_is_written_and_removed_survives_a_crash(
    monkeypatch: pytest.MonkeyPatch, journal: Journal, path: Path
) -> None:
    synced: list[tuple[str, list[str]]] = []

    def fsync(descriptor: int) -> None:
        found = os.fstat(descriptor).st_ino
        kinds = {path.parent.parent.stat().st_ino: "parent", path.parent.stat().st_ino: "journal"}
        names = [each.suffix for each in path.parent.iterdir()] if path.parent.exists() else []
        synced.append((kinds.get(found, "file"), sorted(names)))

    monkeypatch.setattr(os, "fsync", fsync)
    with journal.begin_rotation("a") as operation:
        assert synced == [("parent", [])]
        operation.begin(ENTRY)
        assert synced[1:] == [("file", [".lock", ".tmp"])] * 2 + [("journal", [".json", ".lock"])]
        operation.complete()
        assert synced[-1] == ("journal", [".lock"])
