"""Calls of a client without a network: the request that a call sends, and what it makes of a response."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, TypeAlias

import httpx
import pytest

from incident_io_keys import BadRequestError, InvalidRequestError, KeysClient

from .conftest import CANARY

Call: TypeAlias = Callable[[KeysClient], Any]


def sent(call: Call) -> httpx.Request:
    """Return the only request that a call sends."""
    requests: list[httpx.Request] = []
    with contextlib.suppress(BadRequestError):
        _run(call, httpx.Response(400), requests)
    [request] = requests
    return request


def returned(call: Call, status: int, **response_arguments: Any) -> Any:
    """Return or raise what a call does with a response; the other arguments are those of `httpx.Response`."""
    return _run(call, httpx.Response(status, **response_arguments), [])


def rejected(call: Call) -> InvalidRequestError:
    """Return the error of a call that is rejected before it sends anything."""
    requests: list[httpx.Request] = []
    with pytest.raises(InvalidRequestError) as caught:
        _run(call, httpx.Response(400), requests)
    assert not requests
    return caught.value


def _run(call: Call, response: httpx.Response, requests: list[httpx.Request]) -> Any:
    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return response

    transport = httpx.MockTransport(handler)
    with KeysClient(CANARY, base_url="https://api.example/base", attempts=1, transport=transport) as keys:
        return call(keys)
