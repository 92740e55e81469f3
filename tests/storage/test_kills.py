"""Kill a process at each of its steps and resume in another one. The store then has a working token of each key.

One create never leads to two keys or to an orphaned key.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest

from incident_io_keys import KeysClient, Token
from incident_io_keys.storage import ResumeResult, create_into, pending_operations, resume
from incident_io_keys.testing import MockAPI, faults

from .doing import entries, works
from .killed import NAME, STORES, run

pytestmark = pytest.mark.exhaustive

KILLED = -signal.SIGKILL


def pending_files(store: Any) -> list[Path]:
    """Return the journal files of pending operations, without the file that names the key of a single slot."""
    return [path for path in entries(store) if path.name != "slot.json" or pending_operations(store.journal)]


class Scene:
    """A mock on a socket, a store, and a key whose token the store has."""

    def __init__(self, mock: MockAPI, url: str, directory: Path, kind: str = "directory", empty: bool = False) -> None:
        self.mock = mock
        self.url = url
        self.directory = directory
        self.kind = kind
        self.store: Any = STORES[kind](directory)
        self.client = KeysClient(mock.token, transport=mock.transport())
        self.before = [] if empty else ["before"]
        self.key_id = ""
        for name in self.before:
            self.key_id = create_into(self.client, self.store, name=name, role_names=["viewer"]).api_key.id

    def begin(self, what: str, kill_at: int, client: str = "sync") -> Any:
        return run(
            what,
            url=self.url,
            token=self.mock.token.reveal(),
            directory=self.directory,
            key_id=self.key_id,
            kill_at=kill_at,
            client=client,
            kind=self.kind,
        )

    def run(self, what: str, kill_at: int, client: str = "sync") -> int:
        process = self.begin(what, kill_at, client)
        process.join()
        return int(process.exitcode)

    def resume(self) -> list[ResumeResult]:
        """Resume, and resume again later if the hint says so."""
        found = resume(self.client, self.store)
        if any(each.status == "pending" for each in found):
            assert all("call resume again after" in each.hint for each in found if each.status == "pending")
            assert pending_files(self.store) == [each.entry for each in found if each.status == "pending"]
            found = resume(self.client, self.store, now=datetime.now(UTC) + timedelta(minutes=6))
        assert {each.status for each in found} <= {"completed", "nothing_to_do"}
        assert pending_files(self.store) == []
        assert resume(self.client, self.store) == []
        return found

    def check_result(self) -> bool:
        """Check the store and the keys. Return whether there is a new key."""
        self.store.check()
        assert list(self.directory.glob("*.tmp")) == []
        self.mock.clock.advance(timedelta(hours=2))  # all grace periods have ended
        found = [key for key in self.client.list() if key.name != "Manager"]
        assert all(works(self.mock, self.store.load(key.id)) for key in found)
        assert [key.name for key in found] in (self.before, [*self.before, NAME])
        return len(found) > len(self.before)


@contextmanager
def scene(directory: Path, mock: MockAPI | None = None, **arguments: Any) -> Iterator[Scene]:
    directory.mkdir(0o700)
    mock = mock or MockAPI()
    with mock.serve() as server:
        scene = Scene(mock, server.url, directory, **arguments)
        with scene.client:
            yield scene


@pytest.mark.parametrize("client", ["sync", "async"])
@pytest.mark.parametrize("what", ["create", "rotate"])
def test_a_kill_at_any_step_loses_no_token(what: str, client: str, tmp_path: Path) -> None:
    made, code, step = [], KILLED, 0
    while code == KILLED:
        step += 1
        with scene(tmp_path / str(step)) as each:
            code = each.run(what, step, client)
            found = each.resume()
            assert len(found) <= 2  # the create and the lock of the new key
            made.append(each.check_result())
    assert code == 0
    assert step > 40
    if what == "create":
        # There is no key before a certain step, and one key from it on.
        assert made == sorted(made)
        assert set(made) == {False, True}


@pytest.mark.parametrize("what", ["create", "rotate"])
def test_a_killed_resume_loses_no_token(what: str, tmp_path: Path) -> None:
    choice = random.Random(what)  # noqa: S311 - the same each time
    for turn in range(20):
        with scene(tmp_path / str(turn)) as each:
            # The API issues the token before these last steps.
            each.run(what, choice.randrange(30, 60))
            for _ in range(choice.randrange(1, 4)):
                each.run("resume", choice.randrange(1, 60))
            each.resume()
            each.check_result()


class Killing(MockAPI):
    """Kills the process that requests a token, before or after the token is issued and before the response."""

    kills = False
    applied = False

    def __init__(self) -> None:
        super().__init__()
        self.pids: Queue[int] = Queue()

    def respond(self, request: httpx.Request) -> httpx.Response:
        if not self.kills or request.method != "POST":
            return super().respond(request)
        self.kills = False
        response = super().respond(request) if self.applied else httpx.Response(500)
        os.kill(self.pids.get(), signal.SIGKILL)
        return response


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("what", ["create", "rotate"])
def test_a_kill_during_a_request_loses_no_token(what: str, applied: bool, tmp_path: Path) -> None:
    mock = Killing()
    with scene(tmp_path / "store", mock) as each:
        held = each.store.load(each.key_id)
        mock.applied, mock.kills = applied, True
        process = each.begin(what, 0)
        mock.pids.put(process.pid)
        process.join()
        assert process.exitcode == KILLED
        [found] = each.resume()
        assert found.status == ("completed" if applied else "nothing_to_do")
        assert each.check_result() is (applied and what == "create")
        assert (each.store.load(each.key_id) == held) is not (applied and what == "rotate")
        assert isinstance(held, Token)


FAULTS: list[faults.Fault | None] = [
    None,
    faults.Close(),
    faults.Close(applied=False),
    faults.Status(503),
    faults.CutJSON(keep=0.999),
    faults.DropProperty("token"),
]


def random_kills(kind: str, seed: int, directory: Path, kills: int) -> dict[str, int]:
    """Kill processes at random steps, with API faults, until `kills` processes were killed. Return the counts."""
    choice, counts, turn = random.Random(seed), {"kills": 0, "runs": 0}, 0  # noqa: S311 - the same each time
    while counts["kills"] < kills:
        turn += 1
        what = choice.choice(["create", "rotate"])
        one_slot = kind in ("file", "dotenv")
        with scene(directory / f"{seed}-{turn}", kind=kind, empty=one_slot and what == "create") as each:
            for again in (what, *["resume"] * choice.randrange(3)):
                if (fault := choice.choice(FAULTS)) is not None:
                    operation = choice.choice(["create", "rotate", "show", "list"])
                    if operation in ("create", "rotate") or not isinstance(fault, faults.DropProperty):
                        each.mock.fail_next(fault, operation=operation)
                counts["kills"] += each.run(again, choice.randrange(1, 110), choice.choice(["sync", "async"])) == KILLED
                counts["runs"] += 1
            each.mock.clear_faults()
            each.resume()
            each.check_result()
    return counts


@pytest.mark.parametrize("kind", STORES)
def test_no_store_loses_a_token_to_random_kills_and_faults(kind: str, tmp_path: Path) -> None:
    assert random_kills(kind, 1, tmp_path, 8)["kills"] >= 8
