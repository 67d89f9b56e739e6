"""Devices that the user tagged, as a config drive tells the guest of them: where they are and what they are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kubevirt_py.plan import Document
from kubevirt_py.render.machine.disks import Disk
from kubevirt_py.render.machine.machine import Machine
from kubevirt_py.render.machine.pci import Address


def has_tags(spec: Document) -> bool:
    """Whether any disk or interface has a tag."""
    devices = (spec.get("domain") or {}).get("devices") or {}
    return any(item.get("tag") for kind in ("disks", "interfaces") for item in devices.get(kind) or ())


def tagged_devices(spec: Document, machine: Machine) -> list[Document]:
    """Entries of `devices` in OpenStack's meta data, in the order of the spec: interfaces, then disks."""
    devices = (spec.get("domain") or {}).get("devices") or {}
    cards = {nic.name: nic for nic in machine.nics}
    drives = {disk.name: disk for disk in machine.disks}
    nics = [
        _entry("nic", "pci", guest_address(machine, card.place), item) | {"mac": card.mac}
        for item in devices.get("interfaces") or ()
        if item.get("tag") and (card := cards.get(item["name"]))
    ]
    disks = [
        _entry("disk", *_disk_address(machine, disk), item) | ({"serial": disk.serial} if disk.serial else {})
        for item in devices.get("disks") or ()
        if item.get("tag") and (disk := drives.get(item["name"]))
    ]
    return nics + disks


def guest_address(machine: Machine, place: Address) -> str:
    """A PCI address as the guest sees it. Firmware numbers the buses behind root ports in the ports' order, from 1."""
    slot, _, function = place.addr.partition(".")
    buses: Mapping[str, int] = {
        "pcie.0": 0,
        "pci.0": 0,
        **{port.id: number for number, port in enumerate(machine.ports, start=1)},
        **{expander.bus: expander.number for expander in machine.expanders},
    }
    return f"0000:{buses[place.bus]:02x}:{int(slot, 16):02x}.{int(function or '0', 16)}"


def _entry(kind: str, bus: str, address: str, item: Document) -> Document:
    return {"type": kind, "bus": bus, "address": address, "tags": [item["tag"]]}


def _disk_address(machine: Machine, disk: Disk) -> tuple[str, str]:
    """Virtio disks are PCI devices; others have the place on their own bus: controller, target and unit."""
    if disk.place is not None:
        return "pci", guest_address(machine, disk.place)
    places: dict[str, Callable[[], str]] = {
        "scsi": lambda: f"0:0:0:{disk.unit}",
        "sata": lambda: f"0:0:{disk.unit}:0",
    }
    return disk.bus, places.get(disk.bus, lambda: str(disk.unit))()
