"""Measures how many small bugs the quick tests detect.

A mutant is a copy of the client with one small bug: a negated condition, an omitted call, another number. The script
makes mutants of the whole package except cli and testing. On each one, it runs the quick tests that execute
the changed line, except those of tests/project. The first failing test kills the mutant; without one, it survives. A
line that tests execute only in another process counts as untested.

The sample is random, but the same code gives the same sample, even after a file is renamed. Compare the score of all
modules: a single module has too few mutants for its score to mean much.

A run takes about 50 minutes on two cores. Do not edit the project until it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

from attrs import frozen
from coverage import CoverageData

from _commands import ROOT, variables
from _mutants import Mutant, mutants_of, sample

PACKAGE = Path("facade/incident_io_keys")
EXCLUDED = {"cli", "testing"}
PLUGIN = "_mutation_plugin"
# A mutant also counts as killed if one test, or one run of pytest, takes longer than this.
TEST_SECONDS = 60
RUN_SECONDS = 900
# Some mutants would use all memory.
MEMORY = 6 * 2**30

# The process groups of pytest that are under way.
groups: set[int] = set()


@frozen
class CoveredLines:
    """Which tests execute which lines.

    Attributes:
        tests: For each file and line, the tests that execute it.
    """

    tests: Mapping[str, Mapping[int, frozenset[str]]]

    def tests_for(self, mutant: Mutant) -> list[str]:
        """Return the tests that execute the changed lines, fastest first.

        Tests that execute few lines tend to be fast. Coverage assigns code that runs at import to no test. For such
        code, these are the tests that execute any line of the file, or all tests if there are none.
        """
        lines = self.tests.get(str(mutant.file), {})
        wanted = range(mutant.line, mutant.last_line + 1) if mutant.in_function else lines
        found = {test for line in wanted for test in lines.get(line, ())}
        if not found and not mutant.in_function:
            found = set(self._line_counts)
        return sorted(found, key=lambda test: (self._line_counts[test], test))

    @cached_property
    def _line_counts(self) -> Counter[str]:
        return Counter(test for lines in self.tests.values() for tests in lines.values() for test in tests)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/mutation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", type=int, default=300, metavar="N", help="the number of mutants (default: 300)")
    parser.add_argument("--seed", default="1", help="the seed of the sample (default: 1)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the report to this file")
    arguments = parser.parse_args()
    if arguments.sample < 1:
        parser.error("--sample takes at least 1")
    limit_memory()
    mutants = [mutant for file in measured_files() for mutant in mutants_of(file, (ROOT / file).read_text("utf-8"))]
    chosen = sample(mutants, arguments.sample, arguments.seed)
    print(f"{len(chosen)} of {len(mutants)} mutants. Measuring which tests execute which lines ...", flush=True)
    report = "\n".join(report_lines(chosen, survivors(chosen, covered_lines())))
    print(report)
    if arguments.write:
        arguments.write.write_text(report + "\n", encoding="utf-8")
    return 0


def measured_files() -> list[Path]:
    """Return all files of the package but those of EXCLUDED, so that a renamed directory is still measured."""
    files = sorted(file.relative_to(ROOT) for file in (ROOT / PACKAGE).rglob("*.py"))
    return [file for file in files if file.relative_to(PACKAGE).parts[0] not in EXCLUDED]


def limit_memory() -> None:
    """Limit the memory of the processes that this one starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard), hard))


def covered_lines() -> CoveredLines:
    """Run the quick tests on the unchanged code, and return which tests execute which lines.

    Raises:
        SystemExit: A test fails.
    """
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "coverage"
        options = ("-m", "not exhaustive", "--numprocesses", "auto", "--dist", "worksteal")
        coverage = ("--cov", "--cov-context=test", "--cov-report=", "--cov-fail-under=0")
        environment = {
            "COVERAGE_FILE": str(data),
            "COVERAGE_CORE": "ctrace",  # the default of Python 3.14 does not know which test executes a line
            "PYTHONPATH": str(ROOT / "facade"),
        }
        done = pytest(*options, *coverage, "--ignore=tests/project", **environment)
        if done.returncode:
            raise SystemExit(f"{done.stdout[-5000:]}\nthe quick tests fail on the unchanged code; fix them first")
        measured = CoverageData(str(data))
        measured.read()
        return CoveredLines(
            {
                os.path.relpath(file, ROOT): {
                    line: frozenset(context.rpartition("|")[0] for context in contexts if context)
                    for line, contexts in measured.contexts_by_lineno(file).items()
                }
                for file in measured.measured_files()
            }
        )


