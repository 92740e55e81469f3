"""The report of an audit as one page for a browser, which asks for nothing from elsewhere.

Everything that comes from the API goes through Jinja's escaping; were something to slip through, the page's own policy
lets no script run but the one whose hash it names.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import timedelta
from importlib.resources import files
from typing import Final

from attrs import frozen
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from incident_io_keys_generated.contract import LIMIT_ACTIVE_KEYS

from ._ages import in_utc, in_words
from ._audit import Report, Severity
from ._tables import roles_in_words
from ._terminal import printable
from ._writers import creator_of

# Bars of the chart: tokens up to so many days old.
_BARS: Final = (
    ("up to 30 days", 30),
    ("up to 90 days", 90),
    ("up to 6 months", 183),
    ("up to a year", 365),
    ("up to 2 years", 730),
    ("older", None),
)
_CHART_WIDTH: Final = 240


@frozen(kw_only=True)
class Bar:
    """A bar of the chart.

    Attributes:
        label: Which tokens it counts.
        count: How many.
        width: How long it is drawn.
        old: Whether all of them are older than they should be.
    """

    label: str
    count: int
    width: float
    old: bool


def page(report: Report) -> str:
    """The page."""
    parts = files(__package__) / "report"
    style, script = ((parts / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    template = environment.from_string((parts / "report.html").read_text(encoding="utf-8"))
    return (
        template.render(
            report=report,
            severities=[severity.word for severity in sorted(Severity, reverse=True)],
            counts=[(severity.word, count) for severity, count in report.counts().items()],
            worst=report.worst(),
            bars=bars(report),
            limit=LIMIT_ACTIVE_KEYS,
            used=min(100, 100 * len(report.keys) / LIMIT_ACTIVE_KEYS),
            is_crowded=any(finding.check == "head-room" for finding in report.findings),
            age=lambda instant: in_words(instant, report.at),
            seconds=lambda instant: int((report.at - instant).total_seconds()),
            in_utc=in_utc,
            creator_of=creator_of,
            roles_in_words=roles_in_words,
            is_old=lambda key: key.token_last_issued_at <= report.limit,
            style=style,
            script=script,
            style_hash=_hash(style),
            script_hash=_hash(script),
        )
        + "\n"
    )


def bars(report: Report) -> Sequence[Bar]:
    """How many tokens there are of which age."""
    ages = [report.at - key.token_last_issued_at for key in report.keys]
    counts, begin = [], None
    for label, days in _BARS:
        end = None if days is None else timedelta(days=days)
        count = sum((begin is None or age > begin) and (end is None or age <= end) for age in ages)
        counts.append((label, count, begin is not None and begin >= report.at - report.limit))
        begin = end
    most = max(1, *(count for _, count, _ in counts))
    return [Bar(label=label, count=count, width=_CHART_WIDTH * count / most, old=old) for label, count, old in counts]


def _shown(value: object) -> object:
    # Before it is escaped. What is marked as safe is our own, and has lines.
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
