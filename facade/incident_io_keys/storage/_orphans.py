"""Finds the key that a create may have made whose response was lost, and rotates or deletes it."""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Iterable
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias, overload

from incident_io_keys_generated.models import AccountRole, APIKey, TeamRole

from .._validation import check_list, check_text, raise_if_invalid
from ..async_client import AsyncKeysClient
from ..client import KeysClient
from ..errors import Problem
from ..tokens import IssuedKey
from ._adapters import Api, check_client
from ._errors import AmbiguousOrphanError
from ._runner import Client, run
from ._validation import check_aware_datetime

Known: TypeAlias = Iterable[str] | None

# The clocks of this machine and of the API may differ by this much.
SKEW: Final = timedelta(minutes=5)


def can_manage_keys(key: APIKey) -> bool:
    """Return whether a key has the role `api_keys_manage`, in the account or a team, so that it can be a caller."""
    names = {role.name for role in (*key.roles, *key.team_roles)}
    return not names.isdisjoint({AccountRole.API_KEYS_MANAGE, TeamRole.API_KEYS_MANAGE})


def check_caller(outcome: str, caller: str | None, keys: Iterable[APIKey]) -> None:
    """Raise InvalidRequestError if a key is given that cannot be the caller."""
    if caller is not None and not any(key.id == caller and can_manage_keys(key) for key in keys):
        problem = Problem("caller", "is not a key that can manage keys", "pass the ID of the key that the client uses")
        raise_if_invalid(outcome, [problem])


def candidates(
    keys: Iterable[APIKey], *, name: str, since: datetime, known: Collection[str] | None, caller: str | None
) -> list[APIKey]:
    """Return the keys that a create can have made, the oldest first. `find_orphans` describes the arguments."""
    found = [
        key
        for key in keys
        if key.name == name
        and key.id not in (known or ())
        and since - key.created_at <= SKEW
        # A person created the key in the dashboard.
        and (key.creator.api_key is not None or key.creator.user is None)
        and (caller is None or key.creator.api_key is None or key.creator.api_key.id == caller)
    ]
    return sorted(found, key=lambda key: key.created_at)


@overload
def find_orphans(
    client: KeysClient, *, name: str, since: datetime, known: Known = None, caller: str | None = None
) -> list[APIKey]: ...
@overload
def find_orphans(
    client: AsyncKeysClient, *, name: str, since: datetime, known: Known = None, caller: str | None = None
) -> Coroutine[Any, Any, list[APIKey]]: ...
def find_orphans(
    client: Client, *, name: str, since: datetime, known: Known = None, caller: str | None = None
) -> list[APIKey] | Coroutine[Any, Any, list[APIKey]]:
    """Find the keys that a failed create may have made.

    If the API lists no key now, it may still list one later: the request may still be in progress.

    API: `GET /v1/api_keys` (https://docs.incident.io/api-reference/api-keys-v1/list).

    Args:
        client: The client that called `create`, or another client of the same key. With an async client, await the
            result.
        name: The name that `create` was called with.
        since: When `create` was called and failed with `may_have_applied`, by this machine's clock, with its time zone.
            The clock of the API may differ by five minutes.
        known: The IDs of keys that existed before, if you know them. They are ignored.
        caller: The ID of the calling key, if you know it. Keys that other keys created are ignored.

    Returns:
        The keys of that name that were created since then, and not by a person in the dashboard; the oldest first.

    Raises:
        InvalidRequestError: Arguments are invalid.
        IncidentIOError: The keys could not be listed.
    """
    problems: list[Problem] = []
    ids = _check("find_orphans", client, ("list",), name, since, known, caller, problems)
    return run(client, lambda api: _find(api, name, since, ids, caller))  # type: ignore[no-any-return]


