"""The journal: what is left of an operation whatever becomes of its process, who may go on with it, and no token."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve

from incident_io_keys import Token
from incident_io_keys.storage import StorageError, StoreUnavailableError
from incident_io_keys.storage._journal import Entry, Fingerprint, Journal, Opened

from ..conftest import CANARY
from ..hiding import renderings

ENTRY = Entry(
    operation="rotate",
    name="café \u2028 'bot' \\",
    began=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    key_id="01ABC",
    known=("a", "b"),
    caller="01CALLER",
    issued_before=datetime(2025, 1, 2, tzinfo=UTC) + timedelta(microseconds=1),
    issued=Fingerprint("00ff", "digest"),
    grace_period_minutes=7,
)
NEXT = evolve(ENTRY, name="next", issued=None, issued_before=None)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal", single_slot=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "rotate-a.json"


def opened(journal: Journal, path: Path) -> Opened:
    found = journal.open(path)
    assert found is not None
    return found


def left(journal: Journal, path: Path) -> Entry | None:
    """What another process finds."""
    again = opened(journal, path)
    try:
        return again.read()
    finally:
        again.release()


@pytest.mark.parametrize("entry", [ENTRY, NEXT, Entry(operation="create", name="", began=ENTRY.began)])
def test_an_entry_comes_back_and_the_last_one_counts(journal: Journal, path: Path, entry: Entry) -> None:
    at_it = journal.begin_rotation("a")
    assert at_it.path == path
    assert at_it.read() is None
    at_it.write(evolve(entry, name="earlier"))
    at_it.write(entry)
    assert at_it.read() == entry
    at_it.release()
    assert journal.paths() == [path]
    assert left(journal, path) == entry


@pytest.mark.parametrize("kept", [1, 2, 20, 0.2, 0.5, -1, -2])
def test_a_line_that_was_cut_off_does_not_count(journal: Journal, path: Path, kept: float) -> None:
    at_it = journal.begin_rotation("a")
    at_it.write(ENTRY)
    whole = path.stat().st_size
    at_it.write(NEXT)
    at_it.release()
    line = path.stat().st_size - whole
    cut = whole + (kept if kept >= 1 else line + kept if kept < 0 else line * kept)
    os.truncate(path, int(cut))
    assert left(journal, path) == (NEXT if kept == -1 else ENTRY)  # of which only the line break is missing
    again = opened(journal, path)
    again.write(NEXT)  # in a line of its own
    assert again.read() == NEXT
    again.release()


@pytest.mark.parametrize("rubbish", [b"\0" * 99, b"\xff\xfe", b'\n{"name":"caf\xc3"}', b"\n\n", b'{"a'])
def test_what_a_crash_of_the_machine_leaves_does_not_count(journal: Journal, path: Path, rubbish: bytes) -> None:
    at_it = journal.begin_rotation("a")
    at_it.write(ENTRY)
    at_it.release()
    with path.open("ab") as file:
        file.write(rubbish)
    assert left(journal, path) == ENTRY
    path.write_bytes(rubbish)
    assert left(journal, path) is None


@pytest.mark.parametrize("line", [b"{}", b"[]", b'{"operation":"transfer","name":"a","began":"2026-01-01T00:00:00Z"}'])
def test_what_another_version_wrote_is_not_taken_for_nothing(journal: Journal, path: Path, line: bytes) -> None:
    at_it = journal.begin_rotation("a")
    at_it.write(ENTRY)
    at_it.release()
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(StoreUnavailableError, match="another version of this package wrote"):
        left(journal, path)


def test_being_done_twice_does_no_harm_to_what_has_the_name_since(journal: Journal, path: Path) -> None:
    at_it = journal.begin_rotation("a")
    at_it.write(ENTRY)
    at_it.done()
    other = journal.begin_rotation("a")
    other.write(NEXT)
    at_it.done()
    at_it.release()
    assert other.read() == NEXT
    other.release()
    assert left(journal, path) == NEXT


def test_each_create_has_its_own_file_and_each_key_one(journal: Journal, path: Path) -> None:
    assert journal.paths() == []
    at_it = [
        journal.begin_create(),
        journal.begin_create(),
        journal.begin_rotation("a"),
        journal.begin_rotation("../b"),
    ]
    assert sorted(each.path for each in at_it) == journal.paths()
    assert {each.path.parent for each in at_it} == {path.parent}
    (path.parent / "notes.txt").touch()
    assert len(journal.paths()) == len({each.path for each in at_it}) == 4
    for each in at_it:
        each.release()
    assert journal.paths() == []  # nothing was written into them


def test_only_its_owner_can_read_it(journal: Journal, path: Path) -> None:
    before = os.umask(0)
    try:
        at_it = journal.begin_rotation("a")
    finally:
        os.umask(before)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    at_it.release()


def test_no_file_of_it_has_a_token(journal: Journal, path: Path) -> None:
    at_it = journal.begin_rotation("a")
    at_it.write(evolve(ENTRY, issued=Fingerprint.of(Token(CANARY))))
    content = path.read_bytes()
    for part in (CANARY[:12], CANARY[4:12], CANARY[-8:]):
        assert part.encode() not in content
    read = at_it.read()
    assert read is not None
    assert read.issued is not None
    assert read.issued.fits(Token(CANARY))
    at_it.release()


def test_a_fingerprint_fits_its_token_and_no_other() -> None:
    one, other = Fingerprint.of(Token(CANARY)), Fingerprint.of(Token(CANARY))
    assert one.fits(Token(CANARY))
    for token in (CANARY[:-1], CANARY + "0", CANARY.upper(), "", CANARY + "\ud800"):
        assert not one.fits(Token(token))
    assert (one.salt != other.salt, one.digest != other.digest) == (True, True)  # so that two keys cannot be compared
    assert CANARY[4:12] not in repr(one)
    half = Fingerprint.of(Token("\ud800"))
    assert half.fits(Token("\ud800"))


def test_what_somebody_is_at_is_busy_until_it_is_released(journal: Journal, path: Path) -> None:
    at_it = journal.begin_rotation("a")
    at_it.write(ENTRY)
    attempts: list[Callable[[], object]] = [lambda: journal.begin_rotation("a"), lambda: journal.open(path)]
    for attempt in attempts:
        with pytest.raises(StorageError, match="another process or thread is at this key") as caught:
            attempt()
        assert (caught.value.entry, caught.value.token, caught.value.may_have_applied) == (path, None, False)
        assert "rotate-a.json" in renderings(caught.value)
    journal.begin_rotation("b").release()
    at_it.release()
    at_it.release()  # a second time it does nothing, and closes nobody's descriptor
    again = journal.begin_rotation("a")
    at_it.release()
    assert again.read() == ENTRY
    again.release()


def test_what_was_refused_is_taken_back_and_what_was_left_before_counts_again(journal: Journal, path: Path) -> None:
    at_it = journal.begin_rotation("a")
    at_it.write(ENTRY)
    at_it.release()
    for again in (journal.begin_rotation, lambda _: opened(journal, path)):
        at_it = again("a")
        at_it.write(NEXT)
        at_it.withdraw()
        assert at_it.read() == ENTRY
        at_it.release()
    assert left(journal, path) == ENTRY


def test_where_nothing_was_left_before_nothing_is_left(journal: Journal, path: Path) -> None:
    at_it = journal.begin_rotation("a")
    at_it.write(ENTRY)
    at_it.withdraw()
    at_it.release()
    assert list(path.parent.iterdir()) == []


def test_all_that_is_written_and_taken_away_outlives_a_crash(
    monkeypatch: pytest.MonkeyPatch, journal: Journal, path: Path
) -> None:
    synced: list[tuple[str, int]] = []

    def fsync(descriptor: int) -> None:
        found = os.fstat(descriptor)
        kinds = {path.parent.parent.stat().st_ino: "parent", path.parent.stat().st_ino: "journal"}
        synced.append((kinds.get(found.st_ino, "file"), len(list(path.parent.iterdir()))))
        sizes.append(found.st_size)

    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", fsync)
    at_it = journal.begin_rotation("a")
    assert synced == [("parent", 0)]
    at_it.write(ENTRY)
    assert synced[1:] == [("file", 1), ("journal", 1)]
    assert sizes[1] == path.stat().st_size > 0
    at_it.withdraw()
    assert synced[3:] == [("file", 1)]
    assert sizes[-1] == 0
    at_it.write(ENTRY)
    at_it.done()
    assert synced[-1] == ("journal", 0)
    at_it.release()


def test_a_line_that_the_system_takes_in_parts_is_whole(monkeypatch: pytest.MonkeyPatch, journal: Journal) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    at_it = journal.begin_rotation("a")
    at_it.write(ENTRY)
    assert at_it.read() == ENTRY
    at_it.release()


def test_a_journal_that_cannot_be_tidied_up_is_told_of_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, journal: Journal, path: Path
) -> None:
    def unlink(*_: Path, **__: bool) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    at_it, empty = journal.begin_rotation("a"), journal.begin_create()
    at_it.write(ENTRY)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, "incident_io_keys"):
        patch.setattr(Path, "unlink", unlink)
        at_it.done()
        at_it.release()
        empty.release()
    [record] = caplog.records
    assert record.getMessage() == (f"the journal keeps {path}, of which nothing is left to do: Read-only file system")
    assert left(journal, path) == ENTRY
