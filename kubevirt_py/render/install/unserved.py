"""Kinds that are defined, so that clients find them, but that no controller of this release acts on yet.

The API server refuses to create them, rather than letting them lie there without effect. Remove a row when its
controller arrives. Instance types and preferences are not here: machines that name them are refused.
"""

from __future__ import annotations

from kubevirt_py.api.crd_kinds import KINDS
from kubevirt_py.plan import Document
from kubevirt_py.render.install.policy import denying, writes_of

POLICY = "kubevirt-unserved-kinds"
UNSERVED = {
    "VirtualMachineInstanceReplicaSet": "replica sets",
    "VirtualMachineInstanceMigration": "live migration",
    "VirtualMachinePool": "pools",
    "VirtualMachineSnapshot": "snapshots",
    "VirtualMachineSnapshotContent": "snapshots",
    "VirtualMachineRestore": "snapshots",
    "VirtualMachineExport": "exports",
    "MigrationPolicy": "live migration",
    "VirtualMachineClone": "clones",
    "VirtualMachineBackup": "backups",
    "VirtualMachineBackupTracker": "backups",
    "Plugin": "plugins",
}


def unserved_policy() -> tuple[Document, Document]:
    """The policy that refuses to create these kinds, and its binding."""
    unserved = [kind for kind in KINDS if kind.kind in UNSERVED]
    texts = ", ".join(f"'{kind.kind}': '{UNSERVED[kind.kind]}'" for kind in unserved)
    validation = {
        "expression": "false",
        "message": "not supported yet by this release",
        "messageExpression": f"'not supported yet by this release: ' + {{{texts}}}[request.kind.kind]",
        "reason": "Invalid",
    }
    return denying(POLICY, {"matchConstraints": writes_of(unserved, "CREATE"), "validations": [validation]})
