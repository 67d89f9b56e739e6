"""Devices of the machine; disks and network interfaces have modules of their own."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kubevirt_py.api.base import AtomicList, Empty, MaxLen, Model
from kubevirt_py.api.v1.disks import Disk, Filesystem
from kubevirt_py.api.v1.features import FeatureState
from kubevirt_py.api.v1.networks import Interface


class VirtualGPUDisplay(Model):
    """A virtual GPU as a display."""

    enabled: bool | None = None
    """Show the guest's display through the GPU; true unless false."""
    ram_fb: FeatureState | None = Field(None, alias="ramFB")
    """Frame buffer until the guest's driver takes over."""


class VirtualGPUOptions(Model):
    """Settings of a virtual GPU."""

    display: VirtualGPUDisplay | None = None
    """Whether the GPU is also a display."""


class GPU(Model):
    """A GPU of the host, or a part of one."""

    name: str
    """Name of the device."""
    claim_name: str | None = None
    """Entry of resourceClaims that provides the device."""
    device_name: str | None = None
    """Resource name of a device plugin, such as example.com/GPU."""
    request_name: str | None = None
    """Request inside the claim."""
    tag: str | None = None
    """Metadata tag shown in cloud-init's config drive."""
    virtual_gpu_options: VirtualGPUOptions | None = Field(None, alias="virtualGPUOptions")
    """Settings of a virtual GPU."""


class HostDevice(Model):
    """A device of the host."""

    name: str
    """Name of the device."""
    claim_name: str | None = None
    """Entry of resourceClaims that provides the device."""
    device_name: str | None = None
    """Resource name of a device plugin."""
    request_name: str | None = None
    """Request inside the claim."""
    tag: str | None = None
    """Metadata tag shown in cloud-init's config drive."""


class Input(Model):
    """An input device."""

    name: str
    """Name of the device."""
    type: str
    """tablet, keyboard or mouse."""
    bus: str | None = None
    """usb or virtio; usb unless set."""


class PanicDevice(Model):
    """A device by which a guest reports that it crashed."""

    model: str | None = None
    """hyperv, isa or pvpanic."""


class SoundDevice(Model):
    """A sound card that plays to nowhere."""

    name: str
    """Name of the device."""
    model: str | None = None
    """ich9 or ac97; ich9 unless set."""


class TPMDevice(Model):
    """A trusted platform module."""

    enabled: bool | None = None
    """On unless false."""
    persistent: bool | None = None
    """Keep its state over restarts."""


class VideoDevice(Model):
    """A display adapter."""

    type: str | None = None
    """vga, virtio, bochs, cirrus or ramfb; vga unless set."""


class WatchdogModel(Model):
    """What a watchdog does."""

    action: str | None = None
    """reset, poweroff or shutdown; reset unless set."""


class Watchdog(Model):
    """A watchdog; choose one model."""

    name: str
    """Name of the device."""
    diag288: WatchdogModel | None = None
    """The watchdog of s390x."""
    i6300esb: WatchdogModel | None = Field(None, alias="i6300esb")
    """A PCI watchdog."""


class Devices(Model):
    """Devices of the machine."""

    autoattach_graphics_device: bool | None = None
    """Give the guest a display and a VNC console; true unless false."""
    autoattach_input_device: bool | None = None
    """Give the guest a tablet when no input is named."""
    autoattach_mem_balloon: bool | None = None
    """Give the guest a memory balloon; true unless false."""
    autoattach_pod_interface: bool | None = None
    """Join the pod network when no interface is named; true unless false."""
    autoattach_serial_console: bool | None = None
    """Give the guest a serial console; true unless false."""
    autoattach_vsock: bool | None = Field(None, alias="autoattachVSOCK")
    """Give the guest a VSOCK device."""
    block_multi_queue: bool | None = None
    """One queue per virtual CPU on virtio disks."""
    client_passthrough: Empty | None = None
    """Let clients redirect USB devices to the guest."""
    disable_hotplug: bool | None = None
    """Make no ports for devices added while running."""
    disks: Annotated[list[Disk], MaxLen(256)] | None = None
    """Disks, CD-ROMs and LUNs, each showing the volume of its name."""
    downward_metrics: Empty | None = None
    """Show metrics of the host to the guest."""
    filesystems: AtomicList[Filesystem] | None = None
    """Directories shared with the guest, each showing the volume of its name."""
    gpus: AtomicList[GPU] | None = None
    """GPUs of the host."""
    host_devices: AtomicList[HostDevice] | None = None
    """Other devices of the host."""
    inputs: list[Input] | None = None
    """Tablets, keyboards, mice."""
    interfaces: Annotated[list[Interface], MaxLen(256)] | None = None
    """Network interfaces, each joining the network of its name."""
    log_serial_console: bool | None = None
    """Keep the output of the serial console as a log; the cluster's default unless set."""
    network_interface_multiqueue: bool | None = None
    """One queue per virtual CPU on virtio interfaces."""
    panic_devices: list[PanicDevice] | None = None
    """Devices by which a guest reports that it crashed."""
    rng: Empty | None = None
    """A source of randomness."""
    sound: SoundDevice | None = None
    """A sound card."""
    tpm: TPMDevice | None = None
    """A trusted platform module."""
    use_virtio_transitional: bool | None = None
    """Offer virtio 0.9 as well, for old guests."""
    video: VideoDevice | None = None
    """The display adapter."""
    watchdog: Watchdog | None = None
    """A watchdog that acts when the guest stops feeding it."""
