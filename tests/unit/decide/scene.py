"""VMs, VMIs and pods for tests of `decide`, and what a plan does to them."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonpatch
import msgspec

from kubevirt_py.api import kinds, views
from kubevirt_py.decide.vm_snapshot import VmSnapshot
from kubevirt_py.decide.vmi_snapshot import VmiSnapshot
from kubevirt_py.plan import Create, Delete, Failure, JsonPatch, MergePatch, Plan
from kubevirt_py.render.config import ClusterConfig

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
VM_UID, VMI_UID = "vm-uid", "vmi-uid"
NODE = "node1"
IMAGE = "localhost/launcher:test"
Document = dict[str, Any]


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def owner(kind: str, uid: str) -> list[Document]:
    return [{"apiVersion": "kubevirt.io/v1", "kind": kind, "name": "testvm", "uid": uid, "controller": True}]


def vm(strategy: str = "Always", *, status: Document | None = None, **meta: Any) -> Document:
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {
            "name": "testvm",
            "namespace": "default",
            "uid": VM_UID,
            "resourceVersion": "10",
            "generation": 1,
            "creationTimestamp": ago(100),
            "finalizers": ["kubevirt.io/virtualMachineControllerFinalize"],
        }
        | meta,
        "spec": {
            "runStrategy": strategy,
            "template": {"spec": {"domain": {"memory": {"guest": "64M"}, "devices": {}}}},
        },
        **({"status": status} if status is not None else {}),
    }


def vmi(phase: str = "Pending", *, age_s: float = 1, spec: Document | None = None, **parts: Any) -> Document:
    meta = parts.pop("meta", {})
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {
            "name": "testvm",
            "namespace": "default",
            "uid": VMI_UID,
            "resourceVersion": "20",
            "creationTimestamp": ago(age_s),
            "finalizers": [
                "kubevirt.io/virtualMachineControllerFinalize",
                "kubevirt.io/foregroundDeleteVirtualMachine",
            ],
            "ownerReferences": owner("VirtualMachine", VM_UID),
        }
        | meta,
        "spec": {"domain": {"memory": {"guest": "64M"}, "devices": {}}} | (spec or {}),
        "status": {"phase": phase} | parts,
    }


def pod(
    phase: str = "Pending",
    *,
    attempt: int = 0,
    node: str = NODE,
    age_s: float = 1,
    container: Document | None = None,
    **parts: Any,
) -> Document:
    meta = parts.pop("meta", {})
    statuses = [{"name": "compute", "state": container}] if container else []
    return {
        "metadata": {
            "name": f"virt-launcher-testvm-{attempt}",
            "namespace": "default",
            "uid": f"pod-uid-{attempt}",
            "resourceVersion": "30",
            "creationTimestamp": ago(age_s),
            "annotations": {"kubevirt.io/launch-attempt": str(attempt)},
            "ownerReferences": owner("VirtualMachineInstance", VMI_UID),
        }
        | meta,
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": phase, "qosClass": "Burstable", "containerStatuses": statuses} | parts,
    }


def view(document: Document, kind: type[Any]) -> Any:
    return msgspec.json.decode(msgspec.json.encode(document), type=kind)


def _state_claim(name: str) -> Document:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"accessModes": ["ReadWriteOnce"]}}


def vmi_snapshot(
    machine: Document,
    *pods: Document,
    claims: tuple[str, ...] = (),
    state_claim: str = "",
    now: datetime = NOW,
    owner_exists: bool = True,
    settle_s: float = 0,
    failure: Failure | None = None,
) -> VmiSnapshot:
    return VmiSnapshot(
        vmi=view(machine, views.VirtualMachineInstance),
        pods=tuple(view(one, views.Pod) for one in pods),
        now=now,
        config=ClusterConfig(),
        launcher_image=IMAGE,
        claims={name: views.PersistentVolumeClaim() for name in claims},
        state=view(_state_claim(state_claim), views.PersistentVolumeClaim) if state_claim else None,
        owner_exists=owner_exists,
        settle_s=settle_s,
        failure=failure,
    )


def vm_snapshot(
    machine: Document, instance: Document | None = None, *, now: datetime = NOW, **parts: Any
) -> VmSnapshot:
    found = view(instance, views.VirtualMachineInstance) if instance is not None else None
    return VmSnapshot(vm=view(machine, views.VirtualMachine), vmi=found, now=now, **parts)


def created(plan: Plan) -> list[Document]:
    return [action.body for action in plan.do if isinstance(action, Create)]


def deleted(plan: Plan) -> list[str]:
    return [f"{action.kind.plural}/{action.key.name}" for action in plan.do if isinstance(action, Delete)]


def after(document: Document, plan: Plan) -> Document:
    """`document` (a VM or VMI) as the plan's patches leave it; fails if a guard does not hold."""
    result = copy.deepcopy(document)
    for action in plan.do:
        if isinstance(action, JsonPatch) and action.kind.kind == document["kind"]:
            result = jsonpatch.apply_patch(result, list(action.ops))
        elif isinstance(action, MergePatch) and action.kind.kind == document["kind"]:
            result = merged(result, action.body)
    return result


def merged(old: Any, new: Any) -> Any:
    """RFC 7386."""
    if not isinstance(new, dict):
        return new
    result = dict(old) if isinstance(old, dict) else {}
    for name, value in new.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def condition(document: Document, kind: str) -> Document | None:
    found = document.get("status", {}).get("conditions", [])
    return next((one for one in found if one["type"] == kind), None)


def refused(action_kind: Any, message: str) -> Failure:
    body = {"metadata": {"namespace": "default", "name": "x"}}
    return Failure(Create(action_kind, body), "Forbidden", message, 403)


POD, VMI = kinds.POD, kinds.VMI
