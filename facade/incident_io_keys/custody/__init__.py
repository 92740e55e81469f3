"""Custody of tokens: brings each token that the API issues to its place, and loses none on the way.

Keepers are the places that tokens go to. Custody needs a POSIX system.
"""

try:
    import fcntl  # noqa: F401 - for a message that says more than what a module deep inside misses
except ImportError:
    raise ImportError("incident_io_keys.custody needs a POSIX system: this one has no fcntl") from None

from ._command_keeper import CommandKeeper
from ._errors import BusyError, CustodyError, KeeperError
from ._file_keepers import EnvFileKeeper, FileKeeper
from ._keeper import Keeper
from ._keyring_keeper import KeyringKeeper

__all__ = [
    "BusyError",
    "CommandKeeper",
    "CustodyError",
    "EnvFileKeeper",
    "FileKeeper",
    "Keeper",
    "KeeperError",
    "KeyringKeeper",
]
