"""`rotate_due`: which keys it rotates or skips, its concurrency and rate limit, and that it loses no token."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from incident_io_keys import AsyncKeysClient, KeysClient
from incident_io_keys.storage import FileStore, RotationResult, _runner, resume, rotate_due, rotate_into
from incident_io_keys.storage._journal import Journal
from incident_io_keys.storage._runner import wait
from incident_io_keys.testing import MockAPI

from .doing import LONG, Doing, Memory, Waits, aged, rotated, sent, states, works


@pytest.fixture
def mock() -> MockAPI:
    mock = MockAPI()
    mock.clock.freeze()
    return mock


@pytest.fixture
def store(tmp_path: Path) -> Memory:
    return Memory(tmp_path)


def test_only_due_keys_are_rotated_oldest_first(doing: Doing, mock: MockAPI, keys: Any, tmp_path: Path) -> None:
    issued = [mock.add_key(f"key {number}") for number in range(5)]
    for index in (3, 0, 4):
        mock.clock.advance(timedelta(days=1))
        doing(keys.rotate(issued[index].api_key.id))
    mock.clock.advance(timedelta(days=89))
    mock.requests.clear()
    store = FileStore(tmp_path)
    found = rotated(doing, keys, store, mock, max_concurrency=1, grace_period_minutes=7)
    due = [issued[index].api_key.id for index in (1, 2, 3, 0)]
    assert sent(mock, "rotate") == [each.key.id for each in found if each.status == "rotated"] == due
    assert states(found[:1]) == {"Manager": "skipped"}
    assert store.load(issued[4].api_key.id) is None
    mock.clock.advance(timedelta(minutes=6))
    assert works(mock, issued[1].token)
    mock.clock.advance(timedelta(minutes=1))
    assert not works(mock, issued[1].token)


def test_the_oldest_key_is_first_in_a_concurrent_run(doing: Doing, mock: MockAPI, keys: Any, store: Memory) -> None:
    issued = aged(mock, 9)
    rotated(doing, keys, store, mock)
    assert sent(mock, "rotate")[0] == issued[0].api_key.id
    assert sorted(sent(mock, "rotate")) == [each.api_key.id for each in issued]


def test_no_key_is_due(doing: Doing, mock: MockAPI, keys: Any, store: Memory) -> None:
    mock.add_key("young")
    assert rotated(doing, keys, store, mock) == []


class Crowd:
    """Holds rotations back until `size` of them run concurrently. The first rotation passes alone."""

    def __init__(self, mock: MockAPI, size: int) -> None:
        self.mock = mock
        self.barrier = threading.Barrier(size)
        self.size = size
        self.running = self.most = self.arrived = 0
        self.lock = threading.Lock()
        self.groups: dict[int, asyncio.Event] = {}

    def _arrive(self, request: httpx.Request) -> bool:
        if not request.url.path.endswith("/rotate"):
            return False
        with self.lock:
            self.arrived += 1
            self.running += 1
            self.most = max(self.most, self.running)
            return self.arrived > 1

    def _respond(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/rotate"):
            with self.lock:
                self.running -= 1
        return self.mock.handle(request)

    def handle(self, request: httpx.Request) -> httpx.Response:
        if self._arrive(request):
            self.barrier.wait(10)
        return self._respond(request)

    async def handle_async(self, request: httpx.Request) -> httpx.Response:
        if self._arrive(request):
            group = self.groups.setdefault((self.arrived - 2) // self.size, asyncio.Event())
            if (self.arrived - 1) % self.size == 0:
                group.set()
            async with asyncio.timeout(10):
                await group.wait()
        return self._respond(request)


@pytest.fixture
def waits(mock: MockAPI, monkeypatch: pytest.MonkeyPatch) -> Waits:
    waits = Waits(mock.clock)
    monkeypatch.setattr(_runner, "wait", waits.sleep)
    return waits


@pytest.mark.parametrize(
    ("max_concurrency", "limit", "most"), [(1, None, 1), (2, None, 2), (4, None, 4), (12, None, 12), (32, 60, 12)]
)
@pytest.mark.usefixtures("waits")
def test_max_concurrency_limits_the_concurrent_rotations(
    doing: Doing, mock: MockAPI, store: Memory, max_concurrency: int, limit: int | None, most: int
) -> None:
    aged(mock, 1 + 24)
    mock.settings.rate_limit = limit
    crowd = Crowd(mock, most)
    handler: Any = crowd.handle if doing.kind is KeysClient else crowd.handle_async
    found = rotated(doing, doing.client(mock.token, handler), store, mock, max_concurrency=max_concurrency)
    assert crowd.most == most
    assert len(store.tokens) == 25
    assert set(states(found).values()) == {"rotated", "skipped"}


@pytest.mark.parametrize(
    ("max_concurrency", "limit", "used"), [(1, 60, 0), (4, 60, 50), (32, 60, 0), (4, 12, 0), (32, 240, 0)]
)
def test_a_run_never_exhausts_the_rate_limit(
    doing: Doing,
    mock: MockAPI,
    store: Memory,
    waits: Waits,
    max_concurrency: int,
    limit: int,
    used: int,
) -> None:
    aged(mock, 105 if limit > 50 else 20)
    mock.settings.rate_limit = limit
    left: list[int] = []

    def watched(request: httpx.Request) -> httpx.Response:
        response = mock.handle(request)
        if request.headers["Authorization"] == f"Bearer {mock.token.reveal()}":
            left.append(int(response.headers["X-RateLimit-Remaining"]))
        assert response.status_code != 429
        return response

    waits.patience = 0 if max_concurrency == 1 else 0.003
    for _ in range(used):
        works(mock, mock.token)
    began = mock.clock.now()
    rotated(doing, doing.client(mock.token, watched), store, mock, max_concurrency=max_concurrency)
    assert min(left) >= 1
    if max_concurrency == 1:  # it waits no longer than needed; with several workers, the time depends on the machine
        needed = (2 * len(store.tokens) - limit + used) * 60 / limit
        assert (mock.clock.now() - began).total_seconds() < needed + 15


def test_progress_is_called_for_each_key_in_the_calling_thread(
    doing: Doing, mock: MockAPI, keys: Any, store: Memory
) -> None:
    aged(mock, 9)
    reported: list[tuple[RotationResult, int, int]] = []
    threads = set()

    def progress(each: RotationResult, done: int, total: int) -> None:
        reported.append((each, done, total))
        threads.add(threading.current_thread())

    found = rotated(doing, keys, store, mock, progress=progress)
    assert reported == [(each, index + 1, 10) for index, each in enumerate(found)]
    assert threads == {threading.current_thread()}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("at", [1, 2, 4, 10])
def test_progress_that_raises_loses_no_token(
    doing: Doing, mock: MockAPI, keys: Any, store: Memory, error: type[BaseException], at: int
) -> None:
    issued = aged(mock, 40)

    def progress(_: RotationResult, done: int, __: int) -> None:
        if done == at:
            raise error

    with pytest.raises(error):
        rotated(doing, keys, store, mock, progress=progress)
    begun = sent(mock, "rotate")
    assert at - 1 <= len(begun) < 40
    assert set(begun) == set(store.tokens)
    assert all(works(mock, token) for token in store.tokens.values())
    assert list(store.journal.glob("*")) == []
    assert all(works(mock, each.token) for each in issued if each.api_key.id not in begun)


def test_a_worker_that_waits_starts_no_rotation_after_an_interruption(
    doing: Doing, mock: MockAPI, store: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    aged(mock, 8)
    first = threading.Semaphore(1)  # the first rotation does not wait

    def wait(_: float, stop: threading.Event) -> None:
        if not first.acquire(blocking=False):
            assert stop.wait(10)

    monkeypatch.setattr(_runner, "wait", wait)

    def used_up(request: httpx.Request) -> httpx.Response:
        response = mock.handle(request)
        if sent(mock, "rotate"):
            response.headers["X-RateLimit-Remaining"] = "0"
        return response

    def progress(_: RotationResult, done: int, __: int) -> None:
        if done == 3:  # the manager's key, the first key, and the key that did not wait
            raise InterruptedError

    with pytest.raises(InterruptedError):
        rotated(doing, doing.client(mock.token, used_up), store, mock, progress=progress)
    assert len(sent(mock, "rotate")) == len(store.tokens) == 2


@pytest.mark.parametrize("at", [2, 4])
def test_rotations_that_end_after_an_interruption_are_reported(
    doing: Doing, mock: MockAPI, store: Memory, at: int
) -> None:
    aged(mock, 10)
    reported: list[RotationResult] = []

    def progress(each: RotationResult, done: int, _: int) -> None:
        reported.append(each)
        if done == at:  # the first one is the manager's key, which is skipped
            raise InterruptedError

    with pytest.raises(InterruptedError):
        rotated(doing, doing.client(mock.token, mock.handle), store, mock, progress=progress)
    assert {each.key.id for each in reported if each.status == "rotated"} == set(store.tokens)
    assert len({each.key.id for each in reported}) == len(reported)


def test_a_cancellation_completes_the_started_rotations(mock: MockAPI, store: Memory) -> None:
    issued = aged(mock, 10)

    async def main() -> None:
        begun = asyncio.Semaphore(0)
        go = asyncio.Event()

        async def handle(request: httpx.Request) -> httpx.Response:
            response = mock.handle(request)
            if len(sent(mock, "rotate")) > 1 and request.url.path.endswith("/rotate"):
                begun.release()
                await go.wait()
            return response

        async with AsyncKeysClient(mock.token, transport=httpx.MockTransport(handle)) as keys:
            work = rotate_due(keys, store, older_than="90 days", now=mock.clock.now(), max_concurrency=3)
            task = asyncio.ensure_future(work)
            for _ in range(3):
                await begun.acquire()
            for _ in range(3):  # a caller may cancel more than once
                task.cancel()
                for _ in range(20):
                    await asyncio.sleep(0)
                assert not task.done()
            go.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    begun = sent(mock, "rotate")
    assert sorted(begun) == [each.api_key.id for each in issued[: len(begun)]]
    assert len(begun) == len(store.tokens) == 4
    assert all(works(mock, store.load(key)) for key in begun)
    assert list(store.journal.glob("*")) == []


def test_only_keys_that_the_filter_accepts_are_rotated(doing: Doing, mock: MockAPI, keys: Any, store: Memory) -> None:
    held, elsewhere, _ = aged(mock, 3)
    store.save(held.api_key.id, held.token)
    found = rotated(doing, keys, store, mock, where=lambda key: store.load(key.id) is not None)
    assert states(found) == {"key 0": "rotated"}
    assert store.load(elsewhere.api_key.id) is None


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_a_rotation_ends_the_run_and_loses_no_token(
    doing: Doing, mock: MockAPI, keys: Any, store: Memory, interrupt: type[BaseException]
) -> None:
    for number in range(10):
        mock.add_key(f"key {number}", ["viewer"], age_seconds=LONG.total_seconds())
    interrupts = [interrupt()]

    def save() -> None:
        if len(store.tokens) > 2 and interrupts:
            raise interrupts.pop()

    store.at["save"] = save
    with pytest.raises(interrupt):
        rotated(doing, keys, store, mock, max_concurrency=1)
    assert len(sent(mock, "rotate")) == 4
    store.at.clear()
    doing(resume(keys, store))
    assert set(sent(mock, "rotate")) == set(store.tokens)
    assert all(works(mock, token) for token in store.tokens.values())


def test_a_wait_ends_early_if_the_run_is_stopped() -> None:
    stop = threading.Event()
    stop.set()
    wait(60, stop)
    wait(0)


def test_a_key_that_was_rotated_during_the_run_is_skipped(
    doing: Doing, mock: MockAPI, keys: Any, store: Memory
) -> None:
    first, second = aged(mock, 2)

    def progress(_: RotationResult, done: int, __: int) -> None:
        if done == 2:  # after the manager's key and the first one
            with KeysClient(mock.token, transport=mock.transport()) as client:
                rotate_into(client, store, second.api_key.id)

    found = rotated(doing, keys, store, mock, max_concurrency=1, progress=progress)
    assert [(each.status, each.reason) for each in found[1:]] == [
        ("rotated", None),
        ("skipped", "another program has rotated it"),
    ]
    assert sent(mock, "rotate") == [first.api_key.id, second.api_key.id]


def test_a_key_that_another_process_is_rotating_is_skipped(
    doing: Doing, mock: MockAPI, keys: Any, store: Memory
) -> None:
    [issued] = aged(mock, 1)
    with Journal(store.journal, single_slot=False).begin_rotation(issued.api_key.id):
        found = doing(rotate_due(keys, store, older_than="90 days", now=mock.clock.now()))
    assert found[-1].status == "skipped"
    assert "another process or thread is using the journal file" in found[-1].reason
