from __future__ import annotations

import json
from typing import Any

import pytest

from incident_io_keys import KeyPager, KeysClient, PaginationError
from incident_io_keys.testing import MockAPI
from incident_io_keys_generated.models import ListAPIKeysResponse

from .conftest import CANARY
from .test_operations import example


class Pages:
    """Pages by cursor, each of (names of its keys, cursor to the next); remembers what was asked for."""

    def __init__(self, pages: dict[str | None, tuple[str, str | None]]) -> None:
        self.pages = pages
        self.asked: list[str | None] = []

    def __call__(self, after: str | None) -> ListAPIKeysResponse:
        self.asked.append(after)
        assert len(self.asked) < 20, "this would never end"
        names, cursor = self.pages[after]
        key: dict[str, Any] = example("list_response")["api_keys"][0]
        meta = {"page_size": 2} if cursor is None else {"page_size": 2, "after": cursor}
        body = {"api_keys": [{**key, "name": name} for name in names], "pagination_meta": meta}
        return ListAPIKeysResponse.from_dict(json.loads(json.dumps(body)))


def names(pager: KeyPager) -> str:
    return "".join(key.name for key in pager)


THREE: dict[str | None, tuple[str, str | None]] = {None: ("ab", "b"), "b": ("cd", "d"), "d": ("e", None)}


def test_iterating_yields_the_keys_of_all_pages_in_order() -> None:
    fetch = Pages(THREE)
    assert names(KeyPager(fetch, None)) == "abcde"
    assert fetch.asked == [None, "b", "d"]


def test_pages_carry_the_cursor_from_which_a_later_run_resumes() -> None:
    pages = list(KeyPager(Pages(THREE), None).pages())
    assert [(len(page.keys), page.after) for page in pages] == [(2, "b"), (2, "d"), (1, None)]
    assert names(KeyPager(Pages(THREE), pages[0].after)) == "cde"


def test_nothing_is_fetched_before_it_is_asked_for_nor_beyond_what_is_consumed() -> None:
    fetch = Pages(THREE)
    keys = iter(KeyPager(fetch, None))
    assert fetch.asked == []
    assert [next(keys).name, next(keys).name] == ["a", "b"]
    assert fetch.asked == [None]
    assert next(keys).name == "c"
    assert fetch.asked == [None, "b"]


def test_each_iteration_starts_afresh() -> None:
    pager = KeyPager(Pages(THREE), "b")
    assert names(pager) == names(pager) == "cde"
    first, second = iter(pager), iter(pager)
    assert [next(first).name, next(second).name, next(first).name] == ["c", "c", "d"]


@pytest.mark.parametrize("cursor", [None, ""])
def test_an_absent_or_empty_cursor_ends_the_pages(cursor: str | None) -> None:
    pages = list(KeyPager(Pages({None: ("a", cursor)}), None).pages())
    assert [(len(page.keys), page.after) for page in pages] == [(1, None)]


def test_an_empty_page_ends_the_pages_even_if_it_has_a_cursor() -> None:
    fetch = Pages({None: ("ab", "b"), "b": ("", "b2")})
    assert [len(page.keys) for page in KeyPager(fetch, None).pages()] == [2, 0]
    assert fetch.asked == [None, "b"]


def test_an_account_without_keys_has_one_empty_page() -> None:
    [page] = KeyPager(Pages({None: ("", None)}), None).pages()
    assert (page.keys, page.after) == ((), None)


@pytest.mark.parametrize(
    ("pages", "start", "before"),
    [
        ({None: ("a", "x"), "x": ("b", "x")}, None, "ab"),
        ({None: ("a", "x"), "x": ("b", "y"), "y": ("c", "x")}, None, "abc"),
        ({"x": ("a", "x")}, "x", "a"),
    ],
)
def test_a_cursor_that_comes_back_is_an_error_after_the_keys_before_it(
    pages: dict[str | None, tuple[str, str | None]], start: str | None, before: str
) -> None:
    seen = []
    with pytest.raises(PaginationError, match="'x' twice"):  # noqa: PT012 - what came before the error counts
        for key in KeyPager(Pages(pages), start):
            seen.append(key.name)  # noqa: PERF401
    assert "".join(seen) == before


def test_a_cursor_in_a_message_is_neither_a_token_nor_endless() -> None:
    for cursor, said in ((CANARY, "'inc_<redacted>'"), ("x" * 5000, "xxx...'")):
        with pytest.raises(PaginationError) as caught:
            list(KeyPager(Pages({None: ("a", cursor), cursor: ("b", cursor)}), None))
        assert said in str(caught.value)
        assert len(str(caught.value)) < 200
        assert CANARY not in str(caught.value)


@pytest.mark.parametrize("page_size", [1, 2, 3, 7, 8, 100])
def test_any_page_size_gives_the_same_keys(mock: MockAPI, keys: KeysClient, page_size: int) -> None:
    created = [keys.create(name=str(number), role_names=[]).api_key.id for number in range(7)]
    listed = [key.id for key in keys.list(page_size=page_size)]
    assert listed[1:] == created
    assert len(mock.requests) == 7 + -(-8 // page_size)
