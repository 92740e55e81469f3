"""The base class of both clients, the request loop of each, and the timer that ends an async call."""

from __future__ import annotations

import math
import os
import threading
import warnings
import weakref
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NoReturn, Self, SupportsIndex, TypeVar, cast

import httpx

from ._auth import AsyncTokenSource, TokenSource, read_token, wrap_token
from ._config import read_limits, read_proxy, read_transport, read_url, read_user_agent
from ._error_mapping import not_sent_in_time
from ._exchange import Exchange
from ._operations import Operation
from ._redaction import redact
from ._retry import LATE, Call, Limit, RateLimit
from ._transport import AsyncTransport, Transport
from ._validation import raise_if_invalid
from .errors import IncidentIOError, InvalidRequestError, Problem
from .pagination import Prefetch
from .tokens import Token

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
SourceT = TypeVar("SourceT", TokenSource, AsyncTokenSource)
TransportT = TypeVar("TransportT", httpx.BaseTransport, httpx.AsyncBaseTransport)

# Parts of a body that the async client reads in one turn of the event loop.
_PARTS_PER_TURN: Final = 100


class BaseClient(Generic[SourceT, TransportT]):
    """The base class of both clients: the constructor, clones and the beginning of a request."""

    _asynchronous: ClassVar[bool]
    _transport: Any = None  # until the constructor has succeeded
    _closed = False
    _is_clone = False

    def __init__(
        self,
        token: str | Token | SourceT | None = None,
        *,
        base_url: str | None = None,
        timeout: float | httpx.Timeout = 30.0,
        attempts: int = 4,
        deadline: float = 60.0,
        transport: TransportT | None = None,
        user_agent: str | None = None,
    ) -> None:
        token = wrap_token(token)
        problems: list[Problem] = []
        self._credentials = read_token(token, problems, asynchronous=self._asynchronous)
        self._base_url = read_url(base_url, problems)
        chosen = read_transport(transport, problems, asynchronous=self._asynchronous)
        agent = read_user_agent(user_agent, problems)
        self._headers = {"User-Agent": agent, "Accept": "application/json", "Accept-Encoding": "identity"}
        self._limits = read_limits(problems, timeout, attempts, deadline)
        self._opened = transport is None
        del token, base_url  # a traceback can show locals, and a caller may pass a token as base_url
        if chosen is None:
            chosen = self._open_transport(problems)
        raise_if_invalid("the client was not made", problems)
        self._transport = chosen
        self._pid = os.getpid()
        self._reported = SimpleNamespace(rate_limit=None)  # shared by all clients that call as the same key
        self._closing = threading.Event()
        self._prefetches: weakref.WeakSet[Prefetch[Any]] = weakref.WeakSet()

    def _open_transport(self, problems: list[Problem]) -> Transport | AsyncTransport | None:
        proxy = read_proxy(self._base_url, problems)
        kind = AsyncTransport if self._asynchronous else Transport
        try:
            context = httpx.create_ssl_context(trust_env=self._base_url.scheme == "https")
            return None if problems else kind(proxy, context)
        except (OSError, ValueError) as error:
            reason = f"the certificates cannot be read: {type(error).__name__}"
            problems.append(Problem("SSL_CERT_FILE or SSL_CERT_DIR", reason))
        return None

    @property
    def rate_limit(self) -> RateLimit | None:
        """The rate limit of the calling key in the latest response that has one; None before the first."""
        return cast("RateLimit | None", self._reported.rate_limit)

    def with_token(self, token: str | Token | SourceT) -> Self:
        """Return a client that calls as another key, over the connections of this one.

        It does not need to be closed. Closing this client closes it too.

        Args:
            token: The token of the other key, as for a new client.

        Raises:
            InvalidRequestError: No request can carry this token. The message does not contain it.
        """
        problems: list[Problem] = []
        # Reject None, which would select the token in the environment.
        given = Token("") if cast(object, token) is None else wrap_token(token)
        credentials = read_token(given, problems, asynchronous=self._asynchronous)
        del token, given  # a traceback can show locals
        raise_if_invalid("with_token failed", problems)
        return self._clone(_credentials=credentials, _reported=SimpleNamespace(rate_limit=None))

    def with_options(
        self,
        *,
        timeout: float | httpx.Timeout | None = None,
        attempts: int | None = None,
        deadline: float | None = None,
    ) -> Self:
        """Return a client with other limits, over the connections of this one; see `with_token`.

        Args:
            timeout: As for a new client. None keeps the current value, here and below.
            attempts: As for a new client.
            deadline: As for a new client.

        Raises:
            InvalidRequestError: An argument is invalid.
        """
        problems: list[Problem] = []
        current = self._limits
        limits = read_limits(
            problems,
            current.timeout if timeout is None else timeout,
            current.attempts if attempts is None else attempts,
            current.deadline if deadline is None else deadline,
        )
        raise_if_invalid("with_options failed", problems)
        return self._clone(_limits=limits)

    def _clone(self, **changes: Any) -> Self:
        clone = type(self).__new__(type(self))
        clone.__dict__.update(self.__dict__ | {"_is_clone": True} | changes)  # attributes of a subclass too
        return clone

    def _new_call(self, operation: Operation[Any]) -> Call:
        return Call(operation, self._limits.attempts, self._limits.deadline)

    def _open_exchange(self, call: Call, token: Token) -> Exchange:
        if self._is_closed() or call.abandoned:
            problem = Problem("client", "is closed", "make a new one")
            raise InvalidRequestError(f"{call.operation.name} was not sent", [problem])
        if (left := call.seconds_left()) <= 0:
            raise not_sent_in_time(call, self._credentials.name)
        # A pool or a custom transport knows no deadline, so no step may take longer than what is left. In the async
        # client, only its timer may end the call, since it allows for reading a response that has arrived in time.
        most = math.inf if self._asynchronous else left
        steps = self._limits.timeout.as_dict().items()
        timeout = {
            step: Limit(most if seconds is None else min(most, seconds), call.deadline) for step, seconds in steps
        }
        given = dict(call.operation.request)
        path = self._base_url.raw_path.decode("ascii").removesuffix("/") + given.pop("url")
        try:
            url = self._base_url.copy_with(path=path, params=given.pop("params", None))
        except httpx.InvalidURL as error:
            problem = Problem("request", f"does not fit into a URL: {redact(str(error))}")
            raise_if_invalid(f"{call.operation.name} was not sent", [problem])
        request = httpx.Request(url=url, headers=self._headers, extensions={"timeout": timeout}, **given)
        call.begin_attempt(token)
        return Exchange(call, request, token, self._credentials.name, self._reported, self._is_closed)

    def _is_closed(self) -> bool:
        return self._closed or self._closing.is_set()

    def _close(self) -> bool:
        """Mark the client as closed. Return whether its transport has to be closed too."""
        self._closed = True
        # In a forked child, a custom transport belongs to the parent.
        if self._is_clone or not (self._opened or self._pid == os.getpid()):
            return False
        self._closing.set()
        return True

    def __repr__(self) -> str:
        if self._transport is None:  # a traceback with locals shows the client
            return f"{type(self).__name__}(not made)"
        return f"{type(self).__name__}(base_url={redact(str(self._base_url))!r})"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} holds connections and a token: it cannot be pickled or copied")

    def __del__(self) -> None:
        if self._transport is not None and not (self._is_clone or self._closed) and self._pid == os.getpid():
            warnings.warn(f"{self!r} was never closed", ResourceWarning, source=self, stacklevel=2)


