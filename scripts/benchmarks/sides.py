"""What is measured, a side at a time, in a process of its own: this program, given SIDE and URL, prints its values.

Sides of one figure do the same, each as its user would write it. A side imports what it measures and nothing beside it,
and what all of them need is imported only where it weighs nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

# Values that a process gives of what takes long, and of what it can repeat many times.
VALUES = 3
KEY = "01FCNDV6P870EA6S7TK1DSYDG0"
AT_ONCE = 200
SECRET = "bench"  # noqa: S105 - no server of these looks at it
SLOW_PAGES = 20


def cpu(call: Callable[[], object], calls: int) -> list[float]:
    """Seconds of CPU that a call takes in all threads, some values of it."""
    for _ in range(max(1, calls // 4)):
        call()
    values = []
    for _ in range(VALUES):
        started = time.process_time()
        for _ in range(calls):
            call()
        values.append((time.process_time() - started) / calls)
    return values


def counted(keys: int) -> None:
    """See that all keys were there: a side that does less is no faster."""
    assert keys == 5_000, keys


def import_time(statement: str) -> list[float]:
    started = time.perf_counter()
    exec(statement, {})  # noqa: S102 - one of ours
    return [time.perf_counter() - started]


def import_memory(statement: str) -> list[float]:
    exec(statement, {})  # noqa: S102 - one of ours
    import resource

    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - pathlib would weigh something
            return [float(file.read().split()[1]) * resource.getpagesize()]
    except FileNotFoundError:  # macOS, which gives it in bytes
        return [float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)]


OURS = "import incident_io_keys"
HTTPX = "import httpx"
VENDOR = "from incident_io.api.api_keys_v1 import api_keys_v1_list"


def first_response_ours(url: str) -> list[float]:
    started = time.perf_counter()
    from incident_io_keys import KeysClient

    with KeysClient(SECRET, base_url=url) as keys:
        keys.show(KEY)
        return [time.perf_counter() - started]


def first_response_vendor(url: str) -> list[float]:
    started = time.perf_counter()
    from incident_io import AuthenticatedClient
    from incident_io.api.api_keys_v1 import api_keys_v1_show

    with AuthenticatedClient(base_url=url, token=SECRET) as client:
        api_keys_v1_show.sync(KEY, client=client)
        return [time.perf_counter() - started]


def first_response_httpx(url: str) -> list[float]:
    started = time.perf_counter()
    import httpx

    with httpx.Client(base_url=url) as client:
        client.get(f"/v1/api_keys/{KEY}").json()
        return [time.perf_counter() - started]


def list_ours(url: str) -> list[float]:
    from incident_io_keys import KeysClient

    with KeysClient(SECRET, base_url=url) as keys:
        return cpu(lambda: counted(sum(1 for _ in keys.list())), 4)


def list_httpx(url: str) -> list[float]:
    import json
    from collections.abc import Iterator

    with _configured(url) as client:

        def every() -> Iterator[dict[str, Any]]:
            params: dict[str, Any] = {"page_size": 250}
            while True:
                response = client.get("/v1/api_keys", params=params)
                response.raise_for_status()
                page = json.loads(response.content)
                yield from page["api_keys"]
                after = page["pagination_meta"].get("after")
                if after is None:
                    return
                params["after"] = after

        return cpu(lambda: counted(sum(1 for _ in every())), 4)


def list_vendor(url: str) -> list[float]:
    from incident_io import AuthenticatedClient
    from incident_io.api.api_keys_v1 import api_keys_v1_list
    from incident_io.models import APIKeysListResultV1
    from incident_io.types import UNSET

    with AuthenticatedClient(base_url=url, token=SECRET) as client:

        def every() -> int:
            count, after = 0, UNSET
            while True:
                page = api_keys_v1_list.sync(client=client, page_size=250, after=after)
                assert isinstance(page, APIKeysListResultV1)
                for _ in page.api_keys:
                    count += 1
                after = page.pagination_meta.after
                if not after:
                    return count

        return cpu(lambda: counted(every()), 1)


def show_ours(url: str) -> list[float]:
    from incident_io_keys import KeysClient

    with KeysClient(SECRET, base_url=url) as keys:
        assert keys.show(KEY).id == KEY
        return cpu(lambda: keys.show(KEY), 300)


def show_httpx(url: str) -> list[float]:
    with _configured(url) as client:
        assert client.get(f"/v1/api_keys/{KEY}").json()["api_key"]["id"] == KEY
        return cpu(lambda: client.get(f"/v1/api_keys/{KEY}").json(), 300)


def show_vendor(url: str) -> list[float]:
    from incident_io import AuthenticatedClient
    from incident_io.api.api_keys_v1 import api_keys_v1_show

    with AuthenticatedClient(base_url=url, token=SECRET) as client:
        assert api_keys_v1_show.sync(KEY, client=client).api_key.id == KEY
        return cpu(lambda: api_keys_v1_show.sync(KEY, client=client), 300)


def concurrent_ours(url: str) -> list[float]:
    from incident_io_keys import AsyncKeysClient

    return concurrent(lambda: AsyncKeysClient(SECRET, base_url=url), lambda keys: keys.show(KEY))


def concurrent_httpx(url: str) -> list[float]:
    async def show(client: Any) -> Any:
        return (await client.get(f"/v1/api_keys/{KEY}")).json()

    import httpx

    # As many connections are kept as there can be: by itself it would close four of five after each time.
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    return concurrent(lambda: httpx.AsyncClient(**_configuration(url), limits=limits), show)


def concurrent(make: Callable[[], Any], show: Callable[[Any], Awaitable[object]]) -> list[float]:
    """Seconds of CPU for each of many calls that are made concurrently."""
    import asyncio

    async def run() -> list[float]:
        values = []
        async with make() as client:
            for _ in range(VALUES + 1):
                started = time.process_time()
                for _ in range(3):
                    await asyncio.gather(*(show(client) for _ in range(AT_ONCE)))
                values.append((time.process_time() - started) / AT_ONCE / 3)
        return values[1:]

    return asyncio.run(run())


def _configuration(url: str) -> dict[str, Any]:
    """What somebody sets who uses httpx with care."""
    headers = {"Authorization": f"Bearer {SECRET}", "Accept": "application/json", "User-Agent": "bench"}
    return {"base_url": url, "headers": headers, "timeout": 30.0}


def _configured(url: str) -> Any:
    import httpx

    return httpx.Client(**_configuration(url))


def pages() -> list[bytes]:
    from server import page

    return [page(first, 250, 5_000).partition(b"\r\n\r\n")[2] for first in range(0, 5_000, 250)]


def decode(read: Callable[[bytes], object], times: int) -> list[float]:
    bodies = pages()

    def every() -> None:
        for body in bodies:
            read(body)

    return cpu(every, times)


def decode_ours() -> list[float]:
    import msgspec

    from incident_io_keys_generated.models import ListAPIKeysResponse

    return decode(lambda body: msgspec.json.decode(body, type=ListAPIKeysResponse), 4)


def decode_json() -> list[float]:
    import json

    return decode(json.loads, 4)


def decode_vendor() -> list[float]:
    import json

    from incident_io.models import APIKeysListResultV1

    return decode(lambda body: APIKeysListResultV1.from_dict(json.loads(body)), 1)


def memory_loop(url: str) -> list[float]:
    """Bytes that a loop over keys needs at its peak, above what there was before."""
    import tracemalloc

    from incident_io_keys import KeysClient

    tracemalloc.start()
    with KeysClient(SECRET, base_url=url) as keys:
        for _ in range(2):  # what is made once and stays: connections, and the caches of libraries, which fill up
            sum(1 for _ in keys.list())
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for _ in keys.list():
            pass
        return [float(tracemalloc.get_traced_memory()[1] - before)]


def memory_page(url: str) -> list[float]:
    """Bytes that a page takes that somebody holds."""
    import tracemalloc

    from incident_io_keys import KeysClient

    tracemalloc.start()
    with KeysClient(SECRET, base_url=url) as keys:
        sum(1 for _ in keys.list())
        before = tracemalloc.get_traced_memory()[0]
        page = next(keys.list().pages())
        assert len(page.keys) <= 250
        return [float(tracemalloc.get_traced_memory()[0] - before)]


def prefetch(url: str, *, ahead: bool) -> list[float]:
    from incident_io_keys import KeysClient

    with KeysClient(SECRET, base_url=url) as keys:
        started = time.perf_counter()
        pages = 0
        for _ in keys.list(prefetch=ahead).pages():
            pages += 1
            time.sleep(0.050)
        assert pages == SLOW_PAGES
        return [time.perf_counter() - started]


def prefetch_async(url: str, *, ahead: bool) -> list[float]:
    import asyncio

    from incident_io_keys import AsyncKeysClient

    async def run() -> list[float]:
        async with AsyncKeysClient(SECRET, base_url=url) as keys:
            started = time.perf_counter()
            pages = 0
            async for _ in keys.list(prefetch=ahead).pages():
                pages += 1
                await asyncio.sleep(0.050)
            assert pages == SLOW_PAGES
            return [time.perf_counter() - started]

    return asyncio.run(run())


def hostile_cases(url: str) -> list[tuple[str, str, bool]]:
    """All calls with hostile responses: the name of a method, the base URL, and whether the response ends."""
    from hostile import BODIES, ENDLESS, GZIP

    cases = [
        (method, f"{url}/{kind}/{number}/{status}", True)
        for kind, bodies in (("bodies", BODIES), ("gzip", GZIP))
        for number in range(len(bodies))
        for status in (200, 500)
        for method in ("create", "show", "list")
    ]
    endless = [(f"{url}/endless/{number}", False) for number in range(len(ENDLESS))]
    return cases + [(method, *each) for each in endless for method in ("show", "list")]


def call_of(keys: Any, method: str) -> Any:
    """Call a method of a client. The first page is all that is read of a list."""
    if method == "create":
        return keys.create(name="bench", role_names=[])
    return keys.show(KEY) if method == "show" else keys.list().pages()


def least(measure: Callable[[], float]) -> float:
    """Measure until the value is small, three times at most: what else runs on the machine only adds to it."""
    found = measure()
    for _ in range(2):
        if found > 0.1:
            found = min(found, measure())
    return found


def hostile_deadline(url: str) -> list[float]:
    """Seconds by which the longest of all calls exceeds its deadline.

    A deadline can pass when a body has just arrived. So for a response that ends, it is the CPU time of the whole call.
    """
    from incident_io_keys import IncidentIOError, KeysClient

    def measure(method: str, base: str, ends: bool) -> float:
        with KeysClient(SECRET, base_url=base, deadline=60 if ends else 1, attempts=1) as keys:
            now = time.process_time if ends else time.perf_counter
            started = now()
            try:
                called = call_of(keys, method)
                if method == "list":
                    next(called)
            except IncidentIOError:
                pass
            return now() - started - (0 if ends else 1)

    return [worst({case: least(lambda case=case: measure(*case)) for case in hostile_cases(url)})]  # type: ignore[misc]


def hostile_loop(url: str) -> list[float]:
    """Seconds for which a call blocks the event loop at the longest."""
    import asyncio

    from incident_io_keys import AsyncKeysClient, IncidentIOError

    async def run(method: str, base: str, ends: bool) -> float:
        longest = 0.0

        async def tick() -> None:
            nonlocal longest
            while True:
                started = time.perf_counter()
                await asyncio.sleep(0.001)
                longest = max(longest, time.perf_counter() - started - 0.001)

        async with AsyncKeysClient(SECRET, base_url=base, deadline=60 if ends else 1, attempts=1) as keys:
            ticking = asyncio.create_task(tick())
            await asyncio.sleep(0.01)
            try:
                called = call_of(keys, method)
                await (anext(called) if method == "list" else called)
            except IncidentIOError:
                pass
            await asyncio.sleep(0.01)  # a tick after the call
            ticking.cancel()
            return longest

    return [worst({case: least(lambda case=case: asyncio.run(run(*case))) for case in hostile_cases(url)})]  # type: ignore[misc]


def worst(values: dict[tuple[str, str, bool], float]) -> float:
    """Return the largest value, after printing the largest ones where they do not disturb."""
    from hostile import BODIES, ENDLESS, GZIP

    for (method, base, _), value in sorted(values.items(), key=lambda item: -item[1])[:5]:
        kind, number, *status = base.split("/")[3:]
        names = {"bodies": [*BODIES], "gzip": [*GZIP], "endless": [*ENDLESS]}[kind]
        print(f"{value:.2f} s: {method} {' '.join([kind, *status])}, {names[int(number)]}", file=sys.stderr)
    return max(values.values())


# By name; those that take a URL are given the server's, with the path that follows.
OFFLINE: dict[str, Callable[[], list[float]]] = {
    "import ours": lambda: import_time(OURS),
    "import httpx": lambda: import_time(HTTPX),
    "import vendor": lambda: import_time(VENDOR),
    "import memory ours": lambda: import_memory(OURS),
    "import memory httpx": lambda: import_memory(HTTPX),
    "import memory vendor": lambda: import_memory(VENDOR),
    "decode ours": decode_ours,
    "decode json": decode_json,
    "decode vendor": decode_vendor,
}
ONLINE: dict[str, tuple[str, Callable[[str], list[float]]]] = {
    "first response ours": ("/5000", first_response_ours),
    "first response httpx": ("/5000", first_response_httpx),
    "first response vendor": ("/5000", first_response_vendor),
    "list ours": ("/5000", list_ours),
    "list httpx": ("/5000", list_httpx),
    "list vendor": ("/5000", list_vendor),
    "show ours": ("/5000", show_ours),
    "show httpx": ("/5000", show_httpx),
    "show vendor": ("/5000", show_vendor),
    "concurrent ours": ("/5000", concurrent_ours),
    "concurrent httpx": ("/5000", concurrent_httpx),
    "memory 500": ("/500", memory_loop),
    "memory 5000": ("/5000", memory_loop),
    "memory 50000": ("/50000", memory_loop),
    "memory page": ("/500", memory_page),
    "hostile deadline": ("", hostile_deadline),
    "hostile loop": ("", hostile_loop),
    "prefetch sync": ("/slow-5000", lambda url: prefetch(url, ahead=True)),
    "prefetch sync without": ("/slow-5000", lambda url: prefetch(url, ahead=False)),
    "prefetch async": ("/slow-5000", lambda url: prefetch_async(url, ahead=True)),
    "prefetch async without": ("/slow-5000", lambda url: prefetch_async(url, ahead=False)),
}


def main() -> None:
    name, url = sys.argv[1], sys.argv[2]
    if name in OFFLINE:
        values = OFFLINE[name]()
    else:
        path, side = ONLINE[name]
        values = side(url + path)
    print(values)


if __name__ == "__main__":
    main()
