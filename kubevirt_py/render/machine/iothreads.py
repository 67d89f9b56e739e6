"""Pools of threads that serve virtio disks (spec.domain.ioThreadsPolicy, spec.domain.ioThreads).

A disk with `dedicatedIOThread` has a thread of its own in every policy. The others share one thread (shared), are
dealt out to at most two threads per virtual CPU (auto), or to as many as ioThreads asks for (supplementalPool).
"""

from __future__ import annotations

from kubevirt_py.plan import Document
from kubevirt_py.render.machine.wiring import options

POLICIES = ("shared", "auto", "supplementalPool")
MOST_THREADS = 255
"""Of a pool, which needs no more than a guest has CPUs."""
_THREADS_PER_CPU = 2


def pool(domain: Document, cpus: int) -> tuple[str, ...]:
    """QEMU's ids of the threads that are not one disk's own. An auto pool is as large as there are disks for it."""
    policy, dedicated, others = domain.get("ioThreadsPolicy"), *map(len, _virtio_disks(domain))
    sizes = {
        "shared": 1,
        "auto": max(1, min(_THREADS_PER_CPU * cpus - dedicated, others)),
        "supplementalPool": supplemental_threads(domain),
    }
    return tuple(f"pool{index}" for index in range(min(sizes.get(policy or "", 0), MOST_THREADS)))


def assigned(domain: Document, threads: tuple[str, ...]) -> dict[str, str]:
    """The thread of each virtio disk that has none of its own, by the disk's name."""
    others = _virtio_disks(domain)[1]
    return {name: threads[index % len(threads)] for index, name in enumerate(others)} if threads else {}


def dedicated_threads(domain: Document) -> int:
    """How many disks have a thread of their own."""
    return len(_virtio_disks(domain)[0])


def supplemental_threads(domain: Document) -> int:
    """Threads of a pool of given size, 0 for other policies. With dedicated CPUs each has one besides the guest's."""
    if domain.get("ioThreadsPolicy") != "supplementalPool":
        return 0
    return int((domain.get("ioThreads") or {}).get("supplementalPoolThreadCount") or 1)


def _virtio_disks(domain: Document) -> tuple[list[str], list[str]]:
    """Names of virtio disks: with a dedicated thread, and the others."""
    dedicated: list[str] = []
    others: list[str] = []
    for disk in (domain.get("devices") or {}).get("disks") or ():
        front = disk.get("disk") or disk.get("lun") or disk.get("cdrom") or {}
        if front.get("bus") == "virtio":
            (dedicated if disk.get("dedicatedIOThread") else others).append(disk["name"])
    return dedicated, others


def iothread_args(threads: tuple[str, ...]) -> list[str]:
    return [word for thread in threads for word in ("-object", options("iothread", id=thread))]
