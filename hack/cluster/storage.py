"""Loop devices behind raw block volumes."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from hack.cluster.plan import Cluster
from hack.cluster.processes import run

LOOP_DEVICES = 64


def ensure_loop_devices() -> None:
    """Device files for loop devices: where /dev is not kept by the kernel, losetup finds no more than there are files."""
    if not Path("/dev/loop-control").exists() or "devtmpfs /dev " in Path("/proc/mounts").read_text():
        return
    for minor in range(LOOP_DEVICES):
        path = f"/dev/loop{minor}"
        if not os.path.exists(path):
            os.mknod(path, 0o660 | stat.S_IFBLK, os.makedev(7, minor))


def release(cluster: Cluster) -> None:
    """Detach every loop device on a file of this cluster, and the ones stacked on those."""
    while mine := _attached(cluster.state):
        for device in reversed(mine):
            run(["losetup", "--detach", device])


def _attached(folder: Path) -> list[str]:
    listed = run(["losetup", "--list", "--json", "--output", "NAME,BACK-FILE"])
    devices = json.loads(listed)["loopdevices"] if listed.strip() else []
    found: list[str] = []
    before = -1
    while before != len(found):
        before = len(found)
        for device in devices:
            backing = (device["back-file"] or "").removesuffix(" (deleted)")
            if device["name"] not in found and (backing.startswith(f"{folder}/") or backing in found):
                found.append(device["name"])
    return found
