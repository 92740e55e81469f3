"""Runs programs in interpreters of their own, in which each ResourceWarning is an error that is printed."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Any

from .conftest import CANARY

PREAMBLE = """
import asyncio, atexit, os, sys
from incident_io_keys import AsyncKeysClient, IncidentIOError, KeysClient
TOKEN, URL = sys.argv[1:]
"""


def start(program: str, url: str) -> subprocess.Popen[str]:
    """Start a program that has the names of the preamble."""
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", PREAMBLE + program, CANARY, url]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, env=environment, **pipes)


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for the end of a program that prints no error, and return what it prints."""
    out, err = process.communicate(timeout=60)
    assert not err, err
    assert process.returncode == 0
    return out


def run(program: str, url: str) -> str:
    """Run a program that prints no error, and return what it prints."""
    return finish(start(program, url))


def fork(check: Callable[[], object]) -> None:
    """Run a check in a forked child, and fail if it failed there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12, if other threads run
        child = os.fork()
    if child == 0:
        status = 1
        try:
            check()
            gc.collect()
            status = 0
        except BaseException:  # noqa: BLE001 - the child must not run other tests
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
