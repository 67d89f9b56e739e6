"""What virt-controller does for the hotpluggable volumes of a VMI whose pod has its node.

One attachment pod brings all of them. Another set of volumes means another pod; the old one stays until the new one
serves and the guest has let go of what leaves.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubevirt_py.api import kinds, names
from kubevirt_py.api.views import Pod
from kubevirt_py.decide import pods
from kubevirt_py.decide.clock import age_s
from kubevirt_py.decide.references import event, key_of
from kubevirt_py.decide.vmi_pod import vmi_document
from kubevirt_py.decide.vmi_snapshot import VmiSnapshot
from kubevirt_py.decide.volume_status import (
    ATTACHED,
    GIVEN,
    READY,
    claim_told,
    is_serving,
    still_held,
    volume_status,
    volumes_of,
)
from kubevirt_py.plan import NOTHING, Action, Create, Delete, Document, Event, Plan
from kubevirt_py.render.data_volumes import is_being_filled
from kubevirt_py.render.hotplug_pod import hotplug_pod, hotplug_pod_name
from kubevirt_py.render.hotplug_volumes import brought_volumes, hotplug_volumes
from kubevirt_py.render.persistent_state import keeps_state
from kubevirt_py.render.pod_volumes import claim_of

RETRY_S = 5.0
"""How old an attachment pod that failed is before another one takes its name."""


def wanted_volumes(s: VmiSnapshot) -> dict[str, Document]:
    """The hotpluggable volumes that a pod can bring now: their claims are bound, or wait for their first pod.

    Claims that CDI fills are left to it first. What a guest has, it keeps, whatever becomes of the claim.
    """
    found, filling, given = {}, _being_filled(s), _given(s)
    for name, volume in brought_volumes(s.spec).items():
        claim = s.claims.get(claim_of(volume) or "")
        bound = claim is not None and claim.status.phase == "Bound"
        waits = claim is not None and claim_of(volume) in s.first_consumer_claims
        if name in given or ((bound or waits) and name not in filling):
            found[name] = volume
    return found


def _given(s: VmiSnapshot) -> frozenset[str]:
    """Volumes that the guest has, or may have, on the claims that the spec names."""
    wanted = {name: claim_of(volume) for name, volume in brought_volumes(s.spec).items()}
    return frozenset(
        str(entry["name"])
        for entry in s.volume_status
        if entry.get("phase") in GIVEN and claim_told(entry) == wanted.get(str(entry["name"]))
    )


def _being_filled(s: VmiSnapshot) -> frozenset[str]:
    """Volumes that no guest may have yet, since CDI writes into their claims."""
    given = _given(s)
    return frozenset(
        name
        for name, volume in brought_volumes(s.spec).items()
        if name not in given and (claim := s.claims.get(claim_of(volume) or "")) is not None and is_being_filled(claim)
    )


def attachment_plan(s: VmiSnapshot, pod: Pod) -> Plan:
    """Attachment pods made and removed. `pod` is the VM's own, which has a node."""
    volumes = wanted_volumes(s)
    mine = [one for one in s.attachments if _owner_uid(one) == pod.metadata.uid]
    name = hotplug_pod_name(pod.metadata.uid, volumes) if volumes else ""
    current = next((one for one in mine if one.metadata.name == name), None)
    do: list[Action] = []
    events: list[Event] = []
    again_s = None
    if volumes and current is None:
        do.append(Create(kinds.POD, _body(s, pod, volumes), owner_uid=pod.metadata.uid))
        events.append(event(kinds.VMI, s.vmi, names.SUCCESSFUL_CREATE, f"Created attachment pod {name}"))
    elif current is not None and pods.is_terminal(current) and not current.metadata.deletion_timestamp:
        again_s = RETRY_S - age_s(current.metadata.creation_timestamp, s.now)
        if again_s <= 0:
            do.append(Delete(kinds.POD, key_of(current), current.metadata.uid))
            again_s = None
    if not volumes or (current is not None and is_serving(current)):
        for old in _superfluous(s, mine, name):
            do.append(Delete(kinds.POD, key_of(old), old.metadata.uid))
            note = f"Deleted attachment pod {old.metadata.name}"
            events.append(event(kinds.VMI, s.vmi, names.SUCCESSFUL_DELETE, note))
    return Plan(do=tuple(do), events=tuple(events), again_s=again_s) if do or again_s else NOTHING


def attachment_status(s: VmiSnapshot, pod: Pod | None) -> tuple[list[Document], tuple[Event, ...]]:
    """status.volumeStatus as it should be, and the events of what came to the node."""
    old = s.volume_status
    volumes = wanted_volumes(s) if pod is not None else {}
    mine = [one for one in s.attachments if pod is not None and _owner_uid(one) == pod.metadata.uid]
    name = hotplug_pod_name(pod.metadata.uid, volumes) if pod is not None and volumes else ""
    counting = sorted(mine, key=lambda one: (one.metadata.name == name and is_serving(one), is_serving(one)))
    serving = {volume: one for one in counting if not one.metadata.deletion_timestamp for volume in volumes_of(one)}
    for name in _being_filled(s):
        serving.pop(name, None)
    entries = volume_status(s.spec, old, s.claims, serving, mine, s.state if keeps_state(s.spec) else None)
    before = {entry.get("name"): entry.get("phase") for entry in old}
    came = [entry for entry in entries if entry.get("phase") == ATTACHED != before.get(entry["name"])]
    return entries, tuple(event(kinds.VMI, s.vmi, entry["reason"], entry["message"]) for entry in came)


def _superfluous(s: VmiSnapshot, mine: Iterable[Pod], name: str) -> list[Pod]:
    """Pods of other sets of volumes that bring nothing the guest may still use."""
    held, arriving = still_held(s.spec, s.volume_status), _arriving(s)
    return [
        pod
        for pod in mine
        if pod.metadata.name != name
        and not pod.metadata.deletion_timestamp
        and not held.intersection(volumes_of(pod))
        and not any(arriving.get(volume, claim) != claim for volume, claim in _claims(pod))
    ]


def _arriving(s: VmiSnapshot) -> dict[str, str]:
    """Claims of disks that the guest does not have yet, by volume: of each it may have another one meanwhile."""
    there = {(entry.get("name"), claim_told(entry)) for entry in s.volume_status if entry.get("phase") == READY}
    wanted = {name: claim_of(volume) or "" for name, volume in hotplug_volumes(s.spec).items()}
    return {name: claim for name, claim in wanted.items() if (name, claim) not in there}


def _claims(pod: Pod) -> list[tuple[str, str]]:
    """Volumes of an attachment pod with their claims."""
    sources = ((volume.name, volume.persistent_volume_claim) for volume in pod.spec.volumes)
    return [(name, source.claim_name) for name, source in sources if source is not None]


def _body(s: VmiSnapshot, pod: Pod, volumes: dict[str, Document]) -> Document:
    block = [name for name, claim in s.claims.items() if claim.spec.volume_mode == "Block"]
    owner = {"name": pod.metadata.name, "uid": pod.metadata.uid}
    return hotplug_pod(
        vmi_document(s), owner, pod.spec.node_name, volumes, s.config, s.launcher_image, block_claims=block
    )


def _owner_uid(pod: Pod) -> str:
    owner = pod.metadata.controller
    return owner.uid if owner is not None else ""
