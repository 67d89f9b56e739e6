"""All that is neither disk, card nor display: serial console, agent channel, balloon, rng, watchdog, inputs, sound."""

from __future__ import annotations

import msgspec

from kubevirt_py.api import names
from kubevirt_py.plan import Document
from kubevirt_py.render.machine.pci import Address, Layout
from kubevirt_py.render.machine.wiring import descriptor, options

AGENT_PORT = "org.qemu.guest_agent.0"
SERIAL_LOG = f"{names.SERIAL_LOG_DIR}/serial.log"
_WATCHDOG_ACTIONS = {"reset": "reset", "poweroff": "poweroff", "shutdown": "shutdown", "": "reset"}
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


class Devices(msgspec.Struct, frozen=True, kw_only=True):
    """A place is None where the device is absent."""

    channel: Address
    pvpanic: Address
    serial: bool = True
    serial_log: bool = False
    balloon: Address | None = None
    free_page_reporting: bool = True
    rng: Address | None = None
    watchdog: Address | None = None
    watchdog_action: str = "reset"
    usb: Address | None = None
    inputs: tuple[Input, ...] = ()
    sound: str = ""
    sound_place: Address | None = None


def devices_from_spec(devices: Document, layout: Layout, usb_disks: bool) -> Devices:
    """Raises ValueError for an input, watchdog action or sound model that is unknown."""
    watchdog = (devices.get("watchdog") or {}).get("i6300esb")
    action = (watchdog or {}).get("action") or "reset"
    if action not in _WATCHDOG_ACTIONS:
        raise ValueError(f"watchdog action {action!r} is unknown; choose reset, poweroff or shutdown")
    sound = (devices.get("sound") or {}).get("model") or ("ich9" if devices.get("sound") else "")
    if sound not in ("", "ich9", "ac97"):
        raise ValueError(f"sound model {sound!r} is unknown; choose ich9 or ac97")
    inputs = list(devices.get("inputs") or ())
    if devices.get("autoattachInputDevice") and not inputs:
        inputs = [{"name": "default-0", "type": "tablet", "bus": "usb"}]
    usb = usb_disks or any((item.get("bus") or "usb") == "usb" for item in inputs)
    return Devices(
        pvpanic=layout.conventional("system"),
        channel=layout.express("system"),
        balloon=layout.express("system") if devices.get("autoattachMemBalloon") is not False else None,
        rng=layout.express("system") if devices.get("rng") is not None else None,
        usb=layout.express("system") if usb else None,
        inputs=tuple(_input(item, layout) for item in inputs),
        watchdog=layout.conventional("system") if devices.get("watchdog") else None,
        watchdog_action=_WATCHDOG_ACTIONS[action],
        serial=devices.get("autoattachSerialConsole") is not False,
        serial_log=logs_serial(devices),
        sound=sound,
        sound_place=layout.conventional("system") if sound else None,
    )


def logs_serial(devices: Document) -> bool:
    """Whether the serial console is logged: only if the VMI asks for it."""
    return devices.get("autoattachSerialConsole") is not False and bool(devices.get("logSerialConsole"))


def _input(item: Document, layout: Layout) -> Input:
    bus = item.get("bus") or "usb"
    driver = _INPUTS.get((item.get("type") or "tablet", bus))
    if driver is None:
        known = ", ".join(sorted({f"{kind} on {on}" for kind, on in _INPUTS}))
        raise ValueError(f"input {item.get('name')}: {item.get('type')} on {bus} is unknown; choose one of {known}")
    return Input(item.get("name") or "input", driver, layout.express("system") if bus == "virtio" else None)


def device_args(devices: Devices) -> list[str]:
    args = [*_serial_args(devices), *_channel_args(devices.channel)]
    if devices.usb:
        args += ["-device", _at("qemu-xhci", "usb", devices.usb)]
    for item in devices.inputs:
        name = f"input-{item.name}"
        args += [
            "-device",
            _at(item.driver, name, item.place) if item.place else options(item.driver, id=name, bus="usb.0"),
        ]
    if devices.balloon:
        reporting = {"free-page-reporting": True} if devices.free_page_reporting else {}
        place = devices.balloon
        args += ["-device", options("virtio-balloon-pci", id="balloon0", bus=place.bus, addr=place.addr, **reporting)]
    if devices.rng:
        args += ["-object", "rng-random,id=entropy,filename=/dev/urandom"]
        args += ["-device", _at("virtio-rng-pci", "rng0", devices.rng) + ",rng=entropy"]
    if devices.watchdog:
        args += ["-device", _at("i6300esb", "watchdog0", devices.watchdog)]
    if devices.sound_place:
        args += _sound_args(devices.sound, devices.sound_place)
    return [*args, "-device", _at("pvpanic-pci", "pvpanic0", devices.pvpanic)]


def _at(driver: str, name: str, place: Address) -> str:
    return options(driver, id=name, bus=place.bus, addr=place.addr)


def _serial_args(devices: Devices) -> list[str]:
    if not devices.serial:
        return []
    log = SERIAL_LOG if devices.serial_log else None
    chardev = options("socket", id="serial0", fd=descriptor("serial0"), server=True, wait=False, logfile=log)
    return ["-chardev", chardev, "-serial", "chardev:serial0"]


def _channel_args(place: Address) -> list[str]:
    chardev = options("socket", id="agent", fd=descriptor("agent"), server=True, wait=False)
    port = options("virtserialport", id="channel0", bus="channels.0", nr=1, chardev="agent", name=AGENT_PORT)
    return ["-device", _at("virtio-serial-pci", "channels", place), "-chardev", chardev, "-device", port]


def _sound_args(model: str, place: Address) -> list[str]:
    args = ["-audiodev", "none,id=silence"]
    if model == "ac97":
        return [*args, "-device", _at("AC97", "sound0", place) + ",audiodev=silence"]
    codec = options("hda-duplex", bus="sound0.0", audiodev="silence")
    return [*args, "-device", _at("ich9-intel-hda", "sound0", place), "-device", codec]
