"""Skips the delays between the attempts of a call, and records them. No other module knows how."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from unittest import mock


@contextlib.contextmanager
def skip_delays() -> Iterator[list[float]]:
    """Skip all delays within the `with` block. The yielded list has those skipped so far, in seconds."""
    from incident_io_keys._base_client import AsyncClient, SyncClient

    delays: list[float] = []

    async def skip(_: float) -> None:
        await asyncio.sleep(0)

    async def wait(_: AsyncClient, seconds: float) -> None:
        delays.append(seconds)

    with (
        mock.patch.object(SyncClient, "_wait", lambda _, seconds: delays.append(seconds)),
        mock.patch.object(AsyncClient, "_wait", wait),
        mock.patch("incident_io_keys.custody._drive._sleep"),
        mock.patch("incident_io_keys.custody._drive._sleep_async", skip),
    ):
        yield delays
