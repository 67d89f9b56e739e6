"""The smaller devices: watchdog, inputs, video, sound, and hypervisor features."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.plan import Document
from kubevirt_py.render import hyperv
from kubevirt_py.render.causes import INVALID, Cause, at_least, exactly_one, one_of, unique
from kubevirt_py.render.config import ClusterConfig

INPUTS = {"tablet": ("usb", "virtio"), "keyboard": ("usb", "virtio"), "mouse": ("usb", "virtio")}
SOUNDS = ("ich9", "ac97")
VIDEOS = ("vga", "virtio", "bochs", "cirrus", "ramfb")
WATCHDOG_ACTIONS = ("poweroff", "reset", "shutdown")
PANICS = ("hyperv", "isa", "pvpanic")
WATCHDOGS = ("i6300esb", "diag288")
LEAST_SPINLOCKS = 4096
MAX_VENDOR_ID = 12


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    devices, base = spec["domain"].get("devices") or {}, f"{path}.domain.devices"
    yield from _watchdog(devices.get("watchdog"), f"{base}.watchdog")
    yield from _inputs(devices.get("inputs") or [], f"{base}.inputs")
    yield from one_of(f"{base}.video.type", (devices.get("video") or {}).get("type"), VIDEOS)
    yield from one_of(f"{base}.sound.model", (devices.get("sound") or {}).get("model"), SOUNDS)
    if "video" in devices and devices.get("autoattachGraphicsDevice") is False:
        yield Cause(f"{base}.video", INVALID, "a video device needs autoattachGraphicsDevice to be true or unset")
    for index, panic in enumerate(devices.get("panicDevices") or ()):
        yield from one_of(f"{base}.panicDevices[{index}].model", panic.get("model"), PANICS)
    yield from hyperv.check_needs(spec["domain"], f"{path}.domain")
    yield from _hyperv((spec["domain"].get("features") or {}).get("hyperv") or {}, f"{path}.domain.features.hyperv")


def _watchdog(watchdog: Document | None, field: str) -> Iterator[Cause]:
    if watchdog is None:
        return
    yield from exactly_one(field, watchdog, WATCHDOGS, "watchdog model")
    for model in WATCHDOGS:
        yield from one_of(f"{field}.{model}.action", (watchdog.get(model) or {}).get("action"), WATCHDOG_ACTIONS)


def _inputs(inputs: list[Document], field: str) -> Iterator[Cause]:
    for index, device in enumerate(inputs):
        yield from one_of(f"{field}[{index}].type", device["type"], INPUTS)
        yield from one_of(f"{field}[{index}].bus", device.get("bus"), INPUTS.get(device["type"], ("usb", "virtio")))
    yield from unique(((f"{field}[{index}].name", item["name"]) for index, item in enumerate(inputs)), "input name")


def _hyperv(features: Document, field: str) -> Iterator[Cause]:
    yield from at_least(
        f"{field}.spinlocks.spinlocks", (features.get("spinlocks") or {}).get("spinlocks"), LEAST_SPINLOCKS
    )
    vendor = (features.get("vendorid") or {}).get("vendorid") or ""
    if len(vendor) > MAX_VENDOR_ID or "," in vendor:
        yield Cause(f"{field}.vendorid.vendorid", INVALID, f"must be at most {MAX_VENDOR_ID} characters, no comma")
