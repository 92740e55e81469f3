"""Brings a token from the API to its place, so that it is lost at no step on the way: the procedures.

What is about to be done is written down before it is asked for, and crossed out once the token is in its place and
accepted by the API; `_resume` takes up what was not. Requests go out by the public methods of a client alone.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from attrs import evolve

from incident_io_keys_generated.models import APIKey

from .._validation import quote, raise_if_invalid, token_problem
from ..errors import (
    AuthenticationError,
    IncidentIOError,
    InvalidResponseError,
    NotFoundError,
    PermissionDeniedError,
    Problem,
)
from ..tokens import IssuedKey, Token
from ._errors import KeyBusyError, StorageError, StoreUnavailableError, token_of
from ._journal import Entry, Fingerprint, Journal, Opened
from ._orphans import candidates, check_caller
from ._runner import Client, Steps, api, every_key, load, local, pause
from ._store import TokenStore

# Seconds between the attempts before a new token counts as rejected: the API may have several machines, and not all of
# them know the token immediately.
_DELAYS: Final = (0.5, 1.0, 2.0, 4.0)


def single_slot(store: TokenStore) -> bool:
    """Whether a store says that it has a place for one token alone."""
    return getattr(store, "single_slot", False) is True


def journal_of(store: TokenStore) -> Journal:
    """The journal of a store."""
    return Journal(store.journal, single_slot=single_slot(store))


def creation(client: Client, store: TokenStore, definition: dict[str, Any], caller: str | None) -> Steps[IssuedKey]:
    """Create a key, and bring its token to a store."""
    name, journal = definition["name"], journal_of(store)
    yield from local(store.check)
    if left := (yield from local(journal.creates, name)):
        message = (
            f"a create of a key named {quote(name)} is not finished, by {left[0]}: call resume(client, store) first"
        )
        raise StorageError(message, entry=left[0])
    opened = yield from local(journal.begin_create)
    try:
        earlier = yield from local(opened.read)
        if earlier is not None and earlier.operation != "held":
            raise StorageError(f"{opened.path} is not finished: call resume(client, store) first", entry=opened.path)
        if (yield from load(store, secrets.token_hex(13))) is not None:
            problem = Problem(
                "store", "has a token, which that of a new key would replace", "rotate its key, or clear it"
            )
            raise_if_invalid("create was not sent", [problem])
        keys = yield from api(every_key, client)
        check_caller("create was not sent", caller, keys)
        known = tuple(key.id for key in keys if key.name == name)
        entry = Entry(operation="create", name=name, began=datetime.now(UTC), known=known, caller=caller)
        yield from local(opened.write, entry)
        issued = yield from _issued(opened, entry, client.create, **definition)
        if isinstance(issued, Token):  # and of the key, the answer says nothing that can be read
            issued = IssuedKey((yield from _created_with(issued, client, entry, opened)), issued)
        entry = evolve(entry, key_id=issued.api_key.id)
        yield from _keep_first(client, store, opened, entry, issued.token)
        yield from cross_out(store, opened, name, issued.api_key.id)
    finally:
        opened.release()
    return issued


def _keep_first(client: Client, store: TokenStore, opened: Opened, entry: Entry, token: Token) -> Steps[None]:
    """Bring the first token of a key to its place. From now on, another process can see the key, and rotate it."""
    try:
        alone = yield from _alone(store, opened, entry.key_id or "")
        try:
            if not single_slot(store) and (yield from load(store, entry.key_id or "")) is not None:
                raise _not_kept(
                    token, opened, entry, "somebody has rotated the key, and the store has that token", kept=True
                )
            yield from _keep(client, store, opened, entry, token)
        finally:
            if alone is not opened:
                alone.release()
    except (KeyBusyError, StoreUnavailableError) as error:
        raise _not_kept(token, opened, entry, str(error)) from None


def _alone(store: TokenStore, opened: Opened, key_id: str) -> Steps[Opened]:
    """Keep others from rotating a key whose create has its file open."""
    return opened if single_slot(store) else (yield from local(journal_of(store).begin_rotation, key_id))


def rotation(client: Client, store: TokenStore, key_id: str, grace_period_minutes: int) -> Steps[IssuedKey]:
    """Rotate a key into a store."""
    opened = yield from local(journal_of(store).begin_rotation, key_id)
    try:
        left = yield from local(opened.read)
        if left is not None and left.key_id != key_id:  # of the one place
            yield from _check_place(store, opened, left, key_id)
        lost = left is not None and left.operation != "held"
        key = yield from api(client.show, key_id)
        issued = yield from rotation_of(client, store, opened, key, grace_period_minutes, lost=lost)
        yield from cross_out(store, opened, key.name, key.id)
    finally:
        opened.release()
    return issued


def _check_place(store: TokenStore, opened: Opened, left: Entry, key_id: str) -> Steps[None]:
    """See whether the one place of a store may have the token of another key than it was for."""
    if left.operation != "held":
        raise StorageError(f"{opened.path} is not finished: call resume(client, store) first", entry=opened.path)
    if (yield from load(store, key_id)) is not None:
        message = f"has the token of the key {left.key_id}, which that of {key_id} would replace"
        raise_if_invalid("rotate was not sent", [Problem("store", message, "take one store for each key, or clear it")])


def rotation_of(
    client: Client, store: TokenStore, opened: Opened, key: APIKey, grace_period_minutes: int, *, lost: bool
) -> Steps[IssuedKey]:
    """Rotate a key into a store, with its file in the journal open, which is left to be crossed out.

    Args:
        client: The client.
        store: The store.
        opened: The file.
        key: The key as it is now.
        grace_period_minutes: For how long the previous token is to work.
        lost: Whether the store may not have the token that the key has now.
    """
    yield from local(store.check)
    entry = Entry(
        operation="rotate",
        name=key.name,
        began=datetime.now(UTC),
        key_id=key.id,
        issued_before=None if lost else key.token_last_issued_at,
        grace_period_minutes=grace_period_minutes,
    )
    yield from local(opened.write, entry)
    issued = yield from _issued(opened, entry, client.rotate, key.id, grace_period_minutes=grace_period_minutes)
    if isinstance(issued, Token):
        issued = IssuedKey(key, issued)
    yield from _keep(client, store, opened, entry, issued.token)
    return issued


def _issued(opened: Opened, entry: Entry, call: Any, *arguments: Any, **keywords: Any) -> Steps[IssuedKey | Token]:
    try:
        issued: IssuedKey = yield from api(call, *arguments, **keywords)
        return issued
    except IncidentIOError as error:
        token = token_of(error)
        if token is not None and getattr(error, "path", None) == "$.api_key.id":
            raise _not_kept(token, opened, entry, f"it may belong to another key: {error}") from None
        if token is not None:
            return token
        if error.may_have_applied:
            error.args = (f"{error}\n  {_left(opened)}",)
        else:
            with contextlib.suppress(StoreUnavailableError):  # then `resume` will find that nothing happened
                yield from local(opened.withdraw)
        raise
    except BaseException as error:
        error.add_note(_left(opened))
        raise


def _created_with(token: Token, client: Client, entry: Entry, opened: Opened) -> Steps[APIKey]:
    """Find the key that a create issued a token for."""
    try:
        found = left_by(entry, (yield from api(every_key, client)))
    except IncidentIOError as error:
        raise _not_kept(token, opened, entry, f"its ID could not be found out: {error}") from None
    if len(found) != 1:
        raise _not_kept(token, opened, entry, f"{len(found)} keys could be the one that it belongs to")
    return found[0]


def adoption(client: Client, store: TokenStore, opened: Opened, entry: Entry, key: APIKey) -> Steps[None]:
    """Bring a token of a key to a store whose first one was lost.

    The file of its create is open, and left to be crossed out.
    """
    yield from local(store.check)
    alone = yield from _alone(store, opened, key.id)
    try:
        token = None if single_slot(store) else (yield from load(store, key.id))
        if token is not None and (yield from is_accepted(client, key.id, token)):
            return  # somebody brought it there meanwhile
        # From now on it is known which key it is; and that its token is not.
        entry = evolve(entry, key_id=key.id, issued=None)
        yield from local(opened.write, entry)
        issued = yield from _issued(opened, entry, client.rotate, key.id, grace_period_minutes=0)
        token = issued if isinstance(issued, Token) else issued.token
        yield from _keep(client, store, opened, entry, token)
    finally:
        if alone is not opened:
            alone.release()


def left_by(entry: Entry, keys: Iterable[APIKey], since: datetime | None = None) -> list[APIKey]:
    """The keys that a create may have left of which an entry tells."""
    return candidates(keys, name=entry.name, since=since or entry.began, known=entry.known, caller=entry.caller)


def _keep(client: Client, store: TokenStore, opened: Opened, entry: Entry, token: Token) -> Steps[None]:
    """Bring a token to its place, and see whether it works there."""
    key_id = entry.key_id or ""
    # From here on a token in the place can be told to be this one, or not to be. Without that it is not lost either.
    with contextlib.suppress(StoreUnavailableError):
        yield from local(opened.write, evolve(entry, issued=Fingerprint.of(token)))
    try:
        yield from local(store.save, key_id, token)
        if (yield from load(store, key_id)) != token:
            raise StoreUnavailableError("the store does not give it back")
    except StoreUnavailableError as error:
        raise _not_kept(token, opened, entry, str(error)) from None
    try:
        if not (yield from is_accepted(client, key_id, token)):
            raise _not_kept(token, opened, entry, "it is there, but the API does not accept it", kept=True)
    except StorageError:
        raise
    except IncidentIOError as error:
        reason = f"it is there, but could not be tried at the API: {error}"
        raise _not_kept(token, opened, entry, reason, kept=True) from None


def cross_out(store: TokenStore, opened: Opened, name: str, key_id: str) -> Steps[None]:
    """Note that nothing is left to do, since the token of a key is in its place; and for one place, whose that is."""
    held = Entry(operation="held", name=name, began=datetime.now(UTC), key_id=key_id) if single_slot(store) else None
    yield from local(opened.done, held)


def is_accepted(client: Client, key_id: str, token: Token) -> Steps[bool]:
    """Find out whether the API accepts a token, whatever its key may do.

    Raises:
        IncidentIOError: It cannot be said.
    """
    if token_problem(token):
        return False
    with_it = client.with_token(token)
    # Only a token that is none is refused with 401. One whose key may not manage keys gets a 403, one that may, but not
    # see this one, a 404, and a success is one also where its body has drifted.
    delays = iter(_DELAYS)
    while True:
        try:
            yield from api(with_it.show, key_id)
        except AuthenticationError:
            delay = next(delays, None)
            if delay is None:
                return False
            yield from pause(client, delay)
            continue
        except (PermissionDeniedError, NotFoundError) as error:
            if error.type is None:
                raise  # some gateway says so, and not the API
        except InvalidResponseError as error:
            if error.path == "$":
                raise  # no JSON object: of a gateway too
        return True


def _not_kept(token: Token, opened: Opened, entry: Entry, reason: str, *, kept: bool = False) -> StorageError:
    which = f"the key {entry.key_id}" if entry.key_id else f"a new key named {quote(entry.name)}"
    where = "it is the token of this error too" if kept else "it is the token of this error"
    lines = [
        f"the token of {which} was issued, but is not known to be in its place: {reason}",
        f"{where}; {_left(opened)}, and has another one issued if need be",
    ]
    path = opened.path
    return StorageError("\n  ".join(lines), token=token, key_id=entry.key_id, entry=path, may_have_applied=True)


def _left(opened: Opened) -> str:
    return f"the journal has it at {opened.path}: resume(client, store) goes on with it"
