"""`list`, `show` and `roles`: what only reads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import click

from incident_io_keys_generated.models import AccountRole, APIKey, TeamRole

from ..client import KeysClient
from ..errors import InvalidResponseError
from ..pagination import Page
from ._filters import LAST_USE_UNKNOWN, Filter, last_use_is_known, refuse_unknown_roles, roles_of
from ._session import DESCRIPTIONS, Session, filters, in_order, now, output
from ._terminal import Waiting, counted
from ._writers import CSVWriter, JSONLinesWriter, JSONWriter, Writer, as_answer


@click.command("list")
@output("table", "json", "jsonl", "csv")
@filters
@click.option("--older-than", metavar="AGE", help='Only keys whose token is older: "90 days", "3 months".')
@click.option(
    "--unused-for",
    metavar="AGE",
    help='Only keys created at least this long ago and not used since: "90 days".',
)
@click.pass_obj
def list_(
    session: Session, output: str | None, meant: dict[str, Any], older_than: str | None, unused_for: str | None
) -> None:
    """List the keys that you may see.

    Prints each page as it arrives. With --unused-for, prints after all pages have arrived.
    """
    taken = Filter.of(**meant, older_than=older_than, unused_for=unused_for, now=now())
    seen = found = 0
    held: set[str] = set()
    with session.client() as keys, session.terminal.waiting("asking for keys") as waiting:
        parts: Iterator[Sequence[APIKey]] = (page.keys for page in pages(keys, waiting))
        if unused_for is not None:
            parts = iter([_with_last_use([key for part in parts for key in part])])
        writer = _writer(session, session.format(output))
        for part in parts:
            chosen = [key for key in part if taken.takes(key)]
            seen, found = seen + len(part), found + len(chosen)
            held |= roles_of(part)
            if chosen:
                with waiting.aside():
                    writer.write(chosen)
                    sys.stdout.flush()
    refuse_unknown_roles(session.terminal, taken.roles, held)
    writer.end()
    if not found:
        session.terminal.tell(f"no key fits, of {counted(seen, 'key')}" if seen else "there are no keys")


def _with_last_use(keys: Sequence[APIKey]) -> Sequence[APIKey]:
    """Return the keys.

    Raises:
        InvalidResponseError: No key has `last_used_at`, so that nobody can tell which keys are unused.
    """
    if keys and not last_use_is_known(keys):
        raise InvalidResponseError(LAST_USE_UNKNOWN, path="$.api_keys", token=None, may_have_applied=False)
    return keys


def pages(keys: KeysClient, waiting: Waiting) -> Iterator[Page]:
    """All pages of keys, fetched ahead, with word of how far it is."""
    seen = 0
    for page in keys.list(prefetch=True).pages():
        yield page
        seen += len(page.keys)
        waiting.says(f"{counted(seen, 'key')} so far")


def all_keys(session: Session, keys: KeysClient) -> list[APIKey]:
    """All keys at once."""
    with session.terminal.waiting("asking for keys") as waiting:
        return [key for page in pages(keys, waiting) for key in page.keys]


def _writer(session: Session, form: str) -> Writer:
    if form == "table":
        from ._tables import TableWriter

        return TableWriter(session.terminal.out, now())
    return _WRITERS[form](sys.stdout.write)


_WRITERS: Final[Mapping[str, Callable[[Callable[[str], object]], Writer]]] = {
    "json": JSONWriter,
    "jsonl": JSONLinesWriter,
    "csv": CSVWriter,
}


@click.command()
@click.argument("id")
@output("table", "json")
@click.pass_obj
def show(session: Session, id: str, output: str | None) -> None:
    """Show the key ID."""
    with session.client() as keys:
        key = keys.show(id)
    write_key(session, output, key)


def write_key(session: Session, output: str | None, key: APIKey) -> None:
    """Write a key to standard output."""
    if session.format(output) == "table":
        from ._tables import one_key

        session.terminal.out.print(one_key(key, now()))
    else:
        session.terminal.write(as_answer(key.to_dict()))


@click.command()
@output("table", "json")
@click.pass_obj
def roles(session: Session, output: str | None) -> None:
    """Tell the roles that a key can have, and what each allows.

    They are those of the contract that this version was made from. The API may have more by now.
    """
    known: dict[str, dict[str, Any]] = {}
    for kind, where in ((AccountRole, "account"), (TeamRole, "team")):
        for role in kind:
            of_both = known.setdefault(role.value, {"name": role.value, "account": None, "team": None})
            of_both[where] = DESCRIPTIONS[kind].get(role.value, "")
    found = [known[name] for name in in_order(known)]
    if session.format(output) == "table":
        from ._tables import roles_table

        session.terminal.out.print(roles_table(found))
    else:
        session.terminal.write(as_answer(found))
