"""What is neither disk, card, display nor USB: serial console, channels, balloon, rng, watchdog, sound, TPM, vsock."""

from __future__ import annotations

import msgspec

from kubevirt_py.api import names
from kubevirt_py.plan import Document
from kubevirt_py.render.machine.pci import Address, Layout
from kubevirt_py.render.machine.usb import Usb, usb_args, usb_from_devices
from kubevirt_py.render.machine.wiring import Attachments, Facts, descriptor, options

AGENT_PORT = "org.qemu.guest_agent.0"
METRICS_PORT = "org.github.vhostmd.1"
METRICS = "downward-metrics"
SERIAL_LOG = f"{names.SERIAL_LOG_DIR}/serial.log"
_WATCHDOG_ACTIONS = {"reset": "reset", "poweroff": "pause", "shutdown": "shutdown"}
"""QEMU's own poweroff exits at once, without a word over QMP: it pauses instead, and the agent ends the guest."""
_SOUNDS = ("ich9", "ac97")


class Vsock(msgspec.Struct, frozen=True):
    cid: int
    place: Address


class Devices(msgspec.Struct, frozen=True, kw_only=True):
    """A place is None where the device is absent. `balloon_stats_s` 0 asks the balloon nothing."""

    channel: Address
    pvpanic: Address | None = None
    pvpanic_isa: bool = False
    serial: bool = True
    serial_log: bool = False
    downward_metrics: bool = False
    balloon: Address | None = None
    free_page_reporting: bool = True
    balloon_stats_s: int = 0
    rng: Address | None = None
    watchdog: Address | None = None
    watchdog_action: str = "reset"
    usb: Usb = Usb()
    sound: str = ""
    sound_place: Address | None = None
    tpm: str = ""
    vsock: Vsock | None = None

    @property
    def places(self) -> dict[str, Address]:
        """PCI addresses by QEMU's id of the device."""
        given = {
            "channels": self.channel,
            "pvpanic0": self.pvpanic,
            "balloon0": self.balloon,
            "rng0": self.rng,
            "watchdog0": self.watchdog,
            "sound0": self.sound_place,
            "vsock0": self.vsock.place if self.vsock else None,
        }
        return {name: place for name, place in given.items() if place} | self.usb.places

    @property
    def sockets(self) -> tuple[str, ...]:
        """Names of the listening sockets that these devices need."""
        serial = ("serial0",) if self.serial else ()
        return (*serial, "agent", *((METRICS,) if self.downward_metrics else ()), *self.usb.sockets)


def devices_from_spec(
    devices: Document, layout: Layout, facts: Facts, files: Attachments, *, usb_disks: bool, free_pages: bool
) -> Devices:
    """`free_pages`: the guest tells of pages that it does not use.

    Raises ValueError for an input, watchdog action, sound model or panic device that is unknown."""
    sound = _sound(devices)
    panics = [item.get("model") or "pvpanic" for item in devices.get("panicDevices") or ()]
    if unknown := set(panics) - {"pvpanic", "isa", "hyperv"}:
        raise ValueError(f"panic device {unknown.pop()!r} is unknown; choose hyperv, isa or pvpanic")
    balloon = devices.get("autoattachMemBalloon") is not False
    virtio = layout.conventional if devices.get("useVirtioTransitional") else layout.express
    channel = virtio("system", "channels")
    panic_slot = layout.conventional("system", "pvpanic0")  # kept free where it is not used
    return Devices(
        channel=channel,
        pvpanic=panic_slot if "pvpanic" in panics else None,
        pvpanic_isa="isa" in panics,
        serial=devices.get("autoattachSerialConsole") is not False,
        serial_log=logs_serial(devices),
        downward_metrics=devices.get("downwardMetrics") is not None,
        balloon=virtio("system", "balloon0") if balloon else None,
        free_page_reporting=free_pages,
        balloon_stats_s=facts.balloon_stats_s if balloon else 0,
        rng=virtio("system", "rng0") if devices.get("rng") is not None else None,
        watchdog=layout.conventional("system", "watchdog0") if devices.get("watchdog") else None,
        watchdog_action=_watchdog_action(devices),
        usb=usb_from_devices(devices, layout, disks=usb_disks),
        sound=sound,
        sound_place=layout.conventional("system", "sound0") if sound else None,
        tpm=_tpm(devices.get("tpm")),
        vsock=_vsock(files.vsock_cid, layout) if devices.get("autoattachVSOCK") else None,
    )


