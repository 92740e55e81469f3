"""The sync client. The async one is in `async_client`; a test compares the two."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from incident_io_keys_generated import contract
from incident_io_keys_generated.contract import AccountRoleName, TeamRoleName
from incident_io_keys_generated.models import AccountRole, APIKey, Role, TeamRole

from ._base_client import SyncClient
from ._operations import create_key, delete_key, edit_key, list_keys, rotate_key, show_key, update_key
from .pagination import KeyPager
from .tokens import IssuedKey


class KeysClient(SyncClient):
    """A client for the API keys of incident.io. Use it in a `with` statement, or call `close` when done.

    Threads can share it. Every error is an `IncidentIOError`: for example, `InvalidRequestError` before anything is
    sent, `APIStatusError` for an unsuccessful response, and `APIConnectionError` if there is no usable response.

    Args:
        token: The token of a key that has the role `api_keys_manage`: a `str`, a `Token`, or a token source, which is a
            function without arguments that returns either and is called before every request (`env_token`,
            `file_token`, or your own).
            Default: the environment variable INCIDENT_API_KEY.
        base_url: The URL of the API. Plain http is allowed only to a loopback host, and uses no proxy. Default: the
            environment variable INCIDENT_ENDPOINT, then https://api.incident.io.
        timeout: Seconds for each step on the network (connecting, each read, each write), or an `httpx.Timeout`.
        attempts: The maximum number of attempts of one call, including the first. One more attempt after a 401, with a
            new token, does not count.
        deadline: Seconds for one call, with all attempts and the delays between them.
        transport: A transport instead of the network, such as `MockAPI().transport()`. In the sync client, it has to
            respect the timeouts of a request itself.
        user_agent: Text before the client's own name in the User-Agent header.

    Raises:
        InvalidRequestError: Arguments or environment variables are invalid. It lists every problem, and no token.
    """

    def list(
        self,
        *,
        page_size: int = contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM,
        after: str | None = None,
        prefetch: bool = False,
    ) -> KeyPager:
        """List the keys that the caller may see. Nothing is sent before the first item is requested.

        API: `GET /v1/api_keys` (https://docs.incident.io/api-reference/api-keys-v1/list).

        Args:
            page_size: The keys per page. Default: the maximum.
            after: The cursor to start after, such as `Page.after` of an earlier run. None starts at the beginning.
            prefetch: Whether a thread fetches the next page while you use one.

        Returns:
            An iterable of keys over all pages. Its `pages()` yields page by page.

        Raises:
            InvalidRequestError: An argument does not fit the contract.
            PaginationError: While iterating: the API returned a cursor twice.
            IncidentIOError: While iterating: a page could not be fetched.
        """
        page = functools.partial(list_keys, page_size=page_size)
        page(after=after)  # reports an invalid argument here instead of in a loop
        ahead = (lambda cursor: self._prefetch(page(after=cursor))) if prefetch else None
        return KeyPager(lambda cursor: self._request(page(after=cursor)), after, ahead)

    def create(
        self,
        *,
        name: str,
        role_names: Iterable[AccountRole | AccountRoleName | Role],
        team_ids: Iterable[str] = (),
        team_role_names: Iterable[TeamRole | TeamRoleName | Role] = (),
        comments: str | None = None,
    ) -> IssuedKey:
        """Create a key. Store its token before anything else: the API does not show it again.

        API: `POST /v1/api_keys` (https://docs.incident.io/api-reference/api-keys-v1/create).

        Args:
            name: The name of the key.
            role_names: The roles in the whole account: members of `AccountRole`, their names, or `Role` objects of a
                response; can be empty. For a role newer than this version, pass `Role(name=..., description="")`.
            team_ids: The teams in which the key has the roles of `team_role_names`.
            team_role_names: The roles in those teams: as for `role_names`, but with `TeamRole`. Pass both teams and
                team roles, or neither.
            comments: Comments about the key, up to 5,000 characters.

        Returns:
            The key and its token.

        Raises:
            InvalidRequestError: Arguments do not fit the contract. It reports all problems. Nothing was sent.
            InvalidResponseError: A key may have been created, but the response does not fit the contract. Its `token`
                is the issued token, if the response had a readable one.
            IncidentIOError: The key was not created, or `may_have_applied` is true.
        """
        operation = create_key(
            name=name, role_names=role_names, team_ids=team_ids, team_role_names=team_role_names, comments=comments
        )
        return self._request(operation)

    def show(self, id: str) -> APIKey:
        """Show a key.

        API: `GET /v1/api_keys/{id}` (https://docs.incident.io/api-reference/api-keys-v1/show).

        Args:
            id: The ID of the key.

        Raises:
            InvalidRequestError: `id` is not a valid ID.
            NotFoundError: There is no such key, or the caller may not see it.
            IncidentIOError: The key could not be read.
        """
        return self._request(show_key(id))

    def update(
        self,
        id: str,
        *,
        name: str,
        role_names: Iterable[AccountRole | AccountRoleName | Role],
        team_ids: Iterable[str],
        team_role_names: Iterable[TeamRole | TeamRoleName | Role],
        comments: str | None = None,
    ) -> APIKey:
        """Replace the whole definition of a key. Its token does not change.

        API: `PUT /v1/api_keys/{id}` (https://docs.incident.io/api-reference/api-keys-v1/update).

        Args:
            id: The ID of the key. A key cannot update itself.
            name: The name of the key.
            role_names: The roles in the whole account, as for `create`.
            team_ids: The teams in which the key has the roles of `team_role_names`; can be empty.
            team_role_names: The roles in those teams, as for `create`.
            comments: Comments about the key, up to 5,000 characters. None deletes its comments.

        Returns:
            The updated key.

        Raises:
            InvalidRequestError: Arguments do not fit the contract. It reports all problems. Nothing was sent.
            NotFoundError: There is no such key, or the caller may not see it.
            IncidentIOError: The key was not updated, or `may_have_applied` is true.
        """
        operation = update_key(
            id, name=name, role_names=role_names, team_ids=team_ids, team_role_names=team_role_names, comments=comments
        )
        return self._request(operation)

    def edit(
        self,
        id: str,
        *,
        name: str | None = None,
        role_names: Iterable[AccountRole | AccountRoleName | Role] | None = None,
        team_ids: Iterable[str] | None = None,
        team_role_names: Iterable[TeamRole | TeamRoleName | Role] | None = None,
        comments: str | None = None,
    ) -> APIKey:
        """Change parts of a key's definition, and keep the rest. Its token does not change.

        The API can only replace a whole definition, so `edit` reads the key and sends it with the changes: two calls,
        each with its own deadline. It overwrites a change that somebody else makes in between. It drops properties of
        the definition that this version does not know, as `update` does.

        API: `GET /v1/api_keys/{id}` (https://docs.incident.io/api-reference/api-keys-v1/show), then
            `PUT /v1/api_keys/{id}` (https://docs.incident.io/api-reference/api-keys-v1/update).

        Args:
            id: The ID of the key. A key cannot edit itself.
            name: The new name. For this and each further argument, None keeps the current value.
            role_names: The roles that replace all roles in the whole account, as for `create`.
            team_ids: The teams that replace all teams.
            team_role_names: The roles that replace all roles in those teams, as for `create`.
            comments: The new comments. An empty string deletes them.

        Returns:
            The updated key.

        Raises:
            InvalidRequestError: Arguments do not fit the contract. It reports all problems. Nothing was changed.
            NotFoundError: There is no such key, or the caller may not see it.
            IncidentIOError: The key was not changed, or `may_have_applied` is true.
        """
        show, update = edit_key(
            id, name=name, role_names=role_names, team_ids=team_ids, team_role_names=team_role_names, comments=comments
        )
        return self._request(update(self._request(show)))

    def delete(self, id: str) -> None:
        """Delete a key. Its token stops working.

        API: `DELETE /v1/api_keys/{id}` (https://docs.incident.io/api-reference/api-keys-v1/delete).

        Args:
            id: The ID of the key.

        Raises:
            InvalidRequestError: `id` is not a valid ID.
            NotFoundError: There is no such key, or the caller may not see it.
            IncidentIOError: The key was not deleted, or `may_have_applied` is true.
        """
        return self._request(delete_key(id))

    def rotate(
        self, id: str, *, grace_period_minutes: int = contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_DEFAULT
    ) -> IssuedKey:
        """Issue a new token for a key. Store it before anything else: the API does not show it again.

        API: `POST /v1/api_keys/{id}/actions/rotate` (https://docs.incident.io/api-reference/api-keys-v1/rotate).

        Args:
            id: The ID of the key.
            grace_period_minutes: The minutes for which the previous token keeps working; 0 revokes it immediately.

        Returns:
            The key and its new token.

        Raises:
            InvalidRequestError: Arguments do not fit the contract. It reports all problems. Nothing was sent.
            InvalidResponseError: The key may have been rotated, but the response does not fit the contract. Its `token`
                is the issued token, if the response had a readable one.
            NotFoundError: There is no such key, or the caller may not see it.
            IncidentIOError: The key was not rotated, or `may_have_applied` is true.
        """
        return self._request(rotate_key(id, grace_period_minutes=grace_period_minutes))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
