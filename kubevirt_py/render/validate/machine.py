"""The last check: can the machine be put together at all? Asks the renderer itself, so the two cannot drift apart."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, Cause
from kubevirt_py.render.machine import Attachments, DiskFile, Facts, NicWire, argv, machine_from_vmi

ANY_TIME = datetime(2030, 1, 1, tzinfo=UTC).isoformat()
ANY_MAC = "02:00:00:00:00:01"
ANY_CELLS = {0: tuple(range(512))}
ANY_CID = 3
ANY_UID = "00000000-0000-0000-0000-000000000000"


def check(spec: Document, path: str) -> Iterator[Cause]:
    """Render for a node that has everything. Covers what only the whole shows, such as slots being used up."""
    devices = spec["domain"].get("devices") or {}
    files = Attachments(
        disks={disk["name"]: DiskFile(block=True, direct=True) for disk in devices.get("disks") or ()},
        nics=tuple(NicWire(name=item["name"], mac=ANY_MAC) for item in devices.get("interfaces") or ()),
        initrd=True,
        vsock_cid=ANY_CID,
    )
    for kvm in (True, False):
        try:
            words = argv(machine_from_vmi("any", ANY_UID, spec, Facts(kvm=kvm, now=ANY_TIME, cells=ANY_CELLS), files))
        except (ValueError, LookupError, OSError, OverflowError) as error:
            yield Cause(f"{path}.domain", INVALID, f"no machine can be made of this: {error}")
            return
        if any("\0" in word for word in words):
            yield Cause(f"{path}.domain", INVALID, "a string of the machine contains a NUL character")
            return
