"""CPUs and memory that come to a running guest and leave it: its pod, resized in place, has them before the guest
gets them, and until the guest has given them back.

HotVCPUChange and HotMemoryChange are True while the pod has what the agent may plug, and False, with the reason,
where the node cannot give it. Source: KubeVirt's conditions; Kubernetes' in-place resize of pods.
"""

from __future__ import annotations

from kubevirt_py.api import kinds, names
from kubevirt_py.api.quantity import parse_quantity, quantity_bytes
from kubevirt_py.api.views import Condition, Pod
from kubevirt_py.decide import conditions
from kubevirt_py.decide.references import key_of
from kubevirt_py.decide.vmi_snapshot import VmiSnapshot
from kubevirt_py.plan import Document, JsonPatch
from kubevirt_py.render.machine.cpu import sockets_of
from kubevirt_py.render.overhead import overhead_bytes
from kubevirt_py.render.resources import compute_resources

RESOURCES = ("cpu", "memory")
GIVEN = "the pod has what the guest shall have; the guest is being given it"


def resize(s: VmiSnapshot, pod: Pod) -> tuple[JsonPatch, ...]:
    """The resize of the VM's own pod, none while nothing changes or the pod has been asked already."""
    if not _changing(s) or _refusal(pod) is not None or _unserved(s) is not None:
        return ()
    ops = _ops(s, pod)
    return (JsonPatch(kinds.POD, key_of(pod), ops, subresource="resize"),) if ops else ()


def _ops(s: VmiSnapshot, pod: Pod) -> tuple[Document, ...]:
    """What of the pod's requests and limits differs from what the spec makes of them."""
    ops: list[Document] = []
    for index, container in enumerate(pod.spec.containers):
        if container.name != names.COMPUTE:
            continue
        wanted = _wanted(s)
        place = f"/spec/containers/{index}"
        for side, amounts in wanted.items():
            for name, amount in amounts.items():
                have = (container.resources.get(side) or {}).get(name)
                if have is not None and _differs(have, amount, growing=_growing(s)):
                    ops.append({"op": "replace", "path": f"{place}/resources/{side}/{name}", "value": amount})
        if ops:
            ops.insert(0, {"op": "test", "path": f"{place}/name", "value": names.COMPUTE})
    return tuple(ops)


def size_conditions(s: VmiSnapshot, pod: Pod) -> dict[str, Condition | None]:
    """The two conditions as they should be; None drops one."""
    found: dict[str, Condition | None] = {}
    refusal = _refusal(pod) or _unserved(s)
    for kind, pending in ((names.HOT_VCPU_CHANGE, _other_sockets(s)), (names.HOT_MEMORY_CHANGE, _other_memory(s))):
        known = conditions.find(s.vmi.status.conditions, kind)
        if not pending:
            settled = _growing(s) or refusal is not None or not _ops(s, pod)
            if known is not None and settled:  # else the pod gives back first what the guest gave back
                found[kind] = None
        elif refusal is not None:
            found[kind] = Condition(kind, "False", *refusal)
        elif _has(s, pod):
            found[kind] = Condition(kind, "True", "", GIVEN)
    return found


def _changing(s: VmiSnapshot) -> bool:
    known = s.vmi.status.conditions
    leftover = any(conditions.find(known, kind) for kind in (names.HOT_VCPU_CHANGE, names.HOT_MEMORY_CHANGE))
    return leftover or _other_sockets(s) or _other_memory(s)


def _growing(s: VmiSnapshot) -> bool:
    """The guest has not taken, or not given back, what changes: its pod keeps the larger amount."""
    return _other_sockets(s) or _other_memory(s)


def _other_sockets(s: VmiSnapshot) -> bool:
    has = s.vmi.status.current_cpu_topology.get("sockets")
    return bool(has) and has != sockets_of(s.spec.get("domain") or {})


def _other_memory(s: VmiSnapshot) -> bool:
    memory = (s.spec.get("domain") or {}).get("memory") or {}
    has, wanted = s.vmi.status.memory.get("guestCurrent"), memory.get("guest")
    if has is None or wanted is None or memory.get("maxGuest") is None:
        return False
    return quantity_bytes(has) != quantity_bytes(wanted)


def _wanted(s: VmiSnapshot) -> dict[str, dict[str, str]]:
    found = compute_resources(s.spec, s.config, overhead_bytes(s.spec, s.config), limit_cpus=bool(s.limits_cpus))
    return {
        side: {name: str(amounts[name]) for name in RESOURCES if name in amounts} for side, amounts in found.items()
    }


def _differs(have: str, wanted: str, *, growing: bool) -> bool:
    if growing:
        return parse_quantity(wanted) > parse_quantity(have)
    return parse_quantity(wanted) != parse_quantity(have)


def _has(s: VmiSnapshot, pod: Pod) -> bool:
    """Whether the kubelet says that the container has at least what is wanted."""
    status = next((one for one in pod.status.container_statuses if one.name == names.COMPUTE), None)
    if status is None:
        return False
    return all(
        (given := (status.resources.get(side) or {}).get(name)) is None
        or parse_quantity(given) >= parse_quantity(amount)
        for side, amounts in _wanted(s).items()
        for name, amount in amounts.items()
    )


def _refusal(pod: Pod) -> tuple[str, str] | None:
    """Reason and message where the node cannot resize the pod now."""
    found = conditions.find(pod.status.conditions, names.PENDING_RESIZE)
    if found is None or found.status != conditions.TRUE:
        return None
    return found.reason, f"node {pod.spec.node_name} cannot give the pod more: {found.message or found.reason}"


def _unserved(s: VmiSnapshot) -> tuple[str, str] | None:
    """Reason and message where the API server refused the resize itself."""
    failed = s.failure
    if failed is None or not isinstance(failed.action, JsonPatch) or failed.action.subresource != "resize":
        return None
    return failed.reason or "ResizeRefused", f"the pod cannot be given more: {failed.message}"
