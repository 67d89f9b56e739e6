"""What virt-controller does next for one node: its labels, its heartbeat, and the VMIs of a node that went silent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from kubevirt_py.api import kinds, names
from kubevirt_py.api.views import Condition, Lease, Node, VirtualMachineInstance
from kubevirt_py.decide import conditions, patches, phases
from kubevirt_py.decide.clock import age_s, rfc3339
from kubevirt_py.decide.references import key_of, warning
from kubevirt_py.decide.vmi_status import observed
from kubevirt_py.plan import NOTHING, Action, Event, JsonPatch, MergePatch, Plan
from kubevirt_py.render.nodelabels import NodeFacts, label_changes, node_labels

SILENT_S = 300.0
"""An agent that has not renewed its Lease for so long is taken for dead."""
HEARTBEAT_S = 60.0
"""How old the heartbeat annotation may grow: at most one write per node and minute."""


@dataclass(frozen=True, slots=True)
class NodeSnapshot:
    """`lease` is the agent's, `podless` are VMIs placed on the node that have not ended and have no live pod."""

    node: Node
    now: datetime
    lease: Lease | None = None
    podless: tuple[VirtualMachineInstance, ...] = ()
    obsolete_models: tuple[str, ...] = ()


def decide(s: NodeSnapshot) -> Plan:
    """The plan for a node. A node that never had an agent is left alone."""
    if s.lease is None and names.HEARTBEAT_ANNOTATION not in s.node.metadata.annotations:
        return NOTHING
    silence = age_s(_last_sign(s), s.now)
    if silence >= SILENT_S:
        return _silent(s)
    return _alive(s, silence)


def _alive(s: NodeSnapshot, silence_s: float) -> Plan:
    meta = s.node.metadata
    changes = _label_changes(s)
    heartbeat = _last_sign(s)
    due = age_s(meta.annotations.get(names.HEARTBEAT_ANNOTATION), s.now) >= HEARTBEAT_S
    body: dict[str, dict[str, str | None]] = {}
    if changes:
        body["labels"] = changes
    if (changes or due) and meta.annotations.get(names.HEARTBEAT_ANNOTATION) != heartbeat:
        body["annotations"] = {names.HEARTBEAT_ANNOTATION: heartbeat}
    again = min(HEARTBEAT_S, SILENT_S - silence_s)
    return Plan(do=(_node_patch(s, body),) if body else (), again_s=again)


def _silent(s: NodeSnapshot) -> Plan:
    """No new VMs for the node; those of its VMIs whose pods are gone have ended."""
    meta = s.node.metadata
    actions: list[Action] = []
    events: list[Event] = []
    if meta.labels.get(names.SCHEDULABLE_LABEL) != "false":
        actions.append(_node_patch(s, {"labels": {names.SCHEDULABLE_LABEL: "false"}}))
        note = f"virt-handler on node {meta.name} has been silent for {SILENT_S:.0f} s; no VMs are scheduled there"
        events.append(warning(kinds.NODE, s.node, names.NODE_UNRESPONSIVE, note))
    for vmi in s.podless:
        actions.append(_fail(vmi, s.now))
        note = f"node {meta.name} is unresponsive and the pod of the virtual machine instance is gone"
        events.append(warning(kinds.VMI, vmi, names.NODE_UNRESPONSIVE, note))
    return Plan(do=tuple(actions), events=tuple(events), again_s=HEARTBEAT_S)


def _label_changes(s: NodeSnapshot) -> dict[str, str | None]:
    facts = _facts(s.lease)
    if facts is None:
        return {}
    wanted = node_labels(facts, s.obsolete_models)
    if names.SKIP_NODE_ANNOTATION in s.node.metadata.annotations:
        wanted = {names.SCHEDULABLE_LABEL: wanted[names.SCHEDULABLE_LABEL]}
        return {name: value for name, value in wanted.items() if s.node.metadata.labels.get(name) != value}
    return label_changes(s.node.metadata.labels, wanted)


def _facts(lease: Lease | None) -> NodeFacts | None:
    """What the agent reports; facts that cannot be read count as none, so that no label is taken away for them."""
    text = lease.metadata.annotations.get(names.NODE_FACTS_ANNOTATION) if lease is not None else None
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=NodeFacts)
    except msgspec.MsgspecError:
        return None


def _last_sign(s: NodeSnapshot) -> str | None:
    renewed = s.lease.spec.renew_time if s.lease is not None else None
    return renewed or s.node.metadata.annotations.get(names.HEARTBEAT_ANNOTATION)


def _fail(vmi: VirtualMachineInstance, now: datetime) -> JsonPatch:
    stamp = rfc3339(now)
    gone = Condition(names.READY, "False", names.POD_NOT_EXISTS, "the node is unresponsive and the pod is gone")
    merged = conditions.merged(vmi.status.conditions, {names.READY: gone}, stamp)
    status = {
        "phase": phases.FAILED,
        "reason": names.NODE_UNRESPONSIVE,
        "conditions": conditions.documents(merged),
        "phaseTransitionTimestamps": phases.transitions(vmi.status.phase_transition_timestamps, phases.FAILED, stamp),
    }
    ops = patches.status_patch(observed(vmi), status, vmi.metadata.resource_version)
    return JsonPatch(kinds.VMI, key_of(vmi), ops)


def _node_patch(s: NodeSnapshot, metadata: dict[str, dict[str, str | None]]) -> MergePatch:
    return MergePatch(kinds.NODE, key_of(s.node), {"metadata": metadata})
