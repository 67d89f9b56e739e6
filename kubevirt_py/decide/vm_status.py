"""The status of a VM: what `kubectl get vm` shows and the conditions of its VMI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubevirt_py.api import kinds, names
from kubevirt_py.api.views import Condition, StartFailure, StateChangeRequest
from kubevirt_py.decide import conditions, crash_loop, phases
from kubevirt_py.decide.references import key_of
from kubevirt_py.decide.run_strategy import open_requests
from kubevirt_py.decide.vm_dump import next_request
from kubevirt_py.decide.vm_live import restart_reason
from kubevirt_py.decide.vm_snapshot import VmSnapshot
from kubevirt_py.plan import Create, Document, MergePatch

KEPT_CONDITIONS = frozenset({names.MANUAL_RECOVERY_REQUIRED})
"""Conditions of the VM that are neither computed here nor mirrored from the VMI."""


def _vmi_says(kind: str, reason: str) -> Callable[[VmSnapshot], bool]:
    def says(s: VmSnapshot) -> bool:
        return s.vmi is not None and conditions.false_reason(s.vmi.status.conditions, kind) == reason

    return says


def _phase_in(*wanted: str) -> Callable[[VmSnapshot], bool]:
    return lambda s: s.vmi is not None and s.vmi.status.phase in wanted


def _stopping(s: VmSnapshot) -> bool:
    return s.vmi is not None and not s.final and s.vmi.metadata.deletion_timestamp is not None


def _paused(s: VmSnapshot) -> bool:
    return s.vmi is not None and not s.final and conditions.is_true(s.vmi.status.conditions, names.PAUSED)


def _waits_for_claim(s: VmSnapshot) -> bool:
    return s.waits_for_claim and _phase_in(*phases.UNPLACED)(s)


def _data_refused(s: VmSnapshot) -> bool:
    refused = s.failure.action if s.failure is not None else None
    return bool(s.waits_for_data) and isinstance(refused, Create) and refused.kind == kinds.DATA_VOLUME


def _crash_looping(s: VmSnapshot) -> bool:
    return (s.vmi is None or s.final) and crash_loop.start_failure(s) is not None


PRINTABLE: tuple[tuple[str, Callable[[VmSnapshot], bool]], ...] = (
    ("Terminating", lambda s: s.vm.metadata.deletion_timestamp is not None),
    ("Stopping", _stopping),
    ("Paused", _paused),
    ("Running", _phase_in(phases.RUNNING)),
    ("ErrorPvcNotFound", _vmi_says(names.SYNCHRONIZED, names.FAILED_PVC_NOT_FOUND)),
    ("DataVolumeError", _data_refused),
    ("ErrorUnschedulable", _vmi_says(names.POD_SCHEDULED, names.UNSCHEDULABLE)),
    ("Provisioning", lambda s: s.vmi is None and bool(s.waits_for_data)),
    ("WaitingForVolumeBinding", _waits_for_claim),
    ("ErrImagePull", _vmi_says(names.SYNCHRONIZED, names.ERR_IMAGE_PULL)),
    ("ImagePullBackOff", _vmi_says(names.SYNCHRONIZED, names.IMAGE_PULL_BACKOFF)),
    ("Starting", _phase_in(*phases.STARTING)),
    ("CrashLoopBackOff", _crash_looping),
    ("Stopped", lambda s: s.vmi is None or s.final),
)
"""printableStatus: the first line that holds."""


def printable_status(s: VmSnapshot) -> str:
    """The STATUS column."""
    return next((name for name, holds in PRINTABLE if holds(s)), "Unknown")


def status_write(
    s: VmSnapshot, extra_requests: tuple[StateChangeRequest, ...] = (), failure: Condition | None = None
) -> MergePatch | None:
    """One merge patch with the status fields that differ, None if none does.

    `extra_requests` are put on the queue; `failure` becomes the condition Failure. The patch
    carries the version it was decided on: virt-api adds requests to the same list.
    """
    wanted, old = _wanted(s, extra_requests, failure), _observed(s)
    differing = {name: value for name, value in wanted.items() if old.get(name) != value}
    if not differing:
        return None
    meta = s.vm.metadata
    body = {"metadata": {"resourceVersion": meta.resource_version}, "status": differing}
    return MergePatch(kinds.VM, key_of(s.vm), body, subresource="status")


def restart_required(s: VmSnapshot) -> Condition | None:
    """The condition that tells of a template changed since the running VMI was made from it."""
    reason = restart_reason(s)
    return Condition(names.RESTART_REQUIRED, "True", "", reason) if reason else None


def _wanted(s: VmSnapshot, extra: tuple[StateChangeRequest, ...], failure: Condition | None) -> dict[str, Any]:
    vmi = s.vmi
    generation = s.vm.metadata.generation
    started_from = _number(vmi.metadata.annotations.get(names.VM_GENERATION_ANNOTATION, "")) if vmi else generation
    observed = started_from if restart_reason(s) else generation
    return {
        "created": True if vmi is not None else None,
        "ready": True if _ready(s) else None,
        "printableStatus": printable_status(s),
        "observedGeneration": observed,
        "desiredGeneration": generation,
        "runStrategy": s.strategy,
        "stateChangeRequests": _requests((*open_requests(s), *extra)) or None,
        "startFailure": _start_failure(crash_loop.start_failure(s)),
        "memoryDumpRequest": next_request(s),
        "conditions": conditions.documents(_conditions(s, failure)),
    }


def _number(text: str) -> int:
    """A generation from an annotation, which users may edit; 0 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _observed(s: VmSnapshot) -> dict[str, Any]:
    status = s.vm.status
    return {
        "created": status.created or None,
        "ready": status.ready or None,
        "printableStatus": status.printable_status,
        "observedGeneration": status.observed_generation,
        "desiredGeneration": status.desired_generation,
        "runStrategy": status.run_strategy,
        "stateChangeRequests": _requests(status.state_change_requests) or None,
        "startFailure": _start_failure(status.start_failure),
        "memoryDumpRequest": status.memory_dump_request or None,
        "conditions": conditions.documents(status.conditions),
    }


