"""What of a VM's template reaches its running VMI at once (LiveUpdate), and what waits for a restart.

Hotpluggable volumes, sockets, guest memory, secondary networks and where the guest may run can change while it runs;
everything else is fixed. Both sides of that line are drawn here, for virt-controller and for admission alike.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from kubevirt_py.api.quantity import format_bytes, parse_quantity, quantity_bytes
from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.hotplug_volumes import brought_volumes, hotplug_volumes, is_hotpluggable
from kubevirt_py.render.live_networks import (
    LINK_STATE,
    follow_networks,
    secondary_networks,
    waiting_networks,
    without_detached,
)
from kubevirt_py.render.machine.cpu import HOST_MODELS, MAX_VCPUS, sockets_of
from kubevirt_py.render.machine.memory import why_fixed
from kubevirt_py.render.pod_volumes import claim_of

LIVE_UPDATE = "LiveUpdate"
PLACEMENT = ("affinity", "nodeSelector", "tolerations")
"""Take effect where a guest goes next."""
GRACE = "terminationGracePeriodSeconds"
UTILITY = "utilityVolumes"
MEMORY_BLOCK = 2 << 20
LEAST_GROWING = 1 << 30
MOST_OF_NAMED_CPU = 896 << 30
"""QEMU's named models, and all that it emulates, have 40 bits of address, of which devices need some."""


class LiveChanges(NamedTuple):
    """The VMI's spec with what can change live, and words about what needs a restart."""

    spec: Document
    restart: tuple[str, ...]


def fixed_part(spec: Document) -> Document:
    """A VMI spec (defaulted or not) without what may change while the guest runs."""
    plugged = brought_volumes(spec)
    domain = copy.deepcopy(spec.get("domain") or {})
    devices = domain.get("devices") or {}
    secondary = secondary_networks(spec)
    if "disks" in devices:
        devices["disks"] = [d for d in devices["disks"] if d["name"] not in plugged or "cdrom" in d]
    if "interfaces" in devices:
        kept = [item for item in devices["interfaces"] if item["name"] not in secondary]
        devices["interfaces"] = [{key: item[key] for key in item if key != LINK_STATE} for item in kept]
    for part, key in (("cpu", "sockets"), ("memory", "guest")):
        (domain.get(part) or {}).pop(key, None)
    for side in ("requests", "limits"):
        for key in ("cpu", "memory"):
            ((domain.get("resources") or {}).get(side) or {}).pop(key, None)
    found = {key: value for key, value in spec.items() if key not in (*PLACEMENT, GRACE, UTILITY)}
    found["domain"] = _without_empty(domain)
    found["volumes"] = [volume for volume in spec.get("volumes") or () if volume["name"] not in plugged]
    found["networks"] = [network for network in spec.get("networks") or () if network["name"] not in secondary]
    return {key: value for key, value in found.items() if value not in (None, [], {})}


def live_changes(
    wanted: Document,
    running: Document,
    status: Mapping[str, Document],
    *,
    boot_sockets: int | None = None,
    reported: Collection[str] = (),
    volumes: bool = True,
) -> LiveChanges:
    """What a running VMI's spec becomes. `wanted` is the template's, defaulted; `status` the VMI's.

    `boot_sockets` are the CPU sockets that the guest started with, None if that is not known.
    `reported` are the interfaces that the guest or its pod still has. Without `volumes` these are left alone: they
    follow requests.
    """
    spec = copy.deepcopy(running)
    restart: list[str] = []
    if volumes:
        _volumes(wanted, spec)
    follow_networks(wanted, spec)
    spec = without_detached(spec, reported)
    for key in PLACEMENT:
        if wanted.get(key) != spec.get(key):
            spec[key] = copy.deepcopy(wanted.get(key))
            if spec[key] is None:
                del spec[key]
    restart += _sockets(wanted["domain"], spec["domain"], boot_sockets)
    restart += waiting_networks(wanted, running)
    restart += _other_disks(wanted, running)
    restart += _memory(wanted["domain"], spec["domain"], status.get("memory") or {})
    return LiveChanges(spec, tuple(restart))


