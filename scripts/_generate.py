"""Generates generated/ from openapi.yaml, or reports how the two differ. Run it as scripts/generate.

Everything happens in a temporary directory beside the package. The new package replaces the old one only after it was
generated, formatted and compared with the contract. An error before that leaves generated/ as it was.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import _constants
import _contract
import _prepare
from _commands import ROOT
from _document import Problem, Steps
from _expected import expect

SCRIPTS = ROOT / "scripts"
PACKAGE = ROOT / "generated" / "incident_io_keys_generated"
HEADER = "# Made from openapi.yaml by scripts/generate. Do not edit.\n"

# The generator always writes these, and nothing here uses them.
UNUSED = ("client.py", "errors.py")
# The output depends on the version of each of these.
PINNED = ("openapi-python-client", "ruff")


class GenerationError(Exception):
    """The package could not be generated. The text says why."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/generate", description="Generate generated/ from the contract.")
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
    """Generate the package of `spec` in `directory` and return where it is."""
    check_versions()
    document = _contract.load(spec)
    expected = expect(spec, document)
    constants = _constants.constants(document)
    source = directory / "openapi.json"
    source.write_text(json.dumps(_prepare.prepared(document)), encoding="utf-8")
    package = directory / PACKAGE.name
    run_generator(
        spec,
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
    ruff = ("--isolated", "--no-cache", "--quiet")
    _run("ruff failed", *("-m", "ruff", "check", *ruff, "--fix", "--select", "F401,I", str(package)))
    _run("ruff failed", *("-m", "ruff", "format", *ruff, "--line-length", "120", str(package)))
    _contract.raise_problems(spec, verify(package, expected))
    return package


def check_versions() -> None:
    """Raise a GenerationError if a tool is installed in another version than the pinned one."""
    pins = (SCRIPTS / "constraints.txt").read_text(encoding="utf-8")
    for name in PINNED:
        pin = re.search(rf"^{name}==(\S+)$", pins, re.MULTILINE)
        if pin is None:
            raise GenerationError(f"scripts/constraints.txt does not pin {name}; add a line `{name}==VERSION`")
        if pin[1] != (installed := version(name)):
            message = f"{name} {installed} is installed, but scripts/constraints.txt pins {pin[1]}"
            raise GenerationError(f"{message}; remove .venv and run scripts/install --dev")


def run_generator(spec: Path, *arguments: str) -> None:
    """Run openapi-python-client. If it fails, raise an error at the places that its output names.

    Some of what the generator reports follows from a schema that it cannot parse. If there is one, only it is a place.
    """
    try:
        _run("openapi_python_client failed", *arguments)
    except GenerationError as error:
        output = " ".join(str(error).split())
        names = re.findall(r" schema /components/schemas/([\w.-]+)", output)
        operations = re.findall(r"WARNING parsing ([A-Z]+) (/\S*)", output)
        places: list[Steps] = [("components", "schemas", name) for name in names]
        places = places or [("paths", path, method.lower()) for method, path in operations]
        reason = output.partition("Unable to ")[2] or "generate it"
        message = f"the generator was unable to {reason[:200]}; change this part"
        _contract.raise_problems(spec, [(steps, message) for steps in places])
        raise


def verify(package: Path, expected: dict[str, Any]) -> list[Problem]:
    """Compare a package with what the contract demands, and return what differs."""
    program, given = str(SCRIPTS / "_verify.py"), json.dumps(expected)
    output = _run("the comparison with the contract failed", program, package.name, path=package.parent, given=given)
    return [(tuple(steps), message) for steps, message in json.loads(output)]


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


def _run(failure: str, *arguments: str, path: Path | None = None, given: str = "") -> str:
    """Run this environment's Python and return its output. If it fails, its output is the error, under `failure`."""
    environment = {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_COLOR": "1",
        "TYPER_STANDARD_TRACEBACK": "1",  # the generator's command line would draw a box around each frame
    }
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    # -P: nothing in the caller's directory may replace a tool, or the new package.
    command = [sys.executable, "-P", *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, input=given)
    if result.returncode != 0:
        said = "\n".join(part.strip() for part in (result.stderr, result.stdout) if part.strip())
        if "Traceback (most recent call last)" in result.stderr:
            said = result.stderr.strip().splitlines()[-1]
        raise GenerationError(f"{failure}:\n{said}")
    return result.stdout


if __name__ == "__main__":
    sys.exit(main())
