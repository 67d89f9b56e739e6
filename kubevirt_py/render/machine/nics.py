"""Network cards (spec.domain.devices.interfaces) on wires that the host made."""

from __future__ import annotations

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.machine.pci import Address, Layout
from kubevirt_py.render.machine.wiring import NicWire, Option, descriptor, options

_DRIVERS = {
    "virtio": "virtio-net-pci",
    "e1000e": "e1000e",
    "igb": "igb",
    "e1000": "e1000",
    "rtl8139": "rtl8139",
    "ne2k_pci": "ne2k_pci",
    "pcnet": "pcnet",
}
_EXPRESS = ("virtio", "e1000e", "igb")
RECONNECT_MS = 1000
"""Until QEMU calls again a process that has ended."""


class Nic(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    model: str
    mac: str
    place: Address
    queues: int = 1
    vhost: bool = False
    mtu: int = 0
    bootindex: int | None = None
    acpi_index: int | None = None
    transitional: bool = False
    link_up: bool = True
    socket: str = ""


def nics_from_devices(
    devices: Document, wires: tuple[NicWire, ...], boot: dict[str, int], layout: Layout
) -> tuple[Nic, ...]:
    """One card per wire. Raises ValueError for a model that QEMU does not have."""
    by_name = {item["name"]: item for item in devices.get("interfaces") or ()}
    return tuple(_nic(by_name.get(wire.name, {}), wire, boot, layout, devices) for wire in wires)


def _nic(spec: Document, wire: NicWire, boot: dict[str, int], layout: Layout, devices: Document) -> Nic:
    model = spec.get("model") or "virtio"
    if model not in _DRIVERS:
        raise ValueError(f"interface {wire.name}: model {model!r} is unknown; choose one of {', '.join(_DRIVERS)}")
    transitional = model == "virtio" and bool(devices.get("useVirtioTransitional"))
    place = layout.express if is_express(spec, devices) else layout.conventional
    return Nic(
        name=wire.name,
        model=model,
        mac=wire.mac,
        place=place("nic", device_id(wire.name)),
        queues=wire.queues if model == "virtio" else 1,
        vhost=wire.vhost and model == "virtio",
        mtu=wire.mtu if model == "virtio" else 0,
        bootindex=boot.get(wire.name),
        acpi_index=spec.get("acpiIndex"),
        transitional=transitional,
        link_up=spec.get("state") != "down",
        socket=wire.socket,
    )


def is_express(spec: Document, devices: Document) -> bool:
    """Whether an interface's card is a PCI Express device, which q35 can plug; `devices` are the machine's."""
    model = spec.get("model") or "virtio"
    return model in _EXPRESS and not (model == "virtio" and devices.get("useVirtioTransitional"))


def device_id(name: str) -> str:
    """QEMU's id of the card of an interface."""
    return f"nic.{name}"


def fixed_addresses(devices: Document, wires: tuple[NicWire, ...]) -> dict[str, str]:
    """PCI addresses that the spec names for the cards of these wires, by the cards' ids."""
    wired = {wire.name for wire in wires}
    cards = [card for card in devices.get("interfaces") or () if card["name"] in wired]
    return {device_id(card["name"]): card["pciAddress"] for card in cards if card.get("pciAddress")}


def backend_id(name: str) -> str:
    """QEMU's id of what a card is wired to."""
    return f"net.{name}"


def chardev_id(name: str) -> str:
    """QEMU's id of the connection to a process that is the network of an interface."""
    return f"wire.{name}"


def nic_args(nic: Nic) -> list[str]:
    wire, fds = backend(nic)
    tokens = {fd: descriptor(fd) for fd in fds}
    for key in ("fd", "fds", "vhostfd", "vhostfds"):
        if key in wire:
            wire[key] = ":".join(tokens[fd] for fd in str(wire[key]).split(":"))
    card = front_device(nic)
    line: dict[str, Option] = {"id": chardev_id(nic.name), "path": nic.socket, "reconnect-ms": RECONNECT_MS}
    return [
        *(("-chardev", options("socket", **line)) if nic.socket else ()),
        *("-netdev", options(str(wire.pop("type")), **wire)),
        *("-device", options(str(card.pop("driver")), **card)),
    ]


def backend(nic: Nic) -> tuple[dict[str, Option], tuple[str, ...]]:
    """What the card is wired to, as netdev_add takes it, and the names of the descriptors in it."""
    if nic.socket:
        return {"type": "vhost-user", "id": backend_id(nic.name), "chardev": chardev_id(nic.name)}, ()
    many = nic.queues > 1
    taps = tuple(f"tap.{nic.name}.{queue}" for queue in range(nic.queues))
    vhosts = tuple(f"vhost.{nic.name}.{queue}" for queue in range(nic.queues)) if nic.vhost else ()
    wire: dict[str, Option] = {
        "type": "tap",
        "id": backend_id(nic.name),
        "fds" if many else "fd": ":".join(taps),
    }
    if nic.vhost:
        wire |= {"vhost": True, "vhostfds" if many else "vhostfd": ":".join(vhosts)}
    return wire, (*taps, *vhosts)


def front_device(nic: Nic) -> dict[str, Option]:
    """The card that the guest sees, as device_add takes it."""
    many = nic.queues > 1
    card: dict[str, Option] = {
        "driver": _DRIVERS[nic.model] + ("-transitional" if nic.transitional else ""),
        "id": device_id(nic.name),
        "netdev": backend_id(nic.name),
        "mac": nic.mac,
        "bus": nic.place.bus,
        "addr": nic.place.addr,
        "host_mtu": nic.mtu or None,
        "mq": True if many else None,
        "vectors": 2 * nic.queues + 2 if many else None,
        "bootindex": nic.bootindex,
        "romfile": "" if nic.bootindex is None else None,
        "acpi-index": nic.acpi_index,
    }
    return {key: value for key, value in card.items() if value is not None}
