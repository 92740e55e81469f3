"""One request and its answer: what goes on before it is sent, and what comes of whatever happens then."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import Final, Self

import httpx

from ._answers import Answer
from ._bodies import Body
from ._error_mapping import request_id_of
from ._failures import closed_error, connection_error
from ._retry import LOGGER, Call
from ._scrubbing import scrub
from .errors import redact
from .tokens import Token

# What sending can raise, beside interrupts and what a transport of the user's own comes up with. UnicodeError: a name
# that is no host name, wherever it comes from.
_FROM_THE_NETWORK: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, UnicodeError)


class Exchange:
    """A `with` block in which a request is sent and its answer received.

    It puts the token on the request and takes it off again. Nothing foreign gets out of it, nothing that gets out shows
    the token, and each leaves a record in the log.

    Args:
        call: The call that it is a try of.
        http: The client that sends it.
        request: What is sent.
        token: The token to put on.

    Attributes:
        request: What is sent.
        body: Where the body goes as it arrives.
        answer: The answer, once the block has ended without an exception.
    """

    answer: Answer

    def __init__(
        self, call: Call, http: httpx.Client | httpx.AsyncClient, request: httpx.Request, token: Token
    ) -> None:
        self.request = request
        self.body = Body()
        self._call = call
        self._http = http
        self._token = token
        self._head: httpx.Response | None = None
        self._started = 0.0
        self._outer: BaseException | None = None

    def __enter__(self) -> Self:
        self.request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        self._call.in_flight = True
        self._outer = sys.exception()
        self._started = time.perf_counter()
        return self

    def has_body(self, head: httpx.Response) -> bool:
        """Note that an answer has begun, and say whether its body is to be taken."""
        self._head = head
        return self.body.is_to_come(head)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        # The request lives on in the answer and in httpx's errors, which people log, pickle and inspect.
        self.request.headers.pop("Authorization", None)
        answer = self._arrived(error)
        if isinstance(error, Exception | None) and answer is not None:
            self.answer = answer
        self._record(error)
        call = self._call
        if error is not None and not isinstance(error, Exception):
            scrub(error, self._token, outer=self._outer)  # an interrupt or a cancellation: the call stays in flight
            if answer is not None:
                call.arrived = (answer, self._token)
                # The call cannot return the token any more: who catches this finds it there.
                error.__cause__ = call.operation.interrupted(answer, self._token, by=type(error).__name__)
            return False
        call.in_flight = False
        if error is None or answer is not None:
            return True
        if isinstance(error, _FROM_THE_NETWORK):
            raise connection_error(
                call.operation.name,
                error,
                writes=call.operation.writes,
                earlier=call.may_have_applied,
                token=self._token,
                host=self.request.url.netloc.decode("ascii"),
                overdue=call.deadline.seconds if call.deadline.left() <= 0 else None,
                outer=self._outer,
            ) from error
        if isinstance(error, RuntimeError) and self._http.is_closed:  # by another thread or task, just now
            raise call.instead_of(closed_error(call.operation.name))
        scrub(error, self._token, outer=self._outer)
        return False

    def _arrived(self, error: BaseException | None) -> Answer | None:
        """The answer, if it is one even though it broke off: a refusal, or a token that no other answer will hold."""
        if self._head is None:
            return None
        answer = self.body.answer(self._head)
        refused = not self._head.is_success and isinstance(error, _FROM_THE_NETWORK)
        issued = self._call.operation.issued(answer, self._token) if error is not None else None
        return answer if error is None or refused or issued is not None else None

    def _record(self, error: BaseException | None) -> None:
        if not LOGGER.isEnabledFor(logging.DEBUG):
            return
        answer = getattr(self, "answer", None)
        status = None if self._head is None else self._head.status_code
        facts = {
            "method": self.request.method,
            "path": redact(self.request.url.path, self._token),
            "status": status,
            "request_id": answer and request_id_of(answer, self._token),
            "attempt": self._call.number,
            "milliseconds": round((time.perf_counter() - self._started) * 1000, 1),
        }
        outcome = status if answer is not None else type(error).__name__
        LOGGER.debug("%s %s: %s", facts["method"], facts["path"], outcome, extra=facts)
