"""scripts/generate: what it generates, when it fails, and that it changes nothing else."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
from pathlib import Path

import attrs
import msgspec
import pytest

import _generate
from incident_io_keys_generated.models import ErrorDetail, ErrorSource, IssuedAPIKeyResponse

from ..spec import ROOT, example
from .conftest import LONGEST_NAME, Project


def test_the_same_contract_gives_the_same_bytes(project: Project) -> None:
    before = project.files()
    for _ in range(2):
        result = project.generate()
        assert (result.returncode, result.stdout, result.stderr) == (0, "generated/ is as it was\n", "")
        assert project.files() == before


def test_a_missing_package_is_generated(project: Project) -> None:
    before = project.files()
    shutil.rmtree(project.generated)
    assert project.generate().returncode == 0
    assert project.files() == before


def test_check_finds_every_kind_of_difference_and_changes_nothing(project: Project) -> None:
    assert project.generate("--check").returncode == 0
    package = project.generated / "incident_io_keys_generated"
    (package / "models" / "stray.py").touch()
    (package / "py.typed").unlink()
    project.edit(
        "class Role(_Model):", "class Roll(_Model):", file="generated/incident_io_keys_generated/models/role.py"
    )
    before = project.files()
    result = project.generate("--check")
    assert result.returncode == 1
    assert "-class Roll(_Model):\n+class Role(_Model):\n" in result.stdout
    assert "only in generated/: models/stray.py" in result.stdout
    assert "missing in generated/: py.typed" in result.stdout
    assert "run scripts/generate" in result.stderr
    assert project.files() == before


def test_a_property_whose_format_is_password_stays_out_of_the_repr() -> None:
    body = example("create_response")
    assert body["token"] not in repr(IssuedAPIKeyResponse.from_dict(body))
    assert "My test API key" in repr(IssuedAPIKeyResponse.from_dict(body))


def test_models_are_frozen_keyword_only_and_leave_out_what_is_absent() -> None:
    source = ErrorSource(field="name")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        source.field = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        ErrorSource("name")  # type: ignore[call-arg]
    assert (source.pointer, source.to_dict()) == (None, {"field": "name"})
    detail = ErrorDetail(code="a", message="b", source=source, metadata={"key": "value"})
    assert ErrorDetail.from_dict(detail.to_dict()) == detail
    assert msgspec.json.decode(msgspec.json.encode(detail.to_dict()), type=ErrorDetail) == detail


@pytest.mark.exhaustive
def test_another_document_can_be_named(project: Project, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    project.edit(LONGEST_NAME, "maxLength: 299")
    shutil.move(project.spec, other)
    assert project.generate("--check", str(other)).returncode == 1
    assert project.generate(str(other)).returncode == 0
    contract = (project.generated / "incident_io_keys_generated" / "contract.py").read_text()
    assert "API_KEY_DEFINITION_NAME_MAX_LENGTH: Final = 299\n" in contract


def line_of(text: str) -> int:
    return 1 + (ROOT / "openapi.yaml").read_text().split(text)[0].count("\n")


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("openapi: 3.0.3", "openapi: 2.0", "openapi.yaml:1: is no OpenAPI 3.0 document"),
        ("    get:\n", "    get: [\n", "is no YAML"),
        ("info:\n  title", "x-info:\n  title", "openapi.yaml:1: the document: 'info' is a required property"),
        (
            "maximum: 250",
            "maximum: .inf",
            f"openapi.yaml:{line_of('maximum: 250')}: paths./v1/api_keys.get.parameters.0.schema.maximum: inf is not a",
        ),
        (
            'schema: {$ref: "#/components/schemas/APIKeyResponse"}',
            'schema: {$ref: "#/components/schemas/Nothing"}',
            f"openapi.yaml:{line_of('components/schemas/APIKeyResponse')}: paths./v1/api_keys/{{id}}.get.responses.200."
            "content.application/json.schema.$ref: nothing is at '#/components/schemas/Nothing'",
        ),
        (
            'schema: {$ref: "#/components/schemas/APIKeyResponse"}',
            'schema: {$ref: "other.yaml#/Key"}',
            "is outside this document",
        ),
        (
            "description: A page of keys.\n          headers",
            "headers",
            f"openapi.yaml:{line_of('description: A page of keys.') - 1}: paths./v1/api_keys.get.responses.200: "
            "'description' is a required property",
        ),
        (
            "minLength: 1",
            "minLength: -1",
            f"openapi.yaml:{line_of('minLength: 1')}: components.schemas.APIKeyDefinition.properties.name.minLength: "
            "-1 is less than the minimum of 0",
        ),
        (
            "        - viewer\n",
            "        - viewer\n        - viewer\n",
            f"openapi.yaml:{line_of('        - viewer') - 1}: components.schemas.AccountRole.enum: ['viewer', 'viewer'",
        ),
        (
            "        pointer:\n",
            "        json-pointer:\n",
            f"openapi.yaml:{line_of('        pointer:')}: components.schemas.ErrorSource.properties.json-pointer: "
            "no attribute of a model can be called 'json-pointer'",
        ),
        (
            "        - viewer\n",
            "        - viewer\n        - Viewer\n",
            f"openapi.yaml:{line_of('        - viewer') + 1}: components.schemas.AccountRole.enum.1: the member VIEWER",
        ),
        (
            "    Creator:\n",
            "    ApiKey:\n      type: object\n      properties: {a: {type: string}}\n    Creator:\n",
            f"openapi.yaml:{line_of('    Creator:')}: components.schemas.ApiKey: ",
        ),
        (
            "security:\n  - BearerAuth: []\n",
            "security: []\n",
            f"openapi.yaml:{line_of('security:')}: security: each request has one bearer token",
        ),
        (
            "required: [code, message]",
            "required: [code, massage]",
            f"openapi.yaml:{line_of('required: [code, message]')}: components.schemas.ErrorDetail.required.1: "
            "'massage' is required, but is no property",
        ),
        (
            "operationId: update_api_key",
            "operationId: showApiKey",
            f"openapi.yaml:{line_of('operationId: update_api_key')}: paths./v1/api_keys/{{id}}.put.operationId: "
            "show_api_key is also the name of paths./v1/api_keys/{id}.get; use another",
        ),
        ("servers:\n  - url: https://api.incident.io\n", "", "servers: "),
    ],
)
def test_an_invalid_contract_changes_nothing_and_its_problem_is_reported_with_its_line(
    project: Project, old: str, new: str, message: str
) -> None:
    project.edit(old, new)
    project.refuses(message)


def test_a_missing_contract_is_reported(project: Project) -> None:
    result = project.generate("nothing.yaml")
    assert result.returncode == 1
    assert "nothing.yaml: cannot be read" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        # The generator fails after it wrote some of the models.
        (
            "scripts/templates/model.py.jinja",
            "{% else %}\n@_frozen",
            "{% else %}\n{{ nothing.at.all }}\n@_frozen",
            "openapi_python_client failed:\njinja2.exceptions.UndefinedError: 'nothing' is undefined",
        ),
        # The output is no Python.
        ("scripts/templates/model.py.jinja", "(_Model):", "(_Model)::", "ruff failed:\ninvalid-syntax: Expected"),
        # The output is Python, but cannot be imported.
        (
            "scripts/templates/types.py.jinja",
            "asdict\n",
            "asdct as asdict\n",
            "types.py cannot be imported: ImportError",
        ),
        # The output can be imported, but not used.
        (
            "scripts/templates/types.py.jinja",
            "import convert\n",
            "import convrt\n",
            "cannot be used: NameError: name 'conv",
        ),
    ],
)
def test_a_generation_that_fails_changes_nothing_and_says_why(
    project: Project, file: str, old: str, new: str, message: str
) -> None:
    project.edit(old, new, file=file)
    project.refuses(message)


@pytest.mark.exhaustive
def test_the_callers_directory_has_no_say(project: Project) -> None:
    project.edit("asdict\n", "asdct as asdict\n", file="scripts/templates/types.py.jinja")
    # This directory has a package that can be imported, and a tool that does nothing.
    (project.generated / "ruff.py").touch()
    project.refuses("cannot import name 'asdct'", cwd=project.generated)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["openapi-python-client", "ruff"])
def test_another_version_than_the_pinned_one_is_an_error(project: Project, name: str) -> None:
    pins = project.root / "scripts" / "constraints.txt"
    pins.write_text(re.sub(rf"(?m)^{name}==.*$", f"{name}==0.0.1", pins.read_text()))
    installed = importlib.metadata.version(name)
    project.refuses(f"{name} {installed} is installed, but scripts/constraints.txt pins 0.0.1; ")
    pins.write_text(pins.read_text().replace(f"{name}==", f"{name}>="))
    project.refuses(f"scripts/constraints.txt does not pin {name}; add a line")


@pytest.mark.exhaustive
def test_an_error_of_the_generator_has_a_place(project: Project) -> None:
    # Without our own rule, the generator finds these two names that it cannot tell apart.
    project.edit("!= name:\n", "== 1:\n", file="scripts/_expected_models.py")
    project.edit("        status:\n", "        type_: {type: string}\n        status:\n")
    line = line_of("    ErrorResponse:\n      type: object")
    project.refuses(
        f"openapi.yaml:{line}: components.schemas.ErrorResponse: the generator was unable to process schema"
    )


@pytest.mark.exhaustive
def test_texts_can_contain_quotes_and_backslashes(project: Project) -> None:
    text = '\'a \\ \\N{x} {id} %s """ "quoted"\''
    for old in (
        *(
            "incident.io API keys",
            "List API keys",
            "Show an API key",
            "Further facts.",
            "Which limit it is.",
            "A person.",
        ),
        *(
            "A page of keys.",
            "The ID of the key.",
            "A role for particular teams. `api_keys_manage` is among them, but can",
        ),
    ):
        project.edit(f": {old}", f": {text} #") if old.endswith("keys") else project.edit(old, text)
    result = project.generate()
    assert (result.returncode, result.stderr) == (0, "")