def survivors(mutants: list[Mutant], covered: CoveredLines) -> list[Mutant]:
    """Return the mutants for which no test fails."""
    jobs = os.cpu_count() or 1
    print("Each dot is a mutant that was killed, each S one that survived.", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        copies: queue.Queue[Path] = queue.Queue()
        for number in range(jobs):
            copies.put(Path(shutil.copytree(ROOT / "facade", Path(directory) / str(number) / "facade")))

        def survives(mutant: Mutant) -> bool:
            facade = copies.get()
            changed = facade.parent / mutant.file
            original = changed.read_text(encoding="utf-8")
            changed.write_text(mutant.text, encoding="utf-8")
            try:
                return not is_killed(facade, covered.tests_for(mutant))
            finally:
                changed.write_text(original, encoding="utf-8")
                copies.put(facade)

        with ThreadPoolExecutor(jobs) as pool:
            verdicts = []
            try:
                for survived in pool.map(survives, mutants):
                    verdicts.append(survived)
                    print("S" if survived else ".", end="" if len(verdicts) % 60 else f" {len(verdicts)}\n", flush=True)
            except KeyboardInterrupt:
                for group in list(groups):
                    kill(group)
                raise
    print()
    return [mutant for mutant, survived in zip(mutants, verdicts, strict=True) if survived]


def is_killed(facade: Path, tests: list[str]) -> bool:
    """Return whether a test fails or times out with this copy of the facade."""
    if not tests:
        return False
    chosen = facade.parent / "tests"
    chosen.write_text("\n".join(tests), encoding="utf-8")
    files = sorted({test.partition("::")[0] for test in tests})
    options = ("-x", "-q", "-o", f"faulthandler_timeout={TEST_SECONDS}", "-p", "no:cacheprovider", "-p", PLUGIN)
    environment = {
        "PYTHONPATH": os.pathsep.join([str(facade), str(Path(__file__).parent)]),
        "HYPOTHESIS_PROFILE": "brief",
        "MUTATION_TESTS": str(chosen),
    }
    return pytest(*options, *files, **environment).returncode != 0


def pytest(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run pytest, and end it and the processes that it leaves behind."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=ROOT,
        env={**variables(), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    groups.add(process.pid)
    output = ""
    with process, contextlib.suppress(subprocess.TimeoutExpired):
        try:
            output, _ = process.communicate(timeout=RUN_SECONDS)
        finally:
            kill(process.pid)
            groups.discard(process.pid)
    return subprocess.CompletedProcess(process.args, process.returncode, output)


def kill(group: int) -> None:
    """Kill a process group, if any of its processes is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def report_lines(chosen: list[Mutant], survived: list[Mutant]) -> Iterable[str]:
    """Yield the lines of the report."""
    total, survived_in = (
        Counter(str(mutant.file.relative_to(PACKAGE)) for mutant in each) for each in (chosen, survived)
    )
    yield "Written by scripts/mutation: mutants by module, then those that survived.\n"
    yield f"{'module':32} {'killed':>6} {'survived':>8} {'score':>6}"
    for module, count in [*sorted(total.items()), ("all", len(chosen))]:
        living = len(survived) if module == "all" else survived_in[module]
        yield f"{module:32} {count - living:6} {living:8} {(count - living) / count:6.1%}"
    yield "\nSurvivors"
    for mutant in survived:
        yield f"{mutant.file.relative_to(PACKAGE)}:{mutant.line}: {one_line(mutant.old)}  ->  {one_line(mutant.new)}"


def one_line(code: str) -> str:
    """Return code as one short line."""
    text = " ".join(code.split())
    return text if len(text) <= 100 else f"{text[:97]}..."


if __name__ == "__main__":
    sys.exit(main())
