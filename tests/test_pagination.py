from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import httpx
import pytest

from incident_io_keys import APIKey, AsyncKeyPager, KeyPager, PaginationError, PermissionDeniedError
from incident_io_keys._ahead import Ahead, AsyncAhead
from incident_io_keys._deadline import Deadline
from incident_io_keys.testing import MockAPI
from incident_io_keys_generated.models import ListAPIKeysResponse

from .conftest import CANARY, Make
from .spec import example
from .twins import BlockingPager, Loop

Layout: TypeAlias = dict[str | None, tuple[str, str | None]]


class Pages:
    """Pages by cursor, each of (names of its keys, cursor to the next); remembers what was asked for.

    Called as a function it fetches a page; `ahead` prefetches one.
    """

    def __init__(self, pages: Layout) -> None:
        self.pages = pages
        self.asked: list[str | None] = []
        self.given: list[weakref.ref[APIKey]] = []
        self.most_alive = 0

    def __call__(self, after: str | None) -> ListAPIKeysResponse:
        self.asked.append(after)
        assert len(self.asked) < 20, "this would never end"
        names, cursor = self.pages[after]
        key: dict[str, Any] = example("list_response")["api_keys"][0]
        meta = {"page_size": 2} if cursor is None else {"page_size": 2, "after": cursor}
        body = {"api_keys": [{**key, "name": name} for name in names], "pagination_meta": meta}
        read = ListAPIKeysResponse.from_dict(json.loads(json.dumps(body)))
        self.given += map(weakref.ref, read.api_keys)
        self.most_alive = max(self.most_alive, sum(key() is not None for key in self.given))
        return read

    async def fetch(self, after: str | None) -> ListAPIKeysResponse:
        await asyncio.sleep(0)
        return self(after)

    def ahead(self, after: str | None) -> Ahead[ListAPIKeysResponse]:
        return Ahead(lambda _: self(after), Deadline(60))

    def async_ahead(self, after: str | None) -> AsyncAhead[ListAPIKeysResponse]:
        return AsyncAhead(self.fetch(after))


# Makes a pager over pages that starts behind a cursor.
Pager: TypeAlias = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def pager(request: pytest.FixtureRequest) -> Iterator[Pager]:
    with contextlib.closing(Loop()) as loop:

        def made(pages: Pages, after: str | None, *, prefetch: bool = False) -> Any:
            if request.param == "sync":
                return KeyPager(pages, after, pages.ahead if prefetch else None)
            return BlockingPager(loop, AsyncKeyPager(pages.fetch, after, pages.async_ahead if prefetch else None))

        yield made


def names(keys: Any) -> str:
    return "".join(key.name for key in keys)


THREE: Layout = {None: ("ab", "b"), "b": ("cd", "d"), "d": ("e", None)}


@pytest.mark.parametrize("prefetch", [False, True])
def test_iterating_yields_the_keys_of_all_pages_in_order(pager: Pager, prefetch: bool) -> None:
    fetch = Pages(THREE)
    assert names(pager(fetch, None, prefetch=prefetch)) == "abcde"
    assert fetch.asked == [None, "b", "d"]


def test_pages_carry_the_cursor_from_which_a_later_run_resumes(pager: Pager) -> None:
    pages = list(pager(Pages(THREE), None).pages())
    assert [(len(page.keys), page.after) for page in pages] == [(2, "b"), (2, "d"), (1, None)]
    assert names(pager(Pages(THREE), pages[0].after)) == "cde"


def test_nothing_is_fetched_before_it_is_asked_for_nor_beyond_what_is_consumed(pager: Pager) -> None:
    fetch = Pages(THREE)
    keys = iter(pager(fetch, None))
    assert fetch.asked == []
    assert [next(keys).name, next(keys).name] == ["a", "b"]
    assert fetch.asked == [None]
    assert next(keys).name == "c"
    assert fetch.asked == [None, "b"]


@pytest.mark.parametrize("prefetch", [False, True])
def test_each_iteration_starts_afresh(pager: Pager, prefetch: bool) -> None:
    listed = pager(Pages(THREE), "b", prefetch=prefetch)
    assert names(listed) == names(listed) == "cde"
    first, second = iter(listed), iter(listed)
    assert [next(first).name, next(second).name, next(first).name] == ["c", "c", "d"]


@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize("cursor", [None, ""])
def test_an_absent_or_empty_cursor_ends_the_pages(pager: Pager, cursor: str | None, prefetch: bool) -> None:
    pages = list(pager(Pages({None: ("a", cursor)}), None, prefetch=prefetch).pages())
    assert [(len(page.keys), page.after) for page in pages] == [(1, None)]


