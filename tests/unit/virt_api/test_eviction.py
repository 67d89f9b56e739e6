"""The eviction webhook and the admission of migrations, over HTTPS, with what they look up and write."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from kubevirt_py.api import kinds
from kubevirt_py.plan import Document, Key
from kubevirt_py.virt_api.migrations import MIGRATION
from tests.unit.virt_api.apilab import Cloud

MARK = {"op": "add", "path": "/status/evacuationNodeName", "value": "node1"}


async def evict(cloud: Cloud, pod: str, *, dry_run: bool = False, **eviction: Any) -> Document:
    request = {
        "uid": "r1",
        "operation": "CREATE",
        "name": pod,
        "namespace": "default",
        "dryRun": dry_run,
        "object": {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}, **eviction},
        "userInfo": {"username": "alice"},
    }
    return await ask(cloud, "/pod-eviction-validate", request)


async def ask(cloud: Cloud, path: str, request: Document) -> Document:
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    async with cloud.session.post(path, json=body) as response:
        assert response.status == 200
        answer: Document = (await response.json())["response"]
        return answer


def add_pod(cloud: Cloud, name: str, label: str, owner_kind: str, owner: str, uid: str) -> None:
    owners = [{"apiVersion": "v1", "kind": owner_kind, "name": owner, "uid": uid, "controller": True}]
    metadata = {
        "name": name,
        "namespace": "default",
        "labels": {"kubevirt.io": label},
        "ownerReferences": owners,
    }
    document = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": "node1"}}
    cloud.add(kinds.POD, document)


@pytest_asyncio.fixture
async def guest(cloud: Cloud) -> str:
    """A guest that can move, and its pod; the UID of the former."""
    cloud.add_vmi(conditions=["LiveMigratable"], spec={"evictionStrategy": "LiveMigrate"})
    uid = cloud.uid(kinds.VMI)
    add_pod(cloud, "virt-launcher-vm1", "virt-launcher", "VirtualMachineInstance", "vm1", uid)
    return uid


async def test_a_guest_is_marked_and_the_pod_kept(cloud: Cloud, guest: str) -> None:
    answer = await evict(cloud, "virt-launcher-vm1")
    assert not answer["allowed"]
    assert (answer["status"]["code"], answer["status"]["reason"]) == (429, "TooManyRequests")
    assert 'Eviction triggered evacuation of VMI "default/vm1"' in answer["status"]["message"]
    assert cloud.api.server.get(kinds.VMI, Key("default", "vm1"))["status"]["evacuationNodeName"] == "node1"
    again = await evict(cloud, "virt-launcher-vm1")
    assert again["status"]["message"].startswith("Evacuation in progress: ")


@pytest.mark.parametrize("options", [{"dry_run": True}, {"deleteOptions": {"dryRun": ["All"]}}])
async def test_a_dry_run_marks_nothing(cloud: Cloud, guest: str, options: Document) -> None:
    answer = await evict(cloud, "virt-launcher-vm1", **options)
    assert answer["status"]["code"] == 429
    assert not cloud.api.patches


async def test_others_pods_go(cloud: Cloud, guest: str) -> None:
    add_pod(cloud, "virt-launcher-false", "virt-launcher", "VirtualMachineInstance", "vm1", "another")
    add_pod(cloud, "virt-launcher-odd", "web", "ReplicaSet", "web", "u")
    for name in ("virt-launcher-false", "virt-launcher-odd", "virt-launcher-gone"):
        assert (await evict(cloud, name))["allowed"], name


async def test_volumes_are_kept_for_the_pod_that_uses_them(cloud: Cloud, guest: str) -> None:
    uid = cloud.api.server.get(kinds.POD, Key("default", "virt-launcher-vm1"))["metadata"]["uid"]
    add_pod(cloud, "hp-volume-a", "hotplug-disk", "Pod", "virt-launcher-vm1", uid)
    add_pod(cloud, "hp-volume-b", "hotplug-disk", "Pod", "virt-launcher-vm1", "an older one")
    assert (await evict(cloud, "hp-volume-a"))["status"]["code"] == 429
    assert (await evict(cloud, "hp-volume-b"))["allowed"]


async def test_a_second_migration_of_a_guest_is_refused(cloud: Cloud, guest: str) -> None:
    migration: Document = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstanceMigration",
        "metadata": {"name": "first", "namespace": "default"},
        "spec": {"vmiName": "vm1"},
    }
    request = {"uid": "r1", "namespace": "default", "object": migration, "userInfo": {"username": "alice"}}
    assert (await ask(cloud, "/migration-validate-create", request))["allowed"]
    cloud.add(MIGRATION, migration)
    answer = await ask(cloud, "/migration-validate-create", request)
    assert "Active migration job (first)" in answer["status"]["message"]
    for name in (None, 3, "nobody"):
        odd = request | {"object": migration | {"spec": {"vmiName": name}}}
        assert not (await ask(cloud, "/migration-validate-create", odd))["allowed"]
