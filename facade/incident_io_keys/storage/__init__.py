"""Storage of tokens: brings each token that the API issues to its place, and loses none on the way.

`create_into` and `rotate_into` bring a token to a store, `resume` finishes what a process left that died meanwhile,
`find_orphans` and `recover_orphan` find out what a create left whose answer was lost, and `due` and `rotate_due`
rotate the keys whose token is too old. All of them take the sync client or the async one; with the latter, await what
they return. Storage needs a POSIX system.
"""

try:
    import fcntl  # noqa: F401 - for a message that says more than what a module deep inside misses
except ImportError:
    raise ImportError("incident_io_keys.storage needs a POSIX system: this one has no fcntl") from None

from ._command_store import CommandStore
from ._due import Age, due
from ._errors import KeyBusyError, StorageError, StoreUnavailableError
from ._file_stores import DotenvStore, FileStore
from ._into import create_into, rotate_into
from ._keyring_store import KeyringStore
from ._orphans import find_orphans, recover_orphan
from ._resume import ResumeResult, resume
from ._rotate_due import Progress, RotationResult, rotate_due
from ._store import TokenStore

__all__ = [
    "Age",
    "CommandStore",
    "DotenvStore",
    "FileStore",
    "KeyBusyError",
    "KeyringStore",
    "Progress",
    "ResumeResult",
    "RotationResult",
    "StorageError",
    "StoreUnavailableError",
    "TokenStore",
    "create_into",
    "due",
    "find_orphans",
    "recover_orphan",
    "resume",
    "rotate_due",
    "rotate_into",
]
