"""Makes the pictures that the README shows: what the command prints at a terminal, and its report in a browser.

Run it as scripts/pictures. It talks to a mock of this machine.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import pexpect
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

from incident_io_keys import AccountRole, KeysClient
from incident_io_keys.cli._demo import mock_with_keys

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
COLUMNS = 112
DAY = 86_400

# Keys that a review finds something about: name, roles, and for how many days they have had their token.
KEYS = (
    ("break glass", (AccountRole.GLOBAL_ACCESS,), 35),
    ("Deploy Bot", (AccountRole.INCIDENT_CREATOR,), 97),
    ("left over", (), 610),
)

# rich's pictures name a font of somebody else's server.
FONTS = re.compile(r"@font-face\s*\{[^}]*\}\s*|Fira Code, ")


def main() -> None:
    mock = mock_with_keys()
    for name, roles, days in KEYS:
        mock.add_key(name, roles, age_seconds=days * DAY)
    PICTURES.mkdir(exist_ok=True)
    with mock.serve() as server, KeysClient(mock.token, base_url=server.url) as keys:
        keys.create(name="made by a key", role_names=[AccountRole.VIEWER])
        environment = {
            **{name: value for name, value in os.environ.items() if name != "NO_COLOR"},
            "INCIDENT_ENDPOINT": server.url,
            "INCIDENT_API_KEY": mock.token.reveal(),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TERM": "xterm-256color",
        }
        (PICTURES / "list.svg").write_text(at_a_terminal("incident-io-keys list", environment), encoding="utf-8")
        in_a_browser(run("incident-io-keys audit --output html", environment), PICTURES / "audit.png")


def chromium() -> str | None:
    """Where a Chromium is, by the names that scripts/install knows; CHROMIUM names another one."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def at_a_terminal(command: str, environment: dict[str, str]) -> str:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ {command}"))
    console.print(Text.from_ansi(run(command, environment)))
    return FONTS.sub("", console.export_svg(title=command, unique_id="list"))


def run(command: str, environment: dict[str, str]) -> str:
    # Without its progress, which would be gone at the end.
    child = pexpect.spawn(
        "sh",
        ["-c", f"{command} 2>&-"],
        env=environment,
        dimensions=(200, COLUMNS),
        encoding="utf-8",
        echo=False,
    )
    child.expect(pexpect.EOF)
    return str(child.before).replace("\r\n", "\n")


def in_a_browser(page: str, picture: Path) -> None:
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        file = Path(directory) / "report.html"
        file.write_text(page, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1000, "height": 860}, color_scheme="light")
        opened.goto(file.as_uri())
        opened.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main()
