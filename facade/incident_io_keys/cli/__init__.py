"""The command `incident-io-keys`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from . import _mock


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: What stands behind its name; without it, what this process was started with.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="incident-io-keys", description="The API keys of incident.io.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _mock.add_to(commands)
    chosen = parser.parse_args(arguments)
    code: int = chosen.run(chosen)
    return code
