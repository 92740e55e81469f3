"""Compares a generated package with what the contract demands, which `_expected` derives.

`scripts/generate` runs this as a program with the new package on the path, before the package replaces the old one. It
imports nothing from the other scripts. It reads what is expected as JSON from standard input, and prints the problems
as JSON: for each the steps to its place in the contract, and a message.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import traceback
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

import attrs
import msgspec

Problem = tuple[Any, str]

FIX = "correct the template in scripts/templates, or write the contract in another way"
# A value of each type, as JSON. The string has what a URL must quote.
SAMPLES: dict[str, Any] = {
    "str": "a /?&%{é}",
    "int": 7,
    "float": 1.5,
    "bool": True,
    "datetime": "2021-08-17T13:28:57.801578Z",
    "date": "2021-08-17",
    "Any": {"any": [1]},
}


class Package:
    """A generated package, and what it must contain."""

    def __init__(self, name: str, expected: dict[str, Any]) -> None:
        self.name = name
        self.models: dict[str, Any] = expected["models"]
        self.enums: dict[str, Any] = expected["enums"]
        self.aliases: dict[str, Any] = expected["aliases"]
        self.operations: dict[str, Any] = expected["operations"]
        self.names = {**self.models, **self.enums, **self.aliases}

    def problems(self) -> Iterator[Problem]:
        """Compare all of the package."""
        try:
            package = importlib.import_module(self.name)
            models = importlib.import_module(f"{self.name}.models")
            base = importlib.import_module(f"{self.name}.types").Model
            contract = importlib.import_module(f"{self.name}.contract")
        except Exception as error:  # noqa: BLE001 - whatever the generated code raises
            yield self._failure(error)
            return
        missing = [name for name in self.names if not hasattr(models, name)]
        for name in missing:
            yield self.names[name]["steps"], f"the package has no {name}; {FIX}"
        if missing:
            return
        yield from self._surplus(Path(str(package.__file__)).parent, models)
        for name, enum in self.enums.items():
            yield from self._compare_enum(getattr(models, name), enum, contract)
        for name, alias in self.aliases.items():
            if (found := self.text(getattr(models, name), models)) != alias["type"]:
                yield alias["steps"], f"{name} is {found} instead of {alias['type']}; {FIX}"
        for name, model in self.models.items():
            yield from self._compare_model(getattr(models, name), model, models, base)
        for name, operation in self.operations.items():
            yield from self._compare_operation(name, operation, models, contract)

    def _failure(self, error: Exception) -> Problem:
        """Return the problem of a module that cannot be imported, at the schema of this module."""
        last = traceback.extract_tb(error.__traceback__)[-1].filename
        files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
        stem = Path(next((file for file in reversed(files) if self.name in file), last)).stem
        steps: list[Any] = next((each["steps"] for each in self.names.values() if each["module"] == stem), [])
        return steps, f"{stem}.py cannot be imported: {type(error).__name__}: {error}; {FIX}"

    def _surplus(self, root: Path, models: ModuleType) -> Iterator[Problem]:
        """Find files, classes and functions that nothing in the contract demands."""
        files = {"__init__.py", "contract.py", "py.typed", "types.py", "api/__init__.py", "models/__init__.py"}
        files |= {f"models/{each['module']}.py" for each in self.names.values()}
        for name in self.operations:
            directory, _, module = name.partition(".")
            files |= {f"api/{directory}/__init__.py", f"api/{directory}/{module}.py"}
        for file in sorted(root.rglob("*")):
            name = file.relative_to(root).as_posix()
            if file.is_file() and file.suffix != ".pyc" and name not in files:
                yield [], f"the package contains {name}, which nothing in the contract demands; {FIX}"
        for name in sorted({*models.__all__} ^ {*self.names}):
            yield [], f"models.__all__ and the contract differ in {name}; {FIX}"
        for name, expected in self.names.items():
            module = f"{models.__name__}.{expected['module']}"
            for other, value in vars(importlib.import_module(module)).items():
                if other != name and getattr(value, "__module__", "") == module:
                    yield expected["steps"], f"{module} also defines {other}; {FIX}"

    def _compare_enum(self, enum: Any, expected: dict[str, Any], contract: ModuleType) -> Iterator[Problem]:
        steps = expected["steps"]
        if not (isinstance(enum, type) and issubclass(enum, StrEnum)):
            yield steps, f"is no StrEnum; {FIX}"
            return
        found = [[name, member.value] for name, member in enum.__members__.items()]
        yield from differences(steps, "members", found, expected["members"])
        values = [value for _, value in expected["members"]]
        yield from differences(steps, "names", list(typing.get_args(vars(contract)[f"{enum.__name__}Name"])), values)

    def _compare_model(self, model: Any, expected: dict[str, Any], models: ModuleType, base: type) -> Iterator[Problem]:
        steps, fields = expected["steps"], expected["fields"]
        if not (isinstance(model, type) and attrs.has(model) and issubclass(model, base)):
            yield steps, f"is no class of attrs that is a Model; {FIX}"
            return
        found = {field.name: field for field in attrs.fields(model)}
        for name in found.keys() - fields.keys():
            yield steps, f"the class also has {name!r}, which is no property; {FIX}"
        for name in fields.keys() - found.keys():
            yield fields[name]["steps"], f"the class has no attribute {name!r}; {FIX}"
        if found.keys() != fields.keys():
            return
        before: list[Problem] = []
        for name, field in fields.items():
            before += self._compare_field(found[name], field, models)
        yield from before
        if not before:
            yield from self._round_trips(model, expected)

    def _compare_field(self, found: Any, field: dict[str, Any], models: ModuleType) -> Iterator[Problem]:
        steps = field["steps"]
        kind = field["type"] if field["required"] else f"{field['type']} | None"
        if (text := self.text(found.type, models)) != kind:
            yield steps, f"the type is {text} instead of {kind}; {FIX}"
        default = attrs.NOTHING if field["required"] else None
        default = field.get("default", default)
        if type(found.default) is not type(default) or found.default != default:
            yield steps, f"the default is {found.default!r} instead of {default!r}; {FIX}"
        if found.repr is field["secret"]:
            yield steps, f"the repr {'shows' if found.repr else 'does not show'} it; {FIX}"
        if not found.init or not found.kw_only or found.alias != found.name:
            yield steps, f"is no keyword argument of the class; {FIX}"

    def _round_trips(self, model: Any, expected: dict[str, Any]) -> Iterator[Problem]:
        """Compare what a model makes of a full object, of the smallest one, and of objects that lack one property."""
        steps, fields = expected["steps"], expected["fields"]
        full = {name: self.sample(field["type"]) for name, field in fields.items()}
        least = {name: full[name] for name, field in fields.items() if field["required"] and "default" not in field}
        defaults = {name: field["default"] for name, field in fields.items() if "default" in field}
        try:
            for given, result in ((full, full), (least, {**least, **defaults})):
                decoded = msgspec.json.decode(msgspec.json.encode(given), type=model)
                if decoded != model.from_dict(given) or hash(decoded) != hash(model.from_dict(given)):
                    yield steps, f"two models of the same object differ; {FIX}"
                yield from differences(steps, "object", decoded.to_dict(), result)
            for name in least:
                if accepts(model, {key: value for key, value in full.items() if key != name}):
                    yield fields[name]["steps"], f"{model.__name__} can be decoded without this property; {FIX}"
        except Exception as error:  # noqa: BLE001 - whatever the generated code raises
            yield steps, f"{model.__name__} cannot be used: {type(error).__name__}: {error}; {FIX}"

    def _compare_operation(
        self, name: str, operation: dict[str, Any], models: ModuleType, contract: ModuleType
    ) -> Iterator[Problem]:
        steps, given = operation["steps"], operation["parameters"]
        try:
            module = importlib.import_module(f"{self.name}.api.{name}")
            build = module.build_request
        except Exception as error:  # noqa: BLE001 - whatever the generated code raises
            yield steps, f"{name} has no builder: {type(error).__name__}: {error}; {FIX}"
            return
        for other, value in vars(module).items():
            if other != "build_request" and getattr(value, "__module__", "") == module.__name__:
                yield steps, f"{name} also defines {other}; {FIX}"
        constant = getattr(contract, f"OPERATION_{operation['name'].upper()}", None)
        yield from differences(steps, "constant", constant, (operation["method"], operation["path"]))
        wanted = {
            each["python_name"]: (
                each["type"] if each["required"] else f"{each['type']} | None",
                inspect.Parameter.empty if each["required"] else None,
                each["in"] == "path",
            )
            for each in given
        }
        if operation["body"]:
            wanted["body"] = (operation["body"], inspect.Parameter.empty, False)
        found = {
            each.name: (
                self.text(each.annotation, models),
                each.default,
                each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD,
            )
            for each in inspect.signature(build).parameters.values()
        }
        if found != wanted:
            yield steps, f"the builder takes {found} instead of {wanted}; {FIX}"
            return
        for few in (False, True):
            try:
                yield from self._compare_request(operation, build, models, few=few)
            except Exception as error:  # noqa: BLE001 - whatever the generated code raises
                yield steps, f"the builder cannot be called: {type(error).__name__}: {error}; {FIX}"

    def _compare_request(
        self, operation: dict[str, Any], build: Any, models: ModuleType, *, few: bool
    ) -> Iterator[Problem]:
        """Compare what a builder returns, with all arguments or with the required ones only."""
        arguments: dict[str, Any] = {}
        params: dict[str, Any] = {}
        url: str = operation["path"]
        for each in operation["parameters"]:
            if few and not each["required"]:
                continue
            value = self.sample(each["type"])
            given = getattr(models, each["type"])(value) if each["type"] in self.enums else value
            arguments[each["python_name"]] = given
            if each["in"] == "path":
                url = url.replace(f"{{{each['name']}}}", quote(str(value), safe=""))
            else:
                params[each["name"]] = value
        wanted: dict[str, Any] = {"method": operation["method"], "url": url}
        if any(each["in"] == "query" for each in operation["parameters"]):
            wanted["params"] = params
        if operation["body"]:
            body = self.sample(operation["body"])
            arguments["body"] = getattr(models, operation["body"]).from_dict(body)
            wanted["json"] = body
        yield from differences(operation["steps"], "request", build(**arguments), wanted)

    def text(self, kind: Any, models: ModuleType) -> str:
        """Return a type as text, in the form that `_expected` uses."""
        if kind is None or kind is type(None):
            return "None"
        if kind is Any:
            return "Any"
        if kind in (str, int, float, bool, date, datetime):
            return str(kind.__name__)
        if getattr(models, name := getattr(kind, "__name__", ""), None) is kind:
            return str(name)
        origin = typing.get_origin(kind)
        members = [self.text(each, models) for each in typing.get_args(kind) if each is not Ellipsis]
        if origin in (typing.Union, types.UnionType):
            return " | ".join(members)
        if origin is tuple and typing.get_args(kind)[1:] == (Ellipsis,):
            return f"tuple[{members[0]}, ...]"
        if origin is Mapping:
            return f"Mapping[{', '.join(members)}]"
        return repr(kind)

    def sample(self, kind: str) -> Any:
        """Return a value of a type, as JSON."""
        if kind.startswith("tuple["):
            return [self.sample(kind[len("tuple[") : -len(", ...]")])]
        if kind.startswith("Mapping["):
            return {"a key": self.sample(kind[len("Mapping[str, ") : -1])}
        if kind in self.enums:
            return self.enums[kind]["members"][-1][1]
        if kind in self.models:
            return {name: self.sample(field["type"]) for name, field in self.models[kind]["fields"].items()}
        return SAMPLES[kind]


def accepts(model: Any, given: dict[str, Any]) -> bool:
    """Return whether a model can be decoded from an object."""
    try:
        model.from_dict(given)
    except msgspec.ValidationError:
        return False
    return True


def differences(steps: Any, what: str, found: Any, wanted: Any) -> Iterator[Problem]:
    """Compare two values as JSON, in which 1, 1.0 and true differ."""
    if json.dumps(found, sort_keys=True, default=repr) != json.dumps(wanted, sort_keys=True):
        yield steps, f"the {what} {found!r} should be {wanted!r}; {FIX}"


if __name__ == "__main__":
    json.dump(list(Package(sys.argv[1], json.load(sys.stdin)).problems()), sys.stdout)
