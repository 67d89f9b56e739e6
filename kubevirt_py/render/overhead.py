"""Memory that a VM pod needs beyond the guest's RAM, addend by addend.

There is nothing in the pod but QEMU (and, for a moment at the start and at the
end, a small Python interpreter), so each addend names a part of QEMU. They are
reservations: measured needs rounded up. Upstream's formula for the same guest
is the ceiling, since clients compare with it.
"""

from __future__ import annotations

from fractions import Fraction

from kubevirt_py.api.quantity import parse_quantity, quantity_bytes
from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.machine.devices import has_tpm, logs_serial
from kubevirt_py.render.machine.iothreads import dedicated_threads, pool
from kubevirt_py.render.machine.machine import TRANSLATION_BUFFER_MIB
from kubevirt_py.render.machine.memory import guest_memory_bytes
from kubevirt_py.render.pod_volumes import SERIAL_LOG_SIZE
from kubevirt_py.render.resources import vcpus

MIB = 1 << 20

QEMU = 40 * MIB
"""Code, device state, block and network buffers of an idle q35 machine without display."""
VCPU = 4 * MIB
"""One vCPU thread: its stack, its state and its virtio queues."""
IO_THREAD = 4 * MIB
VIDEO = 32 * MIB
"""Video RAM (16 MiB by default) and the display surfaces of the VNC server."""
TPM = 16 * MIB
"""The process of the emulated TPM."""
SHUTDOWN_HOOK = 12 * MIB
"""The interpreter that the preStop hook starts beside QEMU."""
PROBE = 12 * MIB
"""The interpreter that a probe answered inside the guest starts beside QEMU; both probes may run at once."""
TRANSLATION_BUFFER = TRANSLATION_BUFFER_MIB * MIB
"""Translated code under emulation, the size QEMU is started with (`tb-size`)."""
TRANSLATION_STATE = 16 * MIB
"""Per-page and per-vCPU tables of the translator, which grow with the guest's code."""
PAGE_TABLE_RATIO = 512
"""One 8-byte entry maps 4096 bytes of guest RAM."""


def overhead_addends(spec: Document, config: ClusterConfig) -> dict[str, int]:
    """The parts of the overhead of a VMI spec in bytes, by name, before the cluster's extra ratio."""
    domain = spec.get("domain") or {}
    devices = domain.get("devices") or {}
    io_threads = dedicated_threads(domain) + len(pool(domain, vcpus(spec)))
    reserved = ((domain.get("memory") or {}).get("reservedOverhead") or {}).get("addedOverhead", 0)
    addends = {
        "qemu": QEMU,
        "shutdown hook": SHUTDOWN_HOOK,
        "probes": PROBE * sum(in_guest(spec.get(name)) for name in ("livenessProbe", "readinessProbe")),
        "page tables": guest_memory_bytes(domain) // PAGE_TABLE_RATIO,
        "vcpus": VCPU * vcpus(spec),
        "io threads": IO_THREAD * io_threads,
        "video": VIDEO if devices.get("autoattachGraphicsDevice") is not False else 0,
        "tpm": TPM if has_tpm(devices) else 0,
        "translation buffer": TRANSLATION_BUFFER if config.use_emulation else 0,
        "translation state": TRANSLATION_STATE if config.use_emulation else 0,
        "serial log": quantity_bytes(SERIAL_LOG_SIZE) if logs_serial(devices) else 0,
        "reserved by user": quantity_bytes(reserved),
    }
    return {name: size for name, size in addends.items() if size}


def in_guest(probe: Document | None) -> bool:
    """Whether a probe is answered by the agent inside the guest."""
    return bool(probe) and ("exec" in (probe or {}) or "guestAgentPing" in (probe or {}))


def overhead_bytes(spec: Document, config: ClusterConfig) -> int:
    """All addends together, times `additionalGuestMemoryOverheadRatio` of the KubeVirt CR."""
    total = sum(overhead_addends(spec, config).values())
    ratio = parse_quantity(config.additional_guest_memory_overhead_ratio or 1)
    return int(Fraction(total) * ratio)
