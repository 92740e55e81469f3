"""An example of a service that uses the client: it rotates tokens that are too old, and keeps the new ones in files.

It takes its token from INCIDENT_API_KEY and the API's URL from INCIDENT_ENDPOINT, as the client does by itself.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from incident_io_keys import IncidentIOError, KeysClient, PermissionDeniedError, Token

TOO_OLD = timedelta(days=90)


def rotate_old_tokens(keys: KeysClient, directory: Path, now: datetime) -> list[str]:
    """Rotate what is too old.

    Args:
        keys: A client of the API.
        directory: Where the new tokens go, each into a file that is named after its key's ID.
        now: What time it is.

    Returns:
        A line for each key that was too old.
    """
    lines = []
    for key in list(keys.list()):
        age = now - key.token_last_issued_at
        if age < TOO_OLD:
            continue
        try:
            issued = keys.rotate(key.id, grace_period_minutes=60)
        except PermissionDeniedError:
            lines.append(f"{key.name}: may do more than this service, and was left alone")
        except IncidentIOError as error:
            state = "was perhaps rotated: look at it" if error.may_have_applied else "was not rotated"
            lines.append(f"{key.name}: {state}")
        else:
            store(directory / key.id, issued.token)
            lines.append(f"{key.name}: rotated after {age.days} days")
    return lines


def store(path: Path, token: Token) -> None:
    """Write a token into a file that is its owner's alone."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token.reveal())


def main() -> int:
    """Rotate what is too old, and say what became of it."""
    with KeysClient() as keys:
        lines = rotate_old_tokens(keys, Path(sys.argv[1]), datetime.now(UTC))
    print("\n".join(lines) or "nothing to do")
    return 0


if __name__ == "__main__":
    sys.exit(main())
