"""scripts/release: what it refuses, and what it leaves."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import _commands
import _release
import _spec_diff

from ..spec import ROOT
from .conftest import LONGEST_NAME, Project

pytestmark = pytest.mark.exhaustive

needs_redocly = pytest.mark.skipif(not _spec_diff.REDOCLY.exists(), reason="redocly is not here; it needs Node 20")
LINE = "## [Unreleased]\n"
ENTRY = f"{LINE}\n## [0.1.1] - 2026-11-22\n\n### Fixed\n\n- It works.\n"


def git(project: Project, *arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=True).stdout


def commit(project: Project) -> None:
    git(project, "commit", "--all", "--quiet", "--message", "A change")


def release(project: Project, version: str = "0.1.1") -> subprocess.CompletedProcess[str]:
    return project.run("scripts/_release.py", version)


def refused(project: Project, version: str = "0.1.1") -> str:
    done = release(project, version)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{version} is not released:\n")
    assert "_release.py" not in done.stderr, "it is no traceback of its own"
    assert git(project, "tag", "--list").split() == ["v0.1.0"]
    assert not (project.root / "dist").exists()
    return done.stderr


@pytest.fixture
def ready(released: Project) -> Project:
    """A copy that is ready for 0.1.1, whose tests do nothing."""
    (released.root / ".venv").mkdir()
    (released.root / ".venv" / "node").symlink_to(ROOT / ".venv" / "node")
    (released.root / ".gitignore").write_text("/.venv/\n/dist/\n__pycache__/\n")
    git(released, "add", ".gitignore")
    test = released.root / "scripts" / "test"
    test.write_text("#!/bin/sh\ntouch .venv/tested\n")
    released.edit('"0.1.0"', '"0.1.1"', file="facade/incident_io_keys/_config.py")
    released.edit(LINE, ENTRY, file="CHANGELOG.md")
    commit(released)
    return released


@needs_redocly
def test_all_that_is_wrong_is_told_at_once(ready: Project) -> None:
    ready.edit("        - viewer\n", "")
    ready.edit("attempts: int = 4,", "tries: int = 4,", file="facade/incident_io_keys/_base_client.py")
    ready.edit('        viewer: "see what everyone in the organisation sees: public incidents, settings"\n', "")
    assert ready.run("scripts/_surface.py").returncode == 0
    told = refused(ready, "0.1.0")
    for words in (
        "the tree is not clean",
        "there is a tag v0.1.0 already",
        "_config.py says 0.1.1: write 0.1.0 there",
        "CHANGELOG.md has no entry `## [0.1.0] - YYYY-MM-DD`",
        "0.1.0 does not fit: after v0.1.0 comes 0.2.0 or later, with what is breaking:",
        "AccountRole.enum: 1 gone: viewer.",
        "KeysClient(attempts) is gone",
    ):
        assert words in told
    assert not (ready.root / ".venv" / "tested").exists()


@needs_redocly
@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("CHANGELOG.md", "2026-11-22", "today", "the day of 0.1.1 is 'today'"),
        ("CHANGELOG.md", "- It works.\n", "\n## [0.0.1] - 2026-01-01\n", "CHANGELOG.md says nothing of 0.1.1"),
        ("openapi.yaml", LONGEST_NAME, "maxLength: 50", "after v0.1.0 comes 0.2.0"),
        (
            "api-surface.txt",
            "incident_io_keys.KeysClient.close(): -> None\n",
            "",
            "is not what there is: run scripts/surface",
        ),
        ("scripts/test", "touch", "exit 1; touch", "scripts/test --all fails"),
        ("scripts/test", "touch", "touch api.txt; touch", "the tree changed meanwhile"),
        ("facade/incident_io_keys/testing/__init__.py", "from . import faults\n", "1 / 0\n", "failed:"),
    ],
)
def test_what_is_not_fit_is_refused(ready: Project, file: str, old: str, new: str, words: str) -> None:
    ready.edit(old, new, file=file)
    commit(ready)
    assert words in refused(ready)


@needs_redocly
def test_a_clone_that_lacks_releases_is_refused(ready: Project, tmp_path: Path) -> None:
    git(ready, "tag", "--delete", "v0.1.0")
    ready.edit("## [0.1.1]", "## [0.1.1] - 2026-11-22\n\n- More.\n\n## [0.1.0]", file="CHANGELOG.md")
    commit(ready)
    done = release(ready)
    assert done.returncode == 1
    assert "CHANGELOG.md tells of 0.1.0, of which there is no tag" in done.stderr
    shallow = tmp_path / "shallow"
    git(ready, "clone", "--quiet", "--depth", "1", f"file://{ready.root}", str(shallow))
    done = subprocess.run(
        [sys.executable, "scripts/_release.py", "0.1.1"], cwd=shallow, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "this clone has no history" in done.stderr


@needs_redocly
def test_a_release_beside_a_later_one_is_refused(ready: Project) -> None:
    git(ready, "switch", "--quiet", "--create", "other", "v0.1.0")
    git(ready, "commit", "--allow-empty", "--quiet", "--message", "Elsewhere")
    git(ready, "tag", "--annotate", "v0.3.0", "--message", "Elsewhere")
    git(ready, "switch", "--quiet", "main")
    done = release(ready)
    assert done.returncode == 1
    assert "there is v0.3.0 already, on another branch" in done.stderr


@needs_redocly
def test_what_this_machine_hides_is_seen(ready: Project) -> None:
    git(ready, "config", "status.showUntrackedFiles", "no")
    stray = ready.root / "facade" / "incident_io_keys" / "stray.py"
    stray.touch()
    assert "the tree is not clean" in refused(ready)
    # What git is told to overlook is not built, and so not what was tested.
    stray.unlink()
    ready.edit("Show a key.", "Show the key.", file="facade/incident_io_keys/client.py")
    git(ready, "update-index", "--assume-unchanged", "facade/incident_io_keys/client.py")
    assert "what was tested is not what was built: incident_io_keys/client.py" in refused(ready)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no repository")
def test_nothing_that_lies_around_takes_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module in the caller's directory, or on a path of the caller's, that is called as a tool or as the package."""
    for name in ("build.py", "pip.py", "incident_io_keys.py", "sitecustomize.py"):
        (tmp_path / name).write_text("import sys; sys.exit('planted')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert _commands.run(sys.executable, "-P", "-m", "pip", "--version").startswith("pip ")
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    assert _commands.git("rev-parse", "--show-toplevel").strip() == str(ROOT.resolve())


def test_whoever_git_does_not_know_is_told_so_before_anything_is_done(
    ready: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(ready, "config", "--unset", "user.email")
    git(ready, "config", "user.useConfigOnly", "true")
    monkeypatch.setenv("HOME", str(ready.root / "nobody"))
    for name in ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    assert "git does not know who you are" in refused(ready)


@pytest.mark.parametrize("version", ["1", "v0.1.1", "0.1.1rc1"])
def test_what_is_no_version_is_refused(released: Project, version: str) -> None:
    assert f"{version!r} is no version" in refused(released, version)


@needs_redocly
def test_a_release_is_built_tried_and_tagged(ready: Project) -> None:
    # What git does not have is not in it, and nor is what the machine is like.
    (ready.root / "facade" / "incident_io_keys" / "__pycache__").mkdir()
    (ready.root / "facade" / "incident_io_keys" / "__pycache__" / "stray.py").touch()
    done = release(ready)
    assert done.returncode == 0, done.stderr
    assert (ready.root / ".venv" / "tested").exists()
    assert git(ready, "rev-parse", "v0.1.1^{commit}") == git(ready, "rev-parse", "HEAD")
    assert git(ready, "status", "--porcelain") == ""
    wheel, sdist = sorted((ready.root / "dist").iterdir())
    assert (sdist.name, wheel.name) == ("incident_io_keys-0.1.1.tar.gz", "incident_io_keys-0.1.1-py3-none-any.whl")
    assert f"  dist/{wheel.name}" in done.stdout
    assert "Nothing was published" in done.stdout
    with tarfile.open(sdist) as archive, zipfile.ZipFile(wheel) as other:
        assert not [name for name in [*archive.getnames(), *other.namelist()] if "stray" in name]
        [moment] = {member.mtime for member in archive.getmembers()}
        assert moment == int(git(ready, "log", "-1", "--format=%ct"))


def test_two_builds_that_differ_are_no_release(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def built(_: str, place: Path) -> list[Path]:
        place.mkdir()
        (place / "a.whl").write_text(place.name)
        return [place / "a.whl"]

    monkeypatch.setattr(_release, "_built", built)
    with pytest.raises(_release.ReleaseError, match="two builds of the same commit differ"):
        _release.build("HEAD", "0.1.1", tmp_path)
    assert not (tmp_path / "dist").exists()
