"""Virtual CPUs: topology, model, placement."""

from __future__ import annotations

from kubevirt_py.api.base import Empty, Int32, Model


class CPUFeature(Model):
    """"""

    name: str
    policy: str | None = None


class NUMA(Model):
    """"""

    guest_mapping_passthrough: Empty | None = None


class Realtime(Model):
    """"""

    mask: str | None = None


class CPU(Model):
    """"""

    cores: Int32 | None = None
    dedicated_cpu_placement: bool | None = None
    features: list[CPUFeature] | None = None
    isolate_emulator_thread: bool | None = None
    max_sockets: Int32 | None = None
    model: str | None = None
    numa: NUMA | None = None
    realtime: Realtime | None = None
    sockets: Int32 | None = None
    threads: Int32 | None = None
