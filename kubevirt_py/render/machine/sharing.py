"""Whether two machines of a node may have one disk at once, by QEMU's own rule: who writes meets only who shares."""

from __future__ import annotations

from collections.abc import Iterable

from kubevirt_py.plan import Key
from kubevirt_py.render.machine.disks import Disk
from kubevirt_py.render.machine.machine import Machine

UNKNOWN = (0, 0)
"""Identity of a file that nobody looked at; it is like no other."""


def conflicts(machine: Machine, namespace: str, others: Iterable[tuple[Key, Machine]]) -> dict[str, str]:
    """Volumes of `machine`, which is of this namespace, that others have and do not share: why, for its user."""
    found: dict[str, str] = {}
    for key, other in others:
        for disk in machine.disks:
            if any(_clash(disk, theirs) for theirs in other.disks):
                found.setdefault(disk.name, _words(disk.name, namespace, key))
    return found


def _clash(one: Disk, other: Disk) -> bool:
    if one.empty or other.empty or one.file.identity == UNKNOWN or one.file.identity != other.file.identity:
        return False
    return (not one.read_only and not other.shareable) or (not other.read_only and not one.shareable)


def _words(volume: str, namespace: str, holder: Key) -> str:
    """A machine of another namespace is none of the user's business."""
    who = f"machine {holder.name}" if holder.namespace == namespace else "another machine on this node"
    text = "stop that one, or set shareable: true on this disk in both"
    return f"the disk of volume {volume} is in use by {who}; {text}"
