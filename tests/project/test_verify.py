"""scripts/_verify.py: a package that is not what the contract demands is found, whatever the difference is."""

from __future__ import annotations

import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import _contract
import _generate
from _expected import expect

from ..spec import ROOT
from .conftest import Project

SPEC = ROOT / "openapi.yaml"
PACKAGE = ROOT / "generated" / "incident_io_keys_generated"
SCHEMAS = "components.schemas"
ROTATE = "paths./v1/api_keys/{id}/actions/rotate.post"


@cache
def expected() -> dict[str, Any]:
    return expect(SPEC, _contract.load(SPEC))


def differences(package: Path) -> list[str]:
    """Return what differs, with its lines."""
    try:
        _contract.raise_problems(SPEC, _generate.verify(package, expected()))
    except _contract.ContractError as error:
        return [line.removeprefix(f"{SPEC}:") for line in str(error).splitlines()]
    return []


@pytest.fixture
def package(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(PACKAGE, tmp_path / PACKAGE.name, ignore=ignored))


def test_the_package_of_the_contract_has_no_difference(package: Path) -> None:
    assert differences(package) == []


USER, ROLE, CREATE = "models/user.py", "models/team_role.py", "api/api_keys/create_api_key.py"
LIST, SHOW = "api/api_keys/list_api_keys.py", "api/api_keys/show_api_key.py"


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (USER, "    email: str | None = None\n", "", f"{SCHEMAS}.User.properties.email: the class has no attribute"),
        (
            USER,
            "    role: str\n",
            "    role: str\n    extra: str = ''\n",
            f"{SCHEMAS}.User: the class also has 'extra'",
        ),
        (
            USER,
            "    role: str\n",
            "    role: str | None\n",
            "User.properties.role: the type is str | None instead of str;",
        ),
        (
            USER,
            "    role: str\n",
            "    role: str | int\n",
            "User.properties.role: the type is str | int instead of str;",
        ),
        (
            USER,
            "    role: str\n",
            "    role: object\n",
            "User.properties.role: the type is <class 'object'> instead of",
        ),
        (USER, "    role: str\n", "    role: str = ''\n", "User.properties.role: the default is '' instead of NOTHING"),
        (
            USER,
            "email: str | None = None",
            "email: str | None",
            "User.properties.email: the default is NOTHING instead of",
        ),
        (USER, "email: str | None = None", "email: str = ''", "User.properties.email: the type is str instead of"),
        (USER, "_frozen(kw_only=True)", "_frozen()", "User.properties.id: is no keyword argument of the class"),
        (USER, "class User(_Model)", "class User", f"{SCHEMAS}.User: is no class of attrs that is a Model"),
        (
            USER,
            "class User(_Model)",
            "class Person(_Model)",
            f"{SCHEMAS}.Creator: creator.py cannot be imported: ImportError",
        ),
        (USER, "    role: str\n", "    role: srt\n", f"{SCHEMAS}.User: user.py cannot be imported: NameError"),
        (
            USER,
            "user_id: str | None = None\n",
            "user_id: str | None = None\n\n\ndef more(): ...\n",
            "models.user also defines",
        ),
        (
            "models/issued_api_key_response.py",
            "token: str = _field(repr=False)",
            "token: str",
            f"{SCHEMAS}.IssuedAPIKeyResponse.properties.token: the repr shows it",
        ),
        (
            "models/creator.py",
            "user: User",
            "user: CreatorAPIKey",
            "Creator.properties.user: the type is CreatorAPIKey",
        ),
        (
            "models/error_debug.py",
            "tuple[str, ...]",
            "list[str]",
            "stacktrace: the type is list[str] instead of tuple[str,",
        ),
        (
            "models/error_debug.py",
            "tuple[str, ...]",
            "tuple[str]",
            "stacktrace: the type is tuple[str] instead of tuple[str,",
        ),
        (
            "models/error_detail_metadata.py",
            "[str, str]",
            "[str, int]",
            "ErrorDetailMetadata is Mapping[str, int] instead",
        ),
        ("models/rotate_api_key_request.py", "int = 30", "int = 31", "minutes: the default is 31 instead of 30"),
        ("models/rotate_api_key_request.py", "int = 30", "int = 30.0", "minutes: the default is 30.0 instead of 30"),
        (
            "models/api_key.py",
            "created_at: datetime",
            "created_at: str",
            "created_at: the type is str instead of datetime",
        ),
        (
            "models/pagination_meta.py",
            "page_size: int",
            "page_size: float",
            "page_size: the type is float instead of int",
        ),
        (ROLE, '    SECRETS_USE = "secrets_use"\n', "", f"{SCHEMAS}.TeamRole: the members [['SCHEDULES_EDITOR'"),
        (ROLE, '"secrets_use"', '"secrets-use"', f"{SCHEMAS}.TeamRole: the members"),
        (ROLE, "    SECRETS_USE = ", "    SECRETS_USED = ", f"{SCHEMAS}.TeamRole: the members"),
        (ROLE, '"secrets_use"\n', '"secrets_use"\n    MORE = "secrets_use"\n', f"{SCHEMAS}.TeamRole: the members"),
        (ROLE, "StrEnum", "Enum", f"{SCHEMAS}.TeamRole: is no StrEnum"),
        ("contract.py", '    "secrets_use",\n', "", f"{SCHEMAS}.AccountRole: the names"),
        (
            "contract.py",
            '= ("GET", "/v1/api_keys")',
            '= ("GET", "/v2/api_keys")',
            "paths./v1/api_keys.get: the constant",
        ),
        (
            "types.py",
            "value is not None or field.default is NOTHING",
            "True",
            f"{SCHEMAS}.APIKeyDefinition: the object",
        ),
        (
            "types.py",
            "convert(src_dict, cls)",
            "cls(**src_dict)",
            "ErrorResponse: ErrorResponse cannot be used: TypeError",
        ),
        (
            "types.py",
            "convert(src",
            'convert({"name": ""} | src',
            "User.properties.name: User can be decoded without this",
        ),
        (
            USER,
            "_frozen(kw_only=True)",
            "_frozen(kw_only=True, eq=False)",
            "User: two models of the same object differ",
        ),
        (
            SHOW,
            "/v1/api_keys/{id}",
            "/v1/api_key/{id}",
            "paths./v1/api_keys/{id}.get: the request {'method': 'GET', 'url'",
        ),
        (SHOW, '"GET"', '"PUT"', "paths./v1/api_keys/{id}.get: the request"),
        (SHOW, 'safe=""', 'safe="/"', "paths./v1/api_keys/{id}.get: the request"),
        (SHOW, 'quote(str(id), safe="")', "id", "paths./v1/api_keys/{id}.get: the request"),
        (SHOW, "id: str", "id: int", "paths./v1/api_keys/{id}.get: the builder takes"),
        (SHOW, "def build_request", "def request", "paths./v1/api_keys/{id}.get: api_keys.show_api_key has no builder"),
        (
            SHOW,
            "def build_request",
            "def more(): ...\n\n\ndef build_request",
            "get: api_keys.show_api_key also defines more",
        ),
        (CREATE, '        "json": body.to_dict(),\n', "", "paths./v1/api_keys.post: the request"),
        (CREATE, "body.to_dict()", "dict(body)", "paths./v1/api_keys.post: the builder cannot be called: TypeError"),
        (
            CREATE,
            "body: APIKeyDefinition",
            "body: APIKeyDefinition | None = None",
            "paths./v1/api_keys.post: the builder takes",
        ),
        (LIST, '"after": after', '"before": after', "paths./v1/api_keys.get: the request"),
        (LIST, '"after": after,\n', "", "paths./v1/api_keys.get: the request"),
        (LIST, " if value is not None", "", "paths./v1/api_keys.get: the request"),
        (
            LIST,
            "page_size: int | None = None",
            "page_size: int | None = 25",
            "paths./v1/api_keys.get: the builder takes",
        ),
        (LIST, "    *,\n", "", "paths./v1/api_keys.get: the builder takes"),
    ],
)
def test_a_difference_is_reported_at_its_place(package: Path, file: str, old: str, new: str, message: str) -> None:
    text = (package / file).read_text()
    assert old in text
    changed = text.replace(old, new)
    if "Enum" in (old, new):
        changed = text.replace("StrEnum", "Enum")
    (package / file).write_text(changed)
    found = differences(package)
    assert any(message in line for line in found), found
    assert not any(line.startswith("1:") for line in found), found


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("models/stray.py", "the package contains models/stray.py, which nothing in the contract demands"),
        ("api/api_keys/stray.py", "the package contains api/api_keys/stray.py"),
        ("client.py", "the package contains client.py"),
    ],
)
def test_a_surplus_file_is_reported(package: Path, file: str, message: str) -> None:
    (package / file).touch()
    [found] = differences(package)
    assert message in found


