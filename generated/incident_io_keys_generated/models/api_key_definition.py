# Made from openapi.yaml by scripts/generate. Do not edit.
from __future__ import annotations

from typing import Any

from attrs import NOTHING as _NOTHING
from attrs import asdict as _asdict
from attrs import frozen as _frozen
from msgspec import convert as _convert
from msgspec import to_builtins as _to_builtins

from ..models.account_role import AccountRole
from ..models.team_role import TeamRole


@_frozen(kw_only=True)
class APIKeyDefinition:
    """What a key is: its name and what it may do. `team_ids` and `team_role_names` go together: either both are empty, or
    neither is.

    Attributes:
        name: What people call the key. Example: My test API key.
        role_names: The roles that the key has in the whole account, not bound to a team. Empty where it needs none.
            Example: ['viewer', 'incident_creator'].
        team_ids: The IDs of the teams in which the key has the roles of `team_role_names`. Not empty if
            `team_role_names` is not, and empty if it is. Example: ['01FCNDV6P870EA6S7TK1DSYDG0'].
        team_role_names: The roles that the key has in the teams of `team_ids`. Not empty if `team_ids` is not, and
            empty if it is. Example: ['schedules_editor'].
        comments: Notes about the key. An update without it deletes the notes that the key has. None where it is absent.
            Example: Used by the deploy pipeline.
    """

    name: str
    role_names: list[AccountRole]
    team_ids: list[str]
    team_role_names: list[TeamRole]
    comments: str | None = None

    @classmethod
    def from_dict(cls, src_dict: Any) -> APIKeyDefinition:
        """Read what `json.loads` gives; `msgspec.ValidationError` names the first place that does not fit."""
        return _convert(src_dict, cls)

    def to_dict(self) -> dict[str, Any]:
        """Make what `json.dumps` takes. An optional property that is None is left out."""
        present = _asdict(self, filter=lambda field, value: value is not None or field.default is _NOTHING)
        members: dict[str, Any] = _to_builtins(present)
        return members