def logs_serial(devices: Document) -> bool:
    """Whether the serial console is logged: only if the VMI asks for it."""
    return devices.get("autoattachSerialConsole") is not False and bool(devices.get("logSerialConsole"))


def has_tpm(devices: Document) -> bool:
    """Whether the machine has a TPM: one that is named is on unless it says otherwise."""
    return devices.get("tpm") is not None and devices["tpm"].get("enabled") is not False


def _watchdog_action(devices: Document) -> str:
    action = ((devices.get("watchdog") or {}).get("i6300esb") or {}).get("action") or "reset"
    if action not in _WATCHDOG_ACTIONS:
        raise ValueError(f"watchdog action {action!r} is unknown; choose reset, poweroff or shutdown")
    return _WATCHDOG_ACTIONS[action]


def _sound(devices: Document) -> str:
    if devices.get("sound") is None:
        return ""
    model: str = devices["sound"].get("model") or _SOUNDS[0]
    if model not in _SOUNDS:
        raise ValueError(f"sound model {model!r} is unknown; choose ich9 or ac97")
    return model


def _tpm(tpm: Document | None) -> str:
    """As upstream: the simple interface, and the newer one for a TPM that outlives its VMI."""
    if not has_tpm({"tpm": tpm}):
        return ""
    return "tpm-crb" if (tpm or {}).get("persistent") else "tpm-tis"


def _vsock(cid: int, layout: Layout) -> Vsock:
    if not cid:
        raise ValueError("autoattachVSOCK: this node has no /dev/vhost-vsock; load the kernel module vhost_vsock")
    return Vsock(cid, layout.express("system", "vsock0"))


def device_args(devices: Devices) -> list[str]:
    args = [*_serial_args(devices), *_channel_args(devices), *usb_args(devices.usb)]
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
    if devices.tpm:
        args += [
            "-chardev",
            options("socket", id="tpm", fd=descriptor("tpm")),
            "-tpmdev",
            "emulator,id=tpm0,chardev=tpm",
        ]
        args += ["-device", options(devices.tpm, tpmdev="tpm0")]
    if devices.vsock:
        guest = {"guest-cid": devices.vsock.cid}
        args += ["-device", _at("vhost-vsock-pci", "vsock0", devices.vsock.place)]
        args[-1] = options(args[-1], vhostfd=descriptor("vsock"), **guest)
    if devices.pvpanic:
        args += ["-device", _at("pvpanic-pci", "pvpanic0", devices.pvpanic)]
    return [*args, *(("-device", "pvpanic") if devices.pvpanic_isa else ())]


def _at(driver: str, name: str, place: Address) -> str:
    return options(driver, id=name, bus=place.bus, addr=place.addr)


def _serial_args(devices: Devices) -> list[str]:
    if not devices.serial:
        return []
    log = SERIAL_LOG if devices.serial_log else None
    chardev = options("socket", id="serial0", fd=descriptor("serial0"), server=True, wait=False, logfile=log)
    return ["-chardev", chardev, "-serial", "chardev:serial0"]


def _channel_args(devices: Devices) -> list[str]:
    args = ["-device", _at("virtio-serial-pci", "channels", devices.channel)]
    args += _port_args(1, "channel0", "agent", AGENT_PORT)
    return [*args, *(_port_args(2, "channel1", METRICS, METRICS_PORT) if devices.downward_metrics else ())]


def _port_args(number: int, name: str, socket: str, port: str) -> list[str]:
    """A port of the channel controller whose host's end listens at one of the agent's sockets."""
    chardev = options("socket", id=socket, fd=descriptor(socket), server=True, wait=False)
    device = options("virtserialport", id=name, bus="channels.0", nr=number, chardev=socket, name=port)
    return ["-chardev", chardev, "-device", device]


def _sound_args(model: str, place: Address) -> list[str]:
    args = ["-audiodev", "none,id=silence"]
    if model == "ac97":
        return [*args, "-device", _at("AC97", "sound0", place) + ",audiodev=silence"]
    codec = options("hda-duplex", bus="sound0.0", audiodev="silence")
    return [*args, "-device", _at("ich9-intel-hda", "sound0", place), "-device", codec]
