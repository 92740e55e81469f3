"""`--dry-run`: which request would be sent."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from incident_io_keys_generated.models import APIKey

from .._redaction import redact
from ..client import KeysClient
from ..errors import APIStatusError, InvalidRequestError, Problem
from ..tokens import Token
from ._session import Session
from ._writers import as_answer

if TYPE_CHECKING:
    import httpx


def write_request(
    session: Session, output: str | None, call: Callable[[KeysClient], object], key: APIKey | None = None
) -> None:
    """Write the request that a call would send to standard output. `key` is what a call of `show` returns."""
    request = preview(call, key)
    body: Any = json.loads(request.content) if request.content else None
    if session.format(output) == "table":
        text = f"{request.method} {request.url}\n" + ("" if body is None else as_answer(body))
    else:
        text = as_answer({"method": request.method, "url": str(request.url), "body": body})
    session.terminal.write(redact(text))  # whatever somebody takes for a name


def problems_of(call: Callable[[KeysClient], object], key: APIKey | None = None) -> list[Problem]:
    """Find out what keeps a call from being sent. `key` is what a call of `show` returns."""
    try:
        preview(call, key)
    except InvalidRequestError as error:
        return list(error.problems)
    return []


def preview(call: Callable[[KeysClient], object], key: APIKey | None) -> httpx.Request:
    """Find out which request a call would send last, without sending it.

    Args:
        call: Gets a client, and calls one of its methods.
        key: What a call of `show` returns.

    Raises:
        InvalidRequestError: It would send none: the arguments do not fit, or the URL of the environment does not.
    """
    import httpx

    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        if key is not None and request.method == "GET":
            return httpx.Response(200, json={"api_key": key.to_dict()})
        return httpx.Response(418)  # one that is not asked for again

    # The token would be left out of what is shown, and need not be there.
    transport = httpx.MockTransport(answer)
    with KeysClient(Token("none"), transport=transport) as keys, contextlib.suppress(APIStatusError):
        call(keys)
    return requests[-1]
