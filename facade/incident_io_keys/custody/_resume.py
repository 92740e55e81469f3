"""Finishes what an earlier process left, or tells what to do.

What happened is put together from three: the journal says what was asked for, and which token came of it; the API says
whether the key is there, and when its token was issued last; the keeper has that token, or another one.
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
from ._created import SKEW, utc
from ._drive import Client, Steps, api, check_client, every_key, load, local, run_with
from ._errors import token_of
from ._into import check_keeper
from ._issue import adoption, cross_out, is_accepted, journal_of, left_by, one_place, rotation_of
from ._journal import Entry, Opened
from ._keeper import Keeper
from ._validation import check_instant

# After so long, what was asked for has happened or will not: a request has an end, and so has the time until all of the
# API knows of it.
SETTLED: Final = timedelta(minutes=5)

# A key whose token was issued later than that after it was made has been rotated since.
_AT_ONCE: Final = timedelta(seconds=10)
_EVER: Final = datetime.min.replace(tzinfo=UTC)


@frozen(kw_only=True)
class Resumed:
    """What came of an operation that an earlier process left.

    Attributes:
        state: `finished`: the keeper has a token that the API accepts. `nothing`: there is nothing that had to be done.
            `open`: something is left to do, and the journal has it still.
        advice: What was found, and what to do if something is left to do.
        entry: The file of the journal; it is gone unless the state is `open`.
        operation: What it was; None if it had not begun.
        name: The name of the key.
        key_id: Its ID, where it is known.
        began: When the operation began.
        again_at: From when on `resume` can tell more; None if that is no matter of time.
        error: What stood in the way, if something did.
    """

    state: Literal["finished", "nothing", "open"]
    advice: str
    entry: Path
    operation: Literal["create", "rotate"] | None = None
    name: str | None = None
    key_id: str | None = None
    began: datetime | None = None
    again_at: datetime | None = None
    error: IncidentIOError | None = None

    @property
    def token(self) -> Token | None:
        """The token that was issued meanwhile and found no place, if one was: it is the error's."""
        return token_of(self.error)


@overload
def resume(client: KeysClient, keeper: Keeper, *, now: datetime | None = None) -> list[Resumed]: ...
@overload
def resume(
    client: AsyncKeysClient, keeper: Keeper, *, now: datetime | None = None
) -> Coroutine[Any, Any, list[Resumed]]: ...
def resume(
    client: Client, keeper: Keeper, *, now: datetime | None = None
) -> list[Resumed] | Coroutine[Any, Any, list[Resumed]]:
    """Finish what earlier processes left that used the same journal, or tell what to do.

    A token that a rotation issued and the keeper does not have is replaced by rotating again, with the same grace
    period; a key that a create left without a token in the keeper is rotated, its lost token ending at once. What is
    under way in another process is left alone. Run it when a service starts, and after each error with
    `may_have_applied`.

    Args:
        client: A client of the key that was used, or of another one that may do the same. With an async one, await what
            this returns.
        keeper: The keeper that was used.
        now: What time it is, with its time zone; the time of this machine if it is not given. What was asked for less
            than five minutes ago and has not happened may still happen, and stays open.

    Returns:
        What came of each operation; nothing if nothing was left.

    Raises:
        InvalidRequestError: Arguments cannot be used.
        KeeperError: The journal cannot be read. Nothing was done.
    """
    problems: list[Problem] = []
    check_client(client, problems)
    check_keeper(keeper, problems)
    if now is not None:
        check_instant("now", now, problems)
    raise_if_invalid("nothing was resumed", problems)
    return run_with(client, _resume(client, keeper, now or datetime.now(UTC)))  # type: ignore[no-any-return]


def _resume(client: Client, keeper: Keeper, now: datetime) -> Steps[list[Resumed]]:
    journal, found = journal_of(keeper), []
    for path in (yield from local(journal.paths)):
        try:
            opened = yield from local(journal.open, path)
        except IncidentIOError as error:
            found.append(Resumed(state="open", advice=str(error), entry=path, error=error))
            continue
        if opened is None:
            continue
        try:
            if (resumed := (yield from _one(client, keeper, opened, now))) is not None:
                found.append(resumed)
        finally:
            opened.release()
    return found


def _one(client: Client, keeper: Keeper, opened: Opened, now: datetime) -> Steps[Resumed | None]:
    path, about = opened.path, dict[str, Any]()
    try:
        entry = yield from local(opened.read)
        if entry is None:
            yield from local(opened.done)
            return Resumed(state="nothing", advice="nothing had been asked for yet", entry=path)
        if entry.operation == "held":
            return None
        about = {"operation": entry.operation, "name": entry.name, "began": entry.began, "key_id": entry.key_id}
        found = yield from (_create if entry.operation == "create" else _rotate)(client, keeper, opened, entry, now)
        if found.in_place is not None:
            about["key_id"] = found.in_place
            yield from cross_out(keeper, opened, entry.name, found.in_place)
        elif found.state == "nothing":
            yield from local(opened.done)
    except IncidentIOError as failure:
        advice = f"run resume again once this is mended: {failure}"
        return Resumed(state="open", advice=advice, entry=path, error=failure, **about)
    return Resumed(state=found.state, advice=found.advice, entry=path, again_at=found.again_at, **about)


