"""Whether a VirtualMachineBackup or a VirtualMachineBackupTracker may be created.

Most rules, and that specs are fixed, stand in the CRDs as CEL: see api.backup_v1alpha1.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.api.backup_v1alpha1 import VirtualMachineBackup, VirtualMachineBackupTracker
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, Cause, needs_gate
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.parse import parse_causes, without_nulls
from kubevirt_py.render.validate.references import MACHINE, duration, reference
from kubevirt_py.render.validate.text import dns_subdomain

GATE = "IncrementalBackup"
TRACKER = ("backup.kubevirt.io", "VirtualMachineBackupTracker")


def validate_backup(document: Document, config: ClusterConfig) -> list[Cause]:
    """Causes against a backup."""
    if causes := parse_causes(VirtualMachineBackup, document):
        return causes
    spec = without_nulls(document["spec"])
    causes = [
        *_gate(config),
        *reference("spec.source", spec["source"], (MACHINE, TRACKER)),
        *dns_subdomain("spec.pvcName", spec.get("pvcName") or None),
        *dns_subdomain("spec.tokenSecretRef", spec.get("tokenSecretRef") or None),
        *duration("spec.ttlDuration", spec.get("ttlDuration")),
    ]
    if spec.get("mode") != "Pull":
        for key in ("tokenSecretRef", "ttlDuration"):
            if spec.get(key):
                causes.append(Cause(f"spec.{key}", INVALID, f"{key} is for mode Pull only; leave it out"))
    return causes


def validate_backup_tracker(document: Document, config: ClusterConfig) -> list[Cause]:
    """Causes against a tracker."""
    if causes := parse_causes(VirtualMachineBackupTracker, document):
        return causes
    return [*_gate(config), *reference("spec.source", without_nulls(document["spec"])["source"], (MACHINE,))]


def _gate(config: ClusterConfig) -> Iterator[Cause]:
    if not config.gate(GATE):
        yield needs_gate("spec", GATE)
