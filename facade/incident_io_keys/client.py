"""The client: thin methods over the operations, and the one place that sends them.

This module must not know what a request or a response looks like: `_operations` does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from threading import TIMEOUT_MAX
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx

from incident_io_keys_generated import contract
from incident_io_keys_generated.models import AccountRole, ListAPIKeysResponse, TeamRole

from ._arguments import kind_of, refuse
from ._auth import BearerAuth
from ._operations import Operation, create_key, list_keys
from ._version import __version__
from .errors import InvalidRequestError, Problem, connection_error, drop_frames, redact
from .pagination import KeyPager
from .tokens import IssuedKey, Token, is_usable

T = TypeVar("T")

TOKEN_VARIABLE: Final = "INCIDENT_API_KEY"  # noqa: S105 - the name of a variable
URL_VARIABLE: Final = "INCIDENT_ENDPOINT"


class KeysClient:
    """A client for the API keys of incident.io. Use it in a `with` statement, or `close` it when done.

    Args:
        token: The token of a key that has the role `api_keys_manage`. Default: what the environment variable
            INCIDENT_API_KEY holds.
        base_url: Where the API is. Default: what INCIDENT_ENDPOINT holds, then the API's own address. Plain
            http is taken only for a loopback host, and then goes through no proxy.
        timeout: Seconds for each step on the network (connecting, each read, each write), or an `httpx.Timeout`.
        transport: How requests travel, if not over the network: `MockAPI().transport()`, for example.
        user_agent: Stands before the client's own name in the User-Agent header.

    Raises:
        InvalidRequestError: Some of the above cannot be used. It names everything, and never shows the token.
    """

    def __init__(
        self,
        token: str | Token | None = None,
        *,
        base_url: str | None = None,
        timeout: float | httpx.Timeout = 30.0,
        transport: httpx.BaseTransport | None = None,
        user_agent: str | None = None,
    ) -> None:
        problems: list[Problem] = []
        # Gone before anything can be raised: a traceback may show the locals of the frames that it went through.
        secret, url = _read_token(token, problems), _read_url(base_url, problems)
        del token, base_url
        if transport is not None and not isinstance(transport, httpx.BaseTransport):
            problems.append(Problem("transport", f"takes an httpx.BaseTransport, not {kind_of(transport)}"))
        agent = f"incident-io-keys/{__version__} {httpx.__title__}/{httpx.__version__}"
        if user_agent is not None and not _is_header_text(user_agent):
            problems.append(Problem("user_agent", "takes a string of visible ASCII and spaces"))
        elif user_agent is not None:
            agent = f"{user_agent} {agent}"
        if not _is_timeout(timeout):
            problems.append(Problem("timeout", "takes seconds, more than 0, or an httpx.Timeout of such"))
        refuse("the client was not made", problems)
        try:
            self._http = httpx.Client(
                auth=BearerAuth(secret),
                base_url=url,
                timeout=timeout,
                transport=transport,
                headers={"User-Agent": agent, "Accept": "application/json"},
                # The API sets none that matter, and one that is no ASCII would break every later request.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                # A redirect would carry the token to wherever it points.
                follow_redirects=False,
                # The proxies of the environment are for the way out; over plain http, one would see the token.
                trust_env=url.scheme == "https",
            )
        except (ValueError, httpx.InvalidURL, ImportError, OSError) as error:
            advice = "look at HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR"
            problems.append(Problem("environment", f"{type(error).__name__}: {redact(str(error))}", advice))
        refuse("the client was not made", problems)

    def list(self, *, page_size: int = contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM, after: str | None = None) -> KeyPager:
        """List the keys that the caller may see. Nothing is sent before the first of them is asked for.

        API: `GET /v1/api_keys` (https://docs.incident.io/api-reference/api-keys-v1/list).

        Args:
            page_size: How many keys to fetch at a time; by default the most that the API gives.
            after: The ID of the key behind which to start: a `Page.after` of an earlier run, to go on where it ended.
                None starts at the beginning.

        Returns:
            An iterable of keys, over all pages; its `pages()` yields page by page.

        Raises:
            InvalidRequestError: An argument does not fit the contract.
            PaginationError: While iterating: the API gave the same cursor twice.
            APIStatusError: While iterating: the API refused; the subclass says how.
            APIConnectionError: While iterating: there was no usable answer.
            InvalidResponseError: While iterating: an answer does not fit the contract.
        """

        def fetch(cursor: str | None) -> ListAPIKeysResponse:
            return self._send(list_keys(page_size=page_size, after=cursor))

        list_keys(page_size=page_size, after=after)  # so that a bad argument is refused here, not somewhere in a loop
        return KeyPager(fetch, after)

    def create(
        self,
        *,
        name: str,
        role_names: Iterable[AccountRole | str],
        team_ids: Iterable[str] = (),
        team_role_names: Iterable[TeamRole | str] = (),
    ) -> IssuedKey:
        """Create a key. Its token is in the answer and never shown again: store it before anything else.

        API: `POST /v1/api_keys` (https://docs.incident.io/api-reference/api-keys-v1/create).

        Args:
            name: What people call the key.
            role_names: The roles that it has in the whole account, as `AccountRole` or by name; may be empty.
            team_ids: The teams in which it has the roles of `team_role_names`.
            team_role_names: The roles that it has in those teams, as `TeamRole` or by name. Teams and team roles are
                given both or neither.

        Returns:
            The key and its token.

        Raises:
            InvalidRequestError: Arguments do not fit the contract; it names all of them. Nothing was sent.
            APIStatusError: The API refused; the subclass says how.
            APIConnectionError: There was no usable answer; `may_have_applied` says whether a key may exist.
            InvalidResponseError: A key was created, but the answer does not fit the contract; its `token` is the token,
                if the answer held one that can be read.
        """
        return self._send(
            create_key(name=name, role_names=role_names, team_ids=team_ids, team_role_names=team_role_names)
        )

    def close(self) -> None:
        """Close the connections. The client cannot be used after that."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        # A traceback with locals shows the client also while __init__ refuses to make it.
        where = f"base_url={redact(str(self._http.base_url))!r}" if hasattr(self, "_http") else "not made"
        return f"{type(self).__name__}({where})"

    def _send(self, operation: Operation[T]) -> T:
        if self._http.is_closed:
            problem = Problem("client", "is closed", "make a new one")
            raise InvalidRequestError(f"{operation.name} was not sent", [problem])
        try:
            request = self._http.build_request(**operation.request)
        except httpx.InvalidURL as error:
            problem = Problem("request", f"fits no URL: {redact(str(error))}")
            raise InvalidRequestError(f"{operation.name} was not sent", [problem]) from error
        try:
            response = self._http.send(request)
        # UnicodeError: a name that is no host name, wherever it comes from.
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, UnicodeError) as error:
            raise connection_error(operation.name, error, writes=operation.writes) from error
        except BaseException as error:
            drop_frames(error)  # an interrupt, say
            raise
        return operation.decode(response)


def _read_token(token: object, problems: list[Problem]) -> Token:
    if token is None:
        token = Token(os.environ.get(TOKEN_VARIABLE, ""))
        field, advice = TOKEN_VARIABLE, "pass token=..., or set this variable to the bare token"
    else:
        field, advice = "token", "give the bare token, without 'Bearer', quotes or a line break"
    token = Token(token) if isinstance(token, str) else token
    if not isinstance(token, Token):
        problems.append(Problem(field, f"takes a str or a Token, not {kind_of(token)}", advice))
    elif not token.reveal().strip():
        problems.append(Problem(field, "is missing or blank", advice))
    elif not is_usable(token):
        problems.append(Problem(field, "has characters that a header cannot carry (it is not shown here)", advice))
    else:
        return token
    return Token("")


def _read_url(base_url: str | None, problems: list[Problem]) -> httpx.URL:
    from_environment = os.environ.get(URL_VARIABLE)
    field = "base_url" if base_url is not None or not from_environment else URL_VARIABLE
    text = base_url if base_url is not None else from_environment or contract.SERVER
    advice = f"as in {contract.SERVER}, or http://127.0.0.1:8000 for a server on this machine"
    default = httpx.URL(contract.SERVER)
    if not isinstance(text, str):
        problems.append(Problem(field, f"takes a URL, not {kind_of(text)}", advice))
        return default
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        problems.append(Problem(field, f"is no URL: {redact(str(error))}", advice))
        return default
    # A URL that is refused goes no further than this: it may be a token in the wrong place.
    if url.scheme not in ("http", "https") or not _is_host(url) or not 0 < (url.port or 1) < 65536:
        problems.append(Problem(field, "takes a URL of https:// and a host", advice))
    elif url.userinfo or "?" in text or "#" in text:
        problems.append(Problem(field, "takes no user, password, query or fragment"))
    elif url.scheme == "http" and not _is_loopback(url.host):
        problems.append(Problem(field, f"would send the token to {redact(url.host)} in plain text", "use https"))
    else:
        return url
    return default


def _is_host(url: httpx.URL) -> bool:
    try:
        # The resolver's own encoding too, which is where an empty or endless label would fail later.
        return re.fullmatch(rb"[\w.:-]+", url.raw_host) is not None and url.host.encode("idna") != b""
    except UnicodeError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_header_text(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable() and value == value.strip() != ""


def _is_timeout(value: object) -> bool:
    if isinstance(value, httpx.Timeout):
        steps = (value.connect, value.read, value.write, value.pool)
        return all(step is None or _is_timeout(step) for step in steps)
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= TIMEOUT_MAX
