"""Sends operations, in a sync and an async twin.

What is sent, what an answer means, and whether and when it is tried again are decided elsewhere, without I/O.
"""

from __future__ import annotations

import copy
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

import httpx
import stamina
from attrs import evolve

from ._ahead import Ahead, AsyncAhead
from ._answers import Answer, RateLimit, rate_limit_of
from ._auth import Credentials
from ._bodies import CODINGS, keep_from_following
from ._config import Settings, environment_proxy
from ._deadline import EXTENSION, Deadline
from ._exchange import Exchange
from ._failures import closed_error, overdue_error
from ._operations import Operation, Operations
from ._retry import Call
from ._scrubbing import scrub
from .errors import IncidentIOError, InvalidRequestError, Problem, redact
from .tokens import Token

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
HttpT = TypeVar("HttpT", httpx.Client, httpx.AsyncClient)
F = TypeVar("F", bound=Callable[..., Any])

# By so much the steps of an async call end before the call itself is cut off: a step knows whether something was sent.
_HEAD_START: Final = 0.05


# As many connections are kept as there can be: by itself, httpx would close four of five after calls made at once.
_LIMITS: Final = httpx.Limits(max_connections=100, max_keepalive_connections=100)


class _NoCookies(httpx.Cookies):
    """Keeps none: the API sets none that matter, and one that is no ASCII would break every later request.

    To look for them, httpx would make a request of urllib's from each of its own, which takes a twentieth of the time.
    """

    def extract_cookies(self, response: httpx.Response) -> None:
        pass


_NO_COOKIES: Final = _NoCookies()


class _Client(httpx.Client):
    cookies = property(lambda _: _NO_COOKIES)


class _AsyncClient(httpx.AsyncClient):
    cookies = property(lambda _: _NO_COOKIES)


