"""Changes of the contract, rehearsed: what goes through, and where the rest is stopped before anything runs.

What goes through has to reach users by generation alone. What breaks has to be stopped by scripts/generate or by the
type checker, which name the place.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ..spec import ROOT
from .conftest import LARGEST_PAGE, LONGEST_GRACE, LONGEST_NAME, Project
from .vendor import manner_of_the_vendor

pytestmark = pytest.mark.exhaustive

# As many as the API gained within a year. What can be given for a team can be for the account.
ACCOUNT_ROLES = tuple(f"role_{letter * 4}" for letter in "abcdefghijklmnopqrstuvwxy")
TEAM_ROLES = ACCOUNT_ROLES[:8]

RECEIVED = """\
        rehearsed_at:
          type: string
          format: date-time
          description: When a request was last made with the key.
        rehearsal_notes:
          type: string
          description: Notes.
"""
SENT = """\
        rehearsal_notes:
          type: string
          description: Notes.
          maxLength: 5000
          pattern: ^[^|]*$
"""
ENDPOINT = """
  /v1/api_keys/{id}/actions/rehearse:
    parameters:
      - $ref: "#/components/parameters/id"
    post:
      tags: [api_keys]
      operationId: rehearse_api_key
      responses:
        "200":
          description: The key.
          content:
            application/json:
              schema: {$ref: "#/components/schemas/APIKeyResponse"}

components:
"""
# What stands where things are added, in the contract and in the facade.
ENUM = "      enum:\n"
ID = "        id:\n          type: string\n          description: What the API calls the key."
TEAM_IDS = (
    "        team_ids:\n          type: array\n          description: >-\n            The IDs of the teams in which"
)


class Rehearsal(Project):
    """A copy of the project in which the contract changes."""

    shared: Path

    def add_roles(self) -> None:
        for schema, roles in (("AccountRole", ACCOUNT_ROLES), ("TeamRole", TEAM_ROLES)):
            lines = "".join(f"        - {role}\n" for role in roles)
            head, place, tail = self.spec.read_text().partition(f"\n    {schema}:\n")
            self.spec.write_text(f"{head}{place}{tail.replace(ENUM, f'{ENUM}{lines}', 1)}")

    def receive_more(self) -> None:
        self.edit(ID, f"{RECEIVED}{ID}")

    def send_more(self) -> None:
        self.edit(TEAM_IDS, f"{SENT}{TEAM_IDS}")

    def make(self) -> None:
        """Generate, which has to succeed."""
        result = self.generate()
        assert result.returncode == 0, result.stderr

    def type_errors(self) -> list[tuple[str, str]]:
        """What the type checker has against the facade: the file of each error, and what it is."""
        # With a shared cache, mypy would report errors of one copy for another.
        cache = self.root / ".mypy_cache"
        shutil.rmtree(cache, ignore_errors=True)
        if (self.shared / "cache").exists():
            shutil.copytree(self.shared / "cache", cache)
        path = os.pathsep.join(str(self.root / name) for name in ("generated", "facade"))
        options = ("--cache-dir", cache, "--python-executable", self.shared / "bin" / "python")
        # What the caller puts before its own packages would stand in for what a copy no longer has.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [sys.executable, "-m", "mypy", *map(str, options), "facade"],
            cwd=self.root,
            env={**environment, "MYPYPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 1), done.stdout + done.stderr
        return re.findall(r"^facade/incident_io_keys/(\S+?):\d+: error: (.*)$", done.stdout, re.MULTILINE)

    def python(self, program: str) -> str:
        """Run a program that has a mock and a client of it."""
        start = (
            "from incident_io_keys import *; from incident_io_keys.testing import MockAPI\n"
            "mock = MockAPI(); keys = KeysClient(mock.token, transport=mock.transport())\n"
        )
        done = self.run("-c", start + program)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def passes(self, *rooms: str) -> None:
        """Run tests of the facade, without those that are about the network or files."""
        files = [str(file.relative_to(ROOT)) for room in rooms for file in ROOT.glob(f"tests/{room}.py")]
        left_out = "not async and not socket and not terminal and not process"
        done = self.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", left_out, *files)
        assert done.returncode == 0, done.stdout[-3000:]
        assert " passed" in done.stdout


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the dependencies only, so that mypy finds the package in the copy under test.

    Its directory `cache` is mypy's cache of the unchanged package.
    """
    place = tmp_path_factory.mktemp("types")
    venv.create(place, with_pip=False)
    here, there = (sysconfig.get_path("purelib", vars={"base": str(base)}) for base in (sys.prefix, place))
    Path(there, "needed.pth").write_text(f"{here}\n")
    unchanged = Rehearsal(place / "unchanged")
    unchanged.shared = place
    assert unchanged.type_errors() == []
    (unchanged.root / ".mypy_cache").rename(place / "cache")
    return place


@pytest.fixture
def rehearsal(tmp_path: Path, shared: Path) -> Rehearsal:
    made = Rehearsal(tmp_path / "copy")
    made.shared = shared
    return made


