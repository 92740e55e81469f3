"""Makes generated/ from openapi.yaml, or says how the two differ. Run it as scripts/generate.

Everything happens in a temporary directory beside the package; only a package that was made, formatted and read back
without a complaint takes its place. Whatever goes wrong before that leaves generated/ as it was.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import _constants
import _contract
import _prepare
from _commands import ROOT

SCRIPTS = ROOT / "scripts"
PACKAGE = ROOT / "generated" / "incident_io_keys_generated"
HEADER = "# Made from openapi.yaml by scripts/generate. Do not edit.\n"

# What the generator always writes, and nothing here uses.
UNUSED = ("client.py", "errors.py")

# Run on the new package: every module imports, and msgspec understands every model.
READ_BACK = """
import importlib, pkgutil, sys
import attrs, msgspec
place = sys.argv[1]
try:
    package = importlib.import_module(sys.argv[1])
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        place = module.name
        members = vars(importlib.import_module(module.name)).values()
        if module.name.startswith(package.__name__ + ".models."):
            for model in filter(attrs.has, filter(lambda member: isinstance(member, type), members)):
                msgspec.json.Decoder(model)
except Exception as error:
    sys.exit(f"{place}: {type(error).__name__}: {error}")
"""


class GenerationError(Exception):
    """The package could not be made; the text says why."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/generate", description="Make generated/ from the contract.")
    parser.add_argument("spec", nargs="?", type=Path, default=ROOT / "openapi.yaml", metavar="SPEC",
                        help="the OpenAPI document (default: openapi.yaml)")  # fmt: skip
    parser.add_argument("--check", action="store_true",
                        help="change nothing; fail with a diff if generated/ is not what SPEC gives")  # fmt: skip
    arguments = parser.parse_args()
    PACKAGE.parent.mkdir(exist_ok=True)
    recover()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the temporary directory goes
    try:
        # The same file system as the package, so that it can be moved into place in one step.
        with tempfile.TemporaryDirectory(prefix=".new-", dir=PACKAGE.parent) as directory:
            made = make(arguments.spec, Path(directory))
            if arguments.check:
                difference = diff(PACKAGE, made)
                sys.stdout.write(difference)
                if difference:
                    print("generated/ is not what the contract gives: run scripts/generate", file=sys.stderr)
                return 1 if difference else 0
            if changed := differing(PACKAGE, made):
                replace(PACKAGE, made, Path(directory) / "old")
            print(f"changed in generated/: {', '.join(map(str, changed))}" if changed else "generated/ is as it was")
    except (_contract.ContractError, GenerationError) as error:
        print(error, file=sys.stderr)
        print("generated/ is as it was", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: generated/ is as it was", file=sys.stderr)
        return 130
    return 0


def make(spec: Path, directory: Path) -> Path:
    """Make the package of `spec` in `directory` and return where it is."""
    document = _contract.load(spec)
    constants = _constants.constants(document)
    source = directory / "openapi.json"
    source.write_text(json.dumps(_prepare.prepared(document)), encoding="utf-8")
    package = directory / PACKAGE.name
    _run(
        "openapi_python_client failed",
        *("-m", "openapi_python_client", "generate", "--path", str(source), "--output-path", str(package)),
        *("--config", str(SCRIPTS / "openapi-python-client.yaml")),
        *("--custom-template-path", str(SCRIPTS / "templates")),
        *("--meta", "none", "--fail-on-warning"),
    )
    for unused in UNUSED:
        (package / unused).unlink()
    (package / "contract.py").write_text(constants, encoding="utf-8")
    (package / "py.typed").touch()
    for module in package.rglob("*.py"):
        module.write_text(HEADER + module.read_text(encoding="utf-8"), encoding="utf-8")
    # --isolated: the project's own settings are for what people write. F401: a template imports for all cases.
    _run(
        "ruff failed",
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--no-cache",
        "--quiet",
        "--fix",
        "--select",
        "F401,I",
        str(package),
    )
    _run(
        "ruff failed",
        "-m",
        "ruff",
        "format",
        "--isolated",
        "--no-cache",
        "--quiet",
        "--line-length",
        "120",
        str(package),
    )
    _run("the generated package cannot be read back", "-c", READ_BACK, package.name, path=directory)
    return package


def differing(old: Path, new: Path) -> list[Path]:
    """The files that two packages do not have in common, byte for byte."""

    def files(tree: Path) -> dict[Path, bytes]:
        found = (file for file in tree.rglob("*") if file.is_file() and file.suffix != ".pyc")
        return {file.relative_to(tree): file.read_bytes() for file in found}

    before, after = files(old), files(new)
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def diff(old: Path, new: Path) -> str:
    """What differs between two packages, for a person; empty where nothing does."""
    lines: list[str] = []
    for name in differing(old, new):
        before, after = (
            (tree / name).read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
            if (tree / name).is_file()
            else None
            for tree in (old, new)
        )
        lines += difflib.unified_diff(before or [], after or [], f"generated/{name}", f"from the contract/{name}")
        if before is None or after is None:
            lines.append(f"{'missing in generated/' if before is None else 'only in generated/'}: {name}\n")
    return "".join(lines)


def recover() -> None:
    """Put back what a run that was killed between the two steps of `replace` had moved aside."""
    for aside in PACKAGE.parent.glob(".new-*/old"):
        if not PACKAGE.exists():
            aside.rename(PACKAGE)
            print("generated/ is back as it was before a run that was killed", file=sys.stderr)


def replace(old: Path, new: Path, aside: Path) -> None:
    """Put `new` in the place of `old`; if that fails, `old` is back where it was."""
    try:
        if old.exists():
            old.rename(aside)
        new.rename(old)
    except BaseException:
        if aside.exists() and not old.exists():
            aside.rename(old)
        raise


def _run(failure: str, *arguments: str, path: Path | None = None) -> None:
    """Run this environment's Python; if that fails, what it printed becomes the error, under `failure`."""
    environment = {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_COLOR": "1",
        "TYPER_STANDARD_TRACEBACK": "1",  # the generator's command line would draw a box around each frame
    }
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    # -P: nothing in the caller's directory may stand in for a tool, or for the package that was just made.
    command = [sys.executable, "-P", *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        said = "\n".join(part.strip() for part in (result.stderr, result.stdout) if part.strip())
        if "Traceback (most recent call last)" in result.stderr:
            said = result.stderr.strip().splitlines()[-1]
        raise GenerationError(f"{failure}:\n{said}")


if __name__ == "__main__":
    sys.exit(main())
