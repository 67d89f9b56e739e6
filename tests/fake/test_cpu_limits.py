"""CPU limits by namespace: a machine waits until its namespace is known, and has what that says."""

from __future__ import annotations

import pytest

from kubevirt_py.api.kinds import KUBEVIRT, NAMESPACE, POD, VM, VMI
from kubevirt_py.plan import Document
from kubevirt_py.reconcile.testing import FakeApi, running, settle
from tests.fake import cluster
from tests.fake.cluster import make_server, patient, vm_document

pytestmark = pytest.mark.looptime

SELECTOR = {"matchExpressions": [{"key": "limits", "operator": "In", "values": ["cpu", "all"]}]}


@pytest.mark.parametrize(("labels", "limits"), [({"limits": "all"}, {"cpu": "1"}), ({"limits": "none"}, {}), ({}, {})])
async def test_the_namespace_decides(labels: Document, limits: Document) -> None:
    server = make_server()
    user = FakeApi(server)
    spec = {"configuration": {"autoCPULimitNamespaceLabelSelector": SELECTOR}}
    await user.create(KUBEVIRT, "kubevirt", {"metadata": {"name": "kubevirt"}, "spec": spec})
    async with running(cluster.controller(FakeApi(server))) as manager:
        await user.create(VM, "default", vm_document())
        await patient(lambda: settle(manager))
        assert server.shelf(VMI).objects and not server.shelf(POD).objects
        await user.create(NAMESPACE, "", {"metadata": {"name": "default", "labels": labels}})
        await settle(manager)
        (compute,) = cluster.live_pod(user)["spec"]["containers"]
        assert {name: amount for name, amount in compute["resources"]["limits"].items() if name == "cpu"} == limits