class _Sender(ABC, Generic[HttpT]):
    """What the twins share: all but the sending itself."""

    operations: Final = Operations
    asynchronous: bool

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.rate_limit: RateLimit | None = None
        self.closed = False
        self._lender: Self | None = None
        self._connect()

    def _connect(self) -> None:
        self._http: HttpT = self._opened()
        self.pid = os.getpid()  # last: until then, another thread must not take the parent's for its own

    @property
    def _owner(self) -> Self:
        """The one whose connections it sends over, and which alone makes new ones and closes them."""
        return self._lender or self

    def lend(self, credentials: Credentials) -> Self:
        """One that sends with other credentials over the connections of this one, whichever those are by then."""
        other = copy.copy(self)
        other.settings = evolve(self.settings, credentials=credentials)
        other.rate_limit, other._lender = None, self._owner
        return other

    @property
    def owns_connections(self) -> bool:
        """Whether its connections are its own to close: neither lent nor, after a fork, the parent's."""
        return self._lender is None and self.pid == os.getpid()

    def _opened(self) -> HttpT:
        outer = sys.exception()
        try:
            return self._open()
        except (ValueError, httpx.InvalidURL, ImportError, OSError) as error:
            scrub(error, outer=outer)
            message = f"{type(error).__name__}: {error}"
            advice = "look at HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR"
            raise InvalidRequestError("the client was not made", [Problem("environment", message, advice)]) from error

    @abstractmethod
    def _open(self) -> HttpT:
        """Make the client of httpx that sends."""

    def _options(self, transport: Callable[..., Any]) -> dict[str, Any]:
        """What both of httpx's clients are made with; `transport` makes the one to take where none was given."""
        url = self.settings.base_url
        return {
            "transport": self.settings.transport
            or transport(proxy=environment_proxy(url), trust_env=url.scheme == "https", limits=_LIMITS),
            "base_url": url,
            "headers": {
                "User-Agent": self.settings.user_agent,
                "Accept": "application/json",
                "Accept-Encoding": ", ".join(CODINGS),
            },
        }

    def _call(self, operation: Operation[Any], deadline: Deadline | None = None) -> Call:
        settings = self.settings
        return Call(
            operation,
            settings.attempts,
            deadline or Deadline(settings.deadline),
            interruptible=deadline is not None,
            is_closed=lambda: self._owner.closed,
        )

    def _repeated(self, call: Call, attempt: F) -> F:
        """The function, repeated as the call decides, and under a name that says something to stamina's hooks.

        Its first try is one that failed already: setting this up takes a sixth of what a request takes, and few calls
        need it.
        """
        attempt.__module__, attempt.__qualname__ = "incident_io_keys", call.operation.name
        repeated: F = stamina.retry(on=call.wait_after, attempts=call.attempts, timeout=None)(attempt)  # type: ignore[assignment]
        return repeated

    def _exchange(self, call: Call, token: Token) -> Exchange:
        left = call.deadline.left()
        if left <= 0:
            raise self._overdue(call)
        steps = self.settings.timeout.as_dict().items()
        timeout = {step: left if limit is None else min(limit, left) for step, limit in steps}
        given, base = dict(call.operation.request), self.settings.base_url
        path = base.raw_path.decode("ascii").removesuffix("/") + given.pop("url")
        try:
            # Put together here: httpx would read the URL three times for that, a tenth of the time of a request.
            url = base.copy_with(path=path, params=given.pop("params", None))
            request = self._owner._http.build_request(
                **given, url=url, extensions={"timeout": timeout, EXTENSION: call.deadline}
            )
        except httpx.InvalidURL as error:
            problem = Problem("request", f"fits no URL: {redact(str(error))}")
            raise InvalidRequestError(f"{call.operation.name} was not sent", [problem]) from error
        return Exchange(call, self._owner._http, request, token)

    def _overdue(self, call: Call) -> IncidentIOError:
        # Between requests, only the token source can take that long: a wait that would is not begun.
        waited_for = None if call.in_flight else self.settings.credentials.name
        may_have_applied = call.may_have_applied or (call.in_flight and call.operation.writes)
        error = overdue_error(call.operation.name, call.deadline.seconds, waited_for, may_have_applied=may_have_applied)
        return error if call.in_flight else call.instead_of(error)

    def _begin(self, call: Call) -> None:
        """Begin another try."""
        call.number += 1
        if self.closed or self._owner.closed:
            raise call.instead_of(closed_error(call.operation.name))

    def _value(self, call: Call, operation: Operation[T], answer: Answer, token: Token) -> T:
        self.rate_limit = rate_limit_of(answer) or self.rate_limit
        return operation.decode(
            answer, may_have_applied=call.may_have_applied, token=token, source=self.settings.credentials.name
        )


class Sender(_Sender[httpx.Client]):
    """Sends operations, and blocks until they are answered. Threads can share it."""

    asynchronous = False

    def _open(self) -> httpx.Client:
        from ._transport import DeadlineTransport  # takes as long to import as all of the rest

        return _Client(**self._options(DeadlineTransport), event_hooks={"response": [keep_from_following]})

    def send(self, operation: Operation[T], deadline: Deadline | None = None) -> T:
        """Send an operation, and again where that is right, and return its value.

        Args:
            operation: What to send.
            deadline: A deadline that another thread can bring forward; None for one that begins now.
        """
        call = self._call(operation, deadline)
        try:
            return self._try(call, operation)
        except IncidentIOError as error:
            failures = [error]

        def attempt() -> T:
            if failures:
                raise failures.pop()
            return self._try(call, operation)

        return self._repeated(call, attempt)()

    def _try(self, call: Call, operation: Operation[T]) -> T:
        self._begin(call)
        credentials = self.settings.credentials
        try:
            token = credentials.ask(operation.name)
        except InvalidRequestError as error:
            raise call.instead_of(error)  # noqa: B904 - it may be another, with a cause of its own
        answer = self._answer(call, token)
        if answer.status_code == 401 and (newer := credentials.ask_again(operation.name, token)):
            token = newer
            answer = self._answer(call, token)
        return self._value(call, operation, answer, token)

    def _answer(self, call: Call, token: Token) -> Answer:
        owner = self._owner
        if os.getpid() != owner.pid:  # a fork: the connections are the parent's
            owner._connect()
        with self._exchange(call, token) as exchange:
            self._receive(exchange, owner._http.send(exchange.request, stream=True))
        return exchange.answer

    def _receive(self, exchange: Exchange, head: httpx.Response) -> None:
        # Within the exchange, so that this frame goes when it fails: it holds parts of the body.
        try:
            if exchange.has_body(head):
                for part in head.iter_raw():
                    exchange.body.take(part)
        finally:
            head.close()
            # httpx's own holds the response: both would stay until the garbage collector comes.
            head.stream = httpx.ByteStream(b"")

    def ahead(self, operation: Operation[T]) -> Ahead[T]:
        """Send an operation in a thread of its own."""
        return Ahead(lambda deadline: self.send(operation, deadline), Deadline(self.settings.deadline))

    def close(self) -> None:
        """Close the connections."""
        self.closed = True
        if self.owns_connections:
            self._http.close()


