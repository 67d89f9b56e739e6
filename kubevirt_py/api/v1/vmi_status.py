"""What is known of a running guest."""

from __future__ import annotations

from pydantic import Field

from kubevirt_py.api.base import AtomicList, Int32, Int64, Model, NullOr, Quantity, Time, UInt32
from kubevirt_py.api.meta import Condition
from kubevirt_py.api.v1.domain import Machine
from kubevirt_py.api.v1.migration_state import MigrationState, PhaseTransition
from kubevirt_py.api.v1.storage_status import ChangedBlockTrackingStatus, MigratedVolume, PersistentVolumeClaimInfo


class CPUTopology(Model):
    """"""

    cores: Int32 | None = None
    sockets: Int32 | None = None
    threads: Int32 | None = None


class GuestOSInfo(Model):
    """"""

    id: str | None = None
    kernel_release: str | None = None
    kernel_version: str | None = None
    machine: str | None = None
    name: str | None = None
    pretty_name: str | None = None
    version: str | None = None
    version_id: str | None = None


class InterfaceStatus(Model):
    """"""

    info_source: str | None = None
    interface_name: str | None = None
    ip_address: str | None = None
    ip_addresses: list[str] | None = None
    link_state: str | None = None
    mac: str | None = None
    name: str | None = None
    pod_interface_name: str | None = None
    queue_count: Int32 | None = None


class ImageChecksum(Model):
    """"""

    checksum: UInt32 | None = None


class KernelBootStatus(Model):
    """"""

    initrd_info: ImageChecksum | None = None
    kernel_info: ImageChecksum | None = None


class MemoryStatus(Model):
    """"""

    guest_at_boot: Quantity | None = None
    guest_current: Quantity | None = None
    guest_requested: Quantity | None = None
    memory_overhead: Quantity | None = None


class TopologyHints(Model):
    """"""

    tsc_frequency: Int64 | None = None


class HotplugVolumeStatus(Model):
    """"""

    attach_pod_name: str | None = None
    attach_pod_uid: str | None = Field(None, alias="attachPodUID")


class MemoryDumpVolume(Model):
    """"""

    claim_name: str | None = None
    end_timestamp: Time | None = None
    start_timestamp: Time | None = None
    target_file_name: str | None = None


class VolumeStatus(Model):
    """"""

    name: str
    target: str
    container_disk_volume: ImageChecksum | None = None
    hotplug_volume: HotplugVolumeStatus | None = None
    memory_dump_volume: MemoryDumpVolume | None = None
    message: str | None = None
    persistent_volume_claim_info: PersistentVolumeClaimInfo | None = None
    phase: str | None = None
    reason: str | None = None
    size: Int64 | None = None


class VirtualMachineInstanceStatus(Model):
    """"""

    vsock_cid: UInt32 | None = Field(None, alias="VSOCKCID")
    active_pods: dict[str, str] | None = None
    changed_block_tracking: NullOr[ChangedBlockTrackingStatus] = None
    conditions: list[Condition] | None = None
    current_cpu_topology: CPUTopology | None = Field(None, alias="currentCPUTopology")
    evacuation_node_name: str | None = None
    fs_freeze_status: str | None = None
    guest_os_info: GuestOSInfo | None = Field(None, alias="guestOSInfo")
    interfaces: list[InterfaceStatus] | None = None
    kernel_boot_status: KernelBootStatus | None = None
    launcher_container_image_version: str | None = None
    machine: Machine | None = None
    memory: MemoryStatus | None = None
    migrated_volumes: AtomicList[MigratedVolume] | None = None
    migration_method: str | None = None
    migration_state: MigrationState | None = None
    migration_transport: str | None = None
    node_name: str | None = None
    phase: str | None = None
    phase_transition_timestamps: AtomicList[PhaseTransition] | None = None
    qos_class: str | None = None
    reason: str | None = None
    runtime_user: Int64 | None = None
    selinux_context: str | None = None
    topology_hints: TopologyHints | None = None
    virtual_machine_revision_name: str | None = None
    volume_status: AtomicList[VolumeStatus] | None = None
