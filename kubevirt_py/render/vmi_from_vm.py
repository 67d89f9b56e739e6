"""VM -> the VMI that runs it."""

from __future__ import annotations

import hashlib
import json
import uuid

from kubevirt_py.api import kinds, names
from kubevirt_py.plan import Document
from kubevirt_py.render.live_update import fixed_part
from kubevirt_py.render.machine_version import with_version
from kubevirt_py.render.owners import controlled_by
from kubevirt_py.render.start import PAUSED

FIRMWARE_UUIDS = uuid.UUID("6a1a24a1-4061-4607-8bf4-a3963d0c5895")
"""Namespace of the firmware UUIDs of VMs that name none: a guest keeps its UUID over restarts."""


def vmi_from_vm(vm: Document, *, paused: bool = False, machine: str = "") -> Document:
    """The VMI document for a VM document.

    It has the VM's name, the template's labels, annotations and spec, and remembers the generation
    and template it was made from. `paused` starts the guest stopped at its first instruction; `machine`
    is the version of its board that it had before.
    """
    meta, template = vm["metadata"], vm["spec"].get("template") or {}
    template_meta, spec = template.get("metadata") or {}, dict(with_version(template.get("spec") or {}, machine))
    spec["domain"] = _with_firmware_uuid(spec.get("domain") or {}, meta["name"])
    if paused:
        spec["startStrategy"] = PAUSED
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {
            "name": meta["name"],
            "namespace": meta["namespace"],
            "labels": template_meta.get("labels") or {},
            "annotations": (template_meta.get("annotations") or {})
            | {
                names.TEMPLATE_HASH_ANNOTATION: template_hash(template),
                names.VM_GENERATION_ANNOTATION: str(meta.get("generation", 0)),
            },
            "finalizers": [names.VM_FINALIZER],
            "ownerReferences": controlled_by(kinds.VM, meta),
        },
        "spec": spec,
    }


def template_hash(template: Document) -> str:
    """A short name for what is fixed in a template's spec: what may change live is not in it."""
    text = json.dumps(fixed_part(template.get("spec") or {}), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _with_firmware_uuid(domain: Document, vm_name: str) -> Document:
    firmware = domain.get("firmware") or {}
    if firmware.get("uuid"):
        return domain
    return domain | {"firmware": firmware | {"uuid": str(uuid.uuid5(FIRMWARE_UUIDS, vm_name))}}
