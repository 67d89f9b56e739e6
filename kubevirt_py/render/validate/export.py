"""Whether a VirtualMachineExport may be created."""

from __future__ import annotations

from kubevirt_py.api.export_v1 import VirtualMachineExport
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import Cause
from kubevirt_py.render.parse import parse_causes, without_nulls
from kubevirt_py.render.validate.references import BACKUP, CLAIM, MACHINE, SNAPSHOT, TEMPLATE, duration, reference
from kubevirt_py.render.validate.text import dns_subdomain

SOURCES = (MACHINE, SNAPSHOT, CLAIM, BACKUP, TEMPLATE)


def validate_export(document: Document) -> list[Cause]:
    """Causes against an export."""
    if causes := parse_causes(VirtualMachineExport, document):
        return causes
    spec = without_nulls(document["spec"])
    return [
        *reference("spec.source", spec["source"], SOURCES),
        *dns_subdomain("spec.tokenSecretRef", spec.get("tokenSecretRef") or None),
        *duration("spec.ttlDuration", spec.get("ttlDuration")),
    ]
