"""Rotates API keys whose token is older than 90 days. An example of a service that uses incident-io-keys.

    python janitor.py DIRECTORY OWN_KEY_ID

DIRECTORY contains a file for each key, named by the key's ID, with the key's token. Programs read their tokens there
with `file_token`. Only keys with a file are rotated: a program that has its token from elsewhere would lose access.

Installation: create DIRECTORY with mode 0700. Write the token of the service's own key, OWN_KEY_ID, to its file with
mode 0600. That key needs the role `api_keys_manage` and all roles of the keys that it rotates. The service reads its
own token from that file, and rotates its own key last.

Run the service every day. If a run fails, run it again within the grace period, to complete what the first run began:
in systemd with `Restart=on-failure` and `RestartSec=10min`, in Kubernetes with `restartPolicy: OnFailure`. After the
grace period, the service's own token may have expired, and an operator has to install a new one.
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Final

from incident_io_keys import IncidentIOError, KeysClient, file_token
from incident_io_keys.storage import FileStore, resume, rotate_due

MAX_AGE: Final = "90 days"
GRACE_PERIOD_MINUTES: Final = 60  # the API's maximum


def rotate_old_tokens(client: KeysClient, store: FileStore, own_id: str, *, now: datetime | None = None) -> bool:
    """Complete what earlier runs began, then rotate the keys that are due. Print a line for each key.

    Args:
        client: A client that reads its token from the file of the service's own key.
        store: The files with the tokens.
        own_id: The ID of the service's own key.
        now: The current time. Default: the time of this machine.

    Returns:
        True if the store has the new token of every key that was due.
    """
    resumed = resume(client, store, now=now)
    for left in resumed:
        print_line(left.key_id or str(left.entry), left.name, left.status, left.hint)
    pending = [left.key_id for left in resumed if left.status == "pending"]
    rotated = rotate_due(
        client,
        store,
        older_than=MAX_AGE,
        now=now,
        where=lambda key: key.id not in pending and store.load(key.id) is not None,
        caller=own_id,
        include_caller=True,
        grace_period_minutes=GRACE_PERIOD_MINUTES,
        progress=lambda result, *_: print_line(result.key.id, result.key.name, result.status, result.reason),
    )
    return not pending and all(result.status == "rotated" for result in rotated)


def print_line(key_id: str, name: str | None, status: str, reason: str | None) -> None:
    """Print what happened to a key, in one line even if the reason has several. A reason never contains a token."""
    line = f"{key_id} {name!r}: {status}" + (f": {reason}" if reason else "")
    print(*line.split(), flush=True)


def main() -> int:
    """Run once, and return the exit code."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    store, own_id = FileStore(sys.argv[1]), sys.argv[2]
    try:
        with KeysClient(file_token(store.path(own_id))) as client:
            return 0 if rotate_old_tokens(client, store, own_id) else 1
    except IncidentIOError as error:
        print(f"janitor: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
