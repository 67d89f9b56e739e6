"""PCI addresses that depend on the spec alone, so a guest finds its devices at the same place at each start.

On q35 each device sits behind a root port of its own. Ports of one kind share a range of slots, so adding a
network card moves no disk. On i440fx all devices stand on the one bus.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

import msgspec

from kubevirt_py.render.machine.wiring import options

Role = Literal["nic", "system", "disk"]

_Q35_SLOTS: dict[Role, range] = {"nic": range(2, 6), "system": range(6, 8), "disk": range(8, 16)}
_I440FX_SLOTS: dict[Role, range] = {"nic": range(3, 8), "system": range(8, 16), "disk": range(16, 32)}
_Q35_CONVENTIONAL: dict[Role, range] = {"nic": range(16, 19), "system": range(19, 23), "disk": range(23, 27)}
_FUNCTIONS = 8


class Address(msgspec.Struct, frozen=True):
    bus: str
    addr: str


class RootPort(msgspec.Struct, frozen=True):
    id: str
    chassis: int
    slot: int
    function: int


class Layout:
    """Hands out addresses while one machine is put together."""

    def __init__(self, q35: bool) -> None:
        self.q35 = q35
        self._ports: list[RootPort] = []
        self._taken: Counter[str] = Counter()

    @property
    def ports(self) -> tuple[RootPort, ...]:
        """Root ports in the order of their addresses, as the guest numbers the buses behind them."""
        return tuple(sorted(self._ports, key=lambda port: (port.slot, port.function)))

    def express(self, role: Role) -> Address:
        """The next place for a device of this role. Raises ValueError when the slots are used up."""
        index = self._taken[role]
        self._taken[role] += 1
        slots = (_Q35_SLOTS if self.q35 else _I440FX_SLOTS)[role]
        per_slot = _FUNCTIONS if self.q35 else 1
        if index >= len(slots) * per_slot:
            raise ValueError(f"the machine has room for {len(slots) * per_slot} PCI devices of the kind {role}")
        if not self.q35:
            return Address("pci.0", f"{slots[index]:#x}")
        slot, function = slots[index // _FUNCTIONS], index % _FUNCTIONS
        port = RootPort(f"port.{slot:x}.{function}", chassis=slot * _FUNCTIONS + function, slot=slot, function=function)
        self._ports.append(port)
        return Address(port.id, "0x0")

    def conventional(self, role: Role) -> Address:
        """The next place for a device that is not PCI Express."""
        if not self.q35:
            return self.express(role)
        key = f"conventional {role}"
        index = self._taken[key]
        self._taken[key] += 1
        slots = _Q35_CONVENTIONAL[role]
        if index >= len(slots):
            raise ValueError(f"the machine has room for {len(slots)} conventional PCI devices of the kind {role}")
        return Address("pcie.0", f"{slots[index]:#x}")

    def video(self) -> Address:
        return Address("pcie.0", "0x1") if self.q35 else Address("pci.0", "0x2")


def port_args(ports: tuple[RootPort, ...]) -> list[str]:
    args = []
    for port in ports:
        first = port.function == 0
        args += [
            "-device",
            options(
                "pcie-root-port",
                id=port.id,
                bus="pcie.0",
                addr=f"{port.slot:#x}.{port.function:#x}",
                multifunction=True if first else None,
                chassis=port.chassis,
                port=port.chassis,
            ),
        ]
    return args
