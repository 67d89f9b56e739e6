"""Disks that grow with their claims while the guest runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kubevirt_py.api.quantity import is_quantity, quantity_bytes
from kubevirt_py.plan import Document
from kubevirt_py.render.machine import Machine
from kubevirt_py.render.machine.blocknodes import node_name

BLOCK_BYTES = 512
CLAIMS = ("persistentVolumeClaim", "dataVolume")


def growth(
    spec: Document, volume_status: Iterable[Document], machine: Machine, sizes: Mapping[str, int]
) -> dict[str, int]:
    """New sizes in bytes, by block node, of the disks that are smaller than their claims.

    `volume_status` is the VMI's, whose claims virt-controller keeps up to date; `sizes` are those of QEMU's nodes now.
    A disk never shrinks.
    """
    claims = {volume["name"] for volume in spec.get("volumes") or () if any(source in volume for source in CLAIMS)}
    disks = {disk.name: disk for disk in machine.disks if not disk.read_only and not disk.empty and disk.name in claims}
    found = {}
    for status in volume_status:
        disk, claim = disks.get(str(status.get("name"))), status.get("persistentVolumeClaimInfo") or {}
        capacity = (claim.get("capacity") or {}).get("storage")
        if disk is None or capacity is None or not is_quantity(capacity):
            continue
        if disk.file.source not in ("", claim.get("claimName")):  # another one of that name is on its way
            continue
        wanted = quantity_bytes(capacity) // BLOCK_BYTES * BLOCK_BYTES
        if wanted > sizes.get(node_name(disk), wanted):
            found[node_name(disk)] = wanted
    return found
