"""Devices of the machine; disks and network interfaces have modules of their own."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kubevirt_py.api.base import AtomicList, Empty, MaxLen, Model
from kubevirt_py.api.v1.disks import Disk, Filesystem
from kubevirt_py.api.v1.features import FeatureState
from kubevirt_py.api.v1.networks import Interface


class VirtualGPUDisplay(Model):
    """"""

    enabled: bool | None = None
    ram_fb: FeatureState | None = Field(None, alias="ramFB")


class VirtualGPUOptions(Model):
    """"""

    display: VirtualGPUDisplay | None = None


class GPU(Model):
    """"""

    name: str
    claim_name: str | None = None
    device_name: str | None = None
    request_name: str | None = None
    tag: str | None = None
    virtual_gpu_options: VirtualGPUOptions | None = Field(None, alias="virtualGPUOptions")


class HostDevice(Model):
    """"""

    name: str
    claim_name: str | None = None
    device_name: str | None = None
    request_name: str | None = None
    tag: str | None = None


class Input(Model):
    """"""

    name: str
    type: str
    bus: str | None = None


class PanicDevice(Model):
    """"""

    model: str | None = None


class SoundDevice(Model):
    """"""

    name: str
    model: str | None = None


class TPMDevice(Model):
    """"""

    enabled: bool | None = None
    persistent: bool | None = None


class VideoDevice(Model):
    """"""

    type: str | None = None


class WatchdogModel(Model):
    """"""

    action: str | None = None


class Watchdog(Model):
    """"""

    name: str
    diag288: WatchdogModel | None = None
    i6300esb: WatchdogModel | None = Field(None, alias="i6300esb")


class Devices(Model):
    """"""

    autoattach_graphics_device: bool | None = None
    autoattach_input_device: bool | None = None
    autoattach_mem_balloon: bool | None = None
    autoattach_pod_interface: bool | None = None
    autoattach_serial_console: bool | None = None
    autoattach_vsock: bool | None = Field(None, alias="autoattachVSOCK")
    block_multi_queue: bool | None = None
    client_passthrough: Empty | None = None
    disable_hotplug: bool | None = None
    disks: Annotated[list[Disk], MaxLen(256)] | None = None
    downward_metrics: Empty | None = None
    filesystems: AtomicList[Filesystem] | None = None
    gpus: AtomicList[GPU] | None = None
    host_devices: AtomicList[HostDevice] | None = None
    inputs: list[Input] | None = None
    interfaces: Annotated[list[Interface], MaxLen(256)] | None = None
    log_serial_console: bool | None = None
    network_interface_multiqueue: bool | None = None
    panic_devices: list[PanicDevice] | None = None
    rng: Empty | None = None
    sound: SoundDevice | None = None
    tpm: TPMDevice | None = None
    use_virtio_transitional: bool | None = None
    video: VideoDevice | None = None
    watchdog: Watchdog | None = None
