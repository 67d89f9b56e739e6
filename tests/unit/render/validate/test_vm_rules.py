"""Rules of VirtualMachines, and of changes to VMs and VMIs."""

from __future__ import annotations

import pytest

from kubevirt_py.plan import Document
from kubevirt_py.render import causes
from kubevirt_py.render.validate import (
    validate_vm_create,
    validate_vm_update,
    validate_vmi_create,
    validate_vmi_update,
)
from tests.unit.render.validate.machines import CONFIG, REMOVE, edited, vm, vmi

TEMPLATE = "spec.template.spec"

REFUSED: dict[str, tuple[Document, str, str]] = {
    "no run strategy": ({"spec.runStrategy": REMOVE}, "spec.runStrategy", causes.REQUIRED),
    "two run strategies": ({"spec.running": True}, "spec.running", causes.INVALID),
    "no such run strategy": ({"spec.runStrategy": "Sometimes"}, "spec.runStrategy", causes.NOT_SUPPORTED),
    "a run strategy of later": ({"spec.runStrategy": "WaitAsReceiver"}, "spec.runStrategy", causes.NOT_SUPPORTED),
    "no template": ({"spec.template": REMOVE}, "spec.template", causes.REQUIRED),
    "no spec": ({"spec": REMOVE}, "spec", causes.REQUIRED),
    "an instance type": ({"spec.instancetype": {"name": "small"}}, "spec.instancetype", causes.NOT_SUPPORTED),
    "a data volume that nothing uses": (
        {"spec.dataVolumeTemplates": [{"metadata": {"name": "x"}, "spec": {"storage": {}}}]},
        "spec.dataVolumeTemplates[0].metadata.name",
        causes.INVALID,
    ),
    "a data volume of no size": (
        {"spec.dataVolumeTemplates": [{"metadata": {"name": "x"}, "spec": {}}]},
        "spec.dataVolumeTemplates[0].spec",
        causes.REQUIRED,
    ),
    "no such update strategy": (
        {"spec.updateVolumesStrategy": "Magic"},
        "spec.updateVolumesStrategy",
        causes.NOT_SUPPORTED,
    ),
    "a bad label in the template": (
        {"spec.template.metadata.labels": {"app": "a b"}},
        "spec.template.metadata.labels[app]",
        causes.INVALID,
    ),
    "labels that are a list": (
        {"spec.template.metadata.labels": ["app"]},
        "spec.template.metadata.labels",
        causes.INVALID,
    ),
    "an annotation that is a number": (
        {"spec.template.metadata.annotations": {"size": 1}},
        "spec.template.metadata.annotations[size]",
        causes.INVALID,
    ),
    "a template without spec": ({"spec.template.spec": REMOVE}, "spec.template.spec", causes.REQUIRED),
    "an unknown bus": (
        {f"{TEMPLATE}.domain.devices.disks[1].disk.bus": "ide"},
        f"{TEMPLATE}.domain.devices.disks[1].disk.bus",
        causes.NOT_SUPPORTED,
    ),
    "a disk whose volume is missing": (
        {f"{TEMPLATE}.volumes[1]": REMOVE},
        f"{TEMPLATE}.domain.devices.disks[1].name",
        causes.NOT_FOUND,
    ),
    "two boot orders alike": (
        {f"{TEMPLATE}.domain.devices.disks[0].bootOrder": 2, f"{TEMPLATE}.domain.devices.disks[1].bootOrder": 2},
        f"{TEMPLATE}.domain.devices.disks[1].bootOrder",
        causes.DUPLICATE,
    ),
    "a bad quantity": (
        {f"{TEMPLATE}.domain.memory.guest": "1 GB"},
        f"{TEMPLATE}.domain.memory.guest",
        causes.INVALID,
    ),
    "zero CPUs": ({f"{TEMPLATE}.domain.cpu.cores": 0}, f"{TEMPLATE}.domain.cpu.cores", causes.INVALID),
}


@pytest.mark.parametrize(("edits", "field", "reason"), REFUSED.values(), ids=REFUSED)
def test_refuses_a_machine(edits: Document, field: str, reason: str) -> None:
    assert (field, reason) in [(cause.field, cause.reason) for cause in validate_vm_create(vm(edits), CONFIG)]


