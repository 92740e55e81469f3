"""The mock, where it keeps its state in a file: what comes back, whose the file is, and which files it refuses."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from incident_io_keys.testing import MockAPI, MockClock, MockSettings, MockStateError, _store
from incident_io_keys_generated import contract

from .conftest import without_last_use
from .programs import fork
from .test_testing import URL, ask, faults

PAGE = contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM
MANY = MockSettings(rate_limit=None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state"


def body(name: str) -> dict[str, Any]:
    return {"name": name, "role_names": ["viewer"], "team_ids": [], "team_role_names": []}


def create(mock: MockAPI, name: str = "bot", token: str = "") -> tuple[str, str]:
    issued = ask(mock, "POST", token=token, json=body(name)).json()
    return issued["api_key"]["id"], issued["token"]


def rotate(mock: MockAPI, key_id: str, minutes: int = 0, token: str = "") -> httpx.Response:
    return ask(mock, "POST", f"{URL}/{key_id}/actions/rotate", token, json={"grace_period_minutes": minutes})


def listed(mock: MockAPI, token: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        page = ask(mock, url=f"{URL}?page_size={PAGE}&after={after}", token=token).json()
        found += [without_last_use(key) for key in page["api_keys"]]
        after = page["pagination_meta"].get("after")
    return found


def works(mock: MockAPI, token: str) -> bool:
    return ask(mock, token=token).status_code != 401  # a key without the role to manage keys gets 403


@contextmanager
def program(source: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", source, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


OPEN = """
import sys
from incident_io_keys.testing import MockAPI, MockStateError
try:
    mock = MockAPI(sys.argv[1])
except MockStateError as error:
    raise SystemExit(print(error))
