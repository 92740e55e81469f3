"""Calls while the interpreter shuts down: they succeed, or raise an error of this package."""

from __future__ import annotations

import pytest

from .connections import KeyServer
from .programs import run

SYNC = """
keys = KeysClient(TOKEN, base_url=URL, attempts=1, deadline=5)

def call():
    with keys:
        {body}
"""
ASYNC = """
keys = AsyncKeysClient(TOKEN, base_url=URL, attempts=1, deadline=5)

async def call_async():
    async with keys:
        {body}

def call():
    asyncio.run(call_async())
"""
SHOW = "assert keys.show('a').id == 'a'"
SHOW_ASYNC = "assert (await keys.show('a')).id == 'a'"
LIST = "assert [key.id for key in keys.list(prefetch=True)] == ['key 0', 'key 1', 'key 2']"
LIST_ASYNC = "assert [key.id async for key in keys.list(prefetch=True)] == ['key 0', 'key 1', 'key 2']"

CLIENTS = {
    "sync": SYNC.format(body=SHOW),
    "async": ASYNC.format(body=SHOW_ASYNC),
    "sync, prefetch": SYNC.format(body=LIST),
    "async, prefetch": ASYNC.format(body=LIST_ASYNC),
}

# Prints how a call ends.
REPORT = """
def report():
    try:
        call()
        os.write(1, b"success")
    except IncidentIOError:
        os.write(1, b"own error")
    except BaseException as error:
        os.write(1, repr(error).encode())
"""

MOMENTS = {
    "in an atexit handler": "atexit.register(report)",
    "in an atexit handler after a call": "keys_before = KeysClient(TOKEN, base_url=URL)\n"
    "with keys_before: keys_before.show('b')\natexit.register(report)",
    "after the threads have ended": "import threading\nthreading._register_atexit(report)",
}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_call_while_the_interpreter_shuts_down_raises_no_foreign_error(moment: str, client: str, host: str) -> None:
    with KeyServer(pages=3).running() as server:
        out = run(CLIENTS[client] + REPORT + MOMENTS[moment], server.url.replace("127.0.0.1", host))
    assert out in ("success", "own error")
