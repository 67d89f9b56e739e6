"""What the API server itself keeps a node agent from, should its token be stolen with its node."""

from __future__ import annotations

from typing import Any

import anyio
import msgspec
import pytest

from kubevirt_py.api import kinds
from kubevirt_py.api.crd import crd
from kubevirt_py.api.crd_kinds import KINDS
from kubevirt_py.kube.client import Client
from kubevirt_py.kube.errors import ApiError
from kubevirt_py.plan import Document, Key
from kubevirt_py.render.install.documents import kind_of
from kubevirt_py.render.install.policies import POLICY, handler_policy
from tests.integration.definitions import install_crd

INSTALLED = "kubevirt"
ACCOUNT = f"system:serviceaccount:{INSTALLED}:kubevirt-handler"
EFFECTIVE_S = 30
RBAC = "rbac.authorization.k8s.io"


class Agent:
    """A client that writes the VMI as the virt-handler of a node does, without storing anything."""

    def __init__(self, api: Client, namespace: str) -> None:
        self._api = api
        self._path = f"/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachineinstances/vm"

    async def patch(self, *ops: Document, node: str = "node1") -> None:
        headers = {
            "Content-Type": "application/json-patch+json",
            "Impersonate-User": ACCOUNT,
            "Impersonate-Extra-Authentication.kubernetes.io%2Fnode-Name": node,
        }
        body = msgspec.json.encode(ops)
        await self._api.request("PATCH", self._path, body=body, params={"dryRun": "All"}, headers=headers)

    async def refusal(self, *ops: Document, node: str = "node1") -> str:
        """The words it is refused with, empty if it is not."""
        try:
            await self.patch(*ops, node=node)
        except ApiError as error:
            return error.message
        return ""


def op(path: str, value: Any, name: str = "add") -> Document:
    return {"op": name, "path": path, "value": value}


@pytest.fixture
async def agent(admin_client: Client, namespace: str) -> Agent:
    """A VMI on node1, the policy bound to this test's namespace, and an agent whose rights alone would allow all."""
    await install_crd(admin_client, crd(next(kind for kind in KINDS if kind.kind == kinds.VMI.kind)))
    policy, binding = handler_policy(INSTALLED)
    binding["metadata"]["name"] = f"{POLICY}-{namespace}"
    binding["spec"]["matchResources"] = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    }
    rights = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"handler-{namespace}"},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": ACCOUNT}],
    }
    for document in (policy, binding, rights):
        await admin_client.apply(kind_of(document), Key("", document["metadata"]["name"]), document, manager="tests")
    meta = {"name": "vm", "namespace": namespace, "labels": {"app": "db"}, "annotations": {"team": "storage"}}
    vmi = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": meta,
        "spec": {"domain": {"devices": {}}},
        "status": {"phase": "Scheduled", "nodeName": "node1", "activePods": {"uid": "node1"}},
    }
    await admin_client.create(kinds.VMI, namespace, vmi)
    made = Agent(admin_client, namespace)
    with anyio.fail_after(EFFECTIVE_S):
        while not await made.refusal(op("/status/phase", "Running"), node="node2"):
            await anyio.lowlevel.checkpoint()
    return made


async def test_an_agent_writes_the_status_of_its_own_guests_and_nothing_else(agent: Agent) -> None:
    assert await agent.refusal(op("/status/phase", "Running")) == ""
    assert await agent.refusal(op("/metadata/labels/kubevirt.io~1outdatedLauncherImage", "")) == ""
    assert "own node" in await agent.refusal(op("/status/phase", "Running"), node="node2")
    assert "spec" in await agent.refusal(op("/spec/hostname", "x"))
    assert "choose the node" in await agent.refusal(op("/status/nodeName", "node2"))
    assert "choose the node" in await agent.refusal(op("/status/activePods", {"other": "node1"}))
    assert "finalizers" in await agent.refusal(op("/metadata/finalizers", ["example.com/x"]))
    assert "own labels" in await agent.refusal(op("/metadata/labels/app", "web"))
    assert "own labels" in await agent.refusal({"op": "remove", "path": "/metadata/labels/app"})
    assert "own labels" in await agent.refusal(op("/metadata/labels/app.kubernetes.io~1part-of", "web"))
    assert "annotations" in await agent.refusal(op("/metadata/annotations/team", "mine"))
    assert "annotations" in await agent.refusal({"op": "remove", "path": "/metadata/annotations"})
