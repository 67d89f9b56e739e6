"""A memory dump by virt-controller on a fake API server: woken for each step, killed between any two."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from kubevirt_py.api.kinds import POD, PVC, VM, VMI
from kubevirt_py.api.names import HOTPLUG_DISK, MEMORY_DUMP_ANNOTATION
from kubevirt_py.plan import Document, Key
from kubevirt_py.reconcile.testing import FakeApi, Server, crash_sweep, running, settle
from tests.fake import cluster
from tests.fake.cluster import VM_KEY, make_server, patient
from tests.fake.test_vm_lifecycle import start

pytestmark = pytest.mark.looptime

Settle = Callable[[], Awaitable[None]]
FILE = "testvm-core-20260501-120000.memory.dump"
CLAIM = Key("default", "core")
DUMPED: Document = {
    "phase": "MemoryDumpCompleted",
    "memoryDumpVolume": {"claimName": "core", "startTimestamp": "s", "endTimestamp": "e", "targetFileName": FILE},
}


async def ask(user: FakeApi, request: Document) -> None:
    """As virt-api writes it."""
    body = {"status": {"memoryDumpRequest": request}}
    await user.merge_patch(VM, VM_KEY, body, subresource="status")


async def attach(user: FakeApi) -> None:
    """The attachment pod runs."""
    status = {"phase": "Running", "containerStatuses": [{"name": "hotplug-disk", "ready": True}]}
    await user.merge_patch(POD, _attachments(user.server)[0], {"status": status}, subresource="status")


async def tell(user: FakeApi, after: str, **entry: object) -> None:
    """The node agent writes about the volume: what virt-controller said of it comes first."""
    vmi = user.server.get(VMI, VM_KEY)
    (old,) = [one for one in vmi["status"]["volumeStatus"] if one["name"] == "core"]
    assert old["hotplugVolume"].get("attachPodUID"), "the pod was never named to the agent"
    assert old["phase"] == after
    await user.merge_patch(VMI, VM_KEY, {"status": {"volumeStatus": [{**old, **entry}]}})


async def dump(user: FakeApi, settled: Settle) -> None:
    await start(user, settled)
    await user.create(PVC, "default", {"metadata": {"name": "core"}, "spec": {"volumeMode": "Filesystem"}})
    await user.merge_patch(PVC, CLAIM, {"status": {"phase": "Bound"}}, subresource="status")
    await ask(user, {"claimName": "core", "phase": "Associating"})
    await patient(settled)
    await attach(user)
    await patient(settled)
    await tell(user, "AttachedToNode", **DUMPED)
    await patient(settled)
    await tell(user, "Detaching", phase="UnMountedFromPod")
    await patient(settled)
    for key in _attachments(user.server):
        user.server.finish(POD, key)
    await patient(settled)


def outcome(server: Server) -> Document:
    vm, vmi, claim = server.get(VM, VM_KEY), server.get(VMI, VM_KEY), server.get(PVC, CLAIM)
    return {
        "request": vm["status"].get("memoryDumpRequest"),
        "template": [volume["name"] for volume in vm["spec"]["template"]["spec"].get("volumes", ())],
        "vmi": [volume["name"] for volume in vmi["spec"].get("volumes", ())],
        "status": vmi["status"].get("volumeStatus", []),
        "note": claim["metadata"].get("annotations", {}).get(MEMORY_DUMP_ANNOTATION),
        "attachments": len(_attachments(server)),
    }


EXPECTED: Document = {
    "request": {
        **{"claimName": "core", "phase": "Completed", "fileName": FILE},
        **{"startTimestamp": "s", "endTimestamp": "e"},
    },
    "template": ["core"],
    "vmi": [],
    "status": [],
    "note": FILE,
    "attachments": 0,
}


async def test_each_step_follows_from_the_one_before() -> None:
    server = make_server()
    user, ours = FakeApi(server), FakeApi(server)
    async with running(cluster.controller(ours)) as manager:
        await dump(user, lambda: settle(manager))
    assert outcome(server) == EXPECTED


@pytest.mark.sweep
async def test_killed_between_any_two_writes_the_end_is_the_same() -> None:
    ends = []

    def seen(server: Server) -> Document:
        ends.append(outcome(server))
        return ends[-1]

    writes = await crash_sweep(make_server, cluster.controller, dump, seen)
    assert ends[0] == EXPECTED
    assert len(ends) == 2 * writes + 1


def _attachments(server: Server) -> list[Key]:
    pods = server.shelf(POD).objects.items()
    return [key for key, pod in pods if pod["metadata"].get("labels", {}).get("kubevirt.io") == HOTPLUG_DISK]
