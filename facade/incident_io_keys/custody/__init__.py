"""Custody of tokens: brings each token that the API issues to its place, and loses none on the way.

`create_into` and `rotate_into` bring a token to a keeper, `resume` finishes what a process left that died meanwhile,
`find_created` and `recover_created` find out what a create left whose answer was lost, and `due` and `rotate_due`
rotate the keys whose token is too old. All of them take the sync client or the async one; with the latter, await what
they return. Custody needs a POSIX system.
"""

try:
    import fcntl  # noqa: F401 - for a message that says more than what a module deep inside misses
except ImportError:
    raise ImportError("incident_io_keys.custody needs a POSIX system: this one has no fcntl") from None

from ._command_keeper import CommandKeeper
from ._created import find_created, recover_created
from ._due import Age, due
from ._errors import BusyError, CustodyError, KeeperError
from ._file_keepers import EnvFileKeeper, FileKeeper
from ._into import create_into, rotate_into
from ._keeper import Keeper
from ._keyring_keeper import KeyringKeeper
from ._resume import Resumed, resume
from ._rotate_due import Progress, Rotated, rotate_due

__all__ = [
    "Age",
    "BusyError",
    "CommandKeeper",
    "CustodyError",
    "EnvFileKeeper",
    "FileKeeper",
    "Keeper",
    "KeeperError",
    "KeyringKeeper",
    "Progress",
    "Resumed",
    "Rotated",
    "create_into",
    "due",
    "find_created",
    "recover_created",
    "resume",
    "rotate_due",
    "rotate_into",
]
