"""PCI addresses that depend on the spec alone, so a guest finds its devices at the same place at each start.

On q35 each device sits behind a root port of its own. Ports of one kind share a range of slots, and a machine has
free ones beside those in use, in groups: so adding a network card moves no disk, and what is plugged into a running
machine stands where it will stand after a restart. On i440fx all devices stand on the one bus.

A running machine's devices are given as `kept`: they stay where they are, and newcomers take free ports.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from kubevirt_py.render.machine.wiring import options

Role = Literal["nic", "system", "disk"]

_EXPRESS: dict[Role, range] = {"nic": range(2, 6), "disk": range(6, 14), "system": range(14, 16)}
_CONVENTIONAL: dict[Role, tuple[int, ...]] = {
    "nic": (*range(16, 19), 5, 4),
    "system": (*range(19, 25), 15, 28, 27, 8, 9),
    "disk": (*range(25, 29), *range(13, 7, -1)),
}
_I440FX: dict[Role, tuple[int, ...]] = {
    "nic": tuple(range(3, 8)),
    "system": (*range(8, 16), *range(31, 23, -1)),
    "disk": tuple(range(16, 32)),
}
"""Slots in the order they are taken. Those at the end are of another kind, which takes them last."""
_FREE_ON_Q35 = (29, 30)
_FUNCTIONS = 8
_FIXED = re.compile(r"([0-9a-f]{4}):([0-9a-f]{2}):([01][0-9a-f])\.([0-7])", re.IGNORECASE | re.ASCII)
_LEAST_FIXED_BUS = 0x81
"""Below are the numbers of buses behind root ports."""


class Address(msgspec.Struct, frozen=True):
    bus: str
    addr: str


class RootPort(msgspec.Struct, frozen=True):
    id: str
    chassis: int
    slot: int
    function: int


class Expander(msgspec.Struct, frozen=True):
    """The bus `number` for devices with fixed addresses: a bridge on a root bus of its own, numbered one less.

    In `fillers`, slots with nothing at function 0, stands an empty bridge: a guest looks for other functions only then.
    """

    number: int
    place: Address
    fillers: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        return f"pxb.{self.number:x}"

    @property
    def bus(self) -> str:
        return f"bus.{self.number:x}"


class Spare(msgspec.Struct, frozen=True):
    """How many ports a role has: a multiple of `group` with at least `free` unused ones."""

    group: int
    free: int


SMALL: dict[Role, Spare] = {"nic": Spare(2, 1), "disk": Spare(4, 2)}
LARGE: dict[Role, Spare] = {"nic": Spare(4, 2), "disk": Spare(8, 4)}
LARGE_GUEST_BYTES = 2 << 30
"""Beyond this size a guest has the larger reserve: three free ports before, six after, as upstream."""


class Layout:
    """Hands out addresses while one machine is put together.

    `kept` are the places of a running machine by device id and `ports` its root ports: None makes ports as needed,
    otherwise a newcomer must find a free one.
    """

    def __init__(
        self,
        q35: bool,
        *,
        kept: Mapping[str, Address] | None = None,
        ports: tuple[RootPort, ...] | None = None,
        expanders: tuple[Expander, ...] = (),
    ) -> None:
        self.q35 = q35
        self.expanders = expanders
        self._kept = dict(kept or {})
        self._running = ports is not None
        self._ports = {port.id: port for port in ports or ()}
        self._taken = set(self._kept.values())

    @property
    def ports(self) -> tuple[RootPort, ...]:
        """Root ports in the order of their addresses, as the guest numbers the buses behind them."""
        return tuple(sorted(self._ports.values(), key=lambda port: (port.slot, port.function)))

    def express(self, role: Role, device: str) -> Address:
        """The place of a device of this role, by its id. Raises ValueError when no port is free."""
        if device in self._kept:
            return self._kept[device]
        if not self.q35:
            return self._conventional(role, _I440FX[role], "pci.0")
        for slot in self._port_slots(role):
            for function in range(_FUNCTIONS):
                place = Address(_port_id(slot, function), "0x0")
                if place in self._taken or (self._running and place.bus not in self._ports):
                    continue
                self._add_port(slot, function)
                return self._take(place)
        if self._running:
            raise ValueError(f"the running machine has no free PCI port for another {role}; restart it to add more")
        room = len(self._port_slots(role)) * _FUNCTIONS
        raise ValueError(f"the machine has room for {room} PCI devices of the kind {role}")

    def conventional(self, role: Role, device: str) -> Address:
        """The place of a device that is not PCI Express, or of a virtio device that shall speak its older version, too:
        behind a port, it would not.
        """
        if device in self._kept:
            return self._kept[device]
        return (
            self._conventional(role, _CONVENTIONAL[role], "pcie.0")
            if self.q35
            else self._conventional(role, _I440FX[role], "pci.0")
        )

    def fix(self, device: str, address: str) -> None:
        """Keep for a device the place that the spec names as `0000:bus:slot.function`, the same in the guest.

        Comes before any place is handed out. On q35 a bus other than 0 is an expander's, so its number is 81 or
        higher. Raises ValueError for an address that is taken or cannot be.
        """
        if device in self._kept:
            return
        parts = _FIXED.fullmatch(address)
        if parts is None or parts[1] != "0000":
            raise ValueError(f"{address!r} is not a PCI address such as 0000:81:01.0")
        bus, slot, function = (int(part, 16) for part in parts.groups()[1:])
        if bus == 0:
            place = self._on_host_bus(address, slot, function)
        elif not self.q35 or bus < _LEAST_FIXED_BUS:
            least = f"; use 00 or a bus from {_LEAST_FIXED_BUS:x} on" if self.q35 else "; a pc machine has bus 00 only"
            raise ValueError(f"PCI address {address}: bus {parts[2]} cannot be chosen{least}")
        else:
            place = self._on_expander(bus, slot, function)
        if place in self._taken:
            raise ValueError(f"PCI address {address} is taken by another device")
        self._kept[device] = self._take(place)

    def video(self) -> Address:
        return Address("pcie.0", "0x1") if self.q35 else Address("pci.0", "0x2")

    def reserve(self, spares: Mapping[Role, Spare]) -> None:
        """Add free root ports for devices that come later; i440fx needs none."""
        if self._running or not self.q35:
            return
        for role, spare in spares.items():
            slots = self._port_slots(role)
            used = sum(port.slot in slots for port in self._ports.values())
            total = min(-(-(used + spare.free) // spare.group) * spare.group, len(slots) * _FUNCTIONS)
            for index in range(total):
                self._add_port(slots[index // _FUNCTIONS], index % _FUNCTIONS)

    def _port_slots(self, role: Role) -> list[int]:
        """Slots of q35 for root ports: those that no conventional device has."""
        return [slot for slot in _EXPRESS[role] if self._is_free("pcie.0", slot)]

    def _conventional(self, role: Role, slots: tuple[int, ...], bus: str) -> Address:
        with_ports = {port.slot for port in self._ports.values()}
        for slot in slots:
            if self._is_free(bus, slot) and slot not in with_ports:
                return self._take(Address(bus, f"{slot:#x}"))
        raise ValueError(f"the machine has room for {len(slots)} conventional PCI devices of the kind {role}")

    def _is_free(self, bus: str, slot: int) -> bool:
        """Whether no function of the slot is taken."""
        return not any(place.bus == bus and place.addr.split(".")[0] == f"{slot:#x}" for place in self._taken)

    def _take(self, place: Address) -> Address:
        self._taken.add(place)
        return place

    def _add_port(self, slot: int, function: int) -> None:
        name = _port_id(slot, function)
        self._ports.setdefault(name, RootPort(name, chassis=slot * _FUNCTIONS + function, slot=slot, function=function))

    def _on_host_bus(self, address: str, slot: int, function: int) -> Address:
        """Only slots that no rule above gives away; on i440fx any that is free."""
        bus = "pcie.0" if self.q35 else "pci.0"
        known = _FREE_ON_Q35 if self.q35 else range(3, 32)
        if slot not in known or function or not self._is_free(bus, slot):
            free = ", ".join(f"0000:00:{one:02x}.0" for one in known if self._is_free(bus, one))
            raise ValueError(f"PCI address {address} is the machine's own; free ones on bus 00 are {free}")
        return Address(bus, f"{slot:#x}")

    def _on_expander(self, bus: int, slot: int, function: int) -> Address:
        found = next((one for one in self.expanders if one.number == bus), None) or self._new_expander(bus)
        if not self._is_free(found.bus, slot):
            raise ValueError(f"PCI slot {slot:02x} of bus {bus:02x} has a device already; give each one a slot")
        if not function:
            return Address(found.bus, f"{slot:#x}")
        filled = msgspec.structs.replace(found, fillers=(*found.fillers, slot))
        self.expanders = tuple(filled if one is found else one for one in self.expanders)
        return Address(found.bus, f"{slot:#x}.{function:#x}")

    def _new_expander(self, bus: int) -> Expander:
        if self._running:
            raise ValueError(f"the running machine has no PCI bus {bus:02x}; restart it to add one")
        if any(abs(one.number - bus) == 1 for one in self.expanders):
            raise ValueError(f"PCI bus {bus:02x} is too near to another fixed one; leave a number between them")
        made = Expander(bus, self.conventional("system", f"pxb.{bus:x}"))
        self.expanders = (*self.expanders, made)
        return made


def _port_id(slot: int, function: int) -> str:
    return f"port.{slot:x}.{function}"


def expander_args(expanders: tuple[Expander, ...]) -> list[str]:
    args = []
    for one in expanders:
        root = options("pxb-pcie", id=one.id, bus_nr=one.number - 1, bus=one.place.bus, addr=one.place.addr)
        args += ["-device", root, "-device", options("i82801b11-bridge", id=one.bus, bus=one.id, addr="0x0")]
        for slot in one.fillers:
            filler = options("pci-bridge", bus=one.bus, addr=f"{slot:#x}", chassis_nr=slot + 1, shpc=False)
            args += ["-device", f"{filler},multifunction=on"]
    return args


def port_args(ports: tuple[RootPort, ...]) -> list[str]:
    """No port asks the firmware for I/O space: there is room for 15 windows, and virtio needs none."""
    args = []
    for port in ports:
        first = port.function == 0
        place = options(
            "pcie-root-port",
            id=port.id,
            bus="pcie.0",
            addr=f"{port.slot:#x}.{port.function:#x}",
            multifunction=True if first else None,
            chassis=port.chassis,
            port=port.chassis,
            **{"io-reserve": 0},
        )
        args += ["-device", place]
    return args
