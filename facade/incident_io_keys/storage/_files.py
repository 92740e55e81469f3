"""Files that survive a crash: each is replaced as a whole, or not at all.

No local variable here holds the content of a file: a traceback that shows local variables would show its tokens.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

_PREFIX, _SUFFIX = ".incident-io-keys-", ".tmp"  # of temporary files
# The extended attribute that holds a file's access control list on Linux.
_ACL: Final = "system.posix_acl_access"
_LOCK_TIMEOUT: Final = 10.0  # seconds; a process holds a lock for some milliseconds
_LOCK_INTERVAL: Final = 0.02


def replace(path: Path, content: Callable[[], bytes], *, mode: int, new: bool = False) -> None:
    """Write a file atomically: a reader finds the old content or the new one, also after a crash.

    Args:
        path: The file. An existing one keeps its owner and group, and its access control list if its mode stays. One
            that root creates gets the owner and group of its directory.
        content: Returns the new content.
        mode: The new mode.
        new: Whether to fail if the file exists by then.

    Raises:
        OSError: The file is unchanged, unless only the last step, syncing its directory, failed.
    """
    with _temporary(path, content, mode) as temporary:
        if new and os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        temporary.replace(path)
    sync(path.parent)


def check_writable(path: Path, size: int, *, mode: int) -> None:
    """Raise OSError if `replace` would fail: do all of it except the replacement, with so many bytes."""
    remove_leftovers(path.parent)
    with spare(path, size, mode=mode) as temporary:
        _reject_mount_point(path, temporary)
    sync(path.parent)


@contextlib.contextmanager
def spare(path: Path, size: int, *, mode: int = 0o600) -> Iterator[Path]:
    """Hold a temporary file beside a path for the length of a `with` block, to reserve its space."""
    with _temporary(path, lambda: b"\0" * size, mode) as temporary:
        yield temporary
        temporary.unlink(missing_ok=True)


def remove_leftovers(directory: Path) -> None:
    """Remove the temporary files of killed processes."""
    for path in directory.glob(f"{_PREFIX}*{_SUFFIX}"):
        # It may be gone, in use, or another user's.
        with contextlib.suppress(OSError), _opened(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def read(path: Path) -> bytes:
    """Return the content of a regular file.

    Raises:
        OSError: It cannot be read, or is not a regular file. Reading a named pipe could block forever.
    """
    with _opened(path, os.O_RDONLY | os.O_NONBLOCK) as descriptor:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, "it is not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()


def sync(directory: Path) -> None:
    """Make the names in a directory survive a crash."""
    with _opened(directory, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
        _flush(descriptor)


def make_directory(path: Path) -> None:
    """Create a directory that only its owner can use, unless it exists. One of root's gets the owner of its parent."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not path.is_dir():
            raise
        return
    with _opened(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW) as descriptor:
        if not os.listdir(descriptor):  # noqa: PTH208 - else the parent's owner has moved another directory there
            _chown_as_root(path.parent, descriptor)
    sync(path.parent)


class Lock:
    """An exclusive lock on a file, which is created if it does not exist. It ends with the object, too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process = os.getpid()
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock; return False if another process or thread has it.

        Raises:
            OSError: The file cannot be locked, or has several names: it could be another user's file.
        """
        while True:
            self._descriptor, created = _open_or_create(self._path)
            with contextlib.ExitStack() as stack:
                stack.callback(self._close)
                if created:
                    os.fchmod(self._descriptor, stat.S_IRUSR | stat.S_IWUSR)  # whatever the umask
                    _chown_as_root(self._path.parent, self._descriptor)
                try:
                    fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
                links = os.fstat(self._descriptor).st_nlink
                if links > 1:
                    raise OSError(errno.EMLINK, f"the lock {self._path} has several hard links; remove it")
                if links:  # else the process that held the lock has removed the file
                    stack.pop_all()
                    return True

    def is_held(self) -> bool:
        """Return whether this object has the lock, and nobody removed its file."""
        return self._descriptor is not None and os.fstat(self._descriptor).st_nlink > 0

    def release(self, *, remove: bool = False) -> None:
        """Release the lock, and remove its file on request. A second call has no effect."""
        if self._descriptor is not None:
            try:
                if self._process == os.getpid():  # a forked child must not release the lock of its parent
                    if remove and self.is_held():
                        with contextlib.suppress(OSError):
                            self._path.unlink()
                    fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # a child forked in between has the descriptor too
            finally:
                self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        os.close(descriptor)  # type: ignore[arg-type]  # callers have checked it

    def __del__(self) -> None:
        self.release()


