"""Whether a VirtualMachineSnapshot or a VirtualMachineRestore may be created."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.api.snapshot_v1beta1 import VirtualMachineRestore, VirtualMachineSnapshot
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, REQUIRED, Cause, needs_gate, one_of, unique
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.parse import parse_causes, without_nulls
from kubevirt_py.render.selectors import label_key, labels_causes
from kubevirt_py.render.validate.references import MACHINE, duration, patches, reference
from kubevirt_py.render.validate.text import dns_subdomain

GATE = "Snapshot"
DELETION_POLICIES = ("Delete", "Retain")
OWNERSHIP_POLICIES = ("Vm", "None")
NAME_POLICIES = ("RandomizeNames", "PrefixTargetName", "InPlace")
PATCHED = ("/spec/", "/metadata/labels/", "/metadata/annotations/")


def validate_snapshot(document: Document, config: ClusterConfig) -> list[Cause]:
    """Causes against a snapshot."""
    if causes := parse_causes(VirtualMachineSnapshot, document):
        return causes
    spec = without_nulls(document["spec"])
    return [
        *_gate(config),
        *reference("spec.source", spec["source"], (MACHINE,)),
        *one_of("spec.deletionPolicy", spec.get("deletionPolicy"), DELETION_POLICIES),
        *duration("spec.failureDeadline", spec.get("failureDeadline")),
    ]


def validate_restore(document: Document, config: ClusterConfig) -> list[Cause]:
    """Causes against a restore."""
    if causes := parse_causes(VirtualMachineRestore, document):
        return causes
    spec = without_nulls(document["spec"])
    causes = [*_gate(config), *reference("spec.target", spec["target"], (MACHINE,))]
    if not spec["virtualMachineSnapshotName"]:
        causes.append(Cause("spec.virtualMachineSnapshotName", REQUIRED, "must name the snapshot to restore"))
    else:
        causes += dns_subdomain("spec.virtualMachineSnapshotName", spec["virtualMachineSnapshotName"])
    return [
        *causes,
        *one_of("spec.volumeRestorePolicy", spec.get("volumeRestorePolicy"), NAME_POLICIES),
        *one_of("spec.volumeOwnershipPolicy", spec.get("volumeOwnershipPolicy"), OWNERSHIP_POLICIES),
        *_overrides(spec.get("volumeRestoreOverrides") or []),
        *patches("spec.patches", spec.get("patches") or [], PATCHED),
    ]


def _gate(config: ClusterConfig) -> Iterator[Cause]:
    if not config.gate(GATE):
        yield needs_gate("spec", GATE)


def _overrides(overrides: list[Document]) -> Iterator[Cause]:
    base = "spec.volumeRestoreOverrides"
    for index, item in enumerate(overrides):
        field = f"{base}[{index}]"
        if not item.get("volumeName"):
            yield Cause(f"{field}.volumeName", REQUIRED, "must name a volume of the snapshot")
        if not any(item.get(key) for key in ("restoreName", "labels", "annotations")):
            yield Cause(field, INVALID, "must provide at least one of restoreName, labels and annotations")
        yield from dns_subdomain(f"{field}.restoreName", item.get("restoreName") or None)
        yield from labels_causes(item.get("labels") or {}, f"{field}.labels")
        for key in item.get("annotations") or {}:
            yield from label_key(f"{field}.annotations[{key}]", key)
    for key, what in (("volumeName", "volume"), ("restoreName", "name of a claim")):
        yield from unique(((f"{base}[{index}].{key}", item.get(key)) for index, item in enumerate(overrides)), what)
