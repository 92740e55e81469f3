"""The sync and the async client are the same but for `await`: their methods, arguments, defaults and words."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from incident_io_keys import AsyncKeyPager, AsyncKeysClient, KeyPager, KeysClient

OPERATIONS = ("create", "show", "update", "delete", "rotate")
NAMES = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__", "__aiter__": "__iter__"}
# What one says and the other says otherwise; all else has to be equal.
WORDS = (
    (r"\bAsync(?=Key|HTTP|Base|Token)", ""),
    (r"an `async with` statement, or `aclose` it", "a `with` statement, or `close` it when done"),
    (r"Tasks can", "Threads can"),
    (r"in a task of", "in a thread of"),
    (r",\s+which may be a coroutine function\)", ")"),
    (r"\s*One of your own\s+has to keep the deadline within a try itself\.", ""),
)


def said(value: Any) -> str:
    """A docstring, with the words in which the twins may differ made the same."""
    text = re.sub(r"\s+", " ", inspect.getdoc(value) or "")
    for pattern, same in WORDS:
        text = re.sub(pattern, same, text)
    return text


def members(kind: type) -> dict[str, Any]:
    """What a class itself says that it has, by the names of the sync twin."""
    return {NAMES.get(name, name): value for name, value in vars(kind).items() if inspect.isfunction(value)}


@pytest.mark.parametrize(("sync", "twin"), [(KeysClient, AsyncKeysClient), (KeyPager, AsyncKeyPager)])
def test_the_twins_have_the_same_members_with_the_same_arguments_and_words(sync: type, twin: type) -> None:
    assert said(sync) == said(twin)
    ours, theirs = members(sync), members(twin)
    assert list(ours) == list(theirs)
    for name in ours:
        assert said(ours[name]) == said(theirs[name]), name
        assert signature(ours[name]) == signature(theirs[name]), name


def signature(function: Any) -> list[tuple[str, Any, Any, str]]:
    parameters = inspect.signature(function).parameters.values()
    return [(each.name, each.kind, each.default, plain(str(each.annotation))) for each in parameters]


def plain(annotation: str) -> str:
    return re.sub(r"Async(?=Base|Token|Ahead)|Awaitable\[(\w+)\]", r"\1", annotation)


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_twins_give_the_same(name: str) -> None:
    sync, twin = getattr(KeysClient, name), getattr(AsyncKeysClient, name)
    assert inspect.signature(sync).return_annotation == inspect.signature(twin).return_annotation
    assert inspect.iscoroutinefunction(twin)
    assert not inspect.iscoroutinefunction(sync)


@pytest.mark.parametrize("name", ["list", *OPERATIONS])
def test_every_operation_says_where_the_api_documents_it_and_what_it_raises(name: str) -> None:
    text = inspect.getdoc(getattr(KeysClient, name)) or ""
    assert f"(https://docs.incident.io/api-reference/api-keys-v1/{name})" in text
    assert "Args:" in text
    assert "Raises:" in text
