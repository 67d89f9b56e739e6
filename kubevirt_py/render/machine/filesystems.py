"""File systems shared by virtiofs (spec.domain.devices.filesystems). Guest memory is shared with their servers."""

from __future__ import annotations

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.machine.pci import Address, Layout
from kubevirt_py.render.machine.wiring import descriptor, options

QUEUE_SIZE = 1024


class Filesystem(msgspec.Struct, frozen=True):
    """`name` is the volume's and the tag to mount it by."""

    name: str
    place: Address


def device_id(name: str) -> str:
    """QEMU's id of the device of a volume."""
    return f"fs-{name}"


def filesystems_from_devices(devices: Document, layout: Layout) -> tuple[Filesystem, ...]:
    return tuple(
        Filesystem(item["name"], layout.express("disk", device_id(item["name"])))
        for item in devices.get("filesystems") or ()
    )


def filesystem_args(index: int, filesystem: Filesystem) -> list[str]:
    """A connection to the server, and the device on it. Tags have at most 36 bytes, which admission sees to."""
    place = filesystem.place
    chardev = f"fs{index}"
    device = options(
        "vhost-user-fs-pci",
        id=device_id(filesystem.name),
        chardev=chardev,
        tag=filesystem.name,
        bus=place.bus,
        addr=place.addr,
        **{"queue-size": QUEUE_SIZE},
    )
    return ["-chardev", options("socket", id=chardev, fd=descriptor("fs", filesystem.name)), "-device", device]
