"""Says how the vendor's own OpenAPI document differs from openapi.yaml. Run it as scripts/compare-upstream.

With --write-spec it writes the openapi.yaml that would follow, for a person to review. That is read and compared once
more before it takes its place; whatever goes wrong before that leaves everything as it was.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import _contract
import _expected
import _upstream
import _upstream_spec
from _commands import ROOT
from _output import printable, say
from _upstream_compare import Comparison, Difference
from _upstream_parts import Document

WIDEST = 64
NOT_COMPARED = (
    "Not compared are words and examples, headers, servers and media types after the first, what is inside of oneOf, "
    "anyOf and not, how a parameter is written (style, explode), readOnly and writeOnly, and whether a parameter or a "
    "property is deprecated."
)
COLUMNS = ("place", "what", "upstream", "ours")


def main(arguments: list[str] | None = None) -> int:
    """Compare, and return what the program ends with: 0 if nothing differs, 1 if something does, 2 for a mistake."""
    parser = argparse.ArgumentParser(
        prog="scripts/compare-upstream",
        description="Say how the vendor's OpenAPI document differs from openapi.yaml.",
        epilog=NOT_COMPARED,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the vendor's document, in JSON")
    parser.add_argument("--json", action="store_true", help="print it for programs")
    parser.add_argument("--notes", action="store_true",
                        help="show also where openapi.yaml is the more lenient one on purpose")  # fmt: skip
    parser.add_argument("--write-spec", type=Path, metavar="OUT", help="write the openapi.yaml that would follow")
    parser.add_argument("--remove", action="store_true",
                        help="with --write-spec: remove what upstream lacks, and our words for it")  # fmt: skip
    parser.add_argument("--spec", type=Path, default=ROOT / "openapi.yaml", metavar="SPEC",
                        help="what to compare with (default: openapi.yaml)")  # fmt: skip
    given = parser.parse_args(arguments)
    if given.remove and not given.write_spec:
        parser.error("--remove goes with --write-spec")
    try:
        theirs = Document(_upstream.read(given.file), str(given.file))
        comparison = compare(theirs, given.spec)
        left = write(comparison, given) if given.write_spec else []
    except _upstream.UpstreamError as error:
        say(printable(str(error)), sys.stderr)
        return 2
    except _contract.ContractError as error:
        say(str(error), sys.stderr)  # a line for each thing that is wrong with ours
        return 2
    except OSError as error:
        say(f"{given.write_spec}: cannot be written: {error.strerror or error}", sys.stderr)
        return 2
    differences = [found for found in comparison.differences if not found.note]
    try:
        say(_json(comparison) if given.json else _text(comparison, notes=given.notes))
        if given.write_spec and not given.json:
            say(f"{given.write_spec} is written: review its diff")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has seen enough
    for found in left:
        about = "" if found.name is None else f" {_cell(found.name)}"
        say(printable(f"to be done by hand: {found.place}: {found.what}{about}: {found.by_hand}"), sys.stderr)
    return 1 if differences else 0


def compare(theirs: Document, spec: Path) -> Comparison:
    """Compare the vendor's document with a file of ours."""
    comparison = Comparison(theirs, Document(_contract.load(spec), str(spec)))
    comparison.run()
    return comparison


def write(comparison: Comparison, given: argparse.Namespace) -> list[Difference]:
    """Write the contract that follows from a comparison, once it is known to be one.

    Args:
        comparison: Upstream and ours, already compared.
        given: The arguments of the program.

    Returns:
        What a person has to do, with the reason.
    """
    out: Path = given.write_spec
    if out.exists() and out.samefile(given.file):
        raise _upstream.UpstreamError(f"{out}: is the vendor's document, and stays what it is")
    target = out.resolve()
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
    with tempfile.TemporaryDirectory(prefix=".new-", dir=target.parent) as directory:
        new = Path(directory) / target.name
        try:
            after, left = _apply_usable(comparison, given, new)
        except _contract.ContractError as error:
            raise _contract.ContractError(
                f"{out}: is not changed, since the result is not a valid contract: {error}"
            ) from error
        known = {(found.place, found.what, str(found.name)) for found in left}
        rest = (found for found in after.differences if not found.note)
        left += [
            replace(found, by_hand="it does not follow by itself")
            for found in rest
            if (found.place, found.what, str(found.name)) not in known
        ]
        new.chmod(mode)
        new.replace(target)
    return left


def _apply_usable(comparison: Comparison, given: argparse.Namespace, new: Path) -> tuple[Comparison, list[Difference]]:
    """Apply the differences that give a valid contract, and mark the others as to be done by hand."""
    with contextlib.suppress(_contract.ContractError):
        return _apply(comparison, given, new)

    def tried(found: Difference) -> Difference:
        try:
            _apply(replace(comparison, differences=[found]), given, new)
        except _contract.ContractError as error:
            return replace(found, by_hand=str(error))
        return found

    return _apply(replace(comparison, differences=list(map(tried, comparison.differences))), given, new)


def _apply(comparison: Comparison, given: argparse.Namespace, new: Path) -> tuple[Comparison, list[Difference]]:
    """Write the resulting contract to a file, and return the new comparison and what is to be done by hand.

    Raises:
        ContractError: The result is not a valid contract. The text says why, without the name of the file.
    """
    text, left = _upstream_spec.follow(comparison, given.spec.read_text(encoding="utf-8"), remove=given.remove)
    new.write_text(text, encoding="utf-8")
    try:
        after = compare(comparison.theirs, new)
        _expected.expect(new, after.ours.tree)  # scripts/generate begins with this
    except _contract.ContractError as error:
        what = str(error).partition("\n")[0].replace(str(new), "").lstrip(":0123456789 ")
        raise _contract.ContractError(what) from error
    return after, left


def _text(comparison: Comparison, *, notes: bool) -> str:
    differences = [found for found in comparison.differences if not found.note]
    lenient = [found for found in comparison.differences if found.note]
    lines = _table(differences) if differences else []
    count = len(differences)
    said = f"{count} difference{'s' * (count != 1)}" if count else f"{len(comparison.operations)} operations, the same"
    if lenient:
        hint = "" if notes else " (--notes shows them)"
        said += f"; {len(lenient)} places where openapi.yaml is the more lenient one on purpose{hint}"
    lines += [*([""] if lines else []), said]
    return "\n".join([*lines, *(["", *_table(lenient)] if notes and lenient else [])])


def _table(differences: list[Difference]) -> list[str]:
    rows = [COLUMNS, *((_place(d), d.what, _cell(d.upstream), _cell(d.ours)) for d in differences)]
    cells = [[printable(cell) for cell in row] for row in rows]
    cells = [[cell if len(cell) <= WIDEST else f"{cell[: WIDEST - 3]}..." for cell in row] for row in cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]


def _place(found: Difference) -> str:
    return found.place + (f" and {len(found.also)} more" if found.also else "")


def _cell(value: object) -> str:
    return "-" if value is None else value if isinstance(value, str) else json.dumps(value, default=str)


def _json(comparison: Comparison) -> str:
    def shown(found: Difference) -> dict[str, object]:
        names = (*COLUMNS, "also", "by_hand")
        return {name: getattr(found, name) for name in names if name != "by_hand" or found.by_hand}

    differences = [shown(found) for found in comparison.differences if not found.note]
    notes = [shown(found) for found in comparison.differences if found.note]
    document = {"same": not differences, "operations": comparison.operations}
    return json.dumps({**document, "differences": differences, "notes": notes}, indent=2, default=str)


if __name__ == "__main__":
    sys.exit(main())
