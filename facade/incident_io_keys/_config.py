"""The arguments of a client and its environment variables, checked together."""

from __future__ import annotations

import contextlib
import os
import re
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from threading import TIMEOUT_MAX
from typing import Any, Final
from urllib.request import getproxies, proxy_bypass

import httpx
from attrs import frozen

from incident_io_keys_generated import contract

from ._redaction import redact
from ._validation import check_whole_number, type_name
from .errors import Problem

__version__ = "0.1.0"

URL_VARIABLE: Final = "INCIDENT_ENDPOINT"
# More attempts are a mistake, such as seconds.
_MOST_ATTEMPTS: Final = 100
_SUGGESTED_URL: Final = f"write {contract.SERVER}, or http://127.0.0.1:8000 for a server on this machine"


@frozen
class Limits:
    """The limits of a call, as `KeysClient` documents them."""

    timeout: httpx.Timeout
    attempts: int
    deadline: float


def read_limits(problems: list[Problem], timeout: object, attempts: object, deadline: Any) -> Limits:
    """Return the checked arguments `timeout`, `attempts` and `deadline` of a client."""
    steps = timeout.as_dict().values() if isinstance(timeout, httpx.Timeout) else (timeout,)
    if not all(_is_time(step) or (step is None and isinstance(timeout, httpx.Timeout)) for step in steps):
        problems.append(Problem("timeout", "takes seconds, more than 0, or an httpx.Timeout of such"))
        timeout = None
    attempts = check_whole_number("attempts", attempts, problems, low=1, high=_MOST_ATTEMPTS)
    if not _is_time(deadline):
        problems.append(Problem("deadline", "takes a finite number of seconds, more than 0"))
    return Limits(httpx.Timeout(timeout), attempts, deadline)  # type: ignore[arg-type]


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= TIMEOUT_MAX


def read_url(base_url: object, problems: list[Problem]) -> httpx.URL:
    """Return the URL of the API: the `base_url` of a client, else the environment variable, else the default."""
    from_environment = os.environ.get(URL_VARIABLE)
    field = "base_url" if base_url is not None or not from_environment else URL_VARIABLE
    text = base_url if base_url is not None else from_environment or contract.SERVER
    url = default = httpx.URL(contract.SERVER)
    # Most messages quote nothing: the value can contain a password, or be a token in the wrong place.
    try:
        url = httpx.URL(text)  # type: ignore[arg-type]
        # The resolver encodes the name like this, and fails for an empty or a long label.
        host = re.fullmatch(rb"[\w.:-]+", url.raw_host) and url.host.encode("idna")
        known = url.scheme in ("http", "https") and bool(host) and 0 < (url.port or 1) < 65536
    except (httpx.InvalidURL, ValueError, TypeError):
        known = False
    if not isinstance(text, str):
        problems.append(Problem(field, f"takes a string, not {type_name(text)}", _SUGGESTED_URL))
    elif not known:
        problems.append(Problem(field, "is not a URL of https:// and a host", _SUGGESTED_URL))
    elif url.userinfo or any(character in text for character in "?#@"):
        problems.append(Problem(field, "takes no user, password, query or fragment"))
    elif url.scheme == "http" and not _is_loopback(url.host):
        problems.append(Problem(field, f"would send the token to {redact(url.host)} in plain text", "use https"))
    elif url.path.rstrip("/").endswith("/v1"):
        problems.append(Problem(field, "ends in /v1, which the client adds itself", "remove it"))
    else:
        return url
    return default


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_transport(transport: object, problems: list[Problem], *, asynchronous: bool) -> Any:
    """Return the checked `transport` of a client."""
    kind = httpx.AsyncBaseTransport if asynchronous else httpx.BaseTransport
    if transport is not None and not isinstance(transport, kind):
        package, hint = type(transport).__module__.partition(".")[0], None
        if isinstance(transport, (httpx.BaseTransport, httpx.AsyncBaseTransport)):
            hint = "that one is for " + ("KeysClient" if asynchronous else "AsyncKeysClient")
        elif package.startswith("httpx") and package != "httpx":
            hint = f"that one is of {package}, but this client uses httpx"
        problems.append(Problem("transport", f"takes an httpx.{kind.__name__}, not {type_name(transport)}", hint))
    return transport


def read_user_agent(user_agent: object, problems: list[Problem]) -> str:
    """Return the User-Agent header for the `user_agent` of a client."""
    own = f"incident-io-keys/{__version__} {httpx.__title__}/{httpx.__version__}"
    if user_agent is None:
        return own
    text = user_agent if isinstance(user_agent, str) else ""
    if not (text.isascii() and text.isprintable() and text == text.strip() != ""):
        problems.append(Problem("user_agent", "takes a string of visible ASCII and spaces"))
    return f"{text} {own}"


def read_proxy(url: httpx.URL, problems: list[Problem]) -> httpx.Proxy | None:
    """Return the proxy that the environment names for a URL, if any. A problem names the variable, but no value."""
    # Over plain http, a proxy would see the token.
    if url.scheme != "https" or proxy_bypass(url.host):
        return None
    proxies = getproxies()
    scheme = "https" if proxies.get("https") else "all"
    found = proxies.get(scheme)
    if not found or any(_matches(entry.strip().lower(), url) for entry in proxies.get("no", "").split(",")):
        return None
    try:
        proxy = httpx.Proxy(found if "://" in found else f"http://{found}")
    except (httpx.InvalidURL, ValueError):
        proxy = None
    if proxy is None or "@" in proxy.url.path or not (proxy.url.host and 0 < (proxy.url.port or 1) < 65536):
        names = (f"{scheme}_proxy", f"{scheme}_PROXY".upper())
        field = next((name for name in names if os.environ.get(name)), "the proxy of the system")
        socks = found.lower().startswith("socks://")
        suggestion = "write socks5://" if socks else "write http://host:port, and percent-encode the password"
        problems.append(Problem(field, "is not the URL of a proxy", suggestion))
    elif proxy.url.scheme.startswith("socks") and find_spec("socksio") is None:
        problems.append(Problem("ALL_PROXY", "a SOCKS proxy needs the package socksio", "install httpx[socks]"))
    return proxy


def _matches(entry: str, url: httpx.URL) -> bool:
    """Return whether an entry of NO_PROXY, such as `10.0.0.0/8`, `*.example.com` or `[::1]:8443`, covers a URL."""
    match = re.fullmatch(r"(\[.+\]|[^:]+):(\d{1,5})", entry)
    name, port = match.groups() if match else (entry, None)
    if not entry or (port and int(port) != (url.port or 443)):
        return False
    name = name.strip("[]").removeprefix("*").removeprefix(".")
    with contextlib.suppress(ValueError):
        return ip_address(url.host) in ip_network(name, strict=False)
    hosts = (url.host, url.raw_host.decode("ascii"))  # the second in punycode
    return entry == "*" or name in hosts or (name != "" and any(host.endswith(f".{name}") for host in hosts))
