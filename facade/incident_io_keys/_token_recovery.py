"""Finds the issued token in a response that is truncated, malformed or not what the contract says."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from .tokens import Token

# What msgspec raises for bytes that do not fit.
MALFORMED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

# A bearer token (RFC 6750), followed by a JSON delimiter or the end. Possessive quantifiers keep it linear.
_TOKEN_MEMBER: Final = re.compile(rb'"token"\s*+:\s*+"([0-9A-Za-z._~+/-]++=*+)"(?=\s*+(?:[,}\]"]|\Z))')


def find_issued_token(content: bytes, request_token: Token | None, *, failed: bool = False) -> Token | None:
    """Return the token in a complete or truncated body; None if it issues none.

    If the body is a JSON object, that is its member `token`. In any other body, it is the value of `"token": "..."`, if
    exactly one such value is complete. Two candidates count as none: a wrong token is worse than a known loss.
    A body can echo the token of the request, but cannot issue it. An error response can have a `token` of another kind,
    so its token counts only beside an `api_key`.
    """
    try:
        members = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
        value = msgspec.json.decode(members.get("token", b"null"))
        found, beside_key = {value} if isinstance(value, str) else set(), "api_key" in members
    except MALFORMED:
        found = {value.decode("ascii") for value in _TOKEN_MEMBER.findall(content)}
        beside_key = b'"api_key"' in content
    if failed and not beside_key:
        return None
    tokens = {Token(plain) for plain in found if plain} - {request_token}
    return tokens.pop() if len(tokens) == 1 else None