@pytest.mark.parametrize("prefetch", [False, True])
def test_an_empty_page_ends_the_pages_even_with_a_cursor(pager: Pager, prefetch: bool) -> None:
    fetch = Pages({None: ("ab", "b"), "b": ("", "c"), "c": ("d", None)})
    assert [len(page.keys) for page in pager(fetch, None, prefetch=prefetch).pages()] == [2, 0]
    assert fetch.asked == [None, "b"]


def test_an_account_without_keys_has_one_empty_page(pager: Pager) -> None:
    [page] = pager(Pages({None: ("", None)}), None).pages()
    assert (page.keys, page.after) == ((), None)


@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize(
    ("pages", "start", "before"),
    [
        ({None: ("a", "x"), "x": ("b", "x")}, None, "ab"),
        ({None: ("a", "x"), "x": ("b", "y"), "y": ("c", "x")}, None, "abc"),
        ({"x": ("a", "x")}, "x", "a"),
    ],
)
def test_a_cursor_that_comes_back_is_an_error_after_the_keys_before_it(
    pager: Pager, pages: Layout, start: str | None, before: str, prefetch: bool
) -> None:
    fetch = Pages(pages)
    seen = []
    with pytest.raises(PaginationError, match="'x' twice"):  # noqa: PT012 - what came before the error counts
        for key in pager(fetch, start, prefetch=prefetch):
            seen.append(key.name)  # noqa: PERF401
    assert "".join(seen) == before
    assert len(fetch.asked) == len(before)


def test_a_cursor_in_a_message_is_neither_a_token_nor_endless(pager: Pager) -> None:
    for cursor, said in ((CANARY, "'inc_<redacted>'"), ("x" * 5000, "xxx...'")):
        with pytest.raises(PaginationError) as caught:
            list(pager(Pages({None: ("a", cursor), cursor: ("b", cursor)}), None))
        assert said in str(caught.value)
        assert len(str(caught.value)) < 200
        assert CANARY not in str(caught.value)


@pytest.mark.parametrize(("prefetch", "most"), [(False, 2), (True, 4)])
def test_no_more_is_kept_than_one_page_and_the_prefetched_one(pager: Pager, prefetch: bool, most: int) -> None:
    letters = "abcdefghijkl"
    pages: Layout = {None: ("ab", "b")}
    pages.update({letters[at - 1]: (letters[at : at + 2], letters[at + 1]) for at in range(2, 12, 2)})
    pages["l"] = ("", None)
    fetch = Pages(pages)
    read = ""
    for key in pager(fetch, None, prefetch=prefetch):
        read += key.name
        del key
    assert read == letters
    assert fetch.most_alive <= most


def test_the_next_page_is_fetched_while_one_is_consumed() -> None:
    fetch = Pages(THREE)
    keys = iter(KeyPager(fetch, None, fetch.ahead))
    assert fetch.asked == []
    assert next(keys).name == "a"
    for thread in [thread for thread in threading.enumerate() if "prefetch" in thread.name]:
        thread.join()
    assert fetch.asked == [None, "b"]
    assert names(keys) == "bcde"


def test_the_next_page_is_fetched_while_one_is_consumed_async() -> None:
    async def main() -> None:
        fetch = Pages(THREE)
        async with contextlib.aclosing(aiter(AsyncKeyPager(fetch.fetch, None, fetch.async_ahead))) as keys:
            assert (await anext(keys)).name == "a"
            while len(fetch.asked) < 2:
                await asyncio.sleep(0)
            assert fetch.asked == [None, "b"]
            assert "".join([key.name async for key in keys]) == "bcde"

    asyncio.run(main())


def test_an_error_of_a_page_that_is_prefetched_comes_when_it_is_reached(client_of: Callable[..., Any]) -> None:
    answers = iter([httpx.Response(200, json=example("list_response")), httpx.Response(429), httpx.Response(403)])
    seen = []
    with pytest.raises(PermissionDeniedError):  # noqa: PT012 - what came before the error counts
        for page in client_of(lambda _: next(answers)).list(prefetch=True).pages():
            seen.append(len(page.keys))  # noqa: PERF401
    assert seen == [1]
    assert list(answers) == [], "not all was asked for, or not once"


@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize("page_size", [1, 2, 3, 7, 8, 100])
def test_any_page_size_gives_the_same_keys(mock: MockAPI, make: Make, page_size: int, prefetch: bool) -> None:
    keys = make(mock.token, transport=mock.transport())
    created = [keys.create(name=str(number), role_names=[]).api_key.id for number in range(7)]
    listed = [key.id for key in keys.list(page_size=page_size, prefetch=prefetch)]
    assert listed[1:] == created
    assert len(mock.requests) == 7 + -(-8 // page_size)
