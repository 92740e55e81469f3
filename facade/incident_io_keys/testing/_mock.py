"""The mock: the API's rules, a memory, a clock, and what a test wants to see and to go wrong."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

import httpx
from msgspec import convert, json

from incident_io_keys_generated.models import AccountRole, APIKey, Creator, User

from ..tokens import IssuedKey, Token
from ._api import API
from ._clock import MockClock
from ._control import Control
from ._delivery import deliver_in_process
from ._limits import SIZE
from ._refusals import Flaw, Refusal, refuse
from ._script import Script
from ._server import MockServer, serve
from ._settings import MockSettings
from ._state import State
from ._store import MockStateError, Store
from ._validation import check_definition
from .faults import Exchange, Fault

# So many requests are kept at the least; the oldest go first.
MOST_REQUESTS: Final = 10_000

# Of longer bodies, only so much is kept.
MOST_OF_A_BODY: Final = 65_536

# Who works in the dashboard.
_PERSON: Final = Creator(user=User(id="01FCNDV6P870EA6S7TK1DSYDG0", name="Dashboard user", role="owner"))

_MICROSECOND: Final = timedelta(microseconds=1)
# As it is, and as URLs and JSON may write it.
_TOKEN: Final = re.compile(rb"inc(?:_|%5[fF]|\\u005[fF])[0-9a-fA-F]{8,}")
_REDACTED: Final = b"<redacted>"


class MockAPI:
    """The API keys resource of incident.io, as one organisation has it, for tests.

    It keeps the API's rules: who may call, see and hand out what, what a request looks like, how long a token lives,
    how many requests a key has. One key is there from the start: it has every account role, as if a person had made it
    in the dashboard. Requests are handled one at a time, whatever threads they come from.

    Args:
        path: A file in which all is kept (SQLite), so that another mock can go on where this one was left, even if its
            process was killed. It belongs to one mock at a time; `close` lets it go. Without it, all is kept in memory.
        settings: How it behaves where there is a choice.

    Attributes:
        requests: What arrived, in order, without tokens: the last 10,000 requests at least.

    Raises:
        MockStateError: The file belongs to another mock, is something else, or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, *, settings: MockSettings | None = None) -> None:
        self._clock = MockClock()
        self.requests: list[httpx.Request] = []
        self._lock = threading.Lock()
        self._script = Script()
        self._state: State | None = None
        self._store = None if path is None else Store(path)
        try:
            self._state = State(self._store)
            self._begin(self._state, MockSettings() if settings is None else settings)
        except BaseException:
            self.close()
            raise

    def _begin(self, state: State, settings: MockSettings) -> None:
        if (store := self._store) is not None:
            moved = timedelta(microseconds=int(state.fact("moved") or 0))
            self._clock.restore(moved, lambda moved: store.keep("moved", str(moved // _MICROSECOND)))
        self._api = API(state, self._clock, settings)
        token = state.fact("token")
        if token is None:
            every = {"name": "Manager", "role_names": list(AccountRole), "team_ids": [], "team_role_names": []}
            token = self._api.add(every, _PERSON, manager=True)[1].token
        self._token = Token(token)
        self.settings = settings

    @property
    def token(self) -> Token:
        """The token of the key that is there from the start.

        With a `path`, it is the one that the key had last when the mock was made.
        """
        return self._token

    @property
    def clock(self) -> MockClock:
        """What time it is for the API."""
        return self._clock

    @property
    def settings(self) -> MockSettings:
        """How the mock behaves where there is a choice; they can be changed at any time."""
        return self._api.settings

    @settings.setter
    def settings(self, settings: MockSettings) -> None:
        if not isinstance(settings, MockSettings):
            raise TypeError(f"settings must be MockSettings, not {settings!r}")
        self._api.settings = settings

    def transport(self) -> httpx.MockTransport:
        """A transport for a client in the same process, sync or async."""
        return httpx.MockTransport(self.handle)

    def serve(self, port: int = 0, *, control: bool = False) -> AbstractContextManager[MockServer]:
        """A server on a loopback socket, which runs for the length of a `with` block.

        Args:
            port: The port to listen on; 0 picks a free one.
            control: Whether programs in any language can do by request what this class does: move the clock, and so
                on. `docs/mock.md` tells how.
        """
        return serve(Control(self).handle if control else self.respond, port, now=self.clock.now)

    def add_key(
        self,
        name: str,
        role_names: Iterable[str] = (),
        team_ids: Iterable[str] = (),
        team_role_names: Iterable[str] = (),
        *,
        comments: str | None = None,
        age_seconds: float = 0,
        unused_seconds: float | None = None,
    ) -> IssuedKey:
        """Add a key as a person does in the dashboard, where `api_keys_manage` can be given too.

        Args:
            name: What people call the key.
            role_names: Roles in the whole account.
            team_ids: IDs of teams.
            team_role_names: Roles in those teams.
            comments: Comments about the key.
            age_seconds: How long ago it was created, and its token issued, by what it says of itself. Among the other
                keys it stands as one that is new.
            unused_seconds: How long ago it was last used, at most `age_seconds`; None for never.

        Returns:
            The key and its token.

        Raises:
            ValueError: The API would refuse that, or the calendar does not go back so far.
            MockStateError: It cannot be written to the mock's file.
        """
        lists = {"role_names": role_names, "team_ids": team_ids, "team_role_names": team_role_names}
        # A string is a list to Python, but of letters.
        definition: dict[str, Any] = {
            "name": name,
            **{field: value if isinstance(value, str) else list(value) for field, value in lists.items()},
        }
        if comments is not None:
            definition["comments"] = comments
        definition = json.decode(json.encode(definition))  # what no request could say is no definition
        if flaws := check_definition(definition, self.settings.extra_roles):
            raise ValueError("; ".join(flaw.message for flaw in flaws))
        now = self.clock.now()
        age = _ago("age_seconds", age_seconds, now)
        unused_for = None if unused_seconds is None else _ago("unused_seconds", unused_seconds, now)
        if unused_for is not None and unused_for > age:
            raise ValueError("unused_seconds takes at most age_seconds: no key is used before it is created")
        with self._lock:
            try:
                key, issue = self._api.add(definition, _PERSON, age=age, unused_for=unused_for)
            except Refusal as refusal:
                raise ValueError(refusal.flaws[0].message) from None
        return IssuedKey(convert(key, APIKey), Token(issue.token))

    def fail_next(self, fault: Fault, *, operation: str | None = None, times: int = 1) -> None:
        """Let the next requests fail. Faults that are asked for later come later.

        Args:
            fault: How, as in `faults.Status(503)`.
            operation: The operation that fails, as in `"create"`; without it, any.
            times: How many requests fail.

        Raises:
            TypeError: `fault` is none.
            ValueError: The fault does not concern that operation, or `times` is not at least 1.
        """
        self._script.add(fault, operation, times)

    def faults_left(self) -> int:
        """How many requests are still to fail: 0 when all that was asked for has happened."""
        return self._script.left()

    def clear_faults(self) -> None:
        """Let nothing fail any more of what was asked for."""
        self._script.clear()

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of a client in this process.

        Args:
            request: Any request, its body read.

        Raises:
            httpx.TransportError: A fault that was asked for keeps the answer from arriving.
        """
        response = self.respond(request)
        # As on a socket: a wait that is told as a date counts from there.
        response.headers["Date"] = format_datetime(self._clock.now(), usegmt=True)
        return deliver_in_process(request, response, self._clock)

    def respond(self, request: httpx.Request) -> httpx.Response:
        """Answer a request. The response may ask to be delivered otherwise than whole.

        Args:
            request: Any request, its body read.
        """
        fault = self._script.take(request)
        with self._lock:
            self._record(request)
            try:
                if fault is None:
                    return self._api.answer(request)
                limit = self.settings.rate_limit or SIZE
                return fault._play(Exchange(request, self.clock.now(), limit, lambda: self._api.answer(request)))
            except MockStateError as error:
                return refuse(500, Flaw("not_written", str(error))).response()

    def close(self) -> None:
        """Let the file of a mock with a `path` go. From then on, what would change something fails with 500."""
        # A forked child must not wait for a lock that a thread of its parent holds.
        if self._store is None or not self._store.is_own:
            return
        with self._lock:
            if self._state is not None:
                self._state.close()
            else:
                self._store.close()

    def __enter__(self) -> MockAPI:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _record(self, request: httpx.Request) -> None:
        headers = [
            (name, _REDACTED if name.lower() == b"authorization" else _TOKEN.sub(_REDACTED, value))
            for name, value in request.headers.raw
        ]
        # Of characters that any part of a URL takes.
        url = _TOKEN.sub(b"redacted", str(request.url).encode())
        content = _TOKEN.sub(_REDACTED, request.content[:MOST_OF_A_BODY])
        self.requests.append(httpx.Request(request.method, url.decode(), headers=headers, content=content))
        if len(self.requests) > 2 * MOST_REQUESTS:
            del self.requests[:-MOST_REQUESTS]


def _ago(name: str, seconds: object, now: datetime) -> timedelta:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        raise ValueError(f"{name} takes a number that is not negative")
    try:
        age = timedelta(seconds=seconds)
        _ = now - age
    except OverflowError:
        raise ValueError(f"a calendar does not go back {seconds:g} seconds from now") from None
    return age
