"""The journal's locks: with whom they end, and what is done while somebody waits for one."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from incident_io_keys.storage import StorageError, StoreUnavailableError
from incident_io_keys.storage._journal import Entry, Journal

ENTRY = Entry(operation="rotate", name="bot", began=datetime(2026, 1, 2, tzinfo=UTC))
HOLDS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from incident_io_keys.storage._journal import Entry, Journal
opened = Journal(Path(sys.argv[1]), single_slot=False).begin_rotation("a")
opened.write(Entry(operation="rotate", name="bot", began=datetime(2026, 1, 2, tzinfo=UTC)))
print("at it", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "rotate-a.json"


@pytest.fixture
def journal(path: Path) -> Journal:
    return Journal(path.parent, single_slot=False)


def test_a_lock_ends_with_its_process_and_what_that_wrote_does_not(journal: Journal, path: Path) -> None:
    command = [sys.executable, "-c", HOLDS, str(path.parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"at it\n"
        with pytest.raises(StorageError):
            journal.begin_rotation("a")
        process.kill()
    again = journal.open(path)
    assert again is not None
    assert again.read() == ENTRY
    again.release()


def test_a_program_that_is_started_meanwhile_does_not_keep_the_lock(journal: Journal) -> None:
    at_it = journal.begin_rotation("a")
    at_it.write(ENTRY)
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE, close_fds=False) as process:
        at_it.release()
        journal.begin_rotation("a").release()
        process.communicate(b"\n")


def test_a_process_that_was_forked_meanwhile_does_not_keep_the_lock(journal: Journal) -> None:
    at_it = journal.begin_rotation("a")
    at_it.write(ENTRY)  # so that the file stays
    forked = os.dup(at_it._descriptor)  # as it is in a child
    at_it.release()
    journal.begin_rotation("a").release()
    os.close(forked)


def test_no_program_inherits_the_file(journal: Journal, path: Path) -> None:
    at_it = journal.begin_rotation("a")
    at_it.write(ENTRY)
    assert not os.get_inheritable(at_it._descriptor)
    at_it.release()
    again = journal.open(path)
    assert again is not None
    assert not os.get_inheritable(again._descriptor)
    again.release()


def removed_before_it_is_locked(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Who had it is done with it just when the next one has opened it."""
    lock = fcntl.flock
    waiting = [path]

    def flock(descriptor: int, operation: int) -> None:
        if waiting:
            waiting.pop().unlink()
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)


def test_what_is_removed_meanwhile_is_not_written_into(
    monkeypatch: pytest.MonkeyPatch, journal: Journal, path: Path
) -> None:
    removed_before_it_is_locked(monkeypatch, path)
    at_it = journal.begin_rotation("a")
    at_it.write(ENTRY)
    assert at_it.path.read_bytes()
    at_it.release()
    removed_before_it_is_locked(monkeypatch, path)
    assert journal.open(path) is None
    assert journal.open(path) is None


def test_what_somebody_removed_is_neither_written_into_nor_removed_again(journal: Journal, path: Path) -> None:
    at_it = journal.begin_rotation("a")
    at_it.write(ENTRY)
    path.unlink()
    with pytest.raises(StoreUnavailableError, match="somebody removed"):
        at_it.write(ENTRY)
    following = journal.begin_rotation("a")
    following.write(ENTRY)
    at_it.done()
    at_it.release()
    assert following.read() == ENTRY
    following.release()


@pytest.mark.parametrize("mode", [0o720, 0o702])
def test_a_journal_that_others_can_write_to_is_refused(journal: Journal, path: Path, mode: int) -> None:
    path.parent.mkdir()
    path.parent.chmod(mode)
    for begin in (journal.begin_create, journal.paths):
        with pytest.raises(StoreUnavailableError, match=r"others can write to .*: take that from them \(chmod go-w\)"):
            begin()


def test_who_is_done_does_not_remove_what_the_next_one_has_begun(journal: Journal, path: Path) -> None:
    at_it = journal.begin_rotation("a")
    at_it.done()
    following = journal.begin_rotation("a")
    at_it.release()
    assert path.exists()
    following.write(ENTRY)
    assert following.read() == ENTRY
    following.done()
    following.release()
    assert journal.paths() == []


def test_where_files_cannot_be_locked_there_is_an_error_and_no_descriptor_left(
    monkeypatch: pytest.MonkeyPatch, journal: Journal, path: Path
) -> None:
    numbers = [errno.ENOLCK, errno.ENOLCK, errno.EWOULDBLOCK, errno.EWOULDBLOCK]

    def flock(*_: int) -> None:
        number = numbers.pop(0)
        raise OSError(number, os.strerror(number))

    journal.begin_create().release()
    lowest = os.dup(0)
    os.close(lowest)
    monkeypatch.setattr(fcntl, "flock", flock)
    for kind in (OSError, StorageError):
        with pytest.raises(kind):
            journal.begin_rotation("a")
        with pytest.raises(kind):
            journal.open(path)
    again = os.dup(0)
    os.close(again)
    assert again == lowest


def test_a_link_is_not_followed(journal: Journal, path: Path, tmp_path: Path) -> None:
    journal.begin_create().release()
    path.symlink_to(tmp_path / "elsewhere")
    attempts: list[Callable[[], object]] = [lambda: journal.begin_rotation("a"), lambda: journal.open(path)]
    for attempt in attempts:
        with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
            attempt()
    assert not (tmp_path / "elsewhere").exists()


def test_a_journal_that_cannot_be_read_is_no_empty_one(journal: Journal, path: Path) -> None:
    path.parent.touch()
    with pytest.raises(NotADirectoryError):
        journal.paths()
    with pytest.raises(NotADirectoryError):
        journal.begin_create()
    with pytest.raises(FileNotFoundError):
        Journal(path.parent.with_name("missing") / "journal", single_slot=False).begin_create()


def test_two_may_make_the_directory_at_once(monkeypatch: pytest.MonkeyPatch, journal: Journal, path: Path) -> None:
    path.parent.mkdir()
    monkeypatch.setattr(Path, "exists", lambda _: False)  # as it was when the other one looked
    journal.begin_rotation("a").release()
