"""The operator dies after each of its writes; in the end nobody can tell."""

from __future__ import annotations

import importlib
import itertools
from typing import Any

import pytest

from kubevirt_py.api import crd, names
from kubevirt_py.api.kinds import CONFIG_MAP, KUBEVIRT, SECRET, VM
from kubevirt_py.plan import Document, Kind
from kubevirt_py.reconcile.manager import Manager
from kubevirt_py.reconcile.testing import FakeApi, Server, crash_sweep, virtual_now
from kubevirt_py.render.install import Installation
from kubevirt_py.virt_operator.app import wire
from kubevirt_py.virt_operator.installer import Images
from tests.fake.test_operator import CR, NAMESPACE, create_cr, roll_out

install_documents = importlib.import_module("kubevirt_py.render.install.documents")

pytestmark = [pytest.mark.looptime, pytest.mark.sweep, pytest.mark.timeout(300)]

NEW = Images("r/control-plane:b", "r/launcher:b", "0.2.0")
FEW = ("virtualmachines.kubevirt.io",)
"""One CRD does for twenty; they are large and go the same way."""


@pytest.fixture(autouse=True)
def few_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tuple(one for one in crd.crds() if one["metadata"]["name"] in FEW)
    monkeypatch.setattr(install_documents, "definitions", lambda: kept)


def build(api: FakeApi) -> Manager:
    manager = Manager(api, name="virt-operator", clock=virtual_now)
    wire(manager, api, NEW, NAMESPACE)
    return manager


def kinds() -> tuple[Kind[Any], ...]:
    inst = Installation(namespace=NAMESPACE, version="", image="", launcher_image="")
    applied = (*install_documents.documents(inst), *install_documents.admission(inst))
    return (*install_documents.managed_kinds((*applied, *install_documents.aggregation(inst))), SECRET, CONFIG_MAP, VM)


def outcome(server: Server) -> Document:
    """Every object by kind, name and the version it was installed by, and what the CR says."""
    found = []
    for kind in kinds():
        for key, document in server.shelf(kind).objects.items():
            version = document["metadata"].get("annotations", {}).get(names.INSTALL_VERSION_ANNOTATION, "")
            found.append(f"{kind} {key} {version}")
    cr = server.shelf(KUBEVIRT).objects.get(CR) or {"status": {"conditions": []}}
    conditions = {one["type"]: one["status"] for one in cr["status"]["conditions"]}
    versions = [cr["status"].get(f"{which}KubeVirtVersion") for which in ("target", "observed")]
    return {"objects": sorted(found), "conditions": conditions, "versions": versions}


def old_installation() -> Server:
    """What an operator of an earlier version left, with a role that the new one does not have."""
    server = Server()
    inst = Installation(namespace=NAMESPACE, version="0.1.0", image="r/control-plane:a", launcher_image="r/launcher:a")
    parts = (install_documents.documents(inst), install_documents.admission(inst), install_documents.aggregation(inst))
    dropped = inst.stamp(
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "old"}}
    )
    for document in (*itertools.chain(*parts), dropped):
        server.create(install_documents.kind_of(document), document["metadata"].get("namespace", ""), document)
    meta = {"name": CR.name, "namespace": NAMESPACE, "finalizers": [names.KUBEVIRT_FINALIZER]}
    server.create(KUBEVIRT, NAMESPACE, {"metadata": meta, "spec": {}})
    status = {"phase": "Deployed", "observedKubeVirtVersion": "0.1.0", "observedDeploymentID": "a", "conditions": []}
    server.merge_patch(KUBEVIRT, CR, {"status": status}, subresource="status")
    return server


async def rolled_out(api: FakeApi, settle: Any) -> None:
    await settle()
    await roll_out(api)
    await settle()


async def test_an_installation_survives_the_deaths_of_its_operator() -> None:
    async def install(user: FakeApi, settle: Any) -> None:
        await create_cr(user)
        await rolled_out(user, settle)
        assert outcome(user.server)["conditions"]["Available"] == "True"

    assert await crash_sweep(Server, build, install, outcome, moments=(True,)) > 40


async def test_an_upgrade_survives_the_deaths_of_its_operator() -> None:
    async def upgrade(user: FakeApi, settle: Any) -> None:
        await rolled_out(user, settle)
        found = outcome(user.server)
        assert found["versions"] == ["0.2.0", "0.2.0"]
        assert not [line for line in found["objects"] if line.endswith("0.1.0")]

    assert await crash_sweep(old_installation, build, upgrade, outcome, moments=(True,)) > 40


async def test_a_removal_survives_the_deaths_of_its_operator() -> None:
    async def remove(user: FakeApi, settle: Any) -> None:
        machine = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": {"name": "vm"}, "spec": {}}
        await user.create(VM, "default", machine)
        await user.delete(KUBEVIRT, CR)
        await settle(within_s=30.0)
        assert outcome(user.server)["objects"] == []

    assert await crash_sweep(old_installation, build, remove, outcome, moments=(True,)) > 40
