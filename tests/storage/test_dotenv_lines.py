"""DotenvStore, with whatever else may stand in a dotenv file: not a byte of it changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_io_keys import Token
from incident_io_keys.storage import StoreUnavailableError

from ..conftest import CANARY
from .test_dotenv_store import KEY, OLD, filled

OTHERS = st.sampled_from(
    [
        *(
            b"",
            b"# a comment",
            b"OTHER='x y'",
            b"export OTHER=x # y",
            b"\xe9t\xe9=\xff\xfe",
            b"no variable",
            b"A=\\1\\g<0>",
        ),
        *(b"X_INCIDENT_API_KEY=a", b"INCIDENT_API_KEY_2=b", b"# INCIDENT_API_KEY=c", b"A=INCIDENT_API_KEY=d"),
        *(b"incident_api_key=e", b"INCIDENT_API_KEY: f", b"exportINCIDENT_API_KEY=g", b"export\tB=\x0b\x0c\x85"),
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
def test_only_the_value_changes_in_a_file_that_has_one(
    shared: Path, before: bytes, setting: bytes, value: bytes, end: bytes, after: bytes
) -> None:
    after = end and end + after
    store = filled(shared, before + setting + value + after)
    store.check()
    assert store.load(KEY) == (Token(OLD) if OLD.encode() in value else None)
    store.save(KEY, Token(CANARY))
    assert shared.read_bytes() == before + setting + CANARY.encode() + after
    assert store.load(KEY) == Token(CANARY)


@given(LINES, OTHERS)
def test_a_file_that_has_none_gets_a_line_at_its_end(shared: Path, lines: bytes, last: bytes) -> None:
    store = filled(shared, lines + last)
    assert store.load(KEY) is None
    store.save(KEY, Token(CANARY))
    end = b"" if (lines + last).endswith(b"\n") or not lines + last else b"\n"
    assert shared.read_bytes() == lines + last + end + b"INCIDENT_API_KEY=" + CANARY.encode() + b"\n"
    assert store.load(KEY) == Token(CANARY)


@pytest.mark.parametrize("quote", ['"', "'", "`"])
@pytest.mark.parametrize("name", ["CERT", "export CERT ", "\tCERT"])
@pytest.mark.parametrize("end", ["", " # x", "\r"])
def test_a_line_in_the_quoted_value_of_another_variable_is_not_ours(
    shared: Path, quote: str, name: str, end: str
) -> None:
    other = f"{name}={quote}-----\nINCIDENT_API_KEY={OLD}\n-----{quote}{end}\n"
    store = filled(shared, other)
    store.check()
    assert store.load(KEY) is None
    store.save(KEY, Token(CANARY))
    assert shared.read_bytes().decode() == f"{other}INCIDENT_API_KEY={CANARY}\n"
    store = filled(shared, f"INCIDENT_API_KEY={OLD}\n{other}")
    assert store.load(KEY) == Token(OLD)
    store.save(KEY, Token(CANARY))
    assert shared.read_bytes().decode() == f"INCIDENT_API_KEY={CANARY}\n{other}"


@pytest.mark.parametrize("other", ['A="it', "A='\\'", "# B='", "A=it's", 'A="\\"', 'A="x" "y'])
def test_a_quote_that_no_value_ends_with_hides_no_line(shared: Path, other: str) -> None:
    store = filled(shared, f"{other}\nINCIDENT_API_KEY='{OLD}'\nB=\"x\"\n")
    assert store.load(KEY) == Token(OLD)
    store.save(KEY, Token(CANARY))
    assert shared.read_text() == f'{other}\nINCIDENT_API_KEY={CANARY}\nB="x"\n'


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
@pytest.mark.parametrize("ours", ["", f"INCIDENT_API_KEY={OLD}\n"])
def test_a_line_that_goes_on_in_the_next_one_is_refused_before_ours(shared: Path, end: str, ours: str) -> None:
    before = f"A=x\\{end}{ours if end else ''}"
    store = filled(shared, before)
    for attempt in (store.check, lambda: store.save(KEY, Token(CANARY))):
        with pytest.raises(StoreUnavailableError, match="a backslash ends the line before INCIDENT_API_KEY") as caught:
            attempt()
        assert OLD not in str(caught.value)
    assert shared.read_bytes().decode() == before
    filled(shared, f"INCIDENT_API_KEY={OLD}\nA=x\\{end}").check()
