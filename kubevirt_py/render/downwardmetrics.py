"""Metrics of the host for a guest that wants them, on a port or on a disk, in the words of vhostmd."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from xml.sax.saxutils import escape

import msgspec

from kubevirt_py.plan import Document

REQUEST = "GET /metrics/XML"
REFUSAL = "INVALID REQUEST\n\n"
DISK_BYTES = 256 << 10
NOTHING = "<metrics></metrics>"
"""What a disk says before the first report."""
_PAGE_KIB = 4
_HEADER = struct.Struct(">4siii")
_SIGNATURE = b"mvbd"


class HostMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """What a node says of itself: its processors' times in seconds, /proc/meminfo and /proc/vmstat."""

    name: str
    cpus: int
    time_s: int
    cpu_time_s: float
    memory_kib: Mapping[str, int]
    pages: Mapping[str, int]


class GuestMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """What the node knows of the guest itself."""

    cpus: int
    cpu_time_s: float
    memory_kib: int
    limit_kib: int


def metrics_xml(host: HostMetrics, guest: GuestMetrics) -> str:
    """One answer. Names and units are vhostmd's, which upstream serves as well."""
    memory, pages = host.memory_kib, host.pages
    total, free = memory.get("MemTotal", 0), memory.get("MemFree", 0)
    lines = [
        _metric("host", "HostName", "string", host.name),
        _metric("host", "HostSystemInfo", "string", "linux"),
        _metric("host", "VirtualizationVendor", "string", "kubevirt.io"),
        _metric("host", "VirtProductInfo", "string", "KubeVirt"),
        _metric("host", "NumberOfPhysicalCPUs", "uint64", host.cpus),
        _metric("host", "TotalCPUTime", "real64", f"{host.cpu_time_s:.6f}", "s"),
        _metric("host", "Time", "uint64", host.time_s, "s"),
        _metric("host", "FreePhysicalMemory", "uint64", free, "KiB"),
        _metric("host", "FreeVirtualMemory", "uint64", free + memory.get("SwapFree", 0), "KiB"),
        _metric("host", "MemoryAllocatedToVirtualServers", "uint64", total - free, "KiB"),
        _metric("host", "UsedVirtualMemory", "uint64", total - free + _used_swap(memory), "KiB"),
        _metric("host", "PagedInMemory", "uint64", pages.get("pswpin", 0) * _PAGE_KIB, "KiB"),
        _metric("host", "PagedOutMemory", "uint64", pages.get("pswpout", 0) * _PAGE_KIB, "KiB"),
        _metric("vm", "TotalCPUTime", "real64", f"{guest.cpu_time_s:.6f}", "s"),
        _metric("vm", "ResourceProcessorLimit", "uint64", guest.cpus),
        _metric("vm", "PhysicalMemoryAllocatedToVirtualSystem", "uint64", guest.memory_kib, "KiB"),
        _metric("vm", "ResourceMemoryLimit", "uint64", guest.limit_kib, "KiB"),
    ]
    return "\n".join(["<metrics>", *lines, "</metrics>"])


def disk_writes(xml: str) -> tuple[tuple[int, bytes], ...]:
    """What to write to a disk of DISK_BYTES, by offset and in this order, so that it says `xml`.

    vhostmd's layout, all numbers big-endian: signature, whether it is being written, sum of the body's bytes, length
    of the body; then the body. Raises ValueError for a body that does not fit.
    """
    body = xml.encode() + b"\n"
    if len(body) > DISK_BYTES - _HEADER.size:
        raise ValueError(f"metrics of {len(body)} bytes do not fit on their disk")
    busy, done = (_HEADER.pack(_SIGNATURE, writing, sum(body), len(body)) for writing in (1, 0))
    return (0, busy), (_HEADER.size, body), (0, done)


def disk_volume(spec: Document) -> str:
    """The volume of a VMI that is a disk of metrics, empty if it has none."""
    return next((str(volume["name"]) for volume in spec.get("volumes") or () if "downwardMetrics" in volume), "")


def _used_swap(memory: Mapping[str, int]) -> int:
    return memory.get("SwapTotal", 0) - memory.get("SwapFree", 0)


def _metric(context: str, name: str, kind: str, value: str | int, unit: str = "") -> str:
    size = f' unit="{unit}"' if unit else ""
    content = f"<name>{name}</name><value>{escape(str(value))}</value>"
    return f'  <metric type="{kind}" context="{context}"{size}>{content}</metric>'
