"""SCSI persistent reservations (disks[].lun.reservation): which disks have them, and where their helper is.

QEMU passes the guest's reservation commands, with the disk's own descriptor, to qemu-pr-helper, which alone has the
privilege they need.
"""

from __future__ import annotations

from kubevirt_py.api import names
from kubevirt_py.plan import Document

SOCKET = "pr-helper.sock"
FOLDER = "reservations"
"""Below the agent's directory on the node; in pods it is names.RESERVATIONS_DIR."""
SOCKET_PATH = f"{names.RESERVATIONS_DIR}/{SOCKET}"


def is_reserved(disk: Document) -> bool:
    """Whether the guest may make reservations on this disk of the spec."""
    return bool((disk.get("lun") or {}).get("reservation"))


def has_reservations(spec: Document) -> bool:
    devices = (spec.get("domain") or {}).get("devices") or {}
    return any(is_reserved(disk) for disk in devices.get("disks") or ())
