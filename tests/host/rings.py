"""io_uring on this host: whether it may be used, and how much a process used it."""

from __future__ import annotations

import ctypes
import errno
import os
import re
from pathlib import Path

_IO_URING_SETUP = 425


def io_uring_works() -> bool:
    """Whether the system call gets as far as its arguments, which are bad."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.syscall(_IO_URING_SETUP, 1, None) == -1
    return ctypes.get_errno() == errno.EFAULT


def submitted(pid: int) -> int:
    """Requests that all rings of a process have taken so far."""
    found = 0
    for entry in os.scandir(f"/proc/{pid}/fd"):
        if os.readlink(entry.path) == "anon_inode:[io_uring]":
            told = Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text()
            found += int(re.findall(r"^SqTail:\s*(\d+)", told, re.MULTILINE)[0])
    return found