def with_room(spec: Document, config: ClusterConfig) -> Document:
    """A VM's new VMI with room for CPUs and memory that may come: what the spec says, the cluster, or 4 times as much.

    Memory can grow where the guest has at least 1 GiB in whole blocks, neither of huge pages nor locked, and CPUs
    that are not dedicated; as far as these can address it.
    """
    if config.rollout_strategy != LIVE_UPDATE:
        return spec
    domain = spec["domain"] = copy.deepcopy(spec["domain"])
    cpu, memory = domain["cpu"], domain["memory"]
    fixed = any(cpu.get(key) for key in ("dedicatedCpuPlacement", "realtime", "numa")) or "launchSecurity" in domain
    if "maxSockets" not in cpu and not fixed:
        most = config.max_cpu_sockets or cpu["sockets"] * config.max_hotplug_ratio
        per_socket = cpu["cores"] * cpu["threads"]
        cpu["maxSockets"] = max(cpu["sockets"], min(most, MAX_VCPUS // per_socket))
    if "maxGuest" not in memory and memory.get("guest") and not fixed and not why_fixed(domain):
        guest = quantity_bytes(memory["guest"])
        most_bytes = quantity_bytes(config.max_guest) if config.max_guest else guest * config.max_hotplug_ratio
        if config.use_emulation or cpu.get("model") not in HOST_MODELS:
            most_bytes = min(most_bytes, MOST_OF_NAMED_CPU)
        most_bytes -= most_bytes % MEMORY_BLOCK
        if guest >= LEAST_GROWING and guest % MEMORY_BLOCK == 0 and most_bytes > guest:
            memory["maxGuest"] = format_bytes(most_bytes)
    return spec


def _volumes(wanted: Document, spec: Document) -> None:
    """The hotpluggable volumes of `wanted` instead of those in `spec`; drives stay when their disc goes.

    A volume that stays keeps its disk as it is, and stays for as long as the guest runs where the next one is to
    have it for good.
    """
    old, listed = hotplug_volumes(spec), {volume["name"]: volume for volume in wanted.get("volumes") or ()}
    same = _staying(listed, old)
    possible = same | _pluggable(wanted, spec)
    new = [name for name in listed if name in possible]
    if same == set(new) == set(old):
        return
    devices = spec["domain"].setdefault("devices", {})
    disks = _disks(wanted)
    spec["volumes"] = [volume for volume in spec.get("volumes") or () if not is_hotpluggable(volume)]
    spec["volumes"] += [old[name] if name in same else copy.deepcopy(listed[name]) for name in new]
    leaving = set(old) - same
    kept = [disk for disk in devices.get("disks") or () if disk["name"] not in leaving or "cdrom" in disk]
    there = {disk["name"] for disk in kept}
    kept += [copy.deepcopy(disks[name]) for name in new if name in disks and name not in there]
    devices["disks"] = kept


def _pluggable(wanted: Document, running: Document) -> set[str]:
    """Names of the hotpluggable volumes of `wanted` that a running guest can get: a disc needs a drive that is there,
    and what the guest was started with, and has until its restart, is not taken from it.
    """
    fixed = {volume["name"]: volume for volume in running.get("volumes") or () if not is_hotpluggable(volume)}
    listed = {volume["name"]: volume for volume in wanted.get("volumes") or ()}
    held = {claim_of(one) for name, one in fixed.items() if claim_of(one) != claim_of(listed.get(name, {}))}
    new, old = _disks(wanted), _disks(running)
    return {
        name
        for name, volume in hotplug_volumes(wanted).items()
        if name not in fixed
        and claim_of(volume) not in held
        and ("cdrom" in new.get(name, {})) == ("cdrom" in old.get(name, {}))
    }


def _disks(spec: Document) -> dict[str, Document]:
    """The disks of a VMI spec by name."""
    return {disk["name"]: disk for disk in (spec["domain"].get("devices") or {}).get("disks") or ()}


def _staying(new: Mapping[str, Document], old: Mapping[str, Document]) -> set[str]:
    """Names of the volumes that are in both, on the same claim."""
    return {name for name in new if name in old and claim_of(new[name]) == claim_of(old[name])}


def _other_disks(wanted: Document, running: Document) -> Iterator[str]:
    """Plugged volumes that stay, but as another disk: a running guest keeps the old one."""
    disks = _disks(wanted), _disks(running)
    for name in sorted(_staying(hotplug_volumes(wanted), hotplug_volumes(running))):
        new, old = (found.get(name) for found in disks)
        if new != old and not any("cdrom" in (disk or {}) for disk in (new, old)):
            yield f"disk {name} changes when the guest restarts; restart, or take its volume out and put it in again"


def _sockets(wanted: Document, domain: Document, least: int | None) -> Iterator[str]:
    cpu = domain.get("cpu") or {}
    new, old = sockets_of(wanted), sockets_of(domain)
    least, most = least or old, cpu.get("maxSockets") or old
    if new == old:
        return
    if new < least:
        yield f"the running guest was started with {least} CPU sockets and cannot have fewer"
    elif new > most:
        yield f"the running guest has room for {most} CPU sockets, not {new}; set cpu.maxSockets for the next start"
    elif cpu.get("dedicatedCpuPlacement"):
        yield "sockets of a running guest with dedicated CPUs cannot change"
    else:
        more = (new - old) * (cpu.get("cores") or 1) * (cpu.get("threads") or 1)
        domain["cpu"] = cpu | {"sockets": new}
        _add(domain, "cpu", lambda amount: f"{int(parse_quantity(amount) * 1000) + more * 1000}m")


def _memory(wanted: Document, domain: Document, status: Document) -> Iterator[str]:
    memory = domain.get("memory") or {}
    new, old = (wanted.get("memory") or {}).get("guest"), memory.get("guest")
    if new is None or old is None or quantity_bytes(new) == quantity_bytes(old):
        return
    most, least = memory.get("maxGuest"), status.get("guestAtBoot") or old
    if why := why_fixed(domain):
        yield f"memory of the running guest cannot change: {why}"
    elif most is None:
        yield "memory of the running guest cannot change: it was started without memory.maxGuest"
    elif quantity_bytes(new) > quantity_bytes(most):
        yield f"the running guest has room for {most} of memory, not {new}; set memory.maxGuest for the next start"
    elif quantity_bytes(new) < quantity_bytes(least):
        yield f"the running guest was started with {least} of memory and cannot have less"
    elif (quantity_bytes(new) - quantity_bytes(least)) % MEMORY_BLOCK:
        yield f"memory of the running guest can change in steps of {MEMORY_BLOCK >> 20}Mi only"
    else:
        more = quantity_bytes(new) - quantity_bytes(old)
        domain["memory"] = memory | {"guest": new}
        _add(domain, "memory", lambda amount: str(quantity_bytes(amount) + more))


def _add(domain: Document, resource: str, more: Callable[[str | int], str]) -> None:
    """Where the VMI says what its pod asks for, it asks for as much more."""
    resources = domain.get("resources") or {}
    changed = {
        side: {**resources[side], resource: more(resources[side][resource])}
        for side in ("requests", "limits")
        if (resources.get(side) or {}).get(resource) is not None
    }
    if changed:
        domain["resources"] = resources | changed


def _without_empty(document: Document) -> Document:
    """Maps without members that are empty: a part that was only live is as good as absent."""
    found = {key: _without_empty(value) if isinstance(value, dict) else value for key, value in document.items()}
    return {key: value for key, value in found.items() if value not in ({}, [], None)}