@overload
def recover_orphan(
    client: KeysClient,
    *,
    name: str,
    since: datetime,
    by: Literal["rotate"],
    known: Known = None,
    caller: str | None = None,
) -> IssuedKey | None: ...
@overload
def recover_orphan(
    client: KeysClient,
    *,
    name: str,
    since: datetime,
    by: Literal["delete"],
    known: Known = None,
    caller: str | None = None,
) -> APIKey | None: ...
@overload
def recover_orphan(
    client: AsyncKeysClient,
    *,
    name: str,
    since: datetime,
    by: Literal["rotate"],
    known: Known = None,
    caller: str | None = None,
) -> Coroutine[Any, Any, IssuedKey | None]: ...
@overload
def recover_orphan(
    client: AsyncKeysClient,
    *,
    name: str,
    since: datetime,
    by: Literal["delete"],
    known: Known = None,
    caller: str | None = None,
) -> Coroutine[Any, Any, APIKey | None]: ...
def recover_orphan(
    client: Client,
    *,
    name: str,
    since: datetime,
    by: Literal["rotate", "delete"],
    known: Known = None,
    caller: str | None = None,
) -> IssuedKey | APIKey | Coroutine[Any, Any, IssuedKey | APIKey | None] | None:
    """Rotate or delete the key that a failed create made.

    It changes a key only if no other key can be the one, and if the key is not older than the call by the API's clock
    (unless you pass `known`).

    Args:
        client: As for `find_orphans`.
        name: As for `find_orphans`.
        since: As for `find_orphans`.
        by: `rotate` issues a new token and revokes the lost one immediately; `delete` deletes the key.
        known: As for `find_orphans`. Pass it if other keys can have this name: if the API's clock is behind, the key
            is recognized only with it; if the API's clock is ahead, an older key can look like the new one without it.
        caller: As for `find_orphans`.

    Returns:
        The key and its token, or the deleted key; None if no such key is listed.

    Raises:
        InvalidRequestError: Arguments are invalid.
        AmbiguousOrphanError: It is not certain which key was created. Nothing was changed.
        IncidentIOError: What `list`, `rotate` or `delete` raises. Calling this function again is safe.
    """
    problems: list[Problem] = []
    if by not in ("rotate", "delete"):
        problems.append(Problem("by", "takes 'rotate' or 'delete'"))
    ids = _check("recover_orphan", client, ("list", "rotate", "delete"), name, since, known, caller, problems)
    return run(client, lambda api: _recover(api, name, since, ids, caller, by))  # type: ignore[no-any-return]


def _check(
    function: str,
    client: object,
    methods: tuple[str, ...],
    name: object,
    since: object,
    known: object,
    caller: object,
    problems: list[Problem],
) -> frozenset[str] | None:
    check_client(client, problems, *methods)
    check_text("name", name, problems, low=1)
    check_aware_datetime("since", since, problems)
    listed = None if known is None else check_list("known", known, problems) or []
    # An `APIKey`, for example, would match no ID.
    ids = [check_text(f"known[{index}]", each, problems, low=1) for index, each in enumerate(listed or ())]
    if caller is not None:
        check_text("caller", caller, problems, low=1)
    raise_if_invalid(f"{function} did nothing", problems)
    return None if listed is None else frozenset(ids)


def _find(api: Api, name: str, since: datetime, known: frozenset[str] | None, caller: str | None) -> list[APIKey]:
    keys = api.list()
    check_caller("find_orphans found nothing", caller, keys)
    return candidates(keys, name=name, since=since, known=known, caller=caller)


def _recover(
    api: Api, name: str, since: datetime, known: frozenset[str] | None, caller: str | None, by: str
) -> IssuedKey | APIKey | None:
    found = _find(api, name, since, known, caller)
    if not found:
        return None
    ids = tuple(key.id for key in found)
    if len(found) > 1:
        message = f"{len(found)} keys match the create: {', '.join(ids)}; none was changed"
        raise AmbiguousOrphanError(message, candidates=ids)
    [key] = found
    if known is None and key.created_at < since:
        message = (
            f"the key {key.id} is older than the call, by the API's clock; it was not changed: pass `known`, the IDs"
        )
        raise AmbiguousOrphanError(f"{message} of the keys that existed before", key_id=key.id, candidates=ids)
    if by == "delete":
        api.delete(key.id)
        return key
    return api.rotate(key.id, 0)
