"""Keeps api-surface.txt, and says what changed in it since a release. Run it as scripts/surface.

The lines come from `_describe`, which looks at the wheel as it is installed. There is one for each thing that users can
write, down to the single argument, so that what changed can be rated from the lines alone. This module must not know
what a class or a function is.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from _commands import ROOT, CommandError, git, run
from _versions import Rating, last_release

FILE = ROOT / "api-surface.txt"
HEADER = """\
# What users of the package can write: names, arguments, fields, members, and the options of the command. A line that
# goes or changes is theirs to mend. Made by scripts/surface from the installed wheel; do not edit.
"""


class SurfaceError(Exception):
    """The surface cannot be told; the text says why."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/surface", description="Write down what users of the package can write."
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--check", action="store_true",
                        help="change nothing; fail with a diff if api-surface.txt is not what there is")  # fmt: skip
    either.add_argument("--since", nargs="?", const="", metavar="REV",
                        help="say what changed since a revision of git (default: the last release)")  # fmt: skip
    arguments = parser.parse_args()
    try:
        if arguments.since is not None:
            return _tell(arguments.since or last_release())
        text = made()
    except (SurfaceError, CommandError) as error:
        print(error, file=sys.stderr)
        return 2
    before = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    difference = "".join(
        difflib.unified_diff(before.splitlines(True), text.splitlines(True), FILE.name, "the installed wheel", n=0)
    )
    sys.stdout.write(difference)
    if arguments.check:
        if difference:
            print(f"{FILE.name} is not what there is: run scripts/surface, and review what changes", file=sys.stderr)
        return 1 if difference else 0
    FILE.write_text(text, encoding="utf-8")
    print(f"{FILE.name} is written: review its diff" if difference else f"{FILE.name} is as it was")
    return 0


def made() -> str:
    """Build the wheel, install it into an empty directory, and write down what it offers."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        python = (sys.executable, "-P", "-m")
        run(*python, "build", "--wheel", "--no-isolation", "--outdir", place, ROOT)
        [wheel] = place.glob("*.whl")
        options = ("-qq", "--disable-pip-version-check", "--no-deps", "--no-index", "--target", place / "installed")
        run(*python, "pip", "install", *options, wheel)
        return HEADER + run(sys.executable, "-P", ROOT / "scripts" / "_describe.py", place / "installed")


def changes(revision: str) -> list[tuple[Rating, str]]:
    """What changed for users since a revision of git, which has to have an api-surface.txt.

    Raises:
        SurfaceError: It has none, or the one that there is now is not what there is.
        CommandError: The wheel cannot be made.
    """
    try:
        before = git("show", f"{revision}:{FILE.name}")
    except CommandError:
        raise SurfaceError(f"{revision!r} is no revision of git that has an {FILE.name}") from None
    after = made()
    if not FILE.exists() or after != FILE.read_text(encoding="utf-8"):
        raise SurfaceError(f"{FILE.name} is not what there is: run scripts/surface")
    return list(compare(before, after))


def compare(before: str, after: str) -> Iterator[tuple[Rating, str]]:
    """What changed between two surfaces."""
    old, new = _parsed(before), _parsed(after)
    # What users write themselves, by such a class: more of it is as bad as less.
    theirs = tuple(f"{name}." for name, was in old.items() if re.match(r"class\(.*\b(Protocol|ABC)\b", was))
    for name in old.keys() - new.keys():
        yield Rating.BREAKING, f"{name} is gone"
    for name, now in new.items():
        if name not in old:
            owner = re.match(r"(.*)(?:\.|\(| )", name.removesuffix("()"))
            around = old.get(owner[1], "") or old.get(f"{owner[1]}()", "") if owner else ""
            # What was there before has to be given more, or has to have more.
            demanded = ("(required" in now and around) or name.startswith(theirs)
            yield (Rating.BREAKING if demanded else Rating.ADDITIVE), f"{name} is new: {now}"
        elif (was := old[name]) != now:
            rating = Rating.BREAKING if name.startswith(theirs) else _rate(name, was, now)
            yield rating, f"{name}: {was} -> {now}"


def _parsed(text: str) -> dict[str, str]:
    """The names that users can write, and what stands behind each."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    found = (re.fullmatch(r"(.*?)(?:(?:: | = )(.*))?", line) for line in lines)
    return {each[1]: each[2] or "" for each in found if each}


def _rate(name: str, was: str, now: str) -> Rating:
    """Rate what stands behind a name that stays."""
    # The choices of an option, and the bases of a class: more of them take nothing away.
    for shape in (r"[\[{][\w|-]+[\]}](?P<more> \(\w+\))?", r"class\(.*\)(?P<more>)"):
        one, other = re.fullmatch(shape, was), re.fullmatch(shape, now)
        if one and other and one["more"] == other["more"]:
            fewer = set(re.findall(r"[\w-]+", was)) - set(re.findall(r"[\w-]+", now))
            return Rating.BREAKING if fewer else Rating.ADDITIVE
    old, new = _FACT.fullmatch(was), _FACT.fullmatch(now)
    assert old is not None, "it fits whatever there is"
    assert new is not None
    # An argument may be of further types now; what is read, as a field is too, may not.
    is_argument = name.endswith(")") and not name.endswith("()")
    missing = set(old["type"].split(" | ")) - set(new["type"].split(" | "))
    stays = not missing if is_argument else old["type"] == new["type"]
    stays &= old["default"] in (None, new["default"])
    stays &= old["position"] in (None, new["position"])
    stays &= old["required"] == new["required"] or not new["required"]
    return Rating.ADDITIVE if stays and old["more"] == new["more"] else Rating.BREAKING


# A type, a default, whether it has to be given, its position, and what else is said of it.
_FACT = re.compile(
    r"(?P<type>.*?)(?: = (?P<default>.*?))?"
    r"(?: \((?P<required>required)?(?:, )?(?P<position>positional \d+)?(?P<more>repeatable)?\))?"
)


def _tell(revision: str | None) -> int:
    if revision is None:
        raise SurfaceError("there is no release yet: name a revision of git, as in `scripts/surface --since HEAD~1`")
    found = sorted(changes(revision), key=lambda change: (-change[0], change[1]))
    for rating, what in found:
        print(f"{rating}  {what}")
    print(max((rating for rating, _ in found), default="nothing changed"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
