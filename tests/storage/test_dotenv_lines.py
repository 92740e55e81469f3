"""DotenvStore and the other lines of a dotenv file: they do not change, and hide no variable from it."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from incident_io_keys import Token
from incident_io_keys.storage import DotenvStore, StoreUnavailableError

from ..conftest import CANARY
from .test_dotenv_store import OLD, filled, rejected

OTHERS = st.sampled_from(
    [
        *(b"", b"# a comment", b"OTHER='x y'", b"export OTHER=x # y", "été=à".encode(), b"no variable", b"A=\\1\\g<0>"),
        *(b"X_INCIDENT_API_KEY=a", b"INCIDENT_API_KEY_2=b", b"# it's INCIDENT_API_KEY=c", b"A=$INCIDENT_API_KEY"),
        *(b"incident_api_key=e", b"#INCIDENT_API_KEY: f", b"exportINCIDENT_API_KEY=g", b"export\tB=\x0b\x0c\xc2\x85"),
        *(b"A=it's", b'P="$HOME/bin":$PATH', b"A=x # see INCIDENT_API_KEY", b'J={"a": "b"}', b"A='\\\\x'", b"B=`x`"),
    ]
)
LINES = st.lists(st.tuples(OTHERS, st.sampled_from([b"\n", b"\r\n"])).map(b"".join), max_size=5).map(b"".join)
SET = st.sampled_from(
    [b"INCIDENT_API_KEY=", b"  INCIDENT_API_KEY =", b"export \tINCIDENT_API_KEY=", b"\tINCIDENT_API_KEY\t="]
)
VALUES = st.sampled_from([b"", b'""', OLD.encode(), f"'{OLD}'".encode(), f' "{OLD}" # x'.encode(), b" # y"])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("env") / ".env"
    yield path
    path.unlink()


@given(LINES, SET, VALUES, st.sampled_from([b"", b"\n", b"\r\n"]), LINES)
def test_a_new_token_replaces_only_the_value(
    shared: Path, before: bytes, setting: bytes, value: bytes, end: bytes, after: bytes
) -> None:
    after = end and end + after
    store = filled(shared, before + setting + value + after)
    store.check()
    assert store.load("any") == (Token(OLD) if OLD.encode() in value else None)
    store.save("any", Token(CANARY))
    assert shared.read_bytes() == before + setting + CANARY.encode() + after
    assert store.load("any") == Token(CANARY)


@given(LINES, OTHERS)
def test_a_missing_variable_is_added_at_the_end(shared: Path, lines: bytes, last: bytes) -> None:
    store = filled(shared, lines + last)
    assert store.load("any") is None
    store.save("any", Token(CANARY))
    end = b"" if (lines + last).endswith(b"\n") or not lines + last else b"\n"
    assert shared.read_bytes() == lines + last + end + b"INCIDENT_API_KEY=" + CANARY.encode() + b"\n"
    assert store.load("any") == Token(CANARY)


@pytest.mark.parametrize(
    "line",
    [
        *("INCIDENT_API_KEY", "export INCIDENT_API_KEY", "INCIDENT_API_KEY: x", "INCIDENT_API_KEY : x"),
        *("'INCIDENT_API_KEY'=x", '"INCIDENT_API_KEY"=x', "A INCIDENT_API_KEY=x", "export A=1 INCIDENT_API_KEY=x"),
        *("A=1; INCIDENT_API_KEY=x", "A=${INCIDENT_API_KEY:=x}", "; INCIDENT_API_KEY=x", "unset INCIDENT_API_KEY"),
        *("\xa0INCIDENT_API_KEY=x", "\x0cINCIDENT_API_KEY=x", "\u2028INCIDENT_API_KEY=x", "INCIDENT_API_KEY\xa0=x"),
        *("A=1\x0bINCIDENT_API_KEY=x", "A=1\x85INCIDENT_API_KEY=x", "export\xa0INCIDENT_API_KEY=x", "A='\n${0}=x\n'"),
        *('A="\n  INCIDENT_API_KEY\n"', "'A\nINCIDENT_API_KEY=x\n'=y", "\ufeffINCIDENT_API_KEY=x"),
    ],
)
@pytest.mark.parametrize("ours", [f"INCIDENT_API_KEY={OLD}\n", ""])
def test_another_line_that_may_set_the_variable_is_rejected(shared: Path, line: str, ours: str) -> None:
    store = filled(shared, f"{ours}A=1\n{line.replace('${0}', 'INCIDENT_API_KEY')}\n")
    number = 3 if ours else 2
    rejected(store, f"line {number} contains INCIDENT_API_KEY in a form that programs read differently; remove it")


@pytest.mark.parametrize("line", ["A='it", 'A="it', "A=`it", "A='\\'", 'export A = "\\\\"', "A=`\n`"])
@pytest.mark.parametrize("first", [True, False])
def test_a_quote_that_is_not_closed_is_rejected(shared: Path, line: str, first: bool) -> None:
    ours = f"INCIDENT_API_KEY={OLD}"
    store = filled(shared, "\n".join([line, ours] if first else [ours, line]))
    rejected(store, f"line {1 if first else 2} has a quote that is not closed, or is closed after a backslash")


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
@pytest.mark.parametrize("ours", ["", f"INCIDENT_API_KEY={OLD}\n"])
def test_a_line_that_may_continue_in_ours_is_rejected(shared: Path, end: str, ours: str) -> None:
    store = filled(shared, f"A=x\\{end}{ours if end else ''}")
    problem = "a backslash ends the line before INCIDENT_API_KEY, which continues it for some programs; remove it"
    rejected(store, problem)
    filled(shared, f"INCIDENT_API_KEY={OLD}\nA=x\\{end}").check()


@pytest.mark.parametrize("content", [f"A=1\rINCIDENT_API_KEY={OLD}\r", f"INCIDENT_API_KEY={OLD}\r\r\n", "A=1\r"])
def test_a_carriage_return_that_ends_a_line_is_rejected(shared: Path, content: str) -> None:
    store = filled(shared, content)
    del content
    rejected(store, "it has a carriage return without a line feed; save the file with line feeds")


PARTS = (
    *("KEY", "KEY=", "KEY=tok", "export KEY=t", "KEY='tok'", "export ", "A", "B=", "A=1", "C='x y'", "'", '"', "`"),
    *("\\", "=", "#", " ", "\t", "\n", "\n", "\n", "\r\n", "\r", "\x0b", "\x85", "\xa0", "\u2028", "\ufeff", "\0"),
    *(": ", "${KEY}", ";", " # c", "A='", 'B="', "it's", "é", "_", "."),
)


def test_python_dotenv_finds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either the store rejects a file, or it loads and saves what python-dotenv reads."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(logging.getLogger("dotenv.main"), "disabled", True)
    chance, path, found = random.Random(0), tmp_path / ".env", set()  # noqa: S311 - nothing secret
    store = DotenvStore(path, "KEY")
    for _ in range(400):
        content = "".join(chance.choices(PARTS, k=chance.randint(1, 8)))
        path.write_bytes(content.encode())
        values = dotenv_values(path, interpolate=False, encoding="utf-8")
        try:
            token = store.load("any")
        except StoreUnavailableError:
            continue
        assert Token(values.pop("KEY", None) or "") == (token or Token("")), repr(content)
        store.save("any", Token(CANARY))
        after = dotenv_values(path, interpolate=False, encoding="utf-8")
        assert (after.pop("KEY"), after) == (CANARY, values), repr(content)
        found.add(token)
    assert found >= {None, Token("tok"), Token("t")}
