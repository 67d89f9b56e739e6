"""Making the pod of a VMI: what must be there first, and the action itself."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

import msgspec

from kubevirt_py.api import kinds, names
from kubevirt_py.api.views import Pod
from kubevirt_py.decide import patches, pods
from kubevirt_py.decide.references import event, key_of
from kubevirt_py.decide.vmi_snapshot import VmiSnapshot
from kubevirt_py.plan import Create, Document, Failure, JsonPatch, Plan, Require
from kubevirt_py.render.data_volumes import is_being_filled
from kubevirt_py.render.hotplug_volumes import boot_spec
from kubevirt_py.render.launcher_pod import launcher_pod
from kubevirt_py.render.network.annotations import definitions
from kubevirt_py.render.persistent_state import keeps_state, state_claim
from kubevirt_py.render.pod_volumes import claims_of

OBJECT_NOT_FOUND = "NotFound"
"""The reason of a 404 that tells of an object; where its whole kind is unknown, the API server gives none."""


def missing_claims(s: VmiSnapshot) -> tuple[str, ...]:
    """Claims that the VMI needs at its start and that do not exist."""
    return tuple(claim for claim in claims_of(boot_spec(s.spec)) if claim not in s.claims)


def unfilled_claims(s: VmiSnapshot) -> tuple[str, ...]:
    """Claims that the VMI needs at its start and that CDI has not filled yet."""
    needed = claims_of(boot_spec(s.spec))
    return tuple(claim for claim in needed if claim in s.claims and is_being_filled(s.claims[claim]))


def next_attempt(made: Iterable[Pod]) -> int:
    """Number of the next pod: one more than the latest that was refused, 0 for the first."""
    return max((pods.attempt(pod) + 1 for pod in made), default=0)


def create_pod(s: VmiSnapshot, attempt: int) -> Plan:
    """Create the pod of `attempt`; the VMI's finalizer is put on first where admission has not done it."""
    meta = s.vmi.metadata
    block = [name for name, claim in s.claims.items() if claim.spec.volume_mode == "Block"]
    document, claim = vmi_document(s), s.state.metadata.name if s.state is not None else ""
    made: tuple[Create, ...] = ()
    if keeps_state(s.spec) and not claim:
        state = state_claim(document, s.config.vm_state_storage_class, s.default_class)
        claim = state["metadata"]["name"]
        made = (Create(kinds.PVC, state, owner_uid=state["metadata"]["ownerReferences"][0]["uid"]),)
    body = launcher_pod(
        document,
        s.config,
        s.launcher_image,
        attempt=attempt,
        block_claims=block,
        state_claim=claim,
        claim_uids={name: found.metadata.uid for name, found in s.claims.items()},
        limit_cpus=bool(s.limits_cpus),
    )
    networks = definitions(s.spec, meta.namespace, s.config.network_bindings)
    note = f"Created virtual machine pod {body['metadata']['name']}"
    create = Create(kinds.POD, body, owner_uid=meta.uid)
    return Plan(
        do=(*(Require(kinds.NETWORK_DEFINITION, one) for one in networks), *_finalize(s), *made, create),
        events=(event(kinds.VMI, s.vmi, names.SUCCESSFUL_CREATE, note),),
    )


def refusal(failure: Failure) -> str:
    """Why there is no pod, and what to do: a network is missing that it was to have, or the API server refused it."""
    if not isinstance(failure.action, Require):
        return f"The virtual machine pod was refused: {failure.message}"
    text = f"Failed to locate network attachment definition {failure.action.key}"
    if failure.status != HTTPStatus.NOT_FOUND:
        return f"{text}: {failure.message}"
    if failure.reason != OBJECT_NOT_FOUND:
        return f"{text}: this cluster has no Multus. Install it, or remove the network from the machine"
    return f"{text}; create it and the VM starts"


def _finalize(s: VmiSnapshot) -> tuple[JsonPatch, ...]:
    present = s.vmi.metadata.finalizers
    if names.VMI_FINALIZER in present:
        return ()
    wanted = [*present, names.VMI_FINALIZER]
    ops = patches.guarded(
        s.vmi.metadata.resource_version, ({"op": "add", "path": "/metadata/finalizers", "value": wanted},)
    )
    return (JsonPatch(kinds.VMI, key_of(s.vmi), ops),)


def vmi_document(s: VmiSnapshot) -> Document:
    """The VMI as far as rendering its pods needs it."""
    meta = s.vmi.metadata
    return {
        "metadata": {
            "name": meta.name,
            "namespace": meta.namespace,
            "uid": meta.uid,
            "labels": dict(meta.labels),
            "annotations": dict(meta.annotations),
            "ownerReferences": [msgspec.to_builtins(owner) for owner in meta.owner_references],
        },
        "spec": s.spec,
    }
