"""`list`, `show` and `roles`: what only reads. This module must not know how keys look when they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from incident_io_keys_generated import contract
from incident_io_keys_generated.models import AccountRole, APIKey, TeamRole

from ._filters import Filter, refuse_unknown_roles
from ._session import Session, filters, now, output
from ._tables import TableWriter, one_key, roles_table
from ._terminal import counted
from ._writers import CSVWriter, JSONLinesWriter, JSONWriter, Writer, as_json


@click.command("list")
@output("table", "json", "jsonl", "csv")
@filters
@click.option("--older-than", metavar="AGE", help='Only keys whose token is older: "90 days", "3 months".')
@click.pass_obj
def list_(session: Session, output: str | None, meant: dict[str, Any], older_than: str | None) -> None:
    """List the keys that you may see.

    They are written as they arrive, page by page.
    """
    taken = Filter.of(**meant, older_than=older_than, now=now())
    writer = _writer(session, session.format(output))
    seen: list[APIKey] = []
    found = 0
    with session.client() as keys, session.terminal.waiting("asking for keys") as waiting:
        for page in keys.list(prefetch=True).pages():
            chosen = [key for key in page.keys if taken.takes(key)]
            seen += page.keys
            found += len(chosen)
            if chosen:
                with waiting.aside():
                    writer.write(chosen)
                    session.terminal.out.file.flush()
            waiting.says(f"{counted(len(seen), 'key')} so far")
    refuse_unknown_roles(session.terminal, taken.roles, seen)
    writer.end()
    if not found:
        session.terminal.tell(f"no key fits, of {counted(len(seen), 'key')}" if seen else "there are no keys")


def _writer(session: Session, form: str) -> Writer:
    if form == "table":
        return TableWriter(session.terminal.out, now())
    return _WRITERS[form](session.terminal.out.file.write)


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
        session.terminal.out.print(one_key(key, now()))
    else:
        session.terminal.write(as_json(key.to_dict(), indent=2) + "\n")


@click.command()
@output("table", "json")
@click.pass_obj
def roles(session: Session, output: str | None) -> None:
    """Tell the roles that a key can have, and what each allows.

    They are those of the contract that this version was made from. The API may have more by now.
    """
    known: dict[str, dict[str, Any]] = {}
    for kind, where, words in _ROLES:
        for role in kind:
            of_both = known.setdefault(role.value, {"name": role.value, "account": None, "team": None})
            of_both[where] = words.get(role.value, "")
    found = [known[name] for name in sorted(known)]
    if session.format(output) == "table":
        session.terminal.out.print(roles_table(found))
    else:
        session.terminal.write(as_json(found, indent=2) + "\n")


_ROLES: Final = (
    (AccountRole, "account", contract.ACCOUNT_ROLE_DESCRIPTIONS),
    (TeamRole, "team", contract.TEAM_ROLE_DESCRIPTIONS),
)
