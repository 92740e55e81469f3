"""Finds the key that a create may have left whose answer was lost, and adopts or deletes it."""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, overload

from incident_io_keys_generated.models import AccountRole, APIKey, TeamRole

from .._validation import check_list, check_text, raise_if_invalid
from ..async_client import AsyncKeysClient
from ..client import KeysClient
from ..errors import Problem
from ..tokens import IssuedKey
from ._errors import StorageError
from ._runner import Client, Steps, api, check_client, every_key, run_with
from ._validation import check_instant

# By so much the clocks of this machine and of the API may differ.
SKEW: Final = timedelta(minutes=5)


def utc(instant: datetime) -> datetime:
    """An instant of the API's, which are in UTC also where they do not say so."""
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def manages(key: APIKey) -> bool:
    """Whether a key may call this resource at all."""
    names = {role.name for role in (*key.roles, *key.team_roles)}
    return not names.isdisjoint({AccountRole.API_KEYS_MANAGE, TeamRole.API_KEYS_MANAGE})


def check_caller(outcome: str, caller: str | None, keys: Iterable[APIKey]) -> None:
    """See whether a key can be the one that calls, if one is named.

    Raises:
        InvalidRequestError: It cannot.
    """
    if caller is not None and not any(key.id == caller and manages(key) for key in keys):
        problem = Problem(
            "caller", "is no key that may manage keys", "give the ID of the key whose token the client has"
        )
        raise_if_invalid(outcome, [problem])


def candidates(
    keys: Iterable[APIKey], *, name: str, since: datetime, known: Collection[str] | None, caller: str | None
) -> list[APIKey]:
    """The keys that a create may have left, the oldest first: `find_orphans` says what the arguments are."""
    found = [
        key
        for key in keys
        if key.name == name
        and key.id not in (known or ())
        and since - utc(key.created_at) <= SKEW
        # A key that a person made in the dashboard was not made by a call.
        and (key.creator.api_key is not None or key.creator.user is None)
        and (caller is None or key.creator.api_key is None or key.creator.api_key.id == caller)
    ]
    return sorted(found, key=lambda key: utc(key.created_at))


@overload
def find_orphans(
    client: KeysClient, *, name: str, since: datetime, known: Iterable[str] | None = None, caller: str | None = None
) -> list[APIKey]: ...
@overload
def find_orphans(
    client: AsyncKeysClient,
    *,
    name: str,
    since: datetime,
    known: Iterable[str] | None = None,
    caller: str | None = None,
) -> Coroutine[Any, Any, list[APIKey]]: ...
def find_orphans(
    client: Client, *, name: str, since: datetime, known: Iterable[str] | None = None, caller: str | None = None
) -> list[APIKey] | Coroutine[Any, Any, list[APIKey]]:
    """Find the keys that a create may have left which failed with `may_have_applied`.

    That the API does not list a key now does not say that it will not: a request may still be under way, and a new key
    may be listed late.

    API: `GET /v1/api_keys` (https://docs.incident.io/api-reference/api-keys-v1/list).

    Args:
        client: The client that the create was called with, or another one of the same key. With an async one, await
            what this returns.
        name: The name that was given to the create.
        since: When it was called, by the clock of this machine, with its time zone. That may differ from the API's by
            five minutes.
        known: The IDs of keys that were there before, if you know them; they are left out.
        caller: The ID of the key that calls, if you know it; keys that another key made are left out.

    Returns:
        Keys of that name, made since, and not by a person in the dashboard; the oldest first.

    Raises:
        InvalidRequestError: Arguments cannot be used.
        IncidentIOError: The keys could not be listed.
    """
    listed = _check("find_orphans", client, name, since, known, caller, [])
    return run_with(client, _find(client, name, since, listed, caller))  # type: ignore[no-any-return]


