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
    """"""

    guest: Int32
    dedicated_cpu_placement: bool | None = Field(None, alias="dedicatedCPUPlacement")
    isolate_emulator_thread: bool | None = None
    max_sockets: Int32 | None = None
    model: str | None = None
    numa: NUMA | None = None
    realtime: Realtime | None = None


class MemoryInstancetype(Model):
    """"""

    guest: Quantity
    hugepages: Hugepages | None = None
    max_guest: Quantity | None = None
    overcommit_percent: Annotated[int, Ge(0), Le(100)] | None = None


class VirtualMachineInstancetypeSpec(Model):
    """"""

    cpu: CPUInstancetype
    memory: MemoryInstancetype
    annotations: dict[str, str] | None = None
    gpus: AtomicList[GPU] | None = None
    host_devices: AtomicList[HostDevice] | None = None
    io_threads: DiskIOThreads | None = None
    io_threads_policy: str | None = None
    launch_security: LaunchSecurity | None = None
    node_selector: dict[str, str] | None = None
    scheduler_name: str | None = None


class VirtualMachineInstancetype(Resource):
    """"""

    spec: VirtualMachineInstancetypeSpec
