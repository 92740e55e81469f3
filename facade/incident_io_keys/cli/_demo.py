"""`demo`: the main job, start to end, against the mock on a socket of this machine. Nothing leaves the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from incident_io_keys_generated.models import AccountRole, TeamRole

from ..client import KeysClient
from ..errors import NotFoundError
from ._session import Session, now

if TYPE_CHECKING:
    from ..testing import MockAPI

_DAY: Final = 86_400

# Keys as an organisation may have them: name, roles, and for how many days they have had their token.
_KEYS: Final = (
    ("status page publisher", (AccountRole.STATUS_PAGE_PUBLISHER,), 400),
    ("on-call sync", (AccountRole.SCHEDULES_READER, AccountRole.VIEWER), 130),
    ("catalog importer", (AccountRole.CATALOG_EDITOR,), 55),
    ("deploy bot", (AccountRole.VIEWER,), 12),
    ("alert router", (AccountRole.ESCALATION_CREATOR,), 3),
)


def mock_with_keys() -> MockAPI:
    """A mock of an organisation that has some keys."""
    from ..testing import MockAPI

    mock = MockAPI()
    for name, roles, days in _KEYS:
        mock.add_key(name, roles, age_seconds=days * _DAY)
    return mock


@click.command()
@click.pass_obj
def demo(session: Session) -> None:
    """Show the client at work: create a key, list all, rotate one, delete it.

    It talks to the mock, over a socket of this machine; nothing leaves it.
    """
    from ._tables import TableWriter

    say = session.terminal.say
    mock = mock_with_keys()
    with mock.serve() as server, KeysClient(mock.token, base_url=server.url) as keys:
        say([f"The mock listens on {server.url}", ""])
        issued = keys.create(
            name="My test API key",
            role_names=[AccountRole.VIEWER, AccountRole.INCIDENT_CREATOR],
            team_ids=["01FCNDV6P870EA6S7TK1DSYDG0"],
            team_role_names=[TeamRole.SCHEDULES_EDITOR],
        )
        say([f"Created {issued.api_key.name!r}: {issued.api_key.id}"])
        say([f"Its token, which does not show itself: {issued.token}", ""])

        writer, count, pages = TableWriter(session.terminal.out, now()), 0, 0
        for page in keys.list(page_size=3).pages():
            writer.write(page.keys)
            count, pages = count + len(page.keys), pages + 1
        say(["", f"{count} keys on {pages} pages", ""])

        rotated = keys.rotate(issued.api_key.id, grace_period_minutes=30)
        say([f"RotationResult {rotated.api_key.name!r}: {rotated.token}; the previous token works for 30 minutes more"])
        keys.delete(issued.api_key.id)
        try:
            keys.show(issued.api_key.id)
        except NotFoundError as error:
            say(["Deleted it, so that now:", "", *str(error).splitlines()])
