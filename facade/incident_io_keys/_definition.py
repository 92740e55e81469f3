"""Builds the definition of a key, which create and update send, from their arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from incident_io_keys_generated import contract
from incident_io_keys_generated.models import AccountRole, APIKey, APIKeyDefinition, TeamRole

from ._validation import check_list, check_text
from .errors import Problem
from .roles import check_team_pair, parse_roles


def definition_of(arguments: Mapping[str, object], problems: list[Problem]) -> APIKeyDefinition:
    """Return the definition that the arguments of create or update give. `KeysClient.create` documents them."""
    checked = check_definition(arguments, problems)
    return APIKeyDefinition(
        name=checked["name"],
        role_names=checked["role_names"],
        team_ids=checked["team_ids"],
        team_role_names=checked["team_role_names"],
        comments=checked.get("comments"),
    )


def definition_as_it_is(key: APIKey) -> APIKeyDefinition:
    """Return the definition that a key has, unchecked."""
    return APIKeyDefinition(
        name=key.name,
        # Names, since the roles of a response may be unknown to this version.
        role_names=cast(tuple[AccountRole, ...], tuple(role.name for role in key.roles)),
        team_ids=key.team_ids,
        team_role_names=cast(tuple[TeamRole, ...], tuple(role.name for role in key.team_roles)),
        comments=key.comments,
    )


def check_definition(arguments: Mapping[str, object], problems: list[Problem]) -> dict[str, Any]:
    """Validate the given arguments, and return the values to send. `comments` may be None."""
    checked: dict[str, Any] = {}
    given_ids, given_roles = None, None
    if "name" in arguments:
        checked["name"] = check_text(
            *("name", arguments["name"], problems),
            low=contract.API_KEY_DEFINITION_NAME_MIN_LENGTH,
            high=contract.API_KEY_DEFINITION_NAME_MAX_LENGTH,
        )
    if "role_names" in arguments:
        checked["role_names"] = tuple(parse_roles("role_names", arguments["role_names"], AccountRole, problems))
    if "team_ids" in arguments:
        given_ids = check_list("team_ids", arguments["team_ids"], problems)
        checked["team_ids"] = tuple(
            check_text(f"team_ids[{index}]", each, problems, low=1) for index, each in enumerate(given_ids or ())
        )
    if "team_role_names" in arguments:
        given_roles = check_list("team_role_names", arguments["team_role_names"], problems)
        checked["team_role_names"] = tuple(parse_roles("team_role_names", given_roles or (), TeamRole, problems))
    if given_ids is not None and given_roles is not None:
        # The given lists are compared, so that an unknown role is not reported as a missing team role too.
        check_team_pair(given_ids, given_roles, problems)
    if arguments.get("comments") is not None:
        checked["comments"] = check_text(
            *("comments", arguments["comments"], problems),
            low=0,
            high=contract.API_KEY_DEFINITION_COMMENTS_MAX_LENGTH,
            pattern=contract.API_KEY_DEFINITION_COMMENTS_PATTERN,
        )
    return checked
