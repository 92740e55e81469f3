"""Draws the chart of the README: what each side takes, with httpx as the measure."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

# A group of bars: what it is about, and the beginning of the names of its measurements.
GROUPS = (
    ("import", "import"),
    ("import, and a first response", "first response"),
    ("list 5,000 keys, CPU", "list"),
    ("show a key, CPU", "show"),
)
SIDES = (("ours", "incident-io-keys"), ("httpx", "httpx and json.loads"), ("vendor", "the vendor's SDK"))
WIDTH, LEFT, BAR, GAP, TOP = 720, 190, 16, 18, 40
# A bar that is longer than this many times httpx's is cut, and its number says how long it is.
LONGEST = 6.0
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.ours { fill: #0969da } .httpx { fill: #8c959f } .vendor { fill: #d4a72c }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .ours { fill: #58a6ff } .httpx { fill: #6e7681 } }
"""


def drawn(medians: Mapping[str, float]) -> str:
    """The chart as SVG."""
    scale = (WIDTH - LEFT - 70) / LONGEST
    parts, y = [], TOP
    for number, (side, name) in enumerate(SIDES):
        x = LEFT + number * 165
        parts.append(f'<rect class="{side}" x="{x}" y="8" width="12" height="12" rx="2"/>')
        parts.append(f'<text x="{x + 18}" y="19">{escape(name)}</text>')
    for title, prefix in GROUPS:
        parts.append(f'<text x="{LEFT - 10}" y="{y + BAR * 2 - 4}" text-anchor="end">{escape(title)}</text>')
        for side, _ in SIDES:
            ratio = medians[f"{prefix} {side}"] / medians[f"{prefix} httpx"]
            width = min(ratio, LONGEST) * scale
            cut = " →" if ratio > LONGEST else ""
            parts.append(f'<rect class="{side}" x="{LEFT}" y="{y}" width="{width:.0f}" height="{BAR - 2}" rx="2"/>')
            parts.append(f'<text x="{LEFT + width + 6:.0f}" y="{y + BAR - 4}">{ratio:.2f}{cut}</text>')
            y += BAR
        y += GAP
    parts.append(f'<text x="{LEFT}" y="{y}">times what httpx takes: less is better</text>')
    y += GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img">\n'
        "<title>Time as multiples of what httpx takes: less is better</title>\n"
        f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )
