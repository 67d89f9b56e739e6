"""A real API server takes our CRDs and stores every field of every kind, unpruned."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import anyio
import msgspec
import pytest

from kubevirt_py.api.crd import crd
from kubevirt_py.api.crd_kinds import KINDS, CustomKind
from kubevirt_py.kube.client import Client
from kubevirt_py.kube.errors import Invalid
from kubevirt_py.plan import Document, Key, Kind
from tests.behaviour.filled import filled
from tests.integration.definitions import install_crd

WANTED_SPEC: dict[str, Document] = {
    "VirtualMachineBackup": {"source": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "x"}},
    "VirtualMachineBackupTracker": {"source": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "x"}},
}
"""What CEL rules ask for beyond the schema."""


@cache
def definition(kind: CustomKind) -> Document:
    return crd(kind)


def kind_of(kind: CustomKind, version: str) -> Kind[Any]:
    return Kind(kind.group, version, kind.kind, kind.plural, dict, namespaced=kind.namespaced)


def full_object(kind: CustomKind, version: str, name: str, namespace: str) -> Document:
    schema = definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    document: Document = filled(schema)
    document["apiVersion"], document["kind"] = f"{kind.group}/{version}", kind.kind
    document["metadata"] = {"name": name} | ({"namespace": namespace} if kind.namespaced else {})
    document["spec"] |= WANTED_SPEC.get(kind.kind, {})
    return document


@pytest.fixture
async def api(admin_client: Client) -> Client:
    async with anyio.create_task_group() as tasks:
        for kind in KINDS:
            tasks.start_soon(install_crd, admin_client, definition(kind))
    return admin_client


def decoded(body: bytes) -> Document:
    document: Document = msgspec.json.decode(body)
    return document


async def test_every_field_of_every_kind_and_version_is_stored(api: Client, namespace: str) -> None:
    for kind in KINDS:
        for version in kind.versions:
            await stored_whole(api, kind, version.name, namespace)


async def stored_whole(api: Client, kind: CustomKind, version: str, namespace: str) -> None:
    served = kind_of(kind, version)
    name = f"{namespace}-{version}"
    key = Key(namespace if kind.namespaced else "", name)
    document = full_object(kind, version, name, namespace)
    await api.create(served, key.namespace, copy.deepcopy(document))
    if "status" in kind.subresources:
        await api.merge_patch(served, key, {"status": document["status"]}, subresource="status")
    for other in kind.versions:
        found = decoded(await api.get(kind_of(kind, other.name), key))
        for part in document.keys() - {"apiVersion", "kind", "metadata"}:
            assert found[part] == document[part], difference(document[part], found.get(part), f"{kind.kind}.{part}")
    await api.delete(served, key)  # the server is shared, and no controller could make sense of it


def difference(wanted: Any, found: Any, path: str) -> str:
    """The first place where two documents differ."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in sorted(wanted.keys() | found.keys()):
            if wanted.get(key) != found.get(key):
                return difference(wanted.get(key), found.get(key), f"{path}.{key}")
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for index, pair in enumerate(zip(wanted, found, strict=True)):
            if pair[0] != pair[1]:
                return difference(*pair, f"{path}[{index}]")
    return f"{path}: stored {json.dumps(found)}, wanted {json.dumps(wanted)}"


async def test_the_schema_refuses_wrong_types_and_names_the_field(api: Client, namespace: str) -> None:
    kind = next(kind for kind in KINDS if kind.kind == "VirtualMachine")
    document = full_object(kind, "v1", "wrong", namespace)
    document["spec"]["template"]["spec"]["domain"]["memory"]["guest"] = "64 MB"
    document["spec"]["template"]["spec"]["domain"]["cpu"]["cores"] = "two"
    with pytest.raises(Invalid) as caught:
        await api.create(kind_of(kind, "v1"), namespace, document)
    assert {cause.field for cause in caught.value.causes} >= {
        "spec.template.spec.domain.memory.guest",
        "spec.template.spec.domain.cpu.cores",
    }


async def test_a_backup_cannot_be_redirected(api: Client, namespace: str) -> None:
    kind = next(kind for kind in KINDS if kind.kind == "VirtualMachineBackup")
    served = kind_of(kind, "v1alpha1")
    await api.create(served, namespace, full_object(kind, "v1alpha1", "fixed", namespace))
    with pytest.raises(Invalid) as caught:
        await api.merge_patch(served, Key(namespace, "fixed"), {"spec": {"pvcName": "other"}})
    assert "cannot be changed once created" in caught.value.message


async def test_the_printer_columns_are_those_people_know(api: Client, namespace: str) -> None:
    path = f"/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachineinstances"
    table = decoded(await api.request("GET", path, headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}))
    names = [column["name"] for column in table["columnDefinitions"]]
    assert names == ["Name", "Age", "Phase", "IP", "NodeName", "Ready", "Live-Migratable", "Paused"]
