"""Whether a call is tried again, and after how long.

It decides and does not wait: stamina does.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import Any, Final

import httpx
import stamina

from ._answers import Answer
from ._deadline import Deadline
from ._failures import NOT_CONNECTED
from ._operations import Effect, Operation
from .errors import APIConnectionError, APIStatusError, IncidentIOError, RateLimitError
from .tokens import Token

LOGGER: Final = logging.getLogger("incident_io_keys")

# Back-off: before the second try this many seconds at the most, then twice that, and so on up to the longest. Half of
# it is chance, so that clients that failed together do not come back together.
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 8.0

# The API, or a gateway in front of it, did not get to it this time.
_PASSING: Final = frozenset({408, 500, 502, 503, 504})

# What httpx raises where there was no connection, or one broke, or nothing came.
_BROKEN: Final = (*NOT_CONNECTED, httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError, OSError)


class Call:
    """One call of an operation, over all of its tries.

    Args:
        operation: What is called.
        attempts: How many tries there are, the first included.
        deadline: When all of it has to be over.
        interruptible: Whether another thread may bring the deadline forward, so that a wait has to end with it.
        is_closed: Returns whether the client is closed.
        chance: Gives a number from 0 to 1.

    Attributes:
        operation: What is called.
        attempts: How many tries there are, the first included.
        deadline: When all of it has to be over.
        number: Which try it is, from 1.
        in_flight: Whether a request is on its way, or was when the call was cut off.
        may_have_applied: Whether one of the tries may have had its effect.
        arrived: What arrived of an answer before the call was cut off, if that issues a token, and the token that its
            request carried.
    """

    def __init__(
        self,
        operation: Operation[Any],
        attempts: int,
        deadline: Deadline,
        *,
        interruptible: bool = False,
        is_closed: Callable[[], bool] = lambda: False,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.operation = operation
        self.attempts = attempts
        self.deadline = deadline
        self.number = 0
        self.in_flight = False
        self.may_have_applied = False
        self.arrived: tuple[Answer, Token] | None = None
        self._interruptible = interruptible
        self._failure: IncidentIOError | None = None
        self._stopped = False
        self._is_closed = is_closed
        self._chance = chance

    def wait_after(self, error: Exception) -> float | bool:
        """Say how many seconds to wait before the next try, or False for none: a back-off hook of stamina.

        The wait that the server asks for counts before our own, and one that would pass the deadline is not started.
        """
        if not isinstance(error, IncidentIOError):
            return False
        # An earlier try may have had its effect, whatever the last one ended with.
        self.may_have_applied = error.may_have_applied = self.may_have_applied or error.may_have_applied
        self._failure = error
        if self._stopped or self.number >= self.attempts or not _worth_repeating(self.operation.effect, error):
            return False
        if self._is_closed():  # the log must not announce a retry that a closed client will not make
            error.add_note("It was not tried again: the client was closed.")
            return False
        told = error.retry_after if isinstance(error, APIStatusError) else None
        wait = told if told is not None else self._back_off()
        if wait >= self.deadline.left():
            error.add_note(f"It was not tried again: a wait of {wait:.3g} s would pass the deadline.")
            return False
        reason = str(error).partition("\n")[0]
        facts = {"operation": self.operation.name, "attempt": self.number, "reason": reason, "wait": wait}
        LOGGER.warning("%s; trying again in %.3g s", reason, wait, extra=facts)
        if self._interruptible and not stamina.is_testing():
            self.deadline.wait(wait)  # what waits in stamina cannot be woken
            return 0.0
        return wait

    def instead_of(self, error: IncidentIOError) -> IncidentIOError:
        """What to raise where a try could not be begun: the failure of the one before, which says more; or that error.

        The call is over with it.
        """
        self._stopped = True
        if self._failure is None:
            return error
        self._failure.add_note(f"It was not tried again: {error}")
        return self._failure

    def _back_off(self) -> float:
        doubled: float = _FIRST_WAIT * 2 ** (self.number - 1)
        return min(_LONGEST_WAIT, doubled) * (1 + self._chance()) / 2


def _worth_repeating(effect: Effect, error: IncidentIOError) -> bool:
    if isinstance(error, RateLimitError):
        return True
    if isinstance(error, APIConnectionError):
        # Without a connection nothing was sent: create and rotate may be tried again too.
        kinds = NOT_CONNECTED if effect is Effect.ISSUES else _BROKEN
        return isinstance(error.__cause__, kinds)
    return isinstance(error, APIStatusError) and error.status in _PASSING and effect is not Effect.ISSUES
