"""Who may do what: the scopes that roles give, and what follows for a caller.

The API documents the rules and no table of scopes. The table here is a simple one that fits every documented example:
a role has a scope of its own name, and those of the roles that it includes. A role that the contract gains has its own
scope, without a line here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from attrs import evolve, frozen

from incident_io_keys_generated.models import AccountRole

from ._refusals import Flaw

# The one role whose holder may call this resource; it is given in the dashboard only.
MANAGER: Final = AccountRole.API_KEYS_MANAGE

# What a role can do that another one can too. The names are those of account and team roles alike.
INCLUDES: Final[Mapping[str, tuple[str, ...]]] = {
    AccountRole.INCIDENT_EDITOR: (AccountRole.INCIDENT_CREATOR,),
    AccountRole.CATALOG_EDITOR: (AccountRole.CATALOG_VIEWER,),
    AccountRole.SCHEDULE_OVERRIDES_EDITOR: (AccountRole.SCHEDULES_READER,),
    AccountRole.SCHEDULES_EDITOR: (AccountRole.SCHEDULE_OVERRIDES_EDITOR,),
    AccountRole.ON_CALL_EDITOR: (AccountRole.SCHEDULES_EDITOR, AccountRole.ESCALATION_CREATOR),
    AccountRole.PRIVATE_WORKFLOWS_EDITOR: (AccountRole.WORKFLOWS_EDITOR,),
}


@cache
def scopes_of(role: str) -> frozenset[str]:
    """The scopes that a role gives."""
    return frozenset({str(role)}).union(*map(scopes_of, INCLUDES.get(role, ())))


@frozen
class Rights:
    """What a key may do.

    Attributes:
        account: Its scopes in the whole account.
        teams: Its teams.
        team: Its scopes in each of them.
    """

    account: frozenset[str]
    teams: frozenset[str]
    team: frozenset[str]

    @classmethod
    def of(cls, key: Mapping[str, Any]) -> Rights:
        """Read the rights of a key in the form in which the API gives it."""
        account, team = (_scopes(tuple(role["name"] for role in key[name])) for name in ("roles", "team_roles"))
        return cls(account, frozenset(key["team_ids"]), team)

    def with_roles(self, roles: Iterable[str]) -> Rights:
        """Return these rights and those of further roles in the whole account."""
        return evolve(self, account=self.account.union(*map(scopes_of, roles)))

    def manages(self) -> bool:
        """Whether the key may call this resource at all."""
        return MANAGER in self.account or MANAGER in self.team

    def sees(self, key: Mapping[str, Any]) -> bool:
        """Whether another key is one that this one may list, show, change, delete and rotate."""
        return MANAGER in self.account or not self.teams.isdisjoint(key["team_ids"])

    def missing_for(self, roles: Sequence[str], team_ids: Sequence[str], team_roles: Sequence[str]) -> list[Flaw]:
        """What stands against this key's giving these roles to another one.

        Args:
            roles: Names of account roles.
            team_ids: Teams.
            team_roles: Names of roles in each of those teams.
        """
        flaws = []
        for index, role in enumerate(roles):
            if not scopes_of(role) <= self.account:
                message = f"Your API key does not have all that {role} allows in the whole account"
                flaws.append(Flaw("missing_scope", message, "role_names", f"/role_names/{index}"))
        foreign = [team for team in team_ids if team not in self.teams]
        for index, role in enumerate(team_roles):
            needed = scopes_of(role) - self.account
            if not needed:
                continue
            # Of its own teams it has its team scopes; of others none.
            where = foreign if needed <= self.team else team_ids
            if where:
                message = f"Your API key does not have all that {role} allows in {', '.join(where)}"
                flaws.append(Flaw("missing_scope", message, "team_role_names", f"/team_role_names/{index}"))
        return flaws

    def outside(self, team_ids: Sequence[str]) -> list[Flaw]:
        """What stands against a key of these teams, for one that manages the keys of its own teams only."""
        if MANAGER in self.account:
            return []
        flaws = [
            Flaw("not_your_team", f"Your API key manages no keys of {team}", "team_ids", f"/team_ids/{index}")
            for index, team in enumerate(team_ids)
            if team not in self.teams
        ]
        if not team_ids:
            message = "Your API key manages only keys of its own teams"
            flaws.append(Flaw("not_your_team", message, "team_ids", "/team_ids"))
        return flaws


@cache
def _scopes(roles: Iterable[str]) -> frozenset[str]:
    return frozenset[str]().union(*map(scopes_of, roles))
