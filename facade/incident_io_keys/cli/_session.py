"""What one run of the command has in its hands."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from attrs import define, field
from click.shell_completion import CompletionItem

from incident_io_keys_generated import contract
from incident_io_keys_generated.models import AccountRole, TeamRole

from ..client import KeysClient
from ..tokens import Token
from ._terminal import Terminal

if TYPE_CHECKING:
    from ..storage import TokenStore

F = TypeVar("F", bound=Callable[..., Any])

DESCRIPTIONS: Final[dict[type[AccountRole | TeamRole], dict[str, str]]] = {
    AccountRole: contract.ACCOUNT_ROLE_DESCRIPTIONS,
    TeamRole: contract.TEAM_ROLE_DESCRIPTIONS,
}

_USER_AGENT: Final = "incident-io-keys-cli"


@define
class Session:
    """One run of the command.

    Attributes:
        terminal: Where it writes.
        store: Where it brings a token, once that is known.
        place: The options that say so.
        under_way: What to do if this run ends now, and nobody writes down what it was at.
        in_hand: A token that is on its way to standard output.
    """

    terminal: Terminal = field(factory=Terminal)
    store: TokenStore | None = None
    place: str = ""
    under_way: str | None = None
    in_hand: Token | None = None

    def client(self) -> KeysClient:
        """A client of what the environment says."""
        return KeysClient(user_agent=_USER_AGENT)

    @property
    def endpoint(self) -> str:
        """Where the keys are: the name of the host, and its port if that is not the usual one."""
        import httpx

        from .._config import URL_VARIABLE

        return httpx.URL(os.environ.get(URL_VARIABLE) or contract.SERVER).netloc.decode()

    @property
    def resume(self) -> str:
        """The command that finishes what this run leaves."""
        return f"incident-io-keys resume {self.place}".rstrip()

    def format(self, wanted: str | None) -> str:
        """The form of what is written: as it was asked for, or what suits who reads it."""
        return wanted or ("table" if self.terminal.shows_tables else "json")


def now() -> datetime:
    """What time it is."""
    return datetime.now(UTC)


def ask(session: Session, question: str) -> None:
    """Ask whether to do it.

    Raises:
        ClickException: It is not to be done, or there is nobody to ask.
    """
    refuse_to_ask_nobody(session)
    if not session.terminal.confirms(question):
        raise click.ClickException("nothing was changed")


def refuse_to_ask_nobody(session: Session) -> None:
    """See that there is somebody who could answer.

    Raises:
        UsageError: There is not.
    """
    if not session.terminal.can_ask:
        raise click.UsageError("there is no terminal to ask at; --yes does it without")


dry_run = click.option("--dry-run", is_flag=True, help="Print what would be sent, and change nothing.")
yes = click.option("--yes", is_flag=True, help="Do not ask.")


def output(*formats: str) -> Callable[[F], F]:
    """The option that says in which form the answer is written."""
    return click.option(
        "--output",
        "output",
        type=click.Choice(formats),
        help="What to write; by default a table on a terminal, JSON elsewhere. With json, errors are JSON too.",
    )


class NonEmptyPath(click.Path):
    """A click type for paths that rejects an empty value, which an unset shell variable gives."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the value as a path."""
        if not value:
            self.fail("the path is empty; is a shell variable unset?", param, ctx)
        return Path(value)


def completed(*kinds: type[AccountRole | TeamRole]) -> Callable[[Any, Any, str], list[CompletionItem]]:
    """Return the shell-completion callback of an option for roles."""
    words = {name: text for kind in reversed(kinds) for name, text in DESCRIPTIONS[kind].items()}
    names = in_order({role.value for kind in kinds for role in kind})
    items = [CompletionItem(name, help=words.get(name)) for name in names]
    return lambda _context, _parameter, begun: [item for item in items if item.value.startswith(begun)]


def in_order(names: Iterable[str]) -> list[str]:
    """Sort role names alphabetically, with `api_keys_manage` last."""
    return sorted(names, key=lambda name: (name == AccountRole.API_KEYS_MANAGE, name))


def filters(function: F) -> F:
    """The options that say which keys are meant, given to the function as one dictionary."""

    @functools.wraps(function)
    def wrapped(*args: Any, role: Any, team: Any, name: Any, **others: Any) -> Any:
        return function(*args, meant={"role": role, "team": team, "name": name}, **others)

    for option in (
        click.option(
            "--name", multiple=True, metavar="GLOB", help='Only keys with such a name: "deploy *". Can be repeated.'
        ),
        click.option(
            "--team", multiple=True, metavar="ID", help="Only keys of this team. Can be repeated: any of them."
        ),
        click.option(
            "--role",
            multiple=True,
            metavar="ROLE",
            shell_complete=completed(AccountRole, TeamRole),
            help="Only keys with this role. Can be repeated: any of these.",
        ),
    ):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]
