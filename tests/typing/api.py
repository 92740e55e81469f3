"""What a user writes, as a user's type checker sees it. It is checked, never run.

A line that must be refused carries an ignore for just that error: an ignore that is not needed is an error too.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import aclosing, closing
from datetime import timedelta
from pathlib import Path
from typing import assert_type

import httpx

import incident_io_keys
from incident_io_keys import (
    AccountRole,
    AccountRoleName,
    APIKey,
    APIStatusError,
    AsyncKeyPager,
    AsyncKeysClient,
    ErrorDetail,
    IncidentIOError,
    InvalidRequestError,
    InvalidResponseError,
    IssuedKey,
    KeyPager,
    KeysClient,
    Page,
    Problem,
    RateLimit,
    RateLimitError,
    Role,
    TeamRole,
    TeamRoleName,
    Token,
    User,
    env_token,
    file_token,
)
from incident_io_keys.testing import MockAPI, MockSettings, faults

version: str = incident_io_keys.__version__


def list_keys() -> None:
    with KeysClient() as keys:
        assert_type(keys, KeysClient)
        assert_type(keys.list(), KeyPager)
        for key in keys.list(page_size=25, after="01F", prefetch=True):
            assert_type(key, APIKey)
            assert_type(key.id, str)
            assert_type(key.created_at, datetime.datetime)
            assert_type([role.name for role in key.roles], list[str])
            assert_type(key.creator.user, User | None)
            key.creator.user.name  # type: ignore[union-attr]
            key.name = "other"  # type: ignore[misc]
            key.token  # type: ignore[attr-defined]
        for page in keys.list().pages():
            assert_type(page, Page)
            assert_type(page.keys, tuple[APIKey, ...])
            assert_type(page.after, str | None)
        with closing(iter(keys.list())) as listed:
            assert_type(next(listed), APIKey)
        assert_type(keys.rate_limit, RateLimit | None)
        if keys.rate_limit is not None:
            assert_type(keys.rate_limit.remaining, int | None)
        keys.list(25)  # type: ignore[call-arg]
        keys.list(page_size="25")  # type: ignore[arg-type]


def create_key(role_names: list[AccountRole], names: list[str]) -> None:
    keys = KeysClient("token", base_url="https://api.example", timeout=httpx.Timeout(3), user_agent="a")
    issued = keys.create(
        name="deploy bot",
        role_names=[AccountRole.VIEWER, "incident_creator"],
        team_ids=["01F"],
        team_role_names=[TeamRole.SCHEDULES_EDITOR],
    )
    assert_type(issued, IssuedKey)
    assert_type(issued.api_key, APIKey)
    assert_type(issued.token, Token)
    assert_type(issued.token.reveal(), str)
    keys.create(name="a", role_names=role_names)
    keys.create(name="a", role_names=[AccountRole(name) for name in names])
    keys.create(name="a", role_names={AccountRole.VIEWER}, comments="used by the deploy pipeline")
    keys.create(name="a", role_names=("viewer", Role(name="brand_new", description="")))
    keys.create(name="a", role_names=names)  # type: ignore[arg-type]
    keys.create(name="a", role_names="viewer")  # type: ignore[arg-type]
    keys.create(name="a", role_names=["viwer"])  # type: ignore[list-item]
    keys.create(name="a", role_names=[TeamRole.ON_CALL_EDITOR])  # type: ignore[list-item]
    keys.create(name="a", role_names=[], team_role_names=["viewer"])  # type: ignore[list-item]
    keys.create(name="a", role_names=[], team_role_names=[AccountRole.VIEWER])  # type: ignore[list-item]
    keys.create(name="a", role_names=[], comments=3)  # type: ignore[arg-type]
    keys.create(name="a")  # type: ignore[call-arg]
    keys.create(name="a", role_names=[], nmae="b")  # type: ignore[call-arg]
    keys.create(name="a", role_names=[3])  # type: ignore[list-item]
    keys.create(name="a", role_names=None)  # type: ignore[arg-type]
    AccountRole.VIWER  # type: ignore[attr-defined]
    keys.close()


def manage_keys(keys: KeysClient, key: APIKey) -> None:
    assert_type(keys.show(key.id), APIKey)
    assert_type(key.roles, tuple[Role, ...])
    assert_type(key.last_used_at, datetime.datetime | None)
    keys.update(
        key.id, name="a", role_names=key.roles, team_ids=key.team_ids, team_role_names=key.team_roles, comments=None
    )
    assert_type(keys.update(key.id, name="a", role_names=[], team_ids=[], team_role_names=[]), APIKey)
    assert_type(keys.edit(key.id, name="a"), APIKey)
    keys.edit(key.id, role_names=[*key.roles, "incident_creator"], team_role_names=key.team_roles, comments="b")
    keys.edit(key.id, role_names=["viwer"])  # type: ignore[list-item]
    keys.edit(key.id, nmae="a")  # type: ignore[call-arg]
    key.roles.append  # type: ignore[attr-defined]
    {key}
    assert_type(keys.rotate(key.id), IssuedKey)
    assert_type(keys.rotate(key.id, grace_period_minutes=0), IssuedKey)
    keys.delete(key.id)
    keys.update(key.id, name="a")  # type: ignore[call-arg]
    keys.rotate(key.id, 0)  # type: ignore[call-arg]
    keys.show(3)  # type: ignore[arg-type]


async def use_async() -> None:
    async with AsyncKeysClient(attempts=1, deadline=5) as keys:
        assert_type(keys, AsyncKeysClient)
        assert_type(keys.list(), AsyncKeyPager)
        async for key in keys.list(prefetch=True):
            assert_type(key, APIKey)
        async for page in keys.list().pages():
            assert_type(page, Page)
        async with aclosing(aiter(keys.list())) as listed:
            assert_type(await anext(listed), APIKey)
        issued = await keys.create(name="a", role_names=["viewer"])
        assert_type(issued, IssuedKey)
        assert_type(await keys.show("01F"), APIKey)
        assert_type(await keys.update("01F", name="a", role_names=[], team_ids=[], team_role_names=[]), APIKey)
        assert_type(await keys.edit("01F", team_ids=["01G"]), APIKey)
        await keys.create(name="a", role_names=["viwer"])  # type: ignore[list-item]
        assert_type(await keys.rotate("01F", grace_period_minutes=5), IssuedKey)
        await keys.delete("01F")
        list(keys.list())  # type: ignore[call-overload]
    await AsyncKeysClient(transport=httpx.AsyncHTTPTransport(retries=1)).aclose()


def token_sources(path: Path) -> None:
    def from_a_vault() -> str:
        return "token"

    async def from_an_async_vault() -> Token:
        return Token("token")

    for source in (env_token(), env_token("OTHER"), file_token(path), file_token("/run/secrets/token")):
        assert_type(source(), Token)
        KeysClient(source)
        AsyncKeysClient(source)
    KeysClient(from_a_vault)
    KeysClient(lambda: Token("token"))
    AsyncKeysClient(from_a_vault)
    AsyncKeysClient(from_an_async_vault)
    KeysClient(from_an_async_vault)  # type: ignore[arg-type]
    assert_type(KeysClient().with_token(from_a_vault), KeysClient)
    assert_type(AsyncKeysClient().with_token(from_an_async_vault), AsyncKeysClient)
    AsyncKeysClient().with_token(from_a_vault)
    KeysClient().with_token(from_an_async_vault)  # type: ignore[arg-type]
    KeysClient().with_token(None)  # type: ignore[arg-type]
    KeysClient(3)  # type: ignore[arg-type]
    KeysClient(transport=httpx.AsyncHTTPTransport())  # type: ignore[arg-type]


def handle_errors(keys: KeysClient) -> None:
    try:
        list(keys.list())
    except InvalidRequestError as error:
        assert_type(error.problems, tuple[Problem, ...])
        assert_type(error.problems[0].suggestion, str | None)
    except RateLimitError as error:
        assert_type(error.retry_after, float | None)
    except APIStatusError as error:
        assert_type(error.status, int)
        assert_type(error.type, str | None)
        assert_type(error.errors, tuple[ErrorDetail, ...])
        assert_type(error.response, httpx.Response)
    except InvalidResponseError as error:
        assert_type(error.token, Token | None)
        assert_type(error.path, str)
    except IncidentIOError as error:
        assert_type(error.may_have_applied, bool)


def names_of_roles(account: AccountRoleName, team: TeamRoleName, keys: KeysClient) -> None:
    keys.create(name="a", role_names=[account], team_ids=["01F"], team_role_names=[team])
    keys.create(name="a", role_names=[], team_ids=["01F"], team_role_names=[account])  # type: ignore[list-item]


def a_fixture() -> Iterator[KeysClient]:
    mock = MockAPI()
    with KeysClient(mock.token, transport=mock.transport()) as keys:
        yield keys


def with_the_mock() -> None:
    mock = MockAPI()
    assert_type(mock.token, Token)
    AsyncKeysClient(mock.token, transport=mock.transport())
    mock.clock.advance(timedelta(minutes=31))
    assert_type(mock.clock.now(), datetime.datetime)
    mock.settings.rate_limit = None
    mock.settings.retry_after = "http_date"
    mock.settings.retry_after = "minutes"  # type: ignore[assignment]
    assert_type(mock.requests, list[httpx.Request])
    mock.settings.extra_roles = ("brand_new",)
    assert_type(mock.add_key("deploy bot", [AccountRole.VIEWER, "incident_creator"]), IssuedKey)
    mock.fail_next(faults.Status(503), operation="create", times=2)
    mock.fail_next(faults.Status)  # type: ignore[arg-type]
    with mock.serve(port=0) as server:
        assert_type(server.url, str)
    with MockAPI(path="keys.db", settings=MockSettings(rate_limit=None)) as kept:
        assert_type(kept, MockAPI)
