"""Pods of machines at admission: others mount something into them, and virt-api, asked again, shares just that."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio
import msgspec
import trustme
from aiohttp import web

from kubevirt_py.api import kinds, names
from kubevirt_py.kube.client import Client
from kubevirt_py.plan import Document, Key
from kubevirt_py.reconcile.http import Listen, serving
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.install.documents import kind_of
from kubevirt_py.render.launcher_pod import launcher_pod
from kubevirt_py.render.review import Request, Verdict
from kubevirt_py.render.webhooks import mutating_webhooks
from kubevirt_py.virt_api.webhooks import Admission, add_webhooks

EFFECTIVE_S = 30.0
PATH = "/var/run/secrets/cloud"
INJECT = "/inject"


class Injector:
    """A webhook of somebody else, such as that of a cloud's identities: a token for every pod that wants one."""

    def __init__(self) -> None:
        self.admission = Admission(ClusterConfig, (), lambda: "", lambda: datetime.now(UTC))
        self.asked: list[str] = []

    def inject(self, request: Request) -> Verdict:
        volume = {"name": "cloud", "projected": {"sources": [{"configMap": {"name": "words"}}]}}
        mount = {"name": "cloud", "mountPath": PATH, "readOnly": True}
        place = "/spec/containers/0/volumeMounts/-"
        ops = ({"op": "add", "path": "/spec/volumes/-", "value": volume}, {"op": "add", "path": place, "value": mount})
        wanted = (request.new["metadata"].get("labels") or {}).get("cloud") == "yes"
        there = any(one["name"] == "cloud" for one in request.new["spec"]["volumes"])
        return Verdict(ops if wanted and not there else ())

    def share(self, request: Request) -> Verdict:
        self.asked.append(request.new["metadata"]["name"])
        return self.admission.share_container_paths(request)


@asynccontextmanager
async def admitting(client: Client, namespace: str, injector: Injector) -> AsyncIterator[None]:
    """Both webhooks at work in this namespace, ours before the other one."""
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    bundle = base64.b64encode(authority.cert_pem.bytes()).decode()
    (ours,) = [
        webhook
        for webhook in mutating_webhooks(bundle, names.NAMESPACE, container_paths=True)["webhooks"]
        if webhook["rules"][0]["resources"] == ["pods"]
    ]
    path = ours["clientConfig"]["service"]["path"]
    other: Document = {
        "name": "injector.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
    }
    app = web.Application()
    add_webhooks(app, {path: injector.share, INJECT: injector.inject})
    places: list[tuple[Any, Key]] = []
    try:
        async with serving(app, Listen("127.0.0.1", 0, tls)) as port:
            for name, webhook, at in (("a-ours", ours, path), ("b-other", other, INJECT)):
                webhook["clientConfig"] = {"url": f"https://127.0.0.1:{port}{at}", "caBundle": bundle}
                webhook["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
                document: Document = {
                    "apiVersion": "admissionregistration.k8s.io/v1",
                    "kind": "MutatingWebhookConfiguration",
                    "metadata": {"name": f"{name}-{namespace}"},
                    "webhooks": [webhook],
                }
                places.append((kind_of(document), Key("", document["metadata"]["name"])))
                await client.apply(*places[-1], document, manager="tests")
            with anyio.fail_after(EFFECTIVE_S):
                while not servers(await admitted(client, namespace, "probe", cloud="yes", dry_run=True)):
                    pass
            injector.asked.clear()
            yield
    finally:
        for place in places:
            await client.delete(*place)


async def admitted(
    client: Client, namespace: str, name: str, *, dry_run: bool = False, shares: bool = True, **labels: str
) -> Document:
    """The pod of a machine as the API server stores it."""
    filesystems = [{"name": "tokens", "virtiofs": {}}] if shares else []
    spec = {
        "domain": {"memory": {"guest": "64Mi"}, "devices": {"filesystems": filesystems}},
        "volumes": [{"name": "tokens", "containerPath": {"path": PATH}}] if shares else [],
    }
    vmi = {"metadata": {"name": name, "namespace": namespace, "uid": name, "labels": labels}, "spec": spec}
    pod = launcher_pod(vmi, ClusterConfig(), "localhost/none:v1")
    del pod["metadata"]["ownerReferences"]
    pod["metadata"]["name"] = name
    stored: Document = msgspec.json.decode(await client.create(kinds.POD, namespace, pod, dry_run=dry_run))
    return stored


def servers(pod: Document) -> list[str]:
    return [one["name"] for one in pod["spec"].get("initContainers") or ()]


async def test_what_is_mounted_after_us_is_shared_all_the_same(admin_client: Client, namespace: str) -> None:
    injector = Injector()
    async with admitting(admin_client, namespace, injector):
        pod = await admitted(admin_client, namespace, "wants", cloud="yes")
        assert injector.asked == ["wants", "wants"]
        (server,) = pod["spec"]["initContainers"]
        assert server["name"] == "virtiofs-tokens" and server["restartPolicy"] == "Always"
        assert {mount["name"]: mount["mountPath"] for mount in server["volumeMounts"]} == {
            "virtiofs-containers": "/var/run/kubevirt/virtiofs-containers",
            "cloud": "/virtiofs-data/tokens",
        }
        assert [mount.get("readOnly", False) for mount in server["volumeMounts"]] == [False, True]


async def test_pods_without_anything_there_come_as_they_are(admin_client: Client, namespace: str) -> None:
    injector = Injector()
    async with admitting(admin_client, namespace, injector):
        assert servers(await admitted(admin_client, namespace, "lacks")) == []
        assert injector.asked == ["lacks"]
        assert servers(await admitted(admin_client, namespace, "shares-none", shares=False, cloud="yes")) == []
        assert injector.asked == ["lacks"]
