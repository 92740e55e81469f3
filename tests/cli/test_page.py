"""The report of an audit as a page, in a browser: it sorts, filters, asks for nothing, and runs no script of others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from incident_io_keys.testing import MockAPI

from .conftest import DAY, TEAM, Run, skip_without

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Dialog, Page

pytestmark = pytest.mark.exhaustive

SCRIPT = "<script>alert(1)</script>"
HANDLER = '"><img src=x onerror=alert(2)>'
TEMPLATE = "{{ 7 * 7 }} {% raw %} </style></td>"

Open = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    playwright_api = pytest.importorskip("playwright.sync_api", reason="scripts/install --all installs playwright")
    from _pictures import chromium

    path = chromium()
    if path is None:
        skip_without("Chromium")
    with playwright_api.sync_playwright() as playwright:
        # It reads one file that was made here. Its own sandbox cannot be had in most containers.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def report(run: Run, mock: MockAPI, tmp_path: Path) -> Path:
    mock.add_key("deploy bot", ["viewer"], age_seconds=100 * DAY)
    mock.add_key("on-call sync", ["schedules_reader"], [TEAM], ["schedules_editor"], age_seconds=10 * DAY)
    for name in (SCRIPT, HANDLER, TEMPLATE):
        mock.add_key(name, ["viewer"], age_seconds=400 * DAY)
    mock.add_key("nothing", age_seconds=DAY)
    result = run("audit", "--output", "html")
    assert result.code == 0
    path = tmp_path / "report.html"
    path.write_text(result.out, encoding="utf-8")
    return path


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[Open]:
    """Opens the page; at the end, nothing was asked for but it, and nothing was complained about."""
    contexts: list[BrowserContext] = []
    asked: list[str] = []
    said: list[str] = []

    def open_(**options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: dismissed(dialog, said))
        page.goto(report.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert set(asked) <= {report.as_uri()}
    assert said == []


def dismissed(dialog: Dialog, said: list[str]) -> None:
    said.append(dialog.message)
    dialog.dismiss()


def column(page: Page, label: str, table: str = "keys-table") -> list[str]:
    """What is shown of a column."""
    cells = page.locator(f'#{table} tbody tr:visible td[data-label="{label}"] > div')
    return [text.splitlines()[0].strip() for text in cells.all_inner_texts()]


def test_every_name_is_text(opened: Open) -> None:
    page = opened()
    names = column(page, "Name")
    assert names[:3] == ["Manager", "deploy bot", "on-call sync"]
    assert names[3:6] == [SCRIPT, HANDLER, TEMPLATE]
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1


def test_a_script_that_slips_through_does_not_run(browser: Browser, report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    report.write_text(text.replace("</main>", f"</main>{SCRIPT}<img src=x onerror='alert(3)'>"), encoding="utf-8")
    context = browser.new_context()
    page, said, asked = context.new_page(), list[str](), list[str]()
    page.on("dialog", lambda dialog: dismissed(dialog, said))
    page.on("requestfinished", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    assert page.locator(".tools:visible").count() == 2, "the page's own script runs"
    context.close()
    assert (said, asked) == ([], [report.as_uri()])


def test_a_click_sorts_and_another_one_turns_it_round(opened: Open) -> None:
    page = opened()
    heading = page.locator("#keys-table th", has_text="Token age")
    assert column(page, "Token age")[:2] == ["just now", "3 months"]
    heading.get_by_role("button").click()
    ages = ["just now", "1 day", "10 days", "3 months", "13 months", "13 months", "13 months"]
    assert column(page, "Token age") == ages
    assert heading.get_attribute("aria-sort") == "ascending"
    heading.get_by_role("button").press("Enter")
    assert column(page, "Token age") == ages[::-1]
    assert heading.get_attribute("aria-sort") == "descending"
    page.locator("#keys-table th", has_text="Name").get_by_role("button").click()
    assert heading.get_attribute("aria-sort") is None
    assert column(page, "Name")[-4:] == ["deploy bot", "Manager", "nothing", "on-call sync"]
    assert page.locator("#keys-table td.old").count() == 4
    for title, first, last in (("Created", "13 months", "just now"), ("Findings", "10 days", "13 months")):
        page.locator("#keys-table th", has_text=title).get_by_role("button").click()
        assert (column(page, "Token age")[0], column(page, "Token age")[-1]) == (first, last)
    page.locator("#findings-table th", has_text="Severity").get_by_role("button").click()
    assert column(page, "Severity", "findings-table")[0] == "low"


def test_it_filters_by_words_and_severity(opened: Open) -> None:
    page = opened()
    tools = page.locator(".tools", has=page.locator('[data-search="keys-table"]'))
    assert tools.locator("output").inner_text() == "7"
    tools.get_by_role("searchbox").fill("VIEWER deploy")
    assert column(page, "Name") == ["deploy bot"]
    tools.get_by_role("searchbox").fill("on-call")
    assert (column(page, "Name"), tools.locator("output").inner_text()) == (["on-call sync"], "1 of 7")
    tools.get_by_role("searchbox").fill("")
    tools.get_by_role("combobox").select_option("medium")
    assert column(page, "Name") == ["deploy bot"]
    tools.get_by_role("combobox").select_option("")
    assert len(column(page, "Name")) == 7
    search = page.locator('[data-search="findings-table"]')
    search.fill("no-roles")
    assert column(page, "Key", "findings-table") == ["nothing"]
    assert len(column(page, "Name")) == 7, "a table of its own"


def luminance(page: Page, property: str) -> float:
    colour = page.evaluate(f"getComputedStyle(document.body).{property}")
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_it_is_readable_in_both_colour_schemes(opened: Open, scheme: str, is_dark: bool) -> None:
    page = opened(color_scheme=scheme)
    background = luminance(page, "backgroundColor")
    assert (background < 0.1) == is_dark
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 50
    assert min(contrasts.values()) >= 4.5, min(contrasts, key=contrasts.get)  # what WCAG calls AA


# The contrast of each text with what is behind it.
CONTRASTS = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => parts(colour).slice(0, 3)
    .map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, index) => sum + [0.2126, 0.7152, 0.0722][index] * part, 0);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if (parts(colour)[3] !== 0) return colour;
    }
  };
  const found = {};
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility() || ["SCRIPT", "OPTION"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const colour = element instanceof SVGElement ? style.fill : style.color;
    const [low, high] = [luminance(colour), luminance(behind(element))].sort((a, b) => a - b);
    found[`${element.tagName} ${element.className.baseVal ?? element.className} ${element.textContent.slice(0, 30)} ` +
      Object.keys(found).length] = (high + 0.05) / (low + 0.05);
  }
  return found;
}"""


