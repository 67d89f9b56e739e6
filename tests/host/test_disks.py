"""Disks whose files the stub makes: what their users ask of them, told to a real QEMU."""

from __future__ import annotations

from tests.host.agentlab import FakePod, Node, needs_qemu, place, vmi

pytestmark = needs_qemu


async def test_disks_of_the_pods_own_are_read_only_or_uncached_where_asked(lab: Node, pods: list[FakePod]) -> None:
    disks = [
        {"name": "root", "disk": {"bus": "virtio"}},
        {"name": "blank", "cdrom": {"bus": "sata"}},
        {"name": "locked", "disk": {"bus": "scsi", "readonly": True}},
        {"name": "ci", "disk": {"bus": "virtio"}, "cache": "none"},
    ]
    empty = {"emptyDisk": {"capacity": "1Mi"}}
    volumes = [
        {"name": "blank"} | empty,
        {"name": "locked"} | empty,
        {"name": "ci", "cloudInitNoCloud": {"userData": "x"}},
    ]
    key, pod = place(lab, vmi("odd", devices={"disks": disks}, volumes=volumes))
    pods.append(pod)
    async with lab.agent():
        pod.start()
        await lab.until_phase(key, "Running")
