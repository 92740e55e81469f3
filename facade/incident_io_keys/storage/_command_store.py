"""A token store that runs external programs, such as the command line of a password manager."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from .._error_mapping import strip_tracebacks
from .._redaction import redact
from .._retry import monotonic
from .._validation import check_list, check_text, check_whole_number, raise_if_invalid, token_problem
from ..errors import Problem
from ..tokens import Token
from ._errors import StoreUnavailableError
from ._validation import check_path

_KEY: Final = "{key}"
_HINT: Final = "; show_output=True adds its error output, which can contain the token"
_EMPTY: Final = Token("")
_MAX_OUTPUT: Final = 65_536  # bytes, more than any token has
_MAX_TIMEOUT: Final = 86_400  # seconds, one day


class CommandStore:
    """Saves and loads tokens with external programs.

    The `save` program reads the token from its standard input, without a line break. The token is in no argument and in
    no environment variable, and no shell runs. `{key}` in an argument is replaced by the ID of the key. Without it, the
    store has a single slot. Exit code 0 means success, even if a child of the program is still running.

    Args:
        save: The program that saves a token, and its arguments.
        load: The program that prints the saved token, and its arguments. It contains `{key}` if `save` does. Empty
            output means that no token is saved. Surrounding white space is ignored.
        journal: The directory for pending operations. Its parent must exist.
        check: A program that fails if no token can be saved now, and its arguments. By default, `check` only looks for
            the other two programs.
        absent: Exit codes of `load`, from 1 to 255, that mean that no token is saved. Pass only codes that mean nothing
            else. `vault kv get` exits with 2 for every error of the server, and a saved token would count as absent.
        timeout: Seconds after which a program is killed.
        show_output: Whether errors quote what the program wrote to its standard error. The quote is redacted. It can
            still contain the token in an encoded, reversed or truncated form, and errors are logged.

    Raises:
        InvalidRequestError: Arguments are invalid. The error lists all problems.
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
        show_output: bool = False,
    ) -> None:
        problems: list[Problem] = []
        self._save = _check_command("save", save, problems)
        self._load = _check_command("load", load, problems)
        self._check = None if check is None else _check_command("check", check, problems)
        if self._save and self._load and self.single_slot is (_KEY in " ".join(self._load)):
            field, other = ("save", "load") if self.single_slot else ("load", "save")
            problems.append(Problem(field, f"has no {_KEY}, but {other} has; use it in both or in neither"))
        if not isinstance(timeout, int | float) or not 0 < timeout <= _MAX_TIMEOUT:  # type: ignore[redundant-expr]
            problems.append(Problem("timeout", f"takes seconds, more than 0 and at most {_MAX_TIMEOUT}"))
        codes = enumerate(check_list("absent", absent, problems) or ())
        self._absent = {check_whole_number(f"absent[{i}]", code, problems, low=1, high=255) for i, code in codes}
        self._journal = check_path("journal", journal, problems)
        raise_if_invalid("the store was not created", problems)
        self._timeout = timeout
        self._show_output = show_output is True  # a string such as "false" must not reveal output

    @property
    def journal(self) -> Path:
        """The directory for pending operations."""
        return self._journal

    @property
    def single_slot(self) -> bool:
        """Whether the store holds one token, whatever its key, because no argument contains `{key}`."""
        return _KEY not in " ".join(self._save)

    def check(self) -> None:
        """Check that the programs exist, and run the `check` program.

        Raises:
            StoreUnavailableError: A program does not exist, or `check` failed.
        """
        for action, [program, *_] in (("save", self._save), ("load", self._load)):
            if shutil.which(program) is None:
                raise StoreUnavailableError(f"{action}: program {program} not found; install it or correct its path")
        if self._check is not None:
            self._run("check", self._check)

    def save(self, key: str, token: Token) -> None:
        """Save a token.

        Args:
            key: The ID of the key.
            token: The token of the key.

        Raises:
            StoreUnavailableError: The program failed.
        """
        self._run("save", self._save, key, token)

    def load(self, key: str) -> Token | None:
        """Return the saved token of a key; None if there is none.

        Args:
            key: The ID of the key.

        Raises:
            StoreUnavailableError: The program failed, or its output is not a token.
        """
        token = self._run("load", self._load, key)
        if token == _EMPTY:
            return None
        if problem := token_problem(token):
            raise StoreUnavailableError(f"load: {self._load[0]} printed an invalid token: it {problem}")
        return token

    def _run(self, action: str, command: list[str], key: str = "", token: Token = _EMPTY) -> Token:
        outer = sys.exception()
        try:
            result = self._execute(action, [part.replace(_KEY, key) for part in command], token)
        except Exception as error:  # noqa: BLE001 - the frames of any exception contain the token
            result = f"could not be run: {type(error).__name__}"
        except BaseException as error:  # an interrupt continues, without its frames
            strip_tracebacks(error, token, outer=outer)
            raise
        # In the except block, the caught exception would become the context of this one, with its frames.
        if isinstance(result, str):
            raise StoreUnavailableError(f"{action}: {command[0]} {result}")
        return result

    def _execute(self, action: str, command: list[str], token: Token) -> Token | str:
        """Run a program until it exits. Return its output, or a description of its failure.

        `Popen.communicate` would wait until all processes that inherited a pipe have closed it.
        """
        data, output, errors = token.reveal().encode(), b"", b""
        wanted = (data, action == "load", self._show_output)
        stdin, stdout, stderr = (subprocess.PIPE if each else subprocess.DEVNULL for each in wanted)
        deadline = monotonic() + self._timeout
        with subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr) as process:  # noqa: S603 - no shell
            try:
                for pipe in filter(None, (process.stdin, process.stdout, process.stderr)):
                    os.set_blocking(pipe.fileno(), False)
                while (code := process.poll()) is None and monotonic() < deadline:
                    output, errors = _read(process.stdout, output), _read(process.stderr, errors)
                    if process.stdin and data:
                        # A full pipe takes more data later. A program that closes its input can still succeed.
                        with suppress(BlockingIOError, BrokenPipeError):
                            data = data[os.write(process.stdin.fileno(), data) :]
                        if not data:
                            process.stdin.close()
                    time.sleep(0.01)
            finally:
                process.kill()  # no effect after an exit
                process.wait()
            output, errors = _read(process.stdout, output), _read(process.stderr, errors)
        if action == "load" and code in self._absent:
            return _EMPTY
        if code == 0:
            too_long = f"printed more than {_MAX_OUTPUT} bytes"
            return too_long if len(output) > _MAX_OUTPUT else Token(output.decode(errors="replace").strip())
        failure = f"did not exit within {self._timeout:g} s" if code is None else f"failed with exit code {code}"
        failure += _quote(errors.decode(errors="replace"), token)
        if action == "load" and code is not None and code > 0:
            failure += f"; if this code means that no token is saved, pass absent=[{code}]"
        return failure if self._show_output else failure + _HINT

    def __repr__(self) -> str:
        # A traceback with locals also contains a store whose arguments are invalid, such as an empty `save`.
        return f"CommandStore({''.join(self._save[:1])!r})"


def _check_command(field: str, value: object, problems: list[Problem]) -> list[str]:
    parts = check_list(field, value, problems)
    command = [check_text(f"{field}[{i}]", part, problems, low=0) for i, part in enumerate(parts or ())]
    if parts is not None and not command:
        problems.append(Problem(field, "is empty", "pass a program and its arguments"))
    return command


def _read(pipe: IO[bytes] | None, output: bytes) -> bytes:
    """Return the output with the bytes that the pipe holds now. Drop all but one byte above the limit."""
    with suppress(BlockingIOError):
        output += os.read(pipe.fileno(), _MAX_OUTPUT + 1) if pipe else b""
    return output[: _MAX_OUTPUT + 1]


def _quote(text: str, token: Token) -> str:
    compact = re.sub(r"\s+", "", text)  # a program can wrap a token
    if redact(compact, token) != compact:
        return " (its error output is omitted: it contains a token)"
    text = "".join(char if char.isprintable() else " " for char in text[:500]).strip()
    return f": {text}" if text else ""
