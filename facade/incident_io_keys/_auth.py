"""Where the token of a request comes from, and what tokens a request can carry."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias, TypeVar

from ._validation import type_name
from .errors import InvalidRequestError, Problem
from .tokens import TOKEN_VARIABLE, Token, env_token, is_usable

TokenSource: TypeAlias = Callable[[], str | Token]
AsyncTokenSource: TypeAlias = Callable[[], str | Token | Awaitable[str | Token]]

_ADVICE: Final = "give the bare token, without 'Bearer', quotes or a line break"


class Credentials:
    """The token of a client, asked for before every request.

    Args:
        source: What to ask.
        field: The argument or variable that a problem is told of.
        name: What people call the source, as in `the file /run/token`.
        advice: How to set a problem right.
        given: Whether the source is the field itself, so that a problem need not name it.
    """

    def __init__(
        self, source: AsyncTokenSource, field: str, name: str, advice: str = _ADVICE, *, given: bool = False
    ) -> None:
        self._source = source
        self._field = field
        self._advice = advice
        self._what = "" if given else f"from {name} "
        self.name = name

    def problems(self) -> list[Problem]:
        """What is wrong with what the source gives now."""
        found = self._read(self._source())
        return [found] if isinstance(found, Problem) else []

    def ask(self, what: str) -> Token:
        """Return the token to use now.

        Args:
            what: What it is for, as in `create`.

        Raises:
            InvalidRequestError: The source failed, or gave what no request can carry.
        """
        try:
            found = self._read(self._source())
        except Exception as error:  # noqa: BLE001 - whatever a source comes up with
            found = self._failed(error)
        return self._found(what, found)

    async def ask_async(self, what: str) -> Token:
        """Do the same with a source that may be a coroutine function."""
        import asyncio

        try:
            found = await self._read_async(self._source())
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            found = self._failed(error)  # not this task was cancelled, but one that the source waits for
        except Exception as error:  # noqa: BLE001 - whatever a source comes up with
            found = self._failed(error)
        return self._found(what, found)

    def ask_again(self, what: str, refused: Token) -> Token | None:
        """Return another token than the one that was refused; None if there is none now."""
        try:
            found = self.ask(what)
        except InvalidRequestError:
            return None  # the refusal says more
        return None if found == refused else found

    async def ask_again_async(self, what: str, refused: Token) -> Token | None:
        """Do the same with a source that may be a coroutine function."""
        try:
            found = await self.ask_async(what)
        except InvalidRequestError:
            return None
        return None if found == refused else found

    # What a source gives is a local of these two alone, and they raise nothing while they have it: a traceback that
    # shows locals would show it.

    def _read(self, given: object) -> Token | Problem:
        token = Token(given) if isinstance(given, str) else given
        if inspect.iscoroutine(given):
            given.close()  # or it would warn that nobody awaited it
        if not isinstance(token, Token):
            message = f"{self._what}has to be a str or a Token, not {type_name(token)}"
            return Problem(self._field, message, self._advice)
        if not token.reveal().strip():
            return Problem(self._field, f"{self._what}is missing or blank", self._advice)
        if not is_usable(token):
            message = f"{self._what}has characters that a header cannot carry (it is not shown here)"
            return Problem(self._field, message, self._advice)
        return token

    async def _read_async(self, given: Any) -> Token | Problem:
        return self._read(await given if inspect.isawaitable(given) else given)

    def _found(self, what: str, found: Token | Problem) -> Token:
        if isinstance(found, Problem):
            raise InvalidRequestError(f"{what} was not sent", [found])
        return found

    def _failed(self, error: BaseException) -> Problem:
        # No more of it than its name, nor as a cause: its text, its attributes and its frames are of those who handle
        # tokens.
        return Problem(self._field, f"could not be had from {self.name}, which raised {type(error).__name__}")


T = TypeVar("T")


def hidden(token: T | str) -> T | Token:
    """The `token` argument of a client, in a form that a traceback with locals does not show."""
    return Token(token) if isinstance(token, str) else token


def credentials(token: object, problems: list[Problem], *, asynchronous: bool) -> Credentials:
    """Read the `token` argument of a client.

    A token that is given, or stands in the environment, is checked here; a source is asked when a request needs it.

    Args:
        token: A `str`, a `Token`, a source of either, or None for the environment.
        problems: Where a problem is added, if there is one.
        asynchronous: Whether a source may be a coroutine function.
    """
    if token is None:
        variable = env_token()
        advice = "pass token=..., or set this variable to the bare token"
        found = Credentials(variable, TOKEN_VARIABLE, str(variable), advice, given=True)
    elif callable(token):
        if not asynchronous and inspect.iscoroutinefunction(token):
            problems.append(Problem("token", "is a coroutine function", "those are for AsyncKeysClient"))
        ours = type(token).__module__ == Token.__module__
        name = str(token) if ours else f"the token source {getattr(token, '__qualname__', type(token).__qualname__)}"
        return Credentials(token, "token", name)
    else:
        secret: Any = hidden(token)  # what else it may be is refused below
        found = Credentials(lambda: secret, "token", "the token argument", given=True)
    problems += found.problems()
    return found
