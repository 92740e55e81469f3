"""Iterating over keys and pages, with and without prefetch."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, TypeAlias

import httpx
import pytest

from incident_io_keys import APIKey, PaginationError, PermissionDeniedError
from incident_io_keys.testing import MockAPI

from .conftest import CANARY, Make
from .spec import example

# By cursor: the names of a page's keys, and the cursor to the next page.
Layout: TypeAlias = dict[str | None, tuple[str, str | None]]
ClientOf: TypeAlias = Callable[..., Any]

with_and_without_prefetch = pytest.mark.parametrize("prefetch", [False, True])


class Pages:
    """Serves pages by cursor.

    Attributes:
        requested: The cursors of the requests, in order.
        most_alive: How many keys of earlier pages were in memory when a request came, at most.
    """

    def __init__(self, pages: Layout, *, count_keys: bool = False) -> None:
        self.requested: list[str | None] = []
        self.most_alive = 0
        self._pages = pages
        self._count_keys = count_keys

    def __call__(self, request: httpx.Request) -> httpx.Response:
        after = request.url.params.get("after")
        self.requested.append(after)
        assert len(self.requested) < 20, "this would never end"
        if self._count_keys:
            self.most_alive = max(self.most_alive, sum(isinstance(each, APIKey) for each in gc.get_objects()))
        names, cursor = self._pages[after]
        key: dict[str, Any] = example("list_response")["api_keys"][0]
        meta = {"page_size": 2} if cursor is None else {"page_size": 2, "after": cursor}
        body = {"api_keys": [{**key, "name": name} for name in names], "pagination_meta": meta}
        return httpx.Response(200, json=body)


def names(keys: Any) -> str:
    return "".join(key.name for key in keys)


THREE: Layout = {None: ("ab", "b"), "b": ("cd", "d"), "d": ("e", None)}


@with_and_without_prefetch
def test_iterating_yields_the_keys_of_all_pages_in_order(client_of: ClientOf, prefetch: bool) -> None:
    pages = Pages(THREE)
    assert names(client_of(pages).list(prefetch=prefetch)) == "abcde"
    assert pages.requested == [None, "b", "d"]


def test_a_page_has_the_cursor_that_resumes_after_it(client_of: ClientOf) -> None:
    client = client_of(Pages(THREE))
    pages = list(client.list().pages())
    assert [(len(page.keys), page.after) for page in pages] == [(2, "b"), (2, "d"), (1, None)]
    assert names(client.list(after=pages[0].after)) == "cde"


def test_without_prefetch_a_page_is_requested_when_it_is_reached(client_of: ClientOf) -> None:
    pages = Pages(THREE)
    keys = iter(client_of(pages).list())
    assert pages.requested == []
    assert [next(keys).name, next(keys).name] == ["a", "b"]
    assert pages.requested == [None]
    assert next(keys).name == "c"
    assert pages.requested == [None, "b"]


@with_and_without_prefetch
def test_each_iteration_starts_again(client_of: ClientOf, prefetch: bool) -> None:
    listed = client_of(Pages(THREE)).list(after="b", prefetch=prefetch)
    assert names(listed) == names(listed) == "cde"
    first, second = iter(listed), iter(listed)
    assert [next(first).name, next(second).name, next(first).name] == ["c", "c", "d"]


@with_and_without_prefetch
@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        pytest.param({None: ("a", None)}, [(1, None)], id="absent cursor"),
        pytest.param({None: ("a", "")}, [(1, None)], id="empty cursor"),
        pytest.param({None: ("ab", "b"), "b": ("", "c"), "c": ("d", None)}, [(2, "b"), (0, "c")], id="empty page"),
        pytest.param({None: ("", None)}, [(0, None)], id="no keys"),
    ],
)
def test_an_absent_or_empty_cursor_or_an_empty_page_ends_the_pages(
    client_of: ClientOf, layout: Layout, expected: list[tuple[int, str | None]], prefetch: bool
) -> None:
    pages = Pages(layout)
    assert [(len(page.keys), page.after) for page in client_of(pages).list(prefetch=prefetch).pages()] == expected
    assert len(pages.requested) == len(expected)


@with_and_without_prefetch
@pytest.mark.parametrize(
    ("layout", "start", "before"),
    [
        ({None: ("a", "x"), "x": ("b", "x")}, None, "ab"),
        ({None: ("a", "x"), "x": ("b", "y"), "y": ("c", "x")}, None, "abc"),
        ({"x": ("a", "x")}, "x", "a"),
    ],
)
def test_a_cursor_that_comes_back_raises_after_the_keys_before_it(
    client_of: ClientOf, layout: Layout, start: str | None, before: str, prefetch: bool
) -> None:
    pages = Pages(layout)
    seen = []
    with pytest.raises(PaginationError, match="'x'"):  # noqa: PT012 - the keys before the error count
        for key in client_of(pages).list(after=start, prefetch=prefetch):
            seen.append(key.name)  # noqa: PERF401
    assert "".join(seen) == before
    assert len(pages.requested) == len(before)


@pytest.mark.parametrize(("cursor", "shown"), [(CANARY, "inc_<redacted>"), ("x" * 5000, "xxx")], ids=["token", "long"])
def test_a_cursor_in_a_message_is_redacted_and_shortened(client_of: ClientOf, cursor: str, shown: str) -> None:
    with pytest.raises(PaginationError) as caught:
        list(client_of(Pages({None: ("a", cursor), cursor: ("b", cursor)})).list())
    assert shown in str(caught.value)
    assert len(str(caught.value)) < 200
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(("prefetch", "most"), [(False, 0), (True, 2)])
def test_no_page_but_the_current_and_the_prefetched_one_stays_in_memory(
    client_of: ClientOf, prefetch: bool, most: int
) -> None:
    gc.collect()
    before = sum(isinstance(each, APIKey) for each in gc.get_objects())
    letters = "abcdefghijkl"
    layout: Layout = {None: ("ab", "b"), "l": ("", None)}
    layout.update({letters[at - 1]: (letters[at : at + 2], letters[at + 1]) for at in range(2, 12, 2)})
    pages = Pages(layout, count_keys=True)
    read = ""
    for key in client_of(pages).list(prefetch=prefetch):
        read += key.name
        del key
    assert read == letters
    assert pages.most_alive - before <= most


def test_the_error_of_a_prefetched_page_is_raised_when_the_page_is_reached(client_of: ClientOf) -> None:
    responses = [httpx.Response(200, json=example("list_response")), httpx.Response(429), httpx.Response(403)]
    pages = client_of(lambda _: responses.pop(0)).list(prefetch=True).pages()
    assert len(next(pages).keys) == 1
    with pytest.raises(PermissionDeniedError):
        next(pages)
    assert responses == [], "a page was not requested, or not retried"


@with_and_without_prefetch
@pytest.mark.parametrize("page_size", [1, 2, 3, 7, 8, 100])
def test_any_page_size_yields_the_same_keys(mock: MockAPI, make: Make, page_size: int, prefetch: bool) -> None:
    keys = make(mock.token, transport=mock.transport())
    created = [keys.create(name=str(number), role_names=[]).api_key.id for number in range(7)]
    listed = [key.id for key in keys.list(page_size=page_size, prefetch=prefetch)]
    assert listed[1:] == created
    assert len(mock.requests) == 7 + -(-8 // page_size)
