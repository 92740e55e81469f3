from __future__ import annotations

import contextlib
import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from enum import Enum

import attrs
import httpx
import msgspec
import pytest

from incident_io_keys import InvalidRequestError, IssuedKey, KeysClient, Token

from .conftest import CANARY


@pytest.mark.parametrize(
    "show",
    [repr, str, format, "{:>80}".format, "%s".__mod__, "%r".__mod__, lambda token: json.dumps(token, default=str)],
)
def test_a_token_shows_nothing_of_its_secret(show: Callable[[object], str]) -> None:
    shown = show(Token(CANARY))
    assert "redacted" in shown
    assert CANARY[4:12] not in shown


def test_a_token_stays_hidden_in_whatever_holds_it(keys: KeysClient) -> None:
    issued = keys.create(name="a", role_names=[])
    secret = issued.token.reveal()
    for shown in (repr(issued), str(issued), str([issued]), str(attrs.asdict(issued)), repr({"token": issued.token})):
        assert secret not in shown
        assert "Token(<redacted>)" in shown


def test_a_token_stays_hidden_in_logs_and_in_tracebacks_with_locals(caplog: pytest.LogCaptureFixture) -> None:
    token = Token(CANARY)
    logging.getLogger("test").warning("%s %r", token, {"token": token})
    try:
        raise LookupError(token)
    except LookupError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "token = Token(<redacted>)" in shown
    assert CANARY not in shown + caplog.text


@pytest.mark.parametrize(
    "leak",
    [
        pickle.dumps,
        lambda token: pickle.dumps({"token": token}),
        lambda token: token.__getstate__(),
        lambda token: token.__reduce__(),
        json.dumps,
        msgspec.json.encode,
        msgspec.to_builtins,
        vars,
        list,
        bytes,
        lambda token: "" + token,
    ],
)
def test_a_token_cannot_be_written_out_by_accident(leak: Callable[[Token], object]) -> None:
    with pytest.raises(TypeError) as caught:
        leak(Token(CANARY))
    assert CANARY not in str(caught.value)


def test_reveal_is_the_way_to_the_plain_text() -> None:
    assert Token(CANARY).reveal() == CANARY


def test_a_token_is_its_text_also_where_it_is_a_member_of_an_enum() -> None:
    class Secret(str, Enum):  # noqa: UP042 - its str() is another text than its value
        OURS = CANARY

    assert Token(Secret.OURS) == Token(CANARY)
    assert f"{Token(Secret.OURS).reveal()}" == CANARY


def test_copies_of_a_token_are_the_token() -> None:
    token = Token(CANARY)
    assert copy.copy(token) is token
    assert copy.deepcopy([token])[0] is token


def test_tokens_compare_by_their_secret_and_only_with_tokens() -> None:
    assert Token(CANARY) == Token(CANARY)
    assert hash(Token(CANARY)) == hash(Token(CANARY))
    assert Token(CANARY) != Token(CANARY[:-1] + "1")
    assert Token(CANARY) != CANARY
    assert Token("\ud800") != Token("ä")  # what no header could carry compares all the same


def test_a_token_cannot_be_changed() -> None:
    token = Token(CANARY)
    with pytest.raises(AttributeError):
        token._plain = "other"
    with pytest.raises(AttributeError):
        del token._plain
    assert token.reveal() == CANARY


def test_a_token_is_made_from_a_string_and_the_refusal_does_not_show_what_it_got() -> None:
    with pytest.raises(TypeError, match="from a str, not from bytes") as caught:
        Token(CANARY.encode())  # type: ignore[arg-type]
    own = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert CANARY not in "".join(str(frame.locals) for frame in own.stack if frame.filename.endswith("tokens.py"))


def test_an_issued_key_cannot_be_pickled_with_its_token(keys: KeysClient) -> None:
    issued: IssuedKey = keys.create(name="a", role_names=[])
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(issued)
    assert pickle.loads(pickle.dumps(issued.api_key)) == issued.api_key  # noqa: S301


@pytest.mark.parametrize(
    ("plain", "usable"),
    [
        (CANARY, True),
        ("x", True),
        ("", False),
        (" ", False),
        ("a b", False),
        ("a\n", False),
        ("ä", False),
        ("a\x7f", False),
    ],
)
def test_a_client_takes_a_token_that_a_header_can_carry(plain: str, usable: bool) -> None:
    with contextlib.nullcontext() if usable else pytest.raises(InvalidRequestError):
        KeysClient(plain, transport=httpx.MockTransport(lambda _: httpx.Response(204))).close()
