"""The USB controller and what hangs on it: tablets, keyboards, mice, slots for redirected devices."""

from __future__ import annotations

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.machine.pci import Address, Layout
from kubevirt_py.render.machine.wiring import descriptor, options

REDIRECTION_SLOTS = 4
"""Devices that clients can redirect at once, as upstream."""
_INPUTS = {
    ("tablet", "usb"): "usb-tablet",
    ("tablet", "virtio"): "virtio-tablet-pci",
    ("keyboard", "usb"): "usb-kbd",
    ("keyboard", "virtio"): "virtio-keyboard-pci",
    ("mouse", "usb"): "usb-mouse",
    ("mouse", "virtio"): "virtio-mouse-pci",
}


class Input(msgspec.Struct, frozen=True):
    """`place` is None on USB."""

    name: str
    driver: str
    place: Address | None

    @property
    def id(self) -> str:
        return f"input-{self.name}"


class Usb(msgspec.Struct, frozen=True, kw_only=True):
    """`controller` is None where nothing needs it."""

    controller: Address | None = None
    inputs: tuple[Input, ...] = ()
    redirections: int = 0

    @property
    def places(self) -> dict[str, Address]:
        found = {item.id: item.place for item in self.inputs if item.place}
        return found | ({"usb": self.controller} if self.controller else {})

    @property
    def sockets(self) -> tuple[str, ...]:
        """Names of the sockets behind which redirected devices appear."""
        return tuple(f"usbredir{slot}" for slot in range(self.redirections))


def usb_from_devices(devices: Document, layout: Layout, *, disks: bool) -> Usb:
    """`disks` tells of disks on USB. Raises ValueError for an input that is unknown."""
    inputs = list(devices.get("inputs") or ())
    if devices.get("autoattachInputDevice") and not inputs:
        inputs = [{"name": "default-0", "type": "tablet", "bus": "usb"}]
    redirections = REDIRECTION_SLOTS if devices.get("clientPassthrough") is not None else 0
    needed = disks or redirections or any((item.get("bus") or "usb") == "usb" for item in inputs)
    return Usb(
        controller=layout.express("system", "usb") if needed else None,
        inputs=tuple(_input(item, layout) for item in inputs),
        redirections=redirections,
    )


def _input(item: Document, layout: Layout) -> Input:
    bus = item.get("bus") or "usb"
    driver = _INPUTS.get((item.get("type") or "tablet", bus))
    if driver is None:
        known = ", ".join(sorted({f"{kind} on {on}" for kind, on in _INPUTS}))
        raise ValueError(f"input {item.get('name')}: {item.get('type')} on {bus} is unknown; choose one of {known}")
    placeless = Input(item.get("name") or "input", driver, None)
    if bus == "usb":
        return placeless
    return msgspec.structs.replace(placeless, place=layout.express("system", placeless.id))


def usb_args(usb: Usb) -> list[str]:
    args = []
    if usb.controller:
        ports = {"p2": usb.redirections + 8, "p3": usb.redirections + 8} if usb.redirections else {}
        place = usb.controller
        args += ["-device", options("qemu-xhci", id="usb", bus=place.bus, addr=place.addr, **ports)]
    for item in usb.inputs:
        where = {"bus": item.place.bus, "addr": item.place.addr} if item.place else {"bus": "usb.0"}
        args += ["-device", options(item.driver, id=item.id, **where)]
    for name in usb.sockets:
        args += ["-chardev", options("socket", id=name, fd=descriptor(name), server=True, wait=False)]
        args += ["-device", options("usb-redir", id=f"redir-{name}", chardev=name, bus="usb.0")]
    return args
