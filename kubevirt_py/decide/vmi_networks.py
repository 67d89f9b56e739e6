"""The networks of a running VMI: Multus attaches and detaches them as its pod's annotation says."""

from __future__ import annotations

import msgspec

from kubevirt_py.api import kinds, names
from kubevirt_py.api.views import Pod
from kubevirt_py.decide.references import key_of
from kubevirt_py.decide.vmi_snapshot import VmiSnapshot
from kubevirt_py.plan import MergePatch
from kubevirt_py.render.network.annotations import in_turn, network_annotations


def network_patches(s: VmiSnapshot, pod: Pod) -> tuple[MergePatch, ...]:
    """The patch that gives the pod the networks of the VMI; none if it has them.

    A network that the VMI wants no more stays until the agent's report shows that the guest has let go of it. One that
    takes its place, or comes again, waits until Multus has taken the old link away.
    """
    meta = s.vmi.metadata
    reported = msgspec.json.decode(s.vmi.status.interfaces) or []
    kept = {entry["name"] for entry in reported if entry.get("name")}
    wanted = network_annotations(s.spec, meta.namespace, meta.name, meta.uid, s.config.network_bindings, kept)
    ours = in_turn(wanted.get(names.NETWORKS_ANNOTATION, "[]"), pod.metadata.annotations)
    value = ours or meta.annotations.get(names.NETWORKS_ANNOTATION)
    if value == pod.metadata.annotations.get(names.NETWORKS_ANNOTATION):
        return ()
    body = {"metadata": {"uid": pod.metadata.uid, "annotations": {names.NETWORKS_ANNOTATION: value}}}
    return (MergePatch(kinds.POD, key_of(pod), body),)
