"""The async client: the methods of the sync one, awaited."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from incident_io_keys_generated import contract
from incident_io_keys_generated.contract import AccountRoleName, TeamRoleName
from incident_io_keys_generated.models import AccountRole, APIKey, Role, TeamRole

from ._base_client import AsyncClient
from ._operations import create_key, delete_key, edit_key, list_keys, rotate_key, show_key, update_key
from .pagination import AsyncKeyPager
from .tokens import IssuedKey


class AsyncKeysClient(AsyncClient):
    """A client for the API keys of incident.io. Use it in an `async with` statement, or call `aclose`.

    Tasks can share it. Its methods, errors and arguments are those of `KeysClient`, which documents them. A token
    source can be a coroutine function too, and `transport` is an `httpx.AsyncBaseTransport`.
    """

    def list(
        self,
        *,
        page_size: int = contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM,
        after: str | None = None,
        prefetch: bool = False,
    ) -> AsyncKeyPager:
        """List the keys that the caller may see; see `KeysClient.list`. A prefetch uses a task."""
        page = functools.partial(list_keys, page_size=page_size)
        page(after=after)  # reports an invalid argument here instead of in a loop
        ahead = (lambda cursor: self._prefetch(page(after=cursor))) if prefetch else None
        return AsyncKeyPager(lambda cursor: self._request(page(after=cursor)), after, ahead)

    async def create(
        self,
        *,
        name: str,
        role_names: Iterable[AccountRole | AccountRoleName | Role],
        team_ids: Iterable[str] = (),
        team_role_names: Iterable[TeamRole | TeamRoleName | Role] = (),
        comments: str | None = None,
    ) -> IssuedKey:
        """Create a key. Store its token before anything else; see `KeysClient.create`."""
        operation = create_key(
            name=name, role_names=role_names, team_ids=team_ids, team_role_names=team_role_names, comments=comments
        )
        return await self._request(operation)

    async def show(self, id: str) -> APIKey:
        """Show a key; see `KeysClient.show`."""
        return await self._request(show_key(id))

    async def update(
        self,
        id: str,
        *,
        name: str,
        role_names: Iterable[AccountRole | AccountRoleName | Role],
        team_ids: Iterable[str],
        team_role_names: Iterable[TeamRole | TeamRoleName | Role],
        comments: str | None = None,
    ) -> APIKey:
        """Replace the whole definition of a key; see `KeysClient.update`."""
        operation = update_key(
            id, name=name, role_names=role_names, team_ids=team_ids, team_role_names=team_role_names, comments=comments
        )
        return await self._request(operation)

    async def edit(
        self,
        id: str,
        *,
        name: str | None = None,
        role_names: Iterable[AccountRole | AccountRoleName | Role] | None = None,
        team_ids: Iterable[str] | None = None,
        team_role_names: Iterable[TeamRole | TeamRoleName | Role] | None = None,
        comments: str | None = None,
    ) -> APIKey:
        """Change parts of a key's definition, and keep the rest; see `KeysClient.edit`."""
        show, update = edit_key(
            id, name=name, role_names=role_names, team_ids=team_ids, team_role_names=team_role_names, comments=comments
        )
        return await self._request(update(await self._request(show)))

    async def delete(self, id: str) -> None:
        """Delete a key; see `KeysClient.delete`."""
        return await self._request(delete_key(id))

    async def rotate(
        self, id: str, *, grace_period_minutes: int = contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_DEFAULT
    ) -> IssuedKey:
        """Issue a new token for a key. Store it before anything else; see `KeysClient.rotate`."""
        return await self._request(rotate_key(id, grace_period_minutes=grace_period_minutes))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
