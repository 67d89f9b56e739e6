"""Whether a VirtualMachineInstance may be created or changed."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.api import names
from kubevirt_py.api.v1.vmi import VirtualMachineInstance
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import FORBIDDEN, NOT_SUPPORTED, Cause, needs_gate
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.parse import parse_causes, without_nulls
from kubevirt_py.render.validate import (
    affinity,
    backends,
    clock,
    cpu,
    credentials,
    devices,
    disks,
    firmware,
    gates,
    hotplug,
    interfaces,
    machine,
    memory,
    networks,
    probes,
    resources,
    scheduling,
    tasks,
    threads,
    unsupported,
    volumes,
)

AREAS = (
    cpu,
    clock,
    memory,
    resources,
    disks,
    backends,
    volumes,
    interfaces,
    networks,
    firmware,
    hotplug,
    tasks,
    devices,
    credentials,
    probes,
    scheduling,
    affinity,
    threads,
    gates,
    unsupported,
)

GATED_ANNOTATIONS = {
    names.IGNITION_ANNOTATION: "ExperimentalIgnitionSupport",
    names.HOOK_SIDECARS_ANNOTATION: "Sidecar",
}
RESERVED_LABELS = (
    names.CREATED_BY_LABEL,
    names.INSTALL_STRATEGY_LABEL,
    names.MIGRATION_JOB_UID_LABEL,
    names.MIGRATION_TARGET_NODE_LABEL,
    names.NODE_NAME_LABEL,
    names.SCHEDULABLE_LABEL,
)


HOOK_SIDECARS = (
    "not supported yet by this release: hook sidecars, which change libvirt's XML; leave the annotation out and use "
    "the fields of the VMI"
)


def spec_causes(spec: Document, path: str, config: ClusterConfig) -> list[Cause]:
    """What is wrong in a defaulted VMI spec whose types are right. `path` is where the spec stands in its object."""
    causes = [cause for area in AREAS for cause in area.check(spec, path, config)]
    return causes or list(machine.check(spec, path))


def metadata_causes(metadata: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    """Annotations that ask for a feature: an Ignition file, hook sidecars. Both are Alpha."""
    annotations = metadata.get("annotations") or {}
    for name, gate in GATED_ANNOTATIONS.items():
        if name in annotations and not config.gate(gate):
            yield needs_gate(f"{path}.annotations[{name}]", gate)
    if names.HOOK_SIDECARS_ANNOTATION in annotations and config.gate(GATED_ANNOTATIONS[names.HOOK_SIDECARS_ANNOTATION]):
        place = f"{path}.annotations[{names.HOOK_SIDECARS_ANNOTATION}]"
        yield Cause(place, NOT_SUPPORTED, HOOK_SIDECARS)


def validate_vmi_create(document: Document, config: ClusterConfig, *, by_kubevirt: bool = False) -> list[Cause]:
    """Causes against creating a VMI, none if it may be. The document has its defaults already."""
    if causes := parse_causes(VirtualMachineInstance, document):
        return causes
    vmi = without_nulls(document)
    reserved = [] if by_kubevirt else list(_reserved_labels(vmi, {}))
    features = metadata_causes(vmi.get("metadata") or {}, "metadata", config)
    created = tasks.at_creation(vmi["spec"], "spec")
    return [*reserved, *features, *created, *spec_causes(vmi["spec"], "spec", config)]


def validate_vmi_update(
    new: Document, old: Document, config: ClusterConfig, *, by_kubevirt: bool = False
) -> list[Cause]:
    """Causes against changing a VMI. Its spec is fixed; users may change metadata but for reserved labels."""
    if new["metadata"].get("deletionTimestamp"):
        return []
    new, old = without_nulls(new), without_nulls(old)
    if by_kubevirt:
        changed = [*hotplug.changed(new["spec"], old["spec"]), *tasks.changed(new["spec"], old["spec"])]
        return changed or (spec_causes(new["spec"], "spec", config) if hotplug.plugs(new["spec"], old["spec"]) else [])
    causes = list(_reserved_labels(new, old))
    if new.get("spec") != old.get("spec"):
        causes.append(
            Cause("spec", FORBIDDEN, "update of VMI object is restricted; change the VirtualMachine and restart it")
        )
    return causes


def _reserved_labels(new: Document, old: Document) -> Iterator[Cause]:
    labels, before = (obj.get("metadata", {}).get("labels") or {} for obj in (new, old))
    for name in RESERVED_LABELS:
        if labels.get(name) != before.get(name):
            yield Cause(f"metadata.labels[{name}]", FORBIDDEN, f"label {name} is set by KubeVirt alone")
