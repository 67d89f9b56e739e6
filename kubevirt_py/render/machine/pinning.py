"""Dedicated CPUs (spec.domain.cpu.dedicatedCpuPlacement): which thread of QEMU runs where, and the guest's NUMA cells.

The kubelet gives the pod whole CPUs of its own. The virtual CPUs take them in order, node by node; what is left
(asked for by isolateEmulatorThread and by pools of I/O threads) serves QEMU's other threads.
"""

from __future__ import annotations

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.machine.memory import Memory
from kubevirt_py.render.machine.wiring import Facts, options

_MOST_CPUS = 1 << 16
"""More than Linux can have; users write lists, too."""


class Pins(msgspec.Struct, frozen=True, kw_only=True):
    """Host CPUs: of each virtual CPU in order, of QEMU's other threads, of each I/O thread by its id.

    `realtime` are the virtual CPUs that run with real-time priority.
    """

    vcpus: tuple[int, ...]
    emulator: tuple[int, ...]
    io_threads: dict[str, int] = {}
    realtime: tuple[int, ...] = ()


class Cell(msgspec.Struct, frozen=True):
    """A NUMA cell of the guest: its virtual CPUs, its memory, and the CPUs that both are on, of one host node."""

    cpus: tuple[int, ...]
    size_kib: int
    host_cpus: tuple[int, ...]


def cpu_list(text: str) -> tuple[int, ...]:
    """`0-3,^1,8` as the kernel and realtime masks write it: (0, 2, 3, 8). Raises ValueError for what is no list."""
    found: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.lstrip("^").partition("-")
        span = range(int(first), int(last or first) + 1)
        if span.stop > _MOST_CPUS:
            raise ValueError(f"no CPU has the number {span.stop - 1}")
        found = found.difference(span) if part.startswith("^") else found.union(span)
    return tuple(sorted(found))


def pins(domain: Document, facts: Facts, cpus: int, threads: tuple[str, ...]) -> Pins | None:
    """None for CPUs that are shared. Raises ValueError when the pod has fewer CPUs of its own than the guest needs."""
    cpu = domain.get("cpu") or {}
    if not cpu.get("dedicatedCpuPlacement"):
        return None
    own = [number for node in sorted(facts.cells) for number in facts.cells[node]]
    if len(own) < cpus:
        raise ValueError(
            f"cpu.dedicatedCpuPlacement: the pod has {len(own)} CPUs of its own, the guest needs {cpus}; "
            "the node's kubelet must run its CPU manager with policy static"
        )
    rest = tuple(own[cpus:])
    served = rest[max(0, len(rest) - len(threads)) :] if threads else ()
    realtime = cpu.get("realtime")
    mask = cpu_list((realtime or {}).get("mask") or f"0-{cpus - 1}") if realtime is not None else ()
    return Pins(
        vcpus=tuple(own[:cpus]),
        emulator=rest[: len(rest) - len(served)] or rest or tuple(own[:cpus]),
        io_threads={thread: served[index % len(served)] for index, thread in enumerate(threads)} if served else {},
        realtime=tuple(index for index in mask if index < cpus),
    )


def cells(domain: Document, facts: Facts, placed: Pins | None, memory: Memory) -> tuple[Cell, ...]:
    """One cell for each node of the host that the virtual CPUs are on, with equal shares of the memory.

    Raises ValueError where that needs dedicated CPUs or huge pages that were not asked for.
    """
    wanted = (domain.get("cpu") or {}).get("numa") or {}
    if wanted.get("guestMappingPassthrough") is None:
        return ()
    if placed is None or not memory.hugepage_bytes:
        raise ValueError("cpu.numa.guestMappingPassthrough needs cpu.dedicatedCpuPlacement and memory.hugepages")
    node_of = {number: node for node, numbers in facts.cells.items() for number in numbers}
    nodes = sorted({node_of[number] for number in placed.vcpus})
    pages = memory.size_kib * 1024 // memory.hugepage_bytes
    page_kib = memory.hugepage_bytes // 1024
    found = []
    for index, node in enumerate(nodes):
        share = pages // len(nodes) + (1 if index < pages % len(nodes) else 0)
        guest = tuple(number for number, host in enumerate(placed.vcpus) if node_of[host] == node)
        found.append(Cell(guest, share * page_kib, tuple(placed.vcpus[number] for number in guest)))
    return tuple(found)


def cell_args(found: tuple[Cell, ...], memory: Memory) -> list[str]:
    """Each cell's memory is allocated on its node before the guest starts: by threads on the cell's own CPUs.

    Binding it (mbind) would need a capability that pods under restricted Pod Security do not have.
    """
    args = []
    for index, cell in enumerate(found):
        toucher = ["thread-context", f"id=cell{index}", *(f"cpu-affinity={cpu}" for cpu in cell.host_cpus)]
        backend = options(
            "memory-backend-memfd",
            id=f"ram-cell{index}",
            size=f"{cell.size_kib}k",
            share=True if memory.shared else None,
            hugetlb=True,
            hugetlbsize=memory.hugepage_bytes,
            prealloc=True,
            **{"prealloc-context": f"cell{index}"},
        )
        node = ",".join(["node", f"nodeid={index}", *(f"cpus={cpu}" for cpu in cell.cpus), f"memdev=ram-cell{index}"])
        args += ["-object", ",".join(toucher), "-object", backend, "-numa", node]
    return args
