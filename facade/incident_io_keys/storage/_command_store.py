"""A store that hands tokens to a program, such as a vault's own command line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from .._error_mapping import strip_tracebacks
from .._redaction import redact
from .._validation import check_list, check_text, check_whole_number, raise_if_invalid, token_problem
from ..errors import Problem
from ..tokens import Token
from ._errors import StoreUnavailableError
from ._validation import check_path

# What stands for the ID of a key.
_KEY: Final = "{key}"
# More than any token has.
_MOST_LOADED: Final = 65_536
# Of what a program writes to its standard error, as much goes into a message.
_MOST_SAID: Final = 500
# In seconds: a day. What the system can wait for has a limit too, and Python finds that out once the program runs.
_LONGEST: Final = 86_400


class CommandStore:
    """Keeps each token by a program, which gets it on its standard input, without a line break.

    No shell is involved, and the token is in no argument and in no environment variable. In the arguments, `{key}`
    stands for the key's ID; without it, there is a place for the token of one key alone. A program that ends with
    another exit code than 0 has failed. What it writes to its standard error is told then, unless a token is in it.

    Args:
        save: The program that keeps a token, and its arguments.
        load: The program that writes the token to its standard output, and its arguments. White space around it does
            not count; nothing at all means that none is kept. It has `{key}` if `save` has it.
        journal: A directory for what is not finished; its parent has to exist.
        check: A program that fails if a token could not be kept now, with its arguments. Without it, it is only looked
            whether the other two are there.
        absent: Exit codes, from 1 to 255, with which `load` says that it has none. Give only such that mean nothing
            else: a program may end with the same code when it cannot ask (vault's 2 is any error of its server), and
            then a token that is kept would count as none.
        timeout: Seconds for each run; a program that takes longer is killed.

    Raises:
        InvalidRequestError: Arguments are not as they should be; it names all of them.
    """

    def __init__(
        self,
        save: Sequence[str],
        load: Sequence[str],
        *,
        journal: str | os.PathLike[str],
        check: Sequence[str] | None = None,
        absent: Collection[int] = (),
        timeout: float = 30.0,
    ) -> None:
        problems: list[Problem] = []
        self._save = _command("save", save, problems)
        self._load = _command("load", load, problems)
        self._check = None if check is None else _command("check", check, problems)
        if self._save and self._load and _names_key(self._save) != _names_key(self._load):
            field, other = ("load", "save") if _names_key(self._save) else ("save", "load")
            problems.append(
                Problem(field, f"has no {_KEY}, but {other} has: tokens would not be where they are sought")
            )
        if not _is_timeout(timeout):
            problems.append(Problem("timeout", f"takes seconds, more than 0 and at most {_LONGEST}"))
        codes = check_list("absent", absent, problems) or ()
        self._absent = frozenset(
            check_whole_number(f"absent[{index}]", code, problems, low=1, high=255) for index, code in enumerate(codes)
        )
        self._journal = check_path("journal", journal, problems)
        raise_if_invalid("the store was not made", problems)
        self._timeout = timeout

    @property
    def journal(self) -> Path:
        """Where it is written what is not finished."""
        return self._journal

    @property
    def single_slot(self) -> bool:
        """Whether it has a place for one token alone: no argument of `save` and `load` has `{key}`."""
        return not _names_key(self._save)

    def check(self) -> None:
        """Find out whether a token could be stored now, as far as can be said.

        Raises:
            StoreUnavailableError: It could not.
        """
        for what, [program, *_] in (("save", self._save), ("load", self._load)):
            if shutil.which(program) is None:
                raise StoreUnavailableError(f"{what}: there is no program {program}")
        if self._check is not None:
            self._run("check", self._check, "", Token(""))

    def save(self, key: str, token: Token) -> None:
        """Hand a token to the program that keeps it.

        Args:
            key: The key's ID.
            token: Its token.

        Raises:
            StoreUnavailableError: The program failed.
        """
        self._run("save", self._save, key, token)

    def load(self, key: str) -> Token | None:
        """Ask the program for the token that is kept for a key.

        Args:
            key: The key's ID.

        Raises:
            StoreUnavailableError: The program failed, or writes what is no token.
        """
        written = self._run("load", self._load, key, Token(""), self._absent)
        if len(written.reveal()) > _MOST_LOADED:
            raise StoreUnavailableError(
                f"load: {self._load[0]} writes what is no token: it has more than {_MOST_LOADED} characters"
            )
        token = Token(written.reveal().strip())
        if token == Token(""):
            return None
        if token_problem(token):
            raise StoreUnavailableError(
                f"load: {self._load[0]} writes what is no token: it has white space in it, or is no ASCII"
            )
        return token

    def _run(self, what: str, command: Sequence[str], key: str, token: Token, absent: Collection[int] = ()) -> Token:
        parts = [part.replace(_KEY, key) for part in command]
        written, code, failure = _outcome(parts, token, self._timeout)
        # Not where the exception of subprocess is handled: it would hang on this one, and its frames hold the token.
        if failure is not None and code not in absent:
            none = f"; if that says that it has none, give absent=[{code}]" if what == "load" and code > 0 else ""
            raise StoreUnavailableError(f"{what}: {command[0]} {failure}{none}")
        return written

    def __repr__(self) -> str:
        # A traceback with locals shows the store also while it is refused, for an empty `save`, say.
        return f"CommandStore({''.join(self._save[:1])!r})"


def _command(field: str, value: object, problems: list[Problem]) -> list[str]:
    parts = check_list(field, value, problems)
    found = [check_text(f"{field}[{index}]", part, problems, low=0) for index, part in enumerate(parts or ())]
    if parts is not None and not found:
        problems.append(Problem(field, "is empty", "give a program and its arguments"))
    return found


def _names_key(command: list[str]) -> bool:
    return any(_KEY in part for part in command)


def _is_timeout(value: object) -> bool:
    return isinstance(value, int | float) and 0 < value <= _LONGEST


def _outcome(command: list[str], token: Token, timeout: float) -> tuple[Token, int, str | None]:
    """Run a program with a token on its standard input.

    Returns:
        What it writes, its exit code, and what is wrong, if something is; 0 for a program that did not end by itself.
    """
    outer = sys.exception()
    try:
        return _run(command, token, timeout)
    except subprocess.TimeoutExpired:
        return Token(""), 0, f"took more than {timeout:g} s"
    except Exception as error:  # noqa: BLE001 - whatever it is, its frames hold the token
        return Token(""), 0, f"cannot be run: {type(error).__name__}"
    except BaseException as error:  # an interrupt: it goes on, but its frames do not
        strip_tracebacks(error, token, outer=outer)
        raise


def _run(command: list[str], token: Token, timeout: float) -> tuple[Token, int, str | None]:
    done = subprocess.run(  # noqa: S603 - the caller's own command, and no shell
        command, input=token.reveal().encode(), capture_output=True, timeout=timeout, check=False
    )
    if done.returncode:
        said = _told(done.stderr.decode(errors="replace"), token)
        return Token(""), done.returncode, f"failed with exit code {done.returncode}{said}"
    return Token(done.stdout.decode(errors="replace")), 0, None


def _told(text: str, token: Token) -> str:
    """As much of what a program said as a person may see."""
    bare = re.sub(r"\s+", "", text)  # a token may be wrapped
    if redact(bare, token) != bare:
        return " (what it says is left out: a token is in it)"
    said = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return f": {said[:_MOST_SAID]}" if said else ""