def test_new_roles_reach_users_by_generation_alone(rehearsal: Rehearsal) -> None:
    before = rehearsal.files()
    rehearsal.add_roles()
    rehearsal.make()
    changed = {name for name, content in rehearsal.files().items() if before.get(name) != content}
    package = "generated/incident_io_keys_generated"
    models = f"{package}/models"
    assert changed == {
        *("openapi.yaml", f"{package}/contract.py"),
        *(f"{models}/account_role.py", f"{models}/team_role.py"),
    }
    assert rehearsal.type_errors() == []
    said = rehearsal.python(
        "issued = keys.create(name='a', role_names=[AccountRole.ROLE_YYYY, 'role_aaaa'], team_ids=['1'],"
        " team_role_names=[TeamRole.ROLE_HHHH])\n"
        "print(*[role.name for role in issued.api_key.roles + issued.api_key.team_roles])"
    )
    assert said == "role_yyyy role_aaaa role_hhhh\n"


def test_new_properties_of_a_response_reach_users_by_generation_alone(rehearsal: Rehearsal) -> None:
    rehearsal.receive_more()
    rehearsal.make()
    assert rehearsal.type_errors() == []
    said = rehearsal.python(
        "key = keys.create(name='a', role_names=['viewer']).api_key; print(key.rehearsed_at, key.rehearsal_notes)\n"
        "body = {**key.to_dict(), 'rehearsed_at': '2026-10-01T00:00:00Z', 'rehearsal_notes': 'b'}\n"
        "print(APIKey.from_dict(body).rehearsed_at.year, APIKey.from_dict(body).rehearsal_notes)"
    )
    assert said == "None None\n2026 b\n"


def test_a_new_property_of_a_request_is_missed_by_a_test_that_names_each_signature(rehearsal: Rehearsal) -> None:
    rehearsal.send_more()
    rehearsal.receive_more()
    rehearsal.make()
    # Until somebody gives it an argument, nothing breaks and nobody can send it.
    assert rehearsal.type_errors() == []
    result = rehearsal.run("-m", "pytest", "-vv", "-p", "no:cacheprovider", "tests/test_definition.py")
    for client in ("client.KeysClient", "async_client.AsyncKeysClient"):
        for name in ("create", "update", "edit"):
            assert f"incident_io_keys.{client}.{name}: rehearsal_notes" in result.stdout
    assert "incident_io_keys.storage._creation.create_into: rehearsal_notes" in result.stdout
    assert "incident_io_keys.testing._mock.MockAPI.add_key: rehearsal_notes" in result.stdout


def test_the_ten_minute_job_leads_from_the_pages_to_the_api_of_today(rehearsal: Rehearsal) -> None:
    upstream = rehearsal.root / "upstream.json"
    upstream.write_text(manner_of_the_vendor())
    shutil.copy(ROOT / "tests" / "fixtures" / "two-pages.yaml", rehearsal.spec)
    compare = ("scripts/_compare_upstream.py", str(upstream))
    found = rehearsal.run(*compare)
    assert found.returncode == 1
    assert "36 differences" in found.stdout
    written = rehearsal.run(*compare, "--write-spec", str(rehearsal.spec))
    assert (written.returncode, written.stderr) == (1, "")
    assert rehearsal.run(*compare).returncode == 0
    made, ours = (YAML(typ="safe").load(file.read_text()) for file in (rehearsal.spec, ROOT / "openapi.yaml"))
    for name in ("AccountRole", "TeamRole"):
        schemas = [document["components"]["schemas"][name] for document in (made, ours)]
        assert schemas[0]["enum"] == schemas[1]["enum"]
    assert rehearsal.spec.read_text().count("# From upstream") == 5
    rehearsal.make()
    assert rehearsal.type_errors() == []
    rehearsal.passes("test_definition", "test_operations*", "test_roles", "contract/test_drift", "contract/test_keys")


def test_the_changes_of_a_year_go_through(rehearsal: Rehearsal) -> None:
    rehearsal.add_roles()
    rehearsal.receive_more()
    rehearsal.send_more()
    rehearsal.make()
    assert rehearsal.type_errors() == []
    rehearsal.passes("test_operations*", "test_roles", "test_client*", "test_twins", "test_testing_keys")
    rehearsal.passes(
        "contract/test_keys", "contract/test_rules", "contract/test_wire", "cli/test_audit", "cli/test_others"
    )


def test_other_bounds_and_another_operation_go_through(rehearsal: Rehearsal) -> None:
    rehearsal.edit(LONGEST_NAME, "maxLength: 299")
    rehearsal.edit(LARGEST_PAGE, "maximum: 499")
    rehearsal.edit(LONGEST_GRACE, "maximum: 119")
    rehearsal.edit("\ncomponents:\n", ENDPOINT)
    rehearsal.make()
    assert rehearsal.type_errors() == []
    said = rehearsal.python(
        "key = keys.create(name='a' * 299, role_names=[]).api_key; keys.rotate(key.id, grace_period_minutes=119)\n"
        "print(len([*keys.list(page_size=499)]))"
    )
    assert said == "2\n"
    # An operation that nobody has taught the mock is not there, as any path that there is not.
    said = rehearsal.python(
        "import httpx\nwith httpx.Client(transport=mock.transport(), base_url='https://a') as http:\n"
        "    print(http.post('/v1/api_keys/1/actions/rehearse').status_code)"
    )
    assert said == "404\n"
    rehearsal.passes(
        "test_operations*", "test_pagination", "test_testing", "contract/test_pages", "contract/test_calls"
    )