USER = "    User:\n      type: object\n"
ACTOR = """\
    Actor:
      type: object
      required: [kind]
      properties:
        kind: {type: string, maxLength: 9}
        email: {type: string, description: The person's address., example: jo@example.com}
        settings: {type: object, additionalProperties: {type: integer}}
"""


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "extra",
    [
        "      title: Not a name\n      allOf: [{$ref: '#/components/schemas/Actor'}]\n",
        "      allOf: [{$ref: '#/components/schemas/Middle'}, {required: [email]}]\n",
        "      allOf: [{$ref: '#/components/schemas/Actor'}, {$ref: '#/components/schemas/Middle'}]\n",
    ],
)
def test_all_of_adds_its_properties_to_those_beside_it(project: Project, extra: str) -> None:
    middle = "    Middle:\n      allOf: [{$ref: '#/components/schemas/Actor'}, {type: object, required: [kind]}]\n"
    project.edit(USER, ACTOR + middle + USER + extra)
    result = project.generate()
    assert (result.returncode, result.stderr) == (0, "")
    code = """
from incident_io_keys_generated import contract
from incident_io_keys_generated.models import User
user = {"id": "1", "name": "a", "role": "b", "kind": "c", "email": "d", "settings": {"e": 1}}
assert User.from_dict(user).to_dict() == user
assert contract.USER_KIND_MAX_LENGTH == contract.ACTOR_KIND_MAX_LENGTH == 9
print(*User.__annotations__)
"""
    result = project.run("-c", code)
    assert result.stderr == ""
    assert sorted(result.stdout.split()) == ["email", "id", "kind", "name", "role", "settings", "slack_user_id"]


def test_a_package_that_cannot_be_moved_into_place_leaves_the_old_one_there(tmp_path: Path) -> None:
    old, aside = tmp_path / "old", tmp_path / "aside"
    old.mkdir()
    (old / "module.py").touch()
    with pytest.raises(FileNotFoundError):
        _generate.replace(old, tmp_path / "not there", aside)
    assert (old / "module.py").exists()
    assert not aside.exists()


def test_the_next_run_repairs_one_that_was_killed_between_two_moves(project: Project) -> None:
    before = project.files()
    aside = project.generated / ".new-killed" / "old"
    aside.parent.mkdir()
    (project.generated / "incident_io_keys_generated").rename(aside)
    result = project.generate("nothing.yaml")
    assert "generated/ is back as it was" in result.stderr
    assert project.files() == before
