"""The main job, start to end: create the key of the API's own example, list all keys, rotate it, delete it.

Run it as scripts/demo.

It talks to the mock, over a socket of this machine; nothing leaves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from incident_io_keys import AccountRole, APIKey, KeysClient, NotFoundError, TeamRole
from incident_io_keys.testing import MockAPI

COLUMNS = ("NAME", "ID", "ROLES", "TEAM ROLES", "CREATED BY", "TOKEN ISSUED")


def main() -> None:
    mock = MockAPI()
    with mock.serve() as server, KeysClient(mock.token, base_url=server.url) as keys:
        print(f"The mock listens on {server.url}\n")
        for number in range(1, 7):
            keys.create(name=f"deploy bot {number}", role_names=[AccountRole.VIEWER])

        issued = keys.create(
            name="My test API key",
            role_names=[AccountRole.VIEWER, "incident_creator"],
            team_ids=["01FCNDV6P870EA6S7TK1DSYDG0"],
            team_role_names=[TeamRole.SCHEDULES_EDITOR],
        )
        print(f"Created {issued.api_key.name!r}: {issued.api_key.id}")
        print(f"Its token, which does not show itself: {issued.token}\n")

        pages = [page.keys for page in keys.list(page_size=3).pages()]
        rows = [row(key) for page in pages for key in page]
        print(table([COLUMNS, *rows]))
        print(f"\n{len(rows)} keys on {len(pages)} pages\n")

        rotated = keys.rotate(issued.api_key.id, grace_period_minutes=30)
        print(f"Rotated {rotated.api_key.name!r}: {rotated.token}; the previous token works for 30 minutes more")
        keys.delete(issued.api_key.id)
        try:
            keys.show(issued.api_key.id)
        except NotFoundError as error:
            print(f"Deleted it, so that now:\n\n{error}")


def row(key: APIKey) -> Sequence[str]:
    creator = key.creator.user or key.creator.api_key
    names = [role.name for role in key.roles]
    return (
        key.name,
        key.id,
        ", ".join(names) if len(names) < 3 else f"{len(names)} roles",
        ", ".join(role.name for role in key.team_roles) or "-",
        creator.name if creator else "-",
        f"{key.token_last_issued_at:%Y-%m-%d %H:%M}",
    )


def table(rows: Iterable[Sequence[str]]) -> str:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)


if __name__ == "__main__":
    main()