class AsyncSender(_Sender[httpx.AsyncClient]):
    """Sends operations, and awaits their answers. Tasks can share it."""

    asynchronous = True
    _loop: asyncio.AbstractEventLoop | None = None

    def _open(self) -> httpx.AsyncClient:
        async def hook(response: httpx.Response) -> None:
            keep_from_following(response)

        return _AsyncClient(**self._options(httpx.AsyncHTTPTransport), event_hooks={"response": [hook]})

    async def send(self, operation: Operation[T]) -> T:
        """Send an operation, and again where that is right, and return its value.

        Args:
            operation: What to send.
        """
        import asyncio

        call = self._call(operation)
        outer = sys.exception()
        try:
            async with asyncio.timeout(call.deadline.left() + _HEAD_START):
                try:
                    return await self._try(call, operation)
                except IncidentIOError as error:
                    failures = [error]

                async def attempt() -> T:
                    if failures:
                        raise failures.pop()
                    return await self._try(call, operation)

                return await self._repeated(call, attempt)()
        except TimeoutError as error:
            scrub(error, outer=outer)
            if call.arrived is not None:
                return self._value(call, operation, *call.arrived)
            raise self._overdue(call)  # noqa: B904 - it may be another, with a cause of its own

    async def _try(self, call: Call, operation: Operation[T]) -> T:
        self._begin(call)
        credentials = self.settings.credentials
        try:
            token = await credentials.ask_async(operation.name)
        except InvalidRequestError as error:
            raise call.instead_of(error)  # noqa: B904 - it may be another, with a cause of its own
        answer = await self._answer(call, token)
        if answer.status_code == 401 and (newer := await credentials.ask_again_async(operation.name, token)):
            token = newer
            answer = await self._answer(call, token)
        return self._value(call, operation, answer, token)

    async def _answer(self, call: Call, token: Token) -> Answer:
        import asyncio

        loop, owner = asyncio.get_running_loop(), self._owner
        if os.getpid() != owner.pid or owner._loop not in (None, loop):  # the connections are another loop's
            owner._connect()
        owner._loop = loop
        with self._exchange(call, token) as exchange:
            await self._receive(exchange, await owner._http.send(exchange.request, stream=True))
        return exchange.answer

    async def _receive(self, exchange: Exchange, head: httpx.Response) -> None:
        try:
            if exchange.has_body(head):
                async for part in head.aiter_raw():
                    exchange.body.take(part)
        finally:
            await head.aclose()
            head.stream = httpx.ByteStream(b"")

    def ahead(self, operation: Operation[T]) -> AsyncAhead[T]:
        """Send an operation in a task of its own."""
        return AsyncAhead(self.send(operation))

    async def close(self) -> None:
        """Close the connections."""
        import asyncio

        self.closed = True
        if self.owns_connections and self._loop in (None, asyncio.get_running_loop()):
            await self._http.aclose()
