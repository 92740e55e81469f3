"""Fixtures for the storage tests: token stores, and functions of `storage` with the sync or the async client."""

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
    """Return a sync and an async client of the mock."""
    return doing.client(mock.token, mock.handle)


@pytest.fixture
def do(doing: Doing, keys: Any) -> Do:
    return lambda function, *arguments, **keywords: doing(function(keys, *arguments, **keywords))


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path)


@pytest.fixture
def key_id(mock: MockAPI) -> str:
    """Return the ID of an existing key whose token is in no store."""
    return mock.add_key("there", ["viewer"]).api_key.id


@pytest.fixture(params=INTO)
def operation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def into(operation: str, do: Do, key_id: str) -> Callable[[Any], Any]:
    """Return a function that creates or rotates a key and saves its token in a store."""
    return lambda store: do(INTO[operation], store, key_id)
