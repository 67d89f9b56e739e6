"""What the user left out of objects that ask for something to be done: migrations and clones.

A document whose types are wrong is returned as it came: the API server refuses it afterwards, with better words.
"""

from __future__ import annotations

from collections.abc import Callable

from kubevirt_py.api import names
from kubevirt_py.api.clone_v1beta1 import VirtualMachineClone
from kubevirt_py.api.v1.migration import VirtualMachineInstanceMigration
from kubevirt_py.plan import Document
from kubevirt_py.render.parse import parse_causes, without_nulls

SUFFIX_LENGTH = 5
MAX_NAME = 63
TARGET = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine"}


def default_migration(document: Document) -> Document:
    """A migration as it is stored when created: found by the VMI's name, and held until it has been cleaned up."""
    if parse_causes(VirtualMachineInstanceMigration, document):
        return document
    metadata = dict(document.get("metadata") or {})
    vmi = document["spec"].get("vmiName")
    if vmi and len(vmi) <= MAX_NAME:
        metadata["labels"] = {**(metadata.get("labels") or {}), names.MIGRATED_VMI_LABEL: vmi}
    given = metadata.get("finalizers") or []
    if names.MIGRATION_FINALIZER not in given:
        metadata["finalizers"] = [*given, names.MIGRATION_FINALIZER]
    return document | {"metadata": metadata}


def default_clone(document: Document, new_uuid: Callable[[], str]) -> Document:
    """A clone as it is stored when created: its target is a VM, with a name of its own."""
    if parse_causes(VirtualMachineClone, document):
        return document
    spec = without_nulls(document["spec"])
    target = spec.get("target") or TARGET
    if not target.get("name"):
        suffix = f"-clone-{new_uuid()[:SUFFIX_LENGTH]}"
        target = target | {"name": spec["source"]["name"][: MAX_NAME - len(suffix)] + suffix}
    return document | {"spec": spec | {"target": target}}
