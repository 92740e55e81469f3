"""Token storage: saves each token that the API issues, and loses none.

`create_into` and `rotate_into` save the issued token in a token store. `resume` completes what a process left pending
that ended in between. `find_orphans` and `recover_orphan` handle a create whose response was lost. `due` and
`rotate_due` rotate keys whose token is too old. All of them take a sync or an async client; await the result of the
latter. Token storage needs a POSIX system.
"""

try:
    import fcntl  # noqa: F401 - for a message that says more than the failure of an inner import
except ImportError:
    raise ImportError("incident_io_keys.storage needs a POSIX system; this one has no fcntl") from None

from ._command_store import CommandStore
from ._creation import create_into
from ._dotenv_store import DotenvStore
from ._due import Age, due, time_ago
from ._errors import (
    AmbiguousOrphanError,
    KeyBusyError,
    PendingOperationError,
    StorageError,
    StoreUnavailableError,
    TokenNotStoredError,
)
from ._file_store import FileStore
from ._keyring_store import KeyringStore
from ._orphans import can_manage_keys, find_orphans, recover_orphan
from ._resume import ResumeResult, pending_operations, resume
from ._rotate_due import Progress, RotationResult, rotate_due
from ._rotation import rotate_into
from ._store import TokenStore

__all__ = [
    "Age",
    "AmbiguousOrphanError",
    "CommandStore",
    "DotenvStore",
    "FileStore",
    "KeyBusyError",
    "KeyringStore",
    "PendingOperationError",
    "Progress",
    "ResumeResult",
    "RotationResult",
    "StorageError",
    "StoreUnavailableError",
    "TokenNotStoredError",
    "TokenStore",
    "can_manage_keys",
    "create_into",
    "due",
    "find_orphans",
    "pending_operations",
    "recover_orphan",
    "resume",
    "rotate_due",
    "rotate_into",
    "time_ago",
]
