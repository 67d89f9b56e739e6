"""The VMI status fields that virt-controller writes, and the one patch that carries them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from kubevirt_py.api import kinds, names
from kubevirt_py.api.views import Condition, Pod, VirtualMachineInstance
from kubevirt_py.decide import conditions, patches, phases, pods
from kubevirt_py.decide.guest_status import ENDED, NOT_RUNNING
from kubevirt_py.decide.references import key_of
from kubevirt_py.decide.vmi_snapshot import VmiSnapshot
from kubevirt_py.plan import NOTHING, Document, Event, JsonPatch, Plan

CONTROLLER_REASONS = (
    frozenset({names.FAILED_CREATE, names.FAILED_PVC_NOT_FOUND, names.POD_NOT_PREPARED})
    | frozenset({names.CONTAINER_PATHS_DISABLED, names.MISSING_VIRTIOFS_CONTAINERS})
    | frozenset(pods.IMAGE_REASONS.values())
    | pods.CONTAINER_REASONS
)
"""Reasons of Synchronized=False that the controller gives and takes back; others are the agent's."""
IMAGE_TROUBLE = frozenset(pods.IMAGE_REASONS.values())


@dataclass(frozen=True, slots=True)
class Change:
    """Wanted status fields (None: remove), conditions by type (None: drop) and labels (None: remove)."""

    status: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Condition | None] = field(default_factory=dict)
    labels: Mapping[str, str | None] = field(default_factory=dict)


def patch(
    s: VmiSnapshot, change: Change, *, drop_finalizers: Collection[str] = (), events: tuple[Event, ...] = ()
) -> Plan:
    """One guarded patch that brings the VMI to `change`; an empty plan (and no events) if it is there already."""
    meta, old = s.vmi.metadata, observed(s.vmi)
    wanted = dict(change.status)
    if change.conditions:
        merged = conditions.merged(s.vmi.status.conditions, change.conditions, s.timestamp)
        wanted["conditions"] = conditions.documents(merged)
    if not wanted.get("conditions", True) and "conditions" not in old:
        del wanted["conditions"]
    phase = wanted.get("phase", s.vmi.status.phase)
    if phase != s.vmi.status.phase:
        wanted["phaseTransitionTimestamps"] = phases.transitions(
            s.vmi.status.phase_transition_timestamps, phase, s.timestamp
        )
    status_ops = patches.field_ops("/status", old, wanted)
    ops = (
        *(patches.parent_op("/status", old) if status_ops else ()),
        *status_ops,
        *patches.label_ops(meta.labels, change.labels),
        *patches.finalizer_ops(meta.finalizers, drop_finalizers),
    )
    if not ops:
        return NOTHING
    guarded = patches.guarded(meta.resource_version, ops)
    return Plan(do=(JsonPatch(kinds.VMI, key_of(s.vmi), guarded),), events=events)


def observed(vmi: VirtualMachineInstance) -> dict[str, Any]:
    """The status fields this module writes, as they stand; empty ones left out."""
    status = vmi.status
    fields = {
        "phase": status.phase,
        "reason": status.reason,
        "nodeName": status.node_name,
        "activePods": status.active_pods,
        "qosClass": status.qos_class,
        "launcherContainerImageVersion": status.launcher_container_image_version,
        "migrationTransport": status.migration_transport,
        "runtimeUser": status.runtime_user,
        "VSOCKCID": status.vsock_cid,
        "volumeStatus": msgspec.json.decode(status.volume_status),
        "conditions": conditions.documents(status.conditions),
        "phaseTransitionTimestamps": [
            {"phase": entry.phase, "phaseTransitionTimestamp": entry.phase_transition_timestamp}
            for entry in status.phase_transition_timestamps
        ],
    }
    return {name: value for name, value in fields.items() if value}


def with_volumes(change: Change, entries: list[Document]) -> Change:
    """The change, and status.volumeStatus with it."""
    return replace(change, status={**change.status, "volumeStatus": entries or None})


def scheduling(s: VmiSnapshot, finding: Condition | None) -> Change:
    """The pod is not on a node: `finding` tells why, if anything does."""
    changed = {names.READY: NOT_RUNNING, names.POD_SCHEDULED: None, **_synchronized(s.vmi, None)}
    if finding is not None:
        changed[finding.type] = finding
    return Change(
        status={
            "phase": phases.SCHEDULING,
            "nodeName": None,
            "activePods": None,
            "launcherContainerImageVersion": None,
        },
        conditions=changed,
        labels={names.NODE_NAME_LABEL: None},
    )


