"""BIOS, UEFI, direct kernel boot, SMBIOS, ACPI tables and the clock.

That is spec.domain.firmware, spec.domain.chassis and spec.domain.clock.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.machine.wiring import Attachments, Facts, descriptor, options

_FIRMWARE_FDSET = 1000
"""Above every disk's descriptor set."""
_IGNITION = "opt/com.coreos/config"
_MENU_MS = 10_000
"""How long the firmware waits for a key, as upstream."""


ACPI_TABLES = ("slic", "msdm")
"""Tables that may come from a Secret, by the names of their fields; the file in it is `slic.bin` or `msdm.bin`."""
_RTC_CLOCKS = {"guest": "vm", "wall": "host"}
_SYSTEM = {"manufacturer": "KubeVirt", "product": "None", "family": "KubeVirt"}
"""What upstream's machines say of themselves; `smbios` of the KubeVirt CR may say otherwise."""


class Uefi(msgspec.Struct, frozen=True):
    secure_boot: bool


class KernelBoot(msgspec.Struct, frozen=True):
    args: str
    initrd: bool


class Firmware(msgspec.Struct, frozen=True, kw_only=True):
    """`system` and `chassis` are SMBIOS rows of type 1 and 3; `rtc` is the date that -rtc starts with.

    `tables` are ACPI tables that come as descriptors. `menu` lets whoever watches choose what to boot.
    """

    uuid: str
    uefi: Uefi | None = None
    kernel: KernelBoot | None = None
    system: dict[str, str] = {}
    chassis: dict[str, str] = {}
    rtc: str = "utc"
    rtc_catch_up: bool = False
    rtc_clock: str = ""
    tables: tuple[str, ...] = ()
    ignition: bool = False
    menu: bool = False


def wants_uefi(domain: Document) -> bool:
    return "efi" in ((domain.get("firmware") or {}).get("bootloader") or {})


def wants_secure_boot(domain: Document) -> bool:
    """Secure boot is on with UEFI unless switched off, as upstream."""
    efi = ((domain.get("firmware") or {}).get("bootloader") or {}).get("efi") or {}
    return wants_uefi(domain) and efi.get("secureBoot") is not False


def firmware_from_domain(domain: Document, uid: str, files: Attachments, facts: Facts, *, menu: bool) -> Firmware:
    """The guest's UUID is the spec's, else the VMI's own UID."""
    firmware = domain.get("firmware") or {}
    uuid = firmware.get("uuid") or uid
    system = {**_SYSTEM, **{key: value for key, value in facts.smbios.items() if value}, "uuid": uuid}
    if firmware.get("serial"):
        system["serial"] = firmware["serial"]
    boot = firmware.get("kernelBoot") or {}
    return Firmware(
        uuid=uuid,
        uefi=Uefi(wants_secure_boot(domain)) if wants_uefi(domain) else None,
        kernel=KernelBoot(boot.get("kernelArgs") or "", files.initrd) if boot.get("container") else None,
        system=system,
        chassis={key: str(value) for key, value in (domain.get("chassis") or {}).items() if value},
        rtc=_rtc_base(domain.get("clock") or {}, facts),
        rtc_catch_up=_timer(domain, "rtc").get("tickPolicy") == "catchup",
        rtc_clock=_RTC_CLOCKS.get(_timer(domain, "rtc").get("track") or "", ""),
        tables=tuple(acpi_volumes(domain)),
        ignition=files.ignition,
        menu=menu,
    )


def acpi_volumes(domain: Document) -> dict[str, str]:
    """Volumes that hold ACPI tables, by the table's name."""
    given = (domain.get("firmware") or {}).get("acpi") or {}
    return {table: str(given[f"{table}NameRef"]) for table in ACPI_TABLES if given.get(f"{table}NameRef")}


def _timer(domain: Document, name: str) -> Document:
    return ((domain.get("clock") or {}).get("timer") or {}).get(name) or {}


def _rtc_base(clock: Document, facts: Facts) -> str:
    """UTC, or the date that a clock in another zone or at an offset shows now."""
    offset = int((clock.get("utc") or {}).get("offsetSeconds") or 0)
    if not (offset or clock.get("timezone")) or not facts.now:
        return "utc"
    now = datetime.fromisoformat(facts.now)
    local = now.astimezone(ZoneInfo(clock["timezone"])) if clock.get("timezone") else now + timedelta(seconds=offset)
    return local.strftime("%Y-%m-%dT%H:%M:%S")


def firmware_args(firmware: Firmware) -> list[str]:
    args = ["-uuid", firmware.uuid, "-smbios", options("", type=1, **firmware.system)]
    if firmware.chassis:
        args += ["-smbios", options("", type=3, **firmware.chassis)]
    slew = "slew" if firmware.rtc_catch_up else None
    args += ["-rtc", options("", base=firmware.rtc, clock=firmware.rtc_clock or None, driftfix=slew)]
    for table in firmware.tables:
        args += ["-acpitable", options("", sig=table.upper(), file=f"/proc/self/fd/{descriptor('acpi', table)}")]
    wait_ms = _MENU_MS if firmware.menu else None
    args += ["-boot", options("", menu=firmware.menu, **{"splash-time": wait_ms}, strict=True)]
    if firmware.ignition:
        args += ["-fw_cfg", options("", name=_IGNITION, file=f"/proc/self/fd/{descriptor('ignition')}")]
    if firmware.uefi:
        args += _flash_args(firmware.uefi)
    if firmware.kernel:
        args += ["-kernel", f"/proc/self/fd/{descriptor('kernel')}"]
        if firmware.kernel.initrd:
            args += ["-initrd", f"/proc/self/fd/{descriptor('initrd')}"]
        if firmware.kernel.args:
            args += ["-append", firmware.kernel.args]
    return args


def _flash_args(uefi: Uefi) -> list[str]:
    args = []
    for index, (role, read_only) in enumerate((("code", True), ("vars", False))):
        node = {
            "driver": "file",
            "node-name": f"firmware.{role}",
            "filename": f"/dev/fdset/{_FIRMWARE_FDSET + index}",
            "read-only": read_only,
        }
        handle = options("", fd=descriptor("firmware", role), set=_FIRMWARE_FDSET + index, opaque=f"firmware.{role}")
        args += ["-add-fd", handle, "-blockdev", json.dumps(node, separators=(",", ":"))]
    if uefi.secure_boot:
        args += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
    return args


def flash_options(uefi: Uefi | None) -> dict[str, str | bool]:
    """What -machine needs for UEFI."""
    if not uefi:
        return {}
    return {"pflash0": "firmware.code", "pflash1": "firmware.vars"}
