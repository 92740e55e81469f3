"""Makes a release: refuses what is not fit to be one, builds it twice, tries it where nothing else is, and tags it.

It publishes nothing: what it leaves is dist/ and a tag, both on this machine. Run it as scripts/release.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import _spec_diff
import _surface
from _commands import ROOT, CommandError, git, run, variables
from _contract import ContractError
from _versions import VERSION, Rating, Version, following, last_release, parse, releases, shown

CONSTRAINTS = ROOT / "scripts" / "constraints.txt"

# What somebody does first who has just installed it.
TRIAL = """
import sys
from incident_io_keys import KeysClient, __version__
from incident_io_keys.testing import MockAPI
mock = MockAPI()
with KeysClient(mock.token, transport=mock.transport()) as keys:
    issued = keys.create(name="released", role_names=["viewer"])
    assert [key.name for key in keys.list()] == ["Manager", "released"]
sys.exit(__version__ != sys.argv[1])
"""


class ReleaseError(Exception):
    """There is no release; the text says why, a line for each reason."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/release",
        description="Check, build, verify and tag a release. Nothing is published: dist/ and the tag stay here.",
    )
    parser.add_argument("version", metavar="VERSION", help="as in 1.2.3; _config.py and CHANGELOG.md say so already")
    version = parser.parse_args().version
    try:
        files = release(version)
    except (ReleaseError, CommandError) as error:
        print(f"{version} is not released:\n{error}", file=sys.stderr)
        return 1
    for file in files:
        print(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(ROOT)}")
    print(f"v{version} is tagged. Nothing was published: a push of the tag and an upload of these files do that.")
    return 0


def release(version: str) -> list[Path]:
    """Make a release of what is committed.

    Returns:
        The files, in dist/.

    Raises:
        ReleaseError: It is not fit to be one.
        CommandError: Something fails on the way. There is no tag.
    """
    commit = git("rev-parse", "HEAD").strip()
    if problems := list(unfit(version)):
        raise ReleaseError("\n".join(f"- {problem}" for problem in problems))
    print("running scripts/test --all ...", flush=True)
    if subprocess.run([ROOT / "scripts" / "test", "--all"], env=variables(), check=False).returncode:
        raise ReleaseError("- scripts/test --all fails")
    # They take minutes, in which somebody may have gone on.
    if git("rev-parse", "HEAD").strip() != commit or _dirt():
        raise ReleaseError("- the tree changed meanwhile: begin again")
    with tempfile.TemporaryDirectory() as directory:
        files = build(commit, version, Path(directory))
        dist = ROOT / "dist"
        dist.mkdir(exist_ok=True)
        git("tag", "--annotate", f"v{version}", "--message", f"Release {version}", commit)
        return [Path(shutil.copy(file, dist)) for file in files]


def unfit(version: str) -> Iterator[str]:
    """What stands against a release of that version: all of it."""
    try:
        wanted = parse(version)
    except ValueError as error:
        yield str(error)
        return
    if _dirt():
        yield "the tree is not clean: commit or remove what `git status --untracked-files=all` shows"
    try:
        git("var", "GIT_COMMITTER_IDENT")
    except CommandError:
        yield "git does not know who you are: set user.name and user.email"
    said = re.search(r'__version__ = "(.*)"', (ROOT / "facade/incident_io_keys/_config.py").read_text(encoding="utf-8"))
    if said is None or said[1] != version:
        yield f"facade/incident_io_keys/_config.py says {said[1] if said else 'nothing'}: write {version} there"
    yield from _unfit_changelog(version)
    yield from _unfit_tags(wanted)
    if last := last_release():
        try:
            yield from _unfit_changes(wanted, last)
        except (_spec_diff.DiffError, _surface.SurfaceError, ContractError, CommandError) as error:
            yield f"what changed since {last} cannot be told: {error}"


def _dirt() -> str:
    # Also what the settings of this machine would hide.
    return git("status", "--porcelain", "--untracked-files=all")


