"""Forked children of a process whose client has connections: they warn of nothing, and leave the connections alone.

What a child prints is seen by the parent: each warning is an error that is printed.
"""

from __future__ import annotations

import pytest

from .connections import KeyServer
from .programs import run

# `child` runs in the child, `leave` ends it. The parent checks its exit status and uses its client again.
SYNC = """
import gc
keys = KeysClient(TOKEN, base_url=URL, deadline=10)
assert keys.show("a").id == "a"
{before}
pid = os.fork()
if pid == 0:
    {child}
    gc.collect()
    {leave}
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert keys.show("c").id == "c"
keys.close()
"""
CHILDREN = {
    "uses the client": "assert keys.show('b').id == 'b'",
    "uses the client and closes it": "assert keys.show('b').id == 'b'; keys.close()",
    "closes the client": "keys.close()",
    "drops the client": "del keys",
    "uses the client and drops it": "assert keys.show('b').id == 'b'; del keys",
    "iterates over the keys": "assert [key.id for key in keys.list(prefetch=True)] == ['key 0', 'key 1', 'key 2']",
    "forks again": "assert keys.show('b').id == 'b'\n"
    "    other = os.fork()\n"
    "    assert keys.show('b').id == 'b'\n"
    "    if other: assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 0",
    "does nothing": "pass",
}
LEAVES = {"sys.exit": "sys.exit()", "os._exit": "os._exit(0)"}
BEFORE = {
    "one connection": "",
    # The generator holds the connection of a page that is on its way, or has arrived.
    "a loop that prefetches": "pages = keys.list(prefetch=True).pages(); next(pages)",
}


@pytest.mark.parametrize("leave", LEAVES)
@pytest.mark.parametrize("child", CHILDREN)
@pytest.mark.parametrize("before", BEFORE)
def test_a_forked_child_warns_of_nothing_and_leaves_the_connection_to_its_parent(
    before: str, child: str, leave: str
) -> None:
    program = SYNC.format(before=BEFORE[before], child=CHILDREN[child], leave=LEAVES[leave])
    with KeyServer(pages=3).running() as server:
        assert run(program, server.url) == ""
        if not BEFORE[before]:
            assert server.ports[0] == server.ports[-1]
            assert server.ports.count(server.ports[0]) == 2


# A child has no event loop: it begins its own. At its end, os._exit skips the loop that belongs to its parent.
ASYNC = """
import gc
keys = AsyncKeysClient(TOKEN, base_url=URL, deadline=10)

async def main():
    assert (await keys.show("a")).id == "a"
    pid = os.fork()
    if pid == 0:
        asyncio.events._set_running_loop(None)
        try:
            in_child()
            gc.collect()
        except BaseException as error:
            sys.stderr.write(repr(error))
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert (await keys.show("c")).id == "c"
    await keys.aclose()

async def use():
    assert (await keys.show("b")).id == "b"

def in_child():
    global keys
    {child}

asyncio.run(main())
"""
ASYNC_CHILDREN = {
    "uses the client": "asyncio.run(use())",
    "uses the client and closes it": "async def both(): await use(); await keys.aclose()\n    asyncio.run(both())",
    "closes the client": "asyncio.run(keys.aclose())",
    "drops the client": "del keys",
    "does nothing": "pass",
}


@pytest.mark.parametrize("child", ASYNC_CHILDREN)
def test_a_forked_child_of_an_event_loop_warns_of_nothing(child: str) -> None:
    with KeyServer().running() as server:
        assert run(ASYNC.format(child=ASYNC_CHILDREN[child]), server.url) == ""
        assert server.ports[0] == server.ports[-1]
        assert server.ports.count(server.ports[0]) == 2
