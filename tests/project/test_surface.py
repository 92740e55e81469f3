"""scripts/surface: what is in api-surface.txt, and how changes of it are rated."""

from __future__ import annotations

from pathlib import Path

import pytest

import _surface
import incident_io_keys
from _versions import Rating
from incident_io_keys import AccountRole, APIStatusError, IncidentIOError, KeysClient

from ..spec import ROOT
from .conftest import Project

LINES = (ROOT / "api-surface.txt").read_text().splitlines()


def test_the_surface_is_that_of_the_wheel() -> None:
    assert _surface.made().splitlines() == LINES


def test_it_has_every_public_name_and_member() -> None:
    names = {line.partition(":")[0].partition("(")[0].partition(" = ")[0] for line in LINES}
    assert {f"incident_io_keys.{name}" for name in incident_io_keys.__all__} <= names
    assert {f"incident_io_keys.AccountRole.{role.name}" for role in AccountRole} <= names
    for kind, members in (
        (KeysClient, "list create show update delete rotate with_token close __enter__ rate_limit"),
        (APIStatusError, "status type request_id errors retry_after response"),
        (IncidentIOError, "code may_have_applied"),
    ):
        assert {f"incident_io_keys.{kind.__name__}.{member}" for member in members.split()} <= names
    assert "fixture incident_io_mock: MockAPI" in LINES
    assert "incident-io-keys create --token-file: PATH" in LINES
    assert not [line for line in LINES if "_generated" in line or " object at 0x" in line]


SURFACE = """\
a.Error: class(Base)
a.Role.VIEWER = 'viewer'
a.Key: class()
a.Key.id: str (required)
a.Key.name: str (required)
a.Key.email: str | None = None
a.TokenStore: class(Base, Protocol)
a.TokenStore.load(): -> str
a.Client: class()
a.Client(token): str | None = None (positional 0)
a.Client.count: int
a.call(): -> str
a.call(x): int (required, positional 0)
a.call(y): int = 3
a.go(): async -> str
a.go(x): int (required)
a.Name = collections.abc.Callable[[int, int], str]
package requires-python: >=3.11
package extra cli: an extra
tool: command
tool list: command
tool list --output: [table|json]
tool list SHELL: {bash|zsh} (required)
tool list --all: a flag
tool list --role: ROLE (repeatable)
"""


@pytest.mark.parametrize(
    ("old", "new", "rating"),
    [
        ("a.Role.VIEWER = 'viewer'\n", "", Rating.BREAKING),
        ("'viewer'", "'reader'", Rating.BREAKING),
        ("a.Role.V", "a.Role.NEW = 'new'\na.Role.V", Rating.ADDITIVE),
        ("a.Key.name:", "a.Key.more: str (required)\na.Key.name:", Rating.BREAKING),
        ("a.Key.name:", "a.Key.more: str | None = None\na.Key.name:", Rating.ADDITIVE),
        ("a.Key.name: str (required)", "a.Key.name: str = 'a'", Rating.ADDITIVE),
        ("a.Key.name: str (required)", "a.Key.name: str | None = None", Rating.BREAKING),
        ("a.Key.email: str | None = None", "a.Key.email: str | None (required)", Rating.BREAKING),
        ("a.Key.email: str | None = None", "a.Key.email: str | None = 'a'", Rating.BREAKING),
        ("a.Key.id: str", "a.Key.id: int", Rating.BREAKING),
        ("a.Key.id: str", "a.Key.id: str | int", Rating.BREAKING),
        ("a.Error: class(Base)", "a.Error: class(Base, ValueError)", Rating.ADDITIVE),
        ("a.Error: class(Base)", "a.Error: class(ValueError)", Rating.BREAKING),
        ("a.TokenStore.load(): -> str", "a.TokenStore.load(): -> str\na.TokenStore.drop(): -> None", Rating.BREAKING),
        ("a.TokenStore.load(): -> str", "a.TokenStore.load(): -> str\na.TokenStore.load(x): int = 3", Rating.BREAKING),
        ("a.TokenStore.load(): -> str", "a.TokenStore.load(): -> str | None", Rating.BREAKING),
        ("a.Client.count: int", "a.Client.count: int\na.Client.other: int", Rating.ADDITIVE),
        ("a.Client.count: int", "a.Client.count: int | None", Rating.BREAKING),
        ("a.Client(token): str | None", "a.Client(token): str | bytes | None", Rating.ADDITIVE),
        ("a.Client(token): str | None = None", "a.Client(token): str = None", Rating.BREAKING),
        ("(positional 0)", "(positional 1)", Rating.BREAKING),
        (" = None (positional 0)", " = None", Rating.BREAKING),
        ("a.Client(token): str | None = None (p", "a.Client(token): str | None (required, p", Rating.BREAKING),
        ("a.call(): -> str", "a.call(): -> int", Rating.BREAKING),
        ("a.call(y): int = 3", "a.call(y): int = 3\na.call(z): int = 0", Rating.ADDITIVE),
        ("a.call(y): int = 3", "a.call(y): int = 3\na.call(z): int (required)", Rating.BREAKING),
        ("a.call(y): int = 3", "a.call(y): int = 4", Rating.BREAKING),
        ("a.call(y): int = 3\n", "", Rating.BREAKING),
        ("a.call(y): int = 3", "a.call(y): int = 3 (positional 1)", Rating.ADDITIVE),
        ("a.call(x): int (required, positional 0)", "a.call(x): int = 0 (positional 0)", Rating.ADDITIVE),
        ("a.call(x): int (required, positional 0)", "a.call(x): int (required)", Rating.BREAKING),
        ("a.go(): async -> str", "a.go(): -> str", Rating.BREAKING),
        ("[[int, int], str]", "[[int], str]", Rating.BREAKING),
        (">=3.11", ">=3.12", Rating.BREAKING),
        ("package extra cli: an extra\n", "", Rating.BREAKING),
        ("[table|json]", "[table|json|csv]", Rating.ADDITIVE),
        ("{bash|zsh} (required)", "{bash|zsh|fish} (required)", Rating.ADDITIVE),
        ("{bash|zsh} (required)", "{bash} (required)", Rating.BREAKING),
        ("[table|json]", "[table]", Rating.BREAKING),
        ("[table|json]", "[table|json] (required)", Rating.BREAKING),
        ("tool list --role: ROLE (repeatable)", "tool list --role: ROLE", Rating.BREAKING),
        ("tool list --all: a flag\n", "", Rating.BREAKING),
        ("tool list --all: a flag\n", "tool list --all: a flag\ntool list --id: ID (required)\n", Rating.BREAKING),
        ("tool list --all: a flag\n", "tool list --all: a flag\ntool list ID: ID (required)\n", Rating.BREAKING),
        ("tool list --all: a flag\n", "tool list --all: a flag\ntool show: command\n", Rating.ADDITIVE),
        ("a.Key: class()", "a.New: class()\na.New.id: str (required)\na.Key: class()", Rating.ADDITIVE),
        ("a.call(): -> str", "a.new(): -> str\na.new(x): int (required)\na.call(): -> str", Rating.ADDITIVE),
    ],
)
def test_each_change_is_rated(old: str, new: str, rating: Rating) -> None:
    assert old in SURFACE
    found = list(_surface.compare(SURFACE, SURFACE.replace(old, new, 1)))
    assert max(rated for rated, _ in found) == rating, found


