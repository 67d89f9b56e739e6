"""spec.domain.firmware, machine type and chassis."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, NOT_SUPPORTED, REQUIRED, Cause
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.machine.firmware import acpi_volumes
from kubevirt_py.render.machine_version import is_board
from kubevirt_py.render.selectors import label_value
from kubevirt_py.render.validate.text import absolute_path, uuid
from kubevirt_py.render.validate.unsupported import ARCHITECTURES
from kubevirt_py.render.validate.volumes import image

MAX_SERIAL = 256


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    domain, base = spec["domain"], f"{path}.domain.firmware"
    firmware = domain.get("firmware") or {}
    yield from uuid(f"{base}.uuid", firmware.get("uuid"))
    if len(firmware.get("serial") or "") > MAX_SERIAL:
        yield Cause(f"{base}.serial", INVALID, f"must be at most {MAX_SERIAL} characters")
    yield from _bootloader(firmware.get("bootloader") or {}, domain, base)
    yield from _kernel(firmware.get("kernelBoot"), f"{base}.kernelBoot")
    yield from _acpi(spec, domain, f"{base}.acpi")
    if (spec.get("architecture") or ARCHITECTURES[0]) in ARCHITECTURES:
        yield from _machine(domain, path, config)


def _acpi(spec: Document, domain: Document, base: str) -> Iterator[Cause]:
    """Tables come from volumes of Secrets; each has a volume of its own."""
    secrets = [volume["name"] for volume in spec.get("volumes") or () if "secret" in volume]
    for table, name in acpi_volumes(domain).items():
        if name not in secrets:
            yield Cause(f"{base}.{table}NameRef", INVALID, f"spec.volumes has no volume {name!r} of a Secret")


def _bootloader(bootloader: Document, domain: Document, base: str) -> Iterator[Cause]:
    if "bios" in bootloader and "efi" in bootloader:
        yield Cause(f"{base}.bootloader.efi", INVALID, "set either bios or efi, not both")
    efi = bootloader.get("efi")
    smm = (domain.get("features") or {}).get("smm")
    if efi is None or not efi.get("secureBoot", True):
        return
    place, on = f"{base}.bootloader.efi.secureBoot", "secure boot is on unless set to false, and needs"
    if smm is None or smm.get("enabled") is False:
        yield Cause(place, INVALID, f"{on} domain.features.smm.enabled to be true")
    kind = (domain.get("machine") or {}).get("type") or ""
    if is_board(kind, "pc"):
        yield Cause(place, INVALID, f"{on} a board whose flash only SMM writes: domain.machine.type q35, not {kind}")


def _kernel(boot: Document | None, base: str) -> Iterator[Cause]:
    if boot is None:
        return
    container = boot.get("container")
    if container is None:
        if boot.get("kernelArgs"):
            yield Cause(f"{base}.container", REQUIRED, "kernelArgs need a kernel: name the image that holds it")
        return
    yield from image(container, f"{base}.container")
    for key in ("kernelPath", "initrdPath"):
        yield from absolute_path(f"{base}.container.{key}", container.get(key))
    if not container.get("kernelPath"):
        text = "name the kernel's file in the image; QEMU takes neither an initrd nor arguments without one"
        yield Cause(f"{base}.container.kernelPath", REQUIRED, text)


def _machine(domain: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    kind = (domain.get("machine") or {}).get("type")
    yield from label_value(f"{path}.domain.machine.type", kind or "")  # of the nodes that have it
    if kind and not config.permits_machine(kind):
        yield Cause(
            f"{path}.domain.machine.type",
            NOT_SUPPORTED,
            f"{kind!r} is not permitted; this cluster permits: {', '.join(config.emulated_machines)}",
        )
