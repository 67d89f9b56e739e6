"""Host devices that guests may be given."""

from __future__ import annotations

from kubevirt_py.api.base import AtomicList, Model


class NodeMediatedDeviceTypes(Model):
    """"""

    node_selector: dict[str, str]
    mediated_device_types: AtomicList[str] | None = None
    mediated_devices_types: AtomicList[str] | None = None


class MediatedDevicesConfiguration(Model):
    """"""

    enabled: bool | None = None
    mediated_device_types: AtomicList[str] | None = None
    mediated_devices_types: AtomicList[str] | None = None
    node_mediated_device_types: AtomicList[NodeMediatedDeviceTypes] | None = None


class MediatedHostDevice(Model):
    """"""

    mdev_name_selector: str
    resource_name: str
    external_resource_provider: bool | None = None


class PCIHostDevice(Model):
    """"""

    pci_vendor_selector: str
    resource_name: str
    external_resource_provider: bool | None = None


class USBSelector(Model):
    """"""

    product: str
    vendor: str


class USBHostDevice(Model):
    """"""

    resource_name: str
    external_resource_provider: bool | None = None
    selectors: AtomicList[USBSelector] | None = None


class PermittedHostDevices(Model):
    """"""

    mediated_devices: AtomicList[MediatedHostDevice] | None = None
    pci_host_devices: AtomicList[PCIHostDevice] | None = None
    usb: AtomicList[USBHostDevice] | None = None
