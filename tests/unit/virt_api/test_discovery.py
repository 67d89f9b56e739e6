"""What the API tells of itself, and how the process is watched."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import aiohttp
import anyio

from kubevirt_py.api import kinds
from kubevirt_py.api.subresources import ROUTES, VERSIONS
from kubevirt_py.kube.tls import ReloadingServerContext
from kubevirt_py.plan import Key
from kubevirt_py.reconcile.manager import Manager
from kubevirt_py.virt_api import discovery
from kubevirt_py.virt_api.app import follow
from kubevirt_py.virt_api.auth import FrontProxy
from kubevirt_py.virt_api.settings import Settings
from tests.unit.virt_api.apilab import BASE, Cloud, Pki, RecordingApi

OF_EVERY_OBJECT = {"apiVersion", "kind", "metadata"}


async def _get(cloud: Cloud, path: str) -> Any:
    """As somebody without a certificate: all of this is open."""
    connector = aiohttp.TCPConnector(ssl=cloud.pki.client(None, None))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"{cloud.url}{path}") as response,
    ):
        assert response.status == 200, path
        return await response.json()


async def test_groups_and_versions(cloud: Cloud) -> None:
    group = await _get(cloud, "/apis/subresources.kubevirt.io")
    assert group["name"] == "subresource.kubevirt.io"
    assert group["preferredVersion"]["version"] == "v1"
    assert [each["version"] for each in group["versions"]] == ["v1", "v1alpha3"]
    (listed,) = (await _get(cloud, "/apis"))["groups"]
    assert listed["name"] == "subresources.kubevirt.io"
    assert "/apis" in (await _get(cloud, "/"))["paths"]


async def test_resources(cloud: Cloud) -> None:
    for version in VERSIONS:
        for slash in ("", "/"):
            found = await _get(cloud, f"/apis/subresources.kubevirt.io/{version}{slash}")
            assert (found["kind"], found["groupVersion"]) == ("APIResourceList", f"subresources.kubevirt.io/{version}")
            verbs = {each["name"]: each["verbs"] for each in found["resources"]}
            assert verbs["virtualmachines/start"] == ["update"]
            assert verbs["virtualmachineinstances/vnc/screenshot"] == ["get"]
            assert verbs["expand-vm-spec"] == ["update"]


def test_openapi_describes_every_route(golden: Any) -> None:
    paths = {f"/apis/subresources.kubevirt.io/v1{template}" for route in ROUTES for template in route.templates}
    assert paths <= set(discovery.openapi_v2()["paths"])
    assert paths == set(discovery.openapi_v3("v1")["paths"])
    for document in (discovery.openapi_v2(), discovery.openapi_v3("v1")):
        identities = [each["operationId"] for path in document["paths"].values() for each in path.values()]
        assert len(identities) == len(set(identities))
    golden.check("virt_api/openapi_v3.json", json.dumps(discovery.openapi_v3("v1"), indent=1) + "\n")


def references(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        for key, value in document.items():
            yield from [value] if key == "$ref" else references(value)
    elif isinstance(document, list):
        for value in document:
            yield from references(value)


def test_openapi_describes_bodies_answers_and_parameters() -> None:
    for document, prefix in (
        (discovery.openapi_v2(), "#/definitions/"),
        (discovery.openapi_v3("v1alpha3"), "#/components/schemas/"),
    ):
        defined = document.get("definitions") or document["components"]["schemas"]
        used = {reference.removeprefix(prefix) for reference in references(document)}
        assert used == set(defined)
        for schema in defined.values():
            assert schema["description"]
            fields = schema.get("properties", {})
            assert [name for name in fields.keys() - OF_EVERY_OBJECT if not fields[name].get("description")] == []
    paths = discovery.openapi_v3("v1")["paths"]
    for route in ROUTES:
        for template in route.templates:
            operation = paths[f"/apis/subresources.kubevirt.io/v1{template}"][route.method.lower()]
            assert ("requestBody" in operation) == bool(route.body)
            given = {each["name"] for each in operation["parameters"]}
            assert given == {name for name, _ in route.query} | set(re.findall(r"{(\w+)}", template))
            assert ("101" if route.stream else str(route.code)) in operation["responses"]
            assert ("501" in operation["responses"]) == bool(route.later)


async def test_openapi_is_served(cloud: Cloud) -> None:
    assert (await _get(cloud, "/openapi/v2"))["swagger"] == "2.0"
    index = await _get(cloud, "/openapi/v3")
    for entry in index["paths"].values():
        assert (await _get(cloud, entry["serverRelativeURL"]))["openapi"] == "3.0.0"


async def test_version_and_health(cloud: Cloud) -> None:
    version = await _get(cloud, f"{BASE}/version")
    assert set(version) == {
        "gitVersion",
        "gitCommit",
        "gitTreeState",
        "buildDate",
        "goVersion",
        "compiler",
        "platform",
    }
    assert (await _get(cloud, f"{BASE}/healthz"))["apiserver"]["connectivity"] == "ok"
    assert (await _get(cloud, "/healthz"))["config-resource-version"] == "0"
    connector = aiohttp.TCPConnector(ssl=cloud.pki.client(None, None))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"{cloud.url}/metrics") as response,
    ):
        assert "kubevirt_" in await response.text()


async def test_unknown_paths_and_methods_are_statuses(cloud: Cloud) -> None:
    for method, path, code in (("GET", "/nowhere", 404), ("DELETE", f"{BASE}/version", 405)):
        async with cloud.session.request(method, path) as response:
            status = await response.json()
        assert (response.status, status["kind"], status["code"]) == (code, "Status", code)


def _config_map(pki: Pki, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system"},
        "data": {
            "requestheader-client-ca-file": pki.proxy.cert_pem.bytes().decode(),
            "requestheader-allowed-names": json.dumps([name]),
        },
    }


async def test_changes_in_the_cluster_are_followed(pki: Pki) -> None:
    """The CR's settings, and a new authority of the front proxy, which new handshakes then trust."""
    api = RecordingApi()
    settings = Settings(FrontProxy(ca=pki.cluster.cert_pem.bytes().decode(), allowed_names=("old",)))
    own = pki.directory("virt-api", pki.cluster, "localhost", common_name="virt-api")
    tls = ReloadingServerContext(own, settings.ca_path, False)
    manager = Manager(api, name="virt-api")
    follow(manager, settings)
    spec = {"configuration": {"developerConfiguration": {"useEmulation": True}}}
    kubevirt = {"apiVersion": "kubevirt.io/v1", "kind": "KubeVirt", "metadata": {"name": "kubevirt"}, "spec": spec}
    stored = api.server.create(kinds.KUBEVIRT, "kubevirt", kubevirt)
    api.server.create(kinds.CONFIG_MAP, "kube-system", _config_map(pki, "new"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(manager.serve)
        for store in manager.stores:
            await store.wait_synced()
        assert settings.config.use_emulation
        assert settings.health() == {"config-resource-version": stored["metadata"]["resourceVersion"]}
        assert settings.proxy.allowed_names == ("new",)
        assert tls.reload()
        api.server.delete(kinds.KUBEVIRT, Key("kubevirt", "kubevirt"))
        manager.stop()
    assert settings.config.use_emulation
