"""Display adapter and VNC (autoattachGraphicsDevice, devices.video)."""

from __future__ import annotations

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.machine.pci import Address, Layout
from kubevirt_py.render.machine.wiring import options

_DRIVERS = {"vga": "VGA", "virtio": "virtio-vga", "bochs": "bochs-display", "cirrus": "cirrus-vga", "ramfb": "ramfb"}
_VGA_MIB = 16


class Graphics(msgspec.Struct, frozen=True):
    model: str
    place: Address


def graphics_from_devices(devices: Document, layout: Layout, *, uefi: bool) -> Graphics | None:
    """An adapter unless graphics are switched off; as upstream a VGA with BIOS, and Bochs' frame buffer with UEFI.

    Raises ValueError for a type that QEMU here does not have.
    """
    if devices.get("autoattachGraphicsDevice") is False:
        return None
    model = (devices.get("video") or {}).get("type") or ("bochs" if uefi else "vga")
    if model not in _DRIVERS:
        raise ValueError(f"video type {model!r} is unknown; choose one of {', '.join(_DRIVERS)}")
    return Graphics(model, layout.video())


def graphics_args(graphics: Graphics | None) -> list[str]:
    """`-vnc none` makes a VNC server without a socket; the agent hands it a listening one over QMP."""
    args = ["-display", "none"]
    if graphics is None:
        return args
    place = {} if graphics.model == "ramfb" else {"bus": graphics.place.bus, "addr": graphics.place.addr}
    size = {"vgamem_mb": _VGA_MIB} if graphics.model == "vga" else {}
    return [*args, "-vnc", "none", "-device", options(_DRIVERS[graphics.model], id="video0", **place, **size)]
