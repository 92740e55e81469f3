"""The bytes of the responses to requests, for servers of raw sockets whose connections stay open."""

from __future__ import annotations

import json

from .spec import example

ISSUED = example("create_response")
TOKEN: str = ISSUED["token"]


def key_of(key_id: str) -> dict[str, object]:
    """Return the key of an ID."""
    return {**ISSUED["api_key"], "id": key_id}


def http(body: bytes, *, status: int = 200, chunked: bool = False, headers: bytes = b"") -> bytes:
    """Return a response with a body."""
    headers += b"Content-Type: application/json\r\n"
    if chunked:
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        headers += b"Transfer-Encoding: chunked\r\n"
    else:
        headers += b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/1.1 %d X\r\n%s\r\n%s" % (status, headers, body)


def body_for(request: bytes, *, key_id: str | None = None) -> bytes:
    """Return the body of the response to a request, about the key that it names, or about another one.

    Of pages of one key, there are two.
    """
    method, path = request.split(b" ", 2)[:2]
    path, _, query = path.partition(b"?")
    named, _, action = path.decode().removeprefix("/v1/api_keys").removeprefix("/").partition("/")
    key = key_of(key_id or named or "new")
    if method == b"DELETE":
        return b""
    if method == b"GET" and not named:
        more = b"page_size=1" in query.split(b"&") and b"after=" not in query
        meta: dict[str, object] = {"page_size": 1} | ({"after": "next"} if more else {})
        return json.dumps({"api_keys": [key], "pagination_meta": meta}).encode()
    issues = action or not named
    return json.dumps({"api_key": key} | ({"token": TOKEN} if issues else {})).encode()


def reply_to(request: bytes, *, key_id: str | None = None) -> bytes:
    """Return the response to a request, about the key that it names, or about another one."""
    if request.startswith(b"DELETE"):
        return b"HTTP/1.1 204 X\r\n\r\n"
    return http(body_for(request, key_id=key_id))
