"""What an error means for who runs the command: an exit code, and what to say.

A token that was issued and found no place is kept in a file here, whatever kept it from its place. This module must not
know what the commands do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import click
from attrs import Factory, define

from ..errors import (
    APIConnectionError,
    APIStatusError,
    IncidentIOError,
    InvalidRequestError,
    InvalidResponseError,
    NotFoundError,
    PaginationError,
    Problem,
    TokenSourceError,
)
from ..storage import StoreUnavailableError
from ..tokens import Token
from ._session import Session
from ._signals import Interrupted
from ._state import rescue
from ._terminal import printable
from ._writers import as_json

USER, API, NETWORK, INTERRUPTED, CLOSED = 1, 2, 3, 130, 141

# What the client calls an argument, and what the command calls it.
_OPTIONS: Final = {
    "id": "ID",
    "name": "--name",
    "role_names": "--role",
    "team_ids": "--team",
    "team_role_names": "--team-role",
    "grace_period_minutes": "--grace",
    "comments": "--comments",
    "older_than": "AGE",
    "unused_for": "--unused-for",
    "caller": "--caller",
}
# The same within a text, where the longer ones come first; and what the client advises to call.
_WORDS: Final = {
    "team_role_names": "--team-role",
    "role_names": "--role",
    "team_ids": "--team",
    "pass token=..., or": "",
    'upgrade incident-io-keys or pass Role(name=..., description="")': (
        "upgrade incident-io-keys, or pass the name with --unchecked-role or --unchecked-team-role"
    ),
    "`caller`": "--caller",
    "call resume(client, store)": "run resume(client, store)",
    "call resume": "run incident-io-keys resume",
    "the token is on this error; ": "",
    "pass overwrite=True": "use --force",
    "rotate_into": "incident-io-keys rotate",
}
_INDEX: Final = re.compile(r"\[\d+\](\.name)?$")


@define
class Failure:
    """What came of a run that failed.

    Attributes:
        code: The exit code.
        lines: What to say; nothing where there is nobody to say it to.
        kind: What kind of failure it is, for programs.
        facts: More for programs.
        is_help: Whether what to say is the help page, which is shown as it is.
    """

    code: int
    lines: list[str]
    kind: str
    facts: dict[str, Any] = Factory(dict)
    is_help: bool = False

    def as_text(self, program: str) -> str:
        """What to say to a person."""
        if self.is_help:
            return self.lines[0]
        return f"{program}: " + "\n  ".join(self.lines)

    def as_json(self) -> str:
        """The same for a program, in one line."""
        message = " ".join(line.strip() for line in self.lines)
        return as_json({"error": {"kind": self.kind, "exit_code": self.code, "message": message, **self.facts}})


def describe(session: Session, error: BaseException) -> Failure:
    """Say what an error means, and keep the token that it has, if it has one."""
    failure = _meaning(session, error)
    if (token := _token_left(session, error)) is not None:
        where = rescue(token)
        if where is None:
            failure.lines.append("the token could be kept nowhere: rotate the key to have another one")
        else:
            failure.lines.append(f"the token that was issued is in {where}, which only you can read")
            failure.facts["token_file"] = str(where)
    return failure


def _meaning(session: Session, error: BaseException) -> Failure:
    if isinstance(error, KeyboardInterrupt):
        code = error.code if isinstance(error, Interrupted) else INTERRUPTED
        notes = [line for note in getattr(error, "__notes__", ()) for line in translated(session, note)]
        if not notes and session.under_way is not None:
            notes = [session.under_way]
        return Failure(code, ["interrupted", *notes], "interrupted", {"may_have_applied": bool(notes)})
    if isinstance(error, click.Abort):
        return Failure(USER, ["nobody answered; nothing was done"], "usage")
    if isinstance(error, BrokenPipeError):
        return Failure(CLOSED, [], "closed")
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return Failure(USER, [error.format_message()], "usage", is_help=True)
    if isinstance(error, click.ClickException):
        return Failure(USER, [printable(line) for line in error.format_message().expandtabs(2).splitlines()], "usage")
    if isinstance(error, InvalidRequestError):
        problems = [_renamed(session, problem) for problem in error.problems]
        outcome = str(error).partition(":")[0]
        listed = [{"field": each.field, "message": each.message, "suggestion": each.suggestion} for each in problems]
        return Failure(USER, [f"{outcome}:", *map(str, problems)], "usage", {"problems": listed})
    if isinstance(error, IncidentIOError):
        return _of_the_client(session, error)
    if isinstance(error, OSError):
        reason = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
        return Failure(USER, [printable(reason)], "system")
    advice = "this is a mistake of incident-io-keys: --debug shows where"
    return Failure(USER, [printable(f"{type(error).__name__}: {error}"), advice], "internal")


def _of_the_client(session: Session, error: IncidentIOError) -> Failure:
    facts: dict[str, Any] = {"may_have_applied": error.may_have_applied}
    if isinstance(error, APIStatusError):
        # What the API says is the API's.
        lines = _lines(session, str(error))
        facts |= {"http_status": error.status, "type": error.type, "request_id": error.request_id}
        if isinstance(error, NotFoundError):
            # Not a line of its own: there are enough.
            lines[-2:-1] = [f"{line}; `list` has those that you may see" for line in lines[-2:-1]]
    else:
        lines = translated(session, str(error))
    told = any("incident-io-keys resume" in line for line in lines)
    if error.may_have_applied and session.under_way is not None and getattr(error, "token", None) is None and not told:
        lines.append(session.under_way)
    if isinstance(error, APIConnectionError):
        return Failure(NETWORK, lines, "network", facts)
    if isinstance(error, APIStatusError | InvalidResponseError | PaginationError):
        return Failure(API, lines, "api", facts)
    if isinstance(error, TokenSourceError):
        return Failure(USER, lines, "usage", facts)
    entry = getattr(error, "entry", None)
    facts |= {"key_id": getattr(error, "key_id", None), "entry": None if entry is None else str(entry)}
    return Failure(USER, lines, "storage", facts)


def translated(session: Session, text: str) -> list[str]:
    """What the client says to who programs, as it is said to who runs the command: its lines."""
    for word, other in _WORDS.items():
        # Not where it is part of a path.
        text = re.sub(rf"(?<![\w/.-]){re.escape(word)}(?![\w/.-])", other, text)
    return _lines(session, text)


def _lines(session: Session, text: str) -> list[str]:
    # The place as it is: it is to be typed.
    return [printable(line.strip()).replace("resume(client, store)", session.resume) for line in text.splitlines()]


def _renamed(session: Session, problem: Problem) -> Problem:
    name = _INDEX.sub("", problem.field)
    message, suggestion = (" ".join(translated(session, text or "")) for text in (problem.message, problem.suggestion))
    return Problem(_OPTIONS.get(name, name), message, suggestion or None)


def _token_left(session: Session, error: BaseException) -> Token | None:
    """The token of an error, or of one behind it, or that was in hand, unless it is in its place."""
    if session.in_hand is not None:
        return session.in_hand
    for each in _chain(error):
        if isinstance(each, IncidentIOError) and (token := getattr(each, "token", None)) is not None:
            return None if _is_in_place(session, each, token) else token
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _is_in_place(session: Session, error: BaseException, token: Token) -> bool:
    key_id = getattr(error, "key_id", None)
    try:
        return session.store is not None and key_id is not None and session.store.load(key_id) == token
    except StoreUnavailableError:
        return False
