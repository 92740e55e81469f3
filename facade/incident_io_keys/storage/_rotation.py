"""`rotate_into`: rotates a key and saves its new token."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, Final, overload

from incident_io_keys_generated import contract
from incident_io_keys_generated.models import APIKey

from .._operations import rotate_key
from .._validation import raise_if_invalid
from ..async_client import AsyncKeysClient
from ..client import KeysClient
from ..errors import Problem
from ..tokens import IssuedKey, Token
from ._adapters import Api, SafeStore, check_call
from ._journal import Entry, JournalFile
from ._runner import Client, run
from ._saving import SETTLE_TIME, complete, issue, journal_of, pending_error, save_and_verify
from ._store import TokenStore

DEFAULT_GRACE: Final = contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_DEFAULT


@overload
def rotate_into(
    client: KeysClient, store: TokenStore, id: str, *, grace_period_minutes: int = DEFAULT_GRACE
) -> IssuedKey: ...
@overload
def rotate_into(
    client: AsyncKeysClient, store: TokenStore, id: str, *, grace_period_minutes: int = DEFAULT_GRACE
) -> Coroutine[Any, Any, IssuedKey]: ...
def rotate_into(
    client: Client, store: TokenStore, id: str, *, grace_period_minutes: int = DEFAULT_GRACE
) -> IssuedKey | Coroutine[Any, Any, IssuedKey]:
    """Rotate a key and save its new token.

    The function checks the token store, writes a journal entry, rotates the key, saves the token, loads it, and calls
    the API with it. With an async client, await the result; a cancellation takes effect after these steps.

    API: `POST /v1/api_keys/{id}/actions/rotate` (https://docs.incident.io/api-reference/api-keys-v1/rotate), after
        `GET /v1/api_keys/{id}` (https://docs.incident.io/api-reference/api-keys-v1/show).

    Args:
        client: The client that rotates the key.
        store: Where the token is saved. It replaces the saved token of the key.
        id: The ID of the key.
        grace_period_minutes: The minutes for which the previous token keeps working. With 0, no token works until the
            new one is saved.

    Returns:
        The key and its new token, which is saved.

    Raises:
        InvalidRequestError: Arguments are invalid, or the token of another key would be replaced. Nothing was rotated.
        PendingOperationError: A rotation of this key is pending and may still take effect, or an operation on another
            key is pending in the store's single slot. Nothing was rotated.
        KeyBusyError: Another process is rotating the key, or uses the store's single slot. Nothing was rotated.
        StoreUnavailableError: The token store cannot save a token. Nothing was rotated.
        TokenNotStoredError: The key was rotated, but its token is not known to be stored. The exception has the token,
            and the journal has an entry for `resume`.
        IncidentIOError: What the client raises. If `may_have_applied`, the journal has an entry for `resume`.
    """
    methods = ("show", "rotate", "with_token")
    operation = lambda: rotate_key(id, grace_period_minutes=grace_period_minutes)  # noqa: E731
    check_call("rotate was not sent", client, methods, store, [], operation)
    return run(client, lambda api: rotate(api, SafeStore(store), id, grace_period_minutes))  # type: ignore[no-any-return]


def rotate(
    api: Api, store: SafeStore, key_id: str, grace: int, issued_until: datetime | None = None
) -> IssuedKey | None:
    """Rotate a key and save its new token. This replaces a pending rotation of the key, if its result is known.

    Return None if the token was issued after a time, because another program has rotated the key.
    """
    with journal_of(store).begin_rotation(key_id) as operation:
        earlier = operation.entry
        is_pending = earlier is not None and earlier.operation != "held"
        if earlier is not None and earlier.key_id != key_id:  # in a single slot
            if is_pending:
                raise pending_error(operation)
            if not store.overwrite and store.load(key_id) is not None:
                problem = Problem("store", f"holds the token of the key {earlier.key_id}", "use another store")
                raise_if_invalid("rotate was not sent", [problem])
        key = api.show(key_id)
        if is_pending and earlier is not None and may_take_effect(earlier, key, datetime.now(UTC)):
            raise pending_error(operation)
        if issued_until is not None and key.token_last_issued_at > issued_until:
            return None
        issued = issue_and_save(api, store, operation, key, grace, lost=is_pending)
        complete(store, operation, key.name, key_id)
    return issued


def may_take_effect(entry: Entry, key: APIKey, now: datetime) -> bool:
    """Return whether a pending request can still take effect, and so revoke the token of the next one."""
    return was_not_applied(entry, key) and now < entry.began + SETTLE_TIME


def was_not_applied(entry: Entry, key: APIKey) -> bool:
    """Return whether the request of an entry has not issued a token of a key so far."""
    return entry.fingerprint is None and key.token_last_issued_at == entry.issued_before


def issue_and_save(
    api: Api, store: SafeStore, operation: JournalFile, key: APIKey, grace: int, *, lost: bool
) -> IssuedKey:
    """Rotate a key and save its new token. The caller completes the operation.

    `lost` says that the store may not have the key's current token.
    """
    with operation.reserve_space():
        store.check()
    entry = Entry(
        operation="rotate",
        name=key.name,
        began=datetime.now(UTC),
        key_id=key.id,
        issued_before=key.token_last_issued_at,
        lost=lost,
        grace_period_minutes=grace,
    )
    issued = issue(operation, entry, lambda: api.rotate(key.id, grace))
    if isinstance(issued, Token):
        issued = IssuedKey(key, issued)
    save_and_verify(api, store, operation, entry, issued.token)
    return issued