def test_the_same_is_no_change() -> None:
    assert list(_surface.compare(SURFACE, f"# Words.\n{SURFACE}")) == []


def since(project: Project, *arguments: str) -> list[str]:
    assert project.run("scripts/_surface.py").returncode == 0
    done = project.run("scripts/_surface.py", "--since", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.exhaustive
def test_nothing_changed_since_the_release(released: Project) -> None:
    assert since(released) == ["nothing changed"]


@pytest.mark.exhaustive
def test_what_breaks_callers_is_found_wherever_it_is_written(released: Project) -> None:
    package = "facade/incident_io_keys"
    released.edit("attempts: int = 4,", "tries: int = 4,", file=f"{package}/_base_client.py")
    rotate_due = released.root / package / "storage" / "_rotate_due.py"  # public by another module's name
    rotate_due.write_text(rotate_due.read_text().replace("max_concurrency", "parallel"))
    released.edit("        age_seconds: float = 0,\n", "        age: float = 0,\n", file=f"{package}/testing/_mock.py")
    released.edit(
        "def raise_if_invalid(outcome", "def raise_if_invalid(what, outcome", file=f"{package}/_validation.py"
    )  # of no concern
    roles = "generated/incident_io_keys_generated/models/team_role.py"
    released.edit("    SCHEDULES_READER =", "    SCHEDULES_SEER =", file=roles)
    told = since(released, "v0.1.0")
    assert told[-1] == "breaking"
    assert sorted(line for line in told if "is gone" in line) == [
        "breaking  incident_io_keys.AsyncKeysClient(attempts) is gone",
        "breaking  incident_io_keys.KeysClient(attempts) is gone",
        "breaking  incident_io_keys.TeamRole.SCHEDULES_READER is gone",
        "breaking  incident_io_keys.storage.rotate_due(max_concurrency) is gone",
        "breaking  incident_io_keys.testing.MockAPI.add_key(age_seconds) is gone",
    ]


def test_a_list_that_is_not_made_anew_is_not_taken(released: Project) -> None:
    released.edit("attempts: int = 4,", "tries: int = 4,", file="facade/incident_io_keys/_base_client.py")
    done = released.run("scripts/_surface.py", "--since")
    assert (done.returncode, done.stdout) == (2, "")
    assert "api-surface.txt is not what there is: run scripts/surface" in done.stderr


def test_check_tells_what_differs_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "api-surface.txt"
    text = "\n".join(line for line in LINES if "KeysClient.rotate" not in line) + "\n"
    file.write_text(text)
    monkeypatch.setattr(_surface, "FILE", file)
    monkeypatch.setattr("sys.argv", ["", "--check"])
    assert _surface.main() == 1
    said = capsys.readouterr()
    assert "+incident_io_keys.KeysClient.rotate(grace_period_minutes): int" in said.out
    assert "run scripts/surface" in said.err
    assert file.read_text() == text
    monkeypatch.setattr("sys.argv", [""])
    assert _surface.main() == 0
    assert file.read_text().splitlines() == LINES


def test_without_a_release_it_asks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(_surface, "last_release", lambda: None)
    monkeypatch.setattr("sys.argv", ["", "--since"])
    assert _surface.main() == 2
    assert "there is no release yet" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["", "--since", "no-such-thing"])
    assert _surface.main() == 2
    assert "'no-such-thing' is no revision" in capsys.readouterr().err