@overload
def recover_orphan(
    client: KeysClient,
    *,
    name: str,
    since: datetime,
    by: Literal["rotate"],
    known: Iterable[str] | None = None,
    caller: str | None = None,
) -> IssuedKey | None: ...
@overload
def recover_orphan(
    client: KeysClient,
    *,
    name: str,
    since: datetime,
    by: Literal["delete"],
    known: Iterable[str] | None = None,
    caller: str | None = None,
) -> APIKey | None: ...
@overload
def recover_orphan(
    client: AsyncKeysClient,
    *,
    name: str,
    since: datetime,
    by: Literal["rotate"],
    known: Iterable[str] | None = None,
    caller: str | None = None,
) -> Coroutine[Any, Any, IssuedKey | None]: ...
@overload
def recover_orphan(
    client: AsyncKeysClient,
    *,
    name: str,
    since: datetime,
    by: Literal["delete"],
    known: Iterable[str] | None = None,
    caller: str | None = None,
) -> Coroutine[Any, Any, APIKey | None]: ...
def recover_orphan(
    client: Client,
    *,
    name: str,
    since: datetime,
    by: Literal["rotate", "delete"],
    known: Iterable[str] | None = None,
    caller: str | None = None,
) -> IssuedKey | APIKey | Coroutine[Any, Any, IssuedKey | APIKey | None] | None:
    """Adopt or delete the key that a create left which failed with `may_have_applied`.

    It touches one key alone, and none of which it is not sure that the create made it: of several, and of one that is
    older than the call by the API's clock, it only tells. The latter can be meant if you give `known`.

    Args:
        client: As for `find_orphans`.
        name: As for `find_orphans`.
        since: As for `find_orphans`.
        by: `rotate` gives the key a token that you get, and ends the one that was lost; `delete` removes the key.
        known: As for `find_orphans`. Give it if there may be others of that name: with it, a clock that is late at the
            API does not matter, and without it, one that is early can make an older key look like the new one.
        caller: As for `find_orphans`.

    Returns:
        The key and its token, or the key that was deleted; None if the create left none that is listed.

    Raises:
        InvalidRequestError: Arguments cannot be used.
        StorageError: It cannot be told which key it is. Nothing was changed.
        IncidentIOError: What `list`, `rotate` or `delete` raises. Calling this again is safe.
    """
    problems: list[Problem] = []
    if by not in ("rotate", "delete"):
        problems.append(Problem("by", "takes 'rotate' or 'delete'"))
    listed = _check("recover_orphan", client, name, since, known, caller, problems)
    return run_with(client, _recover(client, name, since, listed, caller, by))  # type: ignore[no-any-return]


def _check(
    what: str, client: object, name: object, since: object, known: object, caller: object, problems: list[Problem]
) -> frozenset[str] | None:
    check_client(client, problems)
    check_text("name", name, problems, low=1)
    check_instant("since", since, problems)
    listed = None if known is None else check_list("known", known, problems) or []
    # What is no ID, such as a key, would leave nothing out.
    ids = [check_text(f"known[{index}]", each, problems, low=1) for index, each in enumerate(listed or ())]
    if caller is not None:
        check_text("caller", caller, problems, low=1)
    raise_if_invalid(f"{what} did nothing", problems)
    return None if listed is None else frozenset(ids)


def _find(
    client: Client, name: str, since: datetime, known: frozenset[str] | None, caller: str | None
) -> Steps[list[APIKey]]:
    keys = yield from api(every_key, client)
    check_caller("nothing was looked for", caller, keys)
    return candidates(keys, name=name, since=since, known=known, caller=caller)


def _recover(
    client: Client, name: str, since: datetime, known: frozenset[str] | None, caller: str | None, by: str
) -> Steps[IssuedKey | APIKey | None]:
    found = yield from _find(client, name, since, known, caller)
    if not found:
        return None
    which = ", ".join(key.id for key in found)
    if len(found) > 1:
        raise StorageError(f"{len(found)} keys could be the one that was created, and none was changed: {which}")
    [key] = found
    if known is None and utc(key.created_at) < since:
        message = (
            f"the key {which} was made before the call, by the API's clock, and was not changed: if it is the one,"
        )
        raise StorageError(f"{message} give `known`, the IDs of the keys that were there before", key_id=key.id)
    if by == "delete":
        yield from api(client.delete, key.id)
        return key
    return (yield from api(client.rotate, key.id, grace_period_minutes=0))  # type: ignore[no-any-return]
