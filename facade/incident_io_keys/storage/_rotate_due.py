"""`rotate_due`: rotates all keys that are due, and saves their new tokens."""

from __future__ import annotations

import contextlib
import inspect
import queue
import threading
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, overload

from attrs import Factory, define, frozen

from incident_io_keys_generated.models import APIKey

from .._validation import check_grace_period, check_text, check_whole_number, raise_if_invalid, type_name
from ..async_client import AsyncKeysClient
from ..client import KeysClient
from ..errors import AuthenticationError, IncidentIOError, Problem
from ..tokens import Token
from . import _runner
from ._adapters import Api, SafeStore, call_user_code, check_call, is_async
from ._due import Age, cutoff
from ._errors import KeyBusyError, StorageError, StoreUnavailableError, token_of
from ._orphans import can_manage_keys, check_caller
from ._rotation import DEFAULT_GRACE, rotate
from ._runner import Client, run
from ._store import TokenStore

_MAX_CONCURRENCY: Final = 32

# The requests of the calling key that one rotation needs. The test call uses the new token's own.
_REQUESTS_PER_ROTATION: Final = 2
# The share of the rate limit that is reserved for other programs with the same key.
_RESERVED_SHARE: Final = 0.1
# The share that the reserve and the rotations in progress may need together.
_MAX_SHARE: Final = 0.5
# Seconds in which the API restores the whole rate limit.
_RATE_LIMIT_SECONDS: Final = 60.0

_SINGLE_SLOT: Final = Problem(
    "store", "holds one token for all keys", "use one with a token for each key, such as FileStore, or rotate_into"
)


@frozen(kw_only=True)
class RotationResult:
    """What became of a key that was due.

    Attributes:
        key: The key, as it was before.
        status: `rotated`: its new token is saved. `failed`: see `error`. `skipped`: see `reason`.
        reason: Why it was not rotated; None if it was.
        error: Why it failed; None if it did not.
    """

    key: APIKey
    status: Literal["rotated", "failed", "skipped"]
    reason: str | None = None
    error: IncidentIOError | None = None

    @property
    def token(self) -> Token | None:
        """The token that was issued and could not be stored, if any: that of `error`."""
        return token_of(self.error)


Progress: TypeAlias = Callable[[RotationResult, int, int], object]


