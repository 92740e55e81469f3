"""The rotation of all keys that are due."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, overload

from attrs import Factory, define, frozen

from incident_io_keys_generated.models import APIKey

from .._validation import check_grace_period, check_text, check_whole_number, raise_if_invalid, type_name
from ..async_client import AsyncKeysClient
from ..client import KeysClient
from ..errors import AuthenticationError, IncidentIOError, Problem
from ..tokens import Token
from ._due import Age, is_due, limit_of
from ._errors import StoreUnavailableError, token_of
from ._into import DEFAULT_GRACE, check_store
from ._issue import rotation, single_slot
from ._orphans import check_caller, manages, utc
from ._runner import Client, Steps, api, check_client, every_key, load, local, pause, run, run_async, to_the_end
from ._store import TokenStore

_MOST_AT_ONCE: Final = 32

# A rotation takes so many of the caller's requests.
_REQUESTS: Final = 2
# This share of them is left to others who use the same key.
_SHARE_OF_OTHERS: Final = 0.1
# What those take who are at it at a time is no more, together with that, than this share.
_SHARE_AT_MOST: Final = 0.5
# Within so many seconds all of them come back.
_WINDOW: Final = 60.0

_ONE_PLACE: Final = Problem(
    "store", "has one place for all keys", "take one that keeps a token for each, as FileStore, or rotate_into"
)


@frozen(kw_only=True)
class RotationResult:
    """What came of a key that was due.

    Attributes:
        key: The key, as it was before.
        status: `rotated`: its new token is in the store. `failed`: see `error`. `skipped`: see `reason`.
        reason: Why it was not rotated; None if it was.
        error: What went wrong.
    """

    key: APIKey
    status: Literal["rotated", "failed", "skipped"]
    reason: str | None = None
    error: IncidentIOError | None = None

    @property
    def token(self) -> Token | None:
        """The token that was issued and found no place, if one was: it is the error's."""
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
    """Rotate the keys that are due into a store, which has to keep a token for each of them.

    All keys that the caller may see are meant unless you give `where`, also those whose token is elsewhere: whoever
    uses that has to take the new one from this store before the grace period is over.

    A failure does not keep the others from being rotated, unless the API refuses the caller's own token. It slows down
    before the caller has used up its requests. Keys that have the role `api_keys_manage` are left out unless `caller`
    is given, since one of them is the caller.

    API: `POST /v1/api_keys/{id}/actions/rotate` (https://docs.incident.io/api-reference/api-keys-v1/rotate).

    Args:
        client: The client to rotate them with. With an async one, await what this returns; a cancellation takes effect
            once the rotations that have begun are over.
        store: Where the tokens go.
        older_than: As for `due`.
        now: As for `due`.
        where: Which of them to rotate; without it, all. `lambda key: store.load(key.id) is not None` takes those whose
            token the store has.
        caller: The ID of the key that calls. It is left out.
        include_caller: Whether to rotate it too. That is done last, and takes a grace period: put its new token where
            `client` has it from before that is over.
        grace_period_minutes: For how many minutes the previous tokens keep working.
        max_concurrency: How many are rotated at a time.
        progress: Called after each key with what came of it, how many are done, and how many there are. If the run is
            interrupted, it is called for those that were under way once they have ended.

    Returns:
        What came of each key, in the order in which that was known; those that were left out first.

    Raises:
        InvalidRequestError: Arguments cannot be used. Nothing was rotated.
        StoreUnavailableError: The store cannot take a token. Nothing was rotated.
        IncidentIOError: The keys could not be listed. Nothing was rotated.
    """
    problems: list[Problem] = []
    check_client(client, problems)
    check_store(store, problems)
    limit = limit_of(older_than, now, problems)
    check_whole_number("max_concurrency", max_concurrency, problems, low=1, high=_MOST_AT_ONCE)
    minutes = check_grace_period(grace_period_minutes, problems)
    if caller is not None:
        check_text("caller", caller, problems, low=1)
    elif include_caller:
        problems.append(Problem("caller", "is needed to include the caller", "give the ID of the key that calls"))
    if include_caller and grace_period_minutes == 0:
        problems.append(Problem("grace_period_minutes", "has to be more than 0 where the caller is included"))
    for field, function in (("where", where), ("progress", progress)):
        if function is not None and not callable(function):
            problems.append(Problem(field, f"takes a function, not {type_name(function)}"))
    if single_slot(store):
        problems.append(_ONE_PLACE)
    raise_if_invalid("nothing was rotated", problems)
    this = _Run(
        client=client,
        store=store,
        limit=limit,
        where=where,
        caller=caller,
        include_caller=include_caller,
        minutes=minutes,
        max_concurrency=max_concurrency,
        progress=progress or (lambda *_: None),
    )
    return _rotate_async(this) if isinstance(client, AsyncKeysClient) else _rotate(this)


