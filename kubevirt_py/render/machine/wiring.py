"""What the host gives to a machine: facts about it, opened files, wired networks, and the names of descriptors.

A descriptor's number is known only inside the pod, just before QEMU starts. The command line therefore
carries tokens like `@fd:tap.default.0@`; the launcher stub puts the numbers in.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about the node and settings of the cluster. `now` is RFC 3339 UTC, for clocks that run at an offset.

    `smbios` are the KubeVirt CR's strings; `balloon_stats_s` is how often the balloon tells statistics, 0 for never.
    `cells` are the host's NUMA nodes that the pod's own CPUs are on, with these CPUs, for dedicated ones.
    Without `pci_hole64` all PCI devices stay below 4 GiB.
    """

    kvm: bool
    arch: str = "amd64"
    now: str = ""
    smbios: dict[str, str] = {}
    free_page_reporting: bool = True
    pci_hole64: bool = True
    balloon_stats_s: int = 0
    cells: dict[int, tuple[int, ...]] = {}


class DiskFile(msgspec.Struct, frozen=True, kw_only=True):
    """An opened volume. `direct` says that O_DIRECT works; `base` is the format of a read-only image below.

    `block` and `base_block` tell of block devices, `blocks` the logical and physical block size of the storage, in
    bytes, 0 where not known. `source` names the claim of a volume that can be plugged. `read_only` files are never
    written, whatever the spec says of the disk; what is `made` of small files needs no direct I/O. Space of
    `preallocated` storage is never given back; an `allocated` file has all of its space. `identity` is equal for the
    same storage wherever this node has it: device number and inode of a file, of a block device its own number and 0;
    (0, 0) where not known.
    """

    format: Literal["raw", "qcow2"] = "raw"
    base: Literal["raw", "qcow2", ""] = ""
    direct: bool = False
    size_bytes: int = 0
    block: bool = False
    base_block: bool = False
    blocks: tuple[int, int] = (0, 0)
    source: str = ""
    read_only: bool = False
    made: bool = False
    preallocated: bool = False
    allocated: bool = False
    identity: tuple[int, int] = (0, 0)


class NicWire(msgspec.Struct, frozen=True, kw_only=True):
    """A wired interface: `queues` tap descriptors, as many of vhost if `vhost`. `mtu` 0 is QEMU's default.

    With `socket` it is no tap: a process of the pod that listens there is the guest's network, by vhost-user.
    """

    name: str
    mac: str
    mtu: int = 0
    queues: int = 1
    vhost: bool = False
    socket: str = ""


class Attachments(msgspec.Struct, frozen=True, kw_only=True):
    """Everything opened for one machine: volumes by name, networks in the order of the spec, a kernel's initrd.

    `ignition` tells of an Ignition file. `vsock_cid` is the guest's address on an opened /dev/vhost-vsock, or 0.
    """

    disks: dict[str, DiskFile] = {}
    nics: tuple[NicWire, ...] = ()
    initrd: bool = False
    ignition: bool = False
    vsock_cid: int = 0


def descriptor(*parts: str | int, direct: bool = False) -> str:
    """The token that the stub replaces by the number of the descriptor named by the joined parts.

    `direct`: it sets O_DIRECT first, since QEMU takes a descriptor for `cache.direct` only with it.
    """
    return f"@{'direct' if direct else 'fd'}:{'.'.join(map(str, parts))}@"


Option = str | int | bool | None


def options(first: str, **values: Option) -> str:
    """`first,key=value,...` in QEMU's syntax: None is left out, booleans are on/off, commas in text are doubled."""
    parts = [first] if first else []
    for key, value in values.items():
        if value is None:
            continue
        text = ("on" if value else "off") if isinstance(value, bool) else str(value).replace(",", ",,")
        parts.append(f"{key}={text}")
    return ",".join(parts)
