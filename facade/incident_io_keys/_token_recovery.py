"""Finds the token that was issued in an answer that is not what it should be, or of which only a part arrived.

A token counts if its closing quote is there; one that was cut is none. Where two could be the one, none is: a wrong
token is worse than a known loss.
"""

from __future__ import annotations

import contextlib
import re
from typing import Final

import msgspec
from attrs import define, field, frozen

from ._answers import Answer
from .tokens import Token

# What msgspec raises for bytes that are not what they should be.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

# A string, with what follows it if that makes it the name of a member, or a bracket. A quote closes a string only where
# what follows can follow one: a quote too many or too few then spoils the strings next to it, and not all that come
# after. A string that is not closed goes to the end, so that a body is looked through once, whatever it holds.
_PIECE: Final = re.compile(
    rb'"((?:[^"\\]++|\\.|"(?!\s*+[,:}\]]|\s++"|\s*+\Z))*+)("?)(\s*+:\s*+)?|([{\[])|[}\]]', re.DOTALL
)
# What a bearer token consists of (RFC 6750): nothing that could be JSON around a token whose quote is missing.
_TOKEN: Final = re.compile(r"[0-9A-Za-z._~+/-]+=*")
_OF_THE_API: Final = re.compile(r"inc_[0-9A-Za-z_-]{32,}")

# What describes a key, and how deep that is in it: whoever made a key may be a key too, which is another one.
_IN_KEY: Final = {"api_key": 1, "creator": 2}

# What says by its name that it is not the token that was issued.
_OTHER: Final = re.compile("prev|old|last|former|current|calling|expired|revoked", re.IGNORECASE)

# What is within more objects and arrays than that is not looked at: each takes memory. Nor is what comes after so many
# strings that can be tokens.
_DEEPEST: Final = 100_000
_MOST: Final = 1_000


@frozen
class _WithToken:
    """As little of an answer as can hold a token."""

    token: str = field(repr=False)


@define
class _Level:
    """An object or array of the body, or what is around them all.

    Attributes:
        outermost: Whether no member of another object leads to it.
        in_key: How deep it is in what describes the key: 1 for the key itself, 0 for what is outside.
        member: The name of the member that is read; None before the first.
        beside_key: Whether it has a member that describes a key.
        in_other: Whether it is in a member whose name says that it is not what was issued.
    """

    outermost: bool = True
    in_key: int = 0
    member: str | None = None
    beside_key: bool = False
    in_other: bool = False

    def within(self) -> _Level:
        """The level of a value that begins here."""
        in_key = self.in_key + 1 if self.in_key else _IN_KEY.get(self.member or "", 0)
        in_other = self.in_other or _OTHER.search(self.member or "") is not None
        return _Level(self.outermost and self.member is None, in_key, in_other=in_other)


@frozen
class _Found:
    """A value that can be a token, where it stands, and what it is called."""

    level: _Level
    member: str | None
    token: Token

    @property
    def is_other(self) -> bool:
        """Whether a name that leads to it says that it is not what was issued."""
        return self.level.in_other or _OTHER.search(self.member or "") is not None


def find_token(answer: Answer, calling: Token | None = None) -> Token | None:
    """Find the token that an answer issues, whatever else is wrong with it.

    Args:
        answer: The answer, or as much of it as arrived.
        calling: The token that the request carried: an answer may show it, but not as the one that was issued.

    Returns:
        The token; None if the answer holds none that is whole, or more than one that could be it.
    """
    if answer.is_success:
        with contextlib.suppress(*UNREADABLE):
            whole = Token(msgspec.json.decode(answer.content, type=_WithToken).token)
            return None if whole in (Token(""), calling) else whole
    strings = _strings(answer)
    found = [each for each in strings if each.token != calling]
    named = [each for each in found if each.member == "token" and not each.level.in_key]
    beside_key = [each for each in named if each.level.beside_key]
    if not answer.is_success:
        return _only(beside_key)  # of what describes a failure, no guess
    if likely := [each for each in named if each.level.outermost] or beside_key:
        return _only(likely)
    if len(strings) == _MOST or not _is_json(answer):
        return None  # it could be in what was not looked at, or did not arrive
    # All of it is there: what else has the form, and is neither what somebody called a key nor called another token.
    formed = [each for each in found if _OF_THE_API.fullmatch(each.token.reveal()) and not each.is_other]
    return _only([each for each in formed if each.level.in_key <= 1 and each.member != "name"])


def _only(found: list[_Found]) -> Token | None:
    tokens = {each.token for each in found}
    return tokens.pop() if len(tokens) == 1 else None


def _is_json(answer: Answer) -> bool:
    try:
        msgspec.json.decode(answer.content)
    except UNREADABLE:
        return False
    return True


def _strings(answer: Answer) -> list[_Found]:
    """The values that can be tokens, by their name or by their form."""
    levels, found, value_at = [_Level()], [], 0
    for piece in _PIECE.finditer(answer.content):
        level = levels[-1]
        if piece[4]:
            if len(levels) > _DEEPEST:
                break
            levels.append(level.within())
        elif piece[1] is None:
            del levels[max(1, len(levels) - 1) :]
        elif piece[3]:
            level.member, value_at = _text(piece[1]), piece.end()
            level.beside_key = level.beside_key or level.member == "api_key"
        elif piece[2]:
            text = _text(piece[1])
            member = level.member if piece.start() == value_at else None  # that may have been no string
            if (member == "token" and _TOKEN.fullmatch(text)) or _OF_THE_API.fullmatch(text):
                found.append(_Found(level, member, Token(text)))
                if len(found) == _MOST:
                    break
    return found


def _text(escaped: bytes) -> str:
    """What a string of JSON says; nothing if it is none."""
    try:
        return msgspec.json.decode(b'"%b"' % escaped, type=str)
    except UNREADABLE:
        return ""