class SyncClient(BaseClient[TokenSource, httpx.BaseTransport]):
    """The request loop of the sync client."""

    _asynchronous = False

    def _request(self, operation: Operation[T], call: Call | None = None) -> T:
        call = call or self._new_call(operation)
        while True:
            try:
                value: T = self._send(call, self._token(call))
                return value
            except IncidentIOError as error:
                delay = call.retry_delay(error, closed=self._is_closed())
                if delay is None:
                    raise call.final_error(error)  # noqa: B904 - the error may already have a cause
            if delay:
                self._wait(delay)

    def _wait(self, seconds: float) -> None:
        self._closing.wait(seconds)  # or until another thread closes the client

    def _token(self, call: Call) -> Token:
        return self._credentials.get_token(call.operation.name)

    def _send(self, call: Call, token: Token) -> Any:
        with self._open_exchange(call, token) as exchange:
            self._transfer(exchange)
        return exchange.value

    def _transfer(self, exchange: Exchange) -> None:
        exchange.response = response = self._transport.handle_request(exchange.request)
        try:
            # A custom transport may have read the stream, which would then return later bytes.
            for part in [response.content] if response.is_stream_consumed else response.stream:
                exchange.add(part)
            exchange.finish()
        finally:
            try:
                if connection := exchange.unusable_connection(response):
                    connection.close()
            finally:
                response.close()

    def _prefetch(self, operation: Operation[T]) -> Prefetch[T]:
        prefetch = Prefetch(lambda call: self._request(operation, call), self._new_call(operation))
        self._prefetches.add(prefetch)
        return prefetch

    def close(self) -> None:
        """Close the connections. The client cannot be used after that. Calls in other threads may fail."""
        if self._close():
            self._transport.close()
            for prefetch in list(self._prefetches):
                prefetch.join()


