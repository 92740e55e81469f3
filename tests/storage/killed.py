"""A process that is killed at one of its steps. It is forked from a server that has all of this imported already."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from incident_io_keys import AsyncKeysClient, KeysClient
from incident_io_keys.storage import FileStore, _runner, create_into, resume, rotate_into

NAME = "killed"

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


def run(what: str, *, url: str, token: str, directory: Path, key_id: str, kill_at: int, client: str) -> Any:
    """Run a function of storage in another process, which is killed at so manieth of its steps.

    Returns:
        The process: it has the exit code -SIGKILL, or 0 if it had fewer steps.
    """
    process = _context.Process(target=_child, args=(what, url, token, directory, key_id, kill_at, client))
    process.start()
    return process


def _child(what: str, url: str, token: str, directory: Path, key_id: str, kill_at: int, client: str) -> None:
    steps = itertools.count(1)

    def stepping(function: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*arguments: Any, **keywords: Any) -> Any:
            if next(steps) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            found = function(*arguments, **keywords)
            if next(steps) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return found

        return stepped

    _runner.Ask.__call__ = stepping(_runner.Ask.__call__)  # type: ignore[method-assign]
    # And what lasts on the disk.
    for owner, name in ((os, "write"), (os, "fsync"), (os, "ftruncate"), (tempfile, "mkstemp")):
        setattr(owner, name, stepping(getattr(owner, name)))
    Path.replace = stepping(Path.replace)  # type: ignore[method-assign]
    Path.unlink = stepping(Path.unlink)  # type: ignore[method-assign]
    store = FileStore(directory)
    # Their own transports would take longer to get ready for TLS than all of the rest.
    with_it: Any = (
        KeysClient(token, base_url=url, attempts=1, transport=httpx.HTTPTransport(verify=False))
        if client == "sync"
        else AsyncKeysClient(token, base_url=url, attempts=1, transport=httpx.AsyncHTTPTransport(verify=False))
    )
    functions: dict[str, Callable[[], Any]] = {
        "create": lambda: create_into(with_it, store, name=NAME, role_names=["viewer"]),
        "rotate": lambda: rotate_into(with_it, store, key_id),
        "resume": lambda: resume(with_it, store),
    }
    if client == "sync":
        functions[what]()
        with_it.close()
    else:
        asyncio.run(_awaited(functions[what], with_it))


async def _awaited(function: Callable[[], Any], client: AsyncKeysClient) -> None:
    found = function()
    assert inspect.isawaitable(found)
    await found
    await client.aclose()
