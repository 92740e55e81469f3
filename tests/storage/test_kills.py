"""A process is killed at each of its steps, and another one resumes: a token that works is in the store, or it says
what to do. Never are there two keys from one create, nor a key that nobody holds.
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
from incident_io_keys.storage import FileStore, ResumeResult, create_into, resume
from incident_io_keys.testing import MockAPI

from .doing import entries, works
from .killed import NAME, run

pytestmark = pytest.mark.exhaustive

KILLED = -signal.SIGKILL


class Scene:
    """A mock on a socket, a store, and a key whose token the store has."""

    def __init__(self, mock: MockAPI, url: str, directory: Path) -> None:
        self.mock = mock
        self.url = url
        self.directory = directory
        self.store = FileStore(directory)
        self.client = KeysClient(mock.token, transport=mock.transport())
        self.key_id = create_into(self.client, self.store, name="before", role_names=["viewer"]).api_key.id

    def begin(self, what: str, kill_at: int, client: str = "sync") -> Any:
        token, directory = self.mock.token.reveal(), self.directory
        return run(
            what, url=self.url, token=token, directory=directory, key_id=self.key_id, kill_at=kill_at, client=client
        )

    def run(self, what: str, kill_at: int, client: str = "sync") -> int:
        process = self.begin(what, kill_at, client)
        process.join()
        return int(process.exitcode)

    def resume(self) -> list[ResumeResult]:
        """Resume as a person would: again, once that is what it says."""
        found = resume(self.client, self.store)
        if any(each.status == "pending" for each in found):
            assert all("run resume again after" in each.hint for each in found if each.status == "pending")
            assert entries(self.store) == [each.entry for each in found if each.status == "pending"]
            found = resume(self.client, self.store, now=datetime.now(UTC) + timedelta(minutes=6))
        assert {each.status for each in found} <= {"completed", "nothing_to_do"}
        assert entries(self.store) == []
        assert resume(self.client, self.store) == []
        return found

    def is_whole(self) -> bool:
        """Hold the end against the promise. Returns whether there is a new key."""
        # What was written only to see whether that works may be left, and holds nothing.
        assert not any(path.read_bytes().strip(b"\0") for path in self.directory.glob("*.tmp"))
        self.mock.clock.advance(timedelta(hours=2))  # what only had its grace is over
        found = [key for key in self.client.list() if key.name != "Manager"]
        assert all(works(self.mock, self.store.load(key.id)) for key in found)
        assert [key.name for key in found] in (["before"], ["before", NAME])
        return len(found) == 2


@contextmanager
def scene(directory: Path, mock: MockAPI | None = None) -> Iterator[Scene]:
    directory.mkdir()
    mock = mock or MockAPI()
    with mock.serve() as server:
        scene = Scene(mock, server.url, directory)
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
            assert len(found) <= 2  # beside the create, the lock of the new key
            made.append(each.is_whole())
    assert code == 0
    assert step > 40
    if what == "create":
        # Up to a step there is no key, and from it on there is.
        assert made == sorted(made)
        assert set(made) == {False, True}


@pytest.mark.parametrize("what", ["create", "rotate"])
def test_who_resumes_may_be_killed_too(what: str, tmp_path: Path) -> None:
    choice = random.Random(what)  # noqa: S311 - the same each time
    for turn in range(20):
        with scene(tmp_path / str(turn)) as each:
            # The last steps: there the API has done its work.
            each.run(what, choice.randrange(30, 60))
            for _ in range(choice.randrange(1, 4)):
                each.run("resume", choice.randrange(1, 60))
            each.resume()
            each.is_whole()


class Killing(MockAPI):
    """Kills who asks for a token, before that is issued or after, but before an answer."""

    kills = False
    applied = False

    def __init__(self) -> None:
        super().__init__()
        self.pids: Queue[int] = Queue()

    def respond(self, request: httpx.Request) -> httpx.Response:
        if not self.kills or request.method != "POST":
            return super().respond(request)
        self.kills = False
        answer = super().respond(request) if self.applied else httpx.Response(500)
        os.kill(self.pids.get(), signal.SIGKILL)
        return answer


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("what", ["create", "rotate"])
def test_a_kill_while_the_api_is_at_it(what: str, applied: bool, tmp_path: Path) -> None:
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
        assert each.is_whole() is (applied and what == "create")
        assert (each.store.load(each.key_id) == held) is not (applied and what == "rotate")
        assert isinstance(held, Token)
