"""Run a process that is killed at one of its steps. A server that has already imported this module forks it."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import httpx
from keyring.backend import KeyringBackend

from incident_io_keys import AsyncKeysClient, IncidentIOError, KeysClient
from incident_io_keys.storage import (
    CommandStore,
    DotenvStore,
    FileStore,
    KeyringStore,
    TokenStore,
    _adapters,
    create_into,
    resume,
    rotate_into,
)

NAME = "killed"


class FileBackend(KeyringBackend):
    """A keyring backend that saves each password in a file of a directory."""

    _classes: ClassVar[set[Any]] = set()  # the library registers available backends here
    priority = -1

    def __init__(self, directory: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._directory = directory

    def get_password(self, service: str, username: str) -> str | None:
        path = self._directory / f"{service}-{username}"
        return path.read_text() if path.exists() else None

    def set_password(self, service: str, username: str, password: str) -> None:
        temporary = self._directory / f"new-{os.getpid()}"
        temporary.write_text(password)
        temporary.replace(self._directory / f"{service}-{username}")

    def delete_password(self, service: str, username: str) -> None:
        (self._directory / f"{service}-{username}").unlink()


_PUT = (
    "import os, sys; new = sys.argv[1] + '.new'; open(new, 'w').write(sys.stdin.read()); os.replace(new, sys.argv[1])"
)
_GET = "import os, sys; sys.stdout.write(open(sys.argv[1]).read()) if os.path.exists(sys.argv[1]) else sys.exit(44)"


def _command_store(directory: Path) -> CommandStore:
    python, path = [sys.executable, "-SEc"], str(directory / "{key}")
    return CommandStore([*python, _PUT, path], [*python, _GET, path], journal=directory / "journal", absent=[44])


STORES: dict[str, Callable[[Path], TokenStore]] = {
    "directory": FileStore,
    "file": lambda directory: FileStore(file=directory / "token"),
    "dotenv": lambda directory: DotenvStore(directory / ".env"),
    "keyring": lambda directory: KeyringStore(journal=directory / "journal", backend=FileBackend(directory)),
    "command": _command_store,
}

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


def run(what: str, **arguments: Any) -> Any:
    """Run a function of `storage` in another process, which is killed at one of its steps.

    Returns:
        The process. Its exit code is -SIGKILL, 0 if it ended before that step, or 1 if the function failed.
    """
    process = _context.Process(target=_child, args=(what,), kwargs=arguments)
    process.start()
    return process


def _child(
    what: str, *, url: str, token: str, directory: Path, key_id: str, kill_at: int, client: str, kind: str = "directory"
) -> None:
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

    # A step precedes and follows each call to the API or the token store, and each change on the disk.
    for owner, name in (
        *((_adapters.Api, "_call"), (_adapters, "call_user_code")),
        *((os, "fsync"), (os, "fchmod"), (os, "link"), (tempfile, "mkstemp")),
        *((Path, "replace"), (Path, "unlink"), (Path, "mkdir")),
    ):
        setattr(owner, name, stepping(getattr(owner, name)))
    store = STORES[kind](directory)
    # The default transports would spend more time on the TLS setup than the rest of the test takes.
    keys: Any = (
        KeysClient(token, base_url=url, attempts=1, transport=httpx.HTTPTransport(verify=False))
        if client == "sync"
        else AsyncKeysClient(token, base_url=url, attempts=1, transport=httpx.AsyncHTTPTransport(verify=False))
    )
    functions: dict[str, Callable[[], Any]] = {
        "create": lambda: create_into(keys, store, name=NAME, role_names=["viewer"]),
        "rotate": lambda: rotate_into(keys, store, key_id),
        "resume": lambda: resume(keys, store),
    }
    try:
        if client == "sync":
            functions[what]()
            keys.close()
        else:
            asyncio.run(_awaited(functions[what], keys))
    except IncidentIOError:
        os._exit(1)


async def _awaited(function: Callable[[], Any], client: AsyncKeysClient) -> None:
    found = function()
    assert inspect.isawaitable(found)
    await found
    await client.aclose()
