"""The six operations without I/O: arguments become a request, a response becomes a value."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, Final, Generic, TypeVar, cast

import httpx
import msgspec
from attrs import evolve, frozen

from incident_io_keys_generated import contract, models
from incident_io_keys_generated.api.api_keys import (
    create_api_key,
    delete_api_key,
    list_api_keys,
    rotate_api_key,
    show_api_key,
    update_api_key,
)
from incident_io_keys_generated.models import AccountRole, APIKey, APIKeyDefinition, TeamRole

from ._token_recovery import MALFORMED, find_issued_token
from ._validation import (
    check_grace_period,
    check_id,
    check_list,
    check_text,
    check_whole_number,
    quote,
    raise_if_invalid,
    token_problem,
)
from .errors import InvalidResponseError, Problem
from .roles import check_team_pair, parse_roles
from .tokens import IssuedKey, Token

T = TypeVar("T")

# In bytes. Most bodies have a few kB, and a page of 250 keys 150. A key with the longest name and comments has 22 kB.
LARGEST_BODY: Final = 1024 * 1024
_LARGEST_PAGE: Final = contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM * 32 * 1024

# Made at import, since msgspec can crash if several threads decode a model for the first time.
_PAGE: Final = msgspec.json.Decoder(models.ListAPIKeysResponse)
_KEY: Final = msgspec.json.Decoder(models.APIKeyResponse)
_ISSUED: Final = msgspec.json.Decoder(models.IssuedAPIKeyResponse)
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Effect(Enum):
    """What a request changes. It decides whether a request that may have arrived is sent again."""

    SAFE = auto()
    IDEMPOTENT = auto()
    NON_IDEMPOTENT = auto()  # each request issues another token


@frozen(kw_only=True)
class Operation(Generic[T]):
    """A validated request, and how to parse its response.

    Attributes:
        name: The name of the client's method.
        effect: What the request changes.
        request: The arguments of `httpx.Request`, without the host.
        decoder: Decodes the generated model of a successful response. None if the API returns no body.
        key_id: The ID of the key that the response has to be about, if the request names one.
        largest_body: The maximum size in bytes of a successful body. Errors use LARGEST_BODY.
        missing_ok: Whether a 404 is a success if an earlier attempt may have taken effect.
    """

    name: str
    effect: Effect
    request: Mapping[str, Any]
    decoder: msgspec.json.Decoder[Any] | None
    key_id: str | None = None
    missing_ok: bool = False
    largest_body: int = LARGEST_BODY

    @property
    def writes(self) -> bool:
        """Whether the request changes something."""
        return self.effect is not Effect.SAFE

    def parse(self, response: httpx.Response, request_token: Token) -> T:
        """Return the value of a successful response: a page, a key, an IssuedKey, or None.

        Raises:
            InvalidResponseError: The body does not fit the contract, or is about another key.
        """
        value: Any = None
        issued = self.issued_token(response, request_token)
        try:
            # A delete may return a JSON object, but not the HTML page of a gateway.
            if self.decoder or (response.is_success and response.content.strip()):
                value = (self.decoder or _OBJECT).decode(response.content)
        except MALFORMED as error:
            if self.key_id is not None and _key_id_in(response.content) not in (None, self.key_id):
                raise self.invalid(response, "it is about another key", "$.api_key.id", issued) from None
            reason, _, path = str(error).partition(" - at `")
            raise self.invalid(response, reason, path.rstrip("`") or "$", issued) from None
        if self.decoder in (_KEY, _ISSUED):
            value = value.api_key
            if self.key_id not in (None, value.id):
                raise self.invalid(response, "it is about another key", "$.api_key.id", issued)
        if self.effect is Effect.NON_IDEMPOTENT:
            if issued is None or token_problem(issued):
                reason = "the token is missing, is that of the request, or cannot be sent in a header"
                raise self.invalid(response, reason, "$.token", issued)
            value = IssuedKey(value, issued)
        return cast(T, value if self.decoder else None)

    def issued_token(self, response: httpx.Response, request_token: Token) -> Token | None:
        """Return the token that a complete or truncated response issues; None if it issues none."""
        if self.effect is not Effect.NON_IDEMPOTENT or is_rejection(response):
            return None
        return find_issued_token(response.content, request_token, failed=not response.is_success)

    def invalid(self, response: httpx.Response, reason: str, path: str, token: Token | None) -> InvalidResponseError:
        """Return the error for a response that does not fit at a path of its body."""
        outcome = "succeeded" if response.is_success else "failed"
        message = f"{self.name} {outcome} with {response.status_code}"
        message += f", but the response does not fit the contract: {reason} (at {path})"
        if "json" not in (kind := response.headers.get("Content-Type", "")):
            message += f"; its Content-Type is {quote(kind)}"
        if token is not None:
            message += "; a token was issued: store the attribute `token` of this error"
        return InvalidResponseError(message, path=path, token=token, may_have_applied=self.writes)


def is_rejection(response: httpx.Response) -> bool:
    """Return whether the status means that nothing was changed: any 4xx but 408."""
    return response.is_client_error and response.status_code != 408


def list_keys(*, page_size: int, after: str | None) -> Operation[models.ListAPIKeysResponse]:
    """Return the operation of `KeysClient.list` for one page."""
    problems: list[Problem] = []
    size = check_whole_number(
        "page_size",
        page_size,
        problems,
        low=contract.LIST_API_KEYS_PAGE_SIZE_MINIMUM,
        high=contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM,
    )
    cursor = None if after is None else check_text("after", after, problems, low=1)
    raise_if_invalid("list was not sent", problems)
    request = list_api_keys.build_request(page_size=size, after=cursor)
    return Operation(name="list", effect=Effect.SAFE, request=request, decoder=_PAGE, largest_body=_LARGEST_PAGE)


def create_key(**definition: object) -> Operation[IssuedKey]:
    """Return the operation of `KeysClient.create`."""
    problems: list[Problem] = []
    body = _check_definition(definition, problems)
    raise_if_invalid("create was not sent", problems)
    request = create_api_key.build_request(body=APIKeyDefinition(**body))
    return Operation(name="create", effect=Effect.NON_IDEMPOTENT, request=request, decoder=_ISSUED)


def show_key(id: str) -> Operation[APIKey]:
    """Return the operation of `KeysClient.show`."""
    problems: list[Problem] = []
    key_id = check_id("id", id, problems)
    raise_if_invalid("show was not sent", problems)
    request = show_api_key.build_request(key_id)
    return Operation(name="show", effect=Effect.SAFE, request=request, decoder=_KEY, key_id=key_id)


def update_key(id: str, **definition: object) -> Operation[APIKey]:
    """Return the operation of `KeysClient.update`."""
    problems: list[Problem] = []
    key_id = check_id("id", id, problems)
    body = _check_definition(definition, problems)
    raise_if_invalid("update was not sent", problems)
    return _update(key_id, APIKeyDefinition(**body))


def edit_key(id: str, **changes: object) -> tuple[Operation[APIKey], Callable[[APIKey], Operation[APIKey]]]:
    """Return the operations of `KeysClient.edit`: the one that reads the key, and a function that makes the update."""
    problems: list[Problem] = []
    key_id = check_id("id", id, problems)
    checked = _check_definition({name: value for name, value in changes.items() if value is not None}, problems)
    raise_if_invalid("edit was not sent", problems)

    def update(key: APIKey) -> Operation[APIKey]:
        # The key's own values are sent unchecked: the API knows them, even if this version does not.
        definition = APIKeyDefinition(
            name=key.name,
            role_names=cast(tuple[AccountRole, ...], tuple(role.name for role in key.roles)),
            team_ids=key.team_ids,
            team_role_names=cast(tuple[TeamRole, ...], tuple(role.name for role in key.team_roles)),
            comments=key.comments,
        )
        definition = evolve(definition, **checked)
        if {"team_ids", "team_role_names"} & checked.keys():
            check_team_pair(definition.team_ids, definition.team_role_names, problems)
        raise_if_invalid("edit was not sent", problems)
        return _update(key_id, definition)

    return show_key(key_id), update


def _update(key_id: str, definition: APIKeyDefinition) -> Operation[APIKey]:
    request = update_api_key.build_request(key_id, body=definition)
    return Operation(name="update", effect=Effect.IDEMPOTENT, request=request, decoder=_KEY, key_id=key_id)


def delete_key(id: str) -> Operation[None]:
    """Return the operation of `KeysClient.delete`."""
    problems: list[Problem] = []
    key_id = check_id("id", id, problems)
    raise_if_invalid("delete was not sent", problems)
    request = delete_api_key.build_request(key_id)
    return Operation(name="delete", effect=Effect.IDEMPOTENT, request=request, decoder=None, missing_ok=True)


def rotate_key(id: str, *, grace_period_minutes: int) -> Operation[IssuedKey]:
    """Return the operation of `KeysClient.rotate`."""
    problems: list[Problem] = []
    key_id = check_id("id", id, problems)
    minutes = check_grace_period(grace_period_minutes, problems)
    raise_if_invalid("rotate was not sent", problems)
    request = rotate_api_key.build_request(key_id, body=models.RotateAPIKeyRequest(grace_period_minutes=minutes))
    return Operation(name="rotate", effect=Effect.NON_IDEMPOTENT, request=request, decoder=_ISSUED, key_id=key_id)


def _key_id_in(content: bytes) -> str | None:
    """Return the ID of the key in a body that does not fit the contract; None if it cannot be read."""
    with contextlib.suppress(*MALFORMED):
        key = _OBJECT.decode(_OBJECT.decode(content).get("api_key", b"{}"))
        found = msgspec.json.decode(key.get("id", b"null"))
        return found if isinstance(found, str) else None
    return None


def _check_definition(given: Mapping[str, object], problems: list[Problem]) -> dict[str, Any]:
    """Check those properties of a key's definition that are given. Return the values to send."""
    checked: dict[str, Any] = {}
    if "name" in given:
        checked["name"] = check_text(
            "name",
            given["name"],
            problems,
            low=contract.API_KEY_DEFINITION_NAME_MIN_LENGTH,
            high=contract.API_KEY_DEFINITION_NAME_MAX_LENGTH,
        )
    if "role_names" in given:
        checked["role_names"] = tuple(parse_roles("role_names", given["role_names"], AccountRole, problems))
    ids = check_list("team_ids", given["team_ids"], problems) if "team_ids" in given else None
    if ids is not None:
        checked["team_ids"] = tuple(check_text(f"team_ids[{i}]", each, problems, low=1) for i, each in enumerate(ids))
    roles = check_list("team_role_names", given["team_role_names"], problems) if "team_role_names" in given else None
    if roles is not None:
        checked["team_role_names"] = tuple(parse_roles("team_role_names", roles, TeamRole, problems))
    if ids is not None and roles is not None:
        # Compare the arguments, not the parsed roles: an unknown role would also count as missing.
        check_team_pair(ids, roles, problems)
    if given.get("comments") is not None:
        checked["comments"] = check_text(
            "comments",
            given["comments"],
            problems,
            low=0,
            high=contract.API_KEY_DEFINITION_COMMENTS_MAX_LENGTH,
            pattern=contract.API_KEY_DEFINITION_COMMENTS_PATTERN,
        )
    return checked
