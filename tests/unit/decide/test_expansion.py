"""Which disks grow, and by how much."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kubevirt_py.api.views import PersistentVolumeClaim
from kubevirt_py.decide.expansion import growth
from kubevirt_py.decide.vmi import decide
from kubevirt_py.plan import Document
from kubevirt_py.render.machine import Attachments, DiskFile, Facts, machine_from_vmi
from tests.unit.decide.scene import after, pod, view, vmi, vmi_snapshot

SPEC: Document = {
    "domain": {
        "memory": {"guest": "64Mi"},
        "devices": {"disks": [{"name": "data", "disk": {"bus": "virtio"}}, {"name": "iso", "cdrom": {"bus": "sata"}}]},
    },
    "volumes": [
        {"name": "data", "persistentVolumeClaim": {"claimName": "a"}},
        {"name": "iso", "persistentVolumeClaim": {"claimName": "b"}},
    ],
}
MACHINE = machine_from_vmi(
    "a", "b", SPEC, Facts(kvm=False), Attachments(disks={name: DiskFile() for name in ("data", "iso")})
)
GIB = 1 << 30


@pytest.mark.parametrize(
    ("capacity", "size", "grown"),
    [
        ("2Gi", GIB, {"disk0": 2 * GIB}),
        ("1Gi", GIB, {}),
        ("512Mi", GIB, {}),
        ("1500000000", GIB, {"disk0": 1500000000 // 512 * 512}),
        ("much", GIB, {}),
    ],
)
def test_a_disk_follows_its_claim_upwards(capacity: str, size: int, grown: dict[str, int]) -> None:
    status = [
        {"name": name, "persistentVolumeClaimInfo": {"capacity": {"storage": capacity}}} for name in ("data", "iso")
    ]
    assert growth(SPEC, status, MACHINE, {"disk0": size, "disk1": size}) == grown


def test_nothing_is_done_to_a_disk_of_unknown_size() -> None:
    status = [{"name": "data", "persistentVolumeClaimInfo": {"capacity": {"storage": "2Gi"}}}, {"name": "data"}]
    assert growth(SPEC, status, MACHINE, {}) == {}


def test_a_disk_that_makes_room_for_another_claim_does_not_follow_that() -> None:
    files = {"data": DiskFile(source="a"), "iso": DiskFile()}
    machine = machine_from_vmi("a", "b", SPEC, Facts(kvm=False), Attachments(disks=files))
    for claim, grown in (("a", {"disk0": 2 * GIB}), ("other", {})):
        status = [{"name": "data", "persistentVolumeClaimInfo": {"claimName": claim, "capacity": {"storage": "2Gi"}}}]
        assert growth(SPEC, status, machine, {"disk0": GIB}) == grown


def test_the_controller_tells_the_agent_of_a_claim_that_grew() -> None:
    told = [{"name": "data", "target": "vda", "persistentVolumeClaimInfo": {"capacity": {"storage": "1Gi"}}}]
    machine = vmi("Running", spec={"volumes": SPEC["volumes"][:1]}, volumeStatus=told, nodeName="node1")
    claim = view({"metadata": {"name": "a"}, "status": {"capacity": {"storage": "2Gi"}}}, PersistentVolumeClaim)
    scene = vmi_snapshot(machine, pod("Running", container={"running": {}}))
    result = after(machine, decide(replace(scene, claims={"a": claim})))
    (status,) = result["status"]["volumeStatus"]
    assert status["persistentVolumeClaimInfo"]["capacity"] == {"storage": "2Gi"}
