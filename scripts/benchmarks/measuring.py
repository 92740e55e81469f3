"""Measures: runs each side in a process of its own, in turns, so that what disturbs the machine disturbs all alike."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import mock_rate
import pyperf
from sides import OFFLINE, ONLINE

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CONSTRAINTS = ROOT / "scripts" / "constraints.txt"
# Two environments that hold nothing else: httpx imports click and rich where they are, as with the extra `cli`.
LEAN, CLI = (ROOT / ".venv" / name / "bin" for name in ("bench", "bench-cli"))
# What is the same each time, or the largest of many values, which takes a minute.
ONCE = ("memory ", "hostile ")

# Nothing that the caller's shell sets for Python or for clients.
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not re.match("PYTHON|SSL_CERT|.*_PROXY$", name, re.IGNORECASE)
}
# Named as pip is run, in ROOT: it takes a blank in a path for the end of it.
PIP = {**os.environ, **dict.fromkeys(("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT"), str(CONSTRAINTS.relative_to(ROOT)))}


def install() -> None:
    """Make the two environments, and put the package as it is now into them, as users get it."""
    peers = HERE / "requirements.txt"
    sources = [ROOT / "pyproject.toml", CONSTRAINTS, peers]
    sources += sorted(file for root in ("facade", "generated") for file in (ROOT / root).rglob("*") if file.is_file())
    digest = hashlib.sha256(str(ROOT).encode())
    for source in sources:
        if source.suffix != ".pyc":
            digest.update(source.read_bytes())
    for place, what in ((LEAN, (str(ROOT), "--requirement", str(peers))), (CLI, (f"{ROOT}[cli]",))):
        # Written once all is there: without it, an interrupted run is begun anew.
        stamp = place.parent / ".installed"
        if stamp.exists() and stamp.read_text(encoding="ascii") == digest.hexdigest():
            continue
        stamp.unlink(missing_ok=True)
        run(sys.executable, "-m", "venv", "--clear", str(place.parent))
        run(str(place / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check", *what, environment=PIP)
        stamp.write_text(digest.hexdigest(), encoding="ascii")


def run(*command: str, environment: Mapping[str, str] = ENVIRONMENT) -> str:
    """What a program prints. An interrupt is for this process alone, which ends the program."""
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT, check=False, start_new_session=True
    )
    if done.returncode != 0:
        sys.exit(f"scripts/bench: failed: {' '.join(command)}")
    return done.stdout


@contextmanager
def serving() -> Iterator[str]:
    """The server of prepared bytes, and its URL."""
    program = [sys.executable, str(HERE / "server.py")]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.kill()


def timed(*command: str) -> list[float]:
    """Seconds from the start of a process to its end, once what it reads is in the machine's caches."""
    run(*command)
    started = time.perf_counter()
    run(*command)
    return [time.perf_counter() - started]


def measurements(url: str) -> dict[str, Callable[[], list[float]]]:
    """All that can be measured, by name; each gives some values of one round."""

    def side(name: str) -> Callable[[], list[float]]:
        return lambda: list(json.loads(run(str(LEAN / "python"), str(HERE / "sides.py"), name, url)))

    found: dict[str, Callable[[], list[float]]] = {name: side(name) for name in (*OFFLINE, *ONLINE)}
    for command in ("--help", "roles"):
        found[f"command {command}"] = lambda command=command: timed(str(CLI / "incident-io-keys"), command)  # type: ignore[misc]
    found["command httpx"] = lambda: timed(str(LEAN / "python"), "-c", "import httpx")
    found["generate"] = lambda: timed(sys.executable, str(ROOT / "scripts" / "_generate.py"), "--check")
    found["mock"] = lambda: mock_rate.seconds(str(LEAN / "python"), ENVIRONMENT)
    return found


def unit(name: str) -> str:
    """What a measurement is in, in pyperf's words."""
    return "byte" if "memory" in name else "second"


def measure(names: Sequence[str], rounds: int, tell: Callable[[str], None]) -> pyperf.BenchmarkSuite:
    """Measure what is named, in so many rounds, every other one backwards."""
    runs: dict[str, list[pyperf.Run]] = {name: [] for name in names}
    with serving() as url:
        known = measurements(url)
        for number in range(rounds):
            for name in names if number % 2 == 0 else reversed(names):
                if number == 0 or not name.startswith(ONCE):
                    tell(f"round {number + 1} of {rounds}: {name}")
                    metadata = {"name": name, "unit": unit(name)}
                    runs[name].append(pyperf.Run(known[name](), metadata=metadata, collect_metadata=False))
    return pyperf.BenchmarkSuite([pyperf.Benchmark(of) for of in runs.values()])


def versions() -> str:
    """What was measured, and with what."""
    names = ("httpx", "msgspec", "incident-io")
    program = f"from importlib.metadata import version; print(*map(version, {names}))"
    found = run(str(LEAN / "python"), "-c", program).split()
    return ", ".join(f"{name} {version}" for name, version in zip(names, found, strict=True))
