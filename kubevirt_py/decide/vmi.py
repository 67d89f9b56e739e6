"""What virt-controller does next for one VMI.

One table: where the VMI stands (its phase) times how its pod fares -> what to
do. Every answer is a patch guarded by the VMI's version, so two controllers, or
a controller and a node agent, can never undo each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import Enum, auto

import msgspec

from kubevirt_py.api import kinds, names
from kubevirt_py.api.views import Condition, Pod
from kubevirt_py.decide import phases, pods
from kubevirt_py.decide.clock import age_s
from kubevirt_py.decide.pods import Fate
from kubevirt_py.decide.references import event, key_of, warning
from kubevirt_py.decide.vmi_hotplug import attachment_plan, attachment_status
from kubevirt_py.decide.vmi_networks import network_patches
from kubevirt_py.decide.vmi_pod import create_pod, missing_claims, next_attempt, refusal, unfilled_claims
from kubevirt_py.decide.vmi_resize import resize, size_conditions
from kubevirt_py.decide.vmi_shares import Trouble, unserved, unshareable
from kubevirt_py.decide.vmi_snapshot import VmiSnapshot
from kubevirt_py.decide.vmi_status import (
    IMAGE_TROUBLE,
    Change,
    data_volumes_ready,
    failed,
    knows_image_trouble,
    not_ready,
    patch,
    placed,
    ready_from_pod,
    scheduling,
    with_volumes,
)
from kubevirt_py.plan import NOTHING, Delete, Event, Plan
from kubevirt_py.render.launcher_pod import GRACE_MARGIN_S, guest_grace_s
from kubevirt_py.render.machine_version import machine_type
from kubevirt_py.render.resources import is_pinned

IMAGE_ADVICE = "; check the image's name, its pull secret and that the node reaches the registry"
QUIET_S = 2.0
"""How long a pod may look for a node before the VMI says Scheduling: a write saved on the usual path."""
GUARANTEED = "Guaranteed"
"""The QoS class of pods to which the kubelet gives CPUs of their own."""
LINGER_S = 15.0
"""How long the pod of a VMI that has ended may go on ending by itself."""
MAX_REPLACE_DELAY_S = 60.0
MAX_DOUBLINGS = 6
"""After which the delay has reached its greatest; a power of the attempt itself would overflow one day."""


class Stand(Enum):
    """Phases that are handled alike."""

    UNPLACED = auto()
    PLACED = auto()
    RUNNING = auto()
    FINAL = auto()


def stand(phase: str) -> Stand:
    """The group a phase belongs to; phases of other versions count as running, where least is done."""
    if phase in phases.FINAL:
        return Stand.FINAL
    if phase == phases.SCHEDULED:
        return Stand.PLACED
    return Stand.UNPLACED if phase in phases.UNPLACED else Stand.RUNNING


def decide(s: VmiSnapshot) -> Plan:
    """The plan for a VMI as observed. Returns an empty plan where nothing is to be done."""
    if s.vmi.metadata.deletion_timestamp:
        return _finish(s)
    pod = pods.current(s.pods)
    fate = pods.fate(pod)
    if pod is not None and fate in (Fate.UNBOUND, Fate.BOUND) and stand(s.vmi.status.phase) is Stand.UNPLACED:
        if trouble := unserved(s, pod):
            return _exchange(s, pod, trouble)
    plan = TABLE[stand(s.vmi.status.phase), fate](s, pod)
    if plan.do or pod is None or fate is not Fate.BOUND:
        return plan
    attaching = attachment_plan(s, pod)
    again = [seconds for seconds in (plan.again_s, attaching.again_s) if seconds is not None]
    return Plan(do=(*attaching.do, *resize(s, pod)), events=attaching.events, again_s=min(again, default=None))


def _finish(s: VmiSnapshot) -> Plan:
    """Deletion: first the pods, then (for want of a report) the phase, then the finalizers."""
    grace_s = guest_grace_s(s.spec) + GRACE_MARGIN_S
    alive = [pod for pod in s.pods if _has_longer(pod, grace_s)]
    if alive:
        deleted = tuple(Delete(kinds.POD, key_of(pod), pod.metadata.uid, grace_s) for pod in alive)
        note = f"Deleted virtual machine pod {alive[0].metadata.name}"
        return Plan(do=deleted, events=(event(kinds.VMI, s.vmi, names.SUCCESSFUL_DELETE, note),))
    if s.pods:
        leaving = s.vmi.status.phase == phases.RUNNING
        return (
            patch(s, not_ready(s, names.POD_TERMINATING, "The virtual machine pod is terminating"))
            if leaving
            else NOTHING
        )
    if s.settle_s > 0:
        return Plan(again_s=s.settle_s)
    change = Change() if s.vmi.status.phase in phases.FINAL else failed(s, "")
    drop = {names.VMI_FINALIZER, names.LEGACY_VMI_FINALIZER} | (set() if s.owner_exists else {names.VM_FINALIZER})
    return patch(s, change, drop_finalizers=drop)


def _has_longer(pod: Pod, grace_s: int) -> bool:
    """The pod is not being deleted, or has more time than the VMI (whose grace period may shrink) allows by now."""
    left_s = pod.metadata.deletion_grace_period_seconds
    return pod.metadata.deletion_timestamp is None or (left_s is not None and left_s > grace_s)


def _create(s: VmiSnapshot, _: Pod | None) -> Plan:
    """No pod yet: make one, unless a claim is missing or the API server refused it."""
    if missing := missing_claims(s):
        named = ", ".join(missing)
        text = f"PersistentVolumeClaim {named} does not exist in namespace {s.vmi.metadata.namespace}"
        unscheduled = Condition(names.POD_SCHEDULED, "False", names.UNSCHEDULABLE, text)
        return _trouble(s, names.FAILED_PVC_NOT_FOUND, text, f"{text}; create it and the VM starts", unscheduled)
    if trouble := unshareable(s):
        return _not_ready(s, *trouble) or Plan(again_s=MAX_REPLACE_DELAY_S)
    if missing := unfilled_claims(s):
        return patch(s, Change(conditions=data_volumes_ready(missing)))
    if s.limits_cpus is None:
        return NOTHING  # looked at again when the namespace is known
    if s.failure is not None:
        text = refusal(s.failure)
        told = _trouble(s, names.FAILED_CREATE, text, text)
        if told:
            return told
    return create_pod(s, next_attempt(s.pods))


def _replace(s: VmiSnapshot, pod: Pod | None) -> Plan:
    """The kubelet refused the pod for good: another one, after a delay that doubles with each attempt."""
    assert pod is not None
    text = f"Pod {pod.metadata.name} was refused by node {pod.spec.node_name}: {pods.ending(pod)}"
    back = scheduling(s, Condition(names.SYNCHRONIZED, "False", names.FAILED_CREATE, text))
    told = patch(s, back, events=(warning(kinds.VMI, s.vmi, names.FAILED_CREATE, f"{text}; another pod is made"),))
    if told:
        return told
    return _another(s, pod, [old for old in s.pods if old is not pod])


def _exchange(s: VmiSnapshot, pod: Pod, trouble: Trouble) -> Plan:
    """The pod was admitted without a part that the guest needs: it never gets a guest, another one may have all."""
    reason, text = trouble
    back = scheduling(s, Condition(names.SYNCHRONIZED, "False", reason, text))
    ready = Condition(names.READY, "False", reason, text)
    back = replace(back, conditions={**back.conditions, names.READY: ready})
    told = patch(s, back, events=(warning(kinds.VMI, s.vmi, reason, f"{text}; another pod is made"),))
    return told if told else _another(s, pod, [one for one in s.pods if not one.metadata.deletion_timestamp])


def _another(s: VmiSnapshot, pod: Pod, gone: Iterable[Pod]) -> Plan:
    """Make the pod after this one when it is time, and delete those that are `gone` then."""
    delay = min(MAX_REPLACE_DELAY_S, 2.0 ** min(pods.attempt(pod), MAX_DOUBLINGS))
    wait = delay - age_s(pod.metadata.creation_timestamp, s.now)
    if wait > 0:
        return Plan(again_s=wait)
    older = tuple(Delete(kinds.POD, key_of(old), old.metadata.uid) for old in gone)
    plan = create_pod(s, next_attempt(s.pods))
    return Plan(do=(*plan.do, *older), events=plan.events, again_s=plan.again_s)


def _report_unbound(s: VmiSnapshot, pod: Pod | None) -> Plan:
    """The pod waits for a node: say so when it takes long or cannot be."""
    assert pod is not None
    finding = pods.unschedulable(pod)
    if finding is not None and not s.machine_known:
        finding = msgspec.structs.replace(finding, message=f"{finding.message} {_unknown_machine(s)}")
    quiet = QUIET_S - age_s(pod.metadata.creation_timestamp, s.now)
    if finding is None and quiet > 0:
        return Plan(again_s=quiet)
    return patch(s, scheduling(s, finding))


def _unknown_machine(s: VmiSnapshot) -> str:
    """What the scheduler can only call a selector that matches no node."""
    return (
        f"No node's QEMU has machine type {machine_type(s.spec)}: name another one in domain.machine.type, or "
        f"remove the VM's annotation {names.MACHINE_TYPE_ANNOTATION} if that keeps this one."
    )


def _place(s: VmiSnapshot, pod: Pod | None) -> Plan:
    """The pod is bound: name it to the node's agent, and tell of what its containers cannot have."""
    assert pod is not None
    if is_pinned(s.spec) and pod.status.qos_class not in ("", GUARANTEED):
        note = f"Pod {pod.metadata.name} is {pod.status.qos_class}, not {GUARANTEED}: the guest would share its CPUs"
        told = warning(kinds.VMI, s.vmi, names.FAILED_GUARANTEE_RESOURCES, note)
        return patch(s, failed(s, names.FAILED_GUARANTEE_RESOURCES), events=(told,))
    waited_s = pods.unprepared_s(pod, s.now)
    patience_s = pods.PREPARATION_S - waited_s if waited_s is not None else 0.0
    trouble = pods.container_trouble(pod)
    if trouble is None and waited_s is not None and patience_s <= 0:
        trouble = names.POD_NOT_PREPARED, _unprepared(pod)
    events: tuple[Event, ...] = ()
    if trouble is not None and not knows_image_trouble(s.vmi):
        advice = IMAGE_ADVICE if trouble[0] in IMAGE_TROUBLE else ""
        events = (warning(kinds.VMI, s.vmi, trouble[0], f"{trouble[1] or trouble[0]}{advice}"),)
    entries, came = attachment_status(s, pod)
    plan = patch(s, with_volumes(placed(s, pod, trouble), entries), events=(*events, *came))
    return replace(plan, again_s=patience_s) if patience_s > 0 else plan


