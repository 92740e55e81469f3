"""What both clients share, and the request loop of each, from an operation to its value."""

from __future__ import annotations

import os
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any, ClassVar, Final, Generic, NoReturn, Self, SupportsIndex, TypeVar, cast

import httpx
from attrs import evolve

from incident_io_keys_generated.models import APIKey

from ._auth import AsyncTokenSource, TokenSource, failure_of, read_token, wrap_token
from ._config import Config, read_config, read_limits, read_proxy
from ._error_mapping import client_closed, not_sent_in_time
from ._exchange import Exchange, hide_location
from ._operations import Operation
from ._redaction import redact
from ._retry import Call, RateLimit
from ._transport import DEADLINE, AsyncTransport, Transport
from ._validation import raise_if_invalid
from .errors import AuthenticationError, IncidentIOError, Problem
from .pagination import AsyncPrefetch, Prefetch
from .tokens import Token

T = TypeVar("T")
SourceT = TypeVar("SourceT", TokenSource, AsyncTokenSource)
TransportT = TypeVar("TransportT", httpx.BaseTransport, httpx.AsyncBaseTransport)


class _NoCookies(httpx.Cookies):
    def extract_cookies(self, response: httpx.Response) -> None:
        pass  # looking for cookies takes a tenth of the time of a request


_NO_COOKIES: Final = _NoCookies()


class _Client(httpx.Client):
    cookies = property(lambda _: _NO_COOKIES)


class _AsyncClient(httpx.AsyncClient):
    cookies = property(lambda _: _NO_COOKIES)


