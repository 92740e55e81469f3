"""Blocking adapters for a client of either kind and for a token store. Their failures contain no token."""

from __future__ import annotations

import inspect
import secrets
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from incident_io_keys_generated.models import APIKey

from .._error_mapping import strip_tracebacks
from .._redaction import redact
from .._validation import raise_if_invalid, type_name
from ..async_client import AsyncKeysClient
from ..client import KeysClient
from ..errors import IncidentIOError, InvalidRequestError, Problem
from ..tokens import IssuedKey, Token
from ._errors import StorageError, StoreUnavailableError
from ._store import TokenStore


def check_call(
    outcome: str,
    client: object,
    methods: tuple[str, ...],
    store: object,
    problems: list[Problem],
    operation: Callable[[], object] | None = None,
) -> None:
    """Raise one InvalidRequestError with `problems` and those of the client, the store and `operation()`."""
    check_client(client, problems, *methods)
    check_store(store, problems)
    try:
        if operation is not None:
            operation()
    except InvalidRequestError as error:
        problems += [problem for problem in error.problems if problem.field not in {each.field for each in problems}]
    raise_if_invalid(outcome, problems)


def check_store(store: object, problems: list[Problem]) -> None:
    known = len(problems)
    _check_methods("store", store, ("check", "save", "load"), "pass a FileStore or another TokenStore", problems)
    if len(problems) == known and not isinstance(getattr(store, "journal", None), Path):
        problems.append(Problem("store", "has no journal that is a Path", "add `journal`, the Path of a directory"))


def check_client(client: object, problems: list[Problem], *methods: str) -> None:
    _check_methods("client", client, methods, "pass a KeysClient or an AsyncKeysClient", problems)


def _check_methods(
    field: str, value: object, methods: tuple[str, ...], suggestion: str, problems: list[Problem]
) -> None:
    missing = [name for name in methods if not callable(getattr(value, name, None))]
    if missing or isinstance(value, type):
        message = "is a class" if isinstance(value, type) else f"lacks the methods {', '.join(missing)}"
        problems.append(Problem(field, message, suggestion))


def is_async(client: object) -> bool:
    """Return whether the methods of a client are coroutine functions."""
    return isinstance(client, AsyncKeysClient) or inspect.iscoroutinefunction(getattr(client, "show", None))


def _run_here(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    return function(*arguments, **keywords)


class Api:
    """A client of either kind, whose methods block.

    Attributes:
        run: Calls a function where the client runs, and waits for its result.
        stop: Set once the caller was cancelled, so that nothing new begins.
    """

    def __init__(self, client: Any, run: Callable[..., Any] = _run_here, stop: threading.Event | None = None) -> None:
        self._client = client
        self.run = run
        self.stop = stop or threading.Event()

    @property
    def rate_limit(self) -> Any:
        try:
            return self._client.rate_limit
        except Exception:  # noqa: BLE001 - a custom client need not have it
            return None

    def with_token(self, token: Token) -> Api:
        return Api(self._call(self._client.with_token, token), self.run, self.stop)

    def list(self) -> list[APIKey]:
        keys: list[APIKey] = self._call(_list_async if is_async(self._client) else _list, self._client)
        return keys

    def show(self, key_id: str) -> APIKey:
        key: APIKey = self._call(self._client.show, key_id)
        return key

    def create(self, **definition: Any) -> IssuedKey:
        issued: IssuedKey = self._call(self._client.create, writes=True, **definition)
        return issued

    def rotate(self, key_id: str, grace: int) -> IssuedKey:
        issued: IssuedKey = self._call(self._client.rotate, key_id, writes=True, grace_period_minutes=grace)
        return issued

    def delete(self, key_id: str) -> None:
        self._call(self._client.delete, key_id, writes=True)

    def _call(self, function: Callable[..., Any], *arguments: Any, writes: bool = False, **keywords: Any) -> Any:
        outer = sys.exception()
        try:
            return self.run(function, *arguments, **keywords)
        except IncidentIOError:
            raise
        except Exception as error:  # noqa: BLE001 - a custom transport can raise anything
            failure = StorageError(_describe(error, None, outer), may_have_applied=writes)
        except BaseException as error:
            strip_tracebacks(error, outer=outer)
            raise
        raise failure


def _list(client: KeysClient) -> list[APIKey]:
    return list(client.list())


async def _list_async(client: AsyncKeysClient) -> list[APIKey]:
    return [key async for key in client.list()]


class SafeStore:
    """A token store whose failures are all `StorageError`s without a token.

    Attributes:
        journal: The directory for pending operations.
        single_slot: Whether the store holds one token, whatever its key.
        overwrite: Whether that token may be replaced by the token of another key.
    """

    def __init__(self, store: TokenStore) -> None:
        self._store = store
        self._name = type(store).__name__
        self.journal: Path = store.journal
        self.single_slot = getattr(store, "single_slot", False) is True
        self.overwrite = getattr(store, "overwrite", False) is True

    def check(self) -> None:
        call_user_code(self._store.check, failed=f"{self._name}.check raised ")

    def save(self, key_id: str, token: Token) -> None:
        call_user_code(self._store.save, key_id, token, token=token, failed=f"{self._name}.save raised ")

    def load(self, key_id: str) -> Token | None:
        found = call_user_code(self._store.load, key_id, failed=f"{self._name}.load raised ")
        if found is not None and not isinstance(found, Token):
            raise StoreUnavailableError(f"{self._name}.load returns {type_name(found)} instead of a Token")
        return found

    def ignores_key_id(self) -> bool:
        """Return whether the store has a token for a random key ID, which means that it has a single slot."""
        return self.load(secrets.token_hex(13)) is not None


def call_user_code(
    function: Callable[..., Any],
    *arguments: Any,
    token: Token | None = None,
    failed: str = "",
    quote: bool = True,
    kind: type[StorageError] = StoreUnavailableError,
) -> Any:
    """Call code that can raise anything. Its exceptions become StorageErrors, without its frames and without a token.

    Args:
        function: The function.
        *arguments: Its arguments.
        token: The token that it handles.
        failed: The start of the message.
        quote: Whether the message contains the text of the exception, redacted, and not only its type.
        kind: The class of the exception to raise.
    """
    outer = sys.exception()
    try:
        return function(*arguments)
    except StorageError as error:  # a new one, since its attributes can contain a token
        strip_tracebacks(error, token, outer=outer)
        failure = kind(redact(str(error), token))
    except Exception as error:  # noqa: BLE001
        text = _describe(error, token, outer)
        failure = kind(failed + (text if quote else type(error).__name__))
    except BaseException as error:  # an interrupt
        strip_tracebacks(error, token, outer=outer)
        raise
    # In the `except` block, the caught exception would become the context of this one, with its frames.
    raise failure


def _describe(error: Exception, token: Token | None, outer: BaseException | None) -> str:
    """Return the text of a foreign exception without a token, and drop its frames, which may contain one."""
    strip_tracebacks(error, token, outer=outer)
    try:
        return redact(f"{type(error).__name__}: {error}", token)
    except Exception:  # noqa: BLE001 - the text of an exception is code too
        return type(error).__name__