def _unfit_tags(wanted: Version) -> Iterator[str]:
    """What earlier releases stand against it, also such as this clone may not have."""
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        yield "this clone has no history, and so no releases to compare with: `git fetch --unshallow --tags`"
    known = releases()
    if wanted in known:
        yield f"there is a tag v{shown(wanted)} already"
    if beside := [version for version, merged in known.items() if not merged and version > wanted]:
        yield f"there is v{shown(max(beside))} already, on another branch"
    told = re.findall(rf"^## \[({VERSION})\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    if missing := [each for each, *_ in told if parse(each) not in known and parse(each) != wanted]:
        yield f"CHANGELOG.md tells of {', '.join(missing)}, of which there is no tag: `git fetch --tags`"


def _unfit_changes(wanted: Version, last: str) -> Iterator[str]:
    """Whether the version is too low for what changed since the last release."""
    with tempfile.TemporaryDirectory() as directory:
        contract = _spec_diff.compare(_spec_diff.at(last, Path(directory)), ROOT / "openapi.yaml")
    rated = [(change.rating, f"{change.place}: {change.message}") for change in contract] + _surface.changes(last)
    worst = max((rating for rating, _ in rated), default=Rating.COSMETIC)
    least = following(parse(last.removeprefix("v")), worst)
    if wanted < least:
        yield f"{shown(wanted)} does not fit: after {last} comes {shown(least)} or later, with what is {worst}:"
        yield from (f"  {what}" for rating, what in rated if rating is worst)


def _unfit_changelog(version: str) -> Iterator[str]:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    _, found, rest = text.partition(f"\n## [{version}] - ")
    if not found:
        yield f"CHANGELOG.md has no entry `## [{version}] - YYYY-MM-DD`: rename [Unreleased], with an empty one above"
        return
    day, _, entry = rest.partition("\n")
    try:
        date.fromisoformat(day)
    except ValueError:
        yield f"CHANGELOG.md: the day of {version} is {day!r}, and not of the form YYYY-MM-DD"
    if not re.search(r"^- ", entry.partition("\n## ")[0], re.MULTILINE):
        yield f"CHANGELOG.md says nothing of {version}"


def build(commit: str, version: str, place: Path) -> list[Path]:
    """Build wheel and sdist from a commit, twice, and try them.

    Raises:
        ReleaseError: The two builds differ, or are not of the files that were tested.
        CommandError: What they made does not work.
    """
    first, second = (_built(commit, place / name) for name in ("one", "another"))
    differing = [one.name for one, other in zip(first, second, strict=True) if one.read_bytes() != other.read_bytes()]
    if differing:
        raise ReleaseError(f"- two builds of the same commit differ: {', '.join(differing)}")
    if untested := list(_untested(first[0])):
        raise ReleaseError(f"- what was tested is not what was built: {', '.join(untested)}")
    _try(first, version, place / "environment")
    return first


def _built(commit: str, place: Path) -> list[Path]:
    """Build what a commit has, in a place of its own: wheel and sdist."""
    source = place / "source"
    source.mkdir(parents=True)
    git("archive", "--format=tar", "--output", str(place / "source.tar"), commit)
    run("tar", "-xf", place / "source.tar", "-C", source)
    # The time of the commit is that of every file in the archives.
    moment = git("log", "-1", "--format=%ct", commit).strip()
    build = (sys.executable, "-P", "-m", "build", "--no-isolation", "--outdir", place / "dist", source)
    run(*build, SOURCE_DATE_EPOCH=moment)
    return sorted((place / "dist").iterdir())


def _untested(wheel: Path) -> Iterator[str]:
    """The files of the packages that are not the same in the wheel and in the work tree, where they were tested."""
    roots = [ROOT / "facade", ROOT / "generated"]
    here = {str(file.relative_to(root)): file for root in roots for file in root.rglob("*") if file.is_file()}
    here = {name: file for name, file in here.items() if "__pycache__" not in name and "/." not in f"/{name}"}
    with zipfile.ZipFile(wheel) as archive:
        there = {name for name in archive.namelist() if ".dist-info/" not in name}
        for name in sorted(here.keys() | there):
            if name not in here or name not in there or archive.read(name) != here[name].read_bytes():
                yield name


def _try(files: list[Path], version: str, environment: Path) -> None:
    """Install each file where nothing else is, and use it."""
    run(sys.executable, "-P", "-m", "venv", environment)
    python = environment / "bin" / "python"
    # The sdist is built there too, by the build backend that is pinned.
    pins = {"PIP_CONSTRAINT": str(CONSTRAINTS), "PIP_BUILD_CONSTRAINT": str(CONSTRAINTS)}
    # The wheel brings what both need.
    for file, options in zip(files, ((), ("--force-reinstall", "--no-deps")), strict=True):
        run(
            python, "-P", "-m", "pip", "install", "-qq", "--disable-pip-version-check", *options, f"{file}[cli]", **pins
        )
        run(python, "-I", "-W", "error", "-c", TRIAL, version)
        run(python, "-I", environment / "bin" / "incident-io-keys", "demo")


if __name__ == "__main__":
    sys.exit(main())