print("open", flush=True)
sys.stdin.read()
"""


def opened_elsewhere(path: Path) -> str:
    """What another process says that opens the file: `open`, or why not."""
    with program(OPEN, path) as other:
        return other.communicate(timeout=30)[0].strip()


def test_keys_and_tokens_are_there_in_the_next_mock(path: Path) -> None:
    with MockAPI(path) as mock:
        tokens = dict(create(mock, f"bot {number}") for number in range(5))
        gone, changed, *_ = tokens
        ask(mock, "DELETE", f"{URL}/{gone}")
        ask(mock, "PUT", f"{URL}/{changed}", json=body("changed"))
        keys = listed(mock)
    for _ in range(2):  # what the next one reads, it leaves as it is
        with MockAPI(path) as mock:
            assert listed(mock) == keys
            assert [key["name"] for key in keys] == ["Manager", "changed", "bot 2", "bot 3", "bot 4"]
            assert [works(mock, token) for token in tokens.values()] == [False, True, True, True, True]
    with MockAPI(path) as mock:
        assert create(mock)[0] > max(tokens)


def test_graces_and_the_moved_clock_are_there_in_the_next_mock(path: Path) -> None:
    with MockAPI(path) as mock:
        key_id, first = create(mock)
        second = rotate(mock, key_id, 10).json()["token"]
        mock.clock.advance(timedelta(minutes=6))
        third = rotate(mock, key_id, 10).json()["token"]
    with MockAPI(path) as mock:
        assert [works(mock, token) for token in (first, second, third)] == [True, True, True]
        mock.clock.advance(timedelta(minutes=5))
    with MockAPI(path) as mock:
        assert [works(mock, token) for token in (first, second, third)] == [False, True, True]
        assert timedelta(minutes=11) <= mock.clock.now() - datetime.now(UTC) + timedelta(seconds=1)


def test_the_next_mock_has_the_managers_newest_token_even_if_the_manager_is_gone(path: Path) -> None:
    with MockAPI(path) as mock:
        token = mock.token
        [manager] = listed(mock)
    with MockAPI(path) as mock:
        assert mock.token == token
        newest = rotate(mock, manager["id"]).json()["token"]
        rotate(mock, create(mock, token=newest)[0], token=newest)
    with MockAPI(path) as mock:
        assert mock.token.reveal() == newest
        assert not works(mock, token.reveal())
        assert ask(mock, "DELETE", f"{URL}/{manager['id']}").status_code == 204
    with MockAPI(path) as mock:
        assert mock.token.reveal() == newest
        assert faults(ask(mock), 401, "authentication_error")


def test_a_file_belongs_to_one_mock_until_that_is_closed(path: Path) -> None:
    way_out = f"{path}: another mock uses this file: stop that one, or take another path"
    with MockAPI(path) as mock:
        assert opened_elsewhere(path) == way_out
        with pytest.raises(MockStateError) as refused:
            MockAPI(path)
        assert str(refused.value) == way_out
        create(mock)
        mock.close()
        assert opened_elsewhere(path) == "open"
        with MockAPI(path) as following:
            assert len(listed(following)) == 2


def test_a_mock_that_was_refused_leaves_the_other_its_file(path: Path) -> None:
    with MockAPI(path):
        with pytest.raises(MockStateError):
            MockAPI(path)
        assert opened_elsewhere(path) != "open"


def database_of(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(";".join(statements))


def mock_of_another_form(path: Path) -> None:
    MockAPI(path).close()
    database_of(path, "PRAGMA user_version = 2")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda path: path.write_text("some notes\n" * 99), "no database of a mock", id="text"),
        pytest.param(
            lambda path: database_of(path, "CREATE TABLE of_others (x)"),
            "not a mock's",
            id="another database",
        ),
        pytest.param(mock_of_another_form, "another version's", id="another form"),
        pytest.param(
            lambda path: path.write_text("x"),
            "no database of a mock",
            id="one byte",
        ),
    ],
)
def test_a_file_of_something_else_is_refused_and_left_as_it_was(path: Path, make: Any, message: str) -> None:
    make(path)
    before = path.read_bytes()
    with pytest.raises(MockStateError, match=f"^{path}: .*{message}; take another path$"):
        MockAPI(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_path_that_can_be_no_file_is_refused_and_nothing_is_made(path: Path) -> None:
    with pytest.raises(MockStateError, match=f"^{path.parent}: Is a directory; take another path$"):
        MockAPI(path.parent)
    with pytest.raises(MockStateError, match=f"^{path}/state: No such file or directory; take another path$"):
        MockAPI(path / "state")
    assert list(path.parent.iterdir()) == []


def test_an_empty_file_is_as_good_as_none(path: Path) -> None:
    path.touch()
    with MockAPI(path) as mock:
        assert len(listed(mock)) == 1


def modes(path: Path) -> dict[str, int]:
    with MockAPI(path):
        return {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}


def test_the_file_is_for_its_owner_only(path: Path) -> None:
    assert modes(path) == {"state": 0o600, "state-wal": 0o600}


def test_an_empty_file_becomes_one_for_its_owner_only(path: Path) -> None:
    path.touch(0o644)
    assert modes(path) == {"state": 0o600, "state-wal": 0o600}


# What fails at once, and what fails when all is about to be committed.
FAILING = {"statement": "SELECT RAISE(ABORT, 'it is full')", "commit": "INSERT INTO late VALUES ('no such key')"}
ON_WRITES = ["INSERT ON issues", "UPDATE ON keys", "DELETE ON keys", "INSERT ON facts"]


@pytest.mark.parametrize("failing", FAILING.values(), ids=FAILING.keys())
def test_a_write_that_fails_is_500_and_nothing_of_it_counts(path: Path, failing: str) -> None:
    with MockAPI(path) as mock:
        key_id, token = create(mock)
        keys = listed(mock)
    database_of(
        path,
        "CREATE TABLE late (x REFERENCES keys DEFERRABLE INITIALLY DEFERRED)",
        *(f"CREATE TRIGGER fails_{number} AFTER {on} BEGIN {failing}; END" for number, on in enumerate(ON_WRITES)),
    )
    url = f"{URL}/{key_id}"
    with MockAPI(path) as mock:
        refused = [ask(mock, "POST", json=body("x")), ask(mock, "PUT", url, json=body("x")), ask(mock, "DELETE", url)]
        for response in [*refused, rotate(mock, key_id), rotate(mock, keys[0]["id"])]:
            assert faults(response, 500, "api_error") == {("not_written", None)}
            assert str(path) in response.json()["errors"][0]["message"]
        with pytest.raises(MockStateError, match="nothing was written"):
            mock.clock.advance(timedelta(days=1))
        assert mock.clock.now() - datetime.now(UTC) < timedelta(hours=1)
        assert listed(mock) == keys
        assert works(mock, token)
    database_of(path, *(f"DROP TRIGGER fails_{number}" for number in range(len(ON_WRITES))))
    with MockAPI(path) as mock:
        assert listed(mock) == keys
        assert works(mock, token)
        assert mock.clock.now() - datetime.now(UTC) < timedelta(hours=1)


def test_a_write_after_one_that_failed_is_kept(path: Path) -> None:
    MockAPI(path).close()
    refused = "CAST(NEW.key AS TEXT) LIKE '%refused%'"
    database_of(
        path,
        "CREATE TABLE late (x REFERENCES keys DEFERRABLE INITIALLY DEFERRED)",
        f"CREATE TRIGGER fails AFTER INSERT ON keys WHEN {refused} BEGIN {FAILING['commit']}; END",
    )
    with MockAPI(path) as mock:
        assert ask(mock, "POST", json=body("refused")).status_code == 500
        _, token = create(mock)
    with MockAPI(path) as mock:
        assert [key["name"] for key in listed(mock)] == ["Manager", "bot"]
        assert works(mock, token)


def test_a_file_whose_inside_is_damaged_is_refused_and_let_go(path: Path) -> None:
    for damage in ("DROP TABLE facts", "UPDATE keys SET key = 'x'", "UPDATE issues SET ends = 'x'"):
        MockAPI(path).close()
        database_of(path, damage)
        for _ in range(2):
            with pytest.raises(MockStateError, match=f"^{path}: this database is damaged .*; take another path$"):
                MockAPI(path)
        path.unlink()


def test_a_child_process_writes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def check() -> None:
        assert ask(mock, "POST", json=body("child")).status_code == 500

    with MockAPI(path) as mock:
        with monkeypatch.context() as pretended:
            pretended.setattr(os, "getpid", lambda: 0)
            assert "was forked" in ask(mock, "POST", json=body("child")).text
        fork(check)
        create(mock, "parent")
    with MockAPI(path) as mock:
        assert [key["name"] for key in listed(mock)] == ["Manager", "parent"]


FORKS = """
import os, signal, sys
from incident_io_keys.testing import MockAPI
mock = MockAPI(sys.argv[1])
if sys.argv[2] == "close while a request is handled":
    mock._lock.acquire()  # as a thread does that answers
