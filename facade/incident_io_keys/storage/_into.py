"""Brings the token of a new key, or the new token of a key, to a store: what is called, and with which arguments."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, Final, overload

from incident_io_keys_generated import contract
from incident_io_keys_generated.contract import AccountRoleName, TeamRoleName
from incident_io_keys_generated.models import AccountRole, Role, TeamRole

from .._validation import check_list, raise_if_invalid
from ..async_client import AsyncKeysClient
from ..client import KeysClient
from ..errors import InvalidRequestError, Problem
from ..tokens import IssuedKey
from ._issue import creation, rotation
from ._runner import Client, check_client, run_with
from ._store import TokenStore

DEFAULT_GRACE: Final = contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_DEFAULT


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
    """Create a key, and bring its token to a store.

    The store is checked, the intent is written to its journal, the key is created, its token stored, read back, and
    tried at the API. With an async client, await what this returns; a cancellation takes effect once the token is in
    its place.

    API: `POST /v1/api_keys` (https://docs.incident.io/api-reference/api-keys-v1/create). The keys are listed before
        that, so that what is there already is never taken for the new key.

    Args:
        client: The client to create it with.
        store: Where the token goes.
        name: What people call the key. One that no other key has makes it easier to find if the answer is lost.
        role_names: As for `KeysClient.create`.
        team_ids: As for `KeysClient.create`.
        team_role_names: As for `KeysClient.create`.
        comments: As for `KeysClient.create`.
        caller: The ID of the key that calls, if you know it: an orphan is then only looked for among the keys that it
            made.

    Returns:
        The key and its token, which the store has.

    Raises:
        InvalidRequestError: Arguments cannot be used, or the store would lose a token that it has. Nothing was
            created.
        StoreUnavailableError: The store cannot take a token. Nothing was created.
        StorageError: A key was created, but its token is not known to be in its place: it is on the error. The journal
            has an entry, with which `resume` goes on.
        IncidentIOError: What the client raises. If `may_have_applied`, the journal has an entry, with which `resume`
            finds out what came of it.
    """
    problems: list[Problem] = []
    listed: dict[str, Any] = {
        "role_names": check_list("role_names", role_names, problems),
        "team_ids": check_list("team_ids", team_ids, problems),
        "team_role_names": check_list("team_role_names", team_role_names, problems),
    }
    definition: dict[str, Any] = {
        "name": name,
        **{field: members or [] for field, members in listed.items()},
        "comments": comments,
    }
    from .._operations import create_key  # it brings httpx, as the client did

    _check("create", client, store, problems, lambda: create_key(**definition))
    return run_with(client, creation(client, store, definition, caller))  # type: ignore[no-any-return]


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
    """Give a key another token, and bring that to a store.

    The store is checked, the intent is written to its journal, the key is rotated, its token stored, read back, and
    tried at the API. With an async client, await what this returns; a cancellation takes effect once the token is in
    its place.

    API: `POST /v1/api_keys/{id}/actions/rotate` (https://docs.incident.io/api-reference/api-keys-v1/rotate).

    Args:
        client: The client to rotate it with.
        store: Where the token goes, in the place of the one that it has for the key.
        id: The key's ID.
        grace_period_minutes: For how many minutes the previous token keeps working. With 0, nobody has a token that
            works until the new one is in its place.

    Returns:
        The key and its new token, which the store has.

    Raises:
        InvalidRequestError: Arguments cannot be used. Nothing was rotated.
        StoreUnavailableError: The store cannot take a token. Nothing was rotated.
        StorageError: Somebody else is rotating the key, and nothing was done; or the key was rotated, but its token is
            not known to be in its place: it is on the error. The journal has an entry, with which `resume` goes on.
        IncidentIOError: What the client raises. If `may_have_applied`, the journal has an entry, with which `resume`
            finds out what came of it.
    """
    from .._operations import rotate_key

    _check("rotate", client, store, [], lambda: rotate_key(id, grace_period_minutes=grace_period_minutes))
    return run_with(client, rotation(client, store, id, grace_period_minutes))  # type: ignore[no-any-return]


def _check(what: str, client: object, store: object, problems: list[Problem], operation: Any) -> None:
    check_client(client, problems)
    check_store(store, problems)
    try:
        operation()
    except InvalidRequestError as error:
        problems += [problem for problem in error.problems if problem.field not in {each.field for each in problems}]
    raise_if_invalid(f"{what} was not sent", problems)


def check_store(store: object, problems: list[Problem]) -> None:
    """See whether it is a store."""
    missing = [name for name in ("check", "save", "load") if not callable(getattr(store, name, None))]
    if missing:
        problems.append(Problem("store", f"has no method {', '.join(missing)}", "take a FileStore, or see TokenStore"))
    elif not isinstance(getattr(store, "journal", None), Path):
        problems.append(Problem("store", "has no journal", "give it an attribute `journal`: the Path of a directory"))
