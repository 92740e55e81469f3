"""The sync and the async client have the same methods with the same arguments. The async ones are awaited."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from incident_io_keys import AsyncKeyPager, AsyncKeysClient, KeyPager, KeysClient

OPERATIONS = ("create", "show", "update", "edit", "delete", "rotate")
NAMES = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__", "__aiter__": "__iter__"}


def members(kind: type) -> dict[str, Any]:
    """Return the public methods of a class, and its special ones, by the names of the sync class."""
    found = inspect.getmembers(kind, inspect.isfunction)
    return {NAMES.get(name, name): value for name, value in found if not re.match("_(?!_)", name)}


def parameters(function: Any) -> list[tuple[str, Any, Any, str]]:
    """Return the parameters of a function, their annotations without what is async."""
    found = inspect.signature(function).parameters.values()
    return [(each.name, each.kind, each.default, plain(str(each.annotation))) for each in found]


def plain(annotation: str) -> str:
    return re.sub(r"Async(?=Base|Token)|Awaitable\[(\w+)\]", r"\1", annotation).replace("asyncio.Task", "Prefetch")


@pytest.mark.parametrize(("sync", "counterpart"), [(KeysClient, AsyncKeysClient), (KeyPager, AsyncKeyPager)])
def test_both_have_the_same_methods_with_the_same_arguments(sync: type, counterpart: type) -> None:
    ours, theirs = members(sync), members(counterpart)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert parameters(ours[name]) == parameters(theirs[name]), name
        assert bool(inspect.getdoc(ours[name])) == bool(inspect.getdoc(theirs[name])), name


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_async_operation_is_the_sync_one_awaited(name: str) -> None:
    sync, counterpart = getattr(KeysClient, name), getattr(AsyncKeysClient, name)
    assert inspect.signature(sync) == inspect.signature(counterpart)
    assert f"see `KeysClient.{name}`" in (inspect.getdoc(counterpart) or "")
    assert inspect.iscoroutinefunction(counterpart)
    assert not inspect.iscoroutinefunction(sync)


@pytest.mark.parametrize("name", ["list", *OPERATIONS])
def test_every_operation_documents_its_page_of_the_api_its_arguments_and_errors(name: str) -> None:
    text = inspect.getdoc(getattr(KeysClient, name)) or ""
    page = {"edit": "update"}.get(name, name)
    assert f"(https://docs.incident.io/api-reference/api-keys-v1/{page})" in text
    assert "Args:" in text
    assert "Raises:" in text
