"""Tests of the example service. They need only pytest, and what installing incident-io-keys brings."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from janitor import rotate_old_tokens

from incident_io_keys import KeysClient, Token, file_token
from incident_io_keys.storage import FileStore, StoreUnavailableError
from incident_io_keys.testing import MockAPI, faults

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MAX_AGE = 90 * DAY
RETRY_DELAY = timedelta(minutes=10)


class Service:
    """The service as a team installs it, with its own key and the keys of two programs.

    All keys are due from the start, so that the clocks of the mock and of this machine agree in the first run.
    Interrupt only that run: the journal has times of this machine, and `resume` compares them with times of the API.
    """

    def __init__(self, mock: MockAPI, directory: Path) -> None:
        self.mock = mock
        self.directory = directory
        self.store = FileStore(directory)
        self.own_id = self.add("janitor", ["api_keys_manage", "viewer"])
        self.bot_id = self.add("deploy bot", ["viewer"])
        self.importer_id = self.add("importer", [])
        self.ids = [self.bot_id, self.importer_id, self.own_id]

    def add(self, name: str, role_names: list[str]) -> str:
        """Add a key that is due, and write its token to its file. Return its ID."""
        issued = self.mock.add_key(name, role_names, age_seconds=MAX_AGE.total_seconds())
        self.store.save(issued.api_key.id, issued.token)
        return issued.api_key.id

    def run(self) -> bool:
        """Run the service once, in this process and at the time of the mock."""
        own_token = file_token(self.store.path(self.own_id))
        with KeysClient(own_token, transport=self.mock.transport()) as client:
            return rotate_old_tokens(client, FileStore(self.directory), self.own_id, now=self.mock.clock.now())

    def run_daily(self, days: int, *, every: int = 1) -> None:
        """Run the service every day or every few days. Check the tokens after each run, and an hour and a day later."""
        for _ in range(0, days, every):
            assert self.run()
            assert self.rejected() == []
            self.mock.clock.advance(HOUR)
            assert self.rejected() == []
            self.mock.clock.advance(DAY - HOUR)
            assert self.rejected() == []
            self.mock.clock.advance((every - 1) * DAY)

    def tokens(self) -> list[Token]:
        """Return the tokens in the files."""
        return [file_token(self.store.path(key_id))() for key_id in self.ids]

    def rejected(self) -> list[str]:
        """Return the IDs of the keys whose file has a token that the API rejects."""
        return [
            key_id for key_id, token in zip(self.ids, self.tokens(), strict=True) if not is_accepted(self.mock, token)
        ]

    def rotations(self) -> list[int]:
        """Return how many times the API was called to rotate each key."""
        paths = [request.url.path for request in self.mock.requests]
        return [paths.count(f"/v1/api_keys/{key_id}/actions/rotate") for key_id in self.ids]


def is_accepted(mock: MockAPI, token: Token) -> bool:
    headers = {"Authorization": f"Bearer {token.reveal()}"}
    return mock.handle(httpx.Request("GET", "https://mock/v1/api_keys", headers=headers)).status_code != 401


@pytest.fixture
def service(incident_io_mock: MockAPI, tmp_path: Path) -> Service:
    return Service(incident_io_mock, tmp_path)


@pytest.fixture
def manager(incident_io_mock: MockAPI) -> Iterator[KeysClient]:
    """A client with the token of the mock's own key."""
    with KeysClient(incident_io_mock.token, transport=incident_io_mock.transport()) as client:
        yield client


def test_each_test_has_its_own_mock(manager: KeysClient) -> None:
    manager.create(name="left behind", role_names=[])
    assert len(list(manager.list())) == 2


@pytest.mark.parametrize("number", range(4))
def test_tests_in_parallel_have_their_own_mocks(manager: KeysClient, number: int) -> None:
    manager.create(name=f"left behind {number}", role_names=[])
    assert len(list(manager.list())) == 2


