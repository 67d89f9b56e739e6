"""A guest whose disk is read by io_uring, where the host lets it, and by threads."""

from __future__ import annotations

import shutil

import pytest

from tests.host.agentlab import FakePod, Node, boot_sector, needs_qemu, place, serial_console, vmi
from tests.host.rings import io_uring_works, submitted

pytestmark = [needs_qemu, pytest.mark.skipif(not io_uring_works(), reason="needs io_uring")]


@pytest.mark.parametrize("mode", ["io_uring", "threads"])
async def test_a_guest_boots_from_a_disk_by_the_way_its_spec_names(mode: str, lab: Node, pods: list[FakePod]) -> None:
    disks = [{"name": "data", "disk": {"bus": "virtio"}, "io": mode}, {"name": "root", "disk": {"bus": "virtio"}}]
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    document = vmi("ringing", devices={"disks": disks}, volumes=volumes)
    key, pod = place(lab, document)
    pods.append(pod)
    folder = pod.folder / "private/vmi-disks/data"
    folder.mkdir(parents=True)
    (folder / "disk.img").write_bytes(boot_sector(lab.root))
    for path in (folder, folder / "disk.img"):
        shutil.chown(path, 107, 107)
    async with lab.agent():
        pod.start()
        await lab.until_phase(key, "Running")
        guest = lab.guests.of_pod(pod.uid)
        assert guest is not None
        async with serial_console(lab, document["metadata"]["uid"]):
            taken = submitted(guest.record.pid)
    assert taken > 0 if mode == "io_uring" else taken == 0
