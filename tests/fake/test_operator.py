"""The operator against an API server in the process: install, report, repair, rotate, remove."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from kubevirt_py.api import names
from kubevirt_py.api.kinds import CONFIG_MAP, DAEMON_SET, DEPLOYMENT, KUBEVIRT, SECRET, VM
from kubevirt_py.decide.caretaking import UNANSWERED_S
from kubevirt_py.kube.errors import NotFound
from kubevirt_py.plan import Document, Key, Kind
from kubevirt_py.reconcile.manager import Manager
from kubevirt_py.reconcile.testing import FakeApi, running, settle, virtual_now
from kubevirt_py.render.install import Installation, documents
from kubevirt_py.virt_operator.app import wire
from kubevirt_py.virt_operator.certificates import LEAVES
from kubevirt_py.virt_operator.installer import Images
from kubevirt_py.virt_operator.removal import PATIENCE_S

pytestmark = pytest.mark.looptime

NAMESPACE = "kubevirt"
CR = Key(NAMESPACE, "kubevirt")
IMAGES = Images("r/control-plane:a", "r/launcher:b", "0.1.0")
WEBHOOKS: Kind[Any] = Kind(
    "admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", dict,
    namespaced=False,
)  # fmt: skip
API_SERVICE: Kind[Any] = Kind("apiregistration.k8s.io", "v1", "APIService", "apiservices", dict, namespaced=False)
SUBRESOURCES = Key("", "v1.subresources.kubevirt.io")
BUDGET: Kind[Any] = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", dict)
WORKLOADS = ((DEPLOYMENT, "virt-api"), (DEPLOYMENT, "virt-controller"), (DAEMON_SET, "virt-handler"))


def build(api: FakeApi, directory: Path) -> Manager:
    manager = Manager(api, name="virt-operator", clock=virtual_now)
    wire(manager, api, IMAGES, NAMESPACE)
    return manager


async def create_cr(api: FakeApi, name: str = "kubevirt", **spec: Any) -> None:
    body = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "KubeVirt",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }
    await api.create(KUBEVIRT, NAMESPACE, body)


@asynccontextmanager
async def installed(directory: Path, **spec: Any) -> AsyncIterator[tuple[FakeApi, Manager]]:
    """An operator that has seen its CR and done what it can without pods."""
    api = FakeApi()
    manager = build(api, directory)
    async with running(manager):
        await create_cr(api, **spec)
        await settle(manager)
        yield api, manager


async def roll_out(api: FakeApi, replicas: int = 2) -> None:
    """What the workload controllers of a real cluster report once all pods are up."""
    for kind, name in WORKLOADS:
        key = Key(NAMESPACE, name)
        generation = api.server.get(kind, key)["metadata"]["generation"]
        status: Document = {"observedGeneration": generation}
        if kind is DAEMON_SET:
            status |= {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2}
        else:
            status |= {"replicas": replicas, "updatedReplicas": replicas, "availableReplicas": replicas}
        await api.merge_patch(kind, key, {"status": status}, subresource="status")


def conditions(api: FakeApi, key: Key = CR) -> dict[str, str]:
    return {one["type"]: one["status"] for one in api.server.get(KUBEVIRT, key)["status"]["conditions"]}


def exists(api: FakeApi, kind: Kind[Any], key: Key) -> bool:
    try:
        api.server.get(kind, key)
    except NotFound:
        return False
    return True


async def test_an_installation_becomes_what_clients_wait_for(tmp_path: Path) -> None:
    async with installed(tmp_path) as (api, manager):
        assert conditions(api) == {"Available": "False", "Progressing": "True", "Degraded": "False"}
        assert not exists(api, WEBHOOKS, Key("", "virt-api-validator")), "nothing may call virt-api before it answers"
        await roll_out(api)
        await settle(manager)
        assert exists(api, WEBHOOKS, Key("", "virt-api-validator"))
        assert conditions(api) == {"Available": "True", "Progressing": "False", "Degraded": "False", "Created": "True"}
        assert api.server.get(KUBEVIRT, CR)["status"]["phase"] == "Deployed"
        for leaf in LEAVES:
            assert exists(api, SECRET, Key(NAMESPACE, leaf.secret))


async def test_a_deployed_installation_writes_nothing(tmp_path: Path) -> None:
    async with installed(tmp_path) as (api, manager):
        await roll_out(api)
        await settle(manager)
        before = len(api.writes)
        manager.queue("kubevirt").wake(CR)
        await settle(manager)
        assert api.writes[before:] == []


async def test_what_somebody_removes_or_changes_comes_back(tmp_path: Path) -> None:
    async with installed(tmp_path) as (api, manager):
        controller = Key(NAMESPACE, "virt-controller")
        await api.delete(DEPLOYMENT, controller)
        await settle(manager)
        assert exists(api, DEPLOYMENT, controller)
        await api.merge_patch(DEPLOYMENT, controller, {"spec": {"replicas": 0}})
        await settle(manager)
        assert api.server.get(DEPLOYMENT, controller)["spec"]["replicas"] == 2


async def test_a_deleted_certificate_is_made_anew(tmp_path: Path) -> None:
    async with installed(tmp_path) as (api, manager):
        key = Key(NAMESPACE, "kubevirt-virt-api-certs")
        before = api.server.get(SECRET, key)["data"]["tls.crt"]
        await api.delete(SECRET, key)
        await settle(manager)
        assert api.server.get(SECRET, key)["data"]["tls.crt"] != before


async def test_a_new_ca_is_trusted_beside_the_old_one(tmp_path: Path) -> None:
    async with installed(tmp_path) as (api, manager):
        bundle = Key(NAMESPACE, "kubevirt-ca")
        before = api.server.get(CONFIG_MAP, bundle)["data"]["ca-bundle"]
        leaf = api.server.get(SECRET, Key(NAMESPACE, "kubevirt-virt-api-certs"))["data"]["tls.crt"]
        await api.delete(SECRET, Key(NAMESPACE, "kubevirt-ca"))
        await settle(manager)
        after = api.server.get(CONFIG_MAP, bundle)["data"]["ca-bundle"]
        assert before in after and after.count("BEGIN CERTIFICATE") == 2
        assert b64decode(leaf)
        assert api.server.get(SECRET, Key(NAMESPACE, "kubevirt-virt-api-certs"))["data"]["tls.crt"] == leaf


async def test_a_spoiled_bundle_is_made_anew(tmp_path: Path) -> None:
    async with installed(tmp_path) as (api, manager):
        bundle = Key(NAMESPACE, "kubevirt-ca")
        before = api.server.get(CONFIG_MAP, bundle)["data"]["ca-bundle"]
        await api.merge_patch(CONFIG_MAP, bundle, {"data": {"ca-bundle": "nonsense"}})
        await settle(manager)
        assert api.server.get(CONFIG_MAP, bundle)["data"]["ca-bundle"] == before


async def test_a_setting_that_cannot_be_followed_is_told_in_the_status(tmp_path: Path) -> None:
    api = FakeApi()
    manager = build(api, tmp_path)
    async with running(manager):
        await create_cr(api)
        await api.merge_patch(KUBEVIRT, CR, {"spec": {"configuration": {"cpuRequest": "-1"}}})
        await settle(manager)
        await roll_out(api)
        await settle(manager)
        (available,) = [
            one for one in api.server.get(KUBEVIRT, CR)["status"]["conditions"] if one["type"] == "Available"
        ]
        assert available["status"] == "True"
        assert "ignored: spec.configuration.cpuRequest: '-1' must be a quantity above 0" in available["message"]


async def test_an_impossible_rotation_is_told_in_the_status(tmp_path: Path) -> None:
    api = FakeApi()
    manager = build(api, tmp_path)
    async with running(manager):
        await create_cr(api)
        rotation = {"selfSigned": {"ca": {"duration": "a week"}}}
        await api.merge_patch(KUBEVIRT, CR, {"spec": {"certificateRotateStrategy": rotation}})
        await settle(manager)
        assert conditions(api)["Degraded"] == "True"
        assert "a week" in str(api.server.get(KUBEVIRT, CR)["status"]["conditions"])


async def test_a_second_cr_is_told_that_the_first_rules(tmp_path: Path) -> None:
    async with installed(tmp_path) as (api, manager):
        await create_cr(api, "another")
        await settle(manager)
        assert conditions(api, Key(NAMESPACE, "another"))["Synchronized"] == "False"
        assert conditions(api)["Progressing"] == "True"


async def test_apis_are_registered_only_while_virt_api_answers(tmp_path: Path) -> None:
    async with installed(tmp_path) as (api, manager):
        await roll_out(api)
        await settle(manager)
        assert exists(api, API_SERVICE, SUBRESOURCES)
        await api.merge_patch(
            DEPLOYMENT, Key(NAMESPACE, "virt-api"), {"status": {"availableReplicas": 0}}, subresource="status"
        )
        await settle(manager)
        assert exists(api, API_SERVICE, SUBRESOURCES), "a moment's absence changes nothing"
        await settle(manager, within_s=UNANSWERED_S + 1)
        assert not exists(api, API_SERVICE, SUBRESOURCES), "namespaces could not end"
        assert exists(api, WEBHOOKS, Key("", "virt-api-validator")), "nothing may get in unseen"
        await roll_out(api)
        await settle(manager)
        assert exists(api, API_SERVICE, SUBRESOURCES)


async def test_what_an_installation_no_longer_has_is_removed(tmp_path: Path) -> None:
    async with installed(tmp_path) as (api, manager):
        await roll_out(api)
        await settle(manager)
        budget = Key(NAMESPACE, "virt-api-pdb")
        assert exists(api, BUDGET, budget)
        await api.merge_patch(KUBEVIRT, CR, {"spec": {"infra": {"replicas": 1}}})
        await settle(manager)
        await roll_out(api, replicas=1)
        await settle(manager)
        assert not exists(api, BUDGET, budget)


async def test_removal_does_not_wait_for_a_controller_that_is_gone(tmp_path: Path) -> None:
    async with installed(tmp_path) as (api, manager):
        machine = {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachine",
            "metadata": {"name": "vm", "finalizers": [names.VM_FINALIZER]},
            "spec": {},
        }
        await api.create(VM, "default", machine)
        await api.delete(KUBEVIRT, CR)
        await anyio.sleep(PATIENCE_S / 2)
        assert exists(api, VM, Key("default", "vm")), "its controller may still come"
        await settle(manager, within_s=PATIENCE_S + 10)
        assert not exists(api, VM, Key("default", "vm"))
        assert not exists(api, KUBEVIRT, CR)


async def test_removal_ends_machines_first_and_leaves_nothing(tmp_path: Path) -> None:
    async with installed(tmp_path) as (api, manager):
        await roll_out(api)
        machine = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": {"name": "vm"}, "spec": {}}
        await api.create(VM, "default", machine)
        await settle(manager)
        await api.delete(KUBEVIRT, CR)
        await settle(manager, within_s=30.0)
        assert not exists(api, VM, Key("default", "vm"))
        for kind, name in WORKLOADS:
            assert not exists(api, kind, Key(NAMESPACE, name))
        assert not exists(api, WEBHOOKS, Key("", "virt-api-validator"))
        assert not exists(api, KUBEVIRT, CR)


async def test_what_an_earlier_installation_left_does_not_refuse_the_next(tmp_path: Path) -> None:
    api = FakeApi()
    inst = Installation(namespace=NAMESPACE, version="0", image="r/c:a", launcher_image="r/l:a")
    (stale,) = [one for one in documents(inst) if one["metadata"]["name"] == "virt-operator-validator"]
    foreign = {"metadata": {"name": "another", "labels": stale["metadata"]["labels"]}}
    for document in (stale, foreign):
        await api.create(WEBHOOKS, "", document)
    manager = build(api, tmp_path)
    async with running(manager):
        await settle(manager)
        assert not exists(api, WEBHOOKS, Key("", "virt-operator-validator"))
        assert exists(api, WEBHOOKS, Key("", "another"))


async def test_removal_waits_where_the_cr_says_so(tmp_path: Path) -> None:
    async with installed(tmp_path, uninstallStrategy="BlockUninstallIfWorkloadsExist") as (api, manager):
        machine = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": {"name": "vm"}, "spec": {}}
        await api.create(VM, "default", machine)
        await api.delete(KUBEVIRT, CR)
        await settle(manager)
        assert conditions(api)["Synchronized"] == "False"
        assert exists(api, VM, Key("default", "vm"))
        assert exists(api, DEPLOYMENT, Key(NAMESPACE, "virt-api"))