class AsyncClient(BaseClient[AsyncTokenSource, httpx.AsyncBaseTransport]):
    """The request loop of the async client."""

    _asynchronous = True

    async def _request(self, operation: Operation[T]) -> T:
        call = self._new_call(operation)
        while True:
            try:
                value: T = await self._send(call, await self._token(call))
                return value
            except IncidentIOError as error:
                delay = call.retry_delay(error, closed=self._is_closed())
                if delay is None:
                    raise call.final_error(error)  # noqa: B904 - the error may already have a cause
            if delay:
                await self._wait(delay)

    async def _wait(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds)

    async def _token(self, call: Call) -> Token:
        import asyncio

        try:
            async with asyncio.timeout(call.seconds_left()):
                return await self._credentials.get_token_async(call.operation.name)
        except TimeoutError:
            pass  # it references frames of the source
        raise not_sent_in_time(call, self._credentials.name)

    async def _send(self, call: Call, token: Token) -> Any:
        import asyncio

        with self._open_exchange(call, token) as exchange:
            loop = asyncio.get_running_loop()
            due = loop.time() + call.seconds_left()
            async with asyncio.timeout(None) as timeout:

                def expire() -> None:
                    # About 0, unless something blocked the event loop: then a response may have arrived in time.
                    late = loop.time() - due
                    timeout.reschedule(loop.time() + min(late, LATE))

                timer = loop.call_at(due, expire)
                try:
                    await self._transfer(exchange)
                finally:
                    timer.cancel()
        return exchange.value

    async def _transfer(self, exchange: Exchange) -> None:
        import asyncio

        exchange.response = response = await self._transport.handle_async_request(exchange.request)
        try:
            if response.is_stream_consumed:
                exchange.add(response.content)
            else:
                async for part in response.stream:
                    exchange.add(part)
                    if len(exchange.parts) % _PARTS_PER_TURN == 0:
                        await asyncio.sleep(0)  # a body of tiny chunks must not block the event loop
            exchange.finish()
        finally:
            try:
                if connection := exchange.unusable_connection(response):
                    await connection.aclose()
            finally:
                await response.aclose()

    def _prefetch(self, operation: Operation[T]) -> asyncio.Task[T]:
        import asyncio

        return asyncio.create_task(self._request(operation), name="incident-io-keys-prefetch")

    async def aclose(self) -> None:
        """Close the connections. The client cannot be used after that. Calls in other tasks may fail."""
        if self._close():
            await self._transport.aclose()
