"""A VM's dataVolumeTemplates as DataVolumes, which CDI turns into claims and fills."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubevirt_py.api import kinds, names
from kubevirt_py.api.views import PersistentVolumeClaim
from kubevirt_py.plan import Document
from kubevirt_py.render.owners import controlled_by

BOUND = "Bound"
SUCCEEDED = "Succeeded"


def template_names(templates: list[Document]) -> tuple[str, ...]:
    """Names of the DataVolumes, and so of their claims."""
    return tuple(str((template.get("metadata") or {}).get("name") or "") for template in templates)


def data_volume(template: Document, vm: Document) -> Document:
    """The DataVolume of a template, controlled by its VM."""
    meta, given = vm["metadata"], template.get("metadata") or {}
    labels: dict[str, Any] = given.get("labels") or {}
    return {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "DataVolume",
        "metadata": {
            "name": given["name"],
            "namespace": meta["namespace"],
            "labels": labels | {names.CREATED_BY_LABEL: meta["uid"]},
            "annotations": given.get("annotations") or {},
            "ownerReferences": controlled_by(kinds.VM, meta),
        },
        "spec": template["spec"],
    }


def is_filled(claim: PersistentVolumeClaim) -> bool:
    """Whether a guest may use a claim: CDI, where it made it, says when all data is there.

    A claim that waits for its first consumer has no data to wait for once a pod uses it.
    """
    if not any(owner.kind == "DataVolume" for owner in claim.metadata.owner_references):
        return True
    phase = claim.metadata.annotations.get(names.CDI_POD_PHASE_ANNOTATION)
    return claim.status.phase == BOUND and phase in (None, "", SUCCEEDED)


def is_being_filled(claim: PersistentVolumeClaim) -> bool:
    """Whether CDI writes into the claim, or failed to: a guest must not use it yet."""
    made_by_cdi = any(owner.kind == "DataVolume" for owner in claim.metadata.owner_references)
    return made_by_cdi and claim.metadata.annotations.get(names.CDI_POD_PHASE_ANNOTATION) not in (None, "", SUCCEEDED)


def unfilled(templates: list[Document], claims: Mapping[str, PersistentVolumeClaim]) -> tuple[str, ...]:
    """Names of templates whose claim is missing or not filled yet."""
    return tuple(name for name in template_names(templates) if name not in claims or not is_filled(claims[name]))