def _unprepared(pod: Pod) -> str:
    """The kubelet says what is missing in events alone, which the controller may not read."""
    name = pod.metadata.name
    text = f"the node has waited {pods.PREPARATION_S:.0f} s for volumes or a network of pod {name}"
    return f"{text}, perhaps for a Secret or ConfigMap that does not exist; kubectl describe pod {name} says for what"


def _follow(s: VmiSnapshot, pod: Pod | None) -> Plan:
    """The guest runs: mirror the pod's readiness if the VMI has a probe; remove pods refused before."""
    assert pod is not None
    refused = tuple(Delete(kinds.POD, key_of(old), old.metadata.uid) for old in s.pods if pods.is_terminal(old))
    entries, came = attachment_status(s, pod)
    change = ready_from_pod(s, pod)
    change = replace(change, conditions={**change.conditions, **size_conditions(s, pod)})
    plan = patch(s, with_volumes(change, entries), events=came)
    return Plan(do=(*plan.do, *network_patches(s, pod), *refused), events=plan.events)


def _leaving(s: VmiSnapshot, _: Pod | None) -> Plan:
    """Somebody deletes the pod: the guest shuts down."""
    return patch(s, not_ready(s, names.POD_TERMINATING, "The virtual machine pod is terminating"))


def _ended(s: VmiSnapshot, pod: Pod | None) -> Plan:
    """The pod ended; the agent knows best how, so it speaks first."""
    assert pod is not None
    wait = pods.report_wait_s(pod, s.now)
    if wait > 0:
        return Plan(again_s=wait)
    return _fail(s, f"pod {pod.metadata.name} ended ({pods.ending(pod)})", pod.status.reason)


