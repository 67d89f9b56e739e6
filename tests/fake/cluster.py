"""Everybody around virt-controller, played on a fake API server: user, scheduler, kubelet, node agent."""

from __future__ import annotations

from collections import Counter
from typing import Any

import anyio
import msgspec

from kubevirt_py.api import names, views
from kubevirt_py.api.kinds import POD, VM, VMI
from kubevirt_py.decide import conditions, phases
from kubevirt_py.decide.patches import status_patch
from kubevirt_py.decide.vmi_status import observed
from kubevirt_py.plan import Document, Key
from kubevirt_py.reconcile import Manager
from kubevirt_py.reconcile.testing import FakeApi, Server, virtual_now
from kubevirt_py.virt_controller.app import build

VM_KEY = Key("default", "testvm")
NODE = "node1"
BOARD, VERSION = "q35", "pc-q35-10.0"
PATIENCE_S = 7.0
"""Longer than virt-controller holds any report or any doubt back."""


def make_server() -> Server:
    server = Server(without_status=[VMI], graceful=[POD])
    server.shelf(VM).hooks.append(admit_vm)
    server.shelf(VMI).hooks.append(admit_vmi)
    return server


def admit_vm(new: Document, old: Document | None) -> Document:
    if old is None:
        new["metadata"]["finalizers"] = [names.VM_FINALIZER]
    return new


def admit_vmi(new: Document, old: Document | None) -> Document:
    if old is None:
        new["metadata"].setdefault("finalizers", []).append(names.VMI_FINALIZER)
        new["status"] = {"phase": phases.PENDING}
    return new


def controller(api: FakeApi) -> Manager:
    return build(api, "kubevirt", "localhost/launcher:test", clock=virtual_now)


def vm_document(strategy: str = "Always", **spec: Any) -> Document:
    domain = {"machine": {"type": BOARD}, "memory": {"guest": "64M"}, "devices": {}}
    template = {"spec": {"domain": domain} | spec}
    return {
        "metadata": {"name": VM_KEY.name},
        "spec": {"runStrategy": strategy, "template": template},
    }


async def patient(settle: Any) -> None:
    """Wait until nothing more happens, also nothing that waits for a while."""
    await anyio.sleep(PATIENCE_S)
    await settle()


async def set_strategy(api: FakeApi, strategy: str) -> None:
    await api.merge_patch(VM, VM_KEY, {"spec": {"runStrategy": strategy}})


def live_pod(api: FakeApi) -> Document:
    """The one pod that has not ended."""
    (pod,) = [pod for pod in api.server.shelf(POD).objects.values() if not _ended(pod)]
    return pod


async def bind(api: FakeApi) -> None:
    """The scheduler finds a node."""
    await api.merge_patch(POD, _key(live_pod(api)), {"spec": {"nodeName": NODE}})


async def refuse(api: FakeApi) -> None:
    """The kubelet refuses the pod: the device plugin was away."""
    status = {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": "no healthy devices present"}
    await api.merge_patch(POD, _key(live_pod(api)), {"status": status}, subresource="status")


async def run_container(api: FakeApi) -> None:
    """The kubelet started the container."""
    state = {"running": {"startedAt": _now()}}
    await _pod_status(api, live_pod(api), "Running", state)


async def end_container(api: FakeApi, exit_code: int = 0) -> None:
    """The container ended; the kubelet lets go of a pod that is being deleted."""
    pod = live_pod(api)
    state = {"terminated": {"exitCode": exit_code, "finishedAt": _now()}}
    await _pod_status(api, pod, "Failed" if exit_code else "Succeeded", state)
    if pod["metadata"].get("deletionTimestamp"):
        api.server.finish(POD, _key(pod))


async def report(api: FakeApi, phase: str) -> None:
    """The node agent writes a phase, as it may: only of a VMI handed to its node."""
    vmi = msgspec.json.decode(await api.get(VMI, VM_KEY), type=views.VirtualMachineInstance)
    assert vmi.status.node_name == NODE and vmi.status.active_pods, "the VMI was never handed to the node"
    running = phase == phases.RUNNING
    ready = views.Condition(names.READY, "True" if running else "False", "" if running else names.GUEST_NOT_RUNNING)
    changed = conditions.merged(vmi.status.conditions, {names.READY: ready}, _now())
    status = {
        "phase": phase,
        "conditions": conditions.documents(changed),
        "phaseTransitionTimestamps": phases.transitions(vmi.status.phase_transition_timestamps, phase, _now()),
        "machine": {"type": VERSION},
    }
    await api.json_patch(VMI, VM_KEY, status_patch(observed(vmi), status, vmi.metadata.resource_version))


def crowded(server: Server) -> list[str]:
    """Moments at which one VMI, or two VMIs of one name, had two pods that had not ended."""
    alive: dict[Key, str] = {}
    moments = []
    for change in server.shelf(POD).history:
        document = change.new or change.old
        assert document is not None
        key = _key(document)
        if change.new is None or _ended(change.new):
            alive.pop(key, None)
        else:
            alive[key] = change.new["metadata"]["ownerReferences"][0]["name"]
        moments += [f"{owner} at {change.rv}" for owner, count in Counter(alive.values()).items() if count > 1]
    return moments


def summary(server: Server) -> Document:
    """What a user sees in the end, without names and times that differ from run to run."""
    vm = server.shelf(VM).objects.get(VM_KEY)
    vmi = server.shelf(VMI).objects.get(VM_KEY)
    return {
        "vm": vm and vm["status"].get("printableStatus"),
        "ready": vm and vm["status"].get("ready", False),
        "vmi": vmi and vmi["status"]["phase"],
        "machine": vmi and vmi["spec"]["domain"]["machine"]["type"],
        "kept": vm and vm["metadata"].get("annotations", {}).get(names.MACHINE_TYPE_ANNOTATION),
        "pods": sorted(pod.get("status", {}).get("phase", "Pending") for pod in server.shelf(POD).objects.values()),
        "crowded": crowded(server),
    }


async def _pod_status(api: FakeApi, pod: Document, phase: str, state: Document) -> None:
    statuses = [{"name": "compute", "ready": "running" in state, "state": state}]
    body = {"status": {"phase": phase, "containerStatuses": statuses}}
    await api.merge_patch(POD, _key(pod), body, subresource="status")


def _ended(pod: Document) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _key(document: Document) -> Key:
    return Key(document["metadata"]["namespace"], document["metadata"]["name"])


def _now() -> str:
    return virtual_now().strftime("%Y-%m-%dT%H:%M:%SZ")