child = os.fork()
if child == 0:
    if sys.argv[2] != "exit":
        mock.close()
    sys.exit()
os.waitpid(child, 0)
sys.argv[2].startswith("close while") and mock._lock.release()
mock.add_key("acknowledged")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("end", ["exit", "close", "close while a request is handled"])
def test_the_end_of_a_child_process_takes_nothing_from_its_parent(path: Path, end: str) -> None:
    subprocess.run([sys.executable, "-c", FORKS, path, end], check=False, timeout=30)
    with MockAPI(path) as mock:
        assert [key["name"] for key in listed(mock)] == ["Manager", "acknowledged"]


def test_what_keeps_a_child_from_closing_is_done_for_each_open_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[object] = []
    monkeypatch.setattr("ctypes.pythonapi.Py_IncRef", lambda held: kept.append(held.value))
    with MockAPI(path) as mock:
        _store._keep_open()
        assert mock._store is not None
        assert mock._store._database in kept
        with monkeypatch.context() as pretended:
            pretended.setattr(os, "getpid", lambda: 0)
            mock.close()
        create(mock)  # it is open still


def test_a_write_is_on_the_disk_before_it_is_answered(path: Path) -> None:
    # A kill of the process would not show it: only a cut of the power does.
    with MockAPI(path) as mock:
        assert mock._store is not None
        database = mock._store._database
        assert [database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")] == [
            2,
            "wal",
        ]


def test_tokens_that_have_run_out_do_not_pile_up(path: Path) -> None:
    with MockAPI(path) as mock:
        key_id, _ = create(mock)
        for _ in range(5):
            rotate(mock, key_id, 1)
            mock.clock.advance(timedelta(minutes=2))
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM issues WHERE key_id = ?", (key_id,)).fetchone() == (2,)


def test_ids_grow_from_one_mock_to_the_next_within_the_same_millisecond(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instant = datetime.now(UTC)
    monkeypatch.setattr(MockClock, "now", lambda _: instant)
    chances = iter([2**80 - 1, 0])
    monkeypatch.setattr("secrets.randbits", lambda _: next(chances))
    MockAPI(path).close()
    with MockAPI(path) as mock:
        mock.add_key("next")
        assert [key["name"] for key in listed(mock)] == ["Manager", "next"]


def test_a_clock_that_went_too_far_does_not_make_a_file_unusable(path: Path) -> None:
    with MockAPI(path) as mock, pytest.raises(ValueError, match="does not go as far"):
        mock.clock.advance(timedelta(days=3_000_000))
    MockAPI(path).close()


def test_a_closed_mock_reads_on_and_writes_no_more(path: Path) -> None:
    with MockAPI(path) as mock:
        keys = listed(mock)
    mock.close()
    assert faults(ask(mock, "POST", json=body("late")), 500, "api_error") == {("not_written", None)}
    assert listed(mock) == keys


def test_what_many_threads_write_at_once_is_there_in_the_next_mock(path: Path) -> None:
    def work(mock: MockAPI, thread: int) -> list[str]:
        made = [create(mock, f"{thread}.{number}") for number in range(25)]
        for key_id, _ in made[:5]:
            assert ask(mock, "DELETE", f"{URL}/{key_id}").status_code == 204
        tokens = [rotate(mock, key_id).json()["token"] for key_id, _ in made[5:15]]
        return tokens + [token for _, token in made[15:]]

    with MockAPI(path, settings=MANY) as mock, ThreadPoolExecutor(9) as threads:
        working = [threads.submit(work, mock, thread) for thread in range(8)]
        moving = [threads.submit(mock.clock.advance, timedelta(minutes=1)) for _ in range(200)]
        tokens = [token for each in working for token in each.result()]
        assert [move.result() for move in moving] == [None] * 200
        keys = listed(mock)
    with MockAPI(path, settings=MANY) as mock:
        assert listed(mock) == keys
        assert len(keys) == 1 + 8 * 20
        assert all(works(mock, token) for token in tokens)
        assert abs(mock.clock.now() - datetime.now(UTC) - timedelta(minutes=200)) < timedelta(minutes=1)
