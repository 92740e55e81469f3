"""Calls token sources and checks their tokens."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias, TypeVar

from attrs import frozen

from ._validation import token_problem, type_name
from .errors import Problem, TokenSourceError
from .tokens import TOKEN_VARIABLE, Token, env_token

T = TypeVar("T")
TokenSource: TypeAlias = Callable[[], str | Token]
AsyncTokenSource: TypeAlias = Callable[[], str | Token | Awaitable[str | Token]]

_EXPECTED: Final = "the bare token, without 'Bearer', quotes or a line break"


def wrap_token(token: T | str) -> T | Token:
    """Return a `str` token as a `Token`, which a traceback with locals does not show."""
    return Token(token) if isinstance(token, str) else token


@frozen
class Credentials:
    """A token source and its display name, such as `the file /run/token`."""

    source: AsyncTokenSource
    name: str

    def get_token(self, operation: str) -> Token:
        """Return the current token for an operation, or raise TokenSourceError."""
        try:
            found = _check(self.source())
        except Exception as error:  # noqa: BLE001 - a source can raise anything
            found = _failure(error)
        return self._usable(operation, found)

    async def get_token_async(self, operation: str) -> Token:
        """Return the current token of a source that may be a coroutine function; see `get_token`."""
        import asyncio

        try:
            found = await _check_async(self.source())
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            # A task that the source awaits can be cancelled too.
            if isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling()):
                raise
            found = _failure(error)
        return self._usable(operation, found)

    def _usable(self, operation: str, found: Token | str) -> Token:
        if isinstance(found, str):
            raise TokenSourceError(f"{operation} was not sent: the token from {self.name} {found}")
        return found


def _failure(error: BaseException) -> str:
    # The message and the frames can contain a token.
    return f"could not be read: {type(error).__name__} was raised"


# Only these functions hold what a source returned, and `_check` must not raise: a traceback can show locals.


def _check(given: object) -> Token | str:
    """Return the token, or its problem."""
    token = wrap_token(given)
    if inspect.iscoroutine(given):
        given.close()  # or Python warns that it was never awaited
    if not isinstance(token, Token):
        return f"has to be a str or a Token, not {type_name(token)}"
    return token_problem(token) or token


async def _check_async(given: Any) -> Token | str:
    return _check(await given if inspect.isawaitable(given) else given)


def read_token(token: object, problems: list[Problem], *, asynchronous: bool) -> Credentials:
    """Return the credentials for the `token` argument of a client. A caller's source is not called yet."""
    if token is None:
        source, name = env_token(), str(env_token())
        if isinstance(problem := _check(source()), str):
            problems.append(Problem(TOKEN_VARIABLE, problem, f"pass token=..., or set this variable to {_EXPECTED}"))
        return Credentials(source, name)
    if callable(token):
        if not asynchronous and inspect.iscoroutinefunction(token):
            problems.append(Problem("token", "is a coroutine function", "those are for AsyncKeysClient"))
        ours = type(token).__module__ == Token.__module__
        name = str(token) if ours else f"the token source {getattr(token, '__qualname__', type(token).__qualname__)}"
        return Credentials(token, name)
    given: Any = wrap_token(token)
    if isinstance(problem := _check(given), str):
        problems.append(Problem("token", problem, f"give {_EXPECTED}"))
    return Credentials(lambda: given, "the token argument")
