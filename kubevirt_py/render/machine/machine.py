"""The whole machine: put together from a VMI's spec, printed as QEMU's command line."""

from __future__ import annotations

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.machine import (
    cpu,
    devices,
    diskdevices,
    disks,
    filesystems,
    firmware,
    graphics,
    iothreads,
    memory,
    nics,
    pci,
    pinning,
)
from kubevirt_py.render.machine.cpu import Cpu
from kubevirt_py.render.machine.devices import Devices
from kubevirt_py.render.machine.diskdevices import Controller
from kubevirt_py.render.machine.disks import Disk
from kubevirt_py.render.machine.filesystems import Filesystem
from kubevirt_py.render.machine.firmware import Firmware
from kubevirt_py.render.machine.graphics import Graphics
from kubevirt_py.render.machine.memory import Memory
from kubevirt_py.render.machine.nics import Nic
from kubevirt_py.render.machine.pci import LARGE, LARGE_GUEST_BYTES, SMALL, Address, Expander, RootPort
from kubevirt_py.render.machine.pinning import Cell, Pins
from kubevirt_py.render.machine.wiring import Attachments, Facts, descriptor, options
from kubevirt_py.render.start import starts_paused

QEMU = {"amd64": "/usr/bin/qemu-system-x86_64"}
DEFAULT_TYPE = "q35"
TRANSLATION_BUFFER_MIB = 32
"""TCG's code cache; QEMU's own default would take a fifth of guest memory."""
_PIT_POLICIES = {"delay": "delay", "discard": "discard"}
"""Policy `catchup` is what KVM does by itself."""
_BIOS_PCI64 = "opt/org.seabios/pci64"
SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"


class Platform(msgspec.Struct, frozen=True, kw_only=True):
    """Board and accelerator. None in an optional switch leaves it to the board."""

    type: str
    kvm: bool
    acpi: bool = True
    smm: bool | None = None
    hpet: bool | None = None
    pit: bool = True
    pit_policy: str = ""
    firmware_on_serial: bool = False
    ends_at_reboot: bool = False
    pci_hole64: bool = True


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual machine as QEMU will see it. `argv` is its only printer."""

    name: str
    arch: str
    platform: Platform
    cpu: Cpu
    memory: Memory
    firmware: Firmware
    graphics: Graphics | None
    nics: tuple[Nic, ...]
    disks: tuple[Disk, ...]
    controllers: tuple[Controller, ...]
    devices: Devices
    ports: tuple[RootPort, ...]
    expanders: tuple[Expander, ...] = ()
    io_threads: tuple[str, ...] = ()
    filesystems: tuple[Filesystem, ...] = ()
    pins: Pins | None = None
    cells: tuple[Cell, ...] = ()

    @property
    def places(self) -> dict[str, Address]:
        """PCI addresses by QEMU's id of the device: what a new Machine keeps of a running one."""
        found = {controller.id: controller.place for controller in self.controllers}
        found |= {expander.id: expander.place for expander in self.expanders}
        found |= {disks.device_id(disk.name): disk.place for disk in self.disks if disk.place}
        found |= {nics.device_id(nic.name): nic.place for nic in self.nics}
        found |= {filesystems.device_id(item.name): item.place for item in self.filesystems}
        found |= {memory.PLUG_ID: self.memory.plug.place} if self.memory.plug else {}
        return found | self.devices.places

    @property
    def sockets(self) -> tuple[str, ...]:
        """Names of the listening sockets that this machine's command line takes."""
        return ("qmp", *self.devices.sockets)


def machine_from_vmi(
    name: str, uid: str, spec: Document, facts: Facts, files: Attachments, running: Machine | None = None
) -> Machine:
    """`name` is `<namespace>_<VMI>`, as libvirt domains are called.

    With `running` this is what that machine shall become: its devices keep their places, new ones take free ports.

    Raises ValueError, with the field to change, for a spec this node cannot run.
    """
    domain = spec.get("domain") or {}
    parts = domain.get("devices") or {}
    if facts.arch not in QEMU:
        raise ValueError(f"spec.architecture {facts.arch!r} cannot run here; choose one of {', '.join(QEMU)}")
    board = _platform(domain, facts)
    layout = pci.Layout(
        q35="q35" in board.type,
        kept=running.places if running else None,
        ports=running.ports if running else None,
        expanders=running.expanders if running else (),
    )
    for device, address in (disks.fixed_addresses(parts) | nics.fixed_addresses(parts, files.nics)).items():
        layout.fix(device, address)
    hotplug = not parts.get("disableHotplug")
    boot = disks.boot_order(parts)
    processor = cpu.cpu_from_domain(domain, facts)
    drives = disks.disks_from_devices(parts, files, boot, layout, processor.count, running.disks if running else ())
    threads = running.io_threads if running else iothreads.pool(domain, processor.count)
    drives = _on_threads(drives, iothreads.assigned(domain, threads), running)
    cards = nics.nics_from_devices(parts, files.nics, boot, layout)
    transitional = bool(parts.get("useVirtioTransitional"))
    controllers = diskdevices.controllers(drives, layout, hotplug=hotplug, transitional=transitional)
    usb_disks = any(disk.bus == "usb" for disk in drives)
    free_pages = facts.free_page_reporting and not memory.holds_memory(domain)
    others = devices.devices_from_spec(parts, layout, facts, files, usb_disks=usb_disks, free_pages=free_pages)
    dedicated = tuple(disks.iothread_id(disk) for disk in drives if disk.iothread)
    placed = running.pins if running else pinning.pins(domain, facts, processor.count, (*threads, *dedicated))
    ram = memory.memory_from_domain(domain, layout, running.memory if running else None)
    if hotplug:
        layout.reserve(LARGE if ram.size_kib << 10 > LARGE_GUEST_BYTES else SMALL)
    return Machine(
        name=name,
        arch=facts.arch,
        platform=board,
        cpu=processor,
        memory=ram,
        firmware=firmware.firmware_from_domain(domain, uid, files, facts, menu=starts_paused(spec)),
        graphics=graphics.graphics_from_devices(parts, layout, uefi=firmware.wants_uefi(domain)),
        nics=cards,
        disks=drives,
        filesystems=filesystems.filesystems_from_devices(parts, layout),
        controllers=controllers,
        devices=others,
        ports=layout.ports,
        expanders=layout.expanders,
        io_threads=threads,
        pins=placed,
        cells=running.cells if running else pinning.cells(domain, facts, placed, ram),
    )


