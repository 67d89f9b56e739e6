"""A disk that grows with its claim while its guest runs."""

from __future__ import annotations

import copy
import shutil

from kubevirt_py.plan import Document
from tests.host.agentlab import Node, needs_qemu, place, vmi

pytestmark = needs_qemu
MIB = 1 << 20


def _claims(size: str) -> list[Document]:
    return [{"name": "data", "persistentVolumeClaimInfo": {"claimName": "data", "capacity": {"storage": size}}}]


async def test_a_running_guests_disk_follows_its_claim(lab: Node) -> None:
    disks = [{"name": name, "disk": {"bus": "virtio"}} for name in ("root", "data")]
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    document = vmi("growing", devices={"disks": disks}, volumes=volumes)
    document["status"]["volumeStatus"] = _claims("8Mi")
    key, pod = place(lab, document)
    folder = pod.folder / "private/vmi-disks/data"
    folder.mkdir(parents=True)
    shutil.chown(folder, 107, 107)
    try:
        async with lab.agent():
            pod.start()
            await lab.until_phase(key, "Running")
            assert (folder / "disk.img").stat().st_size == 8 * MIB
            grown = copy.deepcopy(lab.office.documents[key])
            grown["status"]["volumeStatus"] = _claims("16Mi")
            lab.put_vmi(grown)
            await lab.until(lambda: (folder / "disk.img").stat().st_size == 16 * MIB, "the disk to grow")
    finally:
        pod.stop()