@define(kw_only=True)
class _Run:
    """What the twins share: which keys come, in what order and at what pace, and what came of them."""

    client: Client
    store: TokenStore
    limit: datetime
    where: Callable[[APIKey], bool] | None
    caller: str | None
    include_caller: bool
    minutes: int
    max_concurrency: int
    progress: Progress
    found: list[RotationResult] = Factory(list)
    ended: list[RotationResult] = Factory(list)
    total: int = 0
    many_places: bool = False
    over: str | None = None

    def plan(self) -> Steps[tuple[list[APIKey], list[APIKey]]]:
        """Find out which keys come. Returns those that can be rotated at once, and the last."""
        yield from local(self.store.check)
        keys: list[APIKey] = yield from api(every_key, self.client)
        check_caller("nothing was rotated", self.caller, keys)
        keys = sorted((key for key in keys if is_due(key, self.limit)), key=lambda key: utc(key.token_last_issued_at))
        if self.where is not None:
            keys = yield from local(list, filter(self.where, keys))
        self.total = len(keys)
        rest = []
        for key in keys:
            if self.caller is None and manages(key):
                self.tell(
                    RotationResult(
                        key=key, status="skipped", reason="it may be the caller: say which key is, with `caller`"
                    )
                )
            elif key.id != self.caller:
                rest.append(key)
            elif not self.include_caller:
                self.tell(RotationResult(key=key, status="skipped", reason="it is the caller"))
        last = [key for key in keys if self.include_caller and key.id == self.caller]
        if len(rest + last) > 1 and (yield from self._has_one_place()):
            raise_if_invalid("nothing was rotated", [_ONE_PLACE])
        return rest, last

    def pace(self) -> Steps[None]:
        """Wait until there are requests enough."""
        if self.over is None and (wait := self._wait()):
            yield from pause(self.client, wait)

    def one(self, key: APIKey) -> Steps[RotationResult]:
        """Rotate a key, and say what came of it, also if nobody waits for that any more."""
        rotated = yield from self._one(key)
        self.ended.append(rotated)
        return rotated

    def _one(self, key: APIKey) -> Steps[RotationResult]:
        if self.over is not None:
            return RotationResult(key=key, status="skipped", reason=self.over)
        try:
            yield from rotation(self.client, self.store, key.id, self.minutes)
        except IncidentIOError as error:
            if isinstance(error, AuthenticationError):
                self.over = "the API does not accept the token of the caller any more"
            return RotationResult(key=key, status="failed", reason=str(error), error=error)
        return RotationResult(key=key, status="rotated")

    def alone(self, key: APIKey) -> Steps[RotationResult]:
        """Do the same while it is not known that the store has many places, and stop if the next would take its place.

        A store that has nothing shows that once it has a token: a key that could not be rotated tells nothing.
        """
        rotated = yield from self.one(key)
        if self.over is not None:
            return rotated
        try:
            if (yield from self._has_one_place()):
                self.over = "the store has one place for all keys"
            else:
                self.many_places = rotated.status == "rotated"
        except StoreUnavailableError as error:  # not raised: the key's token may be on what is returned
            self.over = f"it is not known whether the store has a place for each key: {error}"
        return rotated

    def tell(self, rotated: RotationResult) -> None:
        """Note what came of a key."""
        self.found.append(rotated)
        self.progress(rotated, len(self.found), self.total)

    def tell_late(self) -> None:
        """Note what came of keys whose rotation ended after the run was interrupted, and was not told yet."""
        for rotated in self.ended:
            if not any(rotated is told for told in self.found):
                with contextlib.suppress(Exception):  # what interrupted the run is what is raised
                    self.tell(rotated)

    def most(self) -> int:
        """How many can be rotated at a time, so that the requests suffice."""
        said = self.client.rate_limit
        if said is None or not said.limit:
            return self.max_concurrency
        return max(1, min(self.max_concurrency, int(said.limit * (_SHARE_AT_MOST - _SHARE_OF_OTHERS) / _REQUESTS)))

    def _has_one_place(self) -> Steps[bool]:
        return (yield from load(self.store, secrets.token_hex(13))) is not None

    def _wait(self) -> float:
        """How many seconds to wait until there are requests enough for this key, and for those under way."""
        said = self.client.rate_limit
        if said is None or not said.limit or said.remaining is None:
            return 0.0
        reserve = said.limit * _SHARE_OF_OTHERS + _REQUESTS * self.most()
        return max(0.0, reserve - said.remaining) / said.limit * _WINDOW


def _rotate(this: _Run) -> list[RotationResult]:
    def one(steps: Steps[RotationResult]) -> RotationResult:
        run(this.pace())
        return run(steps)

    def all_of(several: list[Steps[RotationResult]]) -> None:
        # In threads, also where it is one: an interrupt comes to this one.
        with ThreadPoolExecutor(this.most(), "incident-io-keys-rotate") as pool:
            begun = [pool.submit(one, steps) for steps in several]
            try:
                for each in as_completed(begun):
                    this.tell(each.result())
            except BaseException:
                this.over = "the run was interrupted"
                pool.shutdown()  # those that are under way end first
                this.tell_late()
                raise

    rest, last = run(this.plan())
    while rest and not this.many_places:
        all_of([this.alone(rest.pop(0))])
    all_of([this.one(key) for key in rest])
    all_of([this.one(key) for key in last])
    return this.found


async def _rotate_async(this: _Run) -> list[RotationResult]:
    async def one(steps: Steps[RotationResult]) -> RotationResult:
        await run_async(this.pace())
        return await to_the_end(steps)

    async def in_turn(steps: Steps[RotationResult]) -> RotationResult:
        async with gate:
            return await one(steps)

    rest, last = await run_async(this.plan())
    while rest and not this.many_places:
        this.tell(await one(this.alone(rest.pop(0))))
    import asyncio

    gate = asyncio.Semaphore(this.most())
    begun = [asyncio.create_task(in_turn(this.one(key))) for key in rest]
    try:
        for each in asyncio.as_completed(begun):
            this.tell(await each)
    finally:
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)  # those that are under way end first
        this.tell_late()
    for key in last:
        this.tell(await one(this.one(key)))
    return this.found
