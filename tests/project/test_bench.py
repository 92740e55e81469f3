"""scripts/bench: that what it measures runs, and that what it says of a figure is so. The figures are not looked at."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

import chart
import mock_rate
import pyperf
import pytest
import run
from figures import FIGURES, HEADROOM, Figure, Goal
from measuring import measurements, serving

from ..spec import ROOT

BENCHMARKS = ROOT / "scripts" / "benchmarks"
MEDIANS = dict.fromkeys(run.needed(FIGURES), 0.1)


def suite_of(values: Mapping[str, list[float]]) -> pyperf.BenchmarkSuite:
    return pyperf.BenchmarkSuite(
        [
            pyperf.Benchmark([pyperf.Run(of, metadata={"name": name}, collect_metadata=False)])
            for name, of in values.items()
        ]
    )


SUITE = suite_of({name: [median] for name, median in MEDIANS.items()})
# Of what can be measured without the vendor's SDK, what takes no more than a moment.
SIDES = [
    *("import ours", "import httpx", "import memory ours", "first response ours", "first response httpx"),
    *("decode ours", "decode json", "list ours", "list httpx", "show ours", "show httpx"),
    *("memory 500", "memory page"),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.mark.exhaustive
@pytest.mark.parametrize("side", SIDES)
def test_a_side_gives_its_values(url: str, side: str) -> None:
    command = [sys.executable, str(BENCHMARKS / "sides.py"), side, url]
    values = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert values
    assert all(value > 0 for value in values)


@pytest.mark.exhaustive
def test_the_mock_is_asked_as_often_as_is_counted() -> None:
    [seconds] = mock_rate.seconds(sys.executable, os.environ)
    assert 0 < seconds < 1


def test_all_that_the_figures_compare_can_be_measured() -> None:
    assert set(run.needed(FIGURES)) <= measurements("").keys()


def test_a_figure_that_is_worse_than_its_goal_is_told_and_fails_beyond_the_headroom(
    capsys: pytest.CaptureFixture[str],
) -> None:
    figure = Figure("show", "ours", "µs", (Goal("httpx", "httpx", 1.1),))
    for ours, goal_is_met, passes in ((1.1, True, True), (1.2, False, True), (1.1 * HEADROOM + 0.01, False, False)):
        medians = {"ours": ours, "httpx": 1.0}
        assert (not figure.missed(medians, 1.0)) is goal_is_met
        assert (run.check([figure], medians) == 0) is passes
        assert ("show" in capsys.readouterr().err) is not passes


def test_more_is_better_where_a_goal_says_at_least() -> None:
    figure = Figure("mock", "mock", "requests/s", (Goal(least=1_000),))
    assert figure.written(1 / 1_500) == "1,500 requests/s"
    assert not figure.missed({"mock": 1 / 1_001}, 1.0)
    assert figure.missed({"mock": 1 / 999}, 1.0)
    assert not figure.missed({"mock": 1 / 900}, HEADROOM)
    assert figure.missed({"mock": 1 / 800}, HEADROOM)


def test_what_is_the_same_on_every_machine_gets_no_headroom() -> None:
    figure = Figure("memory", "memory", "kB", (Goal("page", "a page", 2),), steady=True)
    assert not figure.missed({"memory": 2.0, "page": 1.0}, HEADROOM)
    assert figure.missed({"memory": 2.1, "page": 1.0}, HEADROOM)


def test_as_json_each_number_is_in_the_unit_that_stands_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "machine", lambda: "this machine")
    figure = Figure("import", "import ours", "ms", (Goal("import httpx", "httpx", 1.25), Goal(most=30)))
    suite = suite_of({"import ours": [0.02, 0.03, 0.04], "import httpx": [0.02]})
    [told] = run.as_json([figure], suite, {"import ours": 0.03, "import httpx": 0.02})["figures"]
    assert (told["unit"], told["value"]) == ("ms", 30.0)
    assert told["spread"] == pytest.approx(1 / 3)
    beside, alone = told["goals"]
    assert (beside["value"], beside["ratio"], beside["met"]) == (20.0, pytest.approx(1.5), False)
    assert (alone["beside"], alone["ratio"], alone["met"]) == (None, None, True)


def test_the_readme_has_the_table_of_all_figures_and_the_chart() -> None:
    readme = (ROOT / "README.md").read_text()
    table = readme.partition(run.MARKS[0])[2].partition(run.MARKS[1])[0]
    assert re.findall(r"^\| (.*?) \|", table, re.MULTILINE)[2:] == [figure.what for figure in FIGURES]
    assert f"]({run.CHART.relative_to(ROOT)})" in readme


def test_a_table_that_is_written_takes_the_place_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme, picture = tmp_path / "README.md", tmp_path / "bench.svg"
    readme.write_text(f"before\n{run.MARKS[0]}old\n{run.MARKS[1]}after\n")
    monkeypatch.setattr(run, "README", readme)
    monkeypatch.setattr(run, "machine", lambda: "this machine")
    monkeypatch.setattr(run, "CHART", picture)
    for _ in range(2):
        run.write(SUITE, MEDIANS)
        text = readme.read_text()
        assert text.startswith("before\n")
        assert text.endswith("after\n")
        assert text.count("| show a key, CPU |") == 1
        assert "old" not in text
    assert ElementTree.fromstring(picture.read_text()).tag.endswith("svg")  # noqa: S314 - our own


def test_a_bar_that_would_leave_the_chart_is_cut_and_says_how_long_it_is() -> None:
    root = ElementTree.fromstring(chart.drawn(MEDIANS | {"import vendor": 2.0}))  # noqa: S314 - our own
    widths = [
        float(each.get("width", "0")) + float(each.get("x", "0")) for each in root.iter() if each.tag.endswith("rect")
    ]
    assert max(widths) <= chart.WIDTH
    assert any("20.00" in (each.text or "") for each in root.iter())


@pytest.mark.parametrize(
    "arguments", [["--rounds", "0"], ["show", "no such figure"], ["--write", "show"], ["--save", "/"]]
)
def test_what_cannot_be_measured_is_refused_before_anything_is_installed(arguments: list[str]) -> None:
    command = [sys.executable, str(BENCHMARKS / "run.py"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "error:" in result.stderr
