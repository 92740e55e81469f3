"""`create`, `update` and `delete`: what changes keys."""

from __future__ import annotations

import glob
import shlex
from collections.abc import Callable
from typing import Any, TypeVar

import click

from incident_io_keys_generated.models import AccountRole, APIKey, Role, TeamRole

from .._validation import raise_if_invalid
from ..client import KeysClient
from ..errors import Problem
from ..storage import ResumeResult, StoreUnavailableError, create_into
from ._destinations import check_place, destination, force, put_out, show_token, where
from ._preview import problems_of, write_request
from ._reading import write_key
from ._session import Session, ask, completed, dry_run, output, refuse_to_ask_nobody, yes
from ._state import pending_everywhere
from ._terminal import printable

F = TypeVar("F", bound=Callable[..., Any])


def _role(name: str, text: str, kind: type[AccountRole | TeamRole] = AccountRole) -> Callable[[F], F]:
    return click.option(name, multiple=True, metavar="ROLE", shell_complete=completed(kind), help=text)


def _unchecked(name: str, text: str) -> Callable[[F], F]:
    return click.option(name, multiple=True, metavar="NAME", help=text)


def _team(name: str, text: str) -> Callable[[F], F]:
    return click.option(name, multiple=True, metavar="ID", help=text)


@click.command()
@click.option("--name", help="What people call the key.")
@_role("--role", "A role in the whole account; see `roles`. Can be repeated.")
@_team("--team", "A team in which it has the roles of --team-role. Can be repeated.")
@_role("--team-role", "A role in those teams. Can be repeated.", TeamRole)
@_unchecked("--unchecked-role", "Assign an account role without checking its name. Can be repeated.")
@_unchecked("--unchecked-team-role", "Assign a team role without checking its name. Can be repeated.")
@click.option("--comments", metavar="TEXT", help="Comments about the key.")
@click.option("--interactive", is_flag=True, help="Ask for all of it.")
@destination
@show_token
@force
@dry_run
@output("table", "json")
@click.pass_obj
def create(
    session: Session,
    name: str | None,
    role: tuple[str, ...],
    team: tuple[str, ...],
    team_role: tuple[str, ...],
    unchecked_role: tuple[str, ...],
    unchecked_team_role: tuple[str, ...],
    comments: str | None,
    interactive: bool,
    into: dict[str, Any],
    show_token: bool,
    force: bool,
    dry_run: bool,
    output: str | None,
) -> None:
    """Create a key, and bring its token to where you say.

    The API tells the token this once: without a place for it, nothing is sent.
    """
    lists = {
        "role_names": [*role, *map(_unchecked_role, unchecked_role)],
        "team_ids": team,
        "team_role_names": [*team_role, *map(_unchecked_role, unchecked_team_role)],
    }
    definition: dict[str, Any] = {"name": name or "", **lists, "comments": comments}
    problems: list[Problem] = []
    if interactive:
        from ._interactive import ask_for_a_key

        definition, into = ask_for_a_key(session, definition, into, force=force, show_token=show_token or dry_run)
    elif name is None:
        problems.append(Problem("name", "is missing", "give --name NAME, or --interactive"))
        definition["name"] = "-"
    problems += problems_of(lambda keys: keys.create(**definition))
    store = None
    if not dry_run or show_token or any(into.values()):
        store = check_place(session, into, problems, force=force, show_token=show_token)
    for options, pending in _pending_everywhere():
        if (pending.operation, pending.name) == ("create", definition["name"]):
            suggestion = f"run `incident-io-keys resume {options}` first"
            problems.append(Problem("--name", f"a create of this name is pending with {options}", suggestion))
    raise_if_invalid("create was not sent", problems)
    if dry_run:
        write_request(session, output, lambda keys: keys.create(**definition))
        return
    if interactive:
        ask(session, f"Create {definition['name']} with {_told(definition)} ({session.place or '--show-token'})?")
    with session.client() as keys:
        if store is not None:
            session.under_way = f"`{session.resume}` finishes what was begun, if anything was"
            issued = create_into(keys, store, **definition)
        else:
            look = f"incident-io-keys list --name {shlex.quote(glob.escape(definition['name']))}"
            session.under_way = f"the key may have been created all the same, its token lost: look with `{look}`"
            issued = keys.create(**definition)
            put_out(issued, session)
    session.terminal.tell(f"created {issued.api_key.name} ({issued.api_key.id}){where(store, issued.api_key.id)}")
    if store is not None:
        write_key(session, output, issued.api_key)


def _pending_everywhere() -> list[tuple[str, ResumeResult]]:
    try:
        return pending_everywhere()
    except StoreUnavailableError:  # a create needs no state directory
        return []


def _unchecked_role(name: str) -> Role:
    return Role(name=name, description="")


def _told(definition: dict[str, Any]) -> str:
    roles, team_roles = (
        ", ".join(role.name if isinstance(role, Role) else str(role) for role in definition[name])
        for name in ("role_names", "team_role_names")
    )
    teams = f", and {team_roles} in {', '.join(definition['team_ids'])}" if team_roles else ""
    return f"the roles {roles or '(none)'}{teams}"


