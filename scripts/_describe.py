"""Writes down the public surface of the installed package, a line for each thing that users can write.

It is run with the directory of an installation, so that what it sees is what users get. This module must not know what
the lines are compared with.
"""

from __future__ import annotations

import enum
import importlib
import importlib.metadata
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, get_args, get_origin

import attrs
import click
import griffe

MODULES = (
    "incident_io_keys",
    "incident_io_keys.storage",
    "incident_io_keys.testing",
    "incident_io_keys.testing.faults",
)
# Of what a class inherits from outside, users know it.
FOREIGN = ("builtins", "enum", "typing", "collections.abc", "abc")
# What the clients share, and what the models share. Users never write these names.
PRIVATE = ("BaseClient", "SyncClient", "AsyncClient", "Model")
# What a statement calls, beside what is called by name.
STATEMENTS = {"__call__", *("__iter__", "__aiter__", "__enter__", "__exit__", "__aenter__", "__aexit__")}


def main() -> None:
    place = Path(sys.argv[1]).resolve()
    sys.path.insert(0, str(place))
    sources = griffe.load("incident_io_keys", search_paths=[place])
    assert isinstance(sources, griffe.Object)
    for name in MODULES:
        module = importlib.import_module(name)
        assert Path(str(module.__file__)).is_relative_to(place), f"{name} is not the installed one"
        print("\n".join(module_lines(module, sources)))
    print("\n".join(package_lines(place)))
    print("\n".join(plugin_lines(importlib.import_module("incident_io_keys_pytest"))))
    commands = importlib.import_module("incident_io_keys.cli._main")._commands
    print("\n".join(command_lines("incident-io-keys", commands)))


def module_lines(module: ModuleType, sources: griffe.Object) -> Iterator[str]:
    """What a module offers."""
    names = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and name[0] != "_"
    ]
    for name in sorted(names):
        value, path = getattr(module, name), f"{module.__name__}.{name}"
        if isinstance(value, ModuleType):
            yield f"{path}: module"
        elif isinstance(value, type):
            yield from class_lines(value, path, sources)
        elif inspect.isfunction(value):
            yield from function_lines(value, path)
        elif name == "__version__":
            yield f"{path}: str"  # which one it is, is no change of the surface
        else:
            yield f"{path} = {value}"


def class_lines(kind: type, path: str, sources: griffe.Object) -> Iterator[str]:
    """A class: what it is made with, its fields or members, and what it can do."""
    bases = ", ".join(base.__name__ for base in kind.__bases__ if base is not object and base.__name__ not in PRIVATE)
    yield f"{path}: class({bases})"
    if issubclass(kind, enum.Enum):
        yield from (f"{path}.{member.name} = {member.value!r}" for member in kind)
        return
    if attrs.has(kind):
        fields = [each for each in attrs.fields(kind) if each.init and each.name[0] != "_"]
        yield from (field_line(path, each, index) for index, each in enumerate(fields))
    elif not issubclass(kind, BaseException) and not getattr(kind, "_is_protocol", False):
        makers = (each for each in kind.__mro__ if "__init__" in vars(each))
        if (maker := next(makers)) is kind or maker.__name__ in PRIVATE:
            yield from specialized(kind, function_lines(vars(maker)["__init__"], path, bound=True, called=False))
    seen = {each.name for each in attrs.fields(kind)} if attrs.has(kind) else set()
    for owner in kind.__mro__:
        # What a public base has, is told there.
        if owner.__module__ in FOREIGN or (
            owner is not kind and owner.__name__[0] != "_" and owner.__name__ not in PRIVATE
        ):
            continue
        for name, value in sorted({**attributes(owner, sources), **vars(owner)}.items()):
            if name in seen or (name[0] == "_" and name not in STATEMENTS):
                continue
            seen.add(name)
            yield from specialized(kind, member_lines(value, f"{path}.{name}"))


def specialized(kind: type, lines: Iterable[str]) -> Iterator[str]:
    """Lines in which the variables of generic bases are replaced by what a class has for them."""
    arguments = {
        variable.__name__: shown(argument)
        for owner in kind.__mro__
        for base in vars(owner).get("__orig_bases__", ())
        if get_origin(base) not in (None, Generic)
        for variable, argument in zip(get_origin(base).__parameters__, get_args(base), strict=True)
    }
    for line in lines:
        yield re.sub(r"\b\w+T\b", lambda name: arguments.get(name[0], name[0]), line)


