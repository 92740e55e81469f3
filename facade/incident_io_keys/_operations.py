"""The operations of the API without I/O: arguments become a checked request, a response becomes a value or an error.

The only module that touches the generated endpoints, and the only one that uses private names of theirs. It takes
their request builders; what they do with responses (a status 520 becomes a ValueError, an HTML error a
JSONDecodeError) is done here instead. It must not know how a request is sent, how often, or by which kind of client.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, TypeVar

import httpx
import msgspec
from attrs import field, frozen

from incident_io_keys_generated import contract
from incident_io_keys_generated.api.api_keys import create_api_key, list_api_keys
from incident_io_keys_generated.models import (
    AccountRole,
    APIKeyDefinition,
    IssuedAPIKeyResponse,
    ListAPIKeysResponse,
    TeamRole,
)
from incident_io_keys_generated.types import UNSET

from ._arguments import check_list, check_text, check_whole_number, refuse
from .errors import InvalidResponseError, Problem, status_error
from .roles import check_team_pair, parse_roles
from .tokens import IssuedKey, Token, is_usable

T = TypeVar("T")


@frozen(kw_only=True)
class Operation(Generic[T]):
    """One call, checked and ready to be sent.

    Attributes:
        name: What people call it, as in `create`.
        request: What httpx's `build_request` takes.
        read: Makes the value from a response that is a success, or raises InvalidResponseError.
        writes: Whether the API changes something when it gets the request.
    """

    name: str
    request: Mapping[str, Any]
    read: Callable[[httpx.Response], T]
    writes: bool

    def decode(self, response: httpx.Response) -> T:
        """Make the value from a response, or raise what the response means.

        Args:
            response: Any response, read to its end.

        Raises:
            APIStatusError: The API refused the request or failed with it; the subclass says how.
            InvalidResponseError: The API says that it succeeded, but the body does not fit the contract.
        """
        if response.is_success:
            return self.read(response)
        # A status of 4xx says that the request was refused, except that 408 says only that the API gave up waiting.
        unknown = response.status_code == 408 or not response.is_client_error
        raise status_error(self.name, response, may_have_applied=self.writes and unknown)


def list_keys(*, page_size: int, after: str | None) -> Operation[ListAPIKeysResponse]:
    """One page of keys: `KeysClient.list` says what the arguments are."""
    problems: list[Problem] = []
    size = check_whole_number(
        *("page_size", page_size, problems),
        low=contract.LIST_API_KEYS_PAGE_SIZE_MINIMUM,
        high=contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM,
    )
    cursor = UNSET if after is None else check_text("after", after, problems, low=1)
    refuse("list was not sent", problems)
    return Operation(
        name="list",
        request=list_api_keys._get_kwargs(page_size=size, after=cursor),
        read=lambda response: _read("list", response, ListAPIKeysResponse),
        writes=False,
    )


def create_key(
    *,
    name: str,
    role_names: Iterable[AccountRole | str],
    team_ids: Iterable[str],
    team_role_names: Iterable[TeamRole | str],
) -> Operation[IssuedKey]:
    """A new key and its token: `KeysClient.create` says what the arguments are."""
    definition = _definition("create", name, role_names, team_ids, team_role_names)
    return Operation(
        name="create",
        request=create_api_key._get_kwargs(body=definition),
        read=lambda response: _read_issued("create", response),
        writes=True,
    )


def _definition(
    what: str,
    name: str,
    role_names: Iterable[AccountRole | str],
    team_ids: Iterable[str],
    team_role_names: Iterable[TeamRole | str],
) -> APIKeyDefinition:
    problems: list[Problem] = []
    text = check_text(
        *("name", name, problems),
        low=contract.API_KEY_DEFINITION_NAME_MIN_LENGTH,
        high=contract.API_KEY_DEFINITION_NAME_MAX_LENGTH,
    )
    account_roles = parse_roles("role_names", role_names, AccountRole, problems)
    given_ids = check_list("team_ids", team_ids, problems)
    ids = [check_text(f"team_ids[{index}]", given, problems, low=1) for index, given in enumerate(given_ids or ())]
    # Read once: it may be a generator. What it holds counts for the pair, even where it is no role.
    given_roles = check_list("team_role_names", team_role_names, problems)
    team_roles = parse_roles("team_role_names", given_roles or (), TeamRole, problems)
    if given_ids is not None and given_roles is not None:
        check_team_pair(given_ids, given_roles, problems)
    refuse(f"{what} was not sent", problems)
    return APIKeyDefinition(name=text, role_names=account_roles, team_ids=ids, team_role_names=team_roles)


# What msgspec raises for bytes that are not what they should be.
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

# A member of that name anywhere but within a string, where its quotes would be escaped.
_TOKEN_MEMBER: Final = re.compile(rb'"token"\s*:\s*"([!#-\[\]-~]+)"')


# No local of the following holds the bytes of a response: a traceback that shows locals would show the token in them.


def _read(what: str, response: httpx.Response, kind: type[T], token: Token | None = None) -> T:
    try:
        return msgspec.json.decode(response.content, type=kind)
    except _UNREADABLE as error:
        reason, _, path = str(error).partition(" - at `")
    raise _misfit(what, response, reason, path.rstrip("`") or "$", token, applied=kind is IssuedAPIKeyResponse)


def _read_issued(what: str, response: httpx.Response) -> IssuedKey:
    token = _find_token(response)
    body = _read(what, response, IssuedAPIKeyResponse, token)
    if token is None or not is_usable(token):
        raise _misfit(what, response, "no request can carry this token", "$.token", token, applied=True)
    return IssuedKey(body.api_key, token)


def _misfit(
    what: str, response: httpx.Response, reason: str, path: str, token: Token | None, *, applied: bool
) -> InvalidResponseError:
    outcome = f"{what} succeeded with {response.status_code}"
    message = f"{outcome}, but the body does not fit the contract: {reason} (at {path})"
    if token is not None:
        message += "; the token that was issued is the token of this error: store it"
    return InvalidResponseError(message, path=path, token=token, may_have_applied=applied)


@frozen
class _WithToken:
    """As little of an answer as can hold a token, so that one is found in a body that has drifted."""

    token: str = field(repr=False)


def _find_token(response: httpx.Response) -> Token | None:
    """The issued token, whatever else is wrong with the body; None also if there could be two."""
    try:
        found = {Token(msgspec.json.decode(response.content, type=_WithToken).token)} - {Token("")}
    except _UNREADABLE:
        found = {Token(match.decode("ascii")) for match in _TOKEN_MEMBER.findall(response.content)}
    return found.pop() if len(found) == 1 else None
