"""What a running machine becomes when the spec asks for more than it can have."""

from __future__ import annotations

import pytest

from kubevirt_py.plan import Document
from kubevirt_py.render.hotplug_machine import Becoming
from kubevirt_py.render.hotplug_volumes import boot_volumes
from kubevirt_py.render.machine import Attachments, DiskFile, Facts, Machine, NicWire, machine_from_vmi

UID = "0a1b2c3d-0000-4000-8000-000000000001"
ROOT: Document = {"name": "root", "disk": {"bus": "virtio"}}


def _spec(*disks: Document, cards: int = 1) -> Document:
    volumes = [
        {"name": disk["name"], "persistentVolumeClaim": {"claimName": disk["name"], "hotpluggable": True}}
        for disk in disks
    ]
    devices = {"disks": [ROOT, *disks], "interfaces": [{"name": f"n{index}", "bridge": {}} for index in range(cards)]}
    root = {"name": "root", "containerDisk": {"image": "root"}}
    return {"domain": {"memory": {"guest": "64Mi"}, "devices": devices}, "volumes": [root, *volumes]}


def _wires(cards: int) -> tuple[NicWire, ...]:
    return tuple(NicWire(name=f"n{index}", mac=f"02:00:00:00:00:0{index}") for index in range(cards))


def _running() -> Machine:
    files = Attachments(disks={"root": DiskFile()}, nics=_wires(1))
    return machine_from_vmi("default_vm", UID, _spec(), Facts(kvm=False), files)


def _becoming(spec: Document) -> Becoming:
    return Becoming(running=_running(), goal=None, spec=spec, uid=UID, cpus=True, memory=True)


def _reached(spec: Document, opened: dict[str, DiskFile], cards: int = 1) -> tuple[list[str], list[str], list[str]]:
    """Names of the disks and cards, and of what is left out."""
    found, reasons = _becoming(spec).reachable(opened, _wires(cards))
    assert all(reasons.values())
    return [disk.name for disk in found.disks], [nic.name for nic in found.nics], sorted(reasons)


def _virtio(count: int) -> list[Document]:
    return [{"name": f"v{index}", "disk": {"bus": "virtio"}} for index in range(count)]


def test_a_disk_without_a_free_port_keeps_none_of_the_others() -> None:
    disks = [*_virtio(4), {"name": "scsi", "disk": {"bus": "scsi"}}]
    opened = {disk["name"]: DiskFile(source=disk["name"]) for disk in disks}
    assert _reached(_spec(*disks), opened) == (["root", "v0", "v1", "v2", "scsi"], ["n0"], ["v3"])


def test_a_card_without_a_free_port_keeps_none_of_the_others() -> None:
    disk = {"name": "scsi", "disk": {"bus": "scsi"}}
    assert _reached(_spec(disk, cards=3), {"scsi": DiskFile(source="scsi")}, 3) == (
        ["root", "scsi"],
        ["n0", "n1"],
        ["n2"],
    )


@pytest.mark.parametrize(
    "disk",
    [{"name": "bad", "lun": {"bus": "scsi"}}, {"name": "bad", "disk": {"bus": "scsi"}, "cache": "none"}],
    ids=["a lun on a file", "no direct I/O"],
)
def test_a_disk_that_its_storage_does_not_suit_keeps_none_of_the_others(disk: Document) -> None:
    good = {"name": "good", "disk": {"bus": "scsi"}}
    opened = {name: DiskFile(source=name) for name in ("bad", "good")}
    assert _reached(_spec(disk, good), opened) == (["root", "good"], ["n0"], ["bad"])


def test_what_is_wrong_with_the_machine_itself_is_told() -> None:
    spec = _spec()
    spec["domain"]["memory"] = {"guest": "128Mi"}
    with pytest.raises(ValueError, match="maxGuest"):
        _becoming(spec).reachable({}, _wires(1))


def test_a_guest_waits_for_the_volumes_that_it_sees_from_the_start() -> None:
    drives: list[Document] = [{"name": tray, "cdrom": {"bus": "sata", "tray": tray}} for tray in ("open", "closed")]
    assert boot_volumes(_spec(*drives, {"name": "disk", "disk": {"bus": "scsi"}})) == {"closed", "disk"}
