"""Answers to create and rotate as they could become, and what is to be found in a part of each."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any

from .conftest import CANARY
from .spec import example

REAL = example("create_response")["token"]
DECOY = "inc_" + "dec0ede0" * 8
CURSOR = "bmV4dA=="
KEY = example("create_response")["api_key"]


class Written(bytes):
    """Bytes to put into a body as they are: JSON that is none."""


@dataclass
class Body:
    """An answer as bytes, and what was known of it when they were put together.

    Attributes:
        ends: Where a string ends, quote included.
        real: Where the token ends; None if there is none.
        key: Where the name of the member that describes the key ends, colon included; None if there is none.
        named: Whether the token is called so, and stands where it can be told from others.
        outermost: Whether no object is around that.
        sound: Whether all of it is JSON.
        fits: Whether all of it fits the contract.
    """

    content: bytearray = field(default_factory=bytearray)
    ends: list[int] = field(default_factory=list)
    real: int | None = None
    key: int | None = None
    named: bool = True
    outermost: bool = True
    sound: bool = True
    fits: bool = True

    def recovered(self, cut: int, status: int) -> bool:
        """Whether the token is to be found in so many of the bytes."""
        if self.real is None or cut < self.real:
            return False
        beside_key = self.named and self.key is not None and self.key <= cut
        if not 200 <= status < 300:
            return beside_key and status != 422
        return (self.named and self.outermost) or beside_key or (self.sound and cut == len(self.content))


def quoted(text: str, chance: random.Random, escapes: float) -> bytes:
    if not escapes:
        return json.dumps(text, ensure_ascii=False).encode()
    escaped = (f"\\u{ord(each):04x}" if each <= "\uffff" and chance.random() < escapes else each for each in text)
    plain = (each if len(each) > 1 else json.dumps(each, ensure_ascii=False)[1:-1] for each in escaped)
    return f'"{"".join(plain)}"'.encode()


def write(body: Body, value: Any, chance: random.Random, space: bytes, escapes: float) -> None:
    """Put a value into a body as JSON."""
    gap = space if chance.random() < 0.5 else b""
    if isinstance(value, Written):
        body.content += value
    elif isinstance(value, str):
        body.content += quoted(value, chance, escapes)
        body.ends.append(len(body.content))
        if value == REAL:
            body.real = len(body.content)
    elif isinstance(value, dict | list):
        body.content += b"{" if isinstance(value, dict) else b"["
        for number, each in enumerate(value):
            body.content += (b"," if number else b"") + gap
            write(body, each, chance, space, escapes)
            if isinstance(value, dict):
                body.content += gap + b":" + gap
                if each == "api_key" and value.get("token") == REAL:
                    body.key = len(body.content)
                write(body, value[each], chance, space, escapes)
        body.content += gap + (b"}" if isinstance(value, dict) else b"]")
    else:
        body.content += json.dumps(value).encode()


def shuffled(members: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    return dict(chance.sample(list(members.items()), len(members)))


ESCAPED = f'a", "token": "{DECOY}", "b": "'
UNPAIRED = [b'"no end', b'no beginning"']  # where the string next to it ends, nobody can say
UNSOUND = [
    b"NaN",
    b'"a\nb"',
    b'"a\\\nb"',
    b'"\xff\xfe"',
    b'"\\ud800"',
    b'"My " key"',
    b'"My "test" key"',
    *UNPAIRED,
    b'"two" "strings"',
    b"[1, 2,]",
    b"[" * 2_000 + b"]" * 2_000,
]


def drifted(chance: random.Random) -> Body:
    """An answer of an API that has changed, or of something in front of it."""
    body = Body()
    key = json.loads(json.dumps(KEY))
    answer: dict[str, Any] = {"api_key": key, "token": REAL}

    def sometimes(share: float = 0.15) -> bool:
        return chance.random() < share

    if sometimes(0.3):  # what the key has more than it should
        key[chance.choice(["note", "label"])] = chance.choice(
            [None, 1, [], ESCAPED, CURSOR, CANARY, "token", "api_key"]
        )
    if sometimes(0.3):  # what the key consists of has tokens of its own
        place = chance.choice([key["creator"], key["creator"]["api_key"], key["creator"]["user"], key["roles"][0]])
        place[chance.choice(["token", "secret"])] = chance.choice([DECOY, CANARY, CURSOR])
    if sometimes(0.3):  # names are up to people
        key["name"] = chance.choice(
            ["\u00e4\u2028", "\U0001f511", ESCAPED, "}]", '\\"', DECOY, CANARY, "token", "api_key"]
        )
    if sometimes():
        body.sound = body.fits = False
        key["name"] = Written(chance.choice(UNSOUND))
        body.named = key["name"] not in UNPAIRED
    if sometimes(0.3):
        body.fits = False
        member = chance.choice(["id", "name", "roles", "created_at"])
        key[member] = chance.choice([None, 1, 0.5, True, {"value": "x"}, [["x"]]])
        if sometimes(0.5):
            del key[member]
        body.sound = not any(isinstance(value, Written) for value in key.values())
    if sometimes(0.3):  # not the calling token, nor a cursor, nor what is only quoted
        about = {"after": CURSOR, "token": chance.choice([CURSOR, CANARY]), "text": ESCAPED}
        answer[chance.choice(["pagination_meta", "request"])] = shuffled(about, chance)
    if sometimes():
        body.fits = False
        del answer["token"]
        match chance.choice(["dropped", "null", "renamed", "retyped", "moved"]):
            case "null":
                answer["token"] = None
            case "renamed":
                answer[chance.choice(["secret", "Token", "api_token"])] = REAL
            case "retyped":
                answer["token"] = chance.choice([{"value": REAL}, [REAL]])
            case "moved":
                key["token"] = REAL
        body.named = False
    if sometimes(0.1) and DECOY not in str(key.get("roles")):
        body.fits = False
        answer["key"] = answer.pop("api_key")
    if sometimes(0.5):
        key = shuffled(key, chance)
        answer = shuffled({name: key if name == "api_key" else value for name, value in answer.items()}, chance)
    if sometimes():
        body.fits = body.outermost = False
        for _ in range(chance.choice([1, 1, 2])):
            answer = {"data": answer} if sometimes(0.5) else {"meta": {"token": CURSOR}, "data": answer}
    if sometimes(0.05):
        body.fits = body.sound = False
        body.content += b"\xef\xbb\xbf"
    space = chance.choice([b"", b" ", b"\r\n\t ", b" " * 40])
    write(body, answer, chance, space, chance.choice([0, 0, 0, 0.2, 1]))
    return body


def cuts(body: Body, chance: random.Random) -> list[int]:
    """All of it, around the end of the token, around that of another string, and anywhere."""
    size = len(body.content)
    chosen = [size, (body.real or size) + chance.randint(-2, 2), chance.choice(body.ends) + chance.randint(-1, 1)]
    return [min(size, cut) for cut in (*chosen, chance.randrange(size))]