def test_what_the_facade_does_not_use_can_go(rehearsal: Rehearsal) -> None:
    rehearsal.edit("        - investigation_download\n", "")
    rehearsal.edit("        investigation_download: download investigations\n", "")
    head, _, tail = rehearsal.spec.read_text().partition("        slack_user_id:\n")
    rehearsal.spec.write_text(head + tail.partition("          example: U02AYNF2XJM\n")[2])
    rehearsal.make()
    assert rehearsal.type_errors() == []
    said = rehearsal.python(
        "try: keys.create(name='a', role_names=['investigation_download'])\n"
        "except InvalidRequestError as error: print(error.problems[0].field, len(mock.requests))\n"
        "body = {'id': '1', 'name': 'a', 'role': 'b', 'slack_user_id': 'c'}; print(User.from_dict(body))"
    )
    assert said == "role_names[0] 0\nUser(id='1', name='a', role='b', email=None)\n"


CREATOR = '        creator: {$ref: "#/components/schemas/Creator"}\n'
SENT_ALWAYS = "required: [name, role_names, team_ids, team_role_names"
RECEIVED_ALWAYS = "team_roles, creator, created_at"
INSTANT = "          format: date-time\n          description: When the key was created."
GLOBAL_ACCESS = "        global_access: reach everything, private incidents included\n"
BREAKING = {
    "a property of a response is gone": (
        [(CREATOR, ""), (RECEIVED_ALWAYS, "team_roles, created_at")],
        [("storage/_orphans.py", '"APIKey" has no attribute "creator"'), ("cli/_tables.py", 'attribute "creator"')],
    ),
    "a property of a response may be left out": (
        [(RECEIVED_ALWAYS, "team_roles, created_at")],
        [("storage/_orphans.py", 'Item "None" of "Creator | None" has no attribute "api_key"')],
    ),
    "a property of a response has another type": (
        [(INSTANT, "          description: When.")],
        [("cli/_tables.py", 'has incompatible type "str"; expected "datetime"')],
    ),
    "a bound is gone": (
        [(f"          {LONGEST_NAME}\n", "")],
        [("_operations.py", 'Module has no attribute "API_KEY_DEFINITION_NAME_MAX_LENGTH"')],
    ),
    "an operation has another name": (
        [("operationId: show_api_key", "operationId: get_api_key")],
        [
            ("_operations.py", 'has no attribute "show_api_key"'),
            ("testing/_api.py", 'Module has no attribute "OPERATION_SHOW_API_KEY"'),
        ],
    ),
    "a role is gone": (
        [("        - global_access\n", ""), (GLOBAL_ACCESS, "")],
        [("cli/_audit.py", '"type[AccountRole]" has no attribute "GLOBAL_ACCESS"')],
    ),
    "a response has more": (
        [(RECEIVED_ALWAYS, f"{RECEIVED_ALWAYS}, rehearsed_at"), (ID, f"{RECEIVED}{ID}")],
        [("testing/_api.py", 'Missing named argument "rehearsed_at" for "APIKey"')],
    ),
    "a person has more": (
        [("required: [id, name, role]", "required: [id, name, role, email]")],
        [("testing/_mock.py", 'Missing named argument "email" for "User"')],
    ),
    "a request needs more": (
        [(SENT_ALWAYS, f"{SENT_ALWAYS}, rehearsal_notes"), (TEAM_IDS, f"{SENT}{TEAM_IDS}")],
        [("_operations.py", 'Missing named argument "rehearsal_notes" for "APIKeyDefinition"')],
    ),
}


@pytest.mark.parametrize("what", BREAKING)
def test_what_breaks_is_stopped_by_the_type_checker_at_its_place(rehearsal: Rehearsal, what: str) -> None:
    edits, expected = BREAKING[what]
    for old, new in edits:
        rehearsal.edit(old, new)
    rehearsal.make()
    found = rehearsal.type_errors()
    for place, message in expected:
        assert any(place == file and message in said for file, said in found), (place, message, found)


def test_a_response_that_is_closed_is_stopped_by_generation(rehearsal: Rehearsal) -> None:
    name = "          description: The name of the role. It may"
    rehearsal.edit(name, f"          enum: [viewer]\n{name}")
    line = 1 + rehearsal.spec.read_text().partition("          enum: [viewer]")[0].count("\n")
    place = f"openapi.yaml:{line}: components.schemas.Role.properties.name.enum: responses are open"
    rehearsal.refuses(place)
