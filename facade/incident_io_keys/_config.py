"""What a client is made with: arguments and environment, read and checked together."""

from __future__ import annotations

import os
import re
from ipaddress import ip_address
from threading import TIMEOUT_MAX
from typing import Any, Final
from urllib.request import getproxies, proxy_bypass

import httpx
from attrs import frozen

from incident_io_keys_generated import contract

from ._auth import Credentials, credentials
from ._validation import check_whole_number, type_name
from ._version import __version__
from .errors import Problem, redact

URL_VARIABLE: Final = "INCIDENT_ENDPOINT"
# More tries than that are a mistake: seconds, say.
_MOST_ATTEMPTS: Final = 100


@frozen(kw_only=True)
class Settings:
    """What a client is made with.

    Attributes:
        credentials: Where the token comes from.
        base_url: Where the API is.
        timeout: For each step on the network.
        attempts: Tries of one call, the first included.
        deadline: Seconds for one call.
        transport: How requests travel, if not by httpx's own transport.
        user_agent: The whole header.
    """

    credentials: Credentials
    base_url: httpx.URL
    timeout: httpx.Timeout
    attempts: int
    deadline: float
    transport: Any
    user_agent: str


def read_settings(
    problems: list[Problem],
    *,
    token: object,
    base_url: object,
    timeout: object,
    attempts: object,
    deadline: object,
    transport: object,
    user_agent: object,
    asynchronous: bool,
) -> Settings:
    """Read the arguments of a client: `KeysClient` says what they are.

    Nothing is raised here, since a traceback that shows locals would show the token. What is wrong is added to
    `problems`, and something harmless takes its place.
    """
    found, url = credentials(token, problems, asynchronous=asynchronous), _read_url(base_url, problems)
    kind = httpx.AsyncBaseTransport if asynchronous else httpx.BaseTransport
    if transport is not None and not isinstance(transport, kind):
        problems.append(Problem("transport", f"takes an httpx.{kind.__name__}, not {type_name(transport)}"))
    agent = f"incident-io-keys/{__version__} {httpx.__title__}/{httpx.__version__}"
    if user_agent is not None and not _is_header_text(user_agent):
        problems.append(Problem("user_agent", "takes a string of visible ASCII and spaces"))
    elif user_agent is not None:
        agent = f"{user_agent} {agent}"
    if not _is_timeout(timeout):
        problems.append(Problem("timeout", "takes seconds, more than 0, or an httpx.Timeout of such"))
        timeout = None
    if not _is_time(deadline):
        problems.append(Problem("deadline", "takes seconds, more than 0"))
    return Settings(
        credentials=found,
        base_url=url,
        timeout=timeout if isinstance(timeout, httpx.Timeout) else httpx.Timeout(timeout),  # type: ignore[arg-type]
        attempts=check_whole_number("attempts", attempts, problems, low=1, high=_MOST_ATTEMPTS),
        deadline=deadline,  # type: ignore[arg-type]
        transport=transport,
        user_agent=agent,
    )


def _read_url(base_url: object, problems: list[Problem]) -> httpx.URL:
    from_environment = os.environ.get(URL_VARIABLE)
    field = "base_url" if base_url is not None or not from_environment else URL_VARIABLE
    text = base_url if base_url is not None else from_environment or contract.SERVER
    advice = f"as in {contract.SERVER}, or http://127.0.0.1:8000 for a server on this machine"
    default = httpx.URL(contract.SERVER)
    if not isinstance(text, str):
        problems.append(Problem(field, f"takes a URL, not {type_name(text)}", advice))
        return default
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
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
        return all(step is None or _is_time(step) for step in steps)
    return _is_time(value)


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= TIMEOUT_MAX


def environment_proxy(url: httpx.URL) -> httpx.Proxy | None:
    """The proxy through which the environment wants a URL to be reached.

    Raises:
        ValueError: What the environment names is no proxy. httpx.InvalidURL: it is no URL.
    """
    # Over plain http, a proxy would see the token.
    if url.scheme != "https" or proxy_bypass(url.host):
        return None
    proxies = getproxies()
    found = proxies.get("https") or proxies.get("all")
    if not found:
        return None
    return httpx.Proxy(found if "://" in found else f"http://{found}")
