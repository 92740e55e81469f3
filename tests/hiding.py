"""Everything that could show a token to a person, a log or a file, in one text to search."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Iterable, Iterator

from rich.traceback import Traceback


def renderings(error: BaseException) -> str:
    """An exception in every form in which it could be shown or stored, with the local variables of its traceback."""
    return "\n".join(_renderings(error))


def _renderings(error: BaseException) -> Iterator[str]:
    seen: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in seen:
        seen.append(link)
        yield from (repr(link), str(link), f"{link}", repr(link.args), repr(vars(link)), repr(copy.copy(link)))
        link = link.__cause__ or link.__context__
    yield json.dumps(vars(error), default=repr)
    # A pickle may be stored; as latin-1 every byte is a character.
    yield pickle.dumps(error).decode("latin-1")
    # Includes the full repr of each local. pytest's report shows only part of it, so it is not rendered too.
    yield "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    unlimited = {"locals_max_length": 10_000, "locals_max_string": None, "locals_hide_dunder": False}
    trace = Traceback.extract(type(error), error, error.__traceback__, show_locals=True, **unlimited)  # type: ignore[arg-type]
    for stack in trace.stacks:
        for frame in stack.frames:
            yield from (f"{name} = {node}" for name, node in (frame.locals or {}).items())


def logged(records: Iterable[logging.LogRecord]) -> str:
    """Log records with all of their fields."""
    return "\n".join(f"{record.getMessage()} {vars(record)}" for record in records)
