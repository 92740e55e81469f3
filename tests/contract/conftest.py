"""What the contract suite shares: a client of the mock in each of four settings, and plain HTTP beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeAlias

import httpx
import pytest

from incident_io_keys import APIKey, Token
from incident_io_keys.testing import MockAPI
from incident_io_keys_generated import contract

from ..conftest import Make

# Makes a client of the mock: that of the manager, or of the key whose token is given.
ClientOf: TypeAlias = Callable[..., Any]
# Sends a request that no client would send: method, what follows /v1/api_keys, and what httpx takes.
Raw: TypeAlias = Callable[..., httpx.Response]


@pytest.fixture
def mock() -> MockAPI:
    """A mock whose time stands still unless it is moved."""
    mock = MockAPI()
    mock.clock.freeze()
    return mock


@pytest.fixture(params=["in-process", "socket"])
def reached(request: pytest.FixtureRequest, mock: MockAPI) -> Iterator[dict[str, Any]]:
    """The arguments with which a client reaches the mock."""
    if request.param == "in-process":
        yield {"transport": mock.transport()}
        return
    with mock.serve() as server:
        yield {"base_url": server.url}


@pytest.fixture
def client(reached: dict[str, Any], make: Make, mock: MockAPI) -> ClientOf:
    def made(token: Token | None = None, **arguments: Any) -> Any:
        return make(token or mock.token, **reached, **arguments)

    return made


@pytest.fixture
def keys(client: ClientOf) -> Any:
    return client()


@pytest.fixture
def raw(reached: dict[str, Any], mock: MockAPI) -> Iterator[Raw]:
    with httpx.Client(**{"base_url": contract.SERVER, **reached}, trust_env=False) as http:

        def send(method: str, path: str = "", *, token: Token | None = None, **arguments: Any) -> httpx.Response:
            headers = {"Authorization": f"Bearer {(token or mock.token).reveal()}", **arguments.pop("headers", {})}
            return http.request(method, f"/v1/api_keys{path}", headers=headers, **arguments)

        yield send


LONGEST_NAME = contract.API_KEY_DEFINITION_NAME_MAX_LENGTH
LARGEST_PAGE = contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM
LONGEST_GRACE = contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_MAXIMUM

MINUTE = timedelta(minutes=1)
INSTANT = timedelta(microseconds=1)


def definition_of(key: APIKey) -> dict[str, Any]:
    """What an update has to say for a key to stay as it is."""
    return {
        "name": key.name,
        "role_names": [role.name for role in key.roles],
        "team_ids": list(key.team_ids),
        "team_role_names": [role.name for role in key.team_roles],
    }
