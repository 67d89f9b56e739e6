"""status.volumeStatus of a VMI as virt-controller writes it: claims, and how far hotplugged volumes have come.

Up to AttachedToNode, and when a volume is to leave, the controller speaks; the node agent says the rest
(MountedToPod, Ready, UnMountedFromPod, how a dump of memory fares). Words and reasons are KubeVirt's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from kubevirt_py.api import names
from kubevirt_py.api.views import PersistentVolumeClaim, Pod
from kubevirt_py.decide import pods
from kubevirt_py.plan import Document
from kubevirt_py.render.data_volumes import is_being_filled
from kubevirt_py.render.hotplug_volumes import MEMORY_DUMP, brought_volumes, task_volumes
from kubevirt_py.render.pod_volumes import claim_of
from kubevirt_py.render.preallocation import is_preallocated

PENDING = "Pending"
BOUND = "Bound"
ATTACHED = "AttachedToNode"
MOUNTED = "MountedToPod"
READY = "Ready"
DETACHING = "Detaching"
UNMOUNTED = "UnMountedFromPod"
DUMPING = "MemoryDumpInProgress"
DUMPED = "MemoryDumpCompleted"
DUMP_FAILED = "MemoryDumpFailed"
GIVEN = frozenset({ATTACHED, MOUNTED, READY, DUMPING, DUMPED, DUMP_FAILED})
"""Phases of volumes that an attachment pod has brought, and that the node's agent has or may have."""
_BEFORE_ATTACHED = frozenset({"", PENDING, BOUND})
_BEFORE_DUMP = frozenset({*_BEFORE_ATTACHED, ATTACHED})


def volumes_of(pod: Pod) -> tuple[str, ...]:
    """Names of the volumes that an attachment pod brings."""
    text = pod.metadata.annotations.get(names.HOTPLUG_VOLUMES_ANNOTATION, "")
    return tuple(name for name in text.split(",") if name)


def is_serving(pod: Pod) -> bool:
    """The pod's process runs and can open its volumes."""
    return not pods.is_terminal(pod) and any(status.ready for status in pod.status.container_statuses)


def volume_status(
    spec: Document,
    old: Iterable[Document],
    claims: Mapping[str, PersistentVolumeClaim],
    attachments: Mapping[str, Pod],
    bringing: Iterable[Pod],
    state: PersistentVolumeClaim | None = None,
) -> list[Document]:
    """One entry per volume, sorted by name; a volume that left the spec keeps its own while a pod still has it.

    `attachments` are the pods that count, by volume; `bringing` are all attachment pods that there are. The claim of
    the VM's `state` has an entry of its own, by its name.
    """
    known = {str(entry.get("name")): entry for entry in old}
    plugged, tasks = brought_volumes(spec), task_volumes(spec)
    entries = []
    for volume in every_volume(spec):
        name = volume["name"]
        entry = {"target": "", **_same_claim(known.pop(name, {}), claim_of(volume)), "name": name}
        claim = claims.get(claim_of(volume) or "")
        if info := _claim_info(claim):
            entry["persistentVolumeClaimInfo"] = info
        if name in plugged:
            entry |= _arriving(entry, claim_of(volume) or "", claim, attachments.get(name))
        if name in tasks and tasks[name].task == MEMORY_DUMP and entry.get("phase") in _BEFORE_DUMP:
            entry["memoryDumpVolume"] = {"claimName": tasks[name].claim}
        entries.append({key: value for key, value in entry.items() if value is not None})
    if state is not None:
        entries.append(_state_entry(state))
    held = {name: pod for pod in bringing for name in volumes_of(pod)}
    entries += [_leaving(entry, held[name]) for name, entry in known.items() if name in held and _is_plugged(entry)]
    return sorted(entries, key=lambda entry: str(entry["name"]))


def claim_told(entry: Document) -> str:
    """The claim that an entry tells of; empty for none."""
    return str((entry.get("persistentVolumeClaimInfo") or {}).get("claimName") or "")


def _same_claim(entry: Document, claim: str | None) -> Document:
    """The entry of a volume, begun anew where it was plugged on another claim before."""
    other = _is_plugged(entry) and claim_told(entry) not in ("", claim)
    return {"target": entry.get("target", "")} if other else entry


