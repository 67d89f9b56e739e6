"""Loop devices behind raw block volumes."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.plan import Cluster
from hack.cluster.processes import run
from hack.cluster.progress import ClusterError

LOOP_DEVICES = 64


def ensure_loop_devices() -> None:
    """Make device files where the kernel does not keep /dev itself: losetup finds no more devices than files."""
    if not Path("/dev/loop-control").exists() or "devtmpfs /dev " in Path("/proc/mounts").read_text():
        return
    for minor in range(LOOP_DEVICES):
        path = f"/dev/loop{minor}"
        if not os.path.exists(path):
            os.mknod(path, 0o660 | stat.S_IFBLK, os.makedev(7, minor))


def release(cluster: Cluster) -> None:
    """Detach every loop device on a file of this cluster, and the ones the kubelets stacked on those."""
    deadline = time.monotonic() + 10
    while mine := of_folder(loop_devices(), cluster.state):
        for device in reversed(mine):
            run(["losetup", "--detach", device], check=False)
        if time.monotonic() > deadline:
            raise ClusterError(f"loop devices {', '.join(mine)} are still in use: see `losetup --list`")


@dataclass(frozen=True)
class LoopDevice:
    """An attached loop device: its file, and what identifies the file it stands on."""

    path: str
    identity: str
    backing_path: str
    backing_identity: str


def loop_devices() -> tuple[LoopDevice, ...]:
    """All attached loop devices of this machine."""
    listed = run(["losetup", "--list", "--json", "--output", "NAME,BACK-FILE,BACK-INO,BACK-MAJ:MIN"])
    found = []
    for device in json.loads(listed)["loopdevices"] if listed.strip() else ():
        status = os.stat(device["name"])
        identity = f"{os.major(status.st_dev)}:{os.minor(status.st_dev)} {status.st_ino}"
        backing_identity = f"{device['back-maj:min'].strip()} {device['back-ino']}"
        found.append(LoopDevice(device["name"], identity, device["back-file"] or "", backing_identity))
    return tuple(found)


def of_folder(devices: Sequence[LoopDevice], folder: Path) -> list[str]:
    """Paths of the loop devices on files below `folder`, lowest first, each followed by those on top of it. Pure.

    A kubelet attaches a further loop device to every block volume, through a path that exists in its node only: it is
    recognised by device and inode number.
    """
    bases = [device for device in devices if device.backing_path.startswith(f"{folder}/")]
    found: list[str] = []
    while bases:
        base = bases.pop()
        found.append(base.path)
        bases += [device for device in devices if device.backing_identity == base.identity]
    return found
