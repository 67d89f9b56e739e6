"""A kind no controller acts on yet is refused with words, not stored and forgotten."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from kubevirt_py.api.crd import crd
from kubevirt_py.api.crd_kinds import KINDS
from kubevirt_py.kube.client import Client
from kubevirt_py.kube.errors import ApiError
from kubevirt_py.plan import Document, Key, Kind
from kubevirt_py.render.install.documents import kind_of
from kubevirt_py.render.install.unserved import POLICY, unserved_policy
from tests.integration.definitions import install_crd

POOL = next(kind for kind in KINDS if kind.kind == "VirtualMachinePool")
EFFECTIVE_S = 30


@pytest.fixture
async def api(admin_client: Client, namespace: str) -> Client:
    """The policy, bound to this test's namespace only: other tests share the server."""
    await install_crd(admin_client, crd(POOL))
    policy, binding = unserved_policy()
    binding["metadata"]["name"] = f"{POLICY}-{namespace}"
    binding["spec"]["matchResources"] = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    }
    for document in (policy, binding):
        await admin_client.apply(kind_of(document), Key("", document["metadata"]["name"]), document, manager="tests")
    return admin_client


async def test_a_pool_is_refused_by_the_api_server(api: Client, namespace: str) -> None:
    pools: Kind[Any] = Kind(POOL.group, "v1beta1", POOL.kind, POOL.plural, dict)
    pool: Document = {
        "apiVersion": "pool.kubevirt.io/v1beta1",
        "kind": "VirtualMachinePool",
        "metadata": {"name": "many", "namespace": namespace},
        "spec": {"selector": {}, "virtualMachineTemplate": {"spec": {"template": {}}}},
    }
    with anyio.fail_after(EFFECTIVE_S):
        refusal = await first_refusal(api, pools, namespace, pool)
    assert POLICY in refusal.message
    assert "not supported yet by this release: pools" in refusal.message


async def first_refusal(api: Client, pools: Kind[Any], namespace: str, pool: Document) -> ApiError:
    """A policy takes effect some time after it was stored; a dry run asks without storing."""
    while True:
        try:
            await api.create(pools, namespace, pool, dry_run=True)
        except ApiError as error:
            return error
