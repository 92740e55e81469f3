"""Tests of the example service. They use what every project gets that has incident-io-keys installed, and no more."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from janitor import TOO_OLD, rotate_old_tokens

from incident_io_keys import AuthenticationError, KeysClient, PermissionDeniedError
from incident_io_keys.testing import MockAPI, MockServer, faults

DAY = timedelta(days=1)


@pytest.fixture
def keys(incident_io_mock: MockAPI) -> Iterator[KeysClient]:
    """A client of the mock, in the same process."""
    with KeysClient(incident_io_mock.token, transport=incident_io_mock.transport()) as client:
        yield client


def run(mock: MockAPI, keys: KeysClient, directory: Path) -> list[str]:
    return rotate_old_tokens(keys, directory, mock.clock.now())


def works(mock: MockAPI, token: str) -> bool:
    with KeysClient(token, transport=mock.transport()) as keys:
        try:
            list(keys.list())
        except AuthenticationError:
            return False
        except PermissionDeniedError:
            pass
    return True


def test_each_test_has_a_mock_of_its_own(keys: KeysClient) -> None:
    keys.create(name="left behind", role_names=[])
    assert len(list(keys.list())) == 2


@pytest.mark.parametrize("again", range(4))
def test_and_so_has_each_that_runs_beside_it(keys: KeysClient, again: int) -> None:
    keys.create(name=f"left behind {again}", role_names=[])
    assert len(list(keys.list())) == 2


def test_what_is_too_old_is_rotated_and_its_token_kept(
    incident_io_mock: MockAPI, keys: KeysClient, tmp_path: Path
) -> None:
    mock = incident_io_mock
    old = mock.add_key("old", ["viewer"])
    mock.clock.advance(TOO_OLD)
    young = mock.add_key("young", ["viewer"])
    assert run(mock, keys, tmp_path) == ["Manager: rotated after 90 days", "old: rotated after 90 days"]
    token = (tmp_path / old.api_key.id).read_text()
    mock.clock.advance(2 * timedelta(hours=1))
    assert [works(mock, each) for each in (token, old.token.reveal(), young.token.reveal())] == [True, False, True]


def test_what_may_do_more_is_left_alone(incident_io_mock: MockAPI, tmp_path: Path) -> None:
    mock = incident_io_mock
    mock.add_key("powerful", ["incident_editor"])
    mock.clock.advance(TOO_OLD)
    janitor = mock.add_key("janitor", ["api_keys_manage"])
    with KeysClient(janitor.token, transport=mock.transport()) as keys:
        lines = run(mock, keys, tmp_path)
    assert "powerful: may do more than this service, and was left alone" in lines


def test_what_nobody_can_know_is_said(incident_io_mock: MockAPI, keys: KeysClient, tmp_path: Path) -> None:
    incident_io_mock.add_key("other")
    incident_io_mock.clock.advance(TOO_OLD)
    incident_io_mock.fail_next(faults.Close(applied=False), operation="rotate")
    incident_io_mock.fail_next(faults.Status(409), operation="rotate")
    assert run(incident_io_mock, keys, tmp_path) == [
        "Manager: was perhaps rotated: look at it",
        "other: was not rotated",
    ]


def test_the_service_needs_nothing_but_its_environment(
    incident_io_mock: MockAPI, incident_io_mock_server: MockServer, tmp_path: Path
) -> None:
    command = [sys.executable, str(Path(__file__).with_name("janitor.py")), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == "nothing to do\n"
    assert [request.url.path for request in incident_io_mock.requests] == ["/v1/api_keys"]
    assert str(incident_io_mock.requests[0].url).startswith(incident_io_mock_server.url)
