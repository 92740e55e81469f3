"""`with_options`: a client with other limits, over the same connections."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from incident_io_keys import InternalServerError, InvalidRequestError
from incident_io_keys.testing import MockAPI

from .conftest import CANARY, Make
from .connections import KeyServer
from .delays import skip_delays


def test_it_shares_the_connections_the_token_and_the_rate_limit(make: Make, mock: MockAPI) -> None:
    with KeyServer().running() as server:
        keys = make(base_url=server.url)
        assert [each.show("a").id for each in (keys, keys.with_options(attempts=1))] == ["a", "a"]
        assert len(set(server.ports)) == 1
    mock.clock.freeze()  # the rate limit recovers with time
    keys = make(mock.token, transport=mock.transport())
    clone = keys.with_options(attempts=1)
    list(keys.list())
    assert clone.rate_limit == keys.rate_limit
    assert clone.rate_limit.remaining == 1199
    assert len(list(clone.list())) == 1
    assert keys.rate_limit.remaining == 1198


OPTIONS: list[tuple[dict[str, Any], int]] = [({"attempts": 1}, 1), ({"deadline": 5}, 3), ({"timeout": 5}, 3), ({}, 3)]


@pytest.mark.parametrize(("options", "attempts"), OPTIONS)
def test_it_changes_what_is_given_and_keeps_the_rest(make: Make, options: dict[str, Any], attempts: int) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        sent.append(request.extensions["timeout"]["read"])
        return httpx.Response(500)

    sent: list[float] = []
    clone = make(transport=httpx.MockTransport(fail), attempts=3, timeout=2).with_options(**options)
    with skip_delays(), pytest.raises(InternalServerError):
        clone.show("a")
    assert sent == [options.get("timeout", 2)] * attempts


def test_a_shorter_deadline_leaves_no_time_for_a_retry(make: Make) -> None:
    keys = make(transport=httpx.MockTransport(lambda _: httpx.Response(503, headers={"Retry-After": "9"})))
    with pytest.raises(InternalServerError) as caught:
        keys.with_options(deadline=8).show("a")
    assert caught.value.__notes__ == ["It was not retried: a delay of 9 s would exceed the deadline."]


def test_every_invalid_option_is_reported(make: Make) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        make().with_options(timeout=0, attempts=0, deadline=-1)
    assert [problem.field for problem in caught.value.problems] == ["timeout", "attempts", "deadline"]


def test_closing_the_clone_leaves_the_client_open_and_closing_the_client_closes_all_clones(
    make: Make, mock: MockAPI
) -> None:
    keys = make(mock.token, transport=mock.transport())
    closed, kept = keys.with_options(attempts=1), keys.with_options(attempts=2)
    assert CANARY not in repr(kept)
    closed.close()
    assert len(list(keys.list())) == len(list(kept.list())) == 1
    with pytest.raises(InvalidRequestError, match="client: is closed"):
        closed.show("a")
    keys.close()
    with pytest.raises(InvalidRequestError, match="client: is closed"):
        kept.show("a")
