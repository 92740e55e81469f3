"""The mock's file, when the process of the mock is killed: what was answered is in it, and nothing is half done."""

from __future__ import annotations

import json
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from incident_io_keys.testing import MockAPI, MockStateError

from .conftest import without_last_use
from .test_testing_store import MANY, OPEN, listed, program, works

pytestmark = pytest.mark.exhaustive


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state"


# Says what it is about to do, does it, and says what was answered.
WRITER = """
import json, random, sys
import httpx
from incident_io_keys.testing import MockAPI, MockSettings

def say(what):
    print(json.dumps(what), flush=True)

def ask(method, path="", body=None):
    url = "https://api.incident.io/v1/api_keys" + path
    response = mock.handle(httpx.Request(method, url, headers={"Authorization": "Bearer " + token}, json=body))
    assert response.status_code < 300, response.text
    return response.json() if response.content else {}

say("ready")
sys.stdin.readline()
mock = MockAPI(sys.argv[1], settings=MockSettings(rate_limit=None))
token, choice = mock.token.reveal(), random.Random(sys.argv[2])
manager, *ids = [key["id"] for key in ask("GET", "?page_size=250")["api_keys"]]
for number in range(2000):
    does = choice.choice(["create", "create", "update", "rotate", "delete"]) if ids else "create"
    about = choice.choice([manager, *ids] if does == "rotate" else ids or [manager])
    name, minutes = f"{sys.argv[2]}.{number}", choice.choice([0, 60])
    body = {"name": name, "role_names": ["viewer"], "team_ids": [], "team_role_names": []}
    say([does, about, name, minutes])
    if does == "create":
        said = ask("POST", body=body)
        ids.append(said["api_key"]["id"])
    elif does == "update":
        said = ask("PUT", "/" + about, body)
    elif does == "rotate":
        said = ask("POST", f"/{about}/actions/rotate", {"grace_period_minutes": minutes})
        token = said["token"] if about == manager else token
    else:
        said = ask("DELETE", "/" + about)
        ids.remove(about)
    say(said)
"""


class Expected:
    """What has to be in the file, from what was acknowledged."""

    def __init__(self, manager: dict[str, Any], token: str) -> None:
        self.keys = {manager["id"]: manager}
        self.living = {manager["id"]: [token]}
        self.dead: set[str] = set()

    def apply(self, does: str, about: str, minutes: int, key: dict[str, Any], token: str) -> None:
        if does == "delete":
            del self.keys[about]
            self.dead.update(self.living.pop(about))
            return
        self.keys[key["id"]] = without_last_use(key)  # a kill can lose that
        tokens = self.living.setdefault(key["id"], [])
        if does == "rotate" and not minutes:
            self.dead.add(tokens.pop())
        if does in {"create", "rotate"}:
            tokens.append(token)

    def apply_unanswered(self, does: str, about: str, name: str, minutes: int, found: dict[str, Any]) -> None:
        """Expect what was begun, if it is there at all; then it has to be whole."""
        if found == self.keys:
            return
        [key_id] = set(found) - set(self.keys) if does == "create" else [about]
        key = found.get(key_id, {})
        assert bool(key) == (does != "delete")
        if does == "rotate":
            assert key["token_last_issued_at"] > self.keys[key_id]["token_last_issued_at"]
        elif key:
            assert key["name"] == name
        self.apply(does, about, minutes, key, "")


def test_what_was_answered_outlives_a_kill_and_nothing_is_half_done(path: Path) -> None:
    with MockAPI(path) as mock:
        expected = Expected(listed(mock)[0], mock.token.reveal())
    # After so many lines of what it says; the first kills meet a mock that opens its file.
    moments = [0, 0, *(turn * 37 % 120 for turn in range(1, 17))]
    with ExitStack() as stack:
        following = stack.enter_context(program(WRITER, path, 0))
        for turn, moment in enumerate(moments, 1):
            # Each gets ready while the one before it works.
            child, following = following, stack.enter_context(program(WRITER, path, turn))
            assert child.stdin
            assert child.stdout
            assert child.stdout.readline()
            child.stdin.write("go\n")
            child.stdin.flush()
            lines = [child.stdout.readline() for _ in range(moment)]
            child.kill()
            lines += child.stdout.readlines()
            # Only now its lock is gone for sure.
            child.wait()
            with MockAPI(path, settings=MANY) as mock:
                hold_against(mock, expected, [json.loads(line) for line in lines])
            with closing(sqlite3.connect(path)) as database:
                newest = "SELECT count(number) FROM keys LEFT JOIN issues ON key_id = id AND ends IS NULL GROUP BY id"
                assert {count for (count,) in database.execute(newest)} == {1}
    assert len(expected.dead) > len(moments)


def hold_against(mock: MockAPI, expected: Expected, said: list[Any]) -> None:
    for (does, about, _, minutes), answer in zip(said[::2], said[1::2], strict=False):
        expected.apply(does, about, minutes, answer.get("api_key", {}), answer.get("token", ""))
    token = mock.token.reveal()
    found = {key["id"]: key for key in listed(mock)}
    if len(said) % 2:
        does, about, name, minutes = said[-1]
        expected.apply_unanswered(does, about, name, minutes, found)
    assert found == expected.keys
    assert list(found) == sorted(found)
    # The token that no answer told is the empty one.
    assert all(works(mock, living) for tokens in expected.living.values() for living in tokens if living)
    assert not any(works(mock, dead) for dead in expected.dead if dead)
    assert works(mock, token)


def test_a_kill_at_the_first_opening_leaves_a_file_that_opens(tmp_path: Path) -> None:
    # Killed when so much is written, page by page; bounded, should it never be that much.
    for size in (0, 1, 4_000, 8_000, 12_000, 16_000):
        path = tmp_path / str(size)
        wal, latest = Path(f"{path}-wal"), monotonic() + 10
        with program(OPEN, path) as child:
            while not (wal.exists() and wal.stat().st_size >= size) and monotonic() < latest:
                pass
            child.kill()
        with MockAPI(path) as mock:
            assert [key["name"] for key in listed(mock)] == ["Manager"]


def test_a_file_belongs_to_one_process_until_that_is_killed(path: Path) -> None:
    with program(OPEN, path) as child:
        assert child.stdout
        assert child.stdout.readline() == "open\n"
        with pytest.raises(MockStateError, match="another mock uses this file: stop that one"):
            MockAPI(path)
        child.kill()
        child.wait()
        MockAPI(path).close()
