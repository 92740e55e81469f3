"""`rotate` and `resume`: new tokens for old ones, and what an earlier run left. Storage does both."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Any

import click

from incident_io_keys_generated import contract
from incident_io_keys_generated.models import APIKey

from .._validation import check_grace_period, raise_if_invalid
from ..client import KeysClient
from ..errors import Problem
from ..storage import RotationResult, TokenStore, can_manage_keys, rotate_due, rotate_into
from ..storage import resume as finish
from ._destinations import check_place, destination, force, path_of, put_out, show_token, where
from ._errors import describe, translated
from ._filters import Filter, refuse_unknown_roles, roles_of
from ._preview import problems_of, write_request
from ._reading import all_keys, write_key
from ._session import Session, ask, dry_run, filters, now, output, refuse_to_ask_nobody, yes
from ._state import pending_everywhere
from ._terminal import counted
from ._writers import as_answer


@click.command()
@click.argument("id", required=False)
@click.option("--due", metavar="AGE", help='Rotate all keys whose token is older: "90 days", "3 months".')
@click.option(
    "--grace",
    type=int,
    default=contract.ROTATE_API_KEY_REQUEST_GRACE_PERIOD_MINUTES_DEFAULT,
    show_default=True,
    metavar="MINUTES",
    help="For how many minutes the previous token keeps working.",
)
@filters
@click.option("--caller", metavar="ID", help="With --due: the calling key, which is skipped.")
@destination
@show_token
@force
@yes
@dry_run
@output("table", "json")
@click.pass_obj
def rotate(
    session: Session,
    id: str | None,
    due: str | None,
    grace: int,
    meant: dict[str, Any],
    caller: str | None,
    into: dict[str, Any],
    show_token: bool,
    force: bool,
    yes: bool,
    dry_run: bool,
    output: str | None,
) -> int:
    """Give the key ID another token, or all keys that are due.

    The token is stored, read back and tried. What an interrupted run leaves, `resume` finishes.

    With --due, keys with the role api_keys_manage are skipped unless --caller names the calling key.
    """
    problems: list[Problem] = []
    check_grace_period(grace, problems)
    if (id is None) == (due is None):
        problems.append(
            Problem("what is to be rotated", "is not clear", "give the ID of a key, or --due AGE, not both")
        )
    if id is not None and (caller is not None or any(meant.values())):
        problems.append(Problem("--caller, --name, --role, --team", "are for --due"))
    if due is not None and (show_token or into["token_file"] is not None):
        problems.append(Problem("--due", "needs a place for many tokens", "give --token-dir or --keyring"))
    store = None
    if not dry_run or show_token or any(into.values()):
        store = check_place(session, into, problems, force=force, show_token=show_token)
    if id is not None:
        problems += problems_of(lambda keys: keys.rotate(id))
    raise_if_invalid("nothing was rotated", problems)
    if id is not None and dry_run:
        write_request(session, output, lambda keys: keys.rotate(id, grace_period_minutes=grace))
    elif id is not None:
        _rotate_one(session, store, id, grace, output)
    else:
        taken = Filter.of(**meant, older_than=due, now=now())
        with session.client() as keys:
            found = _due(session, keys, taken, caller)
            if dry_run or all(_skip_reason(key, caller) for key in found):
                return _tell_due(session, output, found, caller)
            if not yes:
                _ask_for(session, found, caller)
            assert store is not None and due is not None  # noqa: S101, PT018 - for the type checker
            return _Run(session, store, output).rotate(keys, found, taken, due, caller, grace)
    return 0


def _rotate_one(session: Session, store: TokenStore | None, id: str, grace: int, output: str | None) -> None:
    with session.client() as keys:
        if store is not None:
            session.under_way = f"`{session.resume}` finishes what was begun, if anything was"
            issued = rotate_into(keys, store, id, grace_period_minutes=grace)
        else:
            session.under_way = "the key may have been rotated all the same, its new token lost: rotate it again"
            issued = keys.rotate(id, grace_period_minutes=grace)
            put_out(issued, session)
    more = f"works for {counted(grace, 'minute')} more" if grace else "has ended"
    name = f"{issued.api_key.name} ({issued.api_key.id})"
    session.terminal.tell(f"rotated {name}{where(store, issued.api_key.id)}; the previous token {more}")
    if store is not None:
        write_key(session, output, issued.api_key)


def _due(session: Session, keys: KeysClient, taken: Filter, caller: str | None) -> list[APIKey]:
    everything = all_keys(session, keys)
    refuse_unknown_roles(session.terminal, taken.roles, roles_of(everything))
    if caller is not None and not any(key.id == caller and can_manage_keys(key) for key in everything):
        problem = Problem("--caller", "is not a key that can manage keys", "give the ID of the key that calls")
        raise_if_invalid("nothing was rotated", [problem])
    return [key for key in everything if taken.takes(key)]


def _skip_reason(key: APIKey, caller: str | None) -> str | None:
    if key.id == caller:
        return "it is the calling key"
    if caller is None and can_manage_keys(key):
        return "it can be the calling key: pass the ID of the calling key as --caller"
    return None


def _tell_due(session: Session, output: str | None, found: list[APIKey], caller: str | None) -> int:
    reasons = {key.id: _skip_reason(key, caller) for key in found}
    if session.format(output) == "table":
        from ._tables import TableWriter

        TableWriter(session.terminal.out, now()).write(found)
        left = sum(reason is not None for reason in reasons.values())
        told = f", {left:,} of them skipped: each is, or can be, the calling key" if left else ""
        session.terminal.tell(f"{counted(len(found), 'key')} due{told}; nothing was rotated")
    else:
        facts = [_facts(key, "skipped" if (reason := reasons[key.id]) else "due", reason) for key in found]
        session.terminal.write(as_answer(facts))
    return 0


def _ask_for(session: Session, found: list[APIKey], caller: str | None) -> None:
    from ._tables import TableWriter

    refuse_to_ask_nobody(session)
    rotated = [key for key in found if _skip_reason(key, caller) is None]
    TableWriter(session.terminal.err, now()).write(rotated)
    left = len(found) - len(rotated)
    told = f" {counted(left, 'key')} that can be the calling key will be skipped." if left else ""
    ask(session, f"Rotate {'it' if len(rotated) == 1 else f'these {len(rotated):,}'}?{told}")


class _Run:
    """The rotation of all keys that are due. What came of each is told as it is known, and not only at the end."""

    def __init__(self, session: Session, store: TokenStore, output: str | None) -> None:
        self._session = session
        self._store = store
        self._in_words = session.format(output) == "table"
        self._code = 0
        self._facts: list[dict[str, Any]] = []

    def rotate(
        self, keys: KeysClient, found: list[APIKey], taken: Filter, due: str, caller: str | None, grace: int
    ) -> int:
        """Rotate the keys that were found, as far as they are still meant."""
        ids = {key.id for key in found}
        resume = self._session.resume
        self._session.under_way = f"`{resume}` finishes what was begun, if anything is not finished"
        with self._session.terminal.waiting("rotating") as waiting:

            def progress(rotated: RotationResult, done: int, total: int) -> None:
                with waiting.aside():
                    self._tell(rotated)
                waiting.says(f"{done:,} of {total:,}", done, total)

            try:
                rotate_due(
                    *(keys, self._store),
                    older_than=due,
                    where=lambda key: key.id in ids and taken.takes(key),
                    caller=caller,
                    grace_period_minutes=grace,
                    progress=progress,
                )
            except BaseException:
                with waiting.aside(), contextlib.suppress(OSError):
                    self._sum_up(grace)
                raise
        self._sum_up(grace)
        return self._code

    def _tell(self, rotated: RotationResult) -> None:
        failure = None if rotated.error is None else describe(self._session, rotated.error)
        self._code = max(self._code, failure.code if failure else 0)
        lines = failure.lines if failure else translated(self._session, rotated.reason or "")
        facts = _facts(rotated.key, rotated.status, " ".join(lines) or None)
        if rotated.status == "rotated" and (path := path_of(self._store, rotated.key.id)) is not None:
            facts["token_file"] = str(path)
        self._facts.append({**facts, **(failure.facts if failure else {})})
        if self._in_words:
            first, *more = lines or [""]
            name = f"{rotated.status} {rotated.key.name} ({rotated.key.id})"
            self._session.terminal.say([f"{name}: {first}" if first else name, *(f"  {line}" for line in more)])

    def _sum_up(self, grace: int) -> None:
        states = Counter(facts["status"] for facts in self._facts)
        counts = ", ".join(f"{count:,} {status}" for status, count in states.items())
        grace_told = f"; previous tokens work for {counted(grace, 'minute')}" if states["rotated"] else ""
        self._session.terminal.tell(f"{counts or 'none rotated'}{grace_told}")
        if not self._in_words:
            self._session.terminal.write(as_answer(self._facts))


def _facts(key: APIKey, status: str, reason: str | None) -> dict[str, Any]:
    return {"id": key.id, "name": key.name, "status": status, "reason": reason}


@click.command()
@click.option("--all", "everywhere", is_flag=True, help="List the pending operations of all destinations.")
@destination
@force
@output("table", "json")
@click.pass_obj
def resume(session: Session, everywhere: bool, into: dict[str, Any], force: bool, output: str | None) -> int:
    """Complete the operations that earlier runs left pending.

    Run it after an error that says so, with the options of the token's destination. --all only lists the pending
    operations of all destinations that you used, with the command that completes each.
    """
    if everywhere:
        if any(into.values()) or force:
            raise click.UsageError("--all lists all destinations: give no other option for one")
        return _list_pending(session, output)
    problems: list[Problem] = []
    store = check_place(session, into, problems, force=force, resuming=True)
    raise_if_invalid("nothing was resumed", problems)
    assert store is not None, "standard output is not among the options"  # noqa: S101 - for the type checker
    exists = store.journal.is_dir()
    with session.client() as keys:
        results = finish(keys, store)
    code, facts, lines = 0, [], []
    for each in results:
        failure = None if each.error is None else describe(session, each.error)
        code = max(code, failure.code if failure else 0, 1 if each.status == "pending" else 0)
        hint = translated(session, each.hint)
        more = {} if failure is None else failure.facts
        about = {"status": each.status, "operation": each.operation, "id": each.key_id, "name": each.name}
        facts.append({**about, "hint": " ".join(hint), **more})
        name = " ".join(part for part in (each.status, each.name, f"({each.key_id})" if each.key_id else "") if part)
        kept = failure.lines[-1:] if failure and "token_file" in more else []
        lines += [f"{name}: {hint[0]}", *(f"  {line}" for line in (*hint[1:], *kept))]
    if not facts:
        state = f"nothing is pending in the journal {store.journal}"
        if not exists:
            state = f"no operation has used this destination, there is no journal {store.journal};"
            state += " `incident-io-keys resume --all` lists the pending operations of all destinations"
        session.terminal.tell(f"{session.place}: {state}")
    _write_results(session, output, lines, facts)
    return code


def _list_pending(session: Session, output: str | None) -> int:
    facts, lines = [], []
    for options, each in pending_everywhere():
        command = f"incident-io-keys resume {options}" if options else None
        began = None if each.began is None else each.began.isoformat()
        about = {"status": each.status, "operation": each.operation, "id": each.key_id, "name": each.name}
        facts.append({**about, "began": began, "entry": str(each.entry), "command": command})
        what = f"{each.operation} of {each.name}" if each.operation else str(each.entry)
        suggestion = f"run `{command}`" if command and each.error is None else each.hint
        lines.append(f"pending: {what}{f' ({each.key_id})' if each.key_id else ''}; {suggestion}")
    if not facts:
        session.terminal.tell("nothing is pending")
    _write_results(session, output, lines, facts)
    return 1 if facts else 0


def _write_results(session: Session, output: str | None, lines: list[str], facts: list[dict[str, Any]]) -> None:
    if session.format(output) != "table":
        session.terminal.write(as_answer(facts))
    elif lines:
        session.terminal.say(lines)
