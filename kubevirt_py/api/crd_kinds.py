"""The kinds this project defines: names, versions, printer columns and subresources, as a table.

A model is named by module and class and imported only when its CRD is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Column:
    """A column `kubectl get` prints; `priority` 1 shows it with `-o wide` only."""

    name: str
    type: str
    path: str
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Version:
    """One served version. All versions of a kind have one schema, so no conversion is needed."""

    name: str
    storage: bool = False
    deprecated: bool = False


@dataclass(frozen=True, slots=True)
class CustomKind:
    """What Kubernetes must know of a kind besides its schema. `versions` has the one clients prefer first."""

    kind: str
    group: str
    model: str
    plural: str
    versions: tuple[Version, ...]
    columns: tuple[Column, ...] = ()
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ("all",)
    namespaced: bool = True
    subresources: tuple[str, ...] = ("status",)

    @property
    def name(self) -> str:
        """The CRD's name."""
        return f"{self.plural}.{self.group}"

    def subresource_schema(self) -> dict[str, Any]:
        """`subresources` as the CRD spells it."""
        return {name: dict(SCALE if name == "scale" else {}) for name in self.subresources}


SCALE = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.labelSelector",
}

V1 = (Version("v1", storage=True), Version("v1alpha3", deprecated=True))
V1BETA1 = (Version("v1beta1", storage=True), Version("v1alpha1"))


def _condition(name: str, kind: str, priority: int = 0) -> Column:
    return Column(name, "string", f".status.conditions[?(@.type=='{kind}')].status", priority)


AGE = Column("Age", "date", ".metadata.creationTimestamp")
PHASE = Column("Phase", "string", ".status.phase")
READY = _condition("Ready", "Ready")
REPLICAS = (
    Column("Desired", "integer", ".spec.replicas"),
    Column("Current", "integer", ".status.replicas"),
    Column("Ready", "integer", ".status.readyReplicas"),
    AGE,
)
SOURCE = (Column("SourceKind", "string", ".spec.source.kind"), Column("SourceName", "string", ".spec.source.name"))
SNAPSHOT_READY = (
    Column("ReadyToUse", "boolean", ".status.readyToUse"),
    Column("CreationTime", "date", ".status.creationTime"),
    Column("Error", "string", ".status.error.message"),
)

