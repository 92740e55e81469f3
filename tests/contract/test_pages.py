"""The contract: every key is listed, once and in order, whatever the pages are like."""

from __future__ import annotations

from typing import Any

import pytest

from incident_io_keys import PaginationError
from incident_io_keys.testing import MockAPI, faults

from .conftest import LARGEST_PAGE, MINUTE, Raw


# Every test here needs the keys, and most their names.
@pytest.fixture(autouse=True)
def names(mock: MockAPI) -> list[str]:
    """The names of eight keys, in the order in which they were created."""
    added = [str(number) for number in range(7)]
    for name in added:
        mock.add_key(name)
        mock.clock.advance(MINUTE)
    return ["Manager", *added]


def listed(pager: Any) -> list[str]:
    return [key.name for key in pager]


@pytest.mark.parametrize("prefetch", [False, True], ids=["", "prefetch"])
@pytest.mark.parametrize("page_size", [1, 3, 4, 7, 8, 9, LARGEST_PAGE])
def test_every_key_is_listed_once_in_the_order_of_creation(
    keys: Any, mock: MockAPI, names: list[str], page_size: int, prefetch: bool
) -> None:
    assert listed(keys.list(page_size=page_size, prefetch=prefetch)) == names
    assert len(mock.requests) == -(-8 // page_size)


def test_a_page_has_as_many_keys_as_were_asked_for_and_a_cursor_unless_it_is_the_last(
    keys: Any, names: list[str]
) -> None:
    pages = list(keys.list(page_size=3).pages())
    assert [[key.name for key in page.keys] for page in pages] == [names[:3], names[3:6], names[6:]]
    assert [page.after for page in pages] == [pages[0].keys[-1].id, pages[1].keys[-1].id, None]


def test_a_list_goes_on_behind_any_cursor(keys: Any, names: list[str]) -> None:
    everything = list(keys.list())
    for number, key in enumerate(everything):
        assert listed(keys.list(page_size=2, after=key.id)) == names[number + 1 :]


def test_a_list_goes_on_where_it_was_when_keys_come_and_go(keys: Any, mock: MockAPI) -> None:
    pages = keys.list(page_size=3).pages()
    first = next(pages)
    keys.delete(first.keys[2].id)  # the cursor
    keys.delete(next(key.id for key in keys.list() if key.name == "4"))
    mock.add_key("late")
    assert [key.name for page in pages for key in page.keys] == ["2", "3", "5", "6", "late"]


def test_a_full_last_page_may_lead_to_an_empty_one(keys: Any, mock: MockAPI, names: list[str]) -> None:
    mock.settings.cursor_on_full_last_page = True
    assert listed(keys.list(page_size=4)) == names
    assert [len(page.keys) for page in keys.list(page_size=4).pages()] == [4, 4, 0]


def test_a_key_that_is_not_listed_yet_is_listed_later(keys: Any, mock: MockAPI, names: list[str]) -> None:
    mock.settings.list_delay = MINUTE
    issued = keys.create(name="new", role_names=[])
    assert listed(keys.list()) == names
    assert keys.show(issued.api_key.id) == issued.api_key
    mock.clock.advance(MINUTE)
    assert listed(keys.list()) == [*names, "new"]


@pytest.mark.parametrize("prefetch", [False, True], ids=["", "prefetch"])
def test_a_cursor_that_comes_back_ends_the_list_with_an_error(
    keys: Any, mock: MockAPI, names: list[str], prefetch: bool
) -> None:
    mock.fail_next(faults.RepeatCursor())
    got = iter(keys.list(page_size=2, prefetch=prefetch))
    assert [next(got).name for _ in range(4)] == names[:4]
    with pytest.raises(PaginationError):
        next(got)


def test_a_page_that_fails_once_is_asked_for_again(keys: Any, mock: MockAPI, names: list[str]) -> None:
    mock.fail_next(faults.Status(503))
    mock.fail_next(faults.ShortBody(), operation="list")
    mock.fail_next(faults.RateLimited(), operation="list")
    assert listed(keys.list(page_size=3)) == names


def test_the_api_s_own_page_holds_25_keys(raw: Raw, mock: MockAPI) -> None:
    for number in range(18):
        mock.add_key(str(number))
    body = raw("GET").json()
    assert len(body["api_keys"]) == 25
    assert body["pagination_meta"] == {"page_size": 25, "after": body["api_keys"][-1]["id"]}
    body = raw("GET", "?page_size=26").json()
    assert (len(body["api_keys"]), body["pagination_meta"]) == (26, {"page_size": 26})
