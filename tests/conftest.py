"""What the tests share: the mock, a client of it, and a client whose answers a test makes itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from incident_io_keys import KeysClient
from incident_io_keys.testing import MockAPI

# Looked for wherever something could show a token.
CANARY = "inc_" + "c0ffee00" * 8

Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INCIDENT_API_KEY", raising=False)
    monkeypatch.delenv("INCIDENT_ENDPOINT", raising=False)


@pytest.fixture
def mock() -> MockAPI:
    return MockAPI()


@pytest.fixture
def keys(mock: MockAPI) -> Iterator[KeysClient]:
    with KeysClient(mock.token, transport=mock.transport()) as client:
        yield client


@pytest.fixture
def client_of() -> Iterator[Callable[[Handler], KeysClient]]:
    """A client, with the canary for its token, that gets its answers from a function."""
    clients = []

    def make(handler: Handler) -> KeysClient:
        client = KeysClient(CANARY, transport=httpx.MockTransport(handler))
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()
