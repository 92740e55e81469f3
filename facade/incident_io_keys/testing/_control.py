"""The mock's own paths on a socket, `/_mock/...`: for programs in any language, what a test in Python does by calls.

`docs/mock.md` tells how the paths are used.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx
import msgspec

from ._store import MockStateError
from .faults import FAULTS

if TYPE_CHECKING:
    from ._mock import MockAPI

PREFIX: Final = "/_mock/"

T = TypeVar("T")


class Control:
    """Answers requests to the mock's own paths, and hands on all others.

    Args:
        mock: The mock.
    """

    def __init__(self, mock: MockAPI) -> None:
        self._mock = mock

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        if not request.url.path.startswith(PREFIX):
            return self._mock.respond(request)
        does = _PATHS.get((request.method, request.url.path.removeprefix(PREFIX)))
        if does is None:
            known = [f"{method} {PREFIX}{name}" for method, name in _PATHS]
            return httpx.Response(404, json={"error": f"the mock's own paths are {', '.join(known)}"})
        try:
            body = msgspec.json.decode(request.content or b"{}", type=dict[str, Any])
            answer = does(self, body)
        except (msgspec.DecodeError, TypeError, ValueError, OverflowError, RecursionError) as error:
            return httpx.Response(422, json={"error": str(error)})
        except MockStateError as error:
            return httpx.Response(500, json={"error": str(error)})
        if answer is None:
            return httpx.Response(204)
        headers = {"Content-Type": "application/json"}
        return httpx.Response(200, headers=headers, content=msgspec.json.encode(answer))

    def _clock(self, _body: Mapping[str, Any]) -> Any:
        return {"now": self._mock.clock.now()}

    def _move_clock(self, body: Mapping[str, Any]) -> Any:
        advance, freeze = body.get("advance_seconds", 0), body.get("freeze", True)
        known = not set(body) - {"advance_seconds", "freeze"}
        if not (body and known and type(advance) in (int, float) and freeze is True):
            raise ValueError("takes advance_seconds, a number, or freeze, which is true, or both")
        self._mock.clock.advance(timedelta(seconds=advance))
        if "freeze" in body:
            self._mock.clock.freeze()
        return self._clock(body)

    def _fail_next(self, body: Mapping[str, Any]) -> None:
        arguments = dict(body)
        told = {name: arguments.pop(name) for name in ("operation", "times") if name in arguments}
        name = arguments.pop("fault", None)
        if not isinstance(name, str) or name not in FAULTS:
            raise ValueError(f"fault must be one of {', '.join(FAULTS)}, not {name!r}")
        self._mock.fail_next(_called(FAULTS[name], arguments), **told)

    def _faults_left(self, _body: Mapping[str, Any]) -> Any:
        return {"left": self._mock.faults_left()}

    def _clear_faults(self, _body: Mapping[str, Any]) -> None:
        self._mock.clear_faults()

    def _add_key(self, body: Mapping[str, Any]) -> Any:
        issued = _called(self._mock.add_key, body)
        return {"api_key": issued.api_key.to_dict(), "token": issued.token.reveal()}

    def _settings(self, body: Mapping[str, Any]) -> Any:
        settings = self._mock.settings
        wanted = dict(body)
        if "list_delay" in wanted:
            wanted["list_delay"] = msgspec.convert(wanted["list_delay"], timedelta, strict=False)
        # All of them are looked at before the first is set.
        _called(type(settings), wanted)
        for name, value in wanted.items():
            setattr(settings, name, value)
        return settings

    def _requests(self, _body: Mapping[str, Any]) -> Any:
        return [
            {
                "method": request.method,
                "path": request.url.raw_path.decode("ascii"),
                "headers": dict(request.headers),
                "body": request.content.decode("utf-8", "replace"),
            }
            for request in list(self._mock.requests)
        ]

    def _forget_requests(self, _body: Mapping[str, Any]) -> None:
        self._mock.requests.clear()


def _called(function: Callable[..., T], arguments: Mapping[str, Any]) -> T:
    """Call a function with what a body says, if it takes that."""
    signature = inspect.signature(function)
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise ValueError(f"{error}; known: {', '.join(signature.parameters)}") from None
    return function(**arguments)


_PATHS: Final[Mapping[tuple[str, str], Callable[[Control, Mapping[str, Any]], Any]]] = {
    ("GET", "clock"): Control._clock,
    ("POST", "clock"): Control._move_clock,
    ("POST", "fail_next"): Control._fail_next,
    ("GET", "fail_next"): Control._faults_left,
    ("DELETE", "fail_next"): Control._clear_faults,
    ("POST", "keys"): Control._add_key,
    ("GET", "settings"): Control._settings,
    ("PATCH", "settings"): Control._settings,
    ("GET", "requests"): Control._requests,
    ("DELETE", "requests"): Control._forget_requests,
}