class BaseClient(Generic[SourceT, TransportT]):
    """What both clients share, and no method of the API."""

    _asynchronous: ClassVar[bool]
    _config: Config
    _http: Any
    _open_client: Callable[..., Any]
    _rate_limit: RateLimit | None = None
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
        self._config = config = read_config(
            *(problems, self._asynchronous, token, base_url),
            transport=transport,
            user_agent=user_agent,
            limits={"timeout": timeout, "attempts": attempts, "deadline": deadline},
        )
        del token, base_url  # a traceback can show locals, and a token can be in the wrong place
        chosen: Any = transport or self._open_transport(problems)
        raise_if_invalid("the client was not made", problems)
        self._pid, self._transport = os.getpid(), chosen
        self._closing = threading.Event()
        self._prefetches: weakref.WeakSet[Prefetch[Any]] = weakref.WeakSet()
        self._http = self._open_client(
            transport=chosen,
            headers={"User-Agent": config.user_agent, "Accept": "application/json", "Accept-Encoding": "identity"},
        )

    @property
    def rate_limit(self) -> RateLimit | None:
        """What the API said last about the calling key's rate limit; None if it said nothing yet."""
        return self._rate_limit

    def _open_transport(self, problems: list[Problem]) -> Transport | AsyncTransport | None:
        url = self._config.base_url
        proxy = read_proxy(url, problems)
        kind = AsyncTransport if self._asynchronous else Transport
        try:
            return kind(proxy, trust_env=url.scheme == "https") if not problems else None
        except ImportError:
            problems.append(Problem("ALL_PROXY", "a SOCKS proxy needs the package socksio", "install httpx[socks]"))
        except (OSError, ValueError) as error:
            reason = f"the certificates cannot be read: {type(error).__name__}"
            problems.append(Problem("SSL_CERT_FILE or SSL_CERT_DIR", reason))
        return None

    def _clone(self, **changes: Any) -> Self:
        """Return a client with another configuration, over the same connections."""
        clone = type(self).__new__(type(self))
        clone.__dict__.update(self.__dict__)  # attributes of a subclass too
        clone._config, clone._rate_limit, clone._is_clone = evolve(self._config, **changes), None, True
        return clone

    def with_token(self, token: str | Token | SourceT) -> Self:
        """Return a client that calls as another key, over the connections of this one.

        It does not need to be closed. Closing this client closes it too.

        Args:
            token: The token of the other key, as for a new client.

        Raises:
            InvalidRequestError: No request can carry this token. The message does not contain it.
        """
        problems: list[Problem] = []
        # None does not stand for the environment here, which has the token of another key.
        given: object = Token("") if cast(object, token) is None else wrap_token(token)
        credentials = read_token(given, problems, asynchronous=self._asynchronous)
        del token, given  # a traceback can show locals
        raise_if_invalid("the client was not made", problems)
        return self._clone(credentials=credentials)

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
        given = {"timeout": timeout, "attempts": attempts, "deadline": deadline}
        limits = read_limits(problems, {name: value for name, value in given.items() if value is not None})
        raise_if_invalid("the client was not made", problems)
        return self._clone(**limits)

    def _call(self, operation: Operation[Any]) -> Call:
        return Call(operation, self._config.attempts, self._config.deadline)

    @property
    def _is_closed(self) -> bool:
        return self._closed or self._http.is_closed

    def _owns_transport(self) -> bool:
        # In a forked child, a transport of the user's own still belongs to the parent.
        return not self._is_clone and (self._config.transport is None or self._pid == os.getpid())

    def _exchange(self, call: Call, token: Token) -> Exchange:
        if self._is_closed or call.abandoned:
            raise client_closed(call)
        if (left := call.seconds_left()) <= 0:
            raise not_sent_in_time(call, self._config.credentials.name)
        steps = self._config.timeout.as_dict().items()
        timeout = {step: left if limit is None else min(limit, left) for step, limit in steps}
        given, base = dict(call.operation.request), self._config.base_url
        path = base.raw_path.decode("ascii").removesuffix("/") + given.pop("url")
        try:
            # With a base_url of its own, httpx would parse three URLs, a tenth of the time of a request.
            given["url"] = base.copy_with(path=path, params=given.pop("params", None))
            request = self._http.build_request(**given, extensions={"timeout": timeout, DEADLINE: call.deadline})
        except httpx.InvalidURL as error:
            problem = Problem("request", f"does not fit into a URL: {redact(str(error))}")
            raise_if_invalid(f"{call.operation.name} was not sent", [problem])
        return Exchange(self, call, request, token)

    def __repr__(self) -> str:
        if not hasattr(self, "_http"):  # __init__ raised; a traceback with locals shows the client
            return f"{type(self).__name__}(not made)"
        return f"{type(self).__name__}(base_url={redact(str(self._config.base_url))!r})"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} holds connections and a token: it cannot be pickled or copied")

    def __del__(self) -> None:
        if not hasattr(self, "_http") or self._is_clone or self._closed:
            return
        if self._pid == os.getpid():
            warnings.warn(f"{self!r} was never closed", ResourceWarning, source=self, stacklevel=2)
        elif isinstance(self._transport, (Transport, AsyncTransport)):
            self._transport.forget()


