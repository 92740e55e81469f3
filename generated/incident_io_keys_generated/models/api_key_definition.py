# Made from openapi.yaml by scripts/generate. Do not edit.

from attrs import frozen as _frozen

from ..models.account_role import AccountRole
from ..models.team_role import TeamRole
from ..types import Model as _Model


@_frozen(kw_only=True)
class APIKeyDefinition(_Model):
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
        comments: Comments about the key. An update that omits them deletes them. Optional. Example: Used by the deploy
            pipeline.
    """

    name: str
    role_names: tuple[AccountRole, ...]
    team_ids: tuple[str, ...]
    team_role_names: tuple[TeamRole, ...]
    comments: str | None = None