@contextlib.contextmanager
def file_lock(path: Path, *, sleep: Callable[[float], object] = time.sleep) -> Iterator[None]:
    """Hold a lock for a file for the length of a `with` block; wait for it if necessary.

    The lock is a hidden file beside the file, and stays: the file itself is replaced, and other programs may lock its
    directory.

    Raises:
        OSError: The lock cannot be used, or another process or thread holds it for too long.
    """
    name = path.parent / f".{path.name}.incident-io-keys-lock"
    lock = Lock(name)
    for _ in range(round(_LOCK_TIMEOUT / _LOCK_INTERVAL)):
        if lock.acquire():
            break
        sleep(_LOCK_INTERVAL)
    else:
        raise TimeoutError(errno.ETIMEDOUT, f"another process holds the lock {name}; `fuser {name}` prints its ID")
    try:
        yield
    finally:
        lock.release()


def foreign_owned(directory: Path) -> list[Path]:
    """Return one file of a directory for each owner and group that is not this process's. Ignores hidden files."""
    found: dict[tuple[int, int], Path] = {}
    for path in directory.glob("[!.]*"):
        with contextlib.suppress(OSError):
            status = path.stat(follow_symlinks=False)
            # `replace` replaces a link, and not its target.
            if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
                found[status.st_uid, status.st_gid] = path
    found.pop((os.geteuid(), os.getegid()), None)
    return list(found.values())


def is_planted(path: Path) -> bool:
    """Return whether a member of its directory's group, and neither this user nor the directory's owner, owns a path.

    It keeps its owner, who could read what this process writes.
    """
    parent = path.parent.stat()
    owners = {os.geteuid(), parent.st_uid}
    return bool(parent.st_mode & stat.S_IWGRP) and path.exists() and path.stat().st_uid not in owners


def has_mode_bits(path: Path, rights: int) -> bool:
    """Return whether a file's mode has some of these bits, such as `stat.S_IROTH`."""
    return bool(stat.S_IMODE(path.stat().st_mode) & rights)


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open_or_create(path: Path) -> tuple[int, bool]:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    while True:
        with contextlib.suppress(FileExistsError):
            return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600), True
        with contextlib.suppress(FileNotFoundError):  # removed since
            return os.open(path, flags), False


@contextlib.contextmanager
def _temporary(path: Path, content: Callable[[], bytes], mode: int) -> Iterator[Path]:
    descriptor, temporary = _make_temporary(path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            # Until it is complete, nobody else can open it, whatever the directory's default ACL.
            with _no_acl():
                os.removexattr(descriptor, _ACL)
            os.fchmod(descriptor, stat.S_IRUSR | stat.S_IWUSR)
            file.write(content())
            file.flush()
            _flush(descriptor)
            _copy_rights(path, descriptor, mode)
            _flush(descriptor)
            yield temporary
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _make_temporary(directory: Path) -> tuple[int, Path]:
    while True:
        descriptor, name = tempfile.mkstemp(_SUFFIX, _PREFIX, directory)
        try:
            # The lock says that a process is writing the file. `remove_leftovers` may have removed it before that.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except BaseException:
            os.close(descriptor)
            Path(name).unlink(missing_ok=True)
            raise
        if os.fstat(descriptor).st_nlink:
            return descriptor, Path(name)
        os.close(descriptor)


def _flush(descriptor: int) -> None:
    os.fsync(descriptor)
    # On macOS, fsync leaves the data in the cache of the disk.
    if hasattr(fcntl, "F_FULLFSYNC"):
        with contextlib.suppress(OSError):  # not every file system supports it
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)


def _copy_rights(path: Path, descriptor: int, mode: int) -> None:
    try:
        old = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        _chown_as_root(path.parent, descriptor)
    else:
        # The owner first: until then, the mode would give rights to this process's group.
        _chown_like(old, descriptor)
        acl = b""
        if stat.S_IMODE(old.st_mode) == mode:
            with _no_acl():
                acl = os.getxattr(path, _ACL, follow_symlinks=False)
        if acl:
            os.setxattr(descriptor, _ACL, acl)
    os.fchmod(descriptor, mode)


def _chown_as_root(directory: Path, descriptor: int) -> None:
    """Give a new file to its directory's owner, who could not use a file of root's."""
    if os.geteuid() == 0:
        _chown_like(directory.stat(), descriptor)


def _chown_like(like: os.stat_result, descriptor: int) -> None:
    found = os.fstat(descriptor)
    if (like.st_uid, like.st_gid) != (found.st_uid, found.st_gid):
        os.fchown(descriptor, like.st_uid, like.st_gid)


@contextlib.contextmanager
def _no_acl() -> Iterator[None]:
    """Ignore that a file, a file system or, like macOS, a system has no such access control list."""
    try:
        yield
    except AttributeError:
        pass
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.ENOTSUP):
            raise


def _reject_mount_point(path: Path, temporary: Path) -> None:
    # A file that is mounted on its own, as in a container, cannot be replaced. Linking it fails with EXDEV then. Other
    # errors do not matter: not every file system has hard links.
    temporary.unlink()
    try:
        os.link(path, temporary, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise OSError(errno.EBUSY, "it is a mount point; mount its directory instead") from None
    else:
        temporary.unlink(missing_ok=True)  # another process may have removed it as a leftover
