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
        yield from (repr(link), str(link), f"{link}", repr(link.args), repr(vars(link)))
        link = link.__cause__ or link.__context__
    yield from (json.dumps(vars(error), default=repr), repr(copy.copy(error)))
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


def values(error: BaseException) -> Iterator[str]:
    """Yield each local variable in the frames of an error and its causes, and each attribute of those."""
    seen: list[BaseException] = []
    links: list[BaseException | None] = [error]
    while links:
        link = links.pop()
        if link is None or link in seen:
            continue
        seen.append(link)
        links += [link.__cause__, link.__context__, *getattr(link, "exceptions", ())]
        for frame, _ in traceback.walk_tb(link.__traceback__):
            for name, value in frame.f_locals.items():
                yield f"{frame.f_code.co_qualname}: {name} = {value!r}"
                attributes = getattr(value, "__dict__", {})
                yield from (f"{name}.{attribute} = {each!r}" for attribute, each in attributes.items())