@frozen
class _Found:
    """What came of an entry; `in_place` is the key whose token is in its place, if it is known that one is."""

    state: Literal["finished", "nothing", "open"]
    advice: str
    in_place: str | None = None
    again_at: datetime | None = None


def _create(client: Client, keeper: Keeper, opened: Opened, entry: Entry, now: datetime) -> Steps[_Found]:
    if entry.key_id is not None:
        key = yield from _shown(client, entry.key_id)
        if key is None:
            return (yield from _not_seen(client, keeper, opened, entry, now))
        if (yield from _is_in_place(client, keeper, entry)):
            return _Found("finished", f"the token of {key.id} is in its place", key.id)
    else:
        found = yield from _orphans(client, keeper, entry)
        if not found:
            return _not_done(entry, now, "no key was created", "do not create it anew before that")
        [key, *others] = found
        theirs = utc(key.token_last_issued_at) - utc(key.created_at) > _AT_ONCE
        then = entry.began - SKEW <= utc(key.created_at) <= entry.began + SETTLED + SKEW
        if others or theirs or not then:
            return _Found("open", _which(keeper, opened, found))
    yield from adoption(client, keeper, opened, entry, key)
    advice = f"the token of {key.id} was lost; the key was rotated, and the new one is in its place"
    return _Found("finished", advice, key.id)


def _which(keeper: Keeper, opened: Opened, found: list[APIKey]) -> str:
    """What to do where it cannot be told which key was created."""
    told = "; ".join(
        f"{key.id}, made {key.created_at:%Y-%m-%d %H:%M:%S}, token of {key.token_last_issued_at:%Y-%m-%d %H:%M:%S}"
        for key in found
    )
    advice = f"it cannot be told whether the create made one of these: {told}. Delete what nobody uses, or"
    if one_place(keeper):  # of which the file is in the way of another operation
        return f"{advice} remove {opened.path} and bring it to the keeper with rotate_into; else just remove that file"
    return f"{advice} bring it to the keeper with rotate_into; then remove {opened.path}"


def _orphans(client: Client, keeper: Keeper, entry: Entry) -> Steps[list[APIKey]]:
    """The keys that a create may have left whose answer was lost, so that no token of theirs was stored."""
    orphans = []
    # Of any time: which ones were there before is known, and clocks may be wrong.
    for key in left_by(entry, (yield from api(every_key, client)), since=_EVER):
        held = None if one_place(keeper) else (yield from load(keeper, key.id))
        if held is None or not (yield from is_accepted(client, key.id, held)):
            orphans.append(key)
    return orphans


def _rotate(client: Client, keeper: Keeper, opened: Opened, entry: Entry, now: datetime) -> Steps[_Found]:
    key_id = entry.key_id or ""
    key = yield from _shown(client, key_id)
    if key is None:
        return (yield from _not_seen(client, keeper, opened, entry, now))
    issued = utc(key.token_last_issued_at)
    if entry.issued_before is not None and issued == utc(entry.issued_before):
        return _not_done(entry, now, f"the key {key_id} was not rotated", "the token of before works")
    if issued > entry.began + SETTLED + SKEW:
        advice = f"somebody else rotated the key {key_id} at {issued:%Y-%m-%d %H:%M} UTC, and has its token"
        advice += "; if the keeper is to have one, call rotate_into, which ends theirs after its grace period"
        return _Found("open", f"{advice}; if not, remove {opened.path}")
    if (yield from _is_in_place(client, keeper, entry)):
        return _Found("finished", f"the new token of {key_id} is in its place", key_id)
    yield from rotation_of(client, keeper, opened, key, entry.grace_period_minutes, lost=True)
    advice = f"the new token of {key_id} was lost; it was rotated again, and that one is in its place"
    return _Found("finished", advice, key_id)


def _is_in_place(client: Client, keeper: Keeper, entry: Entry) -> Steps[bool]:
    """Whether the keeper has the token that was issued, and the API accepts it."""
    key_id = entry.key_id or ""
    token = yield from load(keeper, key_id)
    if token is None or entry.issued is None or not entry.issued.fits(token):
        return False
    return (yield from is_accepted(client, key_id, token))


def _shown(client: Client, key_id: str) -> Steps[APIKey | None]:
    try:
        return (yield from api(client.show, key_id))  # type: ignore[no-any-return]
    except NotFoundError:
        return None


def _not_seen(client: Client, keeper: Keeper, opened: Opened, entry: Entry, now: datetime) -> Steps[_Found]:
    """What a 404 means: the key is no more, it is not known everywhere yet, or this caller may not see it."""
    key_id = entry.key_id or ""
    token = yield from load(keeper, key_id)
    if token is not None and (yield from is_accepted(client, key_id, token)):
        advice = f"the key {key_id} lives, but this caller may not see it: resume with one that does, or remove"
        return _Found("open", f"{advice} {opened.path}")
    found = _not_done(entry, now, f"there is no key {key_id} that this caller may see", "it may have been deleted")
    return evolve(found, in_place=None)


def _not_done(entry: Entry, now: datetime, what: str, meanwhile: str) -> _Found:
    settled = entry.began + SETTLED
    if now >= settled:
        return _Found("nothing", what, entry.key_id)
    when = f"{settled:%Y-%m-%d %H:%M:%S} UTC"
    advice = f"{what} so far, but that may still change: run resume again after {when}; {meanwhile}"
    return _Found("open", advice, again_at=settled)
