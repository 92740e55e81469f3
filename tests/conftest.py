"""What the tests share: the mock, a client of it, and a client whose answers a test makes itself."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import attrs
import httpx
import pytest
import stamina
from hypothesis import HealthCheck, Phase, settings

from incident_io_keys import APIKey, KeysClient
from incident_io_keys.testing import MockAPI
from incident_io_keys.testing._api import API

from .spec import misfits
from .twins import Blocking

# Looked for wherever something could show a token.
CANARY = "inc_" + "c0ffee00" * 8


def without_last_use(key: Any) -> Any:
    """A key without its last use, so that it can be compared with the same key before it was used."""
    if isinstance(key, APIKey):
        return attrs.evolve(key, last_used_at=None)
    return {name: value for name, value in key.items() if name != "last_used_at"}


Handler: TypeAlias = Callable[[httpx.Request], httpx.Response]
# Makes a client: the sync one, or the async one behind the same face. Its token is the canary unless another is given.
Make: TypeAlias = Callable[..., Any]


# The same examples each time, and none kept: what fails here fails everywhere. A busy machine may be slow.
settings.register_profile(
    "project", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
# Where it is enough that something fails, and not what is the least that does.
settings.register_profile("brief", settings.get_profile("project"), phases=[Phase.explicit, Phase.generate])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "project"))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Print only dots in a parallel run. pytest-instafail undoes what xdist has set for that."""
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None and session.config.getoption("numprocesses", None):
        reporter.showfspath = False


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INCIDENT_API_KEY", raising=False)
    monkeypatch.delenv("INCIDENT_ENDPOINT", raising=False)


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    """Calls are repeated as often as ever, but at once."""
    with stamina.set_testing(True, attempts=1_000, cap=True):
        yield


@pytest.fixture(autouse=True)
def _no_threads_left() -> Iterator[None]:
    before = set(threading.enumerate())

    def left() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")} - before

    yield
    # On a busy machine, a thread whose work is done may need a moment to end.
    end = time.monotonic() + 2
    while left() and time.monotonic() < end:
        time.sleep(0.01)
    assert not left(), "threads that a test leaves behind"


@pytest.fixture(autouse=True)
def _contract_kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever is asked of the mock: what it answers fits openapi.yaml, and so does what it grants.

    The marker `anything_is_sent` is for a test whose requests may have more than is documented.
    """
    found: list[str] = []
    strangers = request.node.get_closest_marker("anything_is_sent") is not None

    def answer(api: API, request: httpx.Request) -> httpx.Response:
        response = answer_unseen(api, request)
        found.extend(misfits(request, response, strangers=strangers))
        return response

    answer_unseen = API.answer
    monkeypatch.setattr(API, "answer", answer)
    yield
    assert not found, "\n".join(found)


@pytest.fixture
def mock() -> MockAPI:
    return MockAPI()


@pytest.fixture
def keys(mock: MockAPI) -> Iterator[KeysClient]:
    with KeysClient(mock.token, transport=mock.transport()) as client:
        yield client


@pytest.fixture(params=[KeysClient, Blocking], ids=["sync", "async"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    clients: list[Any] = []

    def made(token: object = CANARY, **arguments: Any) -> Any:
        clients.append(request.param(token, **arguments))
        return clients[-1]

    yield made
    for client in clients:
        client.close()
        if isinstance(client, Blocking):
            client.end()


@pytest.fixture
def client_of(make: Make) -> Callable[[Handler], Any]:
    """A client that gets its answers from a function."""
    return lambda handler: make(transport=httpx.MockTransport(handler))