def test_rotates_keys_that_are_due_and_its_own_key_last(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    previous = service.tokens()
    young = service.mock.add_key("young", ["viewer"], age_seconds=(MAX_AGE - DAY).total_seconds())
    service.store.save(young.api_key.id, young.token)
    assert service.run()
    *others, own = capsys.readouterr().out.splitlines()
    assert sorted(others) == [f"{service.bot_id} 'deploy bot': rotated", f"{service.importer_id} 'importer': rotated"]
    assert own == f"{service.own_id} 'janitor': rotated"
    service.mock.clock.advance(HOUR)
    assert service.rejected() == []
    assert [is_accepted(service.mock, token) for token in previous] == [False, False, False]
    assert is_accepted(service.mock, young.token)


def test_does_not_rotate_a_key_without_a_file(service: Service) -> None:
    elsewhere = service.mock.add_key("used elsewhere", ["viewer"], age_seconds=MAX_AGE.total_seconds())
    assert service.run()
    service.mock.clock.advance(HOUR)
    assert is_accepted(service.mock, elsewhere.token)


def test_a_key_with_more_roles_fails_and_the_others_are_rotated(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    powerful = service.add("powerful", ["incident_editor"])
    assert not service.run()
    [line] = [line for line in capsys.readouterr().out.splitlines() if powerful in line]
    assert line.startswith(f"{powerful} 'powerful': failed: ")
    assert service.rotations() == [1, 1, 1]


@pytest.mark.parametrize("every", [1, 7])
def test_all_tokens_work_for_a_year(service: Service, every: int) -> None:
    service.run_daily(365, every=every)
    assert service.rotations() == [5, 5, 5]  # on days 0, 90, 180, 270 and 360, or in the weeks of these days


Interruption: TypeAlias = Callable[[Service, pytest.MonkeyPatch], None]


def lose_responses(service: Service, _: pytest.MonkeyPatch) -> None:
    service.mock.fail_next(faults.Close(), operation="rotate", times=3)


def lose_own_response(service: Service, _: pytest.MonkeyPatch) -> None:
    service.mock.fail_next(faults.Slow(0), operation="rotate", times=2)
    service.mock.fail_next(faults.Close(), operation="rotate")


def lose_requests(service: Service, _: pytest.MonkeyPatch) -> None:
    service.mock.fail_next(faults.Close(applied=False), operation="rotate", times=3)


def fill_disk(_: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FileStore, "save", no_space)


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("interrupt", "more"),
    [
        (lose_responses, [1, 1, 1]),
        (lose_own_response, [0, 0, 1]),
        (lose_requests, [1, 1, 1]),
        (fill_disk, [1, 1, 1]),
    ],
)
def test_the_next_run_completes_an_interrupted_run(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    interrupt: Interruption,
    more: list[int],
) -> None:
    with monkeypatch.context() as patch:
        interrupt(service, patch)
        assert not service.run()
    assert service.rejected() == []  # the previous tokens, until the grace period ends
    service.mock.clock.advance(RETRY_DELAY)
    assert service.run()
    service.run_daily(365, every=7)
    assert service.rotations() == [5 + each for each in more]
    assert "inc_" not in "".join(capsys.readouterr())  # no token


def test_nothing_is_rotated_while_the_disk_is_full(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(FileStore, "check", no_space)
        with pytest.raises(StoreUnavailableError, match="No space left on device"):
            service.run()
    assert service.rotations() == [0, 0, 0]
    assert service.run()
    assert service.rotations() == [1, 1, 1]


def command(service: Service, *program: str) -> subprocess.CompletedProcess[str]:
    """Run the service, or another program with its arguments, in a process that finds the mock by INCIDENT_ENDPOINT."""
    arguments = [sys.executable, *(program or ["janitor.py"]), str(service.directory), service.own_id]
    return subprocess.run(arguments, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("incident_io_mock_server")
def test_the_next_run_completes_a_run_that_was_killed(service: Service) -> None:
    killed = """
import os, sys, janitor

def save(store, key_id, token):  # the API has issued the token by then
    os._exit(9) if key_id == sys.argv[2] else save_token(store, key_id, token)

save_token, janitor.FileStore.save = janitor.FileStore.save, save
janitor.main()
"""
    assert command(service, "-c", killed).returncode == 9
    assert service.rotations() == [1, 1, 1]
    service.mock.clock.advance(RETRY_DELAY)
    assert service.run()
    service.run_daily(365, every=7)
    assert service.rotations() == [5, 5, 6]


def test_a_key_waits_while_an_earlier_request_may_still_take_effect(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    service.mock.fail_next(faults.Close(applied=False), operation="rotate")
    assert not service.run()
    assert service.rotations() == [1, 1, 1]
    capsys.readouterr()
    assert not service.run()
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{service.bot_id} 'deploy bot': pending: ")
    assert service.rotations() == [1, 1, 1]
    service.mock.clock.advance(RETRY_DELAY)
    assert service.run()
    assert service.rotations() == [2, 1, 1]


@pytest.mark.usefixtures("incident_io_mock_server")
def test_the_exit_code_is_0_once_nothing_is_left_to_do(service: Service) -> None:
    service.mock.fail_next(faults.Close(), operation="rotate")
    first, second, third = (command(service) for _ in range(3))
    assert [each.returncode for each in (first, second, third)] == [1, 0, 0]
    assert [len(each.stdout.splitlines()) for each in (first, second, third)] == [3, 1, 0]
    assert "inc_" not in first.stdout + second.stdout
    assert [each.stderr for each in (first, second, third)] == ["", "", ""]


@pytest.mark.usefixtures("incident_io_mock_server")
def test_an_error_is_a_message_without_a_traceback(service: Service) -> None:
    service.store.path(service.own_id).unlink()
    result = command(service)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("janitor: ")
    assert str(service.store.path(service.own_id)) in result.stderr
    assert "Traceback" not in result.stderr
