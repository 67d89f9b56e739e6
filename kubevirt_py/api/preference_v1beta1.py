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
    utc: ClockOffsetUTC | None = None


class ClockPreferences(Model):
    """Preferred clock."""

    preferred_clock_offset: ClockOffset | None = None
    preferred_timer: Timer | None = None


class SpreadOptions(Model):
    """How virtual CPUs spread over sockets, cores and threads."""

    across: str | None = None
    ratio: Int32 | None = None


class CPUPreferences(Model):
    """Preferred topology and flags."""

    preferred_cpu_features: list[CPUFeature] | None = Field(None, alias="preferredCPUFeatures")
    preferred_cpu_topology: str | None = Field(None, alias="preferredCPUTopology")
    spread_options: SpreadOptions | None = None


class DevicePreferences(Model):
    """Preferred devices, buses and models."""

    preferred_autoattach_graphics_device: bool | None = None
    preferred_autoattach_input_device: bool | None = None
    preferred_autoattach_mem_balloon: bool | None = None
    preferred_autoattach_pod_interface: bool | None = None
    preferred_autoattach_serial_console: bool | None = None
    preferred_block_multi_queue: bool | None = None
    preferred_cdrom_bus: str | None = None
    preferred_disable_hotplug: bool | None = None
    preferred_disk_block_size: BlockSize | None = None
    preferred_disk_bus: str | None = None
    preferred_disk_cache: str | None = None
    preferred_disk_dedicated_io_thread: bool | None = None
    preferred_disk_io: str | None = Field(None, alias="preferredDiskIO")
    preferred_input_bus: str | None = None
    preferred_input_type: str | None = None
    preferred_interface_masquerade: Empty | None = None
    preferred_interface_model: str | None = None
    preferred_lun_bus: str | None = None
    preferred_network_interface_multi_queue: bool | None = None
    preferred_panic_device_model: str | None = None
    preferred_rng: Empty | None = None
    preferred_sound_model: str | None = None
    preferred_tpm: TPMDevice | None = Field(None, alias="preferredTPM")
    preferred_use_virtio_transitional: bool | None = None
    preferred_video_type: str | None = None
    preferred_virtual_gpu_options: VirtualGPUOptions | None = Field(None, alias="preferredVirtualGPUOptions")


class FeaturePreferences(Model):
    """Preferred features."""

    preferred_acpi: FeatureState | None = None
    preferred_apic: FeatureAPIC | None = None
    preferred_hyperv: HypervFeatures | None = None
    preferred_kvm: FeatureKVM | None = None
    preferred_pvspinlock: FeatureState | None = None
    preferred_smm: FeatureState | None = None


class FirmwarePreferences(Model):
    """Preferred firmware."""

    preferred_efi: EFI | None = None
    preferred_use_bios: bool | None = None
    preferred_use_bios_serial: bool | None = None
    preferred_use_efi: bool | None = None
    preferred_use_secure_boot: bool | None = None


class MachinePreferences(Model):
    """Preferred machine type."""

    preferred_machine_type: str | None = None


class CPURequirement(Model):
    """CPUs it needs."""

    guest: Int32


class MemoryRequirement(Model):
    """Memory it needs."""

    guest: Quantity


class PreferenceRequirements(Model):
    """What the guest needs at least."""

    architecture: str | None = None
    cpu: CPURequirement | None = None
    memory: MemoryRequirement | None = None


class VolumePreferences(Model):
    """Preferred storage."""

    preferred_storage_class_name: str | None = None


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
