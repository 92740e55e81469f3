"""The mock: a function from request to response over a store in memory.

This module must not know how requests arrive; `_server` puts it on a socket.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import msgspec

from incident_io_keys_generated import contract
from incident_io_keys_generated.models import AccountRole

from ..tokens import Token
from ._server import MockServer, serve
from ._validation import Fault, check_definition, check_page_query

Key = dict[str, Any]  # in the form that the API gives it

MANAGER_ROLE: Final = AccountRole.API_KEYS_MANAGE

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class MockAPI:
    """The API keys resource of incident.io, as far as listing and creating keys goes.

    It checks that a caller may manage keys, and what a request looks like; which roles a caller may hand out, it does
    not check. One key is there from the start: it has every account role, as if a person had made it in the dashboard.
    Requests are handled one at a time, whatever threads they come from.

    Attributes:
        token: The token of that key.
        requests: What arrived, in order, without the tokens.
    """

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self._lock = threading.Lock()
        self._keys: dict[str, Key] = {}  # by ID, in the order of creation, which is that of the IDs
        self._callers: dict[str, str] = {}  # token -> ID of its key
        self._last_id = 0
        definition = {"name": "Manager", "role_names": list(AccountRole), "team_ids": [], "team_role_names": []}
        dashboard_user = {"id": self._new_id(), "name": "Dashboard user", "role": "owner"}
        _, plain = self._add(definition, creator={"user": dashboard_user})
        self.token = Token(plain)

    def transport(self) -> httpx.MockTransport:
        """A transport for a client in the same process, sync or async."""
        return httpx.MockTransport(self.handle)

    def serve(self, port: int = 0) -> AbstractContextManager[MockServer]:
        """A server on a loopback socket, which runs for the length of a `with` block.

        Args:
            port: The port to listen on; 0 picks a free one.
        """
        return serve(self.handle, port)

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer a request as the API would.

        Args:
            request: Any request, its body read.
        """
        headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"authorization"]
        with self._lock:
            self.requests.append(httpx.Request(request.method, request.url, headers=headers, content=request.content))
            return self._route(request)

    def _route(self, request: httpx.Request) -> httpx.Response:
        allowed: list[str] = []
        for name, (method, template) in contract.OPERATIONS.items():
            handler = _HANDLERS.get(name)
            if handler is None or not re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), request.url.path):
                continue
            if method == request.method:
                caller = self._authenticate(request)
                return caller if isinstance(caller, httpx.Response) else handler(self, request, caller)
            allowed.append(method)
        if allowed:
            fault = Fault("method_not_allowed", f"This path takes {', '.join(allowed)}")
            refusal = _error(405, "method_not_allowed", fault)
            refusal.headers["Allow"] = ", ".join(allowed)
            return refusal
        return _error(404, "not_found", Fault("not_found", "there is nothing at this path"))

    def _authenticate(self, request: httpx.Request) -> Key | httpx.Response:
        """Find the key that calls, or refuse."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            fault = Fault("missing_authorization_material", "No authorization material provided in request")
            return _error(401, "authentication_error", fault)
        caller = self._keys.get(self._callers.get(token, ""))
        if caller is None:
            fault = Fault("invalid_authorization_material", "The authorization material is not valid")
            return _error(401, "authentication_error", fault)
        if not any(role["name"] == MANAGER_ROLE for role in caller["roles"] + caller["team_roles"]):
            fault = Fault("missing_role", f"Your API key needs the role {MANAGER_ROLE}")
            return _error(403, "resource_forbidden", fault)
        return caller

    def _list(self, request: httpx.Request, _caller: Key) -> httpx.Response:
        page_size, after, faults = check_page_query(request.url.params)
        if faults:
            return _error(422, "validation_error", *faults)
        # IDs grow with time, so that a cursor whose key is gone still has its place.
        found = [key for key in self._keys.values() if key["id"] > after]
        page = found[:page_size]
        meta: dict[str, Any] = {"page_size": page_size}
        if len(found) > page_size:
            meta["after"] = page[-1]["id"]
        return httpx.Response(200, json={"api_keys": page, "pagination_meta": meta})

    def _create(self, request: httpx.Request, caller: Key) -> httpx.Response:
        try:
            # Stricter than the standard library: what it lets pass (NaN, half a surrogate pair) could not be sent back.
            definition = msgspec.json.decode(request.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _error(400, "invalid_request_error", Fault("invalid_json", "The body is not JSON"))
        faults = check_definition(definition)
        if faults:
            return _error(422, "validation_error", *faults)
        key, plain = self._add(definition, creator={"api_key": {"id": caller["id"], "name": caller["name"]}})
        return httpx.Response(201, json={"api_key": key, "token": plain})

    def _add(self, definition: dict[str, Any], creator: dict[str, Any]) -> tuple[Key, str]:
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        key = {
            "id": self._new_id(),
            "name": definition["name"],
            "roles": [_role(name) for name in definition["role_names"]],
            "team_ids": definition["team_ids"],
            "team_roles": [_role(name) for name in definition["team_role_names"]],
            "creator": creator,
            "created_at": now,
            "token_last_issued_at": now,
        }
        plain = f"inc_{secrets.token_hex(32)}"
        self._keys[key["id"]] = key
        self._callers[plain] = key["id"]
        return key, plain

    def _new_id(self) -> str:
        """A ULID: 48 bits of time, 80 of chance, and always more than the one before."""
        milliseconds = int(datetime.now(UTC).timestamp() * 1000)
        self._last_id = max(self._last_id + 1, milliseconds << 80 | secrets.randbits(80))
        return "".join(_CROCKFORD[self._last_id >> shift & 31] for shift in range(125, -1, -5))


_HANDLERS: Final[dict[str, Callable[[MockAPI, httpx.Request, Key], httpx.Response]]] = {
    "list_api_keys": MockAPI._list,
    "create_api_key": MockAPI._create,
}


def _role(name: str) -> dict[str, str]:
    return {"name": str(name), "description": f"Can do what {name.replace('_', ' ')} allows"}


def _error(status: int, kind: str, *faults: Fault) -> httpx.Response:
    errors = [fault.to_json() for fault in faults]
    envelope = {"type": kind, "status": status, "request_id": secrets.token_hex(16), "errors": errors}
    return httpx.Response(status, json=envelope)