def test_it_needs_no_script(opened: Open) -> None:
    page = opened(java_script_enabled=False)
    assert page.locator(".tools:visible").count() == 0
    assert page.locator("th button").count() == 0
    assert len(column(page, "Name")) == 7
    assert page.locator("svg.chart rect").count() == 6


@pytest.mark.parametrize("width", [320, 390, 768, 820, 864, 865, 1200])
def test_nothing_is_wider_than_the_screen(opened: Open, width: int) -> None:
    page = opened(viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    labels = page.locator("#keys-table tbody td").first.evaluate("cell => getComputedStyle(cell, '::before').content")
    assert (labels == '"Name"') == (width <= 864)


def test_in_print_it_is_light_and_has_all_of_it(opened: Open) -> None:
    page = opened(color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": 500, "height": 800})  # paper is narrow too
    assert page.locator("#keys-table tbody tr").first.evaluate("row => getComputedStyle(row).display") == "table-row"
    assert page.locator(".tools:visible").count() == 0
    assert luminance(page, "color") < 0.1
    assert len(column(page, "Name")) == 7


def test_the_chart_counts_all_tokens_and_says_so_in_words(opened: Open) -> None:
    page = opened()
    counts = [int(text) for text in page.locator("svg.chart text.count").all_text_contents()]
    assert counts == [3, 0, 1, 0, 3, 0]
    words = page.get_by_role("img").get_attribute("aria-label") or ""
    assert words.startswith("How many tokens there are of which age: up to 30 days 3, up to 90 days 0, ")
    assert words.endswith("older 0")
    assert page.locator("svg.chart rect.old").count() == 4


def test_5000_keys_are_a_page_too(browser: Browser, run: Run, mock: MockAPI, tmp_path: Path) -> None:
    for number in range(4999):
        mock.add_key(f"the-{number}th", ["viewer"], age_seconds=number * DAY / 10)
    path = tmp_path / "many.html"
    path.write_text(run("audit", "--output", "html").out, encoding="utf-8")
    context = browser.new_context()
    page = context.new_page()
    page.goto(path.as_uri())
    page.locator('[data-search="keys-table"]').fill("the-4711th")
    assert column(page, "Name") == ["the-4711th"]
    assert page.locator(".tiles .fill.warn").count() == 1
    assert page.locator("#findings-table tbody tr").first.inner_text().startswith("high")
    context.close()