def _vanished(s: VmiSnapshot, _: Pod | None) -> Plan:
    """The pod is gone and with it the guest."""
    if s.settle_s > 0:
        return Plan(again_s=s.settle_s)
    return _fail(s, "its pod was removed", names.POD_NOT_EXISTS)


def _fail(s: VmiSnapshot, why: str, reason: str) -> Plan:
    note = f"The VirtualMachineInstance crashed: {why}"
    return patch(s, failed(s, reason, why), events=(warning(kinds.VMI, s.vmi, names.STOPPED, note),))


def _clear(s: VmiSnapshot, pod: Pod | None) -> Plan:
    """The VMI has ended but its pod lives: give it a moment, then end it."""
    assert pod is not None
    since = phases.reached(s.vmi.status.phase_transition_timestamps, s.vmi.status.phase)
    wait = LINGER_S - age_s(since, s.now)
    if wait > 0:
        return Plan(again_s=wait)
    return Plan(do=(Delete(kinds.POD, key_of(pod), pod.metadata.uid),))


def _nothing(s: VmiSnapshot, _: Pod | None) -> Plan:
    return NOTHING


def _not_ready(s: VmiSnapshot, reason: str, text: str) -> Plan:
    """Nothing can start as things are."""
    return _trouble(s, reason, text, text, Condition(names.READY, "False", reason, text))


