"""What a user writes, as a user's type checker sees it. It is checked, never run.

A line that must be refused carries an ignore for just that error: an ignore that is not needed is an error too.
"""

from __future__ import annotations

import datetime
from typing import assert_type

import httpx

import incident_io_keys
from incident_io_keys import (
    AccountRole,
    APIKey,
    APIStatusError,
    ErrorDetail,
    IncidentIOError,
    InvalidRequestError,
    InvalidResponseError,
    IssuedKey,
    KeyPager,
    KeysClient,
    Page,
    Problem,
    RateLimitError,
    TeamRole,
    Token,
    User,
)
from incident_io_keys.testing import MockAPI

assert_type(incident_io_keys.__version__, str)


def list_keys() -> None:
    with KeysClient() as keys:
        assert_type(keys, KeysClient)
        assert_type(keys.list(), KeyPager)
        for key in keys.list(page_size=25, after="01F"):
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
    keys.create(name="a", role_names=names)
    keys.create(name="a", role_names={AccountRole.VIEWER})
    keys.create(name="a")  # type: ignore[call-arg]
    keys.create(name="a", role_names=[3])  # type: ignore[list-item]
    keys.create(name="a", role_names=None)  # type: ignore[arg-type]
    AccountRole.VIWER  # type: ignore[attr-defined]
    keys.close()


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


def test_with_the_mock() -> None:
    mock = MockAPI()
    assert_type(mock.token, Token)
    KeysClient(mock.token, transport=mock.transport())
    with mock.serve(port=0) as server:
        assert_type(server.url, str)