@overload
def rotate_due(
    client: KeysClient,
    store: TokenStore,
    *,
    older_than: Age,
    now: datetime | None = None,
    where: Callable[[APIKey], bool] | None = None,
    caller: str | None = None,
    include_caller: bool = False,
    grace_period_minutes: int = DEFAULT_GRACE,
    max_concurrency: int = 4,
    progress: Progress | None = None,
) -> list[RotationResult]: ...
@overload
def rotate_due(
    client: AsyncKeysClient,
    store: TokenStore,
    *,
    older_than: Age,
    now: datetime | None = None,
    where: Callable[[APIKey], bool] | None = None,
    caller: str | None = None,
    include_caller: bool = False,
    grace_period_minutes: int = DEFAULT_GRACE,
    max_concurrency: int = 4,
    progress: Progress | None = None,
) -> Coroutine[Any, Any, list[RotationResult]]: ...
def rotate_due(
    client: Client,
    store: TokenStore,
    *,
    older_than: Age,
    now: datetime | None = None,
    where: Callable[[APIKey], bool] | None = None,
    caller: str | None = None,
    include_caller: bool = False,
    grace_period_minutes: int = DEFAULT_GRACE,
    max_concurrency: int = 4,
    progress: Progress | None = None,
) -> list[RotationResult] | Coroutine[Any, Any, list[RotationResult]]:
    """Rotate the keys that are due, and save their new tokens. The store must hold a token for each key.

    Without `where`, it rotates every due key that the caller may see, even if its token is used elsewhere: those
    programs must take the new token from the store before the grace period ends.

    If a rotation fails, the others continue, unless the API rejects the caller's own token. The function slows down
    before the caller has used up its rate limit. Without `caller`, it skips keys with the role `api_keys_manage`, since
    one of them is the calling key.

    API: `POST /v1/api_keys/{id}/actions/rotate` (https://docs.incident.io/api-reference/api-keys-v1/rotate).

    Args:
        client: The client that rotates the keys. With an async client, await the result; after a cancellation, the
            rotations in progress end first.
        store: Where the tokens are saved.
        older_than: As for `due`.
        now: As for `due`.
        where: Returns whether to rotate a due key; by default all are rotated. With
            `lambda key: store.load(key.id) is not None`, those whose token the store has.
        caller: The ID of the calling key. It is skipped.
        include_caller: Whether to rotate the calling key too, after all others. The grace period must not be 0:
            `client` must get the new token before it ends.
        grace_period_minutes: The minutes for which the previous tokens keep working.
        max_concurrency: The number of concurrent rotations, up to 32.
        progress: Called after each key with its result, the number of keys that are done, and the number of all due
            keys. After an interruption it is called for the rotations in progress too, once they have ended.

    Returns:
        A result for each due key, in the order in which they ended.

    Raises:
        InvalidRequestError: Arguments are invalid. Nothing was rotated.
        StoreUnavailableError: The token store cannot save a token. Nothing was rotated.
        IncidentIOError: The keys could not be listed, or `where` raised an exception. Nothing was rotated.
        Exception: What `progress` raises. The rotations in progress end first.
    """
    problems: list[Problem] = []
    limit = cutoff("older_than", older_than, now, problems)
    check_whole_number("max_concurrency", max_concurrency, problems, low=1, high=_MAX_CONCURRENCY)
    minutes = check_grace_period(grace_period_minutes, problems)
    if caller is not None:
        check_text("caller", caller, problems, low=1)
    elif include_caller:
        problems.append(Problem("caller", "is needed to include the caller", "pass the ID of the calling key"))
    if include_caller and grace_period_minutes == 0:
        problems.append(Problem("grace_period_minutes", "must be more than 0 to include the caller"))
    for field, function in (("where", where), ("progress", progress)):
        if function is not None and not callable(function):
            problems.append(Problem(field, f"takes a function, not {type_name(function)}"))
        elif inspect.iscoroutinefunction(function) and not (field == "progress" and is_async(client)):
            problems.append(Problem(field, "is a coroutine function", "pass an ordinary function"))
    if getattr(store, "single_slot", False) is True:
        problems.append(_SINGLE_SLOT)
    check_call("nothing was rotated", client, ("list", "show", "rotate", "with_token"), store, problems)

    def procedure(api: Api) -> list[RotationResult]:
        run = _Run(api, SafeStore(store), limit, minutes, max_concurrency, progress)
        return run.run(where, caller, include_caller)

    return run(client, procedure)  # type: ignore[no-any-return]


def _filter(where: Callable[[APIKey], bool], keys: list[APIKey]) -> list[APIKey]:
    return [key for key in keys if where(key)]  # not `filter`, which would end at a StopIteration


