"""`audit`: the review of all keys."""

from __future__ import annotations

import click

from incident_io_keys_generated.models import AccountRole, TeamRole

from ._audit import POWERFUL, Review, Severity
from ._filters import limit_ago, refuse_unknown_roles, roles_of
from ._reading import all_keys
from ._reports import REPORTS
from ._session import Session, completed, now
from ._terminal import counted

_SEVERITIES = [severity.word for severity in sorted(Severity, reverse=True)]


@click.command()
@click.option(
    "--older-than", default="90 days", show_default=True, metavar="AGE", help="From which age on a token is old."
)
@click.option(
    "--unused-for",
    default="90 days",
    show_default=True,
    metavar="AGE",
    help="Report keys created at least this long ago and not used since.",
)
@click.option(
    "--powerful-role",
    multiple=True,
    metavar="ROLE",
    shell_complete=completed(AccountRole, TeamRole),
    help="A role that only few keys should have, in the place of the usual list. Can be repeated.",
)
@click.option(
    "--accept",
    multiple=True,
    metavar="ID",
    help="A key whose roles and creator are as they should be: told as info. Can be repeated.",
)
@click.option(
    "--fail-on",
    type=click.Choice(_SEVERITIES),
    help="Exit with 1 if there is a finding of this severity or a higher one.",
)
@click.option(
    "--output",
    type=click.Choice(list(REPORTS)),
    help="What to write; by default a table on a terminal, JSON elsewhere. html is one file with all in it.",
)
@click.pass_obj
def audit(
    session: Session,
    older_than: str,
    unused_for: str,
    powerful_role: tuple[str, ...],
    accept: tuple[str, ...],
    fail_on: str | None,
    output: str | None,
) -> int:
    """Review all keys that you may see.

    \b
    old-token        medium; high if twice as old, or with a powerful role
    unused-key       low; medium with a powerful role
    powerful-role    high in the account, medium in teams
    made-by-key      low
    unknown-role     low: a role that this version does not know
    no-roles         low
    name-used-twice  low
    head-room        medium with 90 % of the keys that can be, high with 98 %
    """  # noqa: D301 - click's mark of a paragraph that stays as it is
    instant = now()
    review = Review(
        now=instant,
        limit=limit_ago(older_than, instant),
        older_than=older_than,
        unused_since=limit_ago(unused_for, instant, "unused_for"),
        unused_for=unused_for,
        powerful=frozenset(powerful_role or map(str, POWERFUL)),
        accepted=frozenset(accept),
    )
    with session.client() as client:
        keys = all_keys(session, client)
    refuse_unknown_roles(session.terminal, powerful_role, roles_of(keys))
    report = review.report(keys, session.endpoint)
    for unseen in sorted(review.accepted - {key.id for key in keys}):
        session.terminal.tell(f"--accept {unseen}: there is no such key")
    REPORTS[session.format(output)](report, session.terminal)
    if fail_on is None:
        return 0
    worst = [finding for finding in report.findings if finding.severity >= Severity[fail_on.upper()]]
    if worst:
        session.terminal.tell(f"audit: {counted(len(worst), 'finding')} of severity {fail_on} or higher")
    return 1 if worst else 0
