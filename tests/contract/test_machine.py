"""The contract: whatever is done in whatever order, by callers of any rights, client and mock are what a model says.

The model is as plain as can be: a list of keys and a dictionary of tokens, and rules that are written down once more.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import define, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from incident_io_keys import (
    APIKey,
    APIStatusError,
    AuthenticationError,
    KeysClient,
    NotFoundError,
    PermissionDeniedError,
    Token,
    UnprocessableEntityError,
)
from incident_io_keys.testing import MockAPI

from .conftest import INSTANT, definition_of

MANAGE = "api_keys_manage"
# Few enough that callers and keys meet. Of the account roles, the second includes the first; so it is with the teams'.
ACCOUNT = ("incident_creator", "incident_editor", "viewer")
TEAM = ("schedules_reader", "schedules_editor", "escalation_creator")
INCLUDED = {
    "incident_editor": {"incident_creator"},
    "schedules_editor": {"schedules_reader", "schedule_overrides_editor"},
}
TEAMS = ("A", "B", "C")
# Who is there from the start, beside the manager: left to chance, a team's manager would hardly ever call.
CAST: tuple[dict[str, Any], ...] = (
    {"role_names": [], "team_ids": ["A"], "team_role_names": [MANAGE, "schedules_editor"]},
    {"role_names": ["incident_editor"], "team_ids": ["A", "B"], "team_role_names": [MANAGE, "escalation_creator"]},
    {"role_names": [MANAGE, "incident_creator"], "team_ids": ["B"], "team_role_names": ["schedules_reader"]},
    {"role_names": ["incident_creator"], "team_ids": [], "team_role_names": []},
    {"role_names": [], "team_ids": ["A"], "team_role_names": ["schedules_reader"]},
    {"role_names": [], "team_ids": ["B", "C"], "team_role_names": ["schedules_reader"]},
)


def some(names: Iterable[str], least: int = 0) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(sorted(names)), min_size=least, max_size=2, unique=True)


@st.composite
def definitions(draw: st.DrawFn, *, managing: bool = False) -> dict[str, Any]:
    more = (MANAGE,) if managing and draw(st.integers(0, 5)) == 5 else ()
    team_ids = draw(some(TEAMS))
    team_roles = draw(some((*TEAM, *more), least=1)) if team_ids else []
    return {
        "name": draw(st.text("abc é\n", min_size=1, max_size=5)),
        "role_names": draw(some((*ACCOUNT, *more, "schedules_editor"))),
        "team_ids": team_ids,
        "team_role_names": team_roles,
    }


@define
class Known:
    """A key as the model has it."""

    id: str
    definition: dict[str, Any]
    created: datetime
    issued: datetime
    creator: str | None  # the name of the key that created it; None for a person
    tokens: dict[Token, datetime | None] = field(factory=dict)  # until when each works

    def scopes(self, name: str) -> set[str]:
        given = set(self.definition[name])
        return given.union(*(INCLUDED.get(role, set()) for role in given))

    def manages(self, other: dict[str, Any]) -> bool:
        """Whether it may do anything with a key of that definition."""
        if MANAGE in self.definition["role_names"]:
            return True
        return MANAGE in self.definition["team_role_names"] and bool(
            set(self.definition["team_ids"]) & set(other["team_ids"])
        )

    def has(self, other: dict[str, Any]) -> bool:
        """Whether all that the other may do is among what it may do itself."""
        account = self.scopes("role_names")
        if not scopes(other["role_names"]) <= account:
            return False
        needed = scopes(other["team_role_names"]) - account
        ours = set(other["team_ids"]) <= set(self.definition["team_ids"])
        return not needed or (ours and needed <= self.scopes("team_role_names"))

    def may_give(self, other: dict[str, Any]) -> bool:
        within = set(other["team_ids"]) <= set(self.definition["team_ids"]) and other["team_ids"]
        return self.has(other) and (MANAGE in self.definition["role_names"] or bool(within))


def scopes(names: Iterable[str]) -> set[str]:
    given = set(names)
    return given.union(*(INCLUDED.get(role, set()) for role in given))


# Chooses among callers or keys.
NUMBERS = st.integers(0, 799)


class Organisation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.mock = MockAPI()
        self.mock.settings.rate_limit = None
        self.mock.clock.freeze()
        self.client = KeysClient(lambda: self.token, transport=self.mock.transport())
        self.token = self.mock.token
        [manager] = self.client.list()
        self.known: list[Known] = []
        self.gone: list[Token] = []
        self.steps = 0
        self.remember(manager, self.token, None)
        for number, definition in enumerate(CAST):
            issued = self.mock.add_key(name=str(number), **definition)
            self.remember(issued.api_key, issued.token, None)

    def teardown(self) -> None:
        self.check([token for known in self.known for token in known.tokens] + self.gone)
        self.client.close()

    def now(self) -> datetime:
        return self.mock.clock.now()

    def remember(self, key: APIKey, token: Token, creator: str | None) -> None:
        self.known.append(Known(key.id, definition_of(key), key.created_at, key.created_at, creator, {token: None}))

    def some_token(self, number: int) -> Token:
        """A token: mostly one that works, of a key that manages."""
        every = [token for known in self.known for token in known.tokens] + self.gone
        able = [token for token in every if (caller := self.caller(token)) and caller.manages(caller.definition)]
        chosen = able if number % 8 and able else every
        return chosen[number // 8 % len(chosen)]

    def caller(self, token: Token) -> Known | None:
        """Whose token it is, if it works."""
        for known in self.known:
            if token in known.tokens:
                ends = known.tokens[token]
                return known if ends is None or self.now() < ends else None
        return None

    def expected(self, token: Token, key_id: str | None = None) -> Known | type[APIStatusError]:
        """The caller; or what it must be told, whatever it wants of that key."""
        self.token = token
        caller = self.caller(token)
        if caller is None:
            return AuthenticationError
        if not {MANAGE} & {*caller.definition["role_names"], *caller.definition["team_role_names"]}:
            return PermissionDeniedError
        if key_id is not None and not any(
            known.id == key_id and caller.manages(known.definition) for known in self.known
        ):
            return NotFoundError
        return caller

    def key(self, key_id: str) -> Known:
        return next(known for known in self.known if known.id == key_id)

    @rule(definition=definitions(managing=True))
    def add_in_the_dashboard(self, definition: dict[str, Any]) -> None:
        issued = self.mock.add_key(**definition)
        self.remember(issued.api_key, issued.token, None)
        assert definition_of(issued.api_key) == definition

    @rule(who=NUMBERS, definition=definitions(managing=True))
    def create(self, who: int, definition: dict[str, Any]) -> None:
        caller = self.expected(self.some_token(who))
        refusal = self.refusal_of(caller, definition)
        if refusal is not None:
            refused(refusal, lambda: self.client.create(**definition))
            return
        issued = self.client.create(**definition)
        assert isinstance(caller, Known)
        self.remember(issued.api_key, issued.token, caller.definition["name"])
        assert (definition_of(issued.api_key), issued.api_key.created_at) == (definition, self.now())
        assert issued.api_key.creator.api_key is not None
        assert issued.api_key.creator.api_key.id == caller.id

    @rule(who=NUMBERS, number=NUMBERS, definition=definitions(managing=True))
    def update(self, who: int, number: int, definition: dict[str, Any]) -> None:
        key_id = self.some_id(number)
        caller = self.expected(self.some_token(who), key_id)
        if isinstance(caller, Known) and caller.id == key_id:
            caller = PermissionDeniedError
        refusal = self.refusal_of(caller, definition)
        if refusal is not None:
            refused(refusal, lambda: self.client.update(key_id, **definition))
            return
        updated = self.client.update(key_id, **definition)
        assert definition_of(updated) == definition
        self.key(key_id).definition = definition

    @rule(who=NUMBERS, number=NUMBERS)
    def show(self, who: int, number: int) -> None:
        key_id = self.some_id(number)
        caller = self.expected(self.some_token(who), key_id)
        if isinstance(caller, Known):
            self.fits(self.client.show(key_id), self.key(key_id))
        else:
            refused(caller, lambda: self.client.show(key_id))

    @rule(who=NUMBERS, number=NUMBERS)
    def delete(self, who: int, number: int) -> None:
        key_id = self.some_id(number)
        caller = self.expected(self.some_token(who), key_id)
        if isinstance(caller, Known):
            self.client.delete(key_id)
            self.gone += self.key(key_id).tokens
            self.known.remove(self.key(key_id))
        else:
            refused(caller, lambda: self.client.delete(key_id))

    @rule(who=NUMBERS, number=NUMBERS, grace=st.sampled_from([0, 1, 30, 60]))
    def rotate(self, who: int, number: int, grace: int) -> None:
        key_id = self.some_id(number)
        caller = self.expected(self.some_token(who), key_id)
        if isinstance(caller, Known) and not caller.has(self.key(key_id).definition):
            caller = PermissionDeniedError
        if not isinstance(caller, Known):
            refused(caller, lambda: self.client.rotate(key_id, grace_period_minutes=grace))
            return
        rotated = self.client.rotate(key_id, grace_period_minutes=grace)
        key = self.key(key_id)
        key.issued = self.now()
        ends = self.now() + timedelta(minutes=grace)
        if self.mock.settings.second_rotation == "ends":
            self.gone += [each for each, until in key.tokens.items() if until]
            key.tokens = {each: until for each, until in key.tokens.items() if until is None}
        key.tokens = {each: until or ends for each, until in key.tokens.items()} | {rotated.token: None}
        self.fits(rotated.api_key, key)

    @rule(minutes=st.sampled_from([0.5, 1, 29, 30, 60]))
    def time_passes(self, minutes: float) -> None:
        self.mock.clock.advance(timedelta(minutes=minutes))

    @rule(before=st.booleans())
    def the_next_grace_ends(self, *, before: bool) -> None:
        ends = [until for known in self.known for until in known.tokens.values() if until and until > self.now()]
        if ends:
            self.mock.clock.advance(min(ends) - self.now() - INSTANT * before)

    @rule(
        second=st.sampled_from(["keeps", "ends"]),
        cursor=st.booleans(),
        delay=st.sampled_from([timedelta(), timedelta(minutes=1)]),
    )
    def the_mock_is_set_otherwise(self, second: Any, delay: timedelta, *, cursor: bool) -> None:
        self.mock.settings.second_rotation = second
        self.mock.settings.cursor_on_full_last_page = cursor
        self.mock.settings.list_delay = delay

    def listed(self, caller: Known) -> list[Known]:
        """The keys that a caller finds in a list now."""
        since = self.now() - self.mock.settings.list_delay
        return [known for known in self.known if caller.manages(known.definition) and known.created <= since]

    @rule(who=NUMBERS, page_size=st.integers(1, 5))
    def list(self, who: int, page_size: int) -> None:
        caller = self.expected(self.some_token(who))
        if not isinstance(caller, Known):
            refused(caller, lambda: next(iter(self.client.list(page_size=page_size)), None))
            return
        seen = self.listed(caller)
        pages = [page.keys for page in self.client.list(page_size=page_size).pages()]
        assert [len(page) for page in pages[:-1]] == [page_size] * (len(pages) - 1)
        more = self.mock.settings.cursor_on_full_last_page
        assert len(pages) == (len(seen) // page_size + 1 if more else max(1, -(-len(seen) // page_size)))
        listed = [key for page in pages for key in page]
        assert [key.id for key in listed] == [known.id for known in seen]
        for key, known in zip(listed, seen, strict=True):
            self.fits(key, known)

    @invariant()
    def a_token_works_exactly_while_it_should(self) -> None:
        # All of them at the end; before that, those that end and one more: a request is most of what a step costs.
        every = [token for known in self.known for token in known.tokens]
        self.steps += 1
        ending = [token for known in self.known for token, ends in known.tokens.items() if ends]
        self.check([*ending[-2:], *self.gone[-1:], every[self.steps % len(every)]] if every else [])

    def check(self, tokens: Iterable[Token]) -> None:
        for token in tokens:
            answer = self.expected(token)
            if isinstance(answer, Known):
                for key, known in zip(self.client.list(), self.listed(answer), strict=True):
                    self.fits(key, known)
            else:
                refused(answer, lambda: next(iter(self.client.list(page_size=1)), None))

    def some_id(self, number: int) -> str:
        """The ID of a key, mostly of one that is there."""
        return self.known[number // 8 % len(self.known)].id if number % 8 and self.known else f"gone-{number}"

    def refusal_of(
        self, caller: Known | type[APIStatusError], definition: dict[str, Any]
    ) -> type[APIStatusError] | None:
        """What stands against a caller's giving a key that definition."""
        if not isinstance(caller, Known):
            return caller
        if MANAGE in definition["role_names"] + definition["team_role_names"]:
            return UnprocessableEntityError
        return None if caller.may_give(definition) else PermissionDeniedError

    @staticmethod
    def fits(key: APIKey, known: Known) -> None:
        assert (key.id, definition_of(key)) == (known.id, known.definition)
        assert (key.created_at, key.token_last_issued_at) == (known.created, known.issued)
        assert (key.creator.api_key.name if key.creator.api_key else None) == known.creator


def refused(kind: type[APIStatusError], call: Any) -> None:
    with pytest.raises(APIStatusError) as caught:
        call()
    assert type(caught.value) is kind


TestOrganisation = Organisation.TestCase
TestOrganisation.settings = settings(max_examples=40, stateful_step_count=40)
