"""BIOS, UEFI, direct kernel boot and SMBIOS (spec.domain.firmware, spec.domain.chassis, spec.domain.clock)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.machine.wiring import Attachments, Facts, descriptor, options

_FIRMWARE_FDSET = 1000
"""Above every disk's descriptor set."""


class Uefi(msgspec.Struct, frozen=True):
    secure_boot: bool


class KernelBoot(msgspec.Struct, frozen=True):
    args: str
    initrd: bool


class Firmware(msgspec.Struct, frozen=True, kw_only=True):
    """`system` and `chassis` are SMBIOS rows of type 1 and 3; `rtc` is the start of -rtc's option."""

    uuid: str
    uefi: Uefi | None = None
    kernel: KernelBoot | None = None
    system: dict[str, str] = {}
    chassis: dict[str, str] = {}
    rtc: str = "utc"
    rtc_catch_up: bool = False


def wants_uefi(domain: Document) -> bool:
    return "efi" in ((domain.get("firmware") or {}).get("bootloader") or {})


def wants_secure_boot(domain: Document) -> bool:
    """Secure boot is on with UEFI unless switched off, as upstream."""
    efi = ((domain.get("firmware") or {}).get("bootloader") or {}).get("efi") or {}
    return wants_uefi(domain) and efi.get("secureBoot") is not False


def firmware_from_domain(domain: Document, uid: str, files: Attachments, facts: Facts) -> Firmware:
    """The guest's UUID is the spec's, else the VMI's own UID."""
    firmware = domain.get("firmware") or {}
    uuid = firmware.get("uuid") or uid
    system = {"manufacturer": "KubeVirt", "product": "None", "uuid": uuid, "family": "KubeVirt"}
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
    )


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
    args += ["-rtc", options("", base=firmware.rtc, driftfix="slew" if firmware.rtc_catch_up else None)]
    args += ["-boot", "menu=off,strict=on"]
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
