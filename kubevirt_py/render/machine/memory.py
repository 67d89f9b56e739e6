"""Guest memory (spec.domain.memory, spec.domain.resources): its size, what it is made of, and room to grow.

Memory is one file without a name (memfd) where another process must see it (virtiofs) or where it consists of huge
pages; these then need no mount in the pod. What may be added while the guest runs is one virtio-mem device: the
guest takes blocks of it as QMP asks it to (`requested-size`), without slots to count. Huge pages cannot be added, since
a pod keeps the number it started with, nor can memory that is locked.
"""

from __future__ import annotations

import msgspec

from kubevirt_py.api.quantity import quantity_bytes
from kubevirt_py.plan import Document
from kubevirt_py.render.machine.pci import Address, Layout
from kubevirt_py.render.machine.wiring import options

_KIB = 1024
PLUG_BLOCK_BYTES = 2 << 20
"""Blocks of virtio-mem."""
PLUG_ID = "plug0"
_GRAIN_KIB = 8
"""QEMU makes the memory of the start a multiple of this, and takes it from a file that has just that size only."""


class Plug(msgspec.Struct, frozen=True, kw_only=True):
    """A virtio-mem device of `size_kib`, of which the guest shall have `requested_kib` now."""

    place: Address
    size_kib: int
    block_kib: int = PLUG_BLOCK_BYTES // _KIB
    requested_kib: int = 0


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """`size_kib` of guest RAM at boot; `hugepage_bytes` 0 means ordinary pages."""

    size_kib: int
    hugepage_bytes: int = 0
    shared: bool = False
    locked: bool = False
    plug: Plug | None = None

    @property
    def current_kib(self) -> int:
        """What the guest shall have now: at boot and plugged since."""
        return self.size_kib + (self.plug.requested_kib if self.plug else 0)

    @property
    def has_backend(self) -> bool:
        return bool(self.hugepage_bytes) or self.shared


def guest_memory_bytes(domain: Document) -> int:
    """memory.guest, else the memory request, else the limit. Raises ValueError when none is given."""
    resources = domain.get("resources") or {}
    candidates = (
        (domain.get("memory") or {}).get("guest"),
        (resources.get("requests") or {}).get("memory"),
        (resources.get("limits") or {}).get("memory"),
    )
    for amount in candidates:
        if amount is not None:
            return quantity_bytes(amount)
    raise ValueError("spec.domain.memory.guest is not set and spec.domain.resources names no memory; set one of them")


def hugepage_bytes(domain: Document) -> int:
    """Size of the huge pages that guest memory is made of, 0 for ordinary pages."""
    page = ((domain.get("memory") or {}).get("hugepages") or {}).get("pageSize")
    return quantity_bytes(page) if page else 0


def locks_memory(domain: Document) -> bool:
    """Whether guest memory stays in RAM: asked for, or needed by a real-time guest."""
    reserved = (domain.get("memory") or {}).get("reservedOverhead") or {}
    return reserved.get("memLock") == "Required" or (domain.get("cpu") or {}).get("realtime") is not None


def holds_memory(domain: Document) -> bool:
    """Whether a guest keeps pages that it frees: it was given them for good, or must not wait for new ones."""
    dedicated = (domain.get("cpu") or {}).get("dedicatedCpuPlacement")
    return bool(hugepage_bytes(domain) or locks_memory(domain) or dedicated)


def why_fixed(domain: Document) -> str:
    """Why the memory of a guest cannot change while it runs, whatever its maxGuest; empty if it can."""
    if hugepage_bytes(domain):
        return "it is of huge pages, of which a pod keeps its number"
    return "it is locked, which QEMU's growing memory cannot be" if locks_memory(domain) else ""


def memory_from_domain(domain: Document, layout: Layout, running: Memory | None = None) -> Memory:
    """Guest memory that can grow up to maxGuest, unless it is fixed.

    A `running` machine keeps its size; the rest is asked of its plug.

    Raises ValueError for a size that a running machine cannot have.
    """
    wanted = -(-guest_memory_bytes(domain) // _KIB)
    if running is not None:
        return _resized(running, wanted)
    page = hugepage_bytes(domain)
    most = (domain.get("memory") or {}).get("maxGuest") if not why_fixed(domain) else None
    room = quantity_bytes(most) // _KIB - wanted if most is not None else 0
    block = PLUG_BLOCK_BYTES // _KIB
    if room > 0 and (room % block or wanted % block):
        raise ValueError(f"memory.guest and memory.maxGuest must be multiples of {block // _KIB}Mi")
    return Memory(
        size_kib=wanted,
        hugepage_bytes=page,
        shared=_is_shared(domain.get("devices") or {}),
        locked=locks_memory(domain),
        plug=Plug(place=layout.express("system", PLUG_ID), size_kib=room) if room > 0 else None,
    )


def _is_shared(devices: Document) -> bool:
    """Whether processes beside QEMU read and write guest memory: virtiofsd, passt."""
    return bool(devices.get("filesystems")) or any("passtBinding" in one for one in devices.get("interfaces") or ())


def _resized(running: Memory, wanted_kib: int) -> Memory:
    more = wanted_kib - running.size_kib
    if running.plug is None:
        if more:
            raise ValueError(
                "memory.guest of a running guest can only change where memory.maxGuest was set at its start"
            )
        return running
    if not 0 <= more <= running.plug.size_kib or more % running.plug.block_kib:
        least, most = running.size_kib // _KIB, (running.size_kib + running.plug.size_kib) // _KIB
        step = running.plug.block_kib // _KIB
        raise ValueError(f"memory.guest of this running guest can be {least}Mi to {most}Mi in steps of {step}Mi")
    return msgspec.structs.replace(running, plug=msgspec.structs.replace(running.plug, requested_kib=more))


def memory_args(memory: Memory, *, in_cells: bool = False) -> list[str]:
    """`in_cells`: NUMA cells bring the memory of the start themselves."""
    room = memory.plug.size_kib if memory.plug else 0
    start = -(-memory.size_kib // _GRAIN_KIB) * _GRAIN_KIB
    args = ["-m", options("", size=f"{start}k", maxmem=f"{start + room}k" if room else None)]
    if memory.has_backend and not in_cells:
        args = ["-object", _backend(memory, "ram", start), *args]
    if memory.locked:
        args += ["-overcommit", "mem-lock=on"]
    if memory.plug:
        plug = memory.plug
        device = options(
            "virtio-mem-pci",
            id=PLUG_ID,
            memdev="ram-plug",
            bus=plug.place.bus,
            addr=plug.place.addr,
            **{"block-size": f"{plug.block_kib}k", "requested-size": f"{plug.requested_kib}k"},
        )
        args += ["-object", _backend(memory, "ram-plug", plug.size_kib, plug=True), "-device", device]
    return args


def _backend(memory: Memory, name: str, size_kib: int, *, plug: bool = False) -> str:
    """Plugged memory is neither reserved nor touched before the guest asks for it."""
    huge = bool(memory.hugepage_bytes)
    kind = "memory-backend-memfd" if memory.has_backend else "memory-backend-ram"
    return options(
        kind,
        id=name,
        size=f"{size_kib}k",
        share=True if memory.shared else None,
        hugetlb=True if huge else None,
        hugetlbsize=memory.hugepage_bytes or None,
        prealloc=True if huge else None,
        reserve=False if plug else None,
    )
