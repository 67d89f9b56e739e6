"""objectgraph, evacuate/cancel, guestfs and the profiler."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kubevirt_py.api import kinds
from kubevirt_py.plan import Document, Key
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.virt_api.settings import Settings
from tests.unit.virt_api.apilab import BASE, Cloud

VM = f"{BASE}/namespaces/default/virtualmachines/vm1"
VMI = f"{BASE}/namespaces/default/virtualmachineinstances/vm1"
BOTH = pytest.mark.parametrize("url", [VM, VMI], ids=["vm", "vmi"])


@BOTH
async def test_the_graph_needs_its_feature_gate(cloud: Cloud, url: str) -> None:
    cloud.add_vm(template={"spec": {}})
    cloud.add_vmi()
    async with cloud.session.get(f"{url}/objectgraph") as answer:
        assert answer.status == 400
        assert (await answer.json())["message"].startswith("ObjectGraph feature gate not enabled")


@BOTH
async def test_the_graph_shows_pods_of_the_instance_only(
    cloud: Cloud, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Settings, "config", ClusterConfig(feature_gates=frozenset({"ObjectGraph"})))
    cloud.add_vm(template={"spec": {}}, status={"created": True})
    cloud.add_vmi()
    uid = cloud.uid(kinds.VMI)
    for name, owner in (("virt-launcher-vm1-x", uid), ("impostor", "another")):
        reference = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "name": "vm1", "uid": owner}
        meta: Document = {"name": name, "namespace": "default", "labels": {"kubevirt.io/created-by": uid}}
        meta["ownerReferences"] = [reference | {"controller": True}]
        cloud.add(kinds.POD, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {}})
    async with cloud.session.get(f"{url}/objectgraph") as answer:
        assert answer.status == 200
        graph = await answer.json()
    (child,) = graph["children"]
    pod = child["children"][0] if url == VM else child
    assert pod["objectReference"] == {
        "apiGroup": "",
        "kind": "Pod",
        "name": "virt-launcher-vm1-x",
        "namespace": "default",
    }
    body = b'{"labelSelector": {"matchLabels": {"kubevirt.io/dependency-type": "storage"}}}'
    async with cloud.session.get(f"{url}/objectgraph", data=body) as answer:
        assert "children" not in await answer.json()
    async with cloud.session.get(f"{url}/objectgraph", data=b'{"includeOptionalNodes": "no"}') as answer:
        assert answer.status == 400
        assert "includeOptionalNodes" in (await answer.json())["message"]


def leaving(cloud: Cloud, *, taints: list[Document]) -> None:
    cloud.add_vm()
    cloud.add_vmi()
    patch = {"status": {"evacuationNodeName": "node1"}}
    cloud.api.server.merge_patch(kinds.VMI, Key("default", "vm1"), patch, subresource="")
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}, "spec": {"taints": taints}}
    cloud.add(kinds.NODE, node)


def node_left(cloud: Cloud) -> Any:
    return cloud.api.server.get(kinds.VMI, Key("default", "vm1"))["status"].get("evacuationNodeName")


@BOTH
@pytest.mark.parametrize(
    ("body", "left"),
    [
        ({}, None),
        ({"evacuationNodeName": "node1"}, None),
        ({"evacuationNodeName": "node2"}, "node1"),
        ({"dryRun": ["All"]}, "node1"),
    ],
)
async def test_an_evacuation_is_called_off(cloud: Cloud, url: str, body: Document, left: str | None) -> None:
    leaving(cloud, taints=[{"key": "kubevirt.io/drain", "effect": "NoExecute"}])
    for _ in range(2):
        async with cloud.session.put(f"{url}/evacuate/cancel", data=msgspec.json.encode(body)) as answer:
            assert (answer.status, await answer.text()) == (200, "")
        assert node_left(cloud) == left


async def test_a_node_that_is_drained_is_still_left(cloud: Cloud) -> None:
    leaving(cloud, taints=[{"key": "kubevirt.io/drain", "effect": "NoSchedule"}])
    async with cloud.session.put(f"{VM}/evacuate/cancel") as answer:
        assert answer.status == 400
        assert "node1 has the taint kubevirt.io/drain:NoSchedule" in (await answer.json())["message"]
    assert node_left(cloud) == "node1"


@BOTH
async def test_nothing_to_call_off(cloud: Cloud, url: str) -> None:
    async with cloud.session.put(f"{url}/evacuate/cancel") as answer:
        assert answer.status == 404


async def test_where_the_tools_image_is(cloud: Cloud) -> None:
    async with cloud.session.get(f"{BASE}/guestfs") as answer:
        assert answer.status == 500
    kubevirt = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "KubeVirt",
        "metadata": {"name": "kubevirt", "namespace": "kubevirt"},
        "spec": {},
    }
    cloud.add(kinds.KUBEVIRT, kubevirt)
    status = {
        "observedKubeVirtRegistry": "registry.test/kubevirt",
        "observedKubeVirtVersion": "v1.2.3",
        "observedDeploymentConfig": '{"imagePrefix": "our-"}',
    }
    cloud.api.server.merge_patch(kinds.KUBEVIRT, Key("kubevirt", "kubevirt"), {"status": status}, subresource="status")
    async with cloud.session.get(f"{BASE}/guestfs") as answer:
        assert await answer.json() == {
            "registry": "registry.test/kubevirt",
            "tag": "v1.2.3",
            "imagePrefix": "our-",
            "gsImage": "",
        }


@pytest.mark.parametrize("verb", ["start", "stop", "dump"])
async def test_there_is_no_profiler(cloud: Cloud, verb: str) -> None:
    async with cloud.session.get(f"{BASE}/{verb}-cluster-profiler") as answer:
        assert answer.status == 403
        assert (await answer.json())["message"].startswith(f"Unable to {verb} profiler")
