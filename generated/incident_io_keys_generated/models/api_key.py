# Made from openapi.yaml by scripts/generate. Do not edit.
from __future__ import annotations

import datetime
from typing import Any

from attrs import NOTHING as _NOTHING
from attrs import asdict as _asdict
from attrs import frozen as _frozen
from msgspec import convert as _convert
from msgspec import to_builtins as _to_builtins

from ..models.creator import Creator
from ..models.role import Role


@_frozen(kw_only=True)
class APIKey:
    """An API key. Its token is not part of it.

    Attributes:
        id: What the API calls the key. A ULID so far, but its form and length may change. Example:
            01FCNDV6P870EA6S7TK1DSYDG0.
        name: What people call the key. Example: My test API key.
        roles: The roles that the key has in the whole account.
        team_ids: The IDs of the teams in which the key has its team roles. Example: ['01FCNDV6P870EA6S7TK1DSYDG0'].
        team_roles: The roles that the key has in its teams.
        creator: Who created a key, another key or a person. One of the two is there.
        created_at: When the key was created. Example: 2021-08-17T13:28:57.801578Z.
        token_last_issued_at: When the key was last rotated, or created if it never was. Example:
            2021-08-17T13:28:57.801578Z.
        comments: Notes about the key. None where it is absent. Example: Used by the deploy pipeline.
        last_used_at: When a request was last made with the key. Absent until the key is used. None where it is absent.
            Example: 2021-08-17T13:28:57.801578Z.
    """

    id: str
    name: str
    roles: list[Role]
    team_ids: list[str]
    team_roles: list[Role]
    creator: Creator
    created_at: datetime.datetime
    token_last_issued_at: datetime.datetime
    comments: str | None = None
    last_used_at: datetime.datetime | None = None

    @classmethod
    def from_dict(cls, src_dict: Any) -> APIKey:
        """Read what `json.loads` gives; `msgspec.ValidationError` names the first place that does not fit."""
        return _convert(src_dict, cls)

    def to_dict(self) -> dict[str, Any]:
        """Make what `json.dumps` takes. An optional property that is None is left out."""
        present = _asdict(self, filter=lambda field, value: value is not None or field.default is _NOTHING)
        members: dict[str, Any] = _to_builtins(present)
        return members
