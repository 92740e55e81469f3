"""scripts/mutation: the mutants it makes, and those it reports as survivors."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import _mutation
from _mutants import mutants_of, sample

from ..spec import ROOT

FILE = Path("facade/incident_io_keys/x.py")


def changes(code: str) -> set[tuple[str, str]]:
    return {(mutant.old, mutant.new) for mutant in mutants_of(FILE, code)}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("a < b", {("a < b", "(a <= b)")}),
        ("a == b is c", {("a == b is c", "(a != b is c)"), ("a == b is c", "(a == b is not c)")}),
        ("a and b", {("a and b", "(a or b)")}),
        ("not a", {("not a", "(a)")}),
        ("a + b", {("a + b", "(a - b)")}),
        ("(True, 1, 'text', None)", {("True", "(False)"), ("1", "(2)")}),
        ("if a: b", {("a", "(not (a))")}),
        ("b if a else c", {("a", "(not (a))")}),
        ("a = f(b, c=d)", {("f(b, c=d)", "(f(b))")}),
        ("f(b)", {("f(b)", "pass")}),
        ("raise a from b", {("raise a from b", "pass"), ("raise a from b", "raise a")}),
        ("try: a\nexcept B: c", {("B", "()")}),
        ("def f(): return a", {("return a", "return None")}),
        ("def f(): return False", {("False", "(True)")}),
        ("for a in b: break", {("break", "continue")}),
        ("a = 'é'; b = 1", {("1", "(2)")}),
    ],
)
def test_each_kind_of_code_has_mutants(code: str, expected: set[tuple[str, str]]) -> None:
    assert changes(code) == expected
    for mutant in mutants_of(FILE, code):
        compile(mutant.text, FILE, "exec")
        assert mutant.text.replace(mutant.new, mutant.old, 1) == code


@pytest.mark.parametrize(
    "code",
    [
        '"""Text."""',
        "def f(a: 1) -> 2: ...",
        "a: Literal[1]",
        "if TYPE_CHECKING:\n    f(a)",
        "@overload\ndef f(a=1): ...",
        "a = f'{1}'",
    ],
)
def test_excluded_code_has_no_mutants(code: str) -> None:
    assert changes(code) == set()


def test_a_sample_stays_the_same_when_a_file_is_renamed_and_code_moves_in_it() -> None:
    text = (ROOT / "facade/incident_io_keys/pagination.py").read_text(encoding="utf-8")
    here = sample(mutants_of(FILE, text), 10, "1")
    there = sample(mutants_of(Path("y.py"), f"LIMIT = 1 < 2\n\n{text}"), 10, "1")
    assert [(each.line + 2, each.old, each.new) for each in here] == [(each.line, each.old, each.new) for each in there]
    assert here != sample(mutants_of(FILE, text), 10, "2")


def test_every_file_is_measured_but_those_of_the_command_and_the_mock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / FILE.parent
    for name in ("x.py", "renamed/y.py", "renamed/deeper/z.py", "cli/c.py", "testing/t.py", "renamed/data.txt"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).touch()
    monkeypatch.setattr(_mutation, "ROOT", tmp_path)
    names = [file.relative_to(FILE.parent).as_posix() for file in _mutation.measured_files()]
    assert names == ["renamed/deeper/z.py", "renamed/y.py", "x.py"]


@pytest.mark.exhaustive
def test_mutants_in_untested_code_survive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = tmp_path / FILE
    module.parent.mkdir(parents=True)
    (module.parent / "__init__.py").touch()
    module.write_text("LIMIT = 1\n\ndef used(a):\n    return a < LIMIT\n\ndef untested(a):\n    return a > 2\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_x.py").write_text(
        "import pytest\nfrom incident_io_keys.x import used\n\n"
        "@pytest.mark.parametrize('a', [0, 1])\ndef test_used(a):\n    assert used(a) is (a == 0)\n"
    )
    (tmp_path / "pyproject.toml").write_text(
        "[tool.coverage.run]\nsource_pkgs = ['incident_io_keys']\n[tool.pytest.ini_options]\nmarkers = ['exhaustive']\n"
        "addopts = ['-p', 'no:randomly', '-p', 'no:schemathesis']\n"
    )
    monkeypatch.setattr(_mutation, "ROOT", tmp_path)
    monkeypatch.setattr("sys.argv", ["scripts/mutation", "--write", str(tmp_path / "report")])
    monkeypatch.setattr(_mutation, "limit_memory", lambda: None)  # for the process that runs this test
    assert _mutation.main() == 0
    report = (tmp_path / "report").read_text()
    assert report in capsys.readouterr().out
    assert [line.split() for line in report.splitlines()[3:5]] == [
        ["x.py", "3", "3", "50.0%"],
        ["all", "3", "3", "50.0%"],
    ]
    assert [line for line in report.splitlines() if line.startswith("x.py:")] == [
        "x.py:7: 2  ->  (3)",
        "x.py:7: a > 2  ->  (a >= 2)",
        "x.py:7: return a > 2  ->  return None",
    ]


def test_a_suite_that_fails_on_unchanged_code_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, stdout="FAILED tests/test_x.py")
    monkeypatch.setattr(_mutation, "pytest", lambda *_, **__: failed)
    with pytest.raises(SystemExit, match=r"FAILED tests/test_x\.py\nthe quick tests fail on the unchanged code"):
        _mutation.covered_lines()
