"""The command `incident-io-keys` (extra `[cli]`). This module must not import what the extra brings."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from importlib.util import find_spec

_NEEDED = ("click", "jinja2", "rich")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: What stands behind its name; without it, what this process was started with.

    Returns:
        The exit code: 0, or 1 for a mistake of the user's, 2 for an error of the API's, 3 for one of the network, 130
        for an interrupt.
    """
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        advice = f"{', '.join(missing)} not installed; pip install 'incident-io-keys[cli]'"
        print(f"incident-io-keys: {advice}", file=sys.stderr)  # noqa: T201
        return 1
    if find_spec("fcntl") is None:
        print("incident-io-keys: needs a POSIX system: Linux, macOS, or WSL on Windows", file=sys.stderr)  # noqa: T201
        return 1
    try:
        from ._main import run
    except KeyboardInterrupt:  # it takes a moment
        return 130
    if arguments is not None:
        return run(list(arguments))
    # In a process of its own, all that was imported stays to its end: looking at it once more would take a sixth of the
    # time of a help text.
    gc.freeze()
    return run(sys.argv[1:])
