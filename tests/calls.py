"""The six operations as calls of a client, and a successful response to each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import httpx

from .spec import example

Call: TypeAlias = Callable[[Any], Any]

KEY_ID: Final = "01F"
DEFINITION: Final[dict[str, Any]] = {"name": "a", "role_names": ["viewer"], "team_ids": [], "team_role_names": []}
CALLS: Final[dict[str, Call]] = {
    "list": lambda keys: list(keys.list()),
    "create": lambda keys: keys.create(**DEFINITION),
    "show": lambda keys: keys.show(KEY_ID),
    "update": lambda keys: keys.update(KEY_ID, **DEFINITION),
    "delete": lambda keys: keys.delete(KEY_ID),
    "rotate": lambda keys: keys.rotate(KEY_ID),
}
ALL: Final = set(CALLS)
SAFE: Final = {"list", "show"}
# Each request issues another token, so the client never resends one that may have arrived.
NON_IDEMPOTENT: Final = {"create", "rotate"}


def response_to(name: str) -> httpx.Response:
    """Return a successful response to an operation, about the key that the call names."""
    if name == "delete":
        return httpx.Response(204)
    issued = example("create_response")
    key = issued["api_key"] = {**issued["api_key"], "id": KEY_ID}
    if name == "list":
        return httpx.Response(200, json={"api_keys": [key], "pagination_meta": {"page_size": 250}})
    return httpx.Response(200, json=issued if name in NON_IDEMPOTENT else {"api_key": key})
