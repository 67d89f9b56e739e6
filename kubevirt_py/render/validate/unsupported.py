"""What this release does not do yet: refused by name, never silently ignored.

Each row is a path inside a VMI's spec and what it is. `[]` stands for every entry of a list. Remove a row when the
feature arrives.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import NOT_SUPPORTED, Cause
from kubevirt_py.render.config import ClusterConfig

VMI_FIELDS = {
    "domain.devices.disks[].changedBlockTracking": "changed block tracking",
    "domain.devices.gpus": "GPUs",
    "domain.devices.hostDevices": "host devices",
    "domain.devices.watchdog.diag288": "the s390x watchdog",
    "domain.launchSecurity": "confidential guests",
    "networks[].resourceClaim": "networks from resource claims",
    "resourceClaims": "dynamic resource allocation",
}
VMI_VALUES: dict[str, tuple[tuple[Any, ...], str]] = {
    "domain.features.apic.enabled": ((False,), "machines without APIC"),
    "domain.clock.timer.hpet.tickPolicy": (
        ("catchup", "merge", "discard"),
        "lost ticks of the HPET other than delayed",
    ),
    "domain.clock.timer.rtc.present": ((False,), "machines without a real-time clock"),
}
"""Fields of which only some values are refused."""

VM_FIELDS = {
    "instancetype": "instance types",
    "preference": "preferences",
}
ARCHITECTURES = ("amd64",)


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    """Fields of a VMI's spec that are set and have no effect yet."""
    yield from fields(spec, path, VMI_FIELDS)
    yield from values(spec, path, VMI_VALUES)
    if (given := spec.get("architecture")) and given not in ARCHITECTURES:
        yield _cause(f"{path}.architecture", f"architecture {given}; use {', '.join(ARCHITECTURES)}")


def fields(spec: Document, path: str, table: dict[str, str]) -> Iterator[Cause]:
    """Fields of `table` that `spec` sets. False, empty lists and empty strings count as not set."""
    for field, what in table.items():
        for place, value in places(spec, field.split("."), path):
            if value not in (False, [], ""):
                yield _cause(place, what)


def values(spec: Document, path: str, table: dict[str, tuple[tuple[Any, ...], str]]) -> Iterator[Cause]:
    """Fields of `table` that `spec` sets to a value refused there."""
    for field, (refused, what) in table.items():
        for place, value in places(spec, field.split("."), path):
            if value in refused:
                yield _cause(place, what)


def _cause(field: str, what: str) -> Cause:
    return Cause(field, NOT_SUPPORTED, f"not supported yet by this release: {what}")


def places(value: Any, parts: list[str], path: str) -> Iterator[tuple[str, Any]]:
    """Where the field of a path's `parts` is set below `value`, and to what."""
    if not parts:
        yield path, value
        return
    key = parts[0].removesuffix("[]")
    if not isinstance(value, dict) or key not in value:
        return
    if key == parts[0]:
        yield from places(value[key], parts[1:], f"{path}.{key}")
        return
    for index, item in enumerate(value[key]):
        yield from places(item, parts[1:], f"{path}.{key}[{index}]")
