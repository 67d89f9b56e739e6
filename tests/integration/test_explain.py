"""What `kubectl explain` and `kubectl get` show of our kinds, by the real API server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
import yaml

from kubevirt_py.api.crd import crd
from kubevirt_py.api.crd_kinds import KINDS, CustomKind
from kubevirt_py.kube.client import Client
from kubevirt_py.kube.errors import NotFound
from kubevirt_py.plan import Document, Key, Kind
from tests.integration.definitions import install_crd

CONTRACT = yaml.safe_load((Path(__file__).parents[1] / "contract/data/kinds.yaml").read_text())
SHOWN = ("vm", "vmi", "vmirs", "vmpool", "vmim", "kubevirt")
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
PUBLISHED_S = 30
SPEC = {"domain": {"devices": {}}}
CONDITIONS = [
    {"type": name, "status": value}
    for name, value in (("Ready", "True"), ("LiveMigratable", "False"), ("Paused", "False"))
]
SCALED = {"replicas": 2, "readyReplicas": 1}
OBJECTS: dict[str, tuple[Document, Document, dict[str, Any]]] = {
    "vm": (
        {"runStrategy": "Halted", "template": {"spec": SPEC}},
        {"printableStatus": "Stopped", "conditions": CONDITIONS[:1]},
        {"Status": "Stopped", "Ready": "True"},
    ),
    "vmi": (
        SPEC,
        {
            "phase": "Running",
            "nodeName": "node1",
            "conditions": CONDITIONS,
            "interfaces": [{"ipAddress": "10.0.0.1"}],
        },
        {
            "Phase": "Running", "IP": "10.0.0.1", "NodeName": "node1", "Ready": "True", "Live-Migratable": "False",
            "Paused": "False",
        },
    ),
    "vmirs": (
        {"replicas": 3, "selector": {}, "template": {"spec": SPEC}},
        SCALED,
        {"Desired": 3, "Current": 2, "Ready": 1},
    ),
    "vmpool": (
        {"replicas": 3, "selector": {}, "virtualMachineTemplate": {"spec": {"template": {"spec": SPEC}}}},
        SCALED,
        {"Desired": 3, "Current": 2, "Ready": 1},
    ),
    "vmim": ({"vmiName": "vm1"}, {"phase": "Running"}, {"Phase": "Running", "VMI": "vm1"}),
    "kubevirt": ({}, {"phase": "Deployed"}, {"Phase": "Deployed"}),
}  # fmt: skip
"""Spec, status, and what the columns show of them."""


def named(short: str) -> CustomKind:
    return next(kind for kind in KINDS if short in (*kind.short_names, kind.kind.lower()))


def served(kind: CustomKind) -> Kind[Any]:
    return Kind(kind.group, kind.versions[0].name, kind.kind, kind.plural, dict, namespaced=kind.namespaced)


@pytest.mark.parametrize("short", SHOWN)
async def test_columns_are_upstreams_and_show_what_is_stored(admin_client: Client, namespace: str, short: str) -> None:
    kind = named(short)
    await install_crd(admin_client, crd(kind))
    spec, status, shown = OBJECTS[short]
    key = Key(namespace, "one")
    body = {
        "apiVersion": f"{kind.group}/{kind.versions[0].name}",
        "kind": kind.kind,
        "metadata": {"name": key.name},
        "spec": spec,
    }
    if "status" not in kind.subresources:
        body["status"] = status
    await admin_client.create(served(kind), namespace, body)
    if "status" in kind.subresources:
        await admin_client.merge_patch(served(kind), key, {"status": status}, subresource="status")
    wanted = next(each for each in CONTRACT if each["kind"] == kind.kind)
    for version in wanted["versions"]:
        path = f"/apis/{kind.group}/{version['name']}/namespaces/{namespace}/{kind.plural}"
        table = msgspec.json.decode(await admin_client.request("GET", path, headers=TABLE))
        columns = [
            " | ".join([column["name"], column["type"], *([str(column["priority"])] if column["priority"] else [])])
            for column in table["columnDefinitions"]
        ]
        parts = [column.split(" | ") for column in version["columns"]]
        assert columns[1:] == [" | ".join([name, kind_, *rest]) for name, kind_, _, *rest in parts]
        (row,) = table["rows"]
        names = [column["name"] for column in table["columnDefinitions"]]
        cells = dict(zip(names, row["cells"], strict=True))
        assert cells["Name"] == "one"
        assert {name: cells[name] for name in shown} == shown


async def test_fields_are_explained_in_our_words(admin_client: Client) -> None:
    kind = named("vmi")
    await install_crd(admin_client, crd(kind))
    with anyio.fail_after(PUBLISHED_S):
        schemas = await published(admin_client, kind)
    (root,) = (
        schema
        for schema in schemas.values()
        if {"group": kind.group, "kind": kind.kind, "version": "v1"}
        in schema.get("x-kubernetes-group-version-kind", ())
    )
    field: Document = root
    for name in ("spec", "domain", "devices", "disks"):
        field = field["properties"][name]
        assert field["description"], name
    ours = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for name in ("spec", "domain", "devices", "disks"):
        ours = ours["properties"][name]
    assert field["description"] == ours["description"]
    assert field["items"]["properties"].keys() == ours["items"]["properties"].keys()
    assert all(each["description"] for each in field["items"]["properties"].values())


async def published(client: Client, kind: CustomKind) -> Document:
    """Schemas of the kind's group, when the API server has published them."""
    while True:
        try:
            document = msgspec.json.decode(await client.request("GET", f"/openapi/v3/apis/{kind.group}/v1"))
        except NotFound:
            continue
        schemas: Document = document["components"]["schemas"]
        if any(name.endswith(f".{kind.kind}") for name in schemas):
            return schemas
