"""Measures the figures of this project and shows them beside their goals. Run it as scripts/bench."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import chart
import measuring
import pyperf
from figures import FIGURES, HEADROOM, Figure
from rich.console import Console
from rich.table import Table

ROUNDS = 7
README = measuring.ROOT / "README.md"
CHART = measuring.ROOT / "docs" / "pictures" / "bench.svg"
MARKS = ("<!-- scripts/bench --write -->\n", "<!-- end of it -->\n")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure the figures of the README, each side in a process of its own, and in turns.",
        epilog="The figures: " + "; ".join(map(bare, FIGURES)) + ".",
    )
    parser.add_argument(
        "words", nargs="*", metavar="WORD", help="measure the figures in which it occurs (default: all)"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"processes for each side (default: {ROUNDS})")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--save", type=Path, metavar="FILE", help="keep all values, for `pyperf compare_to`")
    parser.add_argument("--check", action="store_true", help=f"fail if a figure is beyond {HEADROOM:g} times its goal")
    parser.add_argument("--write", action="store_true", help="put the table into the README, and the chart beside it")
    arguments = parser.parse_args()
    figures = chosen(arguments.words)
    if unknown := [word for word in arguments.words if not chosen([word])]:
        parser.error(f"no figure has {', '.join(unknown)}; see --help")
    if arguments.write and arguments.words:
        parser.error("--write takes all figures")
    if arguments.rounds < 1:
        parser.error("--rounds takes 1 or more")
    if arguments.save:
        try:
            arguments.save.open("ab").close()
        except OSError as error:
            parser.error(f"--save {arguments.save}: {error.strerror}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    try:
        with Console(stderr=True).status("installing") as status:
            measuring.install()
            suite = measuring.measure(needed(figures), arguments.rounds, status.update)
    except KeyboardInterrupt:
        print("scripts/bench: interrupted", file=sys.stderr)
        return 130
    if arguments.save:
        suite.dump(str(arguments.save), replace=True)
    medians = {benchmark.get_name(): benchmark.median() for benchmark in suite}
    if arguments.json:
        print(json.dumps(as_json(figures, suite, medians), indent=2))
    else:
        show(figures, suite, medians)
    if arguments.write:
        write(suite, medians)
    return check(figures, medians) if arguments.check else 0


def bare(figure: Figure) -> str:
    """What a figure is about, without the marks of Markdown."""
    return figure.what.replace("`", "")


def chosen(words: Sequence[str]) -> list[Figure]:
    def has(figure: Figure, word: str) -> bool:
        return word.lower() in f"{bare(figure)} {figure.measurement}".lower()

    return [figure for figure in FIGURES if not words or any(has(figure, word) for word in words)]


def needed(figures: Sequence[Figure]) -> list[str]:
    names = [name for figure in figures for name in (figure.measurement, *(goal.beside for goal in figure.goals))]
    return list(dict.fromkeys(name for name in names if name is not None))


def as_json(figures: Sequence[Figure], suite: pyperf.BenchmarkSuite, medians: Mapping[str, float]) -> dict[str, Any]:
    return {
        "machine": machine(),
        "figures": [
            {
                "what": bare(figure),
                "unit": figure.unit,
                "value": figure.value(medians[figure.measurement]),
                "spread": spread(suite, figure.measurement),
                "goals": [
                    {
                        "beside": goal.name.replace("`", "") or None,
                        "value": goal.beside and figure.value(medians[goal.beside]),
                        "ratio": goal.beside and figure.held(goal, medians),
                        "goal": str(goal).replace("`", "") or None,
                        "met": goal.met(figure.held(goal, medians)) if str(goal) else None,
                    }
                    for goal in figure.goals
                ],
            }
            for figure in figures
        ],
    }


def spread(suite: pyperf.BenchmarkSuite, name: str) -> float | None:
    """The median absolute deviation, as a part of the median; None where there is one value."""
    benchmark = suite.get_benchmark(name)
    return float(benchmark.median_abs_dev() / benchmark.median()) if benchmark.get_nvalue() > 1 else None


def show(figures: Sequence[Figure], suite: pyperf.BenchmarkSuite, medians: Mapping[str, float]) -> None:
    table = Table(title=f"Medians, and ± their median deviation. {machine()}", title_justify="left", show_lines=True)
    table.add_column("")
    table.add_column("ours", justify="right", no_wrap=True)
    table.add_column("beside", no_wrap=True)
    table.add_column("goal")
    for figure in figures:
        goals = [f"{goal}{'' if goal.met(figure.held(goal, medians)) else ': MISSED'}" for goal in figure.goals]
        table.add_row(
            bare(figure),
            with_spread(figure, suite, medians),
            "\n".join(beside(figure, medians)),
            "\n".join(filter(None, goals)).replace("`", ""),
        )
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 130
    Console(width=width).print(table)


def beside(figure: Figure, medians: Mapping[str, float]) -> list[str]:
    """What the other sides take, and how much of it we do."""
    return [
        f"{goal.name} {figure.written(medians[goal.beside])}: {figure.held(goal, medians):.2f} ×".replace("`", "")
        for goal in figure.goals
        if goal.beside is not None
    ]


def with_spread(figure: Figure, suite: pyperf.BenchmarkSuite, medians: Mapping[str, float]) -> str:
    part = spread(suite, figure.measurement)
    return figure.written(medians[figure.measurement]) + ("" if part is None else f" ± {part:.0%}")


def check(figures: Sequence[Figure], medians: Mapping[str, float]) -> int:
    missed = [
        f"{bare(figure)}: {figure.held(goal, medians):.2f}, goal {goal}"
        for figure in figures
        for goal in figure.missed(medians, HEADROOM)
    ]
    print(*missed or [f"no figure is beyond {HEADROOM:g} times its goal"], sep="\n", file=sys.stderr)
    return 1 if missed else 0


def machine() -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, {platform.system()}, {os.cpu_count()} cores, {measuring.versions()}"


def write(suite: pyperf.BenchmarkSuite, medians: Mapping[str, float]) -> None:
    """Put the table into the README between its marks, and the chart where it shows it."""
    rows = [(each.what, with_spread(each, suite, medians), "; ".join(beside(each, medians))) for each in FIGURES]
    rounds = max(len(benchmark.get_runs()) for benchmark in suite)
    lines = [f"| {' | '.join(row)} |" for row in (("", "this client", "beside"), ("---",) * 3, *rows)]
    before, mark, rest = README.read_text(encoding="utf-8").partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not (mark and end):
        sys.exit("scripts/bench: the README has no marks to write between")
    about = f"Medians of {rounds} processes each, and ± their median deviation. {machine()}."
    table = "\n".join([*lines, "", about, ""])
    README.write_text(f"{before}{mark}\n{table}\n{end}{after}", encoding="utf-8")
    CHART.write_text(chart.drawn(medians), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
