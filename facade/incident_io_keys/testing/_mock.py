"""The mock: a function from request to response over a store in memory.

This module must not know how requests arrive; `_server` puts it on a socket.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import unquote

import httpx
import msgspec
from attrs import define

from incident_io_keys_generated import contract
from incident_io_keys_generated.models import AccountRole

from ..tokens import Token
from ._server import MockServer, serve
from ._validation import Fault, check_definition, check_page_query, check_rotation

Key = dict[str, Any]  # in the form that the API gives it

MANAGER_ROLE: Final = AccountRole.API_KEYS_MANAGE

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class MockClock:
    """The time of a mock: that of this machine, moved."""

    def __init__(self) -> None:
        self._moved = timedelta()

    def now(self) -> datetime:
        """What time it is."""
        return datetime.now(UTC) + self._moved

    def advance(self, by: timedelta) -> None:
        """Move the time.

        Args:
            by: How far.
        """
        self._moved += by


_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@define
class _Issue:
    """A token that was issued: of which key, and until when it works."""

    key_id: str
    ends: datetime = _NEVER


class MockAPI:
    """The API keys resource of incident.io.

    It checks that a caller may manage keys, and what a request looks like; which roles a caller may hand out, and which
    keys it may touch, it does not check. One key is there from the start: it has every account role, as if a person had
    made it in the dashboard. Requests are handled one at a time, whatever threads they come from.

    Attributes:
        token: The token of that key.
        clock: What time it is for the API.
        requests: What arrived, in order, without the tokens.
    """

    def __init__(self) -> None:
        self.clock = MockClock()
        self.requests: list[httpx.Request] = []
        self._lock = threading.Lock()
        self._keys: dict[str, Key] = {}  # by ID, in the order of creation, which is that of the IDs
        self._tokens: dict[str, _Issue] = {}  # by the token
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
            # The path as it was sent: an escaped slash ends no segment.
            path = request.url.raw_path.partition(b"?")[0].decode("ascii")
            match = re.fullmatch(re.sub(r"\{\w+\}", "([^/]+)", template), path)
            if match is None:
                continue
            if method == request.method:
                caller = self._authenticate(request)
                if isinstance(caller, httpx.Response):
                    return caller
                # The ID of a key is all that a path holds.
                found = [self._keys.get(unquote(key_id)) for key_id in match.groups()]
                if None in found:
                    return _error(404, "not_found", Fault("not_found", "There is no such API key"))
                return _HANDLERS[name](self, request, caller, *found)
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
        issue = self._tokens.get(token)
        caller = None if issue is None or self.clock.now() >= issue.ends else self._keys.get(issue.key_id)
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
        definition = _read_body(request, check_definition)
        if isinstance(definition, httpx.Response):
            return definition
        key, plain = self._add(definition, creator={"api_key": {"id": caller["id"], "name": caller["name"]}})
        return httpx.Response(201, json={"api_key": key, "token": plain})

    def _show(self, _request: httpx.Request, _caller: Key, key: Key) -> httpx.Response:
        return httpx.Response(200, json={"api_key": key})

    def _update(self, request: httpx.Request, caller: Key, key: Key) -> httpx.Response:
        if key is caller:
            return _error(403, "resource_forbidden", Fault("cannot_update_self", "A key cannot update itself"))
        definition = _read_body(request, check_definition)
        if isinstance(definition, httpx.Response):
            return definition
        key.update(_defined(definition))
        return httpx.Response(200, json={"api_key": key})

    def _delete(self, _request: httpx.Request, _caller: Key, key: Key) -> httpx.Response:
        del self._keys[key["id"]]
        return httpx.Response(204)

    def _rotate(self, request: httpx.Request, _caller: Key, key: Key) -> httpx.Response:
        body = _read_body(request, check_rotation)
        if isinstance(body, httpx.Response):
            return body
        now = self.clock.now()
        ends = now + timedelta(minutes=body["grace_period_minutes"])
        for issue in self._tokens.values():
            if issue.key_id == key["id"]:
                issue.ends = min(issue.ends, ends)
        key["token_last_issued_at"] = _written(now)
        return httpx.Response(201, json={"api_key": key, "token": self._issue(key["id"])})

    def _add(self, definition: dict[str, Any], creator: dict[str, Any]) -> tuple[Key, str]:
        now = _written(self.clock.now())
        key_id = self._new_id()
        stamps = {"created_at": now, "token_last_issued_at": now}
        self._keys[key_id] = {"id": key_id, **_defined(definition), "creator": creator, **stamps}
        return self._keys[key_id], self._issue(key_id)

    def _issue(self, key_id: str) -> str:
        plain = f"inc_{secrets.token_hex(32)}"
        self._tokens[plain] = _Issue(key_id)
        return plain

    def _new_id(self) -> str:
        """A ULID: 48 bits of time, 80 of chance, and always more than the one before."""
        milliseconds = int(self.clock.now().timestamp() * 1000)
        self._last_id = max(self._last_id + 1, milliseconds << 80 | secrets.randbits(80))
        return "".join(_CROCKFORD[self._last_id >> shift & 31] for shift in range(125, -1, -5))


# By operation; beside the request and the caller, a handler gets the key that the path names, if it names one.
_HANDLERS: Final[dict[str, Callable[..., httpx.Response]]] = {
    "list_api_keys": MockAPI._list,
    "create_api_key": MockAPI._create,
    "show_api_key": MockAPI._show,
    "update_api_key": MockAPI._update,
    "delete_api_key": MockAPI._delete,
    "rotate_api_key": MockAPI._rotate,
}


def _read_body(request: httpx.Request, check: Callable[[dict[str, Any]], list[Fault]]) -> Any:
    """The body of a request, decoded and checked, or the refusal."""
    try:
        # Stricter than the standard library: what it lets pass (NaN, half a surrogate pair) could not be sent back.
        body = msgspec.json.decode(request.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _error(400, "invalid_request_error", Fault("invalid_json", "The body is not JSON"))
    if isinstance(body, dict):
        faults = check(body)
    else:
        faults = [Fault("invalid_type", "The body must be an object", pointer="/")]
    return _error(422, "validation_error", *faults) if faults else body


def _defined(definition: dict[str, Any]) -> dict[str, Any]:
    """What a definition says, in the form in which a key says it."""
    return {
        "name": definition["name"],
        "roles": [_role(name) for name in definition["role_names"]],
        "team_ids": definition["team_ids"],
        "team_roles": [_role(name) for name in definition["team_role_names"]],
    }


def _written(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def _role(name: str) -> dict[str, str]:
    return {"name": str(name), "description": f"Can do what {name.replace('_', ' ')} allows"}


def _error(status: int, kind: str, *faults: Fault) -> httpx.Response:
    errors = [fault.to_json() for fault in faults]
    envelope = {"type": kind, "status": status, "request_id": secrets.token_hex(16), "errors": errors}
    return httpx.Response(status, json=envelope)
