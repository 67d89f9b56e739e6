"""The block graph of disks: files on descriptor sets, formats on files, and the cache and I/O that suit the storage."""

from __future__ import annotations

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.machine.disknumbers import Medium
from kubevirt_py.render.machine.disks import Disk

PR_MANAGER = "pr-helper0"
"""QEMU's id of its way to the helper that executes reservations."""


class Image(msgspec.Struct, frozen=True):
    """A file of a disk: its descriptor's name, the set QEMU finds it in, and the block nodes on it, lowest first."""

    name: str
    fdset: int
    direct: bool
    nodes: tuple[Document, ...]


def with_medium(disk: Disk, medium: Medium) -> Disk:
    """The drive with this medium in it, as far as its nodes and descriptors are concerned."""
    return msgspec.structs.replace(disk, index=medium.index, empty=medium.source is None, leftovers=())


def node_name(disk: Disk) -> str:
    """The block node that the guest's device is on.

    Nodes are numbered: QEMU's names of nodes have at most 31 characters, a volume's up to 63.
    """
    return f"disk{disk.index}"


def images(disk: Disk) -> tuple[Image, ...]:
    """The files of a disk, the lowest first."""
    if disk.empty:
        return ()
    own = _image(disk, "disk", disk.file.format, disk.read_only)
    return (_image(disk, "base", disk.file.base, True), own) if disk.file.base else (own,)


def _image(disk: Disk, role: str, driver: str, read_only: bool) -> Image:
    """A file node on a descriptor set and a format node on it. A base named in an image's header is never followed."""
    fdset = 2 * disk.index + (1 if role == "disk" else 2)
    name = f"{role}{disk.index}"
    block = disk.file.block if role == "disk" else disk.file.base_block
    discard = "ignore" if disk.file.preallocated else "unmap"
    file: Document = {
        "driver": "host_device" if block else "file",
        "node-name": f"{name}-file",
        "filename": f"/dev/fdset/{fdset}",
        "read-only": read_only,
        "discard": discard,
    }
    if role == "disk":
        file |= _cache(disk)
        file |= {"pr-manager": PR_MANAGER} if disk.reserved else {}
    node: Document = {
        "driver": driver,
        "node-name": name,
        "file": f"{name}-file",
        "read-only": read_only,
        "discard": discard,
    }
    if discard == "unmap" and not read_only and disk.kind == "disk":
        node["detect-zeroes"] = "unmap"
    if driver == "qcow2":
        node["backing"] = f"base{disk.index}" if role == "disk" and disk.file.base else None
    return Image(f"{role}.{disk.name}", fdset, role == "disk" and _is_direct(disk), (file, node))


def _cache(disk: Disk) -> Document:
    """Cache none where the file system allows it, and the I/O that suits the storage."""
    return {"cache": {"direct": _is_direct(disk), "no-flush": False}, "aio": _aio(disk)}


def _aio(disk: Disk) -> str:
    """Native I/O needs O_DIRECT: on a file system without it threads do the work, whatever the spec says.

    It stands still while a file system finds space, so of files it suits those only that have theirs and keep it.
    """
    if disk.io == "io_uring":
        return disk.io
    ready = disk.file.block or (disk.file.preallocated and disk.file.allocated)
    native = disk.io == "native" or (disk.io != "threads" and ready)
    return "native" if native and _is_direct(disk) else "threads"


def _is_direct(disk: Disk) -> bool:
    return disk.file.direct and disk.cache in ("", "none")
