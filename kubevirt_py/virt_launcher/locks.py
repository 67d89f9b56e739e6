"""Whether another machine of this node has a disk. QEMU looks as well, but ends without a word to the user."""

from __future__ import annotations

import fcntl
import struct

from kubevirt_py.virt_launcher.files import Refused

WRITES, BEARS_NO_WRITER = 101, 201
"""The bytes of an image that a QEMU locks to say so (block/file-posix.c)."""
_FLOCK = "hhqqi4x"


def locked(fd: int, byte: int) -> bool:
    """Whether somebody else has a lock on this byte."""
    wanted = struct.pack(_FLOCK, fcntl.F_WRLCK, 0, byte, 1, 0)
    found: int = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_OFD_GETLK, wanted))[0]
    return found != fcntl.F_UNLCK


def check_unused(steps: list[dict], table: dict[str, int]) -> None:  # type: ignore[type-arg]
    """Raise Refused for a disk that the guest could write, and that others have without sharing it."""
    for step in steps:
        _, _, volume = step["name"].partition("disk.")
        if not volume or step.get("read_only"):
            continue
        bytes_of_others = (BEARS_NO_WRITER,) if step.get("shareable") else (WRITES, BEARS_NO_WRITER)
        if any(locked(table[step["name"]], byte) for byte in bytes_of_others):
            raise Refused(
                f"the disk of volume {volume} is in use by another machine on this node; "
                "stop that one, or set shareable: true on this disk in both"
            )
