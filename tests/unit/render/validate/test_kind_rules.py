"""Rules of every kind but machines: a right object passes; with one edit it is refused at a field, in words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kubevirt_py.plan import Document
from kubevirt_py.render import validate
from kubevirt_py.render.causes import Cause
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.featuregates import ALPHA, BETA
from kubevirt_py.render.validate.migration import Guest
from tests.unit.render.validate.examples import EXAMPLES
from tests.unit.render.validate.machines import REMOVE, edited

OPEN = ClusterConfig(feature_gates=ALPHA)
SHUT = ClusterConfig(disabled_feature_gates=BETA)
RUNNING = Guest("Running")
Check = Callable[[Document, ClusterConfig], list[Cause]]

CHECKS: dict[str, Check] = {
    "VirtualMachineInstanceReplicaSet": validate.validate_replicaset,
    "VirtualMachineInstancePreset": validate.validate_preset,
    "VirtualMachineInstanceMigration": lambda new, config: validate.validate_migration_create(new, config, RUNNING),
    "VirtualMachinePool": validate.validate_pool_create,
    "VirtualMachineSnapshot": validate.validate_snapshot,
    "VirtualMachineRestore": validate.validate_restore,
    "VirtualMachineExport": lambda new, _: validate.validate_export(new),
    "VirtualMachineInstancetype": lambda new, _: validate.validate_instancetype(new),
    "VirtualMachinePreference": lambda new, _: validate.validate_preference(new),
    "MigrationPolicy": lambda new, _: validate.validate_migration_policy(new),
    "VirtualMachineClone": validate.validate_clone,
    "VirtualMachineBackup": validate.validate_backup,
    "VirtualMachineBackupTracker": validate.validate_backup_tracker,
    "Plugin": validate.validate_plugin,
}
T = "spec.template"
V = "spec.virtualMachineTemplate"

REFUSED: tuple[tuple[str, Document, str, str], ...] = (
    ("VirtualMachineInstanceReplicaSet", {"spec.replicas": -1}, "spec.replicas", "at least 0"),
    ("VirtualMachineInstanceReplicaSet", {f"{T}.spec": REMOVE}, T, "missing virtual machine template"),
    ("VirtualMachineInstanceReplicaSet", {"spec.selector": {}}, "spec.selector", "empty selector"),
    (
        "VirtualMachineInstanceReplicaSet",
        {f"{T}.metadata.labels.app": "other"},
        "spec.selector",
        "selector does not match labels of the template",
    ),
    ("VirtualMachineInstanceReplicaSet", {f"{T}.metadata.labels.app": 1}, f"{T}.metadata.labels[app]", "a string"),
    (
        "VirtualMachineInstanceReplicaSet",
        {f"{T}.spec.domain.devices.disks[0].disk.bus": "ide"},
        f"{T}.spec.domain.devices.disks[0].disk.bus",
        "virtio, sata",
    ),
    ("VirtualMachineInstancePreset", {"spec.domain": REMOVE}, "spec.domain", "missing domain"),
    (
        "VirtualMachineInstancePreset",
        {"spec.selector.matchLabels": {"a b": "c"}},
        "spec.selector.matchLabels[a b]",
        "not the name of a label",
    ),
    ("VirtualMachineInstanceMigration", {"spec.vmiName": REMOVE}, "spec.vmiName", "vmiName is missing"),
    ("VirtualMachineInstanceMigration", {"spec.priority": "system-critical"}, "spec.priority", "KubeVirt alone"),
    ("VirtualMachineInstanceMigration", {"spec.priority": "urgent"}, "spec.priority", "user-triggered"),
    (
        "VirtualMachineInstanceMigration",
        {"spec.sendTo": {"migrationID": "", "connectURL": "nowhere"}},
        "spec.sendTo.connectURL",
        "host:port",
    ),
    (
        "VirtualMachineInstanceMigration",
        {"spec.sendTo": {"migrationID": "a", "connectURL": "b:1"}, "spec.receive": {"migrationID": "a"}},
        "spec.sendTo",
        "only one of",
    ),
    ("VirtualMachinePool", {"spec.maxUnavailable": "half"}, "spec.maxUnavailable", "percentage"),
    ("VirtualMachinePool", {f"{V}.spec": REMOVE}, V, "missing virtual machine template"),
    ("VirtualMachinePool", {f"{V}.spec.runStrategy": REMOVE}, f"{V}.spec.runStrategy", "set one of"),
    (
        "VirtualMachinePool",
        {f"{V}.spec.template.spec.domain.cpu": {"cores": 0}},
        f"{V}.spec.template.spec.domain.cpu.cores",
        "at least 1",
    ),
    ("VirtualMachinePool", {"spec.selector.matchLabels.app": "x"}, "spec.selector", "does not match"),
    (
        "VirtualMachinePool",
        {"spec.updateStrategy": {"proactive": {}, "unmanaged": {}}},
        "spec.updateStrategy",
        "only one strategy",
    ),
    (
        "VirtualMachinePool",
        {"spec.autohealing": {"minFailingToStartDuration": "soon"}},
        "spec.autohealing.minFailingToStartDuration",
        "not a duration",
    ),
    ("VirtualMachineSnapshot", {"spec.source.apiGroup": REMOVE}, "spec.source.apiGroup", "missing apiGroup"),
    ("VirtualMachineSnapshot", {"spec.source.kind": "Pod"}, "spec.source.kind", "VirtualMachine of kubevirt.io"),
    ("VirtualMachineSnapshot", {"spec.source.name": ""}, "spec.source.name", "is missing"),
    ("VirtualMachineSnapshot", {"spec.deletionPolicy": "Keep"}, "spec.deletionPolicy", "Delete, Retain"),
    ("VirtualMachineSnapshot", {"spec.failureDeadline": "0s"}, "spec.failureDeadline", "more than zero"),
    (
        "VirtualMachineRestore",
        {"spec.virtualMachineSnapshotName": ""},
        "spec.virtualMachineSnapshotName",
        "name the snapshot",
    ),
    ("VirtualMachineRestore", {"spec.volumeRestorePolicy": "Keep"}, "spec.volumeRestorePolicy", "InPlace"),
    ("VirtualMachineRestore", {"spec.patches[0]": "{"}, "spec.patches[0]", "is not JSON"),
    ("VirtualMachineRestore", {"spec.patches[0]": '{"op": "turn"}'}, "spec.patches[0]", "op must be one of"),
    (
        "VirtualMachineRestore",
        {"spec.patches[0]": '{"op": "remove", "path": "/status/ready"}'},
        "spec.patches[0]",
        "out of bounds",
    ),
    (
        "VirtualMachineRestore",
        {"spec.volumeRestoreOverrides[0]": {"volumeName": "root"}},
        "spec.volumeRestoreOverrides[0]",
        "at least one of",
    ),
    ("VirtualMachineExport", {"spec.source": {"kind": "Secret", "name": "s"}}, "spec.source.kind", "core group"),
    ("VirtualMachineExport", {"spec.ttlDuration": "long"}, "spec.ttlDuration", "not a duration"),
    ("VirtualMachineInstancetype", {"spec.cpu.guest": 0}, "spec.cpu.guest", "at least 1"),
    ("VirtualMachineInstancetype", {"spec.memory.guest": "1"}, "spec.memory.guest", "at least 1Mi"),
    (
        "VirtualMachineInstancetype",
        {"spec.memory.overcommitPercent": 10, "spec.memory.hugepages": {"pageSize": "2Mi"}},
        "spec.memory.overcommitPercent",
        "should not be requested together",
    ),
    ("VirtualMachineInstancetype", {"spec.memory.maxGuest": "1Mi"}, "spec.memory.maxGuest", "not be less"),
    ("VirtualMachineInstancetype", {"spec.cpu.numa": {}}, "spec.cpu.numa", "dedicatedCPUPlacement"),
    ("VirtualMachinePreference", {"spec.cpu.preferredCPUTopology": "x"}, "spec.cpu.preferredCPUTopology", "spread"),
    (
        "VirtualMachinePreference",
        {"spec.cpu.spreadOptions": {"across": "CoresThreads", "ratio": 3}},
        "spec.cpu.spreadOptions.ratio",
        "only a ratio of 2",
    ),
    (
        "VirtualMachinePreference",
        {"spec.firmware": {"preferredUseBios": True, "preferredEfi": {}}},
        "spec.firmware.preferredUseBios",
        "either",
    ),
    ("MigrationPolicy", {"spec.bandwidthPerMigration": "-1"}, "spec.bandwidthPerMigration", "not be negative"),
    ("MigrationPolicy", {"spec.completionTimeoutPerGiB": -1}, "spec.completionTimeoutPerGiB", "at least 0"),
    ("VirtualMachineClone", {"spec.target.name": "tiny"}, "spec.target.name", "not be the same"),
    ("VirtualMachineClone", {"spec.labelFilters[0]": "a*b"}, "spec.labelFilters[0]", "at the end"),
    ("VirtualMachineClone", {"spec.labelFilters[0]": "a!"}, "spec.labelFilters[0]", "at the beginning"),
    (
        "VirtualMachineClone",
        {"spec.newMacAddresses.default": "01:00:00:00:00:01"},
        "spec.newMacAddresses[default]",
        "multicast",
    ),
    ("VirtualMachineBackup", {"spec.ttlDuration": "1h"}, "spec.ttlDuration", "mode Pull only"),
    ("VirtualMachineBackupTracker", {"spec.source.kind": "Pod"}, "spec.source.kind", "VirtualMachine"),
    ("Plugin", {"spec.domainHooks[0].sidecar": {"socketPath": "/s"}}, "spec.domainHooks[0]", "only one kind of hook"),
    ("Plugin", {"spec.failureStrategy": "Panic"}, "spec.failureStrategy", "Fail, Ignore"),
    ("Plugin", {"spec.nodeHooks[0].timeout": "x"}, "spec.nodeHooks[0].timeout", "not a duration"),
)
GATED = {
    "VirtualMachineSnapshot": "Snapshot",
    "VirtualMachineRestore": "Snapshot",
    "VirtualMachineClone": "Snapshot",
    "VirtualMachineBackup": "IncrementalBackup",
    "VirtualMachineBackupTracker": "IncrementalBackup",
    "Plugin": "Plugins",
}


@pytest.mark.parametrize("kind", CHECKS)
def test_right_objects_pass(kind: str) -> None:
    assert CHECKS[kind](EXAMPLES[kind], OPEN) == []


@pytest.mark.parametrize(("kind", "edits", "field", "words"), REFUSED)
def test_refuses_and_names_field_and_what_is_allowed(kind: str, edits: Document, field: str, words: str) -> None:
    causes = CHECKS[kind](edited(EXAMPLES[kind], edits), OPEN)
    assert any(cause.field == field and words in cause.message for cause in causes), causes


@pytest.mark.parametrize(("kind", "gate"), GATED.items())
def test_a_gate_that_is_shut_is_named(kind: str, gate: str) -> None:
    causes = CHECKS[kind](EXAMPLES[kind], SHUT)
    assert any(f"needs feature gate {gate}" in cause.message for cause in causes)


def test_the_types_come_first() -> None:
    for kind, check in CHECKS.items():
        assert [cause.field for cause in check(EXAMPLES[kind] | {"spec": 3}, OPEN)] == ["spec"], kind


def test_a_migration_between_clusters_needs_its_gate() -> None:
    spec = {"vmiName": "tiny", "receive": {"migrationID": "a"}}
    document = EXAMPLES["VirtualMachineInstanceMigration"] | {"spec": spec}
    assert validate.validate_migration_create(document, OPEN, None) == []
    causes = validate.validate_migration_create(document, SHUT, None)
    assert [cause.field for cause in causes] == ["spec.receive"]


@pytest.mark.parametrize(
    ("guest", "words"),
    [
        (None, "does not exist"),
        (Guest("Succeeded"), "in finalized state"),
        (Guest("Running", "it has a local disk", "DisksNotLiveMigratable"), "it has a local disk"),
        (Guest("Running", active="first"), "in-flight migration detected. Active migration job (first)"),
    ],
)
def test_a_migration_needs_a_guest_that_can_move(guest: Guest | None, words: str) -> None:
    causes = validate.validate_migration_create(EXAMPLES["VirtualMachineInstanceMigration"], OPEN, guest)
    assert [cause.field for cause in causes] == ["spec.vmiName"]
    assert words in causes[0].message


def test_local_disks_do_not_hinder_a_migration_to_another_cluster() -> None:
    spec = {"vmiName": "tiny", "sendTo": {"migrationID": "a", "connectURL": "there:9185"}}
    document = EXAMPLES["VirtualMachineInstanceMigration"] | {"spec": spec}
    local = Guest("Running", "it has a local disk", "DisksNotLiveMigratable")
    assert validate.validate_migration_create(document, OPEN, local) == []


def test_what_a_guest_is_told_by() -> None:
    refused = {"type": "LiveMigratable", "status": "False", "reason": "R", "message": "no"}
    ended = {"metadata": {"name": "old"}, "status": {"phase": "Failed"}}
    running = {"metadata": {"name": "new"}, "status": {"phase": "Running"}}
    vmi = {"status": {"phase": "Running", "conditions": [refused]}}
    assert Guest.of(vmi, [ended, running]) == Guest("Running", "no", "R", "new")
    assert Guest.of({}, [ended]) == Guest("")


def test_a_migration_stays_as_it_was_asked_for() -> None:
    old = edited(EXAMPLES["VirtualMachineInstanceMigration"], {"metadata.labels": {"kubevirt.io/vmi-name": "tiny"}})
    causes = validate.validate_migration_update(edited(old, {"spec.vmiName": "other"}), old)
    assert [(cause.field, cause.message) for cause in causes] == [
        ("spec", "update of Migration object's spec is restricted")
    ]
    moved = edited(old, {"metadata.labels": {}})
    assert [cause.field for cause in validate.validate_migration_update(moved, old)] == [
        "metadata.labels[kubevirt.io/vmi-name]"
    ]
    assert validate.validate_migration_update(moved, old, by_kubevirt=True) == []


def test_the_selector_of_a_pool_stays() -> None:
    old = EXAMPLES["VirtualMachinePool"]
    labels = {"matchLabels": {"tier": "a"}}
    edits = {"spec.selector": labels, f"{V}.metadata.labels": {"app": "tiny", "tier": "a"}}
    causes = validate.validate_pool_update(edited(old, edits), old, OPEN)
    assert [cause.field for cause in causes] == ["spec.selector"]
    assert "immutable" in causes[0].message