def field_line(path: str, field: attrs.Attribute[Any], index: int) -> str:
    """A field of an attrs class, which is an argument too."""
    order = "" if field.kw_only else f", positional {index}"
    if field.default is attrs.NOTHING:
        return f"{path}.{field.name}: {shown(field.type)} (required{order})"
    default = "..." if isinstance(field.default, attrs.Factory) else repr(field.default)  # type: ignore[arg-type]
    return f"{path}.{field.name}: {shown(field.type)} = {default}{order and f' ({order[2:]})'}"


def member_lines(value: Any, path: str) -> Iterator[str]:
    """A method, a property or an attribute."""
    if isinstance(value, property):
        yield f"{path}: {inspect.signature(value.fget).return_annotation}" if value.fget else path
    elif isinstance(value, classmethod | staticmethod):
        yield from function_lines(value.__func__, path, bound=isinstance(value, classmethod))
    elif inspect.isfunction(value):
        yield from function_lines(value, path, bound=True)
    else:
        yield f"{path}: {value}" if isinstance(value, griffe.Expr) else path


def function_lines(function: Any, path: str, *, bound: bool = False, called: bool = True) -> Iterator[str]:
    """A function: what it returns, unless that is known, and a line for each argument."""
    signature = inspect.signature(function)
    if called:
        kind = "async " if inspect.iscoroutinefunction(function) else ""
        yield f"{path}(): {kind}-> {shown(signature.return_annotation)}"
    parameters = list(signature.parameters.values())[1 if bound else 0 :]
    for index, parameter in enumerate(parameters):
        star = "*" * (parameter.kind is parameter.VAR_POSITIONAL) + "**" * (parameter.kind is parameter.VAR_KEYWORD)
        notes = ["required"] if parameter.default is parameter.empty and not star else []
        notes += [] if star or parameter.kind is parameter.KEYWORD_ONLY else [f"positional {index}"]
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        ending = f" ({', '.join(notes)})" if notes else ""
        yield f"{path}({star}{parameter.name}): {shown(parameter.annotation)}{default}{ending}"


def shown(annotation: Any) -> str:
    """An annotation, as it is written."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(incident_io_keys\w*|collections\.abc|typing)\.(\w+\.)*(?=\w)", "", text)


def attributes(kind: type, sources: griffe.Object) -> dict[str, Any]:
    """What the methods of a class give its instances, which nobody sees who only imports it: names and annotations."""
    package, _, module = kind.__module__.partition(".")
    if package != sources.name:
        return {}
    found = sources[f"{module}.{kind.__qualname__}"]
    return {
        name: each.annotation
        for name, each in found.members.items()
        if isinstance(each, griffe.Attribute) and "instance-attribute" in each.labels
    }


def package_lines(place: Path) -> Iterator[str]:
    """What the package asks of who installs it, and offers."""
    [installed] = importlib.metadata.distributions(path=[str(place)])
    yield f"package requires-python: {installed.metadata['Requires-Python']}"
    yield from (
        f"package extra {extra}: an extra" for extra in sorted(installed.metadata.get_all("Provides-Extra") or ())
    )
    yield from (f"package {entry.group} {entry.name}: {entry.value}" for entry in installed.entry_points)


def plugin_lines(plugin: ModuleType) -> Iterator[str]:
    """The fixtures for pytest."""
    for name, value in sorted(vars(plugin).items()):
        if name.startswith("incident_io"):
            yield f"fixture {name}: {inspect.signature(value.__wrapped__).return_annotation}"


def command_lines(path: str, command: click.Command) -> Iterator[str]:
    """A command with its options and arguments, and the commands in it."""
    yield f"{path}: command"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            kind = "a flag" if parameter.is_flag else parameter.make_metavar(click.Context(command))
            more = " (repeatable)" if parameter.multiple else " (required)" if parameter.required else ""
            yield f"{path} {'/'.join(parameter.opts)}: {kind}{more}"
        else:
            what = parameter.make_metavar(click.Context(command))
            yield f"{path} {str(parameter.name).upper()}: {what}{' (required)' if parameter.required else ''}"
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from command_lines(f"{path} {name}", command.commands[name])


if __name__ == "__main__":
    main()
