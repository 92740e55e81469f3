"""Skips the delays between the attempts of a call, and records them. No other module knows how."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock


@contextlib.contextmanager
def skip_delays() -> Iterator[list[float]]:
    """Skip all delays within the `with` block. The yielded list has those skipped so far, in seconds."""
    from incident_io_keys._base_client import AsyncClient, SyncClient
    from incident_io_keys.storage import _runner

    delays: list[float] = []

    def skipped(wait: Callable[..., Any]) -> Callable[..., Any]:
        def skip(client: object, seconds: float) -> Any:
            delays.append(seconds)
            return wait(client, 0)

        return skip

    with (
        mock.patch.object(SyncClient, "_wait", skipped(SyncClient._wait)),
        mock.patch.object(AsyncClient, "_wait", skipped(AsyncClient._wait)),
        mock.patch.object(_runner, "wait"),
    ):
        yield delays