def _conditions(s: VmSnapshot, failure: Condition | None) -> conditions.Conditions:
    """Ready first, then Failure and RestartRequired, then whatever else the VMI says."""
    changes: dict[str, Condition | None] = {
        old.type: None for old in s.vm.status.conditions if old.type not in KEPT_CONDITIONS
    }
    changes |= {names.READY: _ready_condition(s), names.FAILURE: failure, names.RESTART_REQUIRED: restart_required(s)}
    if s.vmi is not None:
        changes |= {found.type: found for found in s.vmi.status.conditions if found.type != names.READY}
    return conditions.merged(s.vm.status.conditions, changes, s.timestamp)


def _ready_condition(s: VmSnapshot) -> Condition:
    if s.vmi is None:
        return Condition(names.READY, "False", names.VMI_NOT_EXISTS, "VMI does not exist")
    found = conditions.find(s.vmi.status.conditions, names.READY)
    return found or Condition(names.READY, "False", names.VMI_CONDITION_MISSING, "VMI is missing the Ready condition")


def _ready(s: VmSnapshot) -> bool:
    return s.vmi is not None and not s.final and conditions.is_true(s.vmi.status.conditions, names.READY)


def _requests(requests: tuple[StateChangeRequest, ...]) -> list[Document]:
    return [
        {
            name: value
            for name, value in (("action", request.action), ("data", request.data), ("uid", request.uid))
            if value
        }
        for request in requests
    ]


def _start_failure(failure: StartFailure | None) -> Document | None:
    if failure is None:
        return None
    return {
        "consecutiveFailCount": failure.consecutive_fail_count,
        "lastFailedVMIUID": failure.last_failed_vmi_uid,
        "retryAfterTimestamp": failure.retry_after_timestamp,
    }
