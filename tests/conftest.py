"""Fixtures of all tests: the mock, a client of it, and a client whose responses a test makes itself."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import attrs
import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings

from incident_io_keys import APIKey, KeysClient
from incident_io_keys.testing import MockAPI
from incident_io_keys.testing._api import API

from .delays import skip_delays
from .spec import misfits
from .twins import Blocking

# The default token of test clients. Tests search for it in everything that could leak a token.
CANARY = "inc_" + "c0ffee00" * 8


def without_last_use(key: Any) -> Any:
    """Return a key without its last use, so that it equals the same key before it was used."""
    if isinstance(key, APIKey):
        return attrs.evolve(key, last_used_at=None)
    return {name: value for name, value in key.items() if name != "last_used_at"}


Handler: TypeAlias = Callable[[httpx.Request], httpx.Response]
# Makes a sync client, or an async one with blocking methods. The token defaults to the canary.
Make: TypeAlias = Callable[..., Any]


# Each run has the same examples and stores none, so a failure is the same everywhere. A busy machine may be slow.
settings.register_profile(
    "project", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
# For runs that need a failing example but not the smallest one.
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
def delays() -> Iterator[list[float]]:
    """Skip the delays between attempts. The value lists those skipped so far, in seconds."""
    with skip_delays() as skipped:
        yield skipped


@pytest.fixture(autouse=True)
def _no_threads_left() -> Iterator[None]:
    before = set(threading.enumerate())

    def left() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")} - before

    yield
    # On a busy machine, a thread that has finished its work may need a moment to end.
    end = time.monotonic() + 2
    while left() and time.monotonic() < end:
        time.sleep(0.01)
    assert not left(), "the test left threads behind"


@pytest.fixture(autouse=True)
def _contract_kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check that each response of the mock fits openapi.yaml, and each request that it accepts.

    The marker `anything_is_sent` is for a test whose requests may hold more than openapi.yaml documents.
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


@pytest.fixture
def collected() -> Iterator[None]:
    """Collect garbage after the fixtures of the test, which hold event loops, have ended."""
    yield
    gc.collect()


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
    """Return a function that makes a client whose responses come from a handler."""
    return lambda handler: make(transport=httpx.MockTransport(handler))
