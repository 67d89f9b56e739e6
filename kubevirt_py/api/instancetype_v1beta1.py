"""instancetype.kubevirt.io: the sizes a VirtualMachine can be given."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kubevirt_py.api.base import AtomicList, Ge, Int32, Le, Model, Quantity, Resource
from kubevirt_py.api.v1.cpu import NUMA, Realtime
from kubevirt_py.api.v1.devices import GPU, HostDevice
from kubevirt_py.api.v1.domain import DiskIOThreads, LaunchSecurity
from kubevirt_py.api.v1.memory import Hugepages


class CPUInstancetype(Model):
    """Virtual CPUs of a size."""

    guest: Int32
    """Number of virtual CPUs."""
    dedicated_cpu_placement: bool | None = Field(None, alias="dedicatedCPUPlacement")
    """Pin each virtual CPU to a physical one."""
    isolate_emulator_thread: bool | None = None
    """Give QEMU's own threads a CPU besides those of the guest."""
    max_sockets: Int32 | None = None
    """Sockets up to which CPUs can be added while running."""
    model: str | None = None
    """CPU model."""
    numa: NUMA | None = None
    """Mirror the host's NUMA cells."""
    realtime: Realtime | None = None
    """Tune the host for real-time guests."""


class MemoryInstancetype(Model):
    """Guest memory of a size."""

    guest: Quantity
    """Memory the guest sees."""
    hugepages: Hugepages | None = None
    """Back guest memory with huge pages."""
    max_guest: Quantity | None = None
    """Size up to which memory can be added while running."""
    overcommit_percent: Annotated[int, Ge(0), Le(100)] | None = None
    """How much less the pod requests, in percent."""


class VirtualMachineInstancetypeSpec(Model):
    """A size: CPU, memory and devices."""

    cpu: CPUInstancetype
    """Virtual CPUs."""
    memory: MemoryInstancetype
    """Guest memory."""
    annotations: dict[str, str] | None = None
    """Annotations given to the instance."""
    gpus: AtomicList[GPU] | None = None
    """GPUs."""
    host_devices: AtomicList[HostDevice] | None = None
    """Other devices of the host."""
    io_threads: DiskIOThreads | None = None
    """Size of the pool of I/O threads."""
    io_threads_policy: str | None = None
    """How disks share I/O threads."""
    launch_security: LaunchSecurity | None = None
    """Memory encryption and attestation."""
    node_selector: dict[str, str] | None = None
    """Labels a node must have."""
    scheduler_name: str | None = None
    """Scheduler that places the pod."""


class VirtualMachineInstancetype(Resource):
    """A size that machines can be given."""

    spec: VirtualMachineInstancetypeSpec
    """The size. Fixed once created."""
