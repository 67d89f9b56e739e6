"""Guest memory (spec.domain.memory, spec.domain.resources)."""

from __future__ import annotations

import msgspec

from kubevirt_py.api.quantity import quantity_bytes
from kubevirt_py.plan import Document
from kubevirt_py.render.machine.wiring import options

_KIB = 1024


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """`size_kib` of guest RAM; `hugepage_bytes` 0 means ordinary pages."""

    size_kib: int
    hugepage_bytes: int = 0


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


def memory_from_domain(domain: Document) -> Memory:
    page = ((domain.get("memory") or {}).get("hugepages") or {}).get("pageSize")
    return Memory(
        size_kib=-(-guest_memory_bytes(domain) // _KIB),
        hugepage_bytes=quantity_bytes(page) if page else 0,
    )


def memory_args(memory: Memory) -> list[str]:
    args = ["-m", options("", size=f"{memory.size_kib}k")]
    if memory.hugepage_bytes:
        backend = options(
            "memory-backend-memfd",
            id="ram",
            size=f"{memory.size_kib}k",
            hugetlb=True,
            hugetlbsize=memory.hugepage_bytes,
            prealloc=True,
        )
        args = ["-object", backend, *args]
    return args
