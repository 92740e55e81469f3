"""What a key is to be: the arguments of create and update become the body that both send.

This module must not know which of the two it is, nor how a request is sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from types import NoneType
from typing import Annotated, Any, TypedDict, cast, get_args, get_type_hints

import msgspec

from incident_io_keys_generated import contract
from incident_io_keys_generated.models import AccountRole, APIKeyDefinition, TeamRole

from ._arguments import NO_TEXT, check_list, check_text, text_of
from .errors import Problem
from .roles import check_team_pair, parse_roles


class OptionalProperties(TypedDict, total=False):
    """What `create` and `update` take beyond what a key needs.

    An optional property of APIKeyDefinition reaches users by a line here, as in `comments: str | None`, and by that
    alone. None stands for its absence.
    """


def definition_of(
    call: str,
    name: str,
    role_names: Iterable[AccountRole | str],
    team_ids: Iterable[str],
    team_role_names: Iterable[TeamRole | str],
    optional: OptionalProperties,
    problems: list[Problem],
) -> APIKeyDefinition:
    """Check the definition that a call of that name gives: `KeysClient.create` says what the other arguments are."""
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
    bounds = contract.API_KEY_DEFINITION_OPTIONAL
    checked = cast(OptionalProperties, check_optional(call, optional, OptionalProperties, bounds, problems))
    return APIKeyDefinition(name=text, role_names=account_roles, team_ids=ids, team_role_names=team_roles, **checked)


def check_optional(
    call: str, given: Mapping[str, object], known: type, bounds: Mapping[str, msgspec.Meta], problems: list[Problem]
) -> dict[str, Any]:
    """Read what is optional, and check its types and bounds.

    Args:
        call: The method that was called, for a name that it does not take.
        given: What was given, by name. None is as good as nothing.
        known: The TypedDict that says which there are, and of which type.
        bounds: What the contract says of each.
        problems: Where problems are added.

    Returns:
        What was given, without what there was a problem with.

    Raises:
        TypeError: A name is none of these, as Python has it for an argument that a function does not take.
    """
    if not given:
        return {}
    hints, checked = get_type_hints(known), {}
    for name, value in given.items():
        if name not in hints:
            raise TypeError(f"{call}() got an unexpected keyword argument {name!r}")
        if value is None:
            continue
        # What may be None is a union, which takes no bounds.
        kinds = get_args(hints[name])
        kind: Any = reduce(or_, (each for each in kinds if each is not NoneType)) if NoneType in kinds else hints[name]
        try:
            read = msgspec.convert(text_of(value) if isinstance(value, str) else value, Annotated[kind, bounds[name]])
            # As httpx will do it.
            json.dumps(msgspec.to_builtins(read), allow_nan=False, ensure_ascii=False).encode()
        except msgspec.ValidationError as error:
            problems.append(Problem(name, f"does not fit the contract: {error}"))
        except UnicodeEncodeError:
            problems.append(Problem(name, NO_TEXT))
        except (TypeError, ValueError) as error:
            problems.append(Problem(name, f"no request can carry this: {error}"))
        else:
            checked[name] = read
    return checked