@click.command()
@click.argument("id")
@click.option("--name", help="What people are to call it.")
@_role("--role", "The roles in the whole account, in the place of all that it has. Can be repeated.")
@_role("--add-role", "One more of these. Can be repeated.")
@_role("--remove-role", "One less of these. Can be repeated.")
@_team("--team", "The teams, in the place of all that it has. Can be repeated.")
@_team("--add-team", "One more. Can be repeated.")
@_team("--remove-team", "One less. Can be repeated.")
@_role("--team-role", "The roles in its teams, in the place of all that it has. Can be repeated.", TeamRole)
@_role("--add-team-role", "One more of these. Can be repeated.", TeamRole)
@_role("--remove-team-role", "One less of these. Can be repeated.", TeamRole)
@_unchecked("--unchecked-role", "Add an account role without checking its name. Can be repeated.")
@_unchecked("--unchecked-team-role", "Add a team role without checking its name. Can be repeated.")
@click.option("--comments", metavar="TEXT", help='New comments about the key; "" clears them.')
@yes
@dry_run
@output("table", "json")
@click.pass_obj
def update(session: Session, /, id: str, yes: bool, dry_run: bool, output: str | None, **changes: Any) -> None:
    """Change what the key ID is called and may do. Its token stays.

    The API replaces the whole definition of a key: it is read first, and what you do not mention stays as it is.
    """
    for part in ("role", "team", "team_role"):
        if changes[part] and (changes[f"add_{part}"] or changes[f"remove_{part}"]):
            option = part.replace("_", "-")
            message = (
                f"--{option} replaces all; --add-{option} and --remove-{option} change some: give one or the other"
            )
            raise click.UsageError(message)
    if not any(changes.values()) and changes["name"] is None and changes["comments"] is None:
        raise click.UsageError("what is to change? See --help")
    with session.client() as keys:
        key = keys.show(id)
        before, after = _definition(key), _changed(_definition(key), changes)
        sent = {**after, **_roles(key, after, changes)}
        changed = {field: value for field, value in sent.items() if after[field] != before[field]}
        # What cannot be sent need not be asked for.
        raise_if_invalid("update was not sent", problems_of(lambda dry: dry.edit(id, **changed), key))
        _show_changes(session, key, before, after)
        if dry_run:
            write_request(session, output, lambda dry: dry.edit(id, **changed), key)
            return
        if after == before:
            session.terminal.tell(f"{key.name} is so already; nothing was changed")
            write_key(session, output, key)
            return
        if not yes:
            ask(session, "Change it?")
            _look_again(keys, key)
        write_key(session, output, keys.edit(id, **changed))


def _look_again(keys: KeysClient, key: APIKey) -> None:
    if _definition(keys.show(key.id)) != _definition(key):
        raise click.ClickException(f"somebody has changed the key {key.id} meanwhile; look again. Nothing was changed.")


def _definition(key: APIKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "role_names": [role.name for role in key.roles],
        "team_ids": list(key.team_ids),
        "team_role_names": [role.name for role in key.team_roles],
        "comments": key.comments,
    }


def _roles(key: APIKey, after: dict[str, Any], changes: dict[str, Any]) -> dict[str, list[Role | str]]:
    """Return the roles to send. Existing and unchecked roles are `Role` objects, so that they are not checked."""
    trusted = {
        "role_names": {*(role.name for role in key.roles), *changes["unchecked_role"]},
        "team_role_names": {*(role.name for role in key.team_roles), *changes["unchecked_team_role"]},
    }
    return {
        field: [_unchecked_role(name) if name in names else name for name in after[field]]
        for field, names in trusted.items()
    }


def _changed(definition: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    after = {**definition, **{field: changes[field] for field in ("name", "comments") if changes[field] is not None}}
    if not after["comments"] and not definition["comments"]:
        after["comments"] = definition["comments"]  # None and "" are both no comments
    for part, field in (("role", "role_names"), ("team", "team_ids"), ("team_role", "team_role_names")):
        if changes[part]:
            after[field] = list(dict.fromkeys(changes[part]))
            continue
        absent = [each for each in changes[f"remove_{part}"] if each not in after[field]]
        if absent:
            raise click.UsageError(f"the key does not have {', '.join(absent)}: --remove-{part.replace('_', '-')}")
        kept = [each for each in after[field] if each not in changes[f"remove_{part}"]]
        after[field] = list(dict.fromkeys([*kept, *changes[f"add_{part}"]]))
    for part, field in (("role", "role_names"), ("team_role", "team_role_names")):
        after[field] = list(dict.fromkeys([*after[field], *changes[f"unchecked_{part}"]]))
    return after


def _show_changes(session: Session, key: APIKey, before: dict[str, Any], after: dict[str, Any]) -> None:
    session.terminal.tell(f"{key.name} ({key.id}):")
    for field in ("name", "comments"):
        if after[field] != before[field]:
            session.terminal.tell(f"  {field}: {before[field] or '(none)'} -> {after[field] or '(none)'}")
    for title, field in (("role", "role_names"), ("team", "team_ids"), ("team role", "team_role_names")):
        for each in before[field]:
            if each not in after[field]:
                session.terminal.tell(f"  - {title} {each}")
        for each in after[field]:
            if each not in before[field]:
                session.terminal.tell(f"  + {title} {each}")


@click.command()
@click.argument("id")
@yes
@dry_run
@output("table", "json")
@click.pass_obj
def delete(session: Session, id: str, yes: bool, dry_run: bool, output: str | None) -> None:
    """Delete the key ID for good. Its token stops working at once.

    You are asked for its name first.
    """
    if dry_run:
        write_request(session, output, lambda keys: keys.delete(id))
        return
    with session.client() as keys:
        key = keys.show(id)
        if not yes:
            # What cannot be typed, or would be by saying nothing, is not asked for.
            what, answer = ("name", key.name) if key.name == printable(key.name).strip() else ("ID", key.id)
            refuse_to_ask_nobody(session)
            if session.terminal.ask(f"To delete {printable(key.name)} for good, type its {what}, {answer}") != answer:
                raise click.ClickException(f"that is not its {what}; nothing was deleted")
            _look_again(keys, key)
        keys.delete(id)
    session.terminal.tell(f"deleted {key.name} ({key.id})")
