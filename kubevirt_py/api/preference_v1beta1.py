"""instancetype.kubevirt.io: what a kind of guest prefers, where the user has not said."""

from __future__ import annotations

from pydantic import Field

from kubevirt_py.api.base import Empty, Int32, Int64, Model, Quantity, Resource
from kubevirt_py.api.v1.clock import ClockOffsetUTC, Timer
from kubevirt_py.api.v1.cpu import CPUFeature
from kubevirt_py.api.v1.devices import TPMDevice, VirtualGPUOptions
from kubevirt_py.api.v1.disks import BlockSize
from kubevirt_py.api.v1.domain import LaunchSecurity
from kubevirt_py.api.v1.features import FeatureAPIC, FeatureKVM, FeatureState, HypervFeatures
from kubevirt_py.api.v1.firmware import EFI


class ClockOffset(Model):
    """Preferred offset of the clock."""

    timezone: str | None = None
    """Zone the clock shows."""
    utc: ClockOffsetUTC | None = None
    """The clock shows UTC, perhaps with an offset."""


class ClockPreferences(Model):
    """Preferred clock."""

    preferred_clock_offset: ClockOffset | None = None
    """Offset of the clock."""
    preferred_timer: Timer | None = None
    """Timer devices."""


class SpreadOptions(Model):
    """How virtual CPUs spread over sockets, cores and threads."""

    across: str | None = None
    """SocketsCores, SocketsCoresThreads or CoresThreads."""
    ratio: Int32 | None = None
    """Cores per socket, or threads per core."""


class CPUPreferences(Model):
    """Preferred topology and flags."""

    preferred_cpu_features: list[CPUFeature] | None = Field(None, alias="preferredCPUFeatures")
    """CPU flags."""
    preferred_cpu_topology: str | None = Field(None, alias="preferredCPUTopology")
    """How virtual CPUs become sockets, cores or threads."""
    spread_options: SpreadOptions | None = None
    """Settings of topology spread."""


class DevicePreferences(Model):
    """Preferred devices, buses and models."""

    preferred_autoattach_graphics_device: bool | None = None
    """Whether there is a display."""
    preferred_autoattach_input_device: bool | None = None
    """Whether there is a tablet."""
    preferred_autoattach_mem_balloon: bool | None = None
    """Whether there is a memory balloon."""
    preferred_autoattach_pod_interface: bool | None = None
    """Whether the guest joins the pod network."""
    preferred_autoattach_serial_console: bool | None = None
    """Whether there is a serial console."""
    preferred_block_multi_queue: bool | None = None
    """One queue per virtual CPU on virtio disks."""
    preferred_cdrom_bus: str | None = None
    """Bus of CD-ROM drives."""
    preferred_disable_hotplug: bool | None = None
    """Whether devices can be added while running."""
    preferred_disk_block_size: BlockSize | None = None
    """Block sizes of disks."""
    preferred_disk_bus: str | None = None
    """Bus of disks."""
    preferred_disk_cache: str | None = None
    """Host cache of disks."""
    preferred_disk_dedicated_io_thread: bool | None = None
    """An I/O thread for each disk."""
    preferred_disk_io: str | None = Field(None, alias="preferredDiskIO")
    """How the host does I/O."""
    preferred_input_bus: str | None = None
    """Bus of inputs."""
    preferred_input_type: str | None = None
    """Type of inputs."""
    preferred_interface_masquerade: Empty | None = None
    """Bind interfaces by masquerade."""
    preferred_interface_model: str | None = None
    """Model of interfaces."""
    preferred_lun_bus: str | None = None
    """Bus of LUNs."""
    preferred_network_interface_multi_queue: bool | None = None
    """One queue per virtual CPU on virtio interfaces."""
    preferred_panic_device_model: str | None = None
    """Model of panic devices."""
    preferred_rng: Empty | None = None
    """A source of randomness."""
    preferred_sound_model: str | None = None
    """Model of sound cards."""
    preferred_tpm: TPMDevice | None = Field(None, alias="preferredTPM")
    """A trusted platform module."""
    preferred_use_virtio_transitional: bool | None = None
    """Offer virtio 0.9 as well."""
    preferred_video_type: str | None = None
    """Type of the display adapter."""
    preferred_virtual_gpu_options: VirtualGPUOptions | None = Field(None, alias="preferredVirtualGPUOptions")
    """Settings of virtual GPUs."""


class FeaturePreferences(Model):
    """Preferred features."""

    preferred_acpi: FeatureState | None = None
    """ACPI."""
    preferred_apic: FeatureAPIC | None = None
    """Local APIC."""
    preferred_hyperv: HypervFeatures | None = None
    """Hyper-V enlightenments."""
    preferred_kvm: FeatureKVM | None = None
    """How KVM shows itself."""
    preferred_pvspinlock: FeatureState | None = None
    """Paravirtual spinlocks."""
    preferred_smm: FeatureState | None = None
    """System management mode."""


class FirmwarePreferences(Model):
    """Preferred firmware."""

    preferred_efi: EFI | None = None
    """UEFI with these settings."""
    preferred_use_bios: bool | None = None
    """BIOS."""
    preferred_use_bios_serial: bool | None = None
    """Show the BIOS on the serial console."""
    preferred_use_efi: bool | None = None
    """Deprecated form of preferredEfi."""
    preferred_use_secure_boot: bool | None = None
    """Deprecated form of preferredEfi.secureBoot."""


class MachinePreferences(Model):
    """Preferred machine type."""

    preferred_machine_type: str | None = None
    """QEMU machine type."""


class CPURequirement(Model):
    """CPUs it needs."""

    guest: Int32
    """Least number of virtual CPUs."""


class MemoryRequirement(Model):
    """Memory it needs."""

    guest: Quantity
    """Least memory."""


class PreferenceRequirements(Model):
    """What the guest needs at least."""

    architecture: str | None = None
    """CPU architecture."""
    cpu: CPURequirement | None = None
    """CPUs."""
    memory: MemoryRequirement | None = None
    """Memory."""


class VolumePreferences(Model):
    """Preferred storage."""

    preferred_storage_class_name: str | None = None
    """Storage class of data volumes."""


class VirtualMachinePreferenceSpec(Model):
    """Preferences by area."""

    annotations: dict[str, str] | None = None
    """Annotations given to the instance."""
    clock: ClockPreferences | None = None
    """Preferred clock."""
    cpu: CPUPreferences | None = None
    """Preferred topology and flags."""
    devices: DevicePreferences | None = None
    """Preferred devices, buses and models."""
    features: FeaturePreferences | None = None
    """Preferred features."""
    firmware: FirmwarePreferences | None = None
    """Preferred firmware."""
    machine: MachinePreferences | None = None
    """Preferred machine type."""
    prefer_spread_socket_to_core_ratio: Int32 | None = None
    """Cores per socket when CPUs are spread."""
    preferred_architecture: str | None = None
    """Preferred CPU architecture."""
    preferred_launch_security: LaunchSecurity | None = None
    """Preferred confidential computing."""
    preferred_subdomain: str | None = None
    """Preferred subdomain."""
    preferred_termination_grace_period_seconds: Int64 | None = None
    """Preferred seconds to shut down."""
    requirements: PreferenceRequirements | None = None
    """What the guest needs at least."""
    volumes: VolumePreferences | None = None
    """Preferred storage."""


class VirtualMachinePreference(Resource):
    """What a kind of guest prefers where the user has not said."""

    spec: VirtualMachinePreferenceSpec
    """The preferences."""
