"""The operations of the API without I/O: arguments become a checked request, a response becomes a value or an error.

The only module that uses the generated request builders. It does not depend on how a request is sent, how often, or by
which kind of client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec
from attrs import evolve, frozen

from incident_io_keys_generated import contract
from incident_io_keys_generated.api.api_keys import (
    create_api_key,
    delete_api_key,
    list_api_keys,
    rotate_api_key,
    show_api_key,
    update_api_key,
)
from incident_io_keys_generated.contract import AccountRoleName, TeamRoleName
from incident_io_keys_generated.models import (
    AccountRole,
    APIKey,
    APIKeyDefinition,
    APIKeyResponse,
    IssuedAPIKeyResponse,
    ListAPIKeysResponse,
    Role,
    RotateAPIKeyRequest,
    TeamRole,
)

from ._answers import Answer
from ._definition import check_definition, definition_as_it_is, definition_of
from ._error_mapping import response_of, status_error
from ._token_recovery import UNREADABLE, find_token
from ._validation import check_grace_period, check_id, check_text, check_whole_number, quote, raise_if_invalid
from .errors import InvalidResponseError, Problem
from .roles import check_team_pair
from .tokens import IssuedKey, Token, is_usable

T = TypeVar("T")


class Effect(Enum):
    """What a request does at the API, and with it whether one that may have arrived is sent again."""

    READS = "nothing"
    REPLACES = "a change that is the same if made twice"
    ISSUES = "a change that is another each time"


@frozen(kw_only=True)
class Operation(Generic[T]):
    """One call, checked and ready to be sent.

    Attributes:
        name: What people call it, as in `create`.
        effect: What the request does.
        request: What httpx's `build_request` takes.
        read: Makes the value from this operation, a response that is a success, and the token that it issues, if it
            does; or raises InvalidResponseError.
        gone_is_done: Whether finding no such key is success, where an earlier try may have had its effect.
    """

    name: str
    effect: Effect
    request: Mapping[str, Any]
    read: Callable[[Operation[T], Answer, Token | None], T]
    gone_is_done: bool = False

    @property
    def writes(self) -> bool:
        """Whether the API changes something when it gets the request."""
        return self.effect is not Effect.READS

    def issued(self, answer: Answer, token: Token | None) -> Token | None:
        """The token that an answer issues, also where it is no more than a part of one; None if it issues none.

        Args:
            answer: Any answer, or what arrived of it.
            token: The token that the request carried.
        """
        return find_token(answer, token) if self.effect is Effect.ISSUES else None

    def interrupted(self, answer: Answer, token: Token | None, *, by: str) -> InvalidResponseError:
        """Make the error that has the token of an answer which nobody waits for any more."""
        return _misfit(self, answer, f"{by} came before its end", "$", self.issued(answer, token))

    def decode(
        self,
        answer: Answer,
        *,
        may_have_applied: bool = False,
        token: Token | None = None,
        source: str = "the token argument",
    ) -> T:
        """Make the value from an answer, or raise what the answer means.

        Args:
            answer: Any answer, read to its end.
            may_have_applied: Whether an earlier try may have had its effect.
            token: The token that the request carried.
            source: Where that token comes from.

        Raises:
            APIStatusError: The API refused the request or failed with it; the subclass says how.
            InvalidResponseError: The API says that it succeeded, but the body does not fit the contract; or it does not
                say so, and the body has a token all the same.
        """
        if answer.is_success or (self.gone_is_done and may_have_applied and answer.status_code == 404):
            return self.read(self, answer, self.issued(answer, token))
        # A status of 4xx says that the request was refused, except that 408 says only that the API gave up waiting.
        unknown = answer.status_code == 408 or not answer.is_client_error
        if unknown and (issued := self.issued(answer, token)) is not None:
            raise _misfit(self, answer, "the status says that it failed", "$", issued)
        raise status_error(
            self.name,
            response_of(answer),
            may_have_applied=may_have_applied or (self.writes and unknown),
            token=token,
            source=source,
        )


def list_keys(*, page_size: int, after: str | None) -> Operation[ListAPIKeysResponse]:
    """One page of keys: `KeysClient.list` says what the arguments are."""
    problems: list[Problem] = []
    size = check_whole_number(
        *("page_size", page_size, problems),
        low=contract.LIST_API_KEYS_PAGE_SIZE_MINIMUM,
        high=contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM,
    )
    cursor = None if after is None else check_text("after", after, problems, low=1)
    operation = Operation(
        name="list",
        effect=Effect.READS,
        request=list_api_keys.build_request(page_size=size, after=cursor),
        read=partial(_read, kind=ListAPIKeysResponse),
    )
    return _checked(operation, problems)


def create_key(
    *,
    name: str,
    role_names: Iterable[AccountRole | AccountRoleName | Role],
    team_ids: Iterable[str],
    team_role_names: Iterable[TeamRole | TeamRoleName | Role],
    comments: str | None = None,
) -> Operation[IssuedKey]:
    """A new key and its token: `KeysClient.create` says what the arguments are."""
    problems: list[Problem] = []
    definition = definition_of(
        {
            "name": name,
            "role_names": role_names,
            "team_ids": team_ids,
            "team_role_names": team_role_names,
            "comments": comments,
        },
        problems,
    )
    operation = Operation(
        name="create",
        effect=Effect.ISSUES,
        request=create_api_key.build_request(body=definition),
        read=_read_issued,
    )
    return _checked(operation, problems)


def show_key(key_id: str) -> Operation[APIKey]:
    """A key: `KeysClient.show` says what the argument is."""
    problems: list[Problem] = []
    checked = check_id("id", key_id, problems)
    operation = Operation(
        name="show",
        effect=Effect.READS,
        request=show_api_key.build_request(checked),
        read=_read_key,
    )
    return _checked(operation, problems)


def update_key(
    key_id: str,
    *,
    name: str,
    role_names: Iterable[AccountRole | AccountRoleName | Role],
    team_ids: Iterable[str],
    team_role_names: Iterable[TeamRole | TeamRoleName | Role],
    comments: str | None = None,
) -> Operation[APIKey]:
    """A key with another definition: `KeysClient.update` says what the arguments are."""
    problems: list[Problem] = []
    checked = check_id("id", key_id, problems)
    definition = definition_of(
        {
            "name": name,
            "role_names": role_names,
            "team_ids": team_ids,
            "team_role_names": team_role_names,
            "comments": comments,
        },
        problems,
    )
    raise_if_invalid("update was not sent", problems)
    return _update(checked, definition)


def _update(key_id: str, definition: APIKeyDefinition) -> Operation[APIKey]:
    return Operation(
        name="update",
        effect=Effect.REPLACES,
        request=update_api_key.build_request(key_id, body=definition),
        read=_read_key,
    )


def edit_key(
    key_id: str,
    *,
    name: str | None,
    role_names: Iterable[AccountRole | AccountRoleName | Role] | None,
    team_ids: Iterable[str] | None,
    team_role_names: Iterable[TeamRole | TeamRoleName | Role] | None,
    comments: str | None,
) -> tuple[Operation[APIKey], Callable[[APIKey], Operation[APIKey]]]:
    """Return the operation that reads the key, and a function that makes the update operation from the key.

    `KeysClient.edit` documents the arguments.
    """
    problems: list[Problem] = []
    checked = check_id("id", key_id, problems)
    arguments = {
        "name": name,
        "role_names": role_names,
        "team_ids": team_ids,
        "team_role_names": team_role_names,
        "comments": comments,
    }
    given = {field: value for field, value in arguments.items() if value is not None}
    changes = check_definition(given, problems)
    raise_if_invalid("edit was not sent", problems)

    def update(key: APIKey) -> Operation[APIKey]:
        if key.id != checked:
            message = "the response to show is about another key; nothing was changed"
            raise InvalidResponseError(message, path="$.api_key.id", token=None, may_have_applied=False)
        # What the API has itself is not checked. Whether teams match team roles can depend on it.
        definition = evolve(definition_as_it_is(key), **changes)
        if {"team_ids", "team_role_names"} & changes.keys():
            check_team_pair(definition.team_ids, definition.team_role_names, problems)
        raise_if_invalid("edit was not sent", problems)
        return _update(checked, definition)

    return show_key(checked), update


def delete_key(key_id: str) -> Operation[None]:
    """A key that is no more: `KeysClient.delete` says what the argument is."""
    problems: list[Problem] = []
    checked = check_id("id", key_id, problems)
    operation = Operation(
        name="delete",
        effect=Effect.REPLACES,
        request=delete_api_key.build_request(checked),
        read=_read_nothing,
        gone_is_done=True,
    )
    return _checked(operation, problems)


def rotate_key(key_id: str, *, grace_period_minutes: int) -> Operation[IssuedKey]:
    """A key with another token: `KeysClient.rotate` says what the arguments are."""
    problems: list[Problem] = []
    checked = check_id("id", key_id, problems)
    minutes = check_grace_period(grace_period_minutes, problems)
    operation = Operation(
        name="rotate",
        effect=Effect.ISSUES,
        request=rotate_api_key.build_request(checked, body=RotateAPIKeyRequest(grace_period_minutes=minutes)),
        read=_read_issued,
    )
    return _checked(operation, problems)


def _checked(operation: Operation[T], problems: list[Problem]) -> Operation[T]:
    raise_if_invalid(f"{operation.name} was not sent", problems)
    return operation


# No local of the following holds the bytes of a response: a traceback that shows locals would show the token in them.


def _read(operation: Operation[Any], answer: Answer, issued: Token | None, *, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except UNREADABLE as error:
        reason, _, path = str(error).partition(" - at `")
    raise _misfit(operation, answer, reason, path.rstrip("`") or "$", issued)


def _read_key(operation: Operation[APIKey], answer: Answer, issued: Token | None) -> APIKey:
    return _read(operation, answer, issued, kind=APIKeyResponse).api_key


def _read_nothing(operation: Operation[None], answer: Answer, issued: Token | None) -> None:
    # The contract's success is without a body; an object would do no harm, but a gateway's page says nothing.
    if answer.is_success and answer.content.strip():
        _read(operation, answer, issued, kind=dict)


def _read_issued(operation: Operation[IssuedKey], answer: Answer, issued: Token | None) -> IssuedKey:
    body = _read(operation, answer, issued, kind=IssuedAPIKeyResponse)
    if issued is None or not is_usable(issued):
        raise _misfit(operation, answer, "this is no new token, or none that a request can carry", "$.token", issued)
    return IssuedKey(body.api_key, issued)


def _misfit(
    operation: Operation[Any], answer: Answer, reason: str, path: str, issued: Token | None
) -> InvalidResponseError:
    outcome = "succeeded" if answer.is_success else "was answered"
    message = f"{operation.name} {outcome} with {answer.status_code}"
    message += f", but the body does not fit the contract: {reason} (at {path})"
    kind = answer.headers.get("Content-Type", "")
    if "json" not in kind:
        message += f"; its Content-Type is {quote(kind)}"
    if issued is not None:
        message += "; the token that was issued is the token of this error: store it"
    return InvalidResponseError(message, path=path, token=issued, may_have_applied=operation.writes)


class Operations:
    """The operations by name, for a client, which imports this module when it is made, and nothing after that.

    A process that can open no more files can import nothing, and yet send a request over a connection that it has.
    """

    list = staticmethod(list_keys)
    create = staticmethod(create_key)
    show = staticmethod(show_key)
    update = staticmethod(update_key)
    edit = staticmethod(edit_key)
    delete = staticmethod(delete_key)
    rotate = staticmethod(rotate_key)
