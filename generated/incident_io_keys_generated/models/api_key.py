# Made from openapi.yaml by scripts/generate. Do not edit.

from attrs import frozen as _frozen

from ..models.creator import Creator
from ..models.role import Role
from ..types import UTC as _UTC
from ..types import Model as _Model
from ..types import datetime


@_frozen(kw_only=True)
class APIKey(_Model):
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
        comments: Comments about the key. Optional. Example: Used by the deploy pipeline.
        last_used_at: When the key was last used. Absent until then. Optional. Example: 2021-08-17T13:28:57.801578Z.
    """

    id: str
    name: str
    roles: tuple[Role, ...]
    team_ids: tuple[str, ...]
    team_roles: tuple[Role, ...]
    creator: Creator
    created_at: datetime
    token_last_issued_at: datetime
    comments: str | None = None
    last_used_at: datetime | None = None

    def __attrs_post_init__(self) -> None:
        if self.created_at.tzinfo is None:
            object.__setattr__(self, "created_at", self.created_at.replace(tzinfo=_UTC))
        if self.token_last_issued_at.tzinfo is None:
            object.__setattr__(self, "token_last_issued_at", self.token_last_issued_at.replace(tzinfo=_UTC))
        if self.last_used_at is not None and self.last_used_at.tzinfo is None:
            object.__setattr__(self, "last_used_at", self.last_used_at.replace(tzinfo=_UTC))
