"""A disk that grows with its claim while its guest runs."""

from __future__ import annotations

import copy
import shutil

from kubevirt_py.plan import Document
from tests.host.agentlab import Node, needs_qemu, place, vmi

pytestmark = needs_qemu
MIB = 1 << 20


def _claims(**sizes: str) -> list[Document]:
    return [
        {"name": name, "persistentVolumeClaimInfo": {"claimName": name, "capacity": {"storage": size}}}
        for name, size in sizes.items()
    ]


async def test_a_running_guests_disk_follows_its_claim_whatever_becomes_of_others(lab: Node) -> None:
    """The first claim tells of more than any file can have."""
    disks = [{"name": name, "disk": {"bus": "virtio"}} for name in ("root", "boundless", "data")]
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in ("boundless", "data")]
    document = vmi("growing", devices={"disks": disks}, volumes=volumes)
    document["status"]["volumeStatus"] = _claims(boundless="8Mi", data="8Mi")
    key, pod = place(lab, document)
    for name in ("boundless", "data"):
        folder = pod.folder / "private/vmi-disks" / name
        folder.mkdir(parents=True)
        shutil.chown(folder, 107, 107)
    try:
        async with lab.agent():
            pod.start()
            await lab.until_phase(key, "Running")
            assert (folder / "disk.img").stat().st_size == 8 * MIB
            grown = copy.deepcopy(lab.office.documents[key])
            grown["status"]["volumeStatus"] = _claims(boundless="7Ei", data="16Mi")
            lab.put_vmi(grown)
            await lab.until(lambda: (folder / "disk.img").stat().st_size == 16 * MIB, "the disk to grow")
    finally:
        pod.stop()
