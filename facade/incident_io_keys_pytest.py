"""Fixtures for whoever tests a service that uses incident-io-keys; pytest finds them by itself.

pytest imports this module in every project whose environment has the package, so that it stands apart from it and
imports it only where a fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from incident_io_keys.testing import MockAPI, MockServer


@pytest.fixture
def incident_io_mock() -> MockAPI:
    """A mock of the API keys resource, fresh for each test; `transport()` is for clients in this process."""
    from incident_io_keys.testing import MockAPI

    return MockAPI()


@pytest.fixture
def incident_io_mock_server(incident_io_mock: MockAPI, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockServer]:
    """The mock of `incident_io_mock` on a loopback socket, to which INCIDENT_ENDPOINT and INCIDENT_API_KEY point."""
    with incident_io_mock.serve() as server:
        monkeypatch.setenv("INCIDENT_ENDPOINT", server.url)
        monkeypatch.setenv("INCIDENT_API_KEY", incident_io_mock.token.reveal())
        yield server
