"""scripts/generate: what it makes, when it refuses, and that it changes nothing else."""

from __future__ import annotations

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


def test_the_package_is_made_anew_where_there_is_none(project: Project) -> None:
    before = project.files()
    shutil.rmtree(project.generated)
    assert project.generate().returncode == 0
    assert project.files() == before


def test_check_finds_every_kind_of_difference_and_changes_nothing(project: Project) -> None:
    assert project.generate("--check").returncode == 0
    package = project.generated / "incident_io_keys_generated"
    (package / "models" / "stray.py").touch()
    (package / "py.typed").unlink()
    project.edit("class Role:", "class Roll:", file="generated/incident_io_keys_generated/models/role.py")
    before = project.files()
    result = project.generate("--check")
    assert result.returncode == 1
    assert "-class Roll:\n+class Role:\n" in result.stdout
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
        (
            'schema: {$ref: "#/components/schemas/APIKeyResponse"}',
            'schema: {$ref: "#/components/schemas/Nothing"}',
            f"openapi.yaml:{line_of('components/schemas/APIKeyResponse')}: paths./v1/api_keys/{{id}}.get.responses.200."
            "content.application/json.schema.$ref: nothing is at '#/components/schemas/Nothing'",
        ),
        (
            'schema: {$ref: "#/components/schemas/APIKeyResponse"}',
            'schema: {$ref: "other.yaml#/Key"}',
            "leads out of this document",
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
        ("        pointer:\n", "        class:\n", "no attribute of a model can be called 'class'"),
        ("        pointer:\n", "        _pointer:\n", "no attribute of a model can be called '_pointer'"),
        ("        pointer:\n", "        to_dict:\n", "no attribute of a model can be called 'to_dict'"),
        (
            "required: [code, message]",
            "required: [code, massage]",
            f"openapi.yaml:{line_of('required: [code, message]')}: components.schemas.ErrorDetail.required.1: "
            "'massage' is required, but is no property",
        ),
        ("operationId: show_api_key", "operationId: list_api_keys", "list_api_keys"),
        ("servers:\n  - url: https://api.incident.io\n", "", "servers: "),
    ],
)
def test_an_invalid_contract_changes_nothing_and_says_what_is_wrong_where(
    project: Project, old: str, new: str, message: str
) -> None:
    project.edit(old, new)
    project.refuses(message)


def test_a_contract_that_is_not_there_is_said_so(project: Project) -> None:
    result = project.generate("nothing.yaml")
    assert result.returncode == 1
    assert "nothing.yaml: cannot be read" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        # The generator warns that it leaves out the response, and goes on: --fail-on-warning stops it.
        (
            "openapi.yaml",
            'application/json:\n              schema: {$ref: "#/components/schemas/ListAPIKeysResponse"}\n',
            'application/x-own:\n              schema: {$ref: "#/components/schemas/ListAPIKeysResponse"}\n',
            "application/x-own",
        ),
        # The generator crashes half-way, after it made some of the models.
        (
            "scripts/templates/model.py.jinja",
            "{% else %}\n\n@_frozen",
            "{% else %}\n{{ nothing.at.all }}\n@_frozen",
            "nothing",
        ),
        # What it made is no Python.
        ("scripts/templates/model.py.jinja", "class {{ class_name }}:", "class {{ class_name }}::", "Expected"),
        # What it made is Python, but does not import.
        (
            "scripts/templates/model.py.jinja",
            "from msgspec import convert",
            "from msgspec import convrt",
            "cannot import name",
        ),
        # Two roles that would be one member, so that the generator crashes: its traceback is not for people.
        (
            "openapi.yaml",
            "        - viewer\n",
            "        - viewer\n        - Viewer\n",
            "failed:\nValueError: Duplicate key VIEWER in enum",
        ),
        # Two models that hold each other.
        (
            "openapi.yaml",
            "      properties:\n        field:\n",
            "      properties:\n        detail: {$ref: '#/components/schemas/ErrorDetail'}\n        field:\n",
            "circular import",
        ),
    ],
)
def test_a_generation_that_fails_changes_nothing_and_says_why(
    project: Project, file: str, old: str, new: str, message: str
) -> None:
    project.edit(old, new, file=file)
    project.refuses(message)


def test_the_callers_directory_has_no_say(project: Project) -> None:
    circle = "      properties:\n        detail: {$ref: '#/components/schemas/ErrorDetail'}\n        field:\n"
    project.edit("      properties:\n        field:\n", circle)
    # What stands here is a package that imports, and a tool that does nothing.
    (project.generated / "ruff.py").touch()
    project.refuses("circular import", cwd=project.generated)


def test_a_package_that_cannot_be_moved_into_place_leaves_the_old_one_there(tmp_path: Path) -> None:
    old, aside = tmp_path / "old", tmp_path / "aside"
    old.mkdir()
    (old / "module.py").touch()
    with pytest.raises(FileNotFoundError):
        _generate.replace(old, tmp_path / "not there", aside)
    assert (old / "module.py").exists()
    assert not aside.exists()


def test_a_run_that_was_killed_between_two_moves_is_mended_by_the_next(project: Project) -> None:
    before = project.files()
    aside = project.generated / ".new-killed" / "old"
    aside.parent.mkdir()
    (project.generated / "incident_io_keys_generated").rename(aside)
    result = project.generate("nothing.yaml")
    assert "generated/ is back as it was" in result.stderr
    assert project.files() == before
