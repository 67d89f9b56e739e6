"""What a request to add or remove a volume makes of a VMI's spec."""

from __future__ import annotations

import copy

from kubevirt_py.plan import Document
from kubevirt_py.render.default_devices import follow_claim


def with_request(spec: Document, request: Document) -> Document:
    """`spec` (which is changed) with one entry of status.volumeRequests carried out; doing it twice does no harm.

    A disc put into a drive that is there needs no disk of its own, and the drive stays when the disc goes.
    """
    devices = spec.setdefault("domain", {}).setdefault("devices", {})
    volumes, disks = spec.get("volumes") or [], devices.get("disks") or []
    if added := request.get("addVolumeOptions"):
        name = added["name"]
        if all(volume["name"] != name for volume in volumes):
            volumes = [*volumes, {"name": name, **added["volumeSource"]}]
        if all(disk["name"] != name for disk in disks):
            disk = copy.deepcopy(added["disk"])
            follow_claim(disk, added["volumeSource"])
            disks = [*disks, disk]
    elif removed := request.get("removeVolumeOptions"):
        name = removed["name"]
        volumes = [volume for volume in volumes if volume["name"] != name]
        disks = [disk for disk in disks if disk["name"] != name or "cdrom" in disk]
    spec["volumes"], devices["disks"] = volumes, disks
    return spec
