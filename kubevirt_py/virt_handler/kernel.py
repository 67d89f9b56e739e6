"""System calls that Python's library lacks."""

from __future__ import annotations

import ctypes
import os
import stat

_PIDFD_GETFD = 438
_IN_MOVED_TO = 0x80
_libc = ctypes.CDLL(None, use_errno=True)


def pidfd_getfd(pidfd: int, number: int) -> int:
    """A copy of another process's descriptor. Raises OSError: EBADF when it has none of this number."""
    return _checked(_libc.syscall(_PIDFD_GETFD, pidfd, number, 0))


def storage_identity(found: os.stat_result) -> tuple[int, int]:
    """What `DiskFile.identity` is, of an open file or block device. Each container has device nodes of its own."""
    return (found.st_rdev, 0) if stat.S_ISBLK(found.st_mode) else (found.st_dev, found.st_ino)


def watch_renames(directory: int) -> int:
    """A descriptor that is readable once something was renamed into the open directory. Raises OSError."""
    watch = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    try:
        _checked(_libc.inotify_add_watch(watch, f"/proc/self/fd/{directory}".encode(), _IN_MOVED_TO))
    except OSError:
        os.close(watch)
        raise
    return watch


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
