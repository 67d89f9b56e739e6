"""Whether a VirtualMachine may be created or changed."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.api.v1.vm import VirtualMachine
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import FORBIDDEN, INVALID, NOT_SUPPORTED, REQUIRED, Cause, one_of
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.defaults import with_vmi_defaults
from kubevirt_py.render.parse import parse_causes, without_nulls
from kubevirt_py.render.validate import unsupported
from kubevirt_py.render.validate.text import label_value
from kubevirt_py.render.validate.vmi import ignition_causes, spec_causes

RUN_STRATEGIES = ("Always", "Halted", "Manual", "RerunOnFailure", "Once")
LATER_RUN_STRATEGIES = ("WaitAsReceiver",)
UPDATE_STRATEGIES = ("Replacement", "Migration")


def validate_vm_create(document: Document, config: ClusterConfig) -> list[Cause]:
    """Causes against creating a VM, none if it may be. Its template is checked as the VMI it will become."""
    if causes := parse_causes(VirtualMachine, document):
        return causes
    vm = without_nulls(document)
    spec = vm["spec"]
    causes = list(_spec(spec))
    if "spec" not in spec["template"]:
        return [*causes, Cause("spec.template.spec", REQUIRED, "describes the virtual machine")]
    if any(key in spec for key in unsupported.VM_FIELDS):
        return causes
    template = with_vmi_defaults(spec["template"]["spec"], config)
    metadata = spec["template"].get("metadata") or {}
    if not causes:
        causes += ignition_causes(metadata, "spec.template.metadata", config)
    return [*causes, *spec_causes(template, "spec.template.spec", config)]


def validate_vm_update(new: Document, old: Document, config: ClusterConfig) -> list[Cause]:
    """Causes against changing a VM. An unchanged spec is never refused, nor is a VM on its way out."""
    if new["metadata"].get("deletionTimestamp") or new.get("spec") == old.get("spec"):
        return []
    causes = validate_vm_create(new, config)
    status = old.get("status") or {}
    for key, what in (("snapshotInProgress", "snapshot"), ("restoreInProgress", "restore")):
        if name := status.get(key):
            causes.append(Cause("spec", FORBIDDEN, f"cannot change the spec while {what} {name} is in progress"))
    return causes


def _spec(spec: Document) -> Iterator[Cause]:
    strategy = spec.get("runStrategy")
    if "running" in spec and strategy:
        yield Cause("spec.running", INVALID, "running and runStrategy exclude each other; use runStrategy")
    elif "running" not in spec and not strategy:
        yield Cause("spec.runStrategy", REQUIRED, f"set one of: {', '.join(RUN_STRATEGIES)}")
    if strategy in LATER_RUN_STRATEGIES:
        yield Cause("spec.runStrategy", NOT_SUPPORTED, f"not supported yet by this release: run strategy {strategy}")
    else:
        yield from one_of("spec.runStrategy", strategy, RUN_STRATEGIES)
    yield from one_of("spec.updateVolumesStrategy", spec.get("updateVolumesStrategy"), UPDATE_STRATEGIES)
    yield from unsupported.fields(spec, "spec", unsupported.VM_FIELDS)
    yield from _template_metadata(spec["template"].get("metadata") or {}, "spec.template.metadata")


def _template_metadata(metadata: Document, path: str) -> Iterator[Cause]:
    """The schema leaves the template's metadata open, so its types are checked here."""
    for part in ("labels", "annotations"):
        given = metadata.get(part) or {}
        if not isinstance(given, dict):
            yield Cause(f"{path}.{part}", INVALID, f"must map names to strings, not {given!r}")
            continue
        for key, value in given.items():
            if not isinstance(value, str):
                yield Cause(f"{path}.{part}[{key}]", INVALID, f"must be a string, not {value!r}")
            elif part == "labels":
                yield from label_value(f"{path}.{part}[{key}]", value)
