"""What a security review wants to know of an organisation's keys: the rules, and what they find."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from enum import IntEnum
from typing import Final

from attrs import frozen

from incident_io_keys_generated.contract import LIMIT_ACTIVE_KEYS
from incident_io_keys_generated.models import AccountRole, APIKey

from ..roles import KNOWN_ROLES
from ._ages import in_words
from ._filters import LAST_USE_UNKNOWN, is_unused, last_use_is_known

# Roles whose holder can reach secrets, open doors for others, or change who may do what. docs/audit.md has the list.
POWERFUL: Final = (
    AccountRole.ACT_ON_BEHALF_OF_USERS,
    AccountRole.API_KEYS_MANAGE,
    AccountRole.GLOBAL_ACCESS,
    AccountRole.INCIDENT_MEMBERSHIPS_EDITOR,
    AccountRole.MANAGE_SETTINGS,
    AccountRole.NOTIFICATION_METHODS_MANAGE,
    AccountRole.PRIVATE_ESCALATION_WORKFLOWS_EDITOR,
    AccountRole.PRIVATE_WORKFLOWS_EDITOR,
    AccountRole.SECRETS_MANAGE,
    AccountRole.SECRETS_USE,
    AccountRole.SECURITY_SETTINGS_EDITOR,
    AccountRole.TEAM_MEMBERSHIPS_MANAGE,
)

# Of all keys that an organisation can have: from these shares on, there is little room.
_LITTLE_ROOM: Final = 0.9
_HARDLY_ANY: Final = 0.98
# So many keys of one name are counted, and not listed.
_MANY: Final = 5


class Severity(IntEnum):
    """How much a finding matters."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3

    @property
    def word(self) -> str:
        """Its name as a person writes it."""
        return self.name.lower()


@frozen(kw_only=True)
class Finding:
    """One thing that a review should look at.

    Attributes:
        check: Which rule found it.
        severity: How much it matters.
        key: The key that it is about; None if it is about all of them.
        message: What was found.
        advice: What to do.
    """

    check: str
    severity: Severity
    key: APIKey | None
    message: str
    advice: str


@frozen(kw_only=True)
class Report:
    """What the rules found, and in what.

    Attributes:
        at: When.
        endpoint: Where the keys are.
        keys: All of them.
        older_than: From which age on a token is old, in the words of who asked.
        limit: Up to when a token had to be issued to be old.
        unused_for: The value of --unused-for, as the user wrote it.
        findings: The worst first.
    """

    at: datetime
    endpoint: str
    keys: Sequence[APIKey]
    older_than: str
    limit: datetime
    unused_for: str
    findings: Sequence[Finding]

    def counts(self) -> dict[Severity, int]:
        """How many findings there are of each severity, the worst first."""
        counted = Counter(finding.severity for finding in self.findings)
        return {severity: counted[severity] for severity in sorted(Severity, reverse=True)}

    def worst(self) -> dict[str, Severity]:
        """The worst severity of each key that has findings, by ID."""
        worst: dict[str, Severity] = {}
        for finding in self.findings:
            if finding.key is not None:
                worst[finding.key.id] = max(worst.get(finding.key.id, Severity.INFO), finding.severity)
        return worst


