"""`create_into`: creates a key and saves its token."""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, overload

from attrs import evolve

from incident_io_keys_generated.contract import AccountRoleName, TeamRoleName
from incident_io_keys_generated.models import AccountRole, APIKey, Role, TeamRole

from .._operations import create_key
from .._validation import raise_if_invalid
from ..async_client import AsyncKeysClient
from ..client import KeysClient
from ..errors import IncidentIOError, Problem
from ..tokens import IssuedKey, Token
from ._adapters import Api, SafeStore, check_call
from ._errors import KeyBusyError, StoreUnavailableError
from ._journal import Entry, JournalFile
from ._orphans import candidates, check_caller
from ._runner import Client, run
from ._saving import complete, is_accepted, issue, journal_of, not_stored, pending_error, save_and_verify
from ._store import TokenStore


@overload
def create_into(
    client: KeysClient,
    store: TokenStore,
    *,
    name: str,
    role_names: Iterable[AccountRole | AccountRoleName | Role],
    team_ids: Iterable[str] = (),
    team_role_names: Iterable[TeamRole | TeamRoleName | Role] = (),
    comments: str | None = None,
    caller: str | None = None,
) -> IssuedKey: ...
@overload
def create_into(
    client: AsyncKeysClient,
    store: TokenStore,
    *,
    name: str,
    role_names: Iterable[AccountRole | AccountRoleName | Role],
    team_ids: Iterable[str] = (),
    team_role_names: Iterable[TeamRole | TeamRoleName | Role] = (),
    comments: str | None = None,
    caller: str | None = None,
) -> Coroutine[Any, Any, IssuedKey]: ...
def create_into(
    client: Client,
    store: TokenStore,
    *,
    name: str,
    role_names: Iterable[AccountRole | AccountRoleName | Role],
    team_ids: Iterable[str] = (),
    team_role_names: Iterable[TeamRole | TeamRoleName | Role] = (),
    comments: str | None = None,
    caller: str | None = None,
) -> IssuedKey | Coroutine[Any, Any, IssuedKey]:
    """Create a key and save its token.

    The function checks the token store, writes a journal entry, creates the key, saves the token, loads it, and calls
    the API with it. With an async client, await the result; a cancellation takes effect after these steps.

    API: `POST /v1/api_keys` (https://docs.incident.io/api-reference/api-keys-v1/create), after
        `GET /v1/api_keys` (https://docs.incident.io/api-reference/api-keys-v1/list), so that no existing key is taken
        for the new one.

    Args:
        client: The client that creates the key.
        store: Where the token is saved.
        name: The name of the key. A unique name makes the key easier to identify if the response is lost.
        role_names: As for `KeysClient.create`.
        team_ids: As for `KeysClient.create`.
        team_role_names: As for `KeysClient.create`.
        comments: As for `KeysClient.create`.
        caller: The ID of the calling key, if you know it. `resume` then ignores keys that other keys created.

    Returns:
        The key and its token, which is saved.

    Raises:
        InvalidRequestError: Arguments are invalid, or the token of another key would be replaced. Nothing was created.
        PendingOperationError: An earlier create of this name, or an operation of the single slot, is pending. Nothing
            was created.
        KeyBusyError: Another process creates a key of this name, or uses the single slot. Nothing was created.
        StoreUnavailableError: The token store cannot save a token. Nothing was created.
        TokenNotStoredError: A key was created, but its token is not known to be stored. The exception has the token,
            and the journal has an entry for `resume`.
        IncidentIOError: What the client raises. If `may_have_applied`, the journal has an entry for `resume`.
    """
    lists: dict[str, Any] = {"role_names": role_names, "team_ids": team_ids, "team_role_names": team_role_names}
    # A generator can be read only once.
    lists = {field: list(value) if isinstance(value, Iterator) else value for field, value in lists.items()}
    definition: dict[str, Any] = {"name": name, **lists, "comments": comments}
    methods = ("list", "show", "create", "with_token")
    check_call("create was not sent", client, methods, store, [], lambda: create_key(**definition))
    return run(client, lambda api: _create(api, SafeStore(store), definition, caller))  # type: ignore[no-any-return]


def _create(api: Api, store: SafeStore, definition: dict[str, Any], caller: str | None) -> IssuedKey:
    name = definition["name"]
    with journal_of(store).begin_create(name) as operation:
        if operation.entry is not None and operation.entry.operation != "held":
            raise pending_error(operation)
        with operation.reserve_space():
            store.check()
        if not store.overwrite and store.ignores_key_id():
            problem = Problem("store", "already holds a token", "rotate its key, or use another store")
            raise_if_invalid("create was not sent", [problem])
        keys = api.list()
        check_caller("create was not sent", caller, keys)
        known = tuple(key.id for key in keys if key.name == name)
        entry = Entry(operation="create", name=name, began=datetime.now(UTC), known=known, caller=caller)
        issued = issue(operation, entry, lambda: api.create(**definition))
        if isinstance(issued, Token):
            issued = IssuedKey(_find_created(api, operation, entry, issued), issued)
        entry = evolve(entry, key_id=issued.api_key.id)
        try:
            with _key_lock(store, operation, issued.api_key.id):
                # Another process can see the new key, and may have rotated it.
                if not store.single_slot and store.load(issued.api_key.id) is not None:
                    reason = "another process rotated the key and saved its newer token"
                    raise not_stored(issued.token, operation, entry, reason)
                save_and_verify(api, store, operation, entry, issued.token)
        except (KeyBusyError, StoreUnavailableError) as error:
            raise not_stored(issued.token, operation, entry, str(error)) from None
        complete(store, operation, name, issued.api_key.id)
    return issued


def _find_created(api: Api, operation: JournalFile, entry: Entry, token: Token) -> APIKey:
    try:
        found = orphans_of(entry, api.list())
    except IncidentIOError as error:
        raise not_stored(token, operation, entry, f"the ID of the key is not known: {error}") from None
    if len(found) != 1:
        raise not_stored(token, operation, entry, f"{len(found)} keys can be the new one")
    return found[0]


def orphans_of(entry: Entry, keys: Iterable[APIKey], since: datetime | None = None) -> list[APIKey]:
    return candidates(keys, name=entry.name, since=since or entry.began, known=entry.known, caller=entry.caller)


def replace_lost_token(api: Api, store: SafeStore, operation: JournalFile, entry: Entry, key: APIKey) -> None:
    """Rotate a key that a create made and whose first token was lost, and save the new token."""
    with operation.reserve_space():
        store.check()
    with _key_lock(store, operation, key.id):
        token = None if store.single_slot else store.load(key.id)
        if token is not None and is_accepted(api, key.id, token):
            return  # another process rotated it
        began, issued_before = datetime.now(UTC), key.token_last_issued_at
        entry = evolve(entry, key_id=key.id, fingerprint=None, began=began, issued_before=issued_before)
        issued = issue(operation, entry, lambda: api.rotate(key.id, 0))
        token = issued if isinstance(issued, Token) else issued.token
        save_and_verify(api, store, operation, entry, token)


def _key_lock(store: SafeStore, operation: JournalFile, key_id: str) -> AbstractContextManager[object]:
    """Keep other processes from rotating a key. With a single slot, the operation's own lock does."""
    return contextlib.nullcontext(operation) if store.single_slot else journal_of(store).begin_rotation(key_id)