KINDS: tuple[CustomKind, ...] = (
    CustomKind(
        "VirtualMachineInstance",
        "kubevirt.io",
        "v1.vmi",
        "virtualmachineinstances",
        V1,
        (
            AGE,
            PHASE,
            Column("IP", "string", ".status.interfaces[0].ipAddress"),
            Column("NodeName", "string", ".status.nodeName"),
            READY,
            _condition("Live-Migratable", "LiveMigratable", 1),
            _condition("Paused", "Paused", 1),
        ),
        ("vmi", "vmis"),
        subresources=(),
    ),
    CustomKind(
        "VirtualMachine",
        "kubevirt.io",
        "v1.vm",
        "virtualmachines",
        V1,
        (AGE, Column("Status", "string", ".status.printableStatus"), READY),
        ("vm", "vms"),
    ),
    CustomKind(
        "VirtualMachineInstanceReplicaSet",
        "kubevirt.io",
        "v1.replicaset",
        "virtualmachineinstancereplicasets",
        V1,
        REPLICAS,
        ("vmirs", "vmirss"),
        subresources=("status", "scale"),
    ),
    CustomKind(
        "VirtualMachineInstancePreset",
        "kubevirt.io",
        "v1.preset",
        "virtualmachineinstancepresets",
        (Version("v1", deprecated=True), Version("v1alpha3", storage=True, deprecated=True)),
        short_names=("vmipreset", "vmipresets"),
        subresources=(),
    ),
    CustomKind(
        "VirtualMachineInstanceMigration",
        "kubevirt.io",
        "v1.migration",
        "virtualmachineinstancemigrations",
        V1,
        (PHASE, Column("VMI", "string", ".spec.vmiName")),
        ("vmim", "vmims"),
    ),
    CustomKind("KubeVirt", "kubevirt.io", "v1.kubevirt", "kubevirts", V1, (AGE, PHASE), ("kv", "kvs")),
    CustomKind(
        "VirtualMachinePool",
        "pool.kubevirt.io",
        "pool_v1beta1",
        "virtualmachinepools",
        V1BETA1,
        REPLICAS,
        ("vmpool", "vmpools"),
        subresources=("status", "scale"),
    ),
    CustomKind(
        "VirtualMachineSnapshot",
        "snapshot.kubevirt.io",
        "snapshot_v1beta1",
        "virtualmachinesnapshots",
        V1BETA1,
        (*SOURCE, PHASE, *SNAPSHOT_READY),
        ("vmsnapshot", "vmsnapshots"),
    ),
    CustomKind(
        "VirtualMachineSnapshotContent",
        "snapshot.kubevirt.io",
        "snapshot_v1beta1",
        "virtualmachinesnapshotcontents",
        V1BETA1,
        SNAPSHOT_READY,
        ("vmsnapshotcontent", "vmsnapshotcontents"),
    ),
    CustomKind(
        "VirtualMachineRestore",
        "snapshot.kubevirt.io",
        "snapshot_v1beta1",
        "virtualmachinerestores",
        V1BETA1,
        (
            Column("TargetKind", "string", ".spec.target.kind"),
            Column("TargetName", "string", ".spec.target.name"),
            Column("Complete", "boolean", ".status.complete"),
            Column("RestoreTime", "date", ".status.restoreTime"),
        ),
        ("vmrestore", "vmrestores"),
    ),
    CustomKind(
        "VirtualMachineExport",
        "export.kubevirt.io",
        "export_v1",
        "virtualmachineexports",
        (Version("v1", storage=True), Version("v1beta1", deprecated=True)),
        (*SOURCE, PHASE),
        ("vmexport", "vmexports"),
    ),
    CustomKind(
        "VirtualMachineInstancetype",
        "instancetype.kubevirt.io",
        "instancetype_v1beta1",
        "virtualmachineinstancetypes",
        (Version("v1beta1", storage=True),),
        short_names=("vminstancetype", "vminstancetypes", "vmf", "vmfs"),
        subresources=(),
    ),
    CustomKind(
        "VirtualMachineClusterInstancetype",
        "instancetype.kubevirt.io",
        "instancetype_v1beta1",
        "virtualmachineclusterinstancetypes",
        (Version("v1beta1", storage=True),),
        short_names=("vmclusterinstancetype", "vmclusterinstancetypes", "vmcf", "vmcfs"),
        categories=(),
        namespaced=False,
        subresources=(),
    ),
    CustomKind(
        "VirtualMachinePreference",
        "instancetype.kubevirt.io",
        "preference_v1beta1",
        "virtualmachinepreferences",
        (Version("v1beta1", storage=True),),
        short_names=("vmpref", "vmprefs", "vmp", "vmps"),
        subresources=(),
    ),
    CustomKind(
        "VirtualMachineClusterPreference",
        "instancetype.kubevirt.io",
        "preference_v1beta1",
        "virtualmachineclusterpreferences",
        (Version("v1beta1", storage=True),),
        short_names=("vmcp", "vmcps"),
        categories=(),
        namespaced=False,
        subresources=(),
    ),
    CustomKind(
        "MigrationPolicy",
        "migrations.kubevirt.io",
        "migrations_v1alpha1",
        "migrationpolicies",
        (Version("v1alpha1", storage=True),),
        categories=(),
        namespaced=False,
    ),
    CustomKind(
        "VirtualMachineClone",
        "clone.kubevirt.io",
        "clone_v1beta1",
        "virtualmachineclones",
        V1BETA1,
        (
            PHASE,
            Column("SourceVirtualMachine", "string", ".spec.source.name"),
            Column("TargetVirtualMachine", "string", ".spec.target.name"),
        ),
        ("vmclone", "vmclones"),
    ),
    CustomKind(
        "VirtualMachineBackup",
        "backup.kubevirt.io",
        "backup_v1alpha1",
        "virtualmachinebackups",
        (Version("v1alpha1", storage=True),),
        short_names=("vmbackup", "vmbackups"),
    ),
    CustomKind(
        "VirtualMachineBackupTracker",
        "backup.kubevirt.io",
        "backup_v1alpha1",
        "virtualmachinebackuptrackers",
        (Version("v1alpha1", storage=True),),
        short_names=("vmbackuptracker", "vmbackuptrackers"),
    ),
    CustomKind(
        "Plugin",
        "plugin.kubevirt.io",
        "plugin_v1alpha1",
        "plugins",
        (Version("v1alpha1", storage=True),),
        categories=(),
        namespaced=False,
    ),
)
