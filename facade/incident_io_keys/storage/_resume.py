"""Finishes what an earlier process left, or tells what to do.

What happened is put together from three: the journal says what was asked for, and which token came of it; the API says
whether the key is there, and when its token was issued last; the store has that token, or another one.
"""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, overload

from attrs import evolve, frozen

from incident_io_keys_generated.models import APIKey

from .._validation import raise_if_invalid
from ..async_client import AsyncKeysClient
from ..client import KeysClient
from ..errors import IncidentIOError, NotFoundError, Problem
from ..tokens import Token
from ._errors import token_of
from ._into import check_store
from ._issue import adoption, cross_out, is_accepted, journal_of, left_by, rotation_of, single_slot
from ._journal import Entry, Opened
from ._orphans import SKEW, utc
from ._runner import Client, Steps, api, check_client, every_key, load, local, run_with
from ._store import TokenStore
from ._validation import check_instant

# After so long, what was asked for has happened or will not: a request has an end, and so has the time until all of the
# API knows of it.
SETTLED: Final = timedelta(minutes=5)

# A key whose token was issued later than that after it was made has been rotated since.
_AT_ONCE: Final = timedelta(seconds=10)
_EVER: Final = datetime.min.replace(tzinfo=UTC)


@frozen(kw_only=True)
class ResumeResult:
    """What came of an operation that an earlier process left.

    Attributes:
        status: `completed`: the store has a token that the API accepts. `nothing_to_do`: nothing had to be done.
            `pending`: something is left to do, and the journal has it still.
        hint: What was found, and what to do if something is left to do.
        entry: The file of the journal; it is gone unless the status is `pending`.
        operation: What it was; None if it had not begun.
        name: The name of the key.
        key_id: Its ID, where it is known.
        began: When the operation began.
        retry_at: From when on `resume` can tell more; None if that is no matter of time.
        error: What stood in the way, if something did.
    """

    status: Literal["completed", "nothing_to_do", "pending"]
    hint: str
    entry: Path
    operation: Literal["create", "rotate"] | None = None
    name: str | None = None
    key_id: str | None = None
    began: datetime | None = None
    retry_at: datetime | None = None
    error: IncidentIOError | None = None

    @property
    def token(self) -> Token | None:
        """The token that was issued meanwhile and found no place, if one was: it is the error's."""
        return token_of(self.error)


@overload
def resume(client: KeysClient, store: TokenStore, *, now: datetime | None = None) -> list[ResumeResult]: ...
@overload
def resume(
    client: AsyncKeysClient, store: TokenStore, *, now: datetime | None = None
) -> Coroutine[Any, Any, list[ResumeResult]]: ...
def resume(
    client: Client, store: TokenStore, *, now: datetime | None = None
) -> list[ResumeResult] | Coroutine[Any, Any, list[ResumeResult]]:
    """Finish what earlier processes left that used the same journal, or tell what to do.

    A token that a rotation issued and the store does not have is replaced by rotating again, with the same grace
    period; a key that a create left without a token in the store is rotated, its lost token ending at once. What is
    under way in another process is left alone. Run it when a service starts, and after each error with
    `may_have_applied`.

    Args:
        client: A client of the key that was used, or of another one that may do the same. With an async one, await what
            this returns.
        store: The store that was used.
        now: What time it is, with its time zone; the time of this machine if it is not given. What was asked for less
            than five minutes ago and has not happened may still happen, and stays open.

    Returns:
        What came of each operation; nothing if nothing was left.

    Raises:
        InvalidRequestError: Arguments cannot be used.
        StoreUnavailableError: The journal cannot be read. Nothing was done.
    """
    problems: list[Problem] = []
    check_client(client, problems)
    check_store(store, problems)
    if now is not None:
        check_instant("now", now, problems)
    raise_if_invalid("nothing was resumed", problems)
    return run_with(client, _resume(client, store, now or datetime.now(UTC)))  # type: ignore[no-any-return]


def _resume(client: Client, store: TokenStore, now: datetime) -> Steps[list[ResumeResult]]:
    journal, found = journal_of(store), []
    for path in (yield from local(journal.paths)):
        try:
            opened = yield from local(journal.open, path)
        except IncidentIOError as error:
            found.append(ResumeResult(status="pending", hint=str(error), entry=path, error=error))
            continue
        if opened is None:
            continue
        try:
            if (resumed := (yield from _one(client, store, opened, now))) is not None:
                found.append(resumed)
        finally:
            opened.release()
    return found


def _one(client: Client, store: TokenStore, opened: Opened, now: datetime) -> Steps[ResumeResult | None]:
    path, about = opened.path, dict[str, Any]()
    try:
        entry = yield from local(opened.read)
        if entry is None:
            yield from local(opened.done)
            return ResumeResult(status="nothing_to_do", hint="nothing had been asked for yet", entry=path)
        if entry.operation == "held":
            return None
        about = {"operation": entry.operation, "name": entry.name, "began": entry.began, "key_id": entry.key_id}
        found = yield from (_create if entry.operation == "create" else _rotate)(client, store, opened, entry, now)
        if found.in_place is not None:
            about["key_id"] = found.in_place
            yield from cross_out(store, opened, entry.name, found.in_place)
        elif found.status == "nothing_to_do":
            yield from local(opened.done)
    except IncidentIOError as failure:
        hint = f"run resume again once this is mended: {failure}"
        return ResumeResult(status="pending", hint=hint, entry=path, error=failure, **about)
    return ResumeResult(status=found.status, hint=found.hint, entry=path, retry_at=found.retry_at, **about)


