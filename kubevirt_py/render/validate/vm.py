"""Whether a VirtualMachine may be created or changed."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.api.v1.vm import VirtualMachine
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import FORBIDDEN, INVALID, NOT_SUPPORTED, REQUIRED, Cause, one_of
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.parse import parse_causes, without_nulls
from kubevirt_py.render.tuning import tuning_warnings
from kubevirt_py.render.validate import unsupported
from kubevirt_py.render.validate.templates import template_causes, template_metadata

RUN_STRATEGIES = ("Always", "Halted", "Manual", "RerunOnFailure", "Once")
LATER_RUN_STRATEGIES = ("WaitAsReceiver",)
UPDATE_STRATEGIES = ("Replacement", "Migration")


def validate_vm_create(document: Document, config: ClusterConfig) -> list[Cause]:
    """Causes against creating a VM, none if it may be. Its template is checked as the VMI it will become."""
    if causes := parse_causes(VirtualMachine, document):
        return causes
    return vm_spec_causes(without_nulls(document["spec"]), "spec", config)


def vm_warnings(document: Document) -> tuple[str, ...]:
    """What works in a VM and should be written otherwise, in KubeVirt's words, and what has no effect."""
    spec = document["spec"]
    ignored = tuning_warnings((spec["template"].get("metadata") or {}).get("annotations") or {})
    if spec.get("running") is not None:
        return ("spec.running is deprecated, please use spec.runStrategy instead.", *ignored)
    return ignored


def vm_spec_causes(spec: Document, path: str, config: ClusterConfig) -> list[Cause]:
    """What is wrong in a VM's spec whose types are right. `path` is where the spec stands in its object."""
    causes = list(_spec(spec, path))
    if "spec" not in spec["template"]:
        return [*causes, Cause(f"{path}.template.spec", REQUIRED, "describes the virtual machine")]
    if any(key in spec for key in unsupported.VM_FIELDS):
        return causes
    return [*causes, *template_causes(spec["template"], f"{path}.template", config)]


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


def _spec(spec: Document, path: str) -> Iterator[Cause]:
    strategy = spec.get("runStrategy")
    if "running" in spec and strategy:
        yield Cause(f"{path}.running", INVALID, "running and runStrategy exclude each other; use runStrategy")
    elif "running" not in spec and not strategy:
        yield Cause(f"{path}.runStrategy", REQUIRED, f"set one of: {', '.join(RUN_STRATEGIES)}")
    if strategy in LATER_RUN_STRATEGIES:
        yield Cause(f"{path}.runStrategy", NOT_SUPPORTED, f"not supported yet by this release: run strategy {strategy}")
    else:
        yield from one_of(f"{path}.runStrategy", strategy, RUN_STRATEGIES)
    yield from one_of(f"{path}.updateVolumesStrategy", spec.get("updateVolumesStrategy"), UPDATE_STRATEGIES)
    yield from unsupported.fields(spec, path, unsupported.VM_FIELDS)
    yield from _data_volumes(spec, path)


def _data_volumes(spec: Document, path: str) -> Iterator[Cause]:
    """Each template has a name, and a volume of the machine that uses it, as upstream asks for."""
    volumes = (spec["template"].get("spec") or {}).get("volumes") or ()
    used = {(volume.get("dataVolume") or {}).get("name") for volume in volumes}
    used |= {(volume.get("persistentVolumeClaim") or {}).get("claimName") for volume in volumes}
    for index, template in enumerate(spec.get("dataVolumeTemplates") or ()):
        field = f"{path}.dataVolumeTemplates[{index}]"
        template = template or {}
        yield from template_metadata(template.get("metadata") or {}, f"{field}.metadata")
        name = (template.get("metadata") or {}).get("name")
        if not isinstance(name, str) or not name:
            yield Cause(f"{field}.metadata.name", REQUIRED, "names the DataVolume and its claim")
        elif name not in used:
            yield Cause(f"{field}.metadata.name", INVALID, f"no volume of the template uses DataVolume {name!r}")
        if not any((template.get("spec") or {}).get(key) for key in ("pvc", "storage")):
            yield Cause(f"{field}.spec", REQUIRED, "set storage or pvc")