def every_volume(spec: Document) -> list[Document]:
    """Those of spec.volumes, and utility volumes as if they stood there."""
    utility = {one["name"] for one in spec.get("utilityVolumes") or ()}
    brought = brought_volumes(spec).items() if utility else ()
    return [*(spec.get("volumes") or ()), *(volume for name, volume in brought if name in utility)]


def still_held(spec: Document, status: Iterable[Document]) -> frozenset[str]:
    """Volumes that left the spec and that a guest may still have, whatever their pod."""
    present = {volume["name"] for volume in every_volume(spec)}
    return frozenset(
        str(entry["name"])
        for entry in status
        if _is_plugged(entry)
        and entry["name"] not in present
        and entry.get("phase", "") not in (*_BEFORE_ATTACHED, UNMOUNTED)
    )


def _is_plugged(entry: Document) -> bool:
    return "hotplugVolume" in entry


def _arriving(entry: Document, name: str, claim: PersistentVolumeClaim | None, pod: Pod | None) -> Document:
    phase = entry.get("phase") or ""
    if phase in (DETACHING, UNMOUNTED):  # it was to leave, and is wanted again
        phase = ""
    if pod is None:
        if phase not in _BEFORE_ATTACHED:
            return {}
        return {"hotplugVolume": {}, **_waiting(name, claim)}
    ready = is_serving(pod)
    attached: dict[str, Any] = {"attachPodName": pod.metadata.name}
    if ready:
        attached["attachPodUID"] = pod.metadata.uid
    if phase not in _BEFORE_ATTACHED:
        return {"hotplugVolume": attached}
    if not ready:
        return {"hotplugVolume": attached, **_waiting(name, claim), **_pod_trouble(pod)}
    text = f"Created hotplug attachment pod {pod.metadata.name}, for volume {entry['name']}"
    return {"hotplugVolume": attached, "phase": ATTACHED, "reason": names.SUCCESSFUL_CREATE, "message": text}


def _waiting(name: str, claim: PersistentVolumeClaim | None) -> Document:
    if claim is None:
        return {"phase": PENDING, "reason": names.FAILED_PVC_NOT_FOUND, "message": f"PVC {name} not found"}
    phase = claim.status.phase or PENDING
    text = f"PVC {name} is being filled by CDI" if is_being_filled(claim) else f"PVC is in phase {phase}"
    return {"phase": BOUND if phase == BOUND else PENDING, "reason": names.PVC_NOT_READY, "message": text}


def _pod_trouble(pod: Pod) -> Document:
    found = pods.container_trouble(pod)
    if found is None and (unplaced := pods.unschedulable(pod)) is not None:
        found = (unplaced.reason, unplaced.message)
    if found is None:
        return {}
    return {"reason": found[0], "message": f"Attachment pod {pod.metadata.name}: {found[1] or found[0]}"}


def _leaving(entry: Document, pod: Pod) -> Document:
    if entry.get("phase") == UNMOUNTED and not pod.metadata.deletion_timestamp:
        return entry
    left = entry | {
        "hotplugVolume": {"attachPodName": pod.metadata.name, "attachPodUID": pod.metadata.uid},
        "phase": UNMOUNTED if entry.get("phase") == UNMOUNTED else DETACHING,
    }
    if pod.metadata.deletion_timestamp:
        text = f"Deleted hotplug attachment pod {pod.metadata.name}, for volume {entry['name']}"
        left |= {"reason": names.SUCCESSFUL_DELETE, "message": text}
    return left


def _state_entry(claim: PersistentVolumeClaim) -> Document:
    """As upstream: what is known when the claim is made, so that binding it is no news."""
    info = {"claimName": claim.metadata.name, "accessModes": list(claim.spec.access_modes)}
    return {"name": claim.metadata.name, "target": "", "persistentVolumeClaimInfo": info}


def _claim_info(claim: PersistentVolumeClaim | None) -> Document | None:
    """What clients learn of a claim without asking for it: its size, modes and how it can be shared."""
    if claim is None:
        return None
    requests = (msgspec.json.decode(claim.spec.resources) or {}).get("requests")
    found = {
        "claimName": claim.metadata.name,
        "accessModes": list(claim.status.access_modes or claim.spec.access_modes),
        "volumeMode": claim.spec.volume_mode,
        "capacity": dict(claim.status.capacity),
        "requests": requests,
        "preallocated": is_preallocated(claim.metadata.annotations),
    }
    return {key: value for key, value in found.items() if value}
