"""`create --interactive`: asks for what a key is to be, and where its token goes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from rich.table import Table
from rich.text import Text

from incident_io_keys_generated import contract
from incident_io_keys_generated.models import AccountRole, TeamRole

from .._validation import check_text
from ..errors import Problem
from ..roles import parse_roles
from ._destinations import check_place
from ._errors import translated
from ._session import DESCRIPTIONS, Session, in_order

RoleT = TypeVar("RoleT", AccountRole, TeamRole)

# Given in the dashboard only, so that there is nothing to pick.
_NOT_HERE: Final = {AccountRole.API_KEYS_MANAGE.value, TeamRole.API_KEYS_MANAGE.value}


def ask_for_a_key(
    session: Session, given: dict[str, Any], into: dict[str, Any], *, force: bool, show_token: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ask for what the options do not say.

    Returns:
        The definition of the key, and where its token goes.

    Raises:
        UsageError: There is nobody to ask.
    """
    if not session.terminal.can_ask:
        raise click.UsageError("--interactive needs a terminal")
    name = given["name"] or _ask_name(session)
    roles = given["role_names"] or _ask_roles(session, "account", AccountRole)
    teams, team_roles = given["team_ids"], given["team_role_names"]
    if not teams and not team_roles:
        teams = session.terminal.ask("Teams in which it has further roles (IDs, or nothing)").replace(",", " ").split()
    while teams and not team_roles:
        team_roles = _ask_roles(session, "teams", TeamRole)
        if not team_roles:
            session.terminal.tell("a key with teams needs at least one role in them")
    definition = {"name": name, "role_names": roles, "team_ids": teams, "team_role_names": team_roles}
    definition["comments"] = given["comments"] or session.terminal.ask("Comments (or nothing)") or None
    if not show_token and not any(into.values()):
        into = {**into, "token_file": _ask_file(session, force=force)}
    return definition, into


def _ask_name(session: Session) -> str:
    while True:
        problems: list[Problem] = []
        name = check_text(
            *("name", session.terminal.ask("Name of the key"), problems),
            low=contract.API_KEY_DEFINITION_NAME_MIN_LENGTH,
            high=contract.API_KEY_DEFINITION_NAME_MAX_LENGTH,
        )
        if not problems:
            return name
        session.terminal.tell(problems[0])


def _ask_roles(session: Session, where: str, kind: type[RoleT]) -> Sequence[RoleT]:
    names = [name for name in in_order(kind) if name not in _NOT_HERE]
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(min_width=max(map(len, names)))
    for number, name in enumerate(names, 1):
        table.add_row(str(number), Text(name), Text(DESCRIPTIONS[kind].get(name, ""), "dim"))
    session.terminal.err.print(table)
    while True:
        answer = session.terminal.ask(f"Roles in the {where} (numbers or names, or nothing)").replace(",", " ").split()
        chosen = [names[int(each) - 1] if _is_number(each, len(names)) else each for each in answer]
        problems: list[Problem] = []
        roles = parse_roles(where, chosen, kind, problems)
        if not problems:
            return list(dict.fromkeys(roles))
        for problem in problems:
            suggestion = " ".join(translated(session, problem.suggestion or ""))
            session.terminal.tell(problem.message + (f"; {suggestion}" if suggestion else ""))


def _is_number(text: str, most: int) -> bool:
    return text.isascii() and text.isdecimal() and 1 <= int(text) <= most


def _ask_file(session: Session, *, force: bool) -> Path:
    while True:
        text = session.terminal.ask("File for the token").strip()
        if not text:
            session.terminal.tell("enter the path of a file, or press Ctrl-C to cancel")
            continue
        path = Path(os.path.expanduser(text))  # noqa: PTH111 - which never fails
        problems: list[Problem] = []
        check_place(session, {"token_file": path}, problems, force=force)
        if not problems:
            return path
        session.terminal.tell(problems[0].message)
