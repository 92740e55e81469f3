"""What a user of storage writes, as a user's type checker sees it. It is checked, never run."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, assert_type

from incident_io_keys import APIKey, AsyncKeysClient, IncidentIOError, IssuedKey, KeysClient, Token
from incident_io_keys.storage import (
    AmbiguousOrphanError,
    CommandStore,
    DotenvStore,
    FileStore,
    KeyringStore,
    ResumeResult,
    RotationResult,
    StorageError,
    TokenNotStoredError,
    TokenStore,
    create_into,
    due,
    find_orphans,
    pending_operations,
    recover_orphan,
    resume,
    rotate_due,
    rotate_into,
    time_ago,
)


class Memory:
    """A store of one's own."""

    def __init__(self) -> None:
        self.journal = Path("journal")
        self.tokens: dict[str, Token] = {}

    def check(self) -> None: ...

    def save(self, key: str, token: Token) -> None:
        self.tokens[key] = token

    def load(self, key: str) -> Token | None:
        return self.tokens.get(key)


STORES: list[TokenStore] = [
    FileStore("secrets"),
    DotenvStore(Path(".env"), "TOKEN"),
    KeyringStore(journal="journal"),
    CommandStore(["put", "{key}"], ["get", "{key}"], journal=Path("journal"), absent=[2], timeout=5),
    Memory(),
]


def sync(keys: KeysClient, store: TokenStore) -> None:
    try:
        assert_type(create_into(keys, store, name="a", role_names=["viewer"]), IssuedKey)
    except TokenNotStoredError as error:
        assert_type(error.token, Token)
        assert_type(error.saved, bool)
    except AmbiguousOrphanError as error:
        assert_type(error.candidates, tuple[str, ...])
    except StorageError as error:
        assert_type(error.code, str)
        assert_type(error.key_id, str | None)
        assert_type(error.entry, Path | None)
    assert_type(rotate_into(keys, store, "01F", grace_period_minutes=5), IssuedKey)
    for resumed in resume(keys, store):
        assert_type(resumed, ResumeResult)
        assert_type(resumed.status, Literal["completed", "nothing_to_do", "pending"])
    since = datetime.now(UTC)
    assert_type(find_orphans(keys, name="a", since=since), list[APIKey])
    assert_type(recover_orphan(keys, name="a", since=since, by="rotate"), IssuedKey | None)
    assert_type(recover_orphan(keys, name="a", since=since, by="delete", known=["01F"]), APIKey | None)
    recover_orphan(keys, name="a", since=since, by="forget")  # type: ignore[call-overload]
    for key in due(keys, older_than="3 months"):
        assert_type(key, APIKey)
    for rotated in rotate_due(
        keys,
        store,
        older_than=timedelta(days=90),
        progress=lambda rotated, done, total: (rotated.status, done / total),
    ):
        assert_type(rotated, RotationResult)
        assert_type(rotated.error, IncidentIOError | None)
    assert_type(pending_operations(store.journal), list[ResumeResult])
    assert_type(time_ago("90 days"), datetime)
    create_into(keys, object(), name="a", role_names=[])  # type: ignore[call-overload]
    assert_type(keys.with_token("inc_1"), KeysClient)


async def with_an_async_client(keys: AsyncKeysClient, store: TokenStore) -> None:
    assert_type(await create_into(keys, store, name="a", role_names=["viewer"]), IssuedKey)
    assert_type(await asyncio.create_task(rotate_into(keys, store, "01F")), IssuedKey)
    assert_type(await resume(keys, store), list[ResumeResult])
    since = datetime.now(UTC)
    assert_type(await find_orphans(keys, name="a", since=since), list[APIKey])
    assert_type(await recover_orphan(keys, name="a", since=since, by="rotate"), IssuedKey | None)
    assert_type(await recover_orphan(keys, name="a", since=since, by="delete"), APIKey | None)
    async for key in due(keys, older_than="3 months"):
        assert_type(key, APIKey)
    assert_type(await rotate_due(keys, store, older_than="90 days"), list[RotationResult])
    assert_type(keys.with_token("inc_1"), AsyncKeysClient)
