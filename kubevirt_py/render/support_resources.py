"""What the containers beside QEMU's ask for: their usual amounts, or those of the KubeVirt resource's
`supportContainerResources`.

Types are KubeVirt's. Images of container disks are mounted here and have no container, so `container-disk` is accepted
without effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kubevirt_py.api.quantity import is_quantity, parse_quantity
from kubevirt_py.plan import Document

VIRTIOFS = "virtiofs"
SIDECAR = "sidecar"
"""passt's."""
HOTPLUG_DISK = "hotplug-disk"
GUEST_CONSOLE_LOG = "guest-console-log"
CONTAINER_DISK = "container-disk"
VM_EXPORT = "vmexport"
TYPES = (CONTAINER_DISK, GUEST_CONSOLE_LOG, HOTPLUG_DISK, SIDECAR, VIRTIOFS, VM_EXPORT)
SIDES = ("requests", "limits")
RESOURCES = ("cpu", "memory")

Amounts = Mapping[str, Mapping[str, str]]
"""By `requests` or `limits`, and resource."""


def support_resources(given: Amounts | None, usual: Document, *, guaranteed: bool = False) -> Document:
    """Requests and limits of a container; each amount of the cluster (`given`) replaces that of `usual`.

    A request is at most its limit: one that is not given follows the other. `guaranteed` makes each request its
    limit, so that a pod which is Guaranteed stays so.
    """
    given = given or {}
    requests = {**usual["requests"], **given.get("requests", {})}
    limits = {**usual.get("limits", {}), **given.get("limits", {})}
    for name in requests.keys() & limits.keys():
        if parse_quantity(requests[name]) <= parse_quantity(limits[name]):
            continue
        if name in given.get("limits", {}):
            requests[name] = limits[name]
        else:
            limits[name] = requests[name]
    if guaranteed:
        requests |= limits
    return {"requests": requests} | ({"limits": limits} if limits else {})


class _Amount(NamedTuple):
    """One quantity of the setting, by its place below `spec.configuration`."""

    place: str
    kind: str
    side: str
    resource: str
    value: Any
    limit: Any


def given_amounts(configuration: Document) -> dict[str, dict[str, dict[str, str]]]:
    """The setting by type of container; what cannot be followed is left out."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for amount in _amounts(configuration):
        if not _misfit(amount):
            found.setdefault(amount.kind, {}).setdefault(amount.side, {})[amount.resource] = str(amount.value)
    return found


def misfits(configuration: Document) -> dict[str, str]:
    """What of the setting cannot be followed: place below `spec.configuration` -> why."""
    return {amount.place: words for amount in _amounts(configuration) if (words := _misfit(amount))}


def _amounts(configuration: Document) -> Iterator[_Amount]:
    for index, entry in enumerate(configuration.get("supportContainerResources") or ()):
        resources = entry.get("resources") or {}
        for side in SIDES:
            for name, value in (resources.get(side) or {}).items():
                place = f"supportContainerResources[{index}].resources.{side}[{name}]"
                yield _Amount(place, entry["type"], side, name, value, (resources.get("limits") or {}).get(name, value))


def _misfit(amount: _Amount) -> str:
    if amount.resource not in RESOURCES:
        return f"must be {' or '.join(RESOURCES)}; other resources are not for these containers"
    if not is_quantity(amount.value) or parse_quantity(amount.value) <= 0:
        return f"{amount.value!r} must be a quantity above 0, such as 100m"
    if is_quantity(amount.limit) and parse_quantity(amount.value) > parse_quantity(amount.limit):
        return f"{amount.value!r} must be at most the limit, which is {amount.limit!r}"
    return ""
