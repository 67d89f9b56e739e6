"""A Secret in a VM pod, as the kubelet keeps it up to date, read without opening a path of the pod.

The stub opened the directory and QEMU inherited the descriptor; the agent copies it by the process's pidfd. The
kubelet writes each version into a directory of its own and renames the link `..data` to it. What stands in the link
is only followed when it names a directory beside it, files are opened without following links, and only what QEMU's
user may read is read. So whoever put another directory in its place learns nothing.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from kubevirt_py.api import names
from kubevirt_py.virt_handler.kernel import pidfd_getfd
from kubevirt_py.virt_handler.records import Kept

MAX_FILES = 256
MAX_BYTES = 1 << 20
"""A Secret holds no more."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def remember(pidfd: int, number: int) -> Kept:
    """What to know a descriptor of the stub by, later on. Raises OSError."""
    fd = pidfd_getfd(pidfd, number)
    try:
        found = os.fstat(fd)
    finally:
        os.close(fd)
    return Kept(number=number, device=found.st_dev, inode=found.st_ino)


@contextmanager
def opened(pidfd: int, kept: Kept) -> Iterator[int]:
    """The directory. Raises OSError when the process no longer has it."""
    fd = pidfd_getfd(pidfd, kept.number)
    try:
        found = os.fstat(fd)
        if (found.st_dev, found.st_ino) != (kept.device, kept.inode) or not stat.S_ISDIR(found.st_mode):
            raise OSError(f"descriptor {kept.number} of QEMU is not the Secret's directory any more")
        yield fd
    finally:
        os.close(fd)


def read(directory: int) -> dict[str, bytes]:
    """The Secret's keys and values. Raises OSError; also when the kubelet replaces it meanwhile."""
    version = os.readlink("..data", dir_fd=directory)
    if "/" in version or version in ("", ".", ".."):
        raise OSError(f"the Secret's directory has a strange version {version[:64]!r}")
    inner = os.open(version, _DIRECTORY, dir_fd=directory)
    try:
        _check_readable(version, os.fstat(inner))
        values, left = {}, MAX_BYTES
        for name in sorted(os.listdir(inner))[:MAX_FILES]:
            values[name] = _content(inner, name, left)
            left -= len(values[name])
        return values
    finally:
        os.close(inner)


def _content(directory: int, name: str, left: int) -> bytes:
    fd = os.open(name, _FILE, dir_fd=directory)
    try:
        found = os.fstat(fd)
        _check_readable(name, found)
        if not stat.S_ISREG(found.st_mode) or found.st_size > left:
            raise OSError(f"{name} of the Secret is not a file, or too large")
        return os.pread(fd, left, 0)
    finally:
        os.close(fd)


def _check_readable(name: str, found: os.stat_result) -> None:
    """Raises OSError where QEMU's user may not read what this process, as root, can."""
    if found.st_uid == names.QEMU_ID:
        allowed = stat.S_IRUSR
    else:
        allowed = stat.S_IRGRP if found.st_gid == names.QEMU_ID else stat.S_IROTH
    if not found.st_mode & allowed:
        raise OSError(f"{name} of the Secret is not for user {names.QEMU_ID}")
