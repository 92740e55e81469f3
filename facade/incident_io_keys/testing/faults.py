"""What can be made to go wrong: each fault is one way in which an answer, or the connection that it comes over, fails.

`MockAPI.fail_next` takes them. Where a fault is about the connection, a client in the same process gets what httpx
raises for it, at once; on a socket it happens.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Final, get_args

import httpx
import msgspec
from attrs import field, frozen

from incident_io_keys_generated.models import (
    AccountRole,
    APIKeyResponse,
    IssuedAPIKeyResponse,
    ListAPIKeysResponse,
    TeamRole,
)

from ._checks import FLAG, SHARE, check, number, one_of, whole_number
from ._clock import LONGEST
from ._delivery import How, deliver
from ._limits import WaitForm, rate_limited
from ._refusals import TYPES, Flaw, refuse


@frozen
class Exchange:
    """A request that meets a fault.

    Attributes:
        request: The request.
        now: What time it is for the API.
        limit: How many requests a minute a key has.
        answer: Gives the API's own answer: not called, the request has no effect.
    """

    request: httpx.Request
    now: datetime
    limit: int
    answer: Callable[[], httpx.Response]


# What the operations answer that answer with something.
_ANSWERS: Final[Mapping[str, type]] = {
    "list": ListAPIKeysResponse,
    "create": IssuedAPIKeyResponse,
    "show": APIKeyResponse,
    "update": APIKeyResponse,
    "rotate": IssuedAPIKeyResponse,
}
_ANSWERED_WITH_A_BODY: Final = frozenset(_ANSWERS)
_VISIBLE: Final = re.compile(r"[ -~]+")
_LONGEST: Final = LONGEST.total_seconds()


class Fault(ABC):
    """A way to fail.

    Attributes:
        operations: The operations whose answers it can spoil; None for all.
    """

    operations: ClassVar[frozenset[str] | None] = None

    # Not for users: a fault of one's own would depend on how a mock works.

    def _concerns(self, _request: httpx.Request) -> bool:
        """Whether a request is one that it can spoil."""
        return True

    @abstractmethod
    def _play(self, exchange: Exchange) -> httpx.Response:
        """Answer the request."""


@frozen
class Status(Fault):
    """Another status, and no effect: from 400 to 500 with the API's envelope, above as a gateway answers, in HTML.

    Attributes:
        status: Any status from 300.
        body: A body of your own.
        headers: Further headers.
    """

    status: int = field(validator=whole_number(300, 599))
    body: str | None = field(default=None, validator=check("text", lambda body: body is None or isinstance(body, str)))
    headers: Mapping[str, str] = field(
        factory=dict,
        validator=check(
            "names with values, all of visible ASCII",
            lambda headers: (
                isinstance(headers, Mapping)
                and all(isinstance(text, str) and _VISIBLE.fullmatch(text) for pair in headers.items() for text in pair)
            ),
        ),
    )

    def _play(self, _exchange: Exchange) -> httpx.Response:
        if self.body is not None:
            return httpx.Response(self.status, headers=self.headers, text=self.body)
        if self.status in TYPES:
            response = refuse(self.status, Flaw(TYPES[self.status], "This fault was asked for")).response()
            response.headers.update(self.headers)
            return response
        page = f"<html><body><h1>{self.status}</h1></body></html>"
        return httpx.Response(self.status, headers=self.headers, html=page)


@frozen
class RateLimited(Fault):
    """A 429 that asks for a wait, and no effect.

    Attributes:
        seconds: The wait.
        form: The form in which it is told; None to tell none.
    """

    seconds: int = field(default=1, validator=whole_number(0, _LONGEST))
    form: WaitForm | None = field(default="seconds", validator=one_of(*get_args(WaitForm), None))

    def _play(self, exchange: Exchange) -> httpx.Response:
        return rate_limited(self.seconds, exchange.now, self.form, exchange.limit).response()


@frozen
class CutJSON(Fault):
    """The API's answer, cut: a whole response whose body is no JSON.

    Attributes:
        keep: The share of the body that is left, from 0 to below 1.
    """

    operations: ClassVar = _ANSWERED_WITH_A_BODY
    keep: float = field(default=0.5, validator=SHARE)

    def _play(self, exchange: Exchange) -> httpx.Response:
        response = exchange.answer()
        return _with_body(response, response.content[: int(len(response.content) * self.keep)])


@frozen
class DropProperty(Fault):
    """The API's answer without a property.

    Attributes:
        path: Where it is, with dots between, as in `api_key.created_at`. An array stands for all of its members:
            `api_keys.name`.
    """

    path: str = field(
        validator=check(
            "the path of a property that an answer has, as in api_key.created_at",
            lambda path: isinstance(path, str) and any(_has(model, path) for model in _ANSWERS.values()),
        )
    )

    @property
    def operations(self) -> frozenset[str]:  # type: ignore[override]
        """Those whose answers have the property."""
        return frozenset(name for name, model in _ANSWERS.items() if _has(model, self.path))

    def _play(self, exchange: Exchange) -> httpx.Response:
        response = exchange.answer()
        if not response.is_success:
            return response
        body = msgspec.json.decode(response.content)
        *names, last = self.path.split(".")
        holders = [body]
        for name in names:
            holders = [each for holder in holders for each in _members(holder.get(name))]
        for holder in holders:
            holder.pop(last, None)
        return _with_body(response, msgspec.json.encode(body))


@frozen
class UnknownRole(Fault):
    """The API's answer, in which each key has one role more, of which this contract knows nothing.

    Attributes:
        name: The role's name.
    """

    operations: ClassVar = _ANSWERED_WITH_A_BODY
    name: str = field(
        default="role_of_tomorrow",
        validator=check(
            "a role that the contract does not have",
            lambda name: isinstance(name, str) and name != "" and name not in {*AccountRole, *TeamRole},
        ),
    )

    def _play(self, exchange: Exchange) -> httpx.Response:
        response = exchange.answer()
        if not response.is_success:
            return response
        body = msgspec.json.decode(response.content)
        for key in body["api_keys"] if "api_keys" in body else [body["api_key"]]:
            key["roles"].append({"name": self.name, "description": "Can do what nobody foresaw"})
        return _with_body(response, msgspec.json.encode(body))


@frozen
class RepeatCursor(Fault):
    """A page whose cursor is the one that was asked for, so that following it would never end.

    It waits for a request that has a cursor.
    """

    operations: ClassVar = frozenset({"list"})

    def _concerns(self, request: httpx.Request) -> bool:
        return bool(request.url.params.get("after"))

    def _play(self, exchange: Exchange) -> httpx.Response:
        response = exchange.answer()
        if not response.is_success:
            return response
        body = msgspec.json.decode(response.content)
        body["pagination_meta"]["after"] = exchange.request.url.params["after"]
        return _with_body(response, msgspec.json.encode(body))


@frozen
class Slow(Fault):
    """The API's answer, late. The request takes effect at once.

    Attributes:
        seconds: How late. In the same process, the mock's clock is moved by that instead; a client that would not have
            waited for so long gets its time-out.
    """

    seconds: float = field(validator=number(_LONGEST))

    def _play(self, exchange: Exchange) -> httpx.Response:
        return deliver(exchange.answer(), delay=self.seconds)


@frozen
class _Broken(Fault):
    """A connection that breaks.

    Attributes:
        applied: Whether the request takes effect first.
    """

    how: ClassVar[How]
    applied: bool = field(default=True, validator=FLAG)

    def _play(self, exchange: Exchange) -> httpx.Response:
        return deliver(exchange.answer() if self.applied else httpx.Response(200), self.how)


@frozen
class Reset(_Broken):
    """The connection is reset before an answer."""

    how: ClassVar = "reset"


@frozen
class Close(_Broken):
    """The connection is closed before an answer."""

    how: ClassVar = "close"


@frozen
class Hang(_Broken):
    """No answer, and the connection stays open."""

    how: ClassVar = "hang"


@frozen
class ShortBody(Fault):
    """The API's answer, whose connection is closed within the body.

    Attributes:
        keep: The share of the body that arrives, from 0 to below 1.
    """

    operations: ClassVar = _ANSWERED_WITH_A_BODY
    keep: float = field(default=0.5, validator=SHARE)

    def _play(self, exchange: Exchange) -> httpx.Response:
        response = exchange.answer()
        return deliver(response, "short_body", part=int(len(response.content) * self.keep))


@frozen
class Drip(Fault):
    """The API's answer, of which a part arrives at once and then a byte now and then, without an end.

    Attributes:
        keep: The share of the body that arrives at once, from 0 to below 1.
    """

    operations: ClassVar = _ANSWERED_WITH_A_BODY
    keep: float = field(default=0.5, validator=SHARE)

    def _play(self, exchange: Exchange) -> httpx.Response:
        response = exchange.answer()
        return deliver(response, "drip", part=int(len(response.content) * self.keep))


def _with_body(response: httpx.Response, body: bytes) -> httpx.Response:
    headers = [(name, value) for name, value in response.headers.items() if name != "content-length"]
    return httpx.Response(response.status_code, headers=headers, content=body)


def _members(value: Any) -> list[dict[str, Any]]:
    """The objects that a step of a path leads to."""
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]


def _has(model: type, path: str) -> bool:
    """Whether a model has a property at a path, through arrays and what is optional."""
    kinds = [msgspec.inspect.type_info(model)]
    for name in path.split("."):
        found = [field.type for kind in kinds for field in getattr(kind, "fields", ()) if field.encode_name == name]
        kinds = [kind for each in found for kind in _plain(each)]
    return bool(kinds)


def _plain(kind: Any) -> list[Any]:
    if isinstance(kind, msgspec.inspect.UnionType):
        return [plain for each in kind.types for plain in _plain(each)]
    return _plain(kind.item_type) if isinstance(kind, msgspec.inspect.VarTupleType) else [kind]


# By the names that are used where there are no classes.
FAULTS: Final[Mapping[str, type[Fault]]] = {
    "status": Status,
    "rate_limited": RateLimited,
    "cut_json": CutJSON,
    "drop_property": DropProperty,
    "unknown_role": UnknownRole,
    "repeat_cursor": RepeatCursor,
    "slow": Slow,
    "reset": Reset,
    "close": Close,
    "hang": Hang,
    "short_body": ShortBody,
    "drip": Drip,
}