@pytest.mark.parametrize("strategy", ["Always", "Halted", "Manual", "RerunOnFailure", "Once"])
def test_accepts_every_run_strategy(strategy: str) -> None:
    assert validate_vm_create(vm({"spec.runStrategy": strategy}), CONFIG) == []


def test_accepts_the_deprecated_field_running() -> None:
    assert validate_vm_create(vm({"spec.runStrategy": REMOVE, "spec.running": False}), CONFIG) == []


def test_a_machine_whose_spec_is_unchanged_is_never_refused() -> None:
    """Rules grow; a VM stored under older rules must still take labels and finalizers."""
    old = vm({f"{TEMPLATE}.domain.cpu.cores": 0})
    assert validate_vm_update(edited(old, {"metadata.labels": {"a": "b"}}), old, CONFIG) == []


def test_a_machine_on_its_way_out_is_never_refused() -> None:
    old = vm()
    new = edited(old, {"metadata.deletionTimestamp": "2030-01-01T00:00:00Z", "spec.runStrategy": "Sometimes"})
    assert validate_vm_update(new, old, CONFIG) == []


@pytest.mark.parametrize(("key", "what"), [("snapshotInProgress", "snapshot"), ("restoreInProgress", "restore")])
def test_a_machine_held_by_a_snapshot_or_restore_keeps_its_spec(key: str, what: str) -> None:
    old = vm({f"status.{key}": "one"})
    found = validate_vm_update(edited(old, {"spec.runStrategy": "Always"}), old, CONFIG)
    assert [(cause.field, cause.reason) for cause in found] == [("spec", causes.FORBIDDEN)]
    assert f"{what} one is in progress" in found[0].message


def test_users_may_not_change_the_spec_of_an_instance() -> None:
    old = vmi()
    new = edited(old, {"spec.domain.cpu.cores": 2})
    found = validate_vmi_update(new, old, CONFIG)
    assert [cause.field for cause in found] == ["spec"]
    assert "update of VMI object is restricted" in found[0].message
    (fixed,) = validate_vmi_update(new, old, CONFIG, by_kubevirt=True)
    assert (fixed.field, fixed.reason) == ("spec.domain", "FieldValueForbidden")


def test_kubevirt_may_change_what_a_running_guest_can_follow() -> None:
    old = vmi()
    claim = {"name": "more", "persistentVolumeClaim": {"claimName": "more", "hotpluggable": True}}
    volumes, disks = old["spec"].get("volumes", []), old["spec"]["domain"]["devices"].get("disks", [])
    for bus, refused in (("scsi", False), ("virtio", False), ("sata", True)):
        changes = {
            "spec.volumes": [*volumes, claim],
            "spec.domain.devices.disks": [*disks, {"name": "more", "disk": {"bus": bus}}],
        }
        found = validate_vmi_update(edited(old, changes), old, CONFIG, by_kubevirt=True)
        assert bool(found) is refused, found
    fixed = {"name": "more", "persistentVolumeClaim": {"claimName": "more"}}
    changes["spec.volumes"] = [*volumes, fixed]
    assert validate_vmi_update(edited(old, changes), old, CONFIG, by_kubevirt=True)
    grown = edited(old, {"spec.domain.cpu.sockets": 2, "spec.nodeSelector": {"a": "b"}})
    assert validate_vmi_update(grown, old, CONFIG, by_kubevirt=True) == []


def test_reserved_labels_are_kubevirts_own() -> None:
    old = vmi()
    new = edited(old, {"metadata.labels": {"kubevirt.io/nodeName": "node7", "mine": "x"}})
    assert [cause.field for cause in validate_vmi_update(new, old, CONFIG)] == ["metadata.labels[kubevirt.io/nodeName]"]
    assert "metadata.labels[kubevirt.io/nodeName]" in [cause.field for cause in validate_vmi_create(new, CONFIG)]
    assert validate_vmi_update(new, old, CONFIG, by_kubevirt=True) == []
