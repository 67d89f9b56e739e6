"""virt-controller against a real API server; scheduler, kubelet and node agent are played."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import msgspec

from kubevirt_py.api import names, views
from kubevirt_py.api.crd import crd
from kubevirt_py.api.crd_kinds import KINDS
from kubevirt_py.api.kinds import POD, VM, VMI
from kubevirt_py.decide import conditions, phases
from kubevirt_py.decide.patches import status_patch
from kubevirt_py.decide.vmi_status import observed
from kubevirt_py.kube.client import Client
from kubevirt_py.kube.errors import PatchTestFailed
from kubevirt_py.plan import Document, Key, Kind
from kubevirt_py.reconcile.testing import running
from kubevirt_py.virt_controller.app import build
from tests.integration.definitions import install_crd

NODE = "node1"
WITHIN_S = 30.0
NOW = "2026-01-01T00:00:00Z"
SERVED = ("VirtualMachine", "VirtualMachineInstance", "KubeVirt")


@asynccontextmanager
async def controlled(client: Client) -> AsyncIterator[None]:
    """virt-controller at work, without webhooks."""
    for kind in KINDS:
        if kind.kind in SERVED:
            await install_crd(client, crd(kind))
    async with running(build(client, "default", "localhost/launcher:test")):
        yield


async def seen(
    client: Client, kind: Kind[Any], namespace: str, holds: Callable[[Document | None], bool], since: str = ""
) -> Document:
    """The first object of `kind` in the namespace of which `holds`; None stands for one that was deleted.

    Looks at what there is and what comes, or with `since` at what came after that version.
    """
    with anyio.fail_after(WITHIN_S):
        async with aclosing(client.watch(kind, namespace=namespace, since=since, initial=not since)) as lines:
            async for line in lines:
                event = msgspec.json.decode(line)
                gone = event["type"] == "DELETED"
                if event["type"] != "BOOKMARK" and holds(None if gone else event["object"]):
                    found: Document = event["object"]
                    return found
    raise AssertionError("the watch ended")


def in_phase(phase: str) -> Callable[[Document | None], bool]:
    return lambda document: document is not None and document.get("status", {}).get("phase") == phase


def shows(status: str) -> Callable[[Document | None], bool]:
    return lambda vm: vm is not None and vm.get("status", {}).get("printableStatus") == status


async def bind(client: Client, pod: Document) -> None:
    meta = pod["metadata"]
    path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/binding"
    body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": meta["name"]}, "target": {"name": NODE}}
    await client.request("POST", path, body=body)


async def report(client: Client, key: Key, phase: str) -> None:
    """As the node agent would: once more where the controller wrote meanwhile."""
    with anyio.fail_after(WITHIN_S):
        while not await reported(client, key, phase):
            pass


async def reported(client: Client, key: Key, phase: str) -> bool:
    vmi = msgspec.json.decode(await client.get(VMI, key), type=views.VirtualMachineInstance)
    ready = views.Condition(names.READY, "True" if phase == phases.RUNNING else "False")
    status = {
        "phase": phase,
        "conditions": conditions.documents(conditions.merged(vmi.status.conditions, {names.READY: ready}, NOW)),
        "phaseTransitionTimestamps": phases.transitions(vmi.status.phase_transition_timestamps, phase, NOW),
    }
    try:
        await client.json_patch(VMI, key, status_patch(observed(vmi), status, vmi.metadata.resource_version))
    except PatchTestFailed:
        return False
    return True


async def test_a_vm_runs_stops_and_goes(admin_client: Client, namespace: str) -> None:
    async with controlled(admin_client):
        await run_stop_remove(admin_client, namespace)


async def run_stop_remove(cluster: Client, namespace: str) -> None:
    key = Key(namespace, "testvm")
    template = {"spec": {"domain": {"memory": {"guest": "64M"}, "devices": {}}}}
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": {"name": key.name}}
    await cluster.create(VM, namespace, body | {"spec": {"runStrategy": "Always", "template": template}})

    pod = await seen(cluster, POD, namespace, lambda pod: pod is not None)
    await bind(cluster, pod)
    vmi = await seen(cluster, VMI, namespace, in_phase("Scheduled"))
    assert vmi["status"]["activePods"] == {pod["metadata"]["uid"]: NODE}
    assert vmi["metadata"]["labels"][names.NODE_NAME_LABEL] == NODE
    assert set(vmi["metadata"]["finalizers"]) == {names.VM_FINALIZER, names.VMI_FINALIZER}

    await report(cluster, key, "Running")
    vm = await seen(cluster, VM, namespace, shows("Running"))
    assert vm["status"]["ready"] and vm["status"]["created"]
    assert vm["metadata"]["generation"] == 1
    assert vm["metadata"]["finalizers"] == [names.VM_FINALIZER]

    await cluster.merge_patch(VM, key, {"spec": {"runStrategy": "Halted"}})
    await seen(cluster, POD, namespace, lambda pod: pod is not None and "deletionTimestamp" in pod["metadata"])
    await report(cluster, key, "Succeeded")
    await cluster.delete(POD, Key(namespace, pod["metadata"]["name"]), grace_s=0)
    vm = await seen(cluster, VM, namespace, lambda vm: vm is not None and "created" not in vm["status"])
    assert vm["status"]["printableStatus"] == "Stopped"

    await cluster.delete(VM, key)
    await seen(cluster, VM, namespace, lambda vm: vm is None, since=vm["metadata"]["resourceVersion"])


async def test_a_refused_pod_is_replaced(admin_client: Client, namespace: str) -> None:
    async with controlled(admin_client):
        await refuse_once(admin_client, namespace)


async def refuse_once(cluster: Client, namespace: str) -> None:
    spec = {"domain": {"memory": {"guest": "64M"}, "devices": {}}}
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": {"name": "testvmi"}}
    await cluster.create(VMI, namespace, body | {"spec": spec})
    first = await seen(cluster, POD, namespace, lambda pod: pod is not None)
    await bind(cluster, first)
    await seen(cluster, VMI, namespace, in_phase("Scheduled"))
    refusal = {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": "no healthy devices present"}
    await cluster.merge_patch(POD, Key(namespace, first["metadata"]["name"]), {"status": refusal}, subresource="status")
    await seen(cluster, VMI, namespace, in_phase("Scheduling"))
    uid = first["metadata"]["uid"]
    second = await seen(cluster, POD, namespace, lambda pod: pod is not None and pod["metadata"]["uid"] != uid)
    assert second["metadata"]["annotations"][names.LAUNCH_ATTEMPT_ANNOTATION] == "1"


async def test_a_cluster_without_multus_is_told_so(admin_client: Client, namespace: str) -> None:
    """By what a real API server answers for a kind that it does not serve."""
    devices = {"interfaces": [{"name": "blue", "bridge": {}}]}
    networks = [{"name": "blue", "multus": {"networkName": "blue"}}]
    spec = {"domain": {"memory": {"guest": "64M"}, "devices": devices}, "networks": networks}
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": {"name": "testvmi"}}

    def told(vmi: Document | None) -> bool:
        found = (vmi or {}).get("status", {}).get("conditions") or []
        return any("this cluster has no Multus. Install it" in condition.get("message", "") for condition in found)

    async with controlled(admin_client):
        await admin_client.create(VMI, namespace, body | {"spec": spec})
        await seen(admin_client, VMI, namespace, told)
        pages = [page async for page in admin_client.list_pages(POD, namespace=namespace)]
        assert not any(page.items for page in pages)
