"""One right object of every kind that virt-api judges."""

from __future__ import annotations

from typing import Any

from kubevirt_py.api.crd_kinds import KINDS
from kubevirt_py.plan import Document
from tests.unit.render.validate.machines import SPEC, vm

MACHINE = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "tiny"}
SIZE = {"cpu": {"guest": 2}, "memory": {"guest": "1Gi"}}
LIKING = {"cpu": {"preferredCPUTopology": "cores"}, "requirements": {"memory": {"guest": "512Mi"}}}
SELECTED: dict[str, Any] = {"metadata": {"labels": {"app": "tiny"}}}

SPECS: dict[str, Document] = {
    "VirtualMachineInstance": SPEC,
    "VirtualMachine": vm()["spec"],
    "VirtualMachineInstanceReplicaSet": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "tiny"}},
        "template": SELECTED | {"spec": SPEC},
    },
    "VirtualMachineInstancePreset": {
        "selector": {"matchLabels": {"size": "four"}},
        "domain": {"cpu": {"cores": 4}, "devices": {}},
    },
    "VirtualMachineInstanceMigration": {"vmiName": "tiny"},
    "VirtualMachinePool": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "tiny"}},
        "virtualMachineTemplate": SELECTED | {"spec": vm()["spec"]},
    },
    "VirtualMachineSnapshot": {"source": MACHINE, "failureDeadline": "5m", "deletionPolicy": "Delete"},
    "VirtualMachineSnapshotContent": {"source": {}},
    "VirtualMachineRestore": {
        "target": MACHINE,
        "virtualMachineSnapshotName": "before",
        "patches": ['{"op": "replace", "path": "/spec/running", "value": false}'],
        "volumeRestoreOverrides": [{"volumeName": "root", "restoreName": "other"}],
    },
    "VirtualMachineExport": {"source": MACHINE, "ttlDuration": "2h"},
    "VirtualMachineInstancetype": SIZE,
    "VirtualMachineClusterInstancetype": SIZE,
    "VirtualMachinePreference": LIKING,
    "VirtualMachineClusterPreference": LIKING,
    "MigrationPolicy": {
        "selectors": {"namespaceSelector": {"team": "a"}},
        "bandwidthPerMigration": "64Mi",
        "completionTimeoutPerGiB": 100,
    },
    "VirtualMachineClone": {
        "source": MACHINE,
        "target": MACHINE | {"name": "other"},
        "labelFilters": ["*", "!some/*"],
        "newMacAddresses": {"default": "02:00:00:00:00:01"},
    },
    "VirtualMachineBackup": {"source": MACHINE, "mode": "Push", "pvcName": "backups"},
    "VirtualMachineBackupTracker": {"source": MACHINE},
    "Plugin": {
        "domainHooks": [{"cel": {"expression": "domain"}, "failureStrategy": "Fail", "timeout": "5s"}],
        "nodeHooks": [{"socket": "/run/hook.sock", "permittedHooks": ["PreVMStart"]}],
    },
}
EXAMPLES: dict[str, Document] = {
    kind.kind: {
        "apiVersion": f"{kind.group}/{kind.versions[0].name}",
        "kind": kind.kind,
        "metadata": {"name": "tiny"},
        "spec": SPECS[kind.kind],
    }
    for kind in KINDS
    if kind.kind in SPECS
}
