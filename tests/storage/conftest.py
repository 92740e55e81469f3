"""What the tests of storage share: stores, and functions of storage called with the sync client or the async one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from incident_io_keys import AsyncKeysClient, KeysClient
from incident_io_keys.storage import FileStore
from incident_io_keys.testing import MockAPI

from .doing import INTO, Do, Doing, Memory


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


@pytest.fixture(params=[KeysClient, AsyncKeysClient], ids=["sync", "async"])
def doing(request: pytest.FixtureRequest) -> Iterator[Doing]:
    doing = Doing(request.param)
    yield doing
    doing.close()


@pytest.fixture
def keys(doing: Doing, mock: MockAPI) -> Any:
    """A client of the mock, of each kind."""
    return doing.client(mock.token, mock.handle)


@pytest.fixture
def do(doing: Doing, keys: Any) -> Do:
    return lambda function, *arguments, **keywords: doing(function(keys, *arguments, **keywords))


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path)


@pytest.fixture
def key_id(mock: MockAPI) -> str:
    """A key that is there, and whose token no store has."""
    return mock.add_key("there", ["viewer"]).api_key.id


@pytest.fixture(params=INTO)
def operation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def into(operation: str, do: Do, key_id: str) -> Callable[[Any], Any]:
    """Brings a token to a store, by a create or by a rotation."""
    return lambda store: do(INTO[operation], store, key_id)
