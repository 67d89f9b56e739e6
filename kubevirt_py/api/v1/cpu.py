"""Virtual CPUs: topology, model, placement."""

from __future__ import annotations

from kubevirt_py.api.base import Empty, Int32, Model


class CPUFeature(Model):
    """One CPU flag."""

    name: str
    """Name of the flag, such as vmx."""
    policy: str | None = None
    """force, require, optional, disable or forbid."""


class NUMA(Model):
    """How guest NUMA cells are made."""

    guest_mapping_passthrough: Empty | None = None
    """One guest cell for each host cell that gives CPUs or memory."""


class Realtime(Model):
    """Settings for real-time guests."""

    mask: str | None = None
    """Virtual CPUs that run real-time, such as 0-3,^1; all unless set."""


class CPU(Model):
    """Virtual CPUs."""

    cores: Int32 | None = None
    """Cores per socket, at least 1."""
    dedicated_cpu_placement: bool | None = None
    """Pin each virtual CPU to a physical one."""
    features: list[CPUFeature] | None = None
    """CPU flags to add, require or remove."""
    isolate_emulator_thread: bool | None = None
    """Give QEMU's own threads a CPU besides those of the guest."""
    max_sockets: Int32 | None = None
    """Sockets up to which CPUs can be added while running."""
    model: str | None = None
    """CPU model: host-model, host-passthrough, or a name QEMU knows."""
    numa: NUMA | None = None
    """Mirror the host's NUMA cells in the guest."""
    realtime: Realtime | None = None
    """Tune the host for real-time guests."""
    sockets: Int32 | None = None
    """Sockets, at least 1."""
    threads: Int32 | None = None
    """Threads per core, at least 1."""
