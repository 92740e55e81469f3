"""The rules of the audit: what they find, how much it matters, and what the command makes of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve

from incident_io_keys import APIKey, Creator, CreatorAPIKey, KeysClient, Role, User
from incident_io_keys.cli._audit import POWERFUL, Report, Review, Severity
from incident_io_keys.testing import MockAPI, faults
from incident_io_keys_generated.contract import LIMIT_ACTIVE_KEYS
from incident_io_keys_generated.models import AccountRole

from .conftest import DAY, TEAM, Run

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
PERSON = Creator(user=User(id="U", name="Jo Example", role="owner"))
HIGH, MEDIUM, LOW, INFO = Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.INFO


def key(
    id: str = "1",
    *,
    name: str | None = None,
    roles: Sequence[str] = ("viewer",),
    team_roles: Sequence[str] = (),
    creator: Creator = PERSON,
    days: float = 0,
    used: datetime | None = NOW,
) -> APIKey:
    issued = NOW - timedelta(days=days)
    return APIKey(
        id=id,
        name=name or f"key {id}",
        roles=tuple(Role(name=role, description="") for role in roles),
        team_ids=(TEAM,) if team_roles else (),
        team_roles=tuple(Role(name=role, description="") for role in team_roles),
        creator=creator,
        created_at=issued,
        token_last_issued_at=issued,
        last_used_at=used,
    )


def review(*keys: APIKey, **options: Any) -> Report:
    rules: dict[str, Any] = {
        "limit": NOW - timedelta(days=90),
        "older_than": "90 days",
        "unused_since": NOW - timedelta(days=90),
        "unused_for": "90 days",
        "powerful": frozenset(map(str, POWERFUL)),
        "accepted": frozenset(),
    }
    return Review(now=NOW, **{**rules, **options}).report(keys, "api.example")


def found(*keys: APIKey, **options: Any) -> list[tuple[str, Severity, str | None]]:
    report = review(*keys, **options)
    return [(each.check, each.severity, each.key.id if each.key else None) for each in report.findings]


def test_a_key_as_it_should_be_is_no_finding() -> None:
    assert found(key(days=89.9)) == []


@pytest.mark.parametrize(
    ("days", "severity"), [(89.999, None), (90, MEDIUM), (179.999, MEDIUM), (180, HIGH), (9999, HIGH)]
)
def test_old_tokens(days: float, severity: Severity | None) -> None:
    assert found(key(days=days)) == ([] if severity is None else [("old-token", severity, "1")])


@pytest.mark.parametrize(
    ("days", "used", "message"),
    [
        (90, None, "it was never used"),
        (89.9, None, None),
        (200, 91, "it was last used 3 months ago"),
        (200, 89.9, None),
        (0, 0, None),
    ],
)
def test_keys_that_nobody_uses(days: float, used: float | None, message: str | None) -> None:
    unused = key("1", used=None if used is None else NOW - timedelta(days=used))
    unused = evolve(unused, created_at=NOW - timedelta(days=days))
    findings = review(unused, key("2")).findings
    expected = [] if message is None else [("unused-key", LOW, "1", message)]
    assert [(each.check, each.severity, each.key and each.key.id, each.message) for each in findings] == expected


def test_a_last_use_without_a_time_zone_is_in_utc() -> None:
    instants = (datetime(2025, 1, 1), datetime(2025, 2, 1))  # noqa: DTZ001 - as an API that forgets the zone sends them
    unused = evolve(key("1"), created_at=instants[0], last_used_at=instants[1])
    assert ("unused-key", LOW, "1") in found(unused, key("2"))


def test_an_unused_key_that_may_do_much_is_worse() -> None:
    unused = evolve(key("1", roles=["global_access"], used=None), created_at=NOW - timedelta(days=90))
    assert ("unused-key", MEDIUM, "1") in found(unused, key("2"))
    assert found(unused, key("2"), unused_since=NOW - timedelta(days=91)) == [("powerful-role", HIGH, "1")]


def test_without_last_used_at_nobody_knows_which_keys_are_unused() -> None:
    old = evolve(key(used=None), created_at=NOW - timedelta(days=900))
    assert found(old) == [("unused-key", INFO, None)]
    assert (
        review(old).findings[0].message
        == "the API reported no last_used_at for these keys, so it is unknown which are unused"
    )
    assert found() == []


@pytest.mark.parametrize("where", ["roles", "team_roles"])
def test_an_old_token_of_a_key_that_may_do_much_is_worse(where: str) -> None:
    assert ("old-token", HIGH, "1") in found(key(days=90, **{where: ["api_keys_manage"]}))  # type: ignore[arg-type]
    assert ("old-token", HIGH, "1") in found(key(days=90, roles=["api_keys_manage"]), accepted=frozenset("1")), (
        "that a key may do much is accepted, and not that nobody rotates it"
    )


def test_powerful_roles() -> None:
    assert found(key(roles=["viewer", "global_access"])) == [("powerful-role", HIGH, "1")]
    assert found(key(team_roles=["api_keys_manage"])) == [("powerful-role", MEDIUM, "1")]
    assert found(key(roles=["global_access"]), accepted=frozenset("1")) == [("powerful-role", INFO, "1")]
    assert found(key(roles=["global_access"]), powerful=frozenset({"viewer"})) == []
    assert found(key(), powerful=frozenset({"viewer"})) == [("powerful-role", HIGH, "1")]
    [finding] = review(key(roles=["global_access", "viewer"], team_roles=["api_keys_manage"])).findings
    assert finding.message == "it has global_access and api_keys_manage in teams"
    assert "give it in teams only" in finding.advice
    [finding] = review(key(team_roles=["api_keys_manage"])).findings
    assert "give it in teams only" not in finding.advice


def test_the_list_of_powerful_roles_is_of_roles_that_there_are() -> None:
    assert {AccountRole.API_KEYS_MANAGE, AccountRole.GLOBAL_ACCESS, AccountRole.SECURITY_SETTINGS_EDITOR} <= set(
        POWERFUL
    )
    assert len(set(POWERFUL)) == len(POWERFUL) < len(AccountRole)


def test_roles_that_this_version_does_not_know() -> None:
    new = key(roles=["viewer", "role_of_tomorrow"], team_roles=["another_of_tomorrow"])
    assert found(new) == [("unknown-role", LOW, "1")]
    assert (
        review(new).findings[0].message
        == "it has another_of_tomorrow, role_of_tomorrow, which this version does not know"
    )
    assert found(new, accepted=frozenset("1")) == [("unknown-role", INFO, "1")]
    assert found(key(roles=["role_of_tomorrow"]), powerful=frozenset({"role_of_tomorrow"})) == [
        ("powerful-role", HIGH, "1")
    ]


def test_keys_that_a_key_made() -> None:
    made = key("2", creator=Creator(api_key=CreatorAPIKey(id="1", name="key 1")))
    assert found(key(), made) == [("made-by-key", LOW, "2")]
    assert [each.message for each in review(key(), made).findings] == ["the key key 1 made it"]
    # It may be one that the caller does not see.
    assert [each.message for each in review(made).findings] == ["the key key 1 made it, which is not among these"]
    assert found(made, accepted=frozenset("2")) == [("made-by-key", INFO, "2")]
    both = Creator(api_key=CreatorAPIKey(id="9", name="gone"), user=PERSON.user)
    assert found(key(creator=both)) == found(key(creator=Creator())) == []


def test_keys_without_roles() -> None:
    assert found(key(roles=[])) == [("no-roles", LOW, "1")]
    assert found(key(roles=[], team_roles=["schedules_reader"])) == []


def test_names_used_twice() -> None:
    keys = [key("1", name="Deploy bot"), key("2", name="deploy  BOT "), key("3", name="deploy bot 2")]
    assert found(*keys) == [("name-used-twice", LOW, "1"), ("name-used-twice", LOW, "2")]
    assert [each.message for each in review(*keys).findings] == ["it has the name of 2", "it has the name of 1"]
    four = [key(str(number), name="a") for number in range(4)]
    assert review(*four).findings[0].message == "it has the name of 1, 2, 3"
    many = [key(str(number), name="a") for number in range(5)]
    assert review(*many).findings[0].message == "it has the name of 4 others"


@pytest.mark.parametrize(
    ("share", "severity"), [(0.8998, None), (0.9, MEDIUM), (0.9798, MEDIUM), (0.98, HIGH), (1, HIGH)]
)
def test_head_room(share: float, severity: Severity | None) -> None:
    keys = [key(str(number)) for number in range(round(LIMIT_ACTIVE_KEYS * share))]
    assert found(*keys) == ([] if severity is None else [("head-room", severity, None)])


def test_a_key_that_is_listed_twice_is_one() -> None:
    assert found(key("1"), key("1")) == []
    assert len(review(key("1"), key("1")).keys) == 1


def test_any_age_and_any_instant_can_be_compared() -> None:
    ancient = evolve(key(), token_last_issued_at=datetime(1, 1, 1, tzinfo=UTC))
    assert found(ancient, limit=datetime(900, 1, 1, tzinfo=UTC)) == [("old-token", MEDIUM, "1")]
    assert found(evolve(key(), token_last_issued_at=datetime(2025, 1, 1))) == [("old-token", HIGH, "1")]  # noqa: DTZ001


def test_the_oldest_token_comes_first_among_equals() -> None:
    keys = [key("1", days=100), key("2", days=170), key("3", days=120)]
    assert [each.key and each.key.id for each in review(*keys).findings] == ["2", "3", "1"]


def test_the_worst_comes_first() -> None:
    report = review(key("1", roles=[]), key("2", days=100), key("3", roles=["global_access"], days=400))
    assert [each.severity for each in report.findings] == [HIGH, HIGH, MEDIUM, LOW]
    assert report.worst() == {"1": LOW, "2": MEDIUM, "3": HIGH}
    assert report.counts() == {HIGH: 2, MEDIUM: 1, LOW: 1, INFO: 0}


def audit(run: Run, *options: str) -> Any:
    return json.loads(run("audit", "--output", "json", *options).out)


def test_it_reviews_all_keys(process: Run, mock: MockAPI, keys: KeysClient) -> None:
    for number in range(300):
        mock.add_key(f"key {number}", ["viewer"])
    mock.add_key("old", ["viewer"], age_seconds=100 * DAY, unused_seconds=DAY)
    keys.create(name="made", role_names=["viewer"])
    result = process("audit")
    assert result.code == 0
    report = json.loads(result.out)
    assert (report["keys"], report["limit"]) == (303, LIMIT_ACTIVE_KEYS)
    assert report["counts"] == {"high": 1, "medium": 1, "low": 1, "info": 0}
    assert [(each["severity"], each["check"], each["key"]["name"]) for each in report["findings"]] == [
        ("high", "powerful-role", "Manager"),
        ("medium", "old-token", "old"),
        ("low", "made-by-key", "made"),
    ]
    assert all(each["message"] and each["advice"] for each in report["findings"])


def test_options_change_the_rules(run: Run, mock: MockAPI, keys: KeysClient) -> None:
    mock.add_key("old", ["viewer"], age_seconds=100 * DAY, unused_seconds=DAY)
    [manager, _] = keys.list()
    assert audit(run, "--older-than", "4 months")["counts"]["medium"] == 0
    assert audit(run, "--powerful-role", "catalog_viewer")["counts"] == {"high": 1, "medium": 1, "low": 0, "info": 0}
    assert audit(run, "--powerful-role", "viewer")["counts"] == {"high": 3, "medium": 0, "low": 0, "info": 0}
    assert audit(run, "--accept", manager.id)["counts"]["high"] == 0
    typo = run("audit", "--powerful-role", "global_acess")
    assert (typo.code, typo.out) == (1, "")
    assert (
        "global_acess: no key has this role, and this version does not know it; did you mean 'global_access'?"
        in typo.err
    )
    result = run("audit", "--accept", "nobody", "--accept", manager.id)
    assert result.err == "--accept nobody: there is no such key\n"


@pytest.mark.parametrize(("severity", "code"), [("high", 0), ("medium", 1), ("low", 1), ("info", 1)])
def test_fail_on_is_for_ci(run: Run, mock: MockAPI, keys: KeysClient, severity: str, code: int) -> None:
    mock.add_key("old", ["viewer"], age_seconds=100 * DAY, unused_seconds=DAY)
    [manager, _] = keys.list()
    result = run("audit", "--accept", manager.id, "--fail-on", severity)
    assert result.code == code
    count = {"high": "", "info": "2 findings"}.get(severity, "1 finding")
    assert result.err == (f"audit: {count} of severity {severity} or higher\n" if code else "")
    assert json.loads(result.out)["keys"] == 2  # the report is there all the same


def test_an_age_that_is_none_is_refused_before_anything_is_sent(run: Run, mock: MockAPI) -> None:
    result = run("audit", "--older-than", "soon")
    assert (result.code, mock.requests) == (1, [])
    assert "AGE: 'soon' is not an age" in result.err
    assert "--unused-for: 'soon' is not an age" in run("audit", "--unused-for", "soon").err


@pytest.mark.parametrize("output", ["table", "json", "markdown", "html"])
def test_every_form_of_the_report_names_unused_keys(run: Run, mock: MockAPI, output: str) -> None:
    mock.add_key("forgotten", ["viewer"], age_seconds=40 * DAY)
    assert "unused-key" not in run("audit", "--output", output).out
    out = run("audit", "--output", output, "--unused-for", "30 days").out
    assert "unused-key" in out
    assert output != "json" or json.loads(out)["unused_for"] == "30 days"
    assert "it was never used" in " ".join(out.split())
    mock.fail_next(faults.DropProperty("api_keys.last_used_at"), operation="list")
    out = run("audit", "--output", output).out
    assert "the API reported no last_used_at for these keys, so it is unknown which are unused" in " ".join(
        out.replace("all keys", "").split()
    )
