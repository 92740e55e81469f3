"""What a user of custody writes, as a user's type checker sees it. It is checked, never run."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, assert_type

from incident_io_keys import APIKey, AsyncKeysClient, IncidentIOError, IssuedKey, KeysClient, Token
from incident_io_keys.custody import (
    CommandKeeper,
    CustodyError,
    EnvFileKeeper,
    FileKeeper,
    Keeper,
    KeyringKeeper,
    Resumed,
    Rotated,
    create_into,
    due,
    find_created,
    recover_created,
    resume,
    rotate_due,
    rotate_into,
)


class Memory:
    """A keeper of one's own."""

    def __init__(self) -> None:
        self.journal = Path("journal")
        self.tokens: dict[str, Token] = {}

    def check(self) -> None: ...

    def store(self, key: str, token: Token) -> None:
        self.tokens[key] = token

    def load(self, key: str) -> Token | None:
        return self.tokens.get(key)


KEEPERS: list[Keeper] = [
    FileKeeper("secrets"),
    EnvFileKeeper(Path(".env"), "TOKEN"),
    KeyringKeeper(journal="journal"),
    CommandKeeper(["put", "{key}"], ["get", "{key}"], journal=Path("journal"), absent=[2], timeout=5),
    Memory(),
]


def sync(keys: KeysClient, keeper: Keeper) -> None:
    try:
        assert_type(create_into(keys, keeper, name="a", role_names=["viewer"]), IssuedKey)
    except CustodyError as error:
        assert_type(error.token, Token | None)
        assert_type(error.key_id, str | None)
        assert_type(error.entry, Path | None)
    assert_type(rotate_into(keys, keeper, "01F", grace_period_minutes=5), IssuedKey)
    for resumed in resume(keys, keeper):
        assert_type(resumed, Resumed)
        assert_type(resumed.state, Literal["finished", "nothing", "open"])
    since = datetime.now(UTC)
    assert_type(find_created(keys, name="a", since=since), list[APIKey])
    assert_type(recover_created(keys, name="a", since=since, by="rotate"), IssuedKey | None)
    assert_type(recover_created(keys, name="a", since=since, by="delete", known=["01F"]), APIKey | None)
    recover_created(keys, name="a", since=since, by="forget")  # type: ignore[call-overload]
    for key in due(keys, older_than="3 months"):
        assert_type(key, APIKey)
    for rotated in rotate_due(
        keys,
        keeper,
        older_than=timedelta(days=90),
        progress=lambda rotated, done, total: (rotated.state, done / total),
    ):
        assert_type(rotated, Rotated)
        assert_type(rotated.error, IncidentIOError | None)
    create_into(keys, object(), name="a", role_names=[])  # type: ignore[call-overload]
    assert_type(keys.with_token("inc_1"), KeysClient)


async def with_an_async_client(keys: AsyncKeysClient, keeper: Keeper) -> None:
    assert_type(await create_into(keys, keeper, name="a", role_names=["viewer"]), IssuedKey)
    assert_type(await asyncio.create_task(rotate_into(keys, keeper, "01F")), IssuedKey)
    assert_type(await resume(keys, keeper), list[Resumed])
    since = datetime.now(UTC)
    assert_type(await find_created(keys, name="a", since=since), list[APIKey])
    assert_type(await recover_created(keys, name="a", since=since, by="rotate"), IssuedKey | None)
    assert_type(await recover_created(keys, name="a", since=since, by="delete"), APIKey | None)
    async for key in due(keys, older_than="3 months"):
        assert_type(key, APIKey)
    assert_type(await rotate_due(keys, keeper, older_than="90 days"), list[Rotated])
    assert_type(keys.with_token("inc_1"), AsyncKeysClient)
