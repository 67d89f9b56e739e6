"""What virt-handler tells the API server about one guest: (VMI, guest, now) -> Plan.

Only evidence counts: a phase ends when QEMU said so, or its process is gone. A VMI without a guest here is none
of this module's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from kubevirt_py.api import kinds, names
from kubevirt_py.api.views import Condition, HostedInstance, PhaseTransition
from kubevirt_py.decide import conditions, phases
from kubevirt_py.decide.clock import rfc3339
from kubevirt_py.decide.guest_agent import propagation_events
from kubevirt_py.decide.guest_state import VANISHED, GuestState, Outcome
from kubevirt_py.decide.guest_status import ENDED, guest_conditions, running_status
from kubevirt_py.decide.guest_volumes import news
from kubevirt_py.decide.patches import status_patch
from kubevirt_py.decide.references import event, key_of, warning
from kubevirt_py.plan import NOTHING, Document, Event, JsonPatch, Plan

DEFINED = "VirtualMachineInstance defined."
STARTED = "VirtualMachineInstance started."


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """`guest` is None when this node has no process for the VMI's pod; `refused` is why one could not start.

    `bindings` are the cluster's network binding plugins, by name; `pod_ip` is the first address of the guest's pod,
    empty until the pod's status tells.
    """

    vmi: HostedInstance
    guest: GuestState | None
    now: datetime
    refused: str = ""
    bindings: Mapping[str, Document] = {}
    pod_ip: str = ""


def decide(s: Snapshot) -> Plan:
    """At most one patch of the VMI, with the events that belong to it."""
    if s.vmi.phase in phases.FINAL:
        return NOTHING
    if s.guest is None:
        return _refused(s, s.refused)
    outcome = s.guest.outcome or (VANISHED if s.guest.exited else None)
    if outcome is not None:
        return _ended(s, outcome)
    if s.guest.alive or s.guest.waits_for_user:
        return _running(s, s.guest, msgspec.json.decode(s.vmi.spec))
    return _refused(s, s.guest.trouble or "; ".join(filter(None, s.guest.plugged.troubles.values())))


def _running(s: Snapshot, guest: GuestState, spec: Document) -> Plan:
    if s.vmi.phase not in (phases.SCHEDULED, phases.RUNNING):
        return NOTHING
    status = running_status(spec, s.vmi.status, guest, s.pod_ip)
    changes = guest_conditions(spec, s.vmi.status, guest, s.vmi.metadata.annotations, s.bindings)
    ready = conditions.find(_conditions(s.vmi), names.READY)
    leaving = ready is not None and ready.reason == names.POD_TERMINATING
    if leaving or s.vmi.metadata.deletion_timestamp:
        changes.pop(names.READY, None)
    synchronized = conditions.find(_conditions(s.vmi), names.SYNCHRONIZED)
    if synchronized is not None and synchronized.reason == names.SYNC_FAILED:
        changes[names.SYNCHRONIZED] = None
    first = s.vmi.phase != phases.RUNNING
    events = (
        (event(kinds.HOSTED_VMI, s.vmi, names.CREATED, DEFINED), event(kinds.HOSTED_VMI, s.vmi, names.STARTED, STARTED))
        if first
        else ()
    )
    told = news(s.vmi.status.get("volumeStatus") or [], status["volumeStatus"])
    plugged = tuple(event(kinds.HOSTED_VMI, s.vmi, reason, text) for reason, text in told)
    return _patch(s, status, changes, (*events, *plugged, *propagation_events(s.vmi, guest)))


def _ended(s: Snapshot, outcome: Outcome) -> Plan:
    make = event if outcome.clean else warning
    told = [make(kinds.HOSTED_VMI, s.vmi, reason, outcome.text) for reason in (outcome.reason, names.STOPPED) if reason]
    named = {"reason": outcome.reason} if outcome.reason else {}
    return _patch(s, {"phase": outcome.phase, "fsFreezeStatus": None, **named}, ENDED, tuple(told))


def _refused(s: Snapshot, why: str) -> Plan:
    """Why a guest does not start, if anything is known. A launcher's pod that was refused fails with the same text;
    the controller ends the VMI when it sees that. A QEMU that refuses to be set up is asked again.
    """
    if not why or s.vmi.phase != phases.SCHEDULED:
        return NOTHING
    failed = Condition(type=names.SYNCHRONIZED, status="False", reason=names.SYNC_FAILED, message=why)
    told = warning(kinds.HOSTED_VMI, s.vmi, names.SYNC_FAILED, why)
    return _patch(s, {}, {names.SYNCHRONIZED: failed}, (told,))


def _patch(
    s: Snapshot, status: dict[str, Any], changes: Mapping[str, Condition | None], events: tuple[Event, ...]
) -> Plan:
    """One guarded patch, empty when the VMI says all this already; then the events were sent already too."""
    old, now = s.vmi.status, rfc3339(s.now)
    merged = conditions.documents(conditions.merged(_conditions(s.vmi), changes, now))
    if merged != conditions.documents(_conditions(s.vmi)):
        status = {**status, "conditions": merged}
    if "phase" in status and status["phase"] != s.vmi.phase:
        reached = msgspec.convert(old.get("phaseTransitionTimestamps") or [], tuple[PhaseTransition, ...])
        status = {**status, "phaseTransitionTimestamps": phases.transitions(reached, status["phase"], now)}
    ops = status_patch(old, status, s.vmi.metadata.resource_version)
    return Plan(do=(JsonPatch(kinds.HOSTED_VMI, key_of(s.vmi), ops),), events=events) if ops else NOTHING


def _conditions(vmi: HostedInstance) -> tuple[Condition, ...]:
    return msgspec.convert(vmi.status.get("conditions") or [], tuple[Condition, ...])
