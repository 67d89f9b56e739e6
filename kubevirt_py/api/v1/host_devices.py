"""Host devices that guests may be given."""

from __future__ import annotations

from kubevirt_py.api.base import AtomicList, Model


class NodeMediatedDeviceTypes(Model):
    """Mediated device types on some nodes."""

    node_selector: dict[str, str]
    """Labels of these nodes."""
    mediated_device_types: AtomicList[str] | None = None
    """Types to make."""
    mediated_devices_types: AtomicList[str] | None = None
    """Deprecated spelling of mediatedDeviceTypes."""


class MediatedDevicesConfiguration(Model):
    """Mediated devices to make on nodes."""

    enabled: bool | None = None
    """Whether any are made."""
    mediated_device_types: AtomicList[str] | None = None
    """Types on all nodes."""
    mediated_devices_types: AtomicList[str] | None = None
    """Deprecated spelling of mediatedDeviceTypes."""
    node_mediated_device_types: AtomicList[NodeMediatedDeviceTypes] | None = None
    """Types on some nodes."""


class MediatedHostDevice(Model):
    """A permitted mediated device."""

    mdev_name_selector: str
    """Name of its type."""
    resource_name: str
    """Resource name guests ask for."""
    external_resource_provider: bool | None = None
    """Another device plugin offers it."""


class PCIHostDevice(Model):
    """A permitted PCI device."""

    pci_vendor_selector: str
    """Vendor and product, such as 10DE:1EB8."""
    resource_name: str
    """Resource name guests ask for."""
    external_resource_provider: bool | None = None
    """Another device plugin offers it."""


class USBSelector(Model):
    """A USB device."""

    product: str
    """Product id, hexadecimal."""
    vendor: str
    """Vendor id, hexadecimal."""


class USBHostDevice(Model):
    """Permitted USB devices."""

    resource_name: str
    """Resource name guests ask for."""
    external_resource_provider: bool | None = None
    """Another device plugin offers them."""
    selectors: AtomicList[USBSelector] | None = None
    """Devices that are given together."""


class PermittedHostDevices(Model):
    """Host devices guests may be given."""

    mediated_devices: AtomicList[MediatedHostDevice] | None = None
    """Mediated devices."""
    pci_host_devices: AtomicList[PCIHostDevice] | None = None
    """PCI devices."""
    usb: AtomicList[USBHostDevice] | None = None
    """USB devices."""
