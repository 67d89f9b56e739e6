"""Tagged devices as a guest is told of them."""

from __future__ import annotations

import json

from kubevirt_py.render.isos import IsoImage, with_devices
from kubevirt_py.render.machine import Attachments, DiskFile, Facts, NicWire, machine_from_vmi
from kubevirt_py.render.machine.tags import has_tags, tagged_devices

SPEC = {
    "domain": {
        "memory": {"guest": "1Gi"},
        "devices": {
            "disks": [
                {"name": "plain", "disk": {"bus": "virtio"}},
                {"name": "data", "disk": {"bus": "virtio"}, "tag": "database", "serial": "s1"},
                {"name": "there", "disk": {"bus": "virtio", "pciAddress": "0000:81:01.0"}, "tag": "fixed"},
                {"name": "slow", "disk": {"bus": "scsi"}, "tag": "archive"},
            ],
            "interfaces": [{"name": "one", "masquerade": {}, "tag": "uplink"}, {"name": "two", "bridge": {}}],
        },
    }
}


def test_addresses_are_the_guests_own() -> None:
    """Two root ports for cards come first (bus 1 and 2), so the second disk is on bus 4."""
    files = Attachments(
        disks={name: DiskFile() for name in ("plain", "data", "there", "slow")},
        nics=(NicWire(name="one", mac="02:00:00:00:00:01"), NicWire(name="two", mac="02:00:00:00:00:02")),
    )
    machine = machine_from_vmi("default_vm", "uid", SPEC, Facts(kvm=False), files)
    cards = sum(port.slot < 6 for port in machine.ports)
    assert tagged_devices(SPEC, machine) == [
        {"type": "nic", "bus": "pci", "address": "0000:01:00.0", "tags": ["uplink"], "mac": "02:00:00:00:00:01"},
        {"type": "disk", "bus": "pci", "address": f"0000:{cards + 2:02x}:00.0", "tags": ["database"], "serial": "s1"},
        {"type": "disk", "bus": "pci", "address": "0000:81:01.0", "tags": ["fixed"]},
        {"type": "disk", "bus": "scsi", "address": "0:0:0:0", "tags": ["archive"]},
    ]


def test_a_config_drive_tells_of_them_and_other_images_do_not() -> None:
    path = "openstack/latest/meta_data.json"
    drive = IsoImage(volume="seed", label="config-2", root="/r", path="p", files={path: b'{"uuid": "u"}'})
    other = IsoImage(volume="keys", label="cfgdata", root="/r", path="p", files={"key": b"k"})
    told, same = with_devices((drive, other), [{"type": "nic"}])
    assert json.loads(told.files[path]) == {"uuid": "u", "devices": [{"type": "nic"}]}
    assert same == other


def test_a_spec_without_tags_needs_nothing() -> None:
    assert has_tags(SPEC)
    assert not has_tags({"domain": {"devices": {"disks": [{"name": "a"}]}}})
