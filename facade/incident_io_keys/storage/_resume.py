"""`resume`: completes pending operations, or reports what a person must do.

It compares three sources: the journal (the request, the fingerprint of the issued token), the API (the key, the time
when its last token was issued), and the token store.
"""

from __future__ import annotations

import contextlib
import os
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
from ._adapters import Api, SafeStore, check_call
from ._creation import orphans_of, replace_lost_token
from ._errors import StorageError, StoreUnavailableError, token_of
from ._journal import Entry, Journal, JournalFile, read_entry
from ._orphans import SKEW
from ._rotation import issue_and_save, may_take_effect, was_not_applied
from ._runner import Client, run
from ._saving import SETTLE_TIME, complete, is_accepted, journal_of
from ._store import TokenStore
from ._validation import check_aware_datetime, check_path

# A key whose token was issued later than this after its creation was rotated since.
_MAX_ISSUE_DELAY: Final = timedelta(seconds=10)
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


@frozen(kw_only=True)
class ResumeResult:
    """What became of a pending operation.

    Attributes:
        status: `completed`: the token store has a token that the API accepts. `nothing_to_do`: the request had not
            taken effect, or the key no longer exists. `pending`: something is left to do, and the journal keeps it.
        hint: What was found, and what to do if the status is `pending`.
        entry: The file of the journal. Unless the status is `pending`, it is gone, or names the key in the single slot.
        operation: The operation; None if the file cannot be read.
        name: The name of the key.
        key_id: The ID of the key, if known.
        began: When the operation began.
        retry_at: From when on `resume` can find out more; None if waiting does not help.
        error: What prevented `resume` from completing the operation, if something did.
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
        """The token that was issued and could not be stored, if any: that of `error`."""
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
    """Complete the operations that earlier processes left pending in a token store's journal.

    If the store does not have the token of a rotation, the key is rotated again, with the same grace period. If it does
    not have the token of a create, the key is rotated without a grace period, which revokes the lost token. Operations
    of running processes are left alone. Call it when a service starts, and after each error with `may_have_applied`.

    Args:
        client: A client of the key that began the operations, or of one with the same rights. With an async client,
            await the result.
        store: The token store of the operations.
        now: The current time, with its time zone; by default this machine's. A request of the last five minutes that
            has not taken effect may still do so: its operation stays pending.

    Returns:
        A result for each operation; an empty list if none is pending.

    Raises:
        InvalidRequestError: Arguments are invalid.
        StoreUnavailableError: The journal cannot be read. Nothing was done.
    """
    problems: list[Problem] = []
    if now is not None:
        check_aware_datetime("now", now, problems)
    check_call("nothing was resumed", client, ("list", "show", "rotate", "with_token"), store, problems)
    time = now or datetime.now(UTC)
    return run(client, lambda api: _resume(api, SafeStore(store), time))  # type: ignore[no-any-return]


def pending_operations(journal: str | os.PathLike[str]) -> list[ResumeResult]:
    """List the pending operations of a journal, those of running processes too. It changes nothing and calls no API.

    Args:
        journal: The directory of the journal, such as `store.journal`.

    Returns:
        A result with the status `pending` for each operation.

    Raises:
        InvalidRequestError: `journal` is not a path.
        StoreUnavailableError: The directory does not exist or cannot be read.
    """
    problems: list[Problem] = []
    directory = check_path("journal", journal, problems)
    raise_if_invalid("pending_operations read nothing", problems)
    if not directory.is_dir():
        raise StoreUnavailableError(f"there is no journal {directory}")
    found = []
    for path in Journal(directory, single_slot=False).paths():
        try:
            entry = read_entry(path)
        except StoreUnavailableError as error:
            found.append(_unreadable(error, path))
            continue
        if entry is not None and entry.operation != "held":
            hint = "the operation is pending: resume(client, store) completes it, unless a process is working on it"
            found.append(ResumeResult(status="pending", hint=hint, entry=path, **_about(entry)))
    return found


def _resume(api: Api, store: SafeStore, now: datetime) -> list[ResumeResult]:
    journal, results = journal_of(store), []
    for path in journal.paths():
        try:
            operation = journal.open(path)
        except StorageError as error:
            results.append(_unreadable(error, path))
            continue
        with operation:
            if operation.entry is not None and operation.entry.operation != "held":
                results.append(_resume_one(api, store, operation, operation.entry, now))
    return results


def _unreadable(error: StorageError, path: Path) -> ResumeResult:
    hint = str(error)
    if isinstance(error, StoreUnavailableError):
        hint += "; check that each key has a working token in the store, rotate the others, then remove this file"
    about = {}
    with contextlib.suppress(StoreUnavailableError):
        if (entry := read_entry(path)) is not None and entry.operation != "held":  # another process is working on it
            about = _about(entry)
    return ResumeResult(status="pending", hint=hint, entry=path, error=error, **about)


def _about(entry: Entry) -> dict[str, Any]:
    return {"operation": entry.operation, "name": entry.name, "key_id": entry.key_id, "began": entry.began}


@frozen
class _Finding:
    status: Literal["completed", "nothing_to_do", "pending"]
    hint: str
    saved: str | None = None  # the key whose token the store has
    retry_at: datetime | None = None


def _resume_one(api: Api, store: SafeStore, operation: JournalFile, entry: Entry, now: datetime) -> ResumeResult:
    about = _about(entry)
    try:
        function = _resume_create if entry.operation == "create" else _resume_rotation
        found = function(api, store, operation, entry, now)
    except IncidentIOError as error:
        hint = f"fix the cause, then call resume again: {error}"
        return ResumeResult(status="pending", hint=hint, entry=operation.path, error=error, **about)
    if found.saved is not None:
        about["key_id"] = found.saved
        complete(store, operation, entry.name, found.saved)
    elif found.status == "nothing_to_do":
        operation.complete()
    return ResumeResult(status=found.status, hint=found.hint, entry=operation.path, retry_at=found.retry_at, **about)


def _resume_create(api: Api, store: SafeStore, operation: JournalFile, entry: Entry, now: datetime) -> _Finding:
    if entry.key_id is not None:
        key = _show(api, entry.key_id)
        if key is None:
            return _not_visible(api, store, operation, entry, now)
        if _has_issued_token(api, store, entry):
            return _Finding("completed", f"the token of {key.id} is saved", key.id)
        if may_take_effect(entry, key, now):
            return _not_applied(entry, operation, now, f"the key {key.id} was not rotated", "its token is lost")
    else:
        found = _unsaved_keys(api, store, entry)
        if not found:
            return _not_applied(entry, operation, now, "no key was created", "do not create the key again until then")
        [key, *others] = found
        rotated = key.token_last_issued_at - key.created_at > _MAX_ISSUE_DELAY
        in_time = entry.began - SKEW <= key.created_at <= entry.began + SETTLE_TIME + SKEW
        if others or rotated or not in_time:
            return _Finding("pending", _ambiguous_hint(store, operation, found))
    replace_lost_token(api, store, operation, entry, key)
    return _Finding("completed", f"the token of {key.id} was lost; the key was rotated, its new token is saved", key.id)


def _ambiguous_hint(store: SafeStore, operation: JournalFile, found: list[APIKey]) -> str:
    time = "%Y-%m-%d %H:%M:%S"
    listed = "; ".join(
        f"{key.id}, created {key.created_at:{time}}, token issued {key.token_last_issued_at:{time}}" for key in found
    )
    steps = ["rotate it with rotate_into", f"remove {operation.path}"]
    if store.single_slot:  # there, the file prevents other operations
        steps.reverse()
    hint = f"the create may have made one of these keys: {listed}. Delete unused ones. To keep one,"
    return f"{hint} {steps[0]}, then {steps[1]}"


def _unsaved_keys(api: Api, store: SafeStore, entry: Entry) -> list[APIKey]:
    """Return the keys that a create whose response was lost can have made, and of which the store has no token."""
    found = []
    # Of any time: `known` has the keys that existed before, and clocks can be wrong.
    for key in orphans_of(entry, api.list(), since=_EARLIEST):
        token = None if store.single_slot else store.load(key.id)
        if token is None or not is_accepted(api, key.id, token):
            found.append(key)
    return found


def _resume_rotation(api: Api, store: SafeStore, operation: JournalFile, entry: Entry, now: datetime) -> _Finding:
    key_id = entry.key_id or ""
    key = _show(api, key_id)
    if key is None:
        return _not_visible(api, store, operation, entry, now)
    issued = key.token_last_issued_at
    if was_not_applied(entry, key) and not (entry.lost and now >= entry.began + SETTLE_TIME):
        until_then = "its token is lost" if entry.lost else "its previous token works"
        found = _not_applied(entry, operation, now, f"the key {key_id} was not rotated", until_then)
        return evolve(found, saved=key_id) if found.status == "nothing_to_do" else found
    if issued > entry.began + SETTLE_TIME + SKEW:
        hint = f"another program rotated the key {key_id} at {issued:%Y-%m-%d %H:%M} UTC. If you need a token, call"
        hint += f" rotate_into; the other one then expires after the grace period. Otherwise, remove {operation.path}"
        return _Finding("pending", hint)
    if _has_issued_token(api, store, entry):
        return _Finding("completed", f"the new token of {key_id} is saved", key_id)
    if _is_in_future(entry, now):
        return _clock_finding(entry, operation, f"the key {key_id} was rotated, and its token is not saved")
    issue_and_save(api, store, operation, key, entry.grace_period_minutes, lost=True)
    return _Finding("completed", f"the new token of {key_id} was lost; the key was rotated again", key_id)


def _has_issued_token(api: Api, store: SafeStore, entry: Entry) -> bool:
    key_id = entry.key_id or ""
    token = store.load(key_id)
    if token is None or entry.fingerprint is None or not entry.fingerprint.matches(token):
        return False
    return is_accepted(api, key_id, token)


def _show(api: Api, key_id: str) -> APIKey | None:
    try:
        return api.show(key_id)
    except NotFoundError:
        return None


def _not_visible(api: Api, store: SafeStore, operation: JournalFile, entry: Entry, now: datetime) -> _Finding:
    """Handle a 404: the key was deleted, not all servers know it yet, or the caller may not see it."""
    key_id = entry.key_id or ""
    token = store.load(key_id)
    if token is not None and is_accepted(api, key_id, token):
        hint = f"the key {key_id} exists, but this caller may not see it: call resume with another client, or remove"
        return _Finding("pending", f"{hint} {operation.path}")
    what = f"there is no key {key_id} that this caller may see"
    return _not_applied(entry, operation, now, what, "it may have been deleted")


def _not_applied(entry: Entry, operation: JournalFile, now: datetime, what: str, until_then: str) -> _Finding:
    if _is_in_future(entry, now):
        return _clock_finding(entry, operation, what)
    settled = entry.began + SETTLE_TIME
    if now >= settled:
        return _Finding("nothing_to_do", what)
    hint = f"{what} so far, but the request may still take effect: call resume again after"
    return _Finding("pending", f"{hint} {settled:%Y-%m-%d %H:%M:%S} UTC; {until_then}", retry_at=settled)


def _is_in_future(entry: Entry, now: datetime) -> bool:
    return entry.began > now + SKEW


def _clock_finding(entry: Entry, operation: JournalFile, what: str) -> _Finding:
    hint = f"{what}; the operation began at {entry.began:%Y-%m-%d %H:%M:%S} UTC, which is in the future. Correct this"
    hint += f" machine's clock if it is wrong, wait five minutes, check the key, then remove {operation.path}"
    return _Finding("pending", hint)
