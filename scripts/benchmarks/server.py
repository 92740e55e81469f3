"""A server that does nothing but send prepared bytes, so that what is measured is its clients.

Run as a program: it prints its port, and serves until its standard input ends. The first part of a path says how it is
answered: `/5000/v1/api_keys` lists so many keys, and `/slow-5000/v1/api_keys` takes 50 ms for each page. Below
`/bodies/3/500`, it is the status 500 with the fourth of hostile.BODIES; below `/gzip/1/500`, with the second of GZIP;
below `/endless/3`, it is the fourth of ENDLESS.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import sys
import threading
import time
from functools import cache
from typing import Any

from hostile import BODIES, ENDLESS, GZIP, LARGEST, LARGEST_PAGE

PAGE_SECONDS = 0.050

# The headers that the API's documentation names, and those that every server sends.
HEAD = """HTTP/1.1 200 OK
Date: Sun, 22 Nov 2026 12:00:00 GMT
Content-Type: application/json
Content-Length: {}
X-Request-Id: 01FCNDV6P870EA6S7TK1DSYDG0
X-RateLimit-Limit: 1200, 1200;window=60
X-RateLimit-Remaining: 1199
X-RateLimit-Reset: 1795435260

"""

_TARGET = re.compile(rb"GET /(slow-)?(\d+)/v1/api_keys(/[^ ?]*)?([^ ]*) ")
_HOSTILE = re.compile(rb"(?:GET|POST) /(bodies|gzip|endless)/(\d+)(?:/(\d+))?/v1/api_keys([^ ]*) ")
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_PAGE = re.compile(rb"page_size=(\d+)")
_AFTER = re.compile(rb"after=01FCNDV6P870EA6S7TK(\d+)")


def _id(number: int) -> str:
    return f"01FCNDV6P870EA6S7TK{number:07}"


def key(number: int) -> dict[str, Any]:
    """A key as the API's documentation shows one, with what such keys have in common."""
    return {
        "id": _id(number),
        "name": f"Deploy bot {number}",
        "roles": [
            {"name": "viewer", "description": "Can view public data, such as public incidents and follow-ups."},
            {"name": "incident_creator", "description": "Can create incidents."},
        ],
        "team_ids": ["01FCNDV6P870EA6S7TK1DSYDG0"],
        "team_roles": [{"name": "schedules_editor", "description": "Can create and edit schedules of the team."}],
        "creator": {
            "user": {
                "id": "01FCNDV6P870EA6S7TK1DSYDG0",
                "name": "Lisa Karlin Curtis",
                "email": "lisa@example.com",
                "role": "viewer",
                "slack_user_id": "U02AYNF2XJM",
            }
        },
        "created_at": "2021-08-17T13:28:57.801578Z",
        "token_last_issued_at": "2021-08-17T13:28:57.801578Z",
    }


@cache
def one() -> bytes:
    return answer({"api_key": {**key(1), "id": "01FCNDV6P870EA6S7TK1DSYDG0"}})


@cache
def page(first: int, size: int, total: int) -> bytes:
    """A page of so many keys, behind which the next one begins if there is one."""
    end = min(first + size, total)
    meta: dict[str, Any] = {"page_size": size}
    if end < total:
        meta["after"] = _id(end)
    return answer({"api_keys": [key(number) for number in range(first, end)], "pagination_meta": meta})


def answer(body: Any) -> bytes:
    content = json.dumps(body, separators=(",", ":")).encode()
    return HEAD.format(len(content)).replace("\n", "\r\n").encode() + content


def prepared(request: bytes) -> tuple[float, bytes]:
    """How long to take for a request, in seconds, and what to send."""
    match = _TARGET.match(request)
    assert match is not None, request
    slow, total, id_, query = match.groups()
    if id_:
        return 0.0, one()
    size, after = _PAGE.search(query), _AFTER.search(query)
    assert size is not None, request
    return PAGE_SECONDS if slow else 0.0, page(int(after[1]) if after else 0, int(size[1]), int(total))


def serve(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        while request := connection.recv(65536):
            if match := _HOSTILE.match(request):
                with contextlib.suppress(OSError):  # the client reads no more
                    serve_hostile(connection, request, match)
                return
            seconds, content = prepared(request)
            if seconds:
                time.sleep(seconds)
            connection.sendall(content)


def serve_hostile(connection: socket.socket, request: bytes, match: re.Match[bytes]) -> None:
    """Read the rest of a request, and send the response that its path names."""
    head, _, body = request.partition(b"\r\n\r\n")
    left = int(length[1]) - len(body) if (length := _LENGTH.search(head)) else 0
    while left > 0:
        left -= len(connection.recv(65536))
    kind, number, status, rest = match.groups()
    if kind == b"endless":
        begin, unit = list(ENDLESS.values())[int(number)]
        connection.sendall(begin)
        while True:
            connection.sendall(unit * 1_000)
    content = hostile(kind == b"gzip", int(number), LARGEST_PAGE if rest.startswith(b"?") else LARGEST)
    coding = b"gzip" if kind == b"gzip" else b"identity"
    head = b"HTTP/1.1 %b X\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (status, coding, len(content))
    connection.sendall(head + content)


@cache
def hostile(gzip: bool, number: int, size: int) -> bytes:
    return list((GZIP if gzip else BODIES).values())[number](size)


def accept(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


def main() -> None:
    for total in (500, 5_000):
        for first in range(0, total, 250):
            page(first, 250, total)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1_000)
    threading.Thread(target=accept, args=(listener,), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