@frozen
class _Found:
    """What came of an entry; `in_place` is the key whose token is in its place, if it is known that one is."""

    status: Literal["completed", "nothing_to_do", "pending"]
    hint: str
    in_place: str | None = None
    retry_at: datetime | None = None


def _create(client: Client, store: TokenStore, opened: Opened, entry: Entry, now: datetime) -> Steps[_Found]:
    if entry.key_id is not None:
        key = yield from _shown(client, entry.key_id)
        if key is None:
            return (yield from _not_seen(client, store, opened, entry, now))
        if (yield from _is_in_place(client, store, entry)):
            return _Found("completed", f"the token of {key.id} is in its place", key.id)
    else:
        found = yield from _orphans(client, store, entry)
        if not found:
            return _not_done(entry, now, "no key was created", "do not create it anew before that")
        [key, *others] = found
        theirs = utc(key.token_last_issued_at) - utc(key.created_at) > _AT_ONCE
        then = entry.began - SKEW <= utc(key.created_at) <= entry.began + SETTLED + SKEW
        if others or theirs or not then:
            return _Found("pending", _which(store, opened, found))
    yield from adoption(client, store, opened, entry, key)
    hint = f"the token of {key.id} was lost; the key was rotated, and the new one is in its place"
    return _Found("completed", hint, key.id)


def _which(store: TokenStore, opened: Opened, found: list[APIKey]) -> str:
    """What to do where it cannot be told which key was created."""
    told = "; ".join(
        f"{key.id}, made {key.created_at:%Y-%m-%d %H:%M:%S}, token of {key.token_last_issued_at:%Y-%m-%d %H:%M:%S}"
        for key in found
    )
    hint = f"it cannot be told whether the create made one of these: {told}. Delete what nobody uses, or"
    if single_slot(store):  # of which the file is in the way of another operation
        return f"{hint} remove {opened.path} and bring it to the store with rotate_into; else just remove that file"
    return f"{hint} bring it to the store with rotate_into; then remove {opened.path}"


def _orphans(client: Client, store: TokenStore, entry: Entry) -> Steps[list[APIKey]]:
    """The keys that a create may have left whose answer was lost, so that no token of theirs was stored."""
    orphans = []
    # Of any time: which ones were there before is known, and clocks may be wrong.
    for key in left_by(entry, (yield from api(every_key, client)), since=_EVER):
        held = None if single_slot(store) else (yield from load(store, key.id))
        if held is None or not (yield from is_accepted(client, key.id, held)):
            orphans.append(key)
    return orphans


def _rotate(client: Client, store: TokenStore, opened: Opened, entry: Entry, now: datetime) -> Steps[_Found]:
    key_id = entry.key_id or ""
    key = yield from _shown(client, key_id)
    if key is None:
        return (yield from _not_seen(client, store, opened, entry, now))
    issued = utc(key.token_last_issued_at)
    if entry.issued_before is not None and issued == utc(entry.issued_before):
        return _not_done(entry, now, f"the key {key_id} was not rotated", "the token of before works")
    if issued > entry.began + SETTLED + SKEW:
        hint = f"somebody else rotated the key {key_id} at {issued:%Y-%m-%d %H:%M} UTC, and has its token"
        hint += "; if the store is to have one, call rotate_into, which ends theirs after its grace period"
        return _Found("pending", f"{hint}; if not, remove {opened.path}")
    if (yield from _is_in_place(client, store, entry)):
        return _Found("completed", f"the new token of {key_id} is in its place", key_id)
    yield from rotation_of(client, store, opened, key, entry.grace_period_minutes, lost=True)
    hint = f"the new token of {key_id} was lost; it was rotated again, and that one is in its place"
    return _Found("completed", hint, key_id)


def _is_in_place(client: Client, store: TokenStore, entry: Entry) -> Steps[bool]:
    """Whether the store has the token that was issued, and the API accepts it."""
    key_id = entry.key_id or ""
    token = yield from load(store, key_id)
    if token is None or entry.issued is None or not entry.issued.fits(token):
        return False
    return (yield from is_accepted(client, key_id, token))


def _shown(client: Client, key_id: str) -> Steps[APIKey | None]:
    try:
        return (yield from api(client.show, key_id))  # type: ignore[no-any-return]
    except NotFoundError:
        return None


def _not_seen(client: Client, store: TokenStore, opened: Opened, entry: Entry, now: datetime) -> Steps[_Found]:
    """What a 404 means: the key is no more, it is not known everywhere yet, or this caller may not see it."""
    key_id = entry.key_id or ""
    token = yield from load(store, key_id)
    if token is not None and (yield from is_accepted(client, key_id, token)):
        hint = f"the key {key_id} lives, but this caller may not see it: resume with one that does, or remove"
        return _Found("pending", f"{hint} {opened.path}")
    found = _not_done(entry, now, f"there is no key {key_id} that this caller may see", "it may have been deleted")
    return evolve(found, in_place=None)


def _not_done(entry: Entry, now: datetime, what: str, meanwhile: str) -> _Found:
    settled = entry.began + SETTLED
    if now >= settled:
        return _Found("nothing_to_do", what, entry.key_id)
    when = f"{settled:%Y-%m-%d %H:%M:%S} UTC"
    hint = f"{what} so far, but that may still change: run resume again after {when}; {meanwhile}"
    return _Found("pending", hint, retry_at=settled)
