"""What is known of a running guest."""

from __future__ import annotations

from pydantic import Field

from kubevirt_py.api.base import AtomicList, Int32, Int64, Model, NullOr, Quantity, Time, UInt32
from kubevirt_py.api.meta import Condition
from kubevirt_py.api.v1.domain import Machine
from kubevirt_py.api.v1.migration_state import MigrationState, PhaseTransition
from kubevirt_py.api.v1.storage_status import ChangedBlockTrackingStatus, MigratedVolume, PersistentVolumeClaimInfo


class CPUTopology(Model):
    """Virtual CPUs as the guest has them."""

    cores: Int32 | None = None
    """Cores per socket."""
    sockets: Int32 | None = None
    """Sockets."""
    threads: Int32 | None = None
    """Threads per core."""


class GuestOSInfo(Model):
    """What the guest agent says of the operating system."""

    id: str | None = None
    """Identifier such as debian."""
    kernel_release: str | None = None
    """Kernel release."""
    kernel_version: str | None = None
    """Kernel version."""
    machine: str | None = None
    """CPU architecture."""
    name: str | None = None
    """Name of the system."""
    pretty_name: str | None = None
    """Name and version for people."""
    version: str | None = None
    """Version."""
    version_id: str | None = None
    """Version for programs."""


class InterfaceStatus(Model):
    """An interface and its addresses."""

    info_source: str | None = None
    """Who knows of it: domain, guest-agent, multus-status."""
    interface_name: str | None = None
    """Name inside the guest."""
    ip_address: str | None = None
    """First address."""
    ip_addresses: list[str] | None = None
    """All addresses."""
    link_state: str | None = None
    """up or down."""
    mac: str | None = None
    """MAC address."""
    name: str | None = None
    """Name of the network."""
    pod_interface_name: str | None = None
    """Name of the link in the pod."""
    queue_count: Int32 | None = None
    """Queues of the interface."""


class ImageChecksum(Model):
    """Checksum of an image, so that a migration finds the same."""

    checksum: UInt32 | None = None
    """CRC32 of the image."""


class KernelBootStatus(Model):
    """A directly booted kernel."""

    initrd_info: ImageChecksum | None = None
    """The initrd."""
    kernel_info: ImageChecksum | None = None
    """The kernel."""


class MemoryStatus(Model):
    """Guest memory."""

    guest_at_boot: Quantity | None = None
    """At boot."""
    guest_current: Quantity | None = None
    """Now."""
    guest_requested: Quantity | None = None
    """Asked for."""
    memory_overhead: Quantity | None = None
    """What the pod needs besides."""


class TopologyHints(Model):
    """What a node must offer to run the guest."""

    tsc_frequency: Int64 | None = None
    """TSC frequency in Hz."""


class HotplugVolumeStatus(Model):
    """The pod that brings a volume to a running guest."""

    attach_pod_name: str | None = None
    """Name of the pod."""
    attach_pod_uid: str | None = Field(None, alias="attachPodUID")
    """UID of the pod."""


class MemoryDumpVolume(Model):
    """A dump of guest memory."""

    claim_name: str | None = None
    """Claim that holds the dump."""
    end_timestamp: Time | None = None
    """When it ended."""
    start_timestamp: Time | None = None
    """When it began."""
    target_file_name: str | None = None
    """File inside the claim."""


class VolumeStatus(Model):
    """State of a volume."""

    name: str
    """Name of the volume."""
    target: str
    """Name of the disk's target device, such as vda."""
    container_disk_volume: ImageChecksum | None = None
    """Checksum of a container disk."""
    hotplug_volume: HotplugVolumeStatus | None = None
    """The pod that brings it to the guest."""
    memory_dump_volume: MemoryDumpVolume | None = None
    """The dump it holds."""
    message: str | None = None
    """Details for people."""
    persistent_volume_claim_info: PersistentVolumeClaimInfo | None = None
    """The claim behind it."""
    phase: str | None = None
    """Phase of a volume that is attached or detached while running."""
    reason: str | None = None
    """One word for programs."""
    size: Int64 | None = None
    """Size in bytes."""


class VirtualMachineInstanceStatus(Model):
    """What is known of a run."""

    vsock_cid: UInt32 | None = Field(None, alias="VSOCKCID")
    """VSOCK address of the guest."""
    active_pods: dict[str, str] | None = None
    """UID of each pod of this run, with its node."""
    changed_block_tracking: NullOr[ChangedBlockTrackingStatus] = None
    """State of changed block tracking."""
    conditions: list[Condition] | None = None
    """What holds of the run now."""
    current_cpu_topology: CPUTopology | None = Field(None, alias="currentCPUTopology")
    """Virtual CPUs the guest has now."""
    evacuation_node_name: str | None = None
    """Node the guest is asked to leave."""
    fs_freeze_status: str | None = None
    """frozen while the guest's filesystems are frozen."""
    guest_os_info: GuestOSInfo | None = Field(None, alias="guestOSInfo")
    """What the guest agent says of the operating system."""
    interfaces: list[InterfaceStatus] | None = None
    """Interfaces with their addresses."""
    kernel_boot_status: KernelBootStatus | None = None
    """Checksums of a directly booted kernel."""
    launcher_container_image_version: str | None = None
    """Image of the pod the guest runs in."""
    machine: Machine | None = None
    """Machine type in use."""
    memory: MemoryStatus | None = None
    """Guest memory now."""
    migrated_volumes: AtomicList[MigratedVolume] | None = None
    """Volumes whose data moves to other claims."""
    migration_method: str | None = None
    """LiveMigration, or BlockMigration when disks are copied as well."""
    migration_state: MigrationState | None = None
    """The last or current live migration."""
    migration_transport: str | None = None
    """How migration data travels."""
    node_name: str | None = None
    """Node the guest runs on."""
    phase: str | None = None
    """Pending, Scheduling, Scheduled, Running, Succeeded, Failed or Unknown."""
    phase_transition_timestamps: AtomicList[PhaseTransition] | None = None
    """When each phase was entered."""
    qos_class: str | None = None
    """Quality of service class of the pod."""
    reason: str | None = None
    """Why the run is in this state."""
    runtime_user: Int64 | None = None
    """User id QEMU runs as."""
    selinux_context: str | None = None
    """SELinux context of QEMU."""
    topology_hints: TopologyHints | None = None
    """What a node must offer to run the guest."""
    virtual_machine_revision_name: str | None = None
    """Revision of the VirtualMachine this run was made from."""
    volume_status: AtomicList[VolumeStatus] | None = None
    """State of each volume."""
