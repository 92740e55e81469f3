"""The report of an audit on a terminal, as Markdown and as HTML. `test_page` opens that page in a browser."""

from __future__ import annotations

import json
import os
import re
from datetime import timedelta

import pytest
from attrs import evolve
from markdown_it import MarkdownIt

from incident_io_keys.cli._html import bars, page
from incident_io_keys.testing import MockAPI

from .conftest import DAY, Open, Run, ended, screen
from .test_audit import NOW, key, review

AWKWARD = "a|b `c` [d](http://e) <i>f</i> *g* _h_ \\ @team www.e.com \x1b[31m :x: ~~i~~ &lt;"


def test_at_a_terminal_it_is_a_table_and_a_sum(terminal: Open, mock: MockAPI) -> None:
    mock.add_key("deploy bot", ["viewer"], age_seconds=400 * DAY, unused_seconds=0)
    child = terminal("audit")
    assert ended(child) == 0
    shown = screen(child.before or "")
    assert shown[0].split() == ["SEVERITY", "KEY", "FINDING"]
    assert any(re.match(r"high +deploy bot +old-token: its token is 13 months old", line) for line in shown)
    told = "2 keys; an organisation can have 4,998 more. Findings: 2 high, 0 medium, 0 low,"
    assert any(told in line for line in shown)
    assert all(len(line) <= 80 for line in shown)


def test_where_nothing_is_found_there_is_the_sum_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("incident_io_keys.cli._audit_command.POWERFUL", ())
    result = run("audit", "--output", "table")
    assert result.out == "1 key; an organisation can have 4,999 more. Findings: 0 high, 0 medium, 0 low, 0 info\n"
    assert "|---" not in run("audit", "--output", "markdown").out
    assert "Nothing was found." in run("audit", "--output", "html").out


@pytest.mark.parametrize("output", ["table", "markdown", "html", "json"])
def test_a_name_cannot_drive_the_terminal(run: Run, mock: MockAPI, output: str) -> None:
    mock.add_key("a\x1b[31mb\u202ec")
    out = run("audit", "--output", output).out
    assert not {"\x1b", "\u202e"} & set(out)


def test_as_markdown_every_name_is_text(run: Run, mock: MockAPI) -> None:
    mock.add_key(AWKWARD)
    assert json.loads(run("audit").out)["endpoint"] == os.environ["INCIDENT_ENDPOINT"].removeprefix("http://")
    out = run("audit", "--output", "markdown").out
    page = MarkdownIt("gfm-like", {"linkify": False}).render(out)
    cells = re.findall(r"<td>(.*?)</td>", page)
    [cell] = {cell for cell in cells if cell.startswith("a|b")}
    expected = AWKWARD.replace("\x1b", "\\x1b").replace("@", "@\u200b")
    assert cell.partition("<br")[0].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == expected
    assert "@team" not in out
    assert "www.e" not in out
    assert "http:" not in out


@pytest.mark.parametrize(("days", "counts"), [(30, (1, 0)), (30.01, (0, 1)), (90, (0, 1))])
def test_a_bar_ends_with_its_last_day(days: float, counts: tuple[int, int]) -> None:
    assert tuple(bar.count for bar in bars(review(key(days=days))))[:2] == counts


@pytest.mark.parametrize(("older_than", "old"), [(89, 4), (90, 4), (91, 3), (1000, 0)])
def test_a_bar_is_red_where_all_of_it_is_old(older_than: int, old: int) -> None:
    assert sum(bar.old for bar in bars(review(limit=NOW - timedelta(days=older_than)))) == old


def test_without_keys_it_is_a_page_all_the_same() -> None:
    text = page(evolve(review(), endpoint="a<b"))
    assert "There are no keys." in text
    assert "Nothing was found." in text
    assert "a&lt;b" in text
