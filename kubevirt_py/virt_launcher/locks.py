"""Whether another machine has a file, also on another node where the storage has locks.

QEMU looks as well, but ends without a word to the user. The node's agent has compared its own machines before.
"""

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
    """Raise Refused for a disk, or an image below one, that others have without sharing it."""
    for step in steps:
        role, _, volume = step["name"].partition(".")
        if role not in ("disk", "base") or not volume:
            continue
        minds = {WRITES: not step.get("shareable"), BEARS_NO_WRITER: not step.get("read_only")}
        if any(locked(table[step["name"]], byte) for byte in minds if minds[byte]):
            raise Refused(
                f"the disk of volume {volume} is in use by another machine; "
                "stop that one, or set shareable: true on this disk in both"
            )
