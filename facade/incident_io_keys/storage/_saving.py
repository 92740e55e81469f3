"""Issues a token and saves it: the steps that creating, rotating and resuming share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import evolve

from .._validation import quote, token_problem
from ..errors import (
    AuthenticationError,
    IncidentIOError,
    InvalidResponseError,
    NotFoundError,
    PermissionDeniedError,
)
from ..tokens import IssuedKey, Token
from . import _runner
from ._adapters import Api, SafeStore
from ._errors import PendingOperationError, StorageError, StoreUnavailableError, TokenNotStoredError, token_of
from ._journal import Entry, Fingerprint, Journal, JournalFile

# So long after it was sent, a request has taken effect or never will.
SETTLE_TIME: Final = timedelta(minutes=5)

# Delays in seconds between the test calls with a new token. The API may have several servers, and not all of them know
# a new token immediately.
_DELAYS: Final = (0.5, 1.0, 2.0, 4.0)


def journal_of(store: SafeStore) -> Journal:
    return Journal(store.journal, single_slot=store.single_slot)


def pending_error(operation: JournalFile) -> PendingOperationError:
    message = f"an earlier operation is pending (journal file {operation.path}): call resume(client, store) first"
    return PendingOperationError(message, entry=operation.path)


def issue(operation: JournalFile, entry: Entry, call: Callable[[], IssuedKey]) -> IssuedKey | Token:
    """Write an entry, and send the request that issues a token; return the token alone if the key cannot be read.

    If it raises and a token may have been issued, the entry stays.
    """
    operation.begin(entry)
    try:
        return call()
    except IncidentIOError as error:
        token = token_of(error)
        if token is not None and getattr(error, "path", None) == "$.api_key.id":
            raise not_stored(token, operation, entry, f"it may belong to another key: {error}") from None
        if token is not None:
            return token
        if error.may_have_applied:
            error.args = (f"{error}\n  {_hint(operation)}",)
        else:
            operation.rollback()
        raise
    except BaseException as error:
        error.add_note(_hint(operation))
        raise


def save_and_verify(api: Api, store: SafeStore, operation: JournalFile, entry: Entry, token: Token) -> None:
    """Save a new token, load it, and call the API with it; raise TokenNotStoredError if one of these steps failed."""
    key_id = entry.key_id or ""
    # With its fingerprint, `resume` can recognize the token. Without it, `resume` rotates the key again.
    with contextlib.suppress(StoreUnavailableError):
        operation.write(evolve(entry, fingerprint=Fingerprint.of(token)))
    try:
        store.save(key_id, token)
        if store.load(key_id) != token:
            raise StoreUnavailableError("the token store does not return it")
    except StorageError as error:
        raise not_stored(token, operation, entry, str(error)) from None
    try:
        if is_accepted(api, key_id, token):
            return
        reason = "the API does not accept it"
    except IncidentIOError as error:
        reason = str(error)
    raise not_stored(token, operation, entry, reason, saved=True)


def complete(store: SafeStore, operation: JournalFile, name: str, key_id: str) -> None:
    """Note that the store has the token of a key; for a single slot, also which key's."""
    held = Entry(operation="held", name=name, began=datetime.now(UTC), key_id=key_id) if store.single_slot else None
    operation.complete(held)


def is_accepted(api: Api, key_id: str, token: Token) -> bool:
    """Return whether the API accepts a token, whatever roles its key has; raise if that is not known."""
    if token_problem(token):
        return False
    with_token = api.with_token(token)
    for delay in (*_DELAYS, None):
        try:
            with_token.show(key_id)
        except AuthenticationError:
            if delay is not None:
                _runner.wait(delay)
            continue
        except (PermissionDeniedError, NotFoundError) as error:
            # The token works, but its key may not see this key, or any. Without a type, a gateway responded.
            if error.type is None:
                raise
        except InvalidResponseError as error:
            if error.path == "$":  # not a JSON object: a gateway responded
                raise
        return True
    return False


def not_stored(
    token: Token, operation: JournalFile, entry: Entry, reason: str, *, saved: bool = False
) -> TokenNotStoredError:
    which = f"the key {entry.key_id}" if entry.key_id else f"a new key named {quote(entry.name)}"
    what = "was saved, but its test failed" if saved else "was issued, but is not known to be saved"
    lines = [f"the token of {which} {what}: {reason}", f"the token is on this error; {_hint(operation)}"]
    return TokenNotStoredError(
        "\n  ".join(lines), token=token, key_id=entry.key_id, entry=operation.path, may_have_applied=True, saved=saved
    )


def _hint(operation: JournalFile) -> str:
    return f"the operation is pending: resume(client, store) completes it (journal file {operation.path})"
