"""The async client: thin methods over the operations, the twin of the sync one in `client`."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from incident_io_keys_generated import contract
from incident_io_keys_generated.contract import AccountRoleName, TeamRoleName
from incident_io_keys_generated.models import AccountRole, APIKey, ListAPIKeysResponse, Role, TeamRole

from ._auth import AsyncTokenSource, hidden
from ._validation import raise_if_invalid
from .client import BaseClient
from .errors import Problem
from .pagination import AsyncKeyPager
from .tokens import IssuedKey, Token

if TYPE_CHECKING:
    import httpx

    from ._ahead import AsyncAhead
    from ._base_client import AsyncSender
    from ._operations import Operation


class AsyncKeysClient(BaseClient):
    """A client for the API keys of incident.io. Use it in an `async with` statement, or `aclose` it.

    Tasks can share it. It raises an `IncidentIOError` for whatever goes wrong: `InvalidRequestError` before anything
    is sent, `APIStatusError` where the API refuses, `APIConnectionError` where there is no usable answer, and
    `InvalidResponseError` where the answer to a success does not fit the contract.

    Args:
        token: The token of a key that has the role `api_keys_manage`: the text, a `Token`, or a source of either, which
            is a function without arguments that is asked before every request (`env_token`, `file_token`, or your own,
            which may be a coroutine function).
            Default: what the environment variable INCIDENT_API_KEY holds.
        base_url: Where the API is. Default: what INCIDENT_ENDPOINT holds, then the API's own address. Plain
            http is taken only for a loopback host, and then goes through no proxy.
        timeout: Seconds for each step on the network (connecting, each read, each write), or an `httpx.Timeout`.
        attempts: How often one call is tried at the most, the first time included.
        deadline: Seconds for one call at the most, with all its tries and the waits between them.
        transport: How requests travel, if not over the network: `MockAPI().transport()`, for example.
        user_agent: Stands before the client's own name in the User-Agent header.

    Raises:
        InvalidRequestError: Some of the above cannot be used. It names everything, and never shows the token.
    """

    _sender: AsyncSender

    def __init__(
        self,
        token: str | Token | AsyncTokenSource | None = None,
        *,
        base_url: str | None = None,
        timeout: float | httpx.Timeout = 30.0,
        attempts: int = 4,
        deadline: float = 60.0,
        transport: httpx.AsyncBaseTransport | None = None,
        user_agent: str | None = None,
    ) -> None:
        # Before anything can be raised: a traceback may show the locals of the frames that it went through.
        token = hidden(token)
        from ._base_client import AsyncSender
        from ._config import read_settings

        problems: list[Problem] = []
        settings = read_settings(
            problems,
            token=token,
            base_url=base_url,
            timeout=timeout,
            attempts=attempts,
            deadline=deadline,
            transport=transport,
            user_agent=user_agent,
            asynchronous=True,
        )
        del token, base_url  # what is no token, and no URL, may be one in the wrong place
        raise_if_invalid("the client was not made", problems)
        self._sender = AsyncSender(settings)

    def list(
        self,
        *,
        page_size: int = contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM,
        after: str | None = None,
        prefetch: bool = False,
    ) -> AsyncKeyPager:
        """List the keys that the caller may see. Nothing is sent before the first of them is asked for.

        API: `GET /v1/api_keys` (https://docs.incident.io/api-reference/api-keys-v1/list).

        Args:
            page_size: How many keys to fetch at a time; by default the most that the API gives.
            after: The ID of the key behind which to start: a `Page.after` of an earlier run, to go on where it ended.
                None starts at the beginning.
            prefetch: Whether to fetch the next page while one is consumed, in a task of its own.

        Returns:
            An iterable of keys, over all pages; its `pages()` yields page by page.

        Raises:
            InvalidRequestError: An argument does not fit the contract.
            PaginationError: While iterating: the API gave the same cursor twice.
            IncidentIOError: While iterating: a page could not be had; the subclass says why.
        """

        def page(cursor: str | None) -> Operation[ListAPIKeysResponse]:
            return self._sender.operations.list(page_size=page_size, after=cursor)

        def ahead(cursor: str | None) -> AsyncAhead[ListAPIKeysResponse]:
            return self._sender.ahead(page(cursor))

        page(after)  # so that a bad argument is refused here, not somewhere in a loop
        return AsyncKeyPager(lambda cursor: self._sender.send(page(cursor)), after, ahead if prefetch else None)

    async def create(
        self,
        *,
        name: str,
        role_names: Iterable[AccountRole | AccountRoleName | Role],
        team_ids: Iterable[str] = (),
        team_role_names: Iterable[TeamRole | TeamRoleName | Role] = (),
        comments: str | None = None,
    ) -> IssuedKey:
        """Create a key. Its token is in the answer and never shown again: store it before anything else.

        API: `POST /v1/api_keys` (https://docs.incident.io/api-reference/api-keys-v1/create).

        Args:
            name: What people call the key.
            role_names: The roles that the key has in the whole account: members of `AccountRole`, their names, or the
                `Role` objects of a response. May be empty. For a role that this version does not know, pass
                `Role(name=..., description="")`.
            team_ids: The teams in which it has the roles of `team_role_names`.
            team_role_names: The roles that the key has in those teams, as for `role_names`, but with `TeamRole`. Pass
                both teams and team roles, or neither.
            comments: Comments about the key, up to 5,000 characters.

        Returns:
            The key and its token.

        Raises:
            InvalidRequestError: Arguments do not fit the contract; it names all of them. Nothing was sent.
            InvalidResponseError: A key was created, but the answer does not fit the contract; its `token` is the token,
                if the answer held one that can be read.
            IncidentIOError: No key is known to be created; `may_have_applied` says whether one may be.
        """
        operation = self._sender.operations.create(
            name=name, role_names=role_names, team_ids=team_ids, team_role_names=team_role_names, comments=comments
        )
        return await self._sender.send(operation)

    async def show(self, id: str) -> APIKey:
        """Show a key.

        API: `GET /v1/api_keys/{id}` (https://docs.incident.io/api-reference/api-keys-v1/show).

        Args:
            id: The key's ID.

        Raises:
            InvalidRequestError: The ID could be none.
            NotFoundError: There is no such key, or the caller may not see it.
            IncidentIOError: The key could not be had; the subclass says why.
        """
        return await self._sender.send(self._sender.operations.show(id))

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
        """Replace the definition of a key. What it had before and is not given here, it has no more.

        API: `PUT /v1/api_keys/{id}` (https://docs.incident.io/api-reference/api-keys-v1/update).

        Args:
            id: The key's ID. A key cannot update itself.
            name: What people call the key.
            role_names: The roles that the key has in the whole account: members of `AccountRole`, their names, or the
                `Role` objects of a response. May be empty. For a role that this version does not know, pass
                `Role(name=..., description="")`.
            team_ids: The teams in which it has the roles of `team_role_names`; may be empty.
            team_role_names: The roles that the key has in those teams, as for `role_names`, but with `TeamRole`. Pass
                both teams and team roles, or neither.
            comments: Comments about the key, up to 5,000 characters. None deletes its current comments.

        Returns:
            The key as it is now. Its token stays.

        Raises:
            InvalidRequestError: Arguments do not fit the contract; it names all of them. Nothing was sent.
            NotFoundError: There is no such key, or the caller may not see it.
            IncidentIOError: The key is not known to be updated; `may_have_applied` says whether it may be.
        """
        operation = self._sender.operations.update(
            id, name=name, role_names=role_names, team_ids=team_ids, team_role_names=team_role_names, comments=comments
        )
        return await self._sender.send(operation)

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
        """Change parts of a key's definition, and keep the rest.

        The API can only replace a whole definition. `edit` reads the key, applies the arguments, and sends the whole
        definition: two calls, each with its own deadline. A change that somebody else makes in between is overwritten.
        A property of the definition that is newer than this version is lost, as with `update`.

        API: `GET /v1/api_keys/{id}` (https://docs.incident.io/api-reference/api-keys-v1/show), then
            `PUT /v1/api_keys/{id}` (https://docs.incident.io/api-reference/api-keys-v1/update).

        Args:
            id: The key's ID. A key cannot edit itself.
            name: The new name. For this and each further argument, None keeps the current value.
            role_names: The new roles in the whole account, as for `create`. They replace all that the key has.
            team_ids: The new teams. They replace all that the key has.
            team_role_names: The new roles in those teams, as for `create`. They replace all that the key has.
            comments: The new comments. An empty string clears them.

        Returns:
            The updated key. Its token does not change.

        Raises:
            InvalidRequestError: Arguments do not fit the contract; the error lists every problem. Nothing was changed.
            NotFoundError: There is no such key, or the caller may not see it.
            IncidentIOError: The key is not known to be changed; `may_have_applied` says whether it may be.
        """
        show, update = self._sender.operations.edit(
            id,
            name=name,
            role_names=role_names,
            team_ids=team_ids,
            team_role_names=team_role_names,
            comments=comments,
        )
        return await self._sender.send(update(await self._sender.send(show)))

    async def delete(self, id: str) -> None:
        """Delete a key. Its token stops working.

        API: `DELETE /v1/api_keys/{id}` (https://docs.incident.io/api-reference/api-keys-v1/delete).

        Args:
            id: The key's ID.

        Raises:
            InvalidRequestError: The ID could be none.
            NotFoundError: There is no such key, or the caller may not see it.
            IncidentIOError: The key is not known to be deleted; `may_have_applied` says whether it may be.
        """
        await self._sender.send(self._sender.operations.delete(id))

    async def rotate(
        self, id: str, *, grace_period_minutes: int = contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_DEFAULT
    ) -> IssuedKey:
        """Give a key another token, which is in the answer and never shown again: store it before anything else.

        API: `POST /v1/api_keys/{id}/actions/rotate` (https://docs.incident.io/api-reference/api-keys-v1/rotate).

        Args:
            id: The key's ID.
            grace_period_minutes: For how many minutes the previous token keeps working; 0 stops it at once.

        Returns:
            The key and its new token.

        Raises:
            InvalidRequestError: Arguments do not fit the contract; it names all of them. Nothing was sent.
            InvalidResponseError: The key was rotated, but the answer does not fit the contract; its `token` is the new
                token, if the answer held one that can be read.
            NotFoundError: There is no such key, or the caller may not see it.
            IncidentIOError: The key is not known to be rotated; `may_have_applied` says whether it may be.
        """
        return await self._sender.send(self._sender.operations.rotate(id, grace_period_minutes=grace_period_minutes))

    def with_token(self, token: str | Token | AsyncTokenSource) -> Self:
        """Make a client that calls as another key, and is as this one otherwise.

        It uses the connections of this one: it need not be closed, and once this one is, it cannot be used either.

        Args:
            token: The token of the other key: the text, a `Token`, or a source of either, as for a new client.

        Raises:
            InvalidRequestError: No request can carry this token. The message does not show it.
        """
        token = hidden(token)
        problems: list[Problem] = []
        other = self._lent(token, problems)
        del token  # what is no token may be one in the wrong place
        raise_if_invalid("the client was not made", problems)
        return other

    async def aclose(self) -> None:
        """Close the connections. The client cannot be used after that, and calls under way may fail."""
        await self._sender.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
