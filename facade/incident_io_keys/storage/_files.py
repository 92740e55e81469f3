"""Files that outlive a crash: replaced as a whole, or not at all.

No local of these functions holds the content of a file: a traceback that shows locals would show the tokens in it.
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

# What a process leaves that is killed while it writes.
_PREFIX: Final = ".incident-io-keys-"
_SUFFIX: Final = ".tmp"
# Linux: beside its mode, a file can have a list of who may do what with it.
_LIST: Final = "system.posix_acl_access"
# In seconds: for how long a lock is waited for, and how often it is tried. Whoever has it needs some milliseconds.
_PATIENCE: Final = 10.0
_PAUSE: Final = 0.02


def replace(path: Path, content: Callable[[], bytes], *, mode: int, new: bool = False) -> None:
    """Put a new file in the place of one, so that a reader finds the one or the other, and so does one after a crash.

    Args:
        path: The file. Its owner and group stay what they are, and so does its list of who may do what with it if its
            mode stays.
        content: Gives what is to be in it.
        mode: What its rights are to be.
        new: Whether there may be no such file so far.

    Raises:
        OSError: It cannot be done. The file is as it was, unless only the last step failed, which keeps it for good.
    """
    with _temporary(path, content, mode) as temporary:
        if new:
            _put_new(temporary, path)
        else:
            temporary.replace(path)
    sync(path.parent)


def rehearse(path: Path, size: int, *, mode: int) -> None:
    """Do all that `replace` does, but for putting the new file in its place. What earlier processes left is removed.

    Args:
        path: The file.
        size: How many bytes it is to have.
        mode: What its rights are to be.

    Raises:
        OSError: It could not be replaced.
    """
    _remove_leftovers(path.parent)
    with _temporary(path, lambda: b"\0" * size, mode) as temporary:
        temporary.unlink()
        _refuse_mount_point(path, temporary)
    sync(path.parent)


def read(path: Path) -> bytes:
    """Give what is in a file.

    Raises:
        OSError: It cannot be read, or is no file: nobody may ever write to a named pipe.
    """
    with opened(path, os.O_RDONLY | os.O_NONBLOCK) as descriptor:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, "it is no regular file")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()


def sync(directory: Path) -> None:
    """Have the names in a directory outlive a crash."""
    with opened(directory, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
        _flush(descriptor)


@contextlib.contextmanager
def opened(path: Path, flags: int, mode: int = 0o600) -> Iterator[int]:
    """Open a file for the length of a `with` block."""
    descriptor = os.open(path, flags, mode)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def alone(path: Path, *, sleep: Callable[[float], object] = time.sleep) -> Iterator[None]:
    """Have a file to oneself for the length of a `with` block, among all who ask.

    Args:
        path: The file. What is locked is a hidden one beside it, which stays: not the file, which is replaced, nor its
            directory, which others may lock for reasons of their own.
        sleep: Waits for so many seconds.

    Raises:
        OSError: It cannot be locked, or somebody else has it all the time.
    """
    lock = path.with_name(f".{path.name}.incident-io-keys-lock")
    with opened(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK) as descriptor:
        with contextlib.suppress(FileNotFoundError, PermissionError):  # who has the file can have its lock too
            _give_to(_owner_of(path), descriptor)
        _lock(lock, descriptor, sleep)
        try:
            yield
        finally:
            # Closing it does not do if a process was forked meanwhile: that has it open too.
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def of_others(directory: Path) -> list[Path]:
    """One file in a directory for each owner and group that is not ours. Hidden files do not count."""
    found: dict[tuple[int, int], Path] = {}
    for path in directory.glob("[!.]*"):
        with contextlib.suppress(OSError):
            # A link is replaced as a file is, and not what it points to.
            kind = path.stat(follow_symlinks=False).st_mode
            if stat.S_ISREG(kind) or stat.S_ISLNK(kind):
                found[_owner_of(path)] = path
    found.pop((os.geteuid(), os.getegid()), None)
    return list(found.values())


def is_open_to(path: Path, rights: int) -> bool:
    """Whether others have some of these rights to a file, as in `stat.S_IROTH`."""
    return bool(stat.S_IMODE(path.stat().st_mode) & rights)


@contextlib.contextmanager
def _temporary(path: Path, content: Callable[[], bytes], mode: int) -> Iterator[Path]:
    descriptor, temporary = _begun(path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            # Until all of it is there, nobody else can open it, whatever umask or list the directory has.
            _drop_list(descriptor)
            os.fchmod(descriptor, stat.S_IRUSR | stat.S_IWUSR)
            file.write(content())
            file.flush()
            _flush(descriptor)
            _give_rights(path, descriptor, mode)
            _flush(descriptor)
            yield temporary
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _put_new(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # not every file system has links
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        temporary.replace(path)
    else:
        temporary.unlink()


def _flush(descriptor: int) -> None:
    os.fsync(descriptor)
    # macOS: fsync ends at the disk, which may keep it in a memory of its own.
    if hasattr(fcntl, "F_FULLFSYNC"):
        with contextlib.suppress(OSError):  # not every file system can do that
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)


def _give_rights(path: Path, descriptor: int, mode: int) -> None:
    try:
        old = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        os.fchmod(descriptor, mode)
        return
    # The owner first: the mode may give rights to a group, which until then is ours.
    _give_to((old.st_uid, old.st_gid), descriptor)
    if stat.S_IMODE(old.st_mode) == mode:
        _copy_list(path, descriptor)
    os.fchmod(descriptor, mode)


def _owner_of(path: Path) -> tuple[int, int]:
    found = path.stat(follow_symlinks=False)
    return found.st_uid, found.st_gid


def _give_to(owner: tuple[int, int], descriptor: int) -> None:
    found = os.fstat(descriptor)
    if owner != (found.st_uid, found.st_gid):
        os.fchown(descriptor, *owner)


def _drop_list(descriptor: int) -> None:
    if hasattr(os, "removexattr"):
        try:
            os.removexattr(descriptor, _LIST)
        except OSError as error:
            if not _says_that_there_is_none(error):
                raise


def _copy_list(path: Path, descriptor: int) -> None:
    if hasattr(os, "getxattr"):
        try:
            rights = os.getxattr(path, _LIST, follow_symlinks=False)
        except OSError as error:
            if not _says_that_there_is_none(error):
                raise
        else:
            os.setxattr(descriptor, _LIST, rights)


def _says_that_there_is_none(error: OSError) -> bool:
    return error.errno in (errno.ENODATA, errno.ENOTSUP)


def _refuse_mount_point(path: Path, spare: Path) -> None:
    # A file that is mounted on its own, as a container's may be, cannot be replaced. A link to it says so: its other
    # failures (a file system without links, a file of somebody else's) say nothing.
    try:
        os.link(path, spare, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise OSError(errno.EBUSY, "it is mounted on its own: mount its directory instead") from None
    else:
        spare.unlink(missing_ok=True)  # another process may have taken it for a leftover


def _begun(directory: Path) -> tuple[int, Path]:
    while True:
        descriptor, name = tempfile.mkstemp(_SUFFIX, _PREFIX, directory)
        try:
            # The lock says that somebody writes it. Who removes leftovers may have come before it.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            os.close(descriptor)
            Path(name).unlink()
            raise
        if os.fstat(descriptor).st_nlink:
            return descriptor, Path(name)
        os.close(descriptor)


def _lock(path: Path, descriptor: int, sleep: Callable[[float], object]) -> None:
    for _ in range(round(_PATIENCE / _PAUSE)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sleep(_PAUSE)
        else:
            return
    message = f"somebody else has {path} locked for more than {_PATIENCE:g} s: see who that is (fuser {path})"
    raise TimeoutError(errno.ETIMEDOUT, message)


def _remove_leftovers(directory: Path) -> None:
    for path in directory.glob(f"{_PREFIX}*{_SUFFIX}"):
        # Gone by now, somebody's who writes it, or of another user.
        with contextlib.suppress(OSError), opened(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