def _on_threads(drives: tuple[Disk, ...], threads: dict[str, str], running: Machine | None) -> tuple[Disk, ...]:
    """The disks with their threads of the pool; those that run stay where they are."""
    kept = {disk.name: disk.pool_thread for disk in running.disks if disk.place} if running else {}
    return tuple(msgspec.structs.replace(disk, pool_thread=(threads | kept).get(disk.name, "")) for disk in drives)


def _platform(domain: Document, facts: Facts) -> Platform:
    features = domain.get("features") or {}
    timers = (domain.get("clock") or {}).get("timer") or {}
    hpet, pit = timers.get("hpet"), timers.get("pit") or {}
    smm = features.get("smm")
    wanted_smm = None if smm is None else smm.get("enabled") is not False
    bios = ((domain.get("firmware") or {}).get("bootloader") or {}).get("bios") or {}
    return Platform(
        type=(domain.get("machine") or {}).get("type") or DEFAULT_TYPE,
        kvm=facts.kvm,
        acpi=(features.get("acpi") or {}).get("enabled") is not False,
        smm=True if firmware.wants_secure_boot(domain) else wanted_smm,
        hpet=hpet.get("present") is not False if hpet is not None else None,
        pit=pit.get("present") is not False,
        pit_policy=_PIT_POLICIES.get(pit.get("tickPolicy") or "", "") if facts.kvm else "",
        firmware_on_serial=bool(bios.get("useSerial")),
        ends_at_reboot=domain.get("rebootPolicy") == "Terminate",
        pci_hole64=facts.pci_hole64,
    )


def argv(machine: Machine) -> tuple[str, ...]:
    """QEMU's command line, starting with the program. Descriptors appear as tokens (see `wiring.descriptor`).

    The guest starts stopped (-S); the agent continues it once it listens. At shutdown and panic QEMU pauses, so
    that an agent that was away still reads what happened.
    """
    watchdog = machine.devices.watchdog_action if machine.devices.watchdog else None
    reboot = "shutdown" if machine.platform.ends_at_reboot else None
    args = [
        QEMU[machine.arch],
        *("-name", options("", guest=machine.name)),
        *("-nodefaults", "-no-user-config", "-S"),
        *("-sandbox", SANDBOX),
        *("-action", options("", reboot=reboot, shutdown="pause", panic="pause", watchdog=watchdog)),
        *_platform_args(machine),
        *cpu.cpu_args(machine.cpu),
        *firmware.firmware_args(machine.firmware),
        *("-chardev", options("socket", id="qmp", fd=descriptor("qmp"), server=True, wait=False)),
        *("-mon", "chardev=qmp,mode=control"),
        *pci.expander_args(machine.expanders),
        *pci.port_args(machine.ports),
        *pinning.cell_args(machine.cells, machine.memory),
        *memory.memory_args(machine.memory, in_cells=bool(machine.cells)),
        *graphics.graphics_args(machine.graphics),
    ]
    args += iothreads.iothread_args(machine.io_threads)
    for controller in machine.controllers:
        args += diskdevices.controller_args(controller)
    args += devices.device_args(machine.devices)
    args += diskdevices.reservation_args(machine.disks)
    for disk in machine.disks:
        args += diskdevices.disk_args(disk)
    for index, filesystem in enumerate(machine.filesystems):
        args += filesystems.filesystem_args(index, filesystem)
    for nic in machine.nics:
        args += nics.nic_args(nic)
    return tuple(args)


def _platform_args(machine: Machine) -> list[str]:
    board = machine.platform
    text_only = machine.graphics is None or board.firmware_on_serial
    switches = options(
        board.type,
        acpi=None if board.acpi else False,
        smm=board.smm,
        hpet=board.hpet,
        pit=None if board.pit else False,
        vmport=False,
        usb=False,
        graphics=False if text_only else None,
        **{"dump-guest-core": False},
        **({"memory-backend": "ram"} if machine.memory.has_backend and not machine.cells else {}),
        **firmware.flash_options(machine.firmware.uefi),
    )
    accelerator = "kvm" if board.kvm else options("tcg", **{"tb-size": TRANSLATION_BUFFER_MIB})
    args = ["-machine", switches, "-accel", accelerator]
    if board.pit_policy:
        args += ["-global", f"kvm-pit.lost_tick_policy={board.pit_policy}"]
    return args if board.pci_hole64 else [*args, *_below_4_gib(board)]


def _below_4_gib(board: Platform) -> list[str]:
    """Neither the board nor its BIOS gives PCI devices addresses above."""
    bridge = "q35-pcihost" if "q35" in board.type else "i440FX-pcihost"
    return ["-global", f"{bridge}.pci-hole64-size=0", "-fw_cfg", options("", name=_BIOS_PCI64, string="no")]
