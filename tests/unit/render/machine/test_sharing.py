"""Which disks two machines of a node may have at once, and what is said of others."""

from __future__ import annotations

from typing import Any

import pytest

from kubevirt_py.plan import Key
from kubevirt_py.render.machine import Attachments, DiskFile, Facts, Machine, machine_from_vmi
from kubevirt_py.render.machine.sharing import conflicts

DEVICE, IMAGE = (2049, 0), (2049, 12)
WRITER: dict[str, Any] = {"disk": {"bus": "virtio"}}
READER: dict[str, Any] = {"disk": {"bus": "virtio", "readonly": True}}
DISC: dict[str, Any] = {"cdrom": {"bus": "sata"}}
SHARED = {"shareable": True}


def _machine(disk: dict[str, Any], identity: tuple[int, int], volume: str = "data") -> Machine:
    spec = {"domain": {"memory": {"guest": "64Mi"}, "devices": {"disks": [{"name": volume, **disk}]}}}
    files = Attachments(disks={volume: DiskFile(identity=identity)})
    return machine_from_vmi("default_vm", "uid", spec, Facts(kvm=False), files)


@pytest.mark.parametrize("identity", [DEVICE, IMAGE])
@pytest.mark.parametrize(
    ("one", "other", "refused"),
    [
        (WRITER, WRITER, True),
        (WRITER | SHARED, WRITER, True),
        (WRITER | SHARED, WRITER | SHARED, False),
        (READER, WRITER, True),
        (READER, WRITER | SHARED, True),
        (READER | SHARED, WRITER, False),
        (READER | SHARED, WRITER | SHARED, False),
        (READER, READER, False),
        (DISC, WRITER, True),
        (DISC, DISC, False),
    ],
)
def test_a_disk_that_one_writes_is_only_for_those_that_share(
    one: dict[str, Any], other: dict[str, Any], refused: bool, identity: tuple[int, int]
) -> None:
    first, second = _machine(one, identity), _machine(other, identity, "theirs")
    assert bool(conflicts(first, "default", [(Key("default", "other"), second)])) is refused
    assert bool(conflicts(second, "default", [(Key("default", "other"), first)])) is refused


@pytest.mark.parametrize("theirs", [IMAGE, (0, 0), (2050, 0)])
def test_other_storage_is_no_conflict(theirs: tuple[int, int]) -> None:
    for mine in (DEVICE, (0, 0)):
        others = [(Key("default", "other"), _machine(WRITER, theirs))]
        assert not conflicts(_machine(WRITER, mine), "default", others)


@pytest.mark.parametrize(("namespace", "named"), [("default", "machine other"), ("theirs", "another machine")])
def test_the_volume_is_named_and_the_holder_only_to_its_own_namespace(namespace: str, named: str) -> None:
    holder = Key(namespace, "other"), _machine(WRITER, DEVICE, "root")
    (text,) = conflicts(_machine(WRITER, DEVICE), "default", [holder, holder]).values()
    assert text.startswith(f"the disk of volume data is in use by {named}")
    assert "set shareable: true" in text
    assert ("other;" in text) == (namespace == "default")