@define
class _Run:
    api: Api
    store: SafeStore
    limit: datetime
    minutes: int
    max_concurrency: int
    progress: Progress | None
    results: list[RotationResult] = Factory(list)
    total: int = 0
    skip_reason: str | None = None  # why no further key is rotated

    def run(
        self, where: Callable[[APIKey], bool] | None, caller: str | None, include_caller: bool
    ) -> list[RotationResult]:
        self.store.check()
        keys = self.api.list()
        check_caller("nothing was rotated", caller, keys)
        keys = [key for key in keys if key.token_last_issued_at <= self.limit]
        keys.sort(key=lambda key: key.token_last_issued_at)
        if where is not None:
            keys = call_user_code(_filter, where, keys, failed="`where` raised ", kind=StorageError)
        self.total = len(keys)
        others, last = [], []
        for key in keys:
            if caller is None and can_manage_keys(key):
                reason = "it can be the calling key: pass the ID of the calling key as `caller`"
                self.report(RotationResult(key=key, status="skipped", reason=reason))
            elif key.id != caller:
                others.append(key)
            elif include_caller:
                last.append(key)
            else:
                self.report(RotationResult(key=key, status="skipped", reason="it is the calling key"))
        if len(others + last) > 1 and self.store.ignores_key_id():
            raise_if_invalid("nothing was rotated", [_SINGLE_SLOT])
        # A store that is empty shows that it has a single slot only after a rotation.
        checked = False
        while others and not checked and self.skip_reason is None:
            rotated = self.rotate_all([others.pop(0)])
            checked = self.verify_slots() and rotated
        self.rotate_all(others)
        self.rotate_all(last)
        return self.results

    def verify_slots(self) -> bool:
        """Return whether the store keeps the token of each key; if not, no further key is rotated."""
        try:
            if not self.store.ignores_key_id():
                return True
            self.skip_reason = "the store holds one token for all keys"
        except StoreUnavailableError as error:  # not raised: a result may have an issued token
            self.skip_reason = f"it is not known whether the store holds a token for each key: {error}"
        return False

    def rotate_all(self, keys: list[APIKey]) -> bool:
        """Rotate keys in several threads, and report the results in this one. Return whether the last one was rotated.

        An interrupt reaches this thread only, so that the rotations in progress end first.
        """
        waiting: queue.SimpleQueue[APIKey] = queue.SimpleQueue()
        ended: queue.SimpleQueue[RotationResult | BaseException] = queue.SimpleQueue()
        for key in keys:
            waiting.put(key)

        def work() -> None:
            with contextlib.suppress(queue.Empty):
                while True:
                    key = waiting.get_nowait()
                    try:
                        ended.put(self.rotate(key))
                    except BaseException as error:  # noqa: BLE001 - the other thread raises it
                        ended.put(error)
                        return

        threads: list[threading.Thread] = []
        result: RotationResult | BaseException | None = None
        try:
            threads.extend(filter(None, (_runner.start_thread(work) for _ in keys[: self.concurrency()])))
            if not threads:
                work()
            for _ in keys:
                result = ended.get()
                if isinstance(result, BaseException):
                    raise result
                self.report(result)
        except BaseException:
            self.skip_reason = "the run was interrupted"
            self.api.stop.set()
            for thread in threads:
                thread.join()
            with contextlib.suppress(queue.Empty, Exception):
                while True:
                    if isinstance(result, RotationResult) and not any(result is each for each in self.results):
                        self.report(result)
                    result = ended.get_nowait()
            raise
        return isinstance(result, RotationResult) and result.status == "rotated"

    def rotate(self, key: APIKey) -> RotationResult:
        """Rotate a key, after a delay if the rate limit requires one."""
        if self.skip_reason is None and (delay := self.delay()):
            _runner.wait(delay, self.api.stop)
        if self.api.stop.is_set():
            self.skip_reason = "the run was interrupted"
        if self.skip_reason is not None:
            return RotationResult(key=key, status="skipped", reason=self.skip_reason)
        try:
            if rotate(self.api, self.store, key.id, self.minutes, self.limit) is None:
                return RotationResult(key=key, status="skipped", reason="another program has rotated it")
        except KeyBusyError as error:
            return RotationResult(key=key, status="skipped", reason=str(error))
        except IncidentIOError as error:
            if isinstance(error, AuthenticationError):
                self.skip_reason = "the API no longer accepts the token of the calling key"
            return RotationResult(key=key, status="failed", reason=str(error), error=error)
        return RotationResult(key=key, status="rotated")

    def report(self, result: RotationResult) -> None:
        self.results.append(result)
        if self.progress is not None:
            self.api.run(self.progress, result, len(self.results), self.total)

    def concurrency(self) -> int:
        limit = self.api.rate_limit
        if limit is None or not limit.limit:
            return self.max_concurrency
        return max(
            1, min(self.max_concurrency, int(limit.limit * (_MAX_SHARE - _RESERVED_SHARE) / _REQUESTS_PER_ROTATION))
        )

    def delay(self) -> float:
        """Return the seconds until the rate limit suffices for this rotation and those in progress."""
        limit = self.api.rate_limit
        if limit is None or not limit.limit or limit.remaining is None:
            return 0.0
        needed: float = limit.limit * _RESERVED_SHARE + _REQUESTS_PER_ROTATION * self.concurrency()
        missing: float = max(0.0, needed - limit.remaining)
        return missing / float(limit.limit) * _RATE_LIMIT_SECONDS
