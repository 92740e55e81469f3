"""Puts the token on a request while it is on the wire, and takes it off again.

This module must not know which operation a request belongs to.
"""

from __future__ import annotations

from collections.abc import Generator

import httpx

from .tokens import Token


class BearerAuth(httpx.Auth):
    """Bearer authentication for httpx.

    Args:
        token: A token that a header can carry.
    """

    def __init__(self, token: Token) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Drive one request; httpx calls this, for sync and async alike."""
        request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        try:
            response = yield request
            # Made by httpx from the request as it was sent, for whoever wants to follow a redirect by hand.
            response.next_request = None
        finally:
            # The request lives on in the response and in httpx's errors, which people log, pickle and inspect.
            request.headers.pop("Authorization", None)
