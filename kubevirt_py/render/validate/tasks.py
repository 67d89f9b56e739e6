"""Volumes that are attached for a task and not for the guest: memory dumps, spec.utilityVolumes."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import DUPLICATE, FORBIDDEN, INVALID, REQUIRED, Cause, one_of, unique
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.hotplug_volumes import MEMORY_DUMP, TASKS
from kubevirt_py.render.validate.text import dns_label, dns_subdomain

WRITTEN = "the dump is written into the claim; leave readOnly out"


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    """One dump at a time, into a claim that comes while the guest runs; no disk shows any of it."""
    devices = spec["domain"].get("devices") or {}
    tasks = {}
    for index, volume in enumerate(spec.get("volumes") or ()):
        if (dump := volume.get("memoryDump")) is None:
            continue
        field = f"{path}.volumes[{index}].memoryDump"
        tasks[volume["name"]] = field
        yield from _claim(dump["claimName"], f"{field}.claimName")
        if not dump.get("hotpluggable"):
            text = "a memory dump is attached to a guest that runs, so it must be true"
            yield Cause(f"{field}.hotpluggable", REQUIRED, text)
        if dump.get("readOnly"):
            yield Cause(f"{field}.readOnly", INVALID, WRITTEN)
    utilities = spec.get("utilityVolumes") or ()
    dumps = [*tasks.values(), *(f for f, one in _fields(path, utilities) if one.get("type") == MEMORY_DUMP)]
    for field in dumps[1:]:
        yield Cause(field, INVALID, f"a machine has one volume for memory dumps at a time, and there is {dumps[0]}")
    yield from _utility(spec, path, utilities)
    shown = tasks | {one["name"]: field for field, one in _fields(path, utilities)}
    for kind in ("disks", "filesystems"):
        for index, item in enumerate(devices.get(kind) or ()):
            if item["name"] in shown:
                text = f"{shown[item['name']]} is not for the guest; remove this, or name another volume"
                yield Cause(f"{path}.domain.devices.{kind}[{index}].name", INVALID, text)


def at_creation(spec: Document, path: str) -> Iterator[Cause]:
    """Utility volumes come to guests that run, by the controllers that need them."""
    if spec.get("utilityVolumes"):
        text = "cannot create VMI with utility volumes in spec, utility volumes can only be added via hotplug"
        yield Cause(f"{path}.utilityVolumes", INVALID, text)


def changed(new: Document, old: Document) -> Iterator[Cause]:
    """Utility volumes come and go; one that stays is what it was."""
    before = {one["name"]: one for one in old.get("utilityVolumes") or ()}
    for field, one in _fields("spec", new.get("utilityVolumes") or ()):
        if before.get(one["name"], one) != one:
            yield Cause(field, FORBIDDEN, f"utility volume {one['name']} has changed; remove it and add another one")


def _utility(spec: Document, path: str, utilities: list[Document] | tuple[()]) -> Iterator[Cause]:
    volumes = {volume["name"]: index for index, volume in enumerate(spec.get("volumes") or ())}
    yield from unique(((f"{field}.name", one["name"]) for field, one in _fields(path, utilities)), "volume name")
    for field, one in _fields(path, utilities):
        yield from dns_label(f"{field}.name", one["name"])
        yield from _claim(one["claimName"], f"{field}.claimName")
        yield from one_of(f"{field}.type", one.get("type"), TASKS)
        if one["name"] in volumes:
            text = f"volume name {one['name']!r} is already used by {path}.volumes[{volumes[one['name']]}].name"
            yield Cause(f"{field}.name", DUPLICATE, text)
        if one.get("readOnly") and one.get("type") == MEMORY_DUMP:
            yield Cause(f"{field}.readOnly", INVALID, WRITTEN)


def _fields(path: str, utilities: list[Document] | tuple[()]) -> Iterator[tuple[str, Document]]:
    for index, one in enumerate(utilities):
        yield f"{path}.utilityVolumes[{index}]", one


def _claim(name: str, field: str) -> Iterator[Cause]:
    if not name:
        yield Cause(field, REQUIRED, "must name a claim in the same namespace")
    else:
        yield from dns_subdomain(field, name)
