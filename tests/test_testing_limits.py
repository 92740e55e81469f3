"""The mock, where it is about time and measure: the rate limit, grace periods, pages, and what can be switched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from incident_io_keys import KeysClient
from incident_io_keys.testing import MockAPI, MockClock, MockSettings

from .test_testing import URL, ask, faults

HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Used", "X-RateLimit-Reset")


@pytest.fixture
def mock() -> MockAPI:
    """A mock whose time stands still."""
    mock = MockAPI()
    mock.clock.freeze()
    return mock


def told(response: httpx.Response) -> list[str]:
    return [response.headers[name] for name in HEADERS]


def advance(mock: MockAPI, seconds: float) -> None:
    mock.clock.advance(timedelta(seconds=seconds))


def test_a_key_has_1200_requests_and_20_more_each_second(mock: MockAPI) -> None:
    granted = [ask(mock, url=f"{URL}?page_size=1") for _ in range(1200)]
    assert {response.status_code for response in granted} == {200}
    assert [int(response.headers["X-RateLimit-Remaining"]) for response in granted] == [*range(1199, -1, -1)]
    full = str(-(-int(mock.clock.now().timestamp() * 1e6 + 60e6) // 1_000_000))
    assert told(granted[-1]) == ["1200, 1200;window=60", "0", "1200", full]
    refused = ask(mock)
    assert faults(refused, 429, "too_many_requests") == {("too_many_requests", None)}
    assert told(refused) == ["1200, 1200;window=60", "0", "1200", full]
    mock.clock.advance(timedelta(microseconds=49_999))
    refused = ask(mock)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    mock.clock.advance(timedelta(microseconds=1))
    assert [ask(mock).status_code for _ in range(2)] == [200, 429]
    advance(mock, 1)
    assert [ask(mock).status_code for _ in range(21)] == [200] * 20 + [429]
    advance(mock, 3600)
    assert ask(mock).headers["X-RateLimit-Remaining"] == "1199"


def test_no_request_is_lost_to_rounding(mock: MockAPI) -> None:
    mock.settings.rate_limit = 7
    step = timedelta(microseconds=7)
    used = [ask(mock).status_code for _ in range(7)]
    for _ in range(3):
        mock.clock.advance(timedelta(seconds=60) - step)
        used += [ask(mock).status_code for _ in range(6)]
        mock.clock.advance(step)
        used += [ask(mock).status_code for _ in range(2)]
    assert used == [200] * 7 + ([200] * 6 + [200, 429]) * 3


def test_a_limit_that_is_changed_counts_from_then_on(mock: MockAPI) -> None:
    mock.settings.rate_limit = 1
    assert [ask(mock).status_code for _ in range(2)] == [200, 429]
    mock.settings.rate_limit = 2
    assert [ask(mock).status_code for _ in range(3)] == [200, 200, 429]


def test_each_key_has_a_bucket_of_its_own_and_what_is_refused_counts_too(mock: MockAPI) -> None:
    mock.settings.rate_limit = 2
    other = mock.add_key("other", ["viewer"]).token.reveal()
    assert [ask(mock, token=other).status_code for _ in range(3)] == [403, 403, 429]
    assert [ask(mock, url=f"{URL}/x").status_code for _ in range(3)] == [404, 404, 429]
    assert ask(mock, token="inc_wrong").status_code == 401
    assert "X-RateLimit-Limit" not in ask(mock, token="inc_wrong").headers


def test_a_rotated_key_has_one_bucket_for_both_of_its_tokens(mock: MockAPI) -> None:
    manager = ask(mock).json()["api_keys"][0]["id"]
    response = ask(mock, "POST", f"{URL}/{manager}/actions/rotate", json={"grace_period_minutes": 60})
    assert ask(mock, token=response.json()["token"]).headers["X-RateLimit-Remaining"] == "1197"


@pytest.mark.parametrize("form", ["seconds", "http_date", "http_date_utc", "rfc3339", None])
def test_a_wait_is_told_in_the_form_that_was_chosen(mock: MockAPI, form: Any) -> None:
    mock.settings.retry_after = form
    mock.settings.rate_limit = 3  # one in 20 seconds
    for _ in range(3):
        ask(mock)
    response = ask(mock)
    faults(response, 429, "too_many_requests")
    header, body = response.headers.get("Retry-After"), response.json().get("rate_limit")
    if form is None:
        assert (header, body) == (None, None)
        return
    assert body == {"name": "api_key", "limit": 3, "remaining": 0, "retry_after": header}
    if form == "seconds":
        assert header == "20"
        return
    read = {
        "http_date": lambda text: parsedate_to_datetime(text),
        "http_date_utc": lambda text: parsedate_to_datetime(text.replace("UTC", "GMT")),
        "rfc3339": datetime.fromisoformat,
    }
    assert ("GMT" in header, "UTC" in header) == (form == "http_date", form == "http_date_utc")
    wait = read[form](header) - mock.clock.now()
    assert timedelta(seconds=20) <= wait < timedelta(seconds=21)


@pytest.mark.parametrize("form", ["seconds", "http_date", "http_date_utc", "rfc3339"])
def test_the_client_understands_every_form_and_waits_as_long(form: Any) -> None:
    mock = MockAPI(settings=MockSettings(rate_limit=1, retry_after=form))
    with KeysClient(mock.token, transport=mock.transport(), attempts=1) as keys:
        [_] = keys.list()
        with pytest.raises(Exception, match="429") as caught:
            list(keys.list())
    assert 55 <= caught.value.retry_after <= 61  # type: ignore[attr-defined]


def test_without_a_limit_nothing_is_told_of_one(mock: MockAPI) -> None:
    mock.settings.rate_limit = None
    assert not [name for name in ask(mock).headers if name.startswith("x-ratelimit")]


@pytest.fixture
def rotated(mock: MockAPI) -> tuple[str, list[str]]:
    """The URL that rotates the manager's key, and its tokens after a rotation with ten minutes' grace."""
    url = f"{URL}/{ask(mock).json()['api_keys'][0]['id']}/actions/rotate"
    second = ask(mock, "POST", url, json={"grace_period_minutes": 10}).json()["token"]
    return url, [mock.token.reveal(), second]


def works(mock: MockAPI, tokens: list[str]) -> list[bool]:
    return [ask(mock, token=token).status_code == 200 for token in tokens]


def test_a_token_lives_exactly_for_its_grace_period(mock: MockAPI, rotated: tuple[str, list[str]]) -> None:
    _, tokens = rotated
    mock.clock.advance(timedelta(minutes=10) - timedelta(microseconds=1))
    assert works(mock, tokens) == [True, True]
    mock.clock.advance(timedelta(microseconds=1))
    assert works(mock, tokens) == [False, True]


def test_a_second_rotation_lets_the_first_grace_be_or_ends_it(mock: MockAPI, rotated: tuple[str, list[str]]) -> None:
    url, tokens = rotated
    rotate: dict[str, Any] = {"token": tokens[1], "json": {"grace_period_minutes": 20}}
    third = ask(mock, "POST", url, **rotate).json()["token"]
    assert works(mock, [*tokens, third]) == [True, True, True]
    advance(mock, 10 * 60)
    assert works(mock, [*tokens, third]) == [False, True, True]
    mock.settings.second_rotation = "ends"
    rotate["token"] = third
    fourth = ask(mock, "POST", url, **rotate).json()["token"]
    assert works(mock, [*tokens, third, fourth]) == [False, False, True, True]


def test_a_full_last_page_can_have_a_cursor_to_an_empty_one(mock: MockAPI) -> None:
    mock.settings.cursor_on_full_last_page = True
    page = ask(mock, url=f"{URL}?page_size=1").json()
    last = page["api_keys"][0]["id"]
    assert page["pagination_meta"] == {"page_size": 1, "after": last}
    empty = ask(mock, url=f"{URL}?page_size=1&after={last}").json()
    assert empty == {"api_keys": [], "pagination_meta": {"page_size": 1}}


def test_a_new_key_can_be_listed_late_and_is_shown_at_once(mock: MockAPI) -> None:
    mock.settings.list_delay = timedelta(seconds=5)
    advance(mock, 5)
    key = mock.add_key("new").api_key
    assert [each["name"] for each in ask(mock).json()["api_keys"]] == ["Manager"]
    assert ask(mock, url=f"{URL}/{key.id}").status_code == 200
    advance(mock, 4.9)
    assert len(ask(mock).json()["api_keys"]) == 1
    advance(mock, 0.1)
    assert len(ask(mock).json()["api_keys"]) == 2


def test_a_cursor_whose_key_is_gone_still_has_its_place(mock: MockAPI) -> None:
    ids = [mock.add_key(str(number)).api_key.id for number in range(4)]
    ask(mock, "DELETE", f"{URL}/{ids[1]}")
    left = ask(mock, url=f"{URL}?after={ids[1]}").json()["api_keys"]
    assert [key["id"] for key in left] == ids[2:]


@pytest.mark.parametrize(
    "cursor", ["2", "x" * 26, "8" + "0" * 25, "01FCNDV6P870EA6S7TK1DSYDG", "01fcndv6p870ea6s7tk1dsydg0"]
)
def test_a_cursor_that_never_was_an_id_is_refused(mock: MockAPI, cursor: str) -> None:
    response = ask(mock, url=f"{URL}?after={cursor}&page_size=0")
    assert faults(response, 422, "validation_error") == {("invalid_value", "/after"), ("out_of_range", "/page_size")}


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate_limit": 0},
        {"extra_roles": [3]},
        {"extra_roles": 3},
        {"extra_roles": None},
        {"extra_roles": [""]},
        {"rate_limit": True},
        {"list_delay": timedelta(days=367)},
        {"rate_limit": "1200"},
        {"retry_after": "minutes"},
        {"second_rotation": "both"},
        {"cursor_on_full_last_page": 1},
        {"list_delay": timedelta(seconds=-1)},
        {"list_delay": 5},
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_when_it_is_set(mock: MockAPI, wrong: dict[str, Any]) -> None:
    [(name, value)] = wrong.items()
    with pytest.raises(ValueError, match=f"^{name} must be "):
        setattr(mock.settings, name, value)
    with pytest.raises(ValueError, match=f"^{name} must be "):
        MockSettings(**wrong)
    with pytest.raises(AttributeError):
        mock.settings.rate_limits = 3  # type: ignore[attr-defined]


def test_a_clock_moves_on_stands_still_and_never_goes_back() -> None:
    clock = MockClock()
    before = clock.now()
    assert abs(before - datetime.now(UTC)) < timedelta(minutes=1)
    clock.advance(timedelta(hours=1))
    assert timedelta(hours=1) <= clock.now() - before < timedelta(hours=2)
    clock.freeze()
    frozen = clock.now()
    clock.freeze()
    assert clock.now() == frozen
    clock.advance(timedelta(days=1))
    assert clock.now() == frozen + timedelta(days=1)
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(timedelta(microseconds=-1))


def test_a_machine_whose_clock_is_set_back_does_not_take_the_mock_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = MockClock()
    before = clock.now()

    class Earlier(datetime):
        @classmethod
        def now(cls, _: Any = None) -> Any:
            return before - timedelta(hours=1)

    monkeypatch.setattr("incident_io_keys.testing._clock.datetime", Earlier)
    assert clock.now() == before
    clock.advance(timedelta(hours=2))
    assert clock.now() == before + timedelta(hours=1)