@frozen(kw_only=True)
class Review:
    """What the rules go by.

    Attributes:
        now: What time it is.
        limit: Up to when a token had to be issued to be old.
        older_than: The same in words.
        unused_since: A key created by then and not used since is a finding.
        unused_for: The same in words.
        powerful: Names of roles that only few keys should have.
        accepted: IDs of keys whose roles and creator were looked at and are as they should be.
    """

    now: datetime
    limit: datetime
    older_than: str
    unused_since: datetime
    unused_for: str
    powerful: frozenset[str]
    accepted: frozenset[str]

    def report(self, keys: Iterable[APIKey], endpoint: str) -> Report:
        """Apply all rules."""
        keys = tuple({key.id: key for key in keys}.values())  # pages may have shifted meanwhile
        found = [finding for rule in _RULES for finding in rule(self, keys)]
        found.sort(key=lambda finding: -finding.severity)
        return Report(
            at=self.now,
            endpoint=endpoint,
            keys=keys,
            older_than=self.older_than,
            limit=self.limit,
            unused_for=self.unused_for,
            findings=found,
        )

    def _judged(self, key: APIKey, severity: Severity) -> Severity:
        return Severity.INFO if key.id in self.accepted else severity

    def _powerful_of(self, key: APIKey) -> tuple[list[str], list[str]]:
        account, team = (
            [role.name for role in roles if role.name in self.powerful] for roles in (key.roles, key.team_roles)
        )
        return account, team

    def old_tokens(self, keys: Sequence[APIKey]) -> Iterator[Finding]:
        """Tokens that were issued too long ago."""
        for key in sorted(keys, key=lambda key: key.token_last_issued_at):
            issued = key.token_last_issued_at
            if issued > self.limit:
                return
            far, powerful = self.now - issued >= 2 * (self.now - self.limit), any(self._powerful_of(key))
            yield Finding(
                check="old-token",
                severity=Severity.HIGH if far or powerful else Severity.MEDIUM,
                key=key,
                message=f"its token is {in_words(issued, self.now)} old" + (", and it may do much" if powerful else ""),
                advice="rotate it, or delete the key if nobody uses it",
            )

    def unused_keys(self, keys: Sequence[APIKey]) -> Iterator[Finding]:
        """Keys that nobody uses."""
        if keys and not last_use_is_known(keys):
            yield Finding(
                check="unused-key",
                severity=Severity.INFO,
                key=None,
                message=LAST_USE_UNKNOWN,
                advice="ask their owners which keys they use",
            )
            return
        for key in keys:
            if is_unused(key, self.unused_since):
                used = key.last_used_at
                yield Finding(
                    check="unused-key",
                    severity=Severity.MEDIUM if any(self._powerful_of(key)) else Severity.LOW,
                    key=key,
                    message="it was never used" if used is None else f"it was last used {in_words(used, self.now)} ago",
                    advice="delete it, or ask its owner what it is for",
                )

    def powerful_roles(self, keys: Sequence[APIKey]) -> Iterator[Finding]:
        """Keys that may do more than most should."""
        for key in keys:
            account, team = self._powerful_of(key)
            parts = [", ".join(account), f"{', '.join(team)} in teams" if team else ""]
            advice = "take it away, give it in teams only" if account else "take it away"
            if account or team:
                yield Finding(
                    check="powerful-role",
                    severity=self._judged(key, Severity.HIGH if account else Severity.MEDIUM),
                    key=key,
                    message=f"it has {' and '.join(part for part in parts if part)}",
                    advice=f"see whether it needs that; {advice}, or accept the key",
                )

    def unknown_roles(self, keys: Sequence[APIKey]) -> Iterator[Finding]:
        """Roles of which it is not known what they allow."""
        known = KNOWN_ROLES | self.powerful
        for key in keys:
            unknown = sorted({role.name for role in (*key.roles, *key.team_roles)} - known)
            if unknown:
                yield Finding(
                    check="unknown-role",
                    severity=self._judged(key, Severity.LOW),
                    key=key,
                    message=f"it has {', '.join(unknown)}, which this version does not know",
                    advice="look up what that allows, and accept the key or take it away",
                )

    def made_by_keys(self, keys: Sequence[APIKey]) -> Iterator[Finding]:
        """Keys that no person made."""
        ids = {key.id for key in keys}
        for key in keys:
            maker = key.creator.api_key
            if maker is None or key.creator.user is not None:
                continue
            unseen = maker.id not in ids
            yield Finding(
                check="made-by-key",
                severity=self._judged(key, Severity.LOW),
                key=key,
                message=f"the key {maker.name} made it" + (", which is not among these" if unseen else ""),
                advice="see who answers for it, and accept the key or delete it",
            )

    def no_roles(self, keys: Sequence[APIKey]) -> Iterator[Finding]:
        """Keys that may do nothing."""
        for key in keys:
            if not key.roles and not key.team_roles:
                yield Finding(
                    check="no-roles",
                    severity=Severity.LOW,
                    key=key,
                    message="it has no roles",
                    advice="delete it, or give it what it is for",
                )

    def names_used_twice(self, keys: Sequence[APIKey]) -> Iterator[Finding]:
        """Keys that can be taken for each other."""
        named = defaultdict(list)
        for key in keys:
            named[" ".join(key.name.casefold().split())].append(key)
        for same in named.values():
            for key in same if len(same) > 1 else ():
                few = len(same) < _MANY
                others = ", ".join(other.id for other in same if other is not key) if few else f"{len(same) - 1} others"
                yield Finding(
                    check="name-used-twice",
                    severity=Severity.LOW,
                    key=key,
                    message=f"it has the name of {others}",
                    advice="give each key a name of its own, or delete what is left over",
                )

    def head_room(self, keys: Sequence[APIKey]) -> Iterator[Finding]:
        """How many keys more there can be."""
        used = len(keys) / LIMIT_ACTIVE_KEYS
        if used >= _LITTLE_ROOM:
            yield Finding(
                check="head-room",
                severity=Severity.HIGH if used >= _HARDLY_ANY else Severity.MEDIUM,
                key=None,
                message=f"{len(keys):,} of {LIMIT_ACTIVE_KEYS:,} keys are there",
                advice="delete what nobody uses: with none left, no key can be created",
            )


_RULES: Final[Sequence[Callable[[Review, Sequence[APIKey]], Iterator[Finding]]]] = (
    Review.old_tokens,
    Review.unused_keys,
    Review.powerful_roles,
    Review.unknown_roles,
    Review.made_by_keys,
    Review.no_roles,
    Review.names_used_twice,
    Review.head_room,
)