def placed(s: VmiSnapshot, pod: Pod, trouble: tuple[str, str] | None) -> Change:
    """The pod is bound to a node: all the node's agent needs to take it over."""
    return Change(
        status={
            "phase": phases.SCHEDULED,
            "nodeName": pod.spec.node_name,
            "activePods": {pod.metadata.uid: pod.spec.node_name},
            "qosClass": pod.status.qos_class or None,
            "launcherContainerImageVersion": s.vmi.status.launcher_container_image_version or s.launcher_image,
            "migrationTransport": "Unix",
            "runtimeUser": names.QEMU_ID,
            "VSOCKCID": vsock_cid(s.vmi.metadata.uid) if _wants_vsock(s.spec) else None,
        },
        conditions={
            names.READY: NOT_RUNNING,
            names.POD_SCHEDULED: None,
            **(data_volumes_ready() if any("dataVolume" in one for one in s.spec.get("volumes") or ()) else {}),
            **_synchronized(s.vmi, trouble),
        },
        labels={names.NODE_NAME_LABEL: pod.spec.node_name},
    )


def data_volumes_ready(missing: Collection[str] = ()) -> dict[str, Condition | None]:
    """The condition of a VMI with DataVolumes; `missing` are those that are not filled."""
    if missing:
        text = f"DataVolume {', '.join(missing)} is not filled yet"
        found = Condition(names.DATA_VOLUMES_READY, "False", names.NOT_ALL_DVS_READY, text)
    else:
        found = Condition(names.DATA_VOLUMES_READY, "True", names.ALL_DVS_READY, "All DataVolumes are filled")
    return {found.type: found}


def vsock_cid(uid: str) -> int:
    """A guest's address on VSOCK: 32 bits of its UID's hash, beside the addresses that mean something (0 to 2, -1)."""
    return 3 + int.from_bytes(hashlib.sha256(uid.encode()).digest()[:4]) % (2**32 - 4)


def _wants_vsock(spec: Document) -> bool:
    return bool(((spec.get("domain") or {}).get("devices") or {}).get("autoattachVSOCK"))


def ready_from_pod(s: VmiSnapshot, pod: Pod) -> Change:
    """Running: with a readiness probe the pod's readiness is the VMI's, unless the guest is paused; without one the
    agent alone tells.
    """
    changed = _synchronized(s.vmi, None)
    found = conditions.find(pod.status.conditions, names.READY)
    if s.spec.get("readinessProbe"):
        missing = Condition(type=names.READY, status="False", reason=names.POD_CONDITION_MISSING)
        paused = conditions.is_true(s.vmi.status.conditions, names.PAUSED)
        changed[names.READY] = NOT_RUNNING if paused else found or missing
    return Change(conditions=changed)


def not_ready(s: VmiSnapshot, reason: str, message: str) -> Change:
    """Only the Ready condition, False."""
    return Change(conditions={names.READY: Condition(type=names.READY, status="False", reason=reason, message=message)})


def failed(s: VmiSnapshot, reason: str, why: str = "") -> Change:
    """The guest is gone and nobody saw it end well. Where it never ran, `why` stays unless its agent said more."""
    changed = dict(ENDED)
    told = conditions.false_reason(s.vmi.status.conditions, names.SYNCHRONIZED)
    if why and s.vmi.status.phase != phases.RUNNING and not told:
        changed[names.SYNCHRONIZED] = Condition(names.SYNCHRONIZED, "False", names.SYNC_FAILED, why)
    return Change(status={"phase": phases.FAILED, **({"reason": reason} if reason else {})}, conditions=changed)


def knows_image_trouble(vmi: VirtualMachineInstance) -> bool:
    """Whether the VMI says already that an image cannot be had."""
    return conditions.false_reason(vmi.status.conditions, names.SYNCHRONIZED) in IMAGE_TROUBLE


def _synchronized(vmi: VirtualMachineInstance, trouble: tuple[str, str] | None) -> dict[str, Condition | None]:
    if trouble is not None:
        reason, message = trouble
        return {names.SYNCHRONIZED: Condition(names.SYNCHRONIZED, "False", reason, message)}
    ours = conditions.false_reason(vmi.status.conditions, names.SYNCHRONIZED) in CONTROLLER_REASONS
    return {names.SYNCHRONIZED: None} if ours else {}
