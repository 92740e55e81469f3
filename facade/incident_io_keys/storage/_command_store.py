"""A token store that runs external programs, such as the command line of a password manager."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import IO, Final

from .._redaction import redact
from .._validation import check_list, check_text, check_whole_number, raise_if_invalid, token_problem
from ..errors import Problem
from ..tokens import Token
from ._adapters import call_user_code
from ._errors import StoreUnavailableError
from ._validation import check_path

_KEY: Final = "{key}"
_HINT: Final = "; show_output=True adds its error output, which can contain the token"
_EMPTY: Final = Token("")
_MAX_OUTPUT: Final = 65_536  # bytes, the buffer of a pipe; a program that writes more blocks until the timeout
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
            still contain the token in an encoded, reversed or truncated form, and errors are logged. A program that
            writes more than 64 KiB blocks until the timeout.

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
        self.single_slot = _KEY not in " ".join(self._save)
        if self._save and self._load and self.single_slot is (_KEY in " ".join(self._load)):
            field, other = ("save", "load") if self.single_slot else ("load", "save")
            problems.append(Problem(field, f"has no {_KEY}, but {other} has; use it in both or in neither"))
        if not isinstance(timeout, int | float) or not 0 < timeout <= _MAX_TIMEOUT:  # type: ignore[redundant-expr]
            problems.append(Problem("timeout", f"takes seconds, more than 0 and at most {_MAX_TIMEOUT}"))
        codes = enumerate(check_list("absent", absent, problems) or ())
        self._absent = {check_whole_number(f"absent[{i}]", code, problems, low=1, high=255) for i, code in codes}
        self.journal = check_path("journal", journal, problems)
        raise_if_invalid("the store was not created", problems)
        self._timeout = timeout
        self._show_output = show_output is True  # a string such as "false" must not reveal output

    def check(self) -> None:
        """Check that the programs exist, and run the `check` program; see `TokenStore.check`."""
        for action, [program, *_] in (("save", self._save), ("load", self._load)):
            if shutil.which(program) is None:
                raise StoreUnavailableError(f"{action}: program {program} not found; install it or correct its path")
        if self._check is not None:
            self._run("check", self._check)

    def save(self, key: str, token: Token) -> None:
        """Save a token; see `TokenStore.save`."""
        self._run("save", self._save, key, token)

    def load(self, key: str) -> Token | None:
        """Return the saved token of a key; None if there is none. See `TokenStore.load`."""
        token = self._run("load", self._load, key)
        if token == _EMPTY:
            return None
        if problem := token_problem(token):
            raise StoreUnavailableError(f"load: {self._load[0]} printed an invalid token: it {problem}")
        return token

    def _run(self, action: str, command: list[str], key: str = "", token: Token = _EMPTY) -> Token:
        parts = [part.replace(_KEY, key) for part in command]
        failed = f"{action}: {command[0]} could not be run: "
        # The text of an exception can contain the arguments of the program.
        output: Token = call_user_code(self._execute, action, parts, token, token=token, failed=failed, quote=False)
        return output

    def _execute(self, action: str, command: list[str], token: Token) -> Token:
        """Run a program until it exits, and return its output.

        Nothing waits for the end of a pipe, which a child of the program can keep open: the token, and as much output
        as is used, fit into the buffer of a pipe.
        """
        data = token.reveal().encode()
        wanted = (data, action == "load", self._show_output)
        stdin, stdout, stderr = (subprocess.PIPE if each else subprocess.DEVNULL for each in wanted)
        with subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr) as process:  # noqa: S603 - no shell
            try:
                if process.stdin:
                    os.set_blocking(process.stdin.fileno(), False)
                    with suppress(BrokenPipeError):  # a program that closes its input can still succeed
                        if os.write(process.stdin.fileno(), data) < len(data):
                            raise StoreUnavailableError(f"{action}: the token is too long for the input of a program")
                    process.stdin.close()
                code: int | None = process.wait(self._timeout)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                process.kill()  # no effect after an exit
                process.wait()
            output, errors = _read(process.stdout), _read(process.stderr)
        if code == 0 or (action == "load" and code in self._absent):
            return Token("" if code else output.strip())
        failure = f"did not exit within {self._timeout:g} s" if code is None else f"failed with exit code {code}"
        failure += _quote(errors, token)
        if action == "load" and code is not None and code > 0:
            failure += f"; if this code means that no token is saved, pass absent=[{code}]"
        raise StoreUnavailableError(f"{action}: {command[0]} {failure}{'' if self._show_output else _HINT}")

    def __repr__(self) -> str:
        # A traceback with locals also contains a store whose arguments are invalid, such as an empty `save`.
        return f"CommandStore({''.join(self._save[:1])!r})"


def _check_command(field: str, value: object, problems: list[Problem]) -> list[str]:
    parts = check_list(field, value, problems)
    command = [check_text(f"{field}[{i}]", part, problems, low=0) for i, part in enumerate(parts or ())]
    if parts is not None and not command:
        problems.append(Problem(field, "is empty", "pass a program and its arguments"))
    return command


def _read(pipe: IO[bytes] | None) -> str:
    """Return what a program wrote to a pipe before it exited."""
    if pipe is None:
        return ""
    os.set_blocking(pipe.fileno(), False)
    with suppress(BlockingIOError):  # nothing was written
        return os.read(pipe.fileno(), _MAX_OUTPUT).decode(errors="replace")
    return ""


def _quote(text: str, token: Token) -> str:
    compact = re.sub(r"\s+", "", text)  # a program can wrap a token
    if redact(compact, token) != compact:
        return " (its error output is omitted: it contains a token)"
    text = "".join(char if char.isprintable() else " " for char in text[:500]).strip()
    return f": {text}" if text else ""