def _trouble(s: VmiSnapshot, reason: str, text: str, note: str, also: Condition | None = None) -> Plan:
    synchronized = Condition(names.SYNCHRONIZED, "False", reason, text)
    change = Change(conditions={synchronized.type: synchronized} | ({also.type: also} if also else {}))
    return patch(s, change, events=(warning(kinds.VMI, s.vmi, reason, note),))


Step = Callable[[VmiSnapshot, Pod | None], Plan]

TABLE: dict[tuple[Stand, Fate], Step] = {
    (Stand.UNPLACED, Fate.ABSENT): _create,
    (Stand.UNPLACED, Fate.UNBOUND): _report_unbound,
    (Stand.UNPLACED, Fate.BOUND): _place,
    (Stand.UNPLACED, Fate.LEAVING): _nothing,
    (Stand.UNPLACED, Fate.REFUSED): _replace,
    (Stand.UNPLACED, Fate.ENDED): _ended,
    (Stand.PLACED, Fate.ABSENT): _vanished,
    (Stand.PLACED, Fate.UNBOUND): _report_unbound,
    (Stand.PLACED, Fate.BOUND): _place,
    (Stand.PLACED, Fate.LEAVING): _leaving,
    (Stand.PLACED, Fate.REFUSED): _replace,
    (Stand.PLACED, Fate.ENDED): _ended,
    (Stand.RUNNING, Fate.ABSENT): _vanished,
    (Stand.RUNNING, Fate.UNBOUND): _nothing,
    (Stand.RUNNING, Fate.BOUND): _follow,
    (Stand.RUNNING, Fate.LEAVING): _leaving,
    (Stand.RUNNING, Fate.REFUSED): _ended,
    (Stand.RUNNING, Fate.ENDED): _ended,
    (Stand.FINAL, Fate.ABSENT): _nothing,
    (Stand.FINAL, Fate.UNBOUND): _clear,
    (Stand.FINAL, Fate.BOUND): _clear,
    (Stand.FINAL, Fate.LEAVING): _nothing,
    (Stand.FINAL, Fate.REFUSED): _nothing,
    (Stand.FINAL, Fate.ENDED): _nothing,
}
