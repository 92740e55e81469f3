"""Contracts that are changed at random: each generates what it says, or is rejected with a line."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import _contract
import _generate
from _expected import expect

from ..spec import ROOT, contract

Tree = dict[str, Any]
INDEPENDENT = Path(__file__).with_name("independent.py")
PACKAGE = ROOT / "generated" / "incident_io_keys_generated"
STRING = {"type": "string"}
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, float("inf"), 10**30, "", "a b", "é", "self", "x" * 300, [], {}, [STRING], STRING),
    *("string", "integer", "object", "array", "date", "password", "path", "query", "header", "bearer", "default"),
    {"$ref": "#/components/schemas/User"},
    {"type": "object", "properties": {"a": STRING}},
    {"type": "object", "additionalProperties": {"type": "integer"}},
)
KEYS = (
    *("nullable", "readOnly", "oneOf", "not", "title", "default", "format", "enum", "required", "minimum", "maxLength"),
    *("items", "additionalProperties", "security", "servers", "parameters", "allOf", "$ref", "x-enum-varnames", "list"),
)


def nodes(tree: Any, steps: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    yield steps, tree
    for key, node in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        if key not in ("examples", "example", "description", "x-enumDescriptions", "responses", "headers"):
            yield from nodes(node, (*steps, key))


def at(tree: Any, steps: tuple[Any, ...]) -> Any:
    for step in steps:
        tree = tree[step]
    return tree


def other_case(name: str, chance: random.Random) -> str:
    return chance.choice(
        (str.upper, str.lower, str.title, str.swapcase, lambda n: n.replace("_", "-"), lambda n: n + "_")
    )(name)


# Changes of one node that know nothing of OpenAPI.


def damage(tree: Tree, chance: random.Random) -> None:
    """Remove a node, copy it over another one or beside itself, rename it, or replace it."""
    every = [steps for steps, _ in nodes(tree) if len(steps) > 1]
    steps = chance.choice(every)
    parent, key = at(tree, steps[:-1]), steps[-1]
    kind = chance.randrange(6)
    if kind == 0:
        del parent[key]
    elif kind == 1:
        parent[key] = deepcopy(at(tree, chance.choice(every)))
    elif kind == 2:
        parent[key] = deepcopy(chance.choice(VALUES))
    elif isinstance(parent, list):
        parent.append(deepcopy(chance.choice((*VALUES, parent[key]))))
    elif kind == 3:
        parent[other_case(key, chance)] = deepcopy(parent[key])
    elif kind == 4:
        parent[other_case(key, chance)] = parent.pop(key)
    else:
        parent[chance.choice(KEYS)] = deepcopy(chance.choice(VALUES))


# Changes that most often give a valid contract.


def _schema(tree: Tree, chance: random.Random, *, kind: str = "properties") -> tuple[str, Any]:
    found = [(name, schema) for name, schema in tree["components"]["schemas"].items() if kind in schema]
    return chance.choice(found)


def _property(tree: Tree, chance: random.Random) -> tuple[Any, str]:
    _, schema = _schema(tree, chance)
    return schema["properties"], chance.choice(list(schema["properties"]))


def rename_property(tree: Tree, chance: random.Random) -> None:
    _, schema = _schema(tree, chance)
    name = chance.choice(list(schema["properties"]))
    new = chance.choice(
        ("list", "self", "other", "hash", "tuple", "camelCase", "a1", "é", name.upper(), "to_dict", "field")
    )
    schema["properties"][new] = schema["properties"].pop(name)
    schema["required"] = [new if each == name else each for each in schema.get("required", [name])]


def toggle_required(tree: Tree, chance: random.Random) -> None:
    _, schema = _schema(tree, chance)
    name = chance.choice(list(schema["properties"]))
    required = schema.setdefault("required", [])
    required.remove(name) if name in required else required.append(name)
    if not required:
        del schema["required"]


def change_type(tree: Tree, chance: random.Random) -> None:
    properties, name = _property(tree, chance)
    kinds: tuple[Tree, ...] = (
        *({"type": "integer"}, {"type": "number", "default": 2}, {"type": "boolean", "default": True}),
        *({"type": "string", "format": "date"}, {"type": "string", "format": "uuid"}),
        {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
        {"type": "object", "description": 'ends with "', "title": "Not a name"},
        {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Role"}},
        {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "boolean"}}},
        {"type": "string", "maxLength": 7, "pattern": "^a+$", "default": "aa", "description": 'ends with "'},
    )
    properties[name] = chance.choice(kinds)


def combine(tree: Tree, chance: random.Random) -> None:
    schemas = tree["components"]["schemas"]
    name, schema = _schema(tree, chance)
    inner = {"type": "object", "required": ["extra"], "properties": {"extra": STRING, "map": {"type": "object"}}}
    schemas["Base"] = {
        **inner,
        "allOf": [{"type": "object", "properties": {"deep": {"type": "integer", "maximum": 3}}}],
    }
    reference = {"$ref": "#/components/schemas/Base"}
    del schemas["Base"]["type"]
    how = chance.randrange(4)
    if how == 0:
        schema["allOf"] = [reference]
    elif how == 1:
        schemas[name] = {"allOf": [deepcopy(schema), reference, {"required": ["deep"]}]}
    elif how == 2:
        properties, member = _property(tree, chance)
        properties[member] = {"allOf": [reference], "description": "Wrapped."}
    else:
        schemas["Twin"] = {"allOf": [{"$ref": f"#/components/schemas/{name}"}]}


def rename_schema(tree: Tree, chance: random.Random) -> None:
    schemas = tree["components"]["schemas"]
    name = chance.choice(list(schemas))
    new = chance.choice((name + "V2", name.upper(), name.lower(), "Type", "Any", "Other_Name", "Model", "Field"))
    text = json.dumps(tree).replace(f'"#/components/schemas/{name}"', f'"#/components/schemas/{new}"')
    tree.clear()
    tree.update(json.loads(text))
    tree["components"]["schemas"][new] = tree["components"]["schemas"].pop(name)


def change_enum(tree: Tree, chance: random.Random) -> None:
    _, schema = _schema(tree, chance, kind="enum")
    values = schema["enum"]
    schema.pop("x-enumDescriptions", None)
    chance.shuffle(values)
    values[0] = chance.choice(("a-b", "a b", values[1].upper(), "1st", "None", 'q"u\\o', "x.y", values[2]))


def _operation(tree: Tree, chance: random.Random) -> Any:
    item = tree["paths"][chance.choice(list(tree["paths"]))]
    return item[chance.choice([method for method in item if method != "parameters"])]


def change_operation(tree: Tree, chance: random.Random) -> None:
    operation = _operation(tree, chance)
    names = ("showApiKey", "list", "API Keys V1#Show", "1st", "show-api-key", "update_api_key")
    changes: tuple[Tree, ...] = (
        {"operationId": chance.choice(names)},
        {"tags": [chance.choice(("Other Keys", "models", "1", "class"))]},
        {"security": chance.choice(([], [{}], [{"BearerAuth": []}], [{"Other": []}]))},
    )
    operation.update(chance.choice(changes))


def add_parameter(tree: Tree, chance: random.Random) -> None:
    name = chance.choice(
        ("name", "page-size", "body", "filter[x]", "type", "id", "value", "params", "quote", "camelCase")
    )
    schemas: tuple[Tree, ...] = (
        *(
            STRING,
            {"type": "integer", "maximum": 9},
            {"type": "boolean"},
            {"type": "number"},
            {"type": "array", "items": STRING},
        ),
        *({"$ref": "#/components/schemas/TeamRole"}, {"type": "string", "format": "date-time"}),
    )
    parameter: Tree = {
        "name": name,
        "in": chance.choice(("query", "query", "header")),
        "schema": chance.choice(schemas),
    }
    if chance.random() < 0.3:
        parameter["required"] = True
    _operation(tree, chance).setdefault("parameters", []).append(parameter)


def change_path(tree: Tree, chance: random.Random) -> None:
    paths = tree["paths"]
    path = chance.choice(list(paths))
    new = chance.choice(
        (path.replace("{id}", "{key-id}"), path + "/more", path.replace("v1", "{id}"), path + "/{type}")
    )
    item = paths[new] = paths.pop(path)
    names = re.findall("{(.*?)}", new)
    item["parameters"] = [{"name": each, "in": "path", "required": True, "schema": STRING} for each in names]


MUTATORS: tuple[Callable[[Tree, random.Random], None], ...] = (
    *(rename_property, toggle_required, change_type, combine, rename_schema),
    *(change_enum, change_operation, add_parameter, change_path),
)


def rejection(spec: Path) -> str | None:
    """Return why the contract is rejected, without generating."""
    try:
        expect(spec, _contract.load(spec))
    except _contract.ContractError as error:
        return str(error)
    return None


def write(spec: Path, tree: Tree) -> None:
    with spec.open("w") as stream:
        YAML().dump(tree, stream)


def differences(package: Path, tree: Tree) -> str:
    """Return what an independent comparison finds."""
    result = subprocess.run(
        [sys.executable, "-P", str(INDEPENDENT)],
        env={**os.environ, "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"},
        input=json.dumps(tree),
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout + result.stderr


def outcome(tmp_path: Path, tree: Tree) -> str:
    """Generate, and return "" for a package that is right, or the lines of the rejection, or the problem."""
    spec = tmp_path / "openapi.yaml"
    write(spec, tree)
    try:
        package = _generate.make(spec, tmp_path)
    except _contract.ContractError as error:
        lines = str(error).splitlines()
        wrong = [line for line in lines if not re.match(rf"{re.escape(str(spec))}:\d+: [^:]+: ", line)]
        # A message of the comparison would mean that it is the generator, or a template, that cannot do this.
        wrong += [line for line in lines if "correct the template" in line]
        return f"WRONG {wrong}" if wrong else str(error)
    except Exception as error:  # noqa: BLE001 - anything else is a defect
        return f"WRONG {type(error).__name__}: {error}"
    found = differences(package, tree)
    return f"WRONG {found}" if found else ""


@pytest.mark.exhaustive
@pytest.mark.parametrize("mutator", MUTATORS, ids=lambda mutator: mutator.__name__)
def test_a_changed_contract_generates_what_it_says_or_is_rejected(
    tmp_path: Path, mutator: Callable[[Tree, random.Random], None]
) -> None:
    for seed in range(2):
        tree = deepcopy(contract())
        mutator(tree, random.Random(f"{mutator.__name__} {seed}"))  # noqa: S311 - the same each time
        directory = tmp_path / str(seed)
        directory.mkdir()
        found = outcome(directory, tree)
        assert not found.startswith("WRONG"), (seed, found)


@pytest.mark.exhaustive
def test_a_damaged_contract_is_rejected_with_lines_or_generates_what_it_says(tmp_path: Path) -> None:
    generated = 0
    for seed in range(25):
        chance = random.Random(seed)  # noqa: S311 - the same each time
        tree = deepcopy(contract())
        damage(tree, chance)
        spec = tmp_path / "openapi.yaml"
        write(spec, tree)
        reason = rejection(spec)
        if reason is not None:
            assert all(re.match(rf"{re.escape(str(spec))}:\d+: ", line) for line in reason.splitlines()), (seed, reason)
        elif generated < 2:
            generated += 1
            directory = tmp_path / str(seed)
            directory.mkdir()
            found = outcome(directory, tree)
            assert not found.startswith("WRONG"), (seed, found)
    assert generated == 2


def test_the_independent_comparison_accepts_the_package_of_the_contract() -> None:
    assert differences(PACKAGE, contract()) == ""


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("models/user.py", "role: str", "role: str | int", "User.role: {'id': 'x/ y', 'name': 'x/ y', 'role': 7,"),
        ("models/user.py", "role: str", "role: str | None = None", "User.role: {'id': 'x/ y', 'name': 'x/ y', 'email'"),
        (
            "models/user.py",
            "    email: str | None = None\n",
            "",
            "User: {'id': 'x/ y', 'name': 'x/ y', 'role': 'x/ y', 'email",
        ),
        ("models/team_role.py", '"secrets_use"', '"secrets"', "TeamRole: "),
        ("api/api_keys/show_api_key.py", '"GET"', '"PUT"', "requests: "),
        (
            "contract.py",
            "PAGE_SIZE_MAXIMUM: Final = 250",
            "PAGE_SIZE_MAXIMUM: Final = 25",
            "no constant MAXIMUM is 250",
        ),
    ],
)
def test_the_independent_comparison_finds_differences(
    tmp_path: Path, file: str, old: str, new: str, message: str
) -> None:
    package = Path(shutil.copytree(PACKAGE, tmp_path / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__")))
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new))
    assert message in differences(package, contract())