class SyncClient(BaseClient[TokenSource, httpx.BaseTransport]):
    """The request loop of the sync client."""

    _asynchronous = False

    def _open_client(self, **options: Any) -> httpx.Client:
        return _Client(**options, event_hooks={"response": [hide_location]})

    def _request(self, operation: Operation[T], call: Call | None = None) -> T:
        call = call or self._call(operation)
        while True:
            try:
                value: T = self._attempt(call)
                return value
            except IncidentIOError as error:
                delay = call.retry_delay(error, closed=self._is_closed)
                if delay is None:
                    raise call.outcome(error)  # noqa: B904 - it can have a cause of its own
            self._wait(delay)

    def _edit(self, show: Operation[APIKey], update: Callable[[APIKey], Operation[APIKey]]) -> APIKey:
        return self._request(update(self._request(show)))

    def _wait(self, seconds: float) -> None:
        self._closing.wait(seconds)  # or until another thread closes the client

    def _attempt(self, call: Call) -> Any:
        call.begin_attempt()
        token = self._token(call)
        try:
            return self._send(call, token)
        except AuthenticationError:
            try:
                newer = self._token(call)
            except IncidentIOError:
                newer = token
            if newer == token:
                raise
        return self._send(call, newer)

    def _token(self, call: Call) -> Token:
        return self._config.credentials.get_token(call.operation.name)

    def _send(self, call: Call, token: Token) -> Any:
        with self._exchange(call, token) as exchange:
            self._transfer(exchange)
        return exchange.value

    def _transfer(self, exchange: Exchange) -> None:
        exchange.response = response = self._http.send(exchange.request, stream=True)
        try:
            for part in response.stream:
                exchange.add(part)
            exchange.finish()
        finally:
            if connection := exchange.unusable_connection():
                connection.close()
            response.close()

    def _prefetch(self, operation: Operation[T]) -> Prefetch[T]:
        call = self._call(operation)
        prefetch = Prefetch(lambda: self._request(operation, call), call)
        self._prefetches.add(prefetch)
        return prefetch

    def close(self) -> None:
        """Close the connections. The client cannot be used after that. Calls in other threads may fail."""
        self._closed = True
        if self._owns_transport():
            self._closing.set()
            self._http.close()
            for prefetch in list(self._prefetches):
                prefetch.join()


class AsyncClient(BaseClient[AsyncTokenSource, httpx.AsyncBaseTransport]):
    """The request loop of the async client."""

    _asynchronous = True

    def _open_client(self, **options: Any) -> httpx.AsyncClient:
        async def hook(response: httpx.Response) -> None:
            hide_location(response)

        return _AsyncClient(**options, event_hooks={"response": [hook]})

    async def _request(self, operation: Operation[T]) -> T:
        call = self._call(operation)
        while True:
            try:
                value: T = await self._attempt(call)
                return value
            except IncidentIOError as error:
                delay = call.retry_delay(error, closed=self._is_closed)
                if delay is None:
                    raise call.outcome(error)  # noqa: B904 - it can have a cause of its own
            await self._wait(delay)

    async def _edit(self, show: Operation[APIKey], update: Callable[[APIKey], Operation[APIKey]]) -> APIKey:
        return await self._request(update(await self._request(show)))

    async def _wait(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds)

    async def _attempt(self, call: Call) -> Any:
        call.begin_attempt()
        token = await self._token(call)
        try:
            return await self._send(call, token)
        except AuthenticationError:
            try:
                newer = await self._token(call)
            except IncidentIOError:
                newer = token
            if newer == token:
                raise
        return await self._send(call, newer)

    async def _token(self, call: Call) -> Token:
        import asyncio

        credentials, name = self._config.credentials, call.operation.name
        found: Token | str = ""
        try:
            async with asyncio.timeout(call.seconds_left()):
                return await credentials.get_token_async(name)
        except TimeoutError:
            pass
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            found = failure_of(error)  # not this task was cancelled, but one that the source waits for
        # Raised here, since the errors above link to frames of the source.
        if found:
            return credentials.usable(name, found)
        raise not_sent_in_time(call, credentials.name)

    async def _send(self, call: Call, token: Token) -> Any:
        import asyncio

        with self._exchange(call, token) as exchange:
            # The client's own transport keeps the deadline itself, and reads what arrived until then.
            async with asyncio.timeout(None if self._config.transport is None else call.seconds_left()):
                await self._transfer(exchange)
        return exchange.value

    async def _transfer(self, exchange: Exchange) -> None:
        exchange.response = response = await self._http.send(exchange.request, stream=True)
        try:
            async for part in response.stream:
                exchange.add(part)
            exchange.finish()
        finally:
            if connection := exchange.unusable_connection():
                await connection.aclose()
            await response.aclose()

    def _prefetch(self, operation: Operation[T]) -> AsyncPrefetch[T]:
        return AsyncPrefetch(self._request(operation))

    async def aclose(self) -> None:
        """Close the connections. The client cannot be used after that. Calls in other tasks may fail."""
        self._closed = True
        if self._owns_transport():
            await self._http.aclose()
