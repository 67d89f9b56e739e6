"""The claim that keeps what a VM's firmware and TPM remember: EFI variables and TPM state.

virt-controller makes it when a VMI first needs it; it is the VM's, so it outlives each run and goes with the VM.
"""

from __future__ import annotations

from kubevirt_py.api import names
from kubevirt_py.plan import Document
from kubevirt_py.render.machine.devices import has_tpm

VOLUME = "vm-state"
SIZE = "10Mi"


def keeps_tpm(domain: Document) -> bool:
    devices = domain.get("devices") or {}
    return has_tpm(devices) and bool(devices["tpm"].get("persistent"))


def keeps_nvram(domain: Document) -> bool:
    bootloader = (domain.get("firmware") or {}).get("bootloader") or {}
    return bool((bootloader.get("efi") or {}).get("persistent"))


def keeps_state(spec: Document) -> bool:
    """Whether the VMI needs the claim."""
    domain = spec.get("domain") or {}
    return keeps_tpm(domain) or keeps_nvram(domain)


def is_state_entry(entry: Document) -> bool:
    """Whether an entry of status.volumeStatus that is no volume of the spec tells of such a claim, by its name."""
    return (entry.get("persistentVolumeClaimInfo") or {}).get("claimName") == entry.get("name")


def state_claim(vmi: Document, shared_class: str, default_class: str = "") -> Document:
    """The claim of a VMI document, owned by its VM if it has one.

    `shared_class`, named in the KubeVirt CR, is taken to be a storage class that several nodes can use, as upstream
    does: then the VM can migrate. Otherwise it is `default_class`, the cluster's default for machines, or without
    that its default for all, which need not be.
    """
    storage_class = shared_class or default_class
    meta = vmi["metadata"]
    spec: Document = {
        "accessModes": ["ReadWriteMany" if shared_class else "ReadWriteOnce"],
        "resources": {"requests": {"storage": SIZE}},
        "volumeMode": "Filesystem",
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": f"{names.PERSISTENT_STATE}-{meta['name']}",
            "namespace": meta["namespace"],
            "labels": {names.PERSISTENT_STATE: meta["name"], names.APPLY_STORAGE_PROFILE_LABEL: "true"},
            "ownerReferences": [_owner(vmi)],
        },
        "spec": spec | ({"storageClassName": storage_class} if storage_class else {}),
    }


def _owner(vmi: Document) -> Document:
    meta = vmi["metadata"]
    owners = (owner for owner in meta.get("ownerReferences") or () if owner.get("kind") == "VirtualMachine")
    own = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "name": meta["name"], "uid": meta["uid"]}
    return {**next(owners, own), "controller": True, "blockOwnerDeletion": True}
