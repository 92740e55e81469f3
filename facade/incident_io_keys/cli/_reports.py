"""How the report of an audit looks: on a terminal, as JSON, as Markdown. `_html` has the page for a browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from incident_io_keys_generated.contract import LIMIT_ACTIVE_KEYS

from ._audit import Finding, Report, Severity
from ._terminal import Terminal, cell, counted, printable
from ._writers import as_answer

_COLOURS: Final = {
    Severity.HIGH: "bold red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "dim",
}

# What means something to Markdown, or to HTML within it.
_MARKUP: Final = re.compile(r"[\\`*{}\[\]()<>#+!|~&@]|:(?=//|\w+:)|\b_|_\b|(?<=www)\.", re.IGNORECASE)


def summary(report: Report) -> str:
    """What was found, in one line."""
    counts = ", ".join(f"{count:,} {severity.word}" for severity, count in report.counts().items())
    left = max(0, LIMIT_ACTIVE_KEYS - len(report.keys))
    return f"{counted(len(report.keys), 'key')}; an organisation can have {left:,} more. Findings: {counts}"


def _table(report: Report, terminal: Terminal) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("SEVERITY", no_wrap=True)
    table.add_column("KEY", ratio=2, overflow="fold")
    table.add_column("FINDING", ratio=3, overflow="fold")
    for each in report.findings:
        key = cell("all keys") if each.key is None else Text("\n").join([cell(each.key.name), cell(each.key.id, "dim")])
        finding = Text("\n").join([cell(f"{each.check}: {each.message}"), cell(each.advice, "dim")])
        table.add_row(Text(each.severity.word, _COLOURS[each.severity]), key, finding)
    if report.findings:
        terminal.out.print(table)
        terminal.out.print()
    terminal.out.print(cell(summary(report)))


def _json(report: Report, terminal: Terminal) -> None:
    facts = {
        "at": report.at.isoformat(timespec="seconds"),
        "endpoint": report.endpoint,
        "older_than": report.older_than,
        "unused_for": report.unused_for,
        "keys": len(report.keys),
        "limit": LIMIT_ACTIVE_KEYS,
        "counts": {severity.word: count for severity, count in report.counts().items()},
        "findings": [_facts(finding) for finding in report.findings],
    }
    terminal.write(as_answer(facts))


def _facts(finding: Finding) -> dict[str, Any]:
    key = finding.key
    return {
        "severity": finding.severity.word,
        "check": finding.check,
        "key": None if key is None else {"id": key.id, "name": key.name},
        "message": finding.message,
        "advice": finding.advice,
    }


def _markdown(report: Report, terminal: Terminal) -> None:
    lines = [
        "# API keys: audit",
        "",
        f"{_escaped(report.endpoint)}, {report.at:%Y-%m-%d %H:%M} UTC. {summary(report)}",
        "",
    ]
    if report.findings:
        lines += ["| severity | key | finding | what to do |", "|---|---|---|---|"]
    for each in report.findings:
        key = "all keys" if each.key is None else f"{_escaped(each.key.name)}<br>{_escaped(each.key.id)}"
        finding = f"{each.check}: {_escaped(each.message)}"
        lines.append(f"| {each.severity.word} | {key} | {finding} | {_escaped(each.advice)} |")
    terminal.write("\n".join(lines).rstrip() + "\n")


def _escaped(text: str) -> str:
    # As entities: a backslash is not enough for a link that begins itself. A mention of somebody, or of an issue, is
    # one also then, unless something stands between.
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};" + ("&#8203;" if found[0] in "@#" else ""), printable(text))


def _html(report: Report, terminal: Terminal) -> None:
    from ._html import page

    terminal.write(page(report))


REPORTS: Final[Mapping[str, Callable[[Report, Terminal], None]]] = {
    "table": _table,
    "json": _json,
    "markdown": _markdown,
    "html": _html,
}
