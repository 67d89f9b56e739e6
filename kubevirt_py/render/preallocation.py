"""Claims whose space is reserved in full: discarding what a guest frees would undo that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kubevirt_py.plan import Document

_MARKS = ("/storage.preallocation", "/storage.thick-provisioned")


def is_preallocated(annotations: Mapping[str, str]) -> bool:
    """Whether a claim's annotations say so; CDI's do for what it preallocated, and users' with any prefix."""
    return any(mark in key and value == "true" for key, value in annotations.items() for mark in _MARKS)


def preallocated_volumes(volume_status: Iterable[Document]) -> frozenset[str]:
    """Names of the volumes on such claims, by status.volumeStatus of the VMI."""
    return frozenset(
        str(entry.get("name"))
        for entry in volume_status
        if (entry.get("persistentVolumeClaimInfo") or {}).get("preallocated")
    )
