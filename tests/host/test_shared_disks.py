"""One disk and two machines of a node: who comes second is refused in words, whenever it comes."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
from pathlib import Path

from kubevirt_py.plan import Document, Key
from tests.host.agentlab import FakePod, Node, needs_qemu, place, vmi

pytestmark = needs_qemu
WRITES = 101
"""The byte that a QEMU locks which writes to an image."""


def _machine(lab: Node, image: Path, name: str) -> tuple[Key, FakePod]:
    """A machine whose claim "data" has this image: its storage is mounted in a place of its own in each pod."""
    disks = [{"name": disk, "disk": {"bus": "virtio"}} for disk in ("root", "data")]
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    key, pod = place(lab, vmi(name, devices={"disks": disks}, volumes=volumes), device=name)
    folder = pod.folder / "private/vmi-disks/data"
    folder.mkdir(parents=True)
    os.link(image, folder / "disk.img")
    return key, pod


def _image(lab: Node) -> Path:
    path = lab.root / "disk.img"
    path.write_bytes(bytes(1 << 20))
    shutil.chown(path, 107, 107)
    return path


def _said(lab: Node, key: Key) -> str:
    conditions: list[Document] = lab.status(key)["conditions"]
    return next(str(one["message"]) for one in conditions if one["type"] == "Synchronized")


async def test_a_disk_is_had_by_one_machine_until_that_has_ended(lab: Node, pods: list[FakePod]) -> None:
    image = _image(lab)
    first, pod = _machine(lab, image, "first")
    second, late = _machine(lab, image, "second")
    third, last = _machine(lab, image, "third")
    pods += [pod, late, last]
    async with lab.agent():
        pod.start()
        await lab.until_phase(first, "Running")
    async with lab.agent():  # one that has not seen it start
        late.start()
        assert await late.exit_code() == 1
        assert _said(lab, second).startswith("the disk of volume data is in use by machine first; ")
        assert lab.status(first)["phase"] == "Running"
        os.kill(lab.guests.of_pod(pod.uid).record.pid, 9)  # type: ignore[union-attr]
        await lab.until_phase(first, "Failed")
        last.start()
        await lab.until_phase(third, "Running")


async def test_of_two_that_start_at_once_one_is_refused_in_words(lab: Node, pods: list[FakePod]) -> None:
    image = _image(lab)
    machines = dict(_machine(lab, image, name) for name in ("one", "two"))
    pods += machines.values()
    async with lab.agent():
        for pod in pods:
            pod.start()
        await lab.until(
            lambda: any(pod.process and pod.process.poll() is not None for pod in pods), "one of the pods to end"
        )
        (refused,) = [key for key, pod in machines.items() if pod.process and pod.process.poll() is not None]
        (other,) = machines.keys() - {refused}
        assert f"the disk of volume data is in use by machine {other.name}; " in _said(lab, refused)
        await lab.until_phase(other, "Running")


async def test_locks_that_come_from_elsewhere_count_too(lab: Node, pods: list[FakePod]) -> None:
    """As on storage that has the locks of all nodes."""
    image = _image(lab)
    key, pod = _machine(lab, image, "far")
    pods.append(pod)
    with image.open("rb") as theirs:
        fcntl.fcntl(theirs, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, WRITES, 1, 0))
        async with lab.agent():
            pod.start()
            assert await pod.exit_code() == 1
            assert "the disk of volume data is in use by another machine; " in _said(lab, key)
            assert list((lab.root / "vms").glob("*")) == []
