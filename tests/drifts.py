"""Responses to create and rotate as a changed API, or a gateway in front of it, could send them."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any

from .conftest import CANARY
from .spec import example

REAL: str = example("create_response")["token"]
DECOY = "inc_" + "dec0ede0" * 8
CURSOR = "bmV4dA=="
KEY: dict[str, Any] = example("create_response")["api_key"]
KEY_ID: str = KEY["id"]


class Raw(bytes):
    """Bytes to write into a body unchanged: they need not be JSON."""


@dataclass
class Body:
    """The bytes of a response, and what is known of them.

    Attributes:
        tokens: For each complete member `token` that is a string: where it ends, quote included, and its value.
        key: Where the name of the member `api_key` beside the token ends, colon included; None if there is none.
        top_level: Whether the issued token is a member of the outermost object.
        is_json: Whether the whole is JSON.
        fits: Whether the whole fits the contract.
        readable: Whether the strings before the token can be told apart.
    """

    content: bytearray = field(default_factory=bytearray)
    tokens: list[tuple[int, str]] = field(default_factory=list)
    key: int | None = None
    top_level: bool = True
    is_json: bool = True
    fits: bool = True
    readable: bool = True

    def candidates(self, cut: int) -> set[str]:
        """Return the tokens within that many bytes, except the calling one."""
        return {value for end, value in self.tokens if end <= cut} - {CANARY}

    def is_whole(self, cut: int) -> bool:
        """Return whether that many bytes are all, and JSON."""
        return self.is_json and cut == len(self.content)

    def is_ambiguous(self, cut: int) -> bool:
        """Return whether only a token that was not issued arrived, under the name of the issued one."""
        candidates = self.candidates(cut)
        return bool(candidates) and REAL not in candidates and not self.is_whole(cut)

    def must_be_found(self, cut: int, status: int) -> bool:
        """Return whether the client must recover the issued token from that many bytes."""
        if status == 422 or REAL not in self.candidates(cut) or not self.readable:
            return False
        beside_key = self.key is not None and self.key <= cut
        if not 200 <= status < 300 and not beside_key:
            return False
        if not self.top_level and (cut == len(self.content) or not beside_key):
            return False
        return self.is_whole(cut) or self.candidates(cut) == {REAL}


def write(body: Body, value: Any, chance: random.Random, space: bytes, escapes: float) -> None:
    """Append a value to a body as JSON."""
    gap = space if chance.random() < 0.5 else b""
    if isinstance(value, Raw):
        body.content += value
    elif isinstance(value, str):
        share = 0 if value in ("token", "api_key", REAL) else escapes
        escaped = (f"\\u{ord(each):04x}" if each <= "\uffff" and chance.random() < share else each for each in value)
        plain = (each if len(each) > 1 else json.dumps(each, ensure_ascii=False)[1:-1] for each in escaped)
        body.content += f'"{"".join(plain)}"'.encode()
    elif isinstance(value, dict | list):
        body.content += b"{" if isinstance(value, dict) else b"["
        for number, each in enumerate(value):
            body.content += (b"," if number else b"") + gap
            write(body, each, chance, space, escapes)
            if not isinstance(value, dict):
                continue
            body.content += gap + b":" + gap
            if each == "api_key" and value.get("token") == REAL:
                body.key = len(body.content)
            write(body, value[each], chance, space, escapes)
            if each == "token" and isinstance(value[each], str):
                body.tokens.append((len(body.content), value[each]))
        body.content += gap + (b"}" if isinstance(value, dict) else b"]")
    else:
        body.content += json.dumps(value).encode()


def shuffled(members: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    return dict(chance.sample(list(members.items()), len(members)))


QUOTED = f'a", "token": "{DECOY}", "b": "'  # looks like a token if escapes are ignored
UNPAIRED = [b'"no end', b'no beginning"']
MALFORMED = [
    *(
        b"NaN",
        b'"a\nb"',
        b'"a\\\nb"',
        b'"\xff\xfe"',
        b'"\\ud800"',
        b'"My " key"',
        b'"My "test" key"',
        b'"two" "strings"',
    ),
    *(b"[1, 2,]", b"[" * 2_000 + b"]" * 2_000, *UNPAIRED),
]


def drifted(chance: random.Random) -> Body:
    """Return a response with some random differences from the contract."""
    body = Body()
    key = json.loads(json.dumps(KEY))
    response: dict[str, Any] = {"api_key": key, "token": REAL}

    def sometimes(share: float = 0.15) -> bool:
        return chance.random() < share

    if sometimes(0.3):  # a new property
        key[chance.choice(["note", "label"])] = chance.choice([None, 1, [], QUOTED, CURSOR, CANARY, "token", "api_key"])
    if sometimes(0.3):  # objects within the key have tokens of their own
        place = chance.choice([key["creator"], key["creator"]["api_key"], key["creator"]["user"], key["roles"][0]])
        place[chance.choice(["token", "secret", "previous_token"])] = chance.choice([DECOY, CANARY, CURSOR])
    if sometimes(0.3):  # people choose names
        key["name"] = chance.choice(["\u00e4\u2028", "\U0001f511", QUOTED, "}]", '\\"', DECOY, CANARY, "token"])
    if sometimes():
        body.is_json = body.fits = False
        key["name"] = Raw(chance.choice(MALFORMED))
        body.readable = key["name"] not in UNPAIRED
    if sometimes(0.3):
        body.fits = False
        member = chance.choice(["id", "name", "roles", "created_at"])
        key[member] = chance.choice([None, 1, 0.5, True, {"value": "x"}, [["x"]]])
        if sometimes(0.5):
            del key[member]
        body.is_json = not any(isinstance(value, Raw) for value in key.values())
    if sometimes(0.3):
        about = {"after": CURSOR, "token": chance.choice([CURSOR, CANARY]), "text": QUOTED}
        response[chance.choice(["pagination_meta", "request"])] = shuffled(about, chance)
    if sometimes(0.1):  # the token is gone, or elsewhere
        body.fits = body.top_level = False
        del response["token"]
        change: dict[str, Any] = chance.choice([{}, {"token": None}, {"secret": REAL}, {"token": [REAL]}])
        response |= change
    if sometimes(0.1):
        body.fits = False
        response["key"] = response.pop("api_key")
    if sometimes(0.5):
        key = shuffled(key, chance)
        response = shuffled({name: key if name == "api_key" else value for name, value in response.items()}, chance)
    if sometimes():
        body.fits = body.top_level = False
        response = {"data": response} if sometimes(0.5) else {"meta": {"token": CURSOR}, "data": response}
    if sometimes(0.05):
        body.fits = body.is_json = False
        body.content += b"\xef\xbb\xbf"
    write(body, response, chance, chance.choice([b"", b" ", b"\r\n\t ", b" " * 40]), chance.choice([0, 0, 0, 0.2, 1]))
    return body


def cuts(body: Body, chance: random.Random) -> list[int]:
    """Return lengths: all of the body, around the end of a token, and anywhere."""
    size = len(body.content)
    ends = [end + chance.randint(-2, 2) for end, _ in body.tokens]
    return [min(size, cut) for cut in (size, *ends, chance.randrange(size))]
