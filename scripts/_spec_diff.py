"""Says what changed between two contracts, and rates it for the users of the package. Run it as scripts/spec-diff.

What changed is found by `redocly diff`, which rates it for those who call the API. Users of this package are behind a
client, which is closed in what it sends and open in what it receives: `rate` says where that makes a difference.
An `allOf` with one member equals that member, so redocly gets both contracts with each such `allOf` removed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import _contract
import _document
import _yaml_edit
from _commands import ROOT, CommandError, git, run
from _document import METHODS, Steps, reached, steps_of
from _output import printable, say
from _versions import Rating, following, last_release, parse, shown

REDOCLY = ROOT / ".venv" / "node" / "node_modules" / ".bin" / "redocly"
SURFACE = ROOT / "api-surface.txt"

OF_REDOCLY = {"major": Rating.BREAKING, "minor": Rating.ADDITIVE, "patch": Rating.COSMETIC}
# What people read and no program does.
WORDS = {"description", "summary", "title", "example", "externalDocs", "deprecated"}
# Parameters that the client always sends, with its own defaults.
ALWAYS_SENT = {"page_size"}


class DiffError(Exception):
    """The two cannot be compared; the text says why."""


@dataclass(frozen=True)
class Change:
    """One change.

    Attributes:
        rating: What it is for users.
        file: The file in which it stands, the new one unless something is gone.
        line: Where in that.
        place: What changed, as in `APIKey.name`.
        message: What happened to it.
    """

    rating: Rating
    file: str
    line: int
    place: str
    message: str


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/spec-diff",
        description="Say what changed between two contracts: breaking, additive or cosmetic for users of the package.",
    )
    parser.add_argument("old", nargs="?", metavar="OLD",
                        help="a file, or a revision of git (default: the last release)")  # fmt: skip
    parser.add_argument("new", nargs="?", metavar="NEW", help="the same (default: openapi.yaml)")
    parser.add_argument("--json", action="store_true", help="for programs")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as directory:
            place = Path(directory)
            old = find(arguments.old, place) if arguments.old else at(_release(), place)
            changes = compare(old, find(arguments.new, place) if arguments.new else ROOT / "openapi.yaml")
        last = _release()
    except (DiffError, CommandError, _contract.ContractError) as error:
        say(str(error), sys.stderr)
        return 2
    if arguments.json:
        rows = [{**asdict(change), "rating": str(change.rating)} for change in changes]
        print(json.dumps({"changes": rows, "rating": str(total(changes)), "version": _next(last, changes)}, indent=2))
        return 0
    widths = [max((len(part) for part in parts), default=0) for parts in zip(*map(_head, changes), strict=True)]
    for change in changes:
        head = "  ".join(part.ljust(width) for part, width in zip(_head(change), widths, strict=True))
        say(f"{head}  {printable(change.message)}")
    version = _next(last, changes)
    after = f": the next version is {version} or later" if version else ""
    print(f"{total(changes)}{after}" if changes else "nothing changed")
    return 0


def find(name: str, directory: Path) -> Path:
    """The file of that name, or openapi.yaml as it was at that revision.

    Raises:
        DiffError: There is neither.
    """
    return Path(name) if Path(name).is_file() else at(name, directory)


def at(revision: str | None, directory: Path) -> Path:
    """The contract as it was at a revision of git, in a file.

    Raises:
        DiffError: There is none.
    """
    if revision is None:
        raise DiffError("there is no release yet: name what to compare with, as in `scripts/spec-diff HEAD~1`")
    try:
        text = git("show", f"{revision}:openapi.yaml")
    except CommandError:
        raise DiffError(f"{revision!r} is no file, and no revision of git that has an openapi.yaml") from None
    file = directory / ("openapi.yaml@" + re.sub(r"[^\w.~^-]", "-", revision))
    file.write_text(text, encoding="utf-8")
    return file


def compare(old: Path, new: Path) -> list[Change]:
    """All changes from one contract to another, the worst first.

    Raises:
        ContractError: One of the files is no contract.
        DiffError: redocly is not there, or has overlooked something.
        CommandError: redocly fails.
    """
    files = {"base": old, "revision": new}
    documents = {side: _without_wrappers(_contract.load(file)) for side, file in files.items()}
    marked = {side: _yaml_edit.load(file.read_text(encoding="utf-8")) for side, file in files.items()}
    sent, received = (
        {
            tuple(map(str, steps))
            for document in documents.values()
            for steps, _ in reached(document, responses=responses)
        }
        for responses in (False, True)
    )
    changes, listed = [], _redocly(documents)
    if not listed and documents["base"] != documents["revision"]:
        raise DiffError("they are not the same, but redocly finds nothing: compare them by eye")
    for found in listed:
        side = "revision" if "revision" in found and found["kind"] != "removed" else "base"
        steps = steps_of(found[side]["pointer"])
        # A member that has a value is told by the place of that value.
        near = {steps, steps[:-1]}
        place = _place(steps, documents[side])
        rating, message = rate(found, place, sent=bool(near & sent), received=bool(near & received))
        line = _contract.line_of(marked[side], steps)
        changes.append(Change(rating, files[side].name, line, place, message))
    return sorted(changes, key=lambda change: (-change.rating, change.file, change.line))


def total(changes: Iterable[Change]) -> Rating:
    """What all changes together are."""
    return max((change.rating for change in changes), default=Rating.COSMETIC)


def rate(found: dict[str, Any], place: str, *, sent: bool, received: bool) -> tuple[Rating, str]:
    """Rate a change as redocly tells it.

    Args:
        found: The change.
        place: Its place, as people write it.
        sent: Whether it is about what the client sends.
        received: Whether it is about what the API answers.
    """
    rating = OF_REDOCLY[found["impact"]]
    name, kind = found.get("property"), found["typeName"]
    old, new = (found.get(side, {}).get("value") for side in ("base", "revision"))
    message = " ".join(verdict["message"] for verdict in found["verdicts"]) or _message(found)
    if kind == "Header" or (kind == "Response" and not str(found["path"]).rpartition("/")[2].startswith("2")):
        return Rating.COSMETIC, f"{message} The client goes by the status, and does without headers."
    if kind == "SpecExtension" and found["path"].startswith("#/x-limits"):
        return Rating.ADDITIVE, f"{message} The mock keeps to it."
    if name == "deprecated":
        return Rating.COSMETIC, "It became deprecated." if new else "It is no longer deprecated."
    if name in WORDS:
        return Rating.COSMETIC, message
    if name == "enum" and isinstance(old, list):
        added, removed = (_without(new or [], old), _without(old, new or []))
        told = [f"{len(added)} more: {', '.join(added)}."] if added else []
        told += [f"{len(removed)} gone: {', '.join(removed)}."] if removed else []
        return (Rating.BREAKING if removed else Rating.ADDITIVE), " ".join(told)
    if name == "default" and sent and (own := ALWAYS_SENT & {*place.split(".")}):
        return Rating.COSMETIC, f"{message} The client always sends {own.pop()}."
    if name == "default" and sent:
        return Rating.BREAKING, f"{message} A call that leaves it out does something else."
    if name in _contract.BOUNDS:
        if not sent:
            return Rating.COSMETIC, f"{message} What is received is not held against bounds."
        return max(rating, Rating.ADDITIVE), message
    if name == "format":
        same = {old, new} <= {None, "int32", "int64"}
        return (
            (Rating.COSMETIC, f"{message} The Python type stays int.")
            if same
            else (Rating.BREAKING, f"{message} The Python type changes.")
        )
    if name in ("type", "nullable"):
        message = _message(found)  # redocly calls any other type a wider or a narrower one
        rating = max(rating, Rating.ADDITIVE if sent else rating)
        if received and (name == "type" or new):
            rating = Rating.BREAKING
    if kind == "RequestBody" and found["kind"] == "added" and isinstance(new, dict) and new.get("required"):
        return Rating.BREAKING, f"{message} It is required."
    if "security" in found["path"].split("/")[-3:] or name == "security":
        return Rating.BREAKING, f"{message} It is how callers say who they are."
    if name == "required" and not isinstance(old or new, list):
        return (Rating.BREAKING if new else Rating.ADDITIVE), message
    if name == "required":
        return _rate_required(_without(new or [], old or []), _without(old or [], new or []), sent, received)
    schema = re.fullmatch(r"#/components/schemas/(\w+)", found["path"])
    if schema and (name == "key" or found["kind"] != "modified"):
        if found["kind"] == "added":
            return Rating.COSMETIC, f"{message} What uses it is told of itself."
        gone = old if name == "key" else schema[1]
        return (Rating.BREAKING, f"{message} Users import it.") if _is_public(gone) else (Rating.COSMETIC, message)
    return rating, message


def _rate_required(added: list[str], removed: list[str], sent: bool, received: bool) -> tuple[Rating, str]:
    rating, told = Rating.COSMETIC, []
    if added:
        rating = Rating.BREAKING
        told.append(f"{', '.join(added)} became required.")
        if received and not sent:
            told.append("Who makes one, as for a test, has to give it.")
    if removed:
        rating = max(rating, Rating.BREAKING if received else Rating.ADDITIVE)
        told.append(f"{', '.join(removed)} may be left out{', and is None then' if received else ''}.")
    return rating, " ".join(told)


def _is_public(name: object) -> bool:
    """Whether the facade hands a model out, or did when it was last written down. Without a list, everything counts."""
    surfaces = [SURFACE.read_text(encoding="utf-8")] if SURFACE.exists() else []
    for revision in ("HEAD", _release()):
        with contextlib.suppress(CommandError):
            surfaces += [git("show", f"{revision}:{SURFACE.name}")] if revision else []
    return not surfaces or any(f"\nincident_io_keys.{name}:" in surface for surface in surfaces)


def _without(values: list[Any], others: list[Any]) -> list[str]:
    return [str(value) for value in values if value not in others]


def _message(found: dict[str, Any]) -> str:
    if found["kind"] != "modified":
        kind = "Property" if found["path"].split("/")[-2] == "properties" else found["typeName"]
        return f"{kind} was {found['kind']}."
    old, new = (_short(found.get(side, {}).get("value")) for side in ("base", "revision"))
    return f"{found['property']}: {old} -> {new.rstrip('.')}."


def _short(value: object) -> str:
    text = "nothing" if value is None else str(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _place(steps: Steps, document: dict[str, Any]) -> str:
    """A place as people write it: `APIKey.name` in a schema, `list_api_keys.parameters.after` in an operation."""
    match steps:
        case ("components", _, *rest):
            return ".".join(str(step) for step in rest if step != "properties")
        case ("paths", str(path), str(method), *rest) if method in METHODS:
            operation = document["paths"][path].get(method, {})
            name = operation.get("operationId", f"{method} {path}")
            if rest[:1] == ["parameters"] and len(rest) > 1:
                rest[1] = _document.resolved(document, operation["parameters"][int(rest[1])])["name"]
            return ".".join(str(step) for step in (name, *rest) if step not in ("properties", "schema"))
        case _:
            return ".".join(map(str, steps))


def _head(change: Change) -> tuple[str, str, str]:
    return str(change.rating), f"{change.file}:{change.line}", change.place


def _release() -> str | None:
    """The last release; none where there is no repository either, as in an sdist."""
    with contextlib.suppress(CommandError):
        return last_release()
    return None


def _next(last: str | None, changes: Iterable[Change]) -> str | None:
    return shown(following(parse(last[1:]), total(changes))) if last else None


def _without_wrappers(node: Any) -> Any:
    """Return a document without each `allOf` that has a single member. redocly reads the words beside a reference."""
    if isinstance(node, list):
        return [_without_wrappers(member) for member in node]
    if not isinstance(node, dict):
        return node
    node = {key: _without_wrappers(member) for key, member in node.items()}
    match node.get("allOf"):
        case [dict() as member] if node.keys() <= {"allOf", "nullable", *WORDS}:
            del node["allOf"]
            return {**member, **node}
    return node


def _redocly(documents: dict[str, Any]) -> list[dict[str, Any]]:
    if not REDOCLY.exists():
        raise DiffError("redocly is not here; it needs Node 20 and npm (remove .venv to try again)")
    with tempfile.TemporaryDirectory() as directory:
        report, *files = (Path(directory) / f"{name}.json" for name in ("report", *documents))
        for file, document in zip(files, documents.values(), strict=True):
            file.write_text(json.dumps(document, default=str), encoding="utf-8")
        options = ("--format", "json", "--fail-on", "none", "--output", report)
        quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
        run(REDOCLY, "diff", *files, *options, **quiet)
        changes: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["changes"]
    return changes


if __name__ == "__main__":
    sys.exit(main())