def test_a_name_that_the_package_does_not_export_is_reported(package: Path) -> None:
    file = package / "models" / "__init__.py"
    file.write_text(file.read_text().replace('    "User",\n', ""))
    [found] = differences(package)
    assert "models.__all__ and the contract differ in User" in found


def test_a_missing_module_is_reported(package: Path) -> None:
    (package / SHOW).unlink()
    [found] = differences(package)
    assert "paths./v1/api_keys/{id}.get: api_keys.show_api_key has no builder" in found


def test_a_schema_without_a_class_is_reported(package: Path) -> None:
    (package / USER).unlink()
    for name in ("creator", "__init__"):
        file = package / "models" / f"{name}.py"
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(line for line in lines if not re.search(r"\bUser\b", line)))
    [found] = differences(package)
    assert f"{SCHEMAS}.User: the package has no User" in found


MODEL, ENUM, BUILDER = (f"scripts/templates/{name}.py.jinja" for name in ("model", "str_enum", "endpoint_module"))
PROPERTIES = "in properties %}\n    {{ declare"
MEMBERS = "in enum.values.items() %}\n    {{ key }} ="


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (MODEL, PROPERTIES, PROPERTIES.replace(" %}", "[:2] %}"), "team_ids: the class has no attribute 'team_ids'"),
        (MODEL, '(none if property.required else "None")', '"None"', "name: the default is None instead of NOTHING"),
        (MODEL, '{{ "" if property.required else " | None" }}', " | None", "name: the type is str | None instead"),
        (MODEL, '"repr=False" if secret', '"repr=True" if secret', "properties.token: the repr shows it"),
        (
            ENUM,
            MEMBERS,
            MEMBERS.replace("enum.values.items()", "(enum.values.items() | list)[1:]"),
            "Role: the members",
        ),
        ("scripts/templates/type.jinja", "tuple[{{ type_of", "tuple[Any | {{ type_of", "team_ids: the type is tuple["),
        (BUILDER, "{{ endpoint.method | upper }}", "POST", "paths./v1/api_keys.get: the request"),
        (BUILDER, '"url": "{{', '"url": "/v1{{', "paths./v1/api_keys.get: the request"),
        (BUILDER, '"json": body.to_dict(),', "", "paths./v1/api_keys.post: the request"),
    ],
)
def test_a_template_that_generates_something_else_is_reported(
    project: Project, file: str, old: str, new: str, message: str
) -> None:
    project.edit(old, new, file=file)
    project.refuses(message)
    result = project.generate()
    assert all(re.match(r"\S*openapi\.yaml:\d+: ", line) for line in result.stderr.splitlines()[:-1]), result.stderr
