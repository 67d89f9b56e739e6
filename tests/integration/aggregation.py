"""virt-api behind the aggregation layer of a real API server, with the rights it has in a cluster.

The API server reaches it by a Service of type ExternalName; node agents are played by `FakeAgent`.
"""

from __future__ import annotations

import base64
import ssl
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import msgspec

from kubevirt_py.api import kinds, names
from kubevirt_py.api.crd import crd
from kubevirt_py.api.crd_kinds import KINDS
from kubevirt_py.kube.client import Client
from kubevirt_py.kube.connect import kubeconfig_client
from kubevirt_py.kube.tls import ReloadingServerContext, client_context
from kubevirt_py.plan import Document, Key, Kind
from kubevirt_py.reconcile.http import Listen, serving
from kubevirt_py.reconcile.manager import Manager
from kubevirt_py.render import roles
from kubevirt_py.render.install import rbac
from kubevirt_py.render.install.documents import kind_of
from kubevirt_py.render.webhooks import api_services
from kubevirt_py.virt_api.agents import Agents
from kubevirt_py.virt_api.app import build
from kubevirt_py.virt_api.auth import CONFIG_MAP_KEY, SUBJECT_ACCESS_REVIEW, FrontProxy
from kubevirt_py.virt_api.settings import Settings
from tests.behaviour.kinds import NAMESPACE
from tests.integration.definitions import install_crd
from tests.unit.virt_api.apilab import FakeAgent, Pki

AVAILABLE_S = 60.0
NODE = "node1"
USERS = {
    "none": "system:anonymous",
    "default": "user-default",
    "view": "user-view",
    "edit": "user-edit",
    "admin": "user-admin",
    "migrate": "user-migrate",
    "cluster-admin": "user-cluster-admin",
}
"""A user of each role. Every user who is signed in has `default`, which `none` therefore is not."""
ROLES = {"view": "kubevirt.io:view", "edit": "kubevirt.io:edit", "admin": "kubevirt.io:admin"}
ROLES |= {"migrate": "kubevirt.io:migrate", "cluster-admin": "cluster-admin"}


class ReviewingClient(Client):
    """Counts the access reviews it asks for."""

    reviews = 0

    async def create(self, kind: Kind[Any], namespace: str, body: Document | bytes, *, dry_run: bool = False) -> bytes:
        if kind == SUBJECT_ACCESS_REVIEW:
            self.reviews += 1
        return await super().create(kind, namespace, body, dry_run=dry_run)


@dataclass
class Aggregated:
    """What a test needs."""

    admin: Client
    api: ReviewingClient
    agent: FakeAgent
    settings: Settings
    namespace: str
    url: str
    """virt-api itself."""
    session: aiohttp.ClientSession
    """To the API server, as an administrator who may impersonate."""
    front_proxy: ssl.SSLContext
    """With the certificate that the API server shows to virt-api."""
    pki: Pki
    folder: Path
    """Certificates of the API server."""

    def stranger(self, certificate: str = "") -> ssl.SSLContext:
        """A client of virt-api with a certificate of the API server's folder, or with none."""
        context = self.pki.client(None, None)
        if certificate:
            context.load_cert_chain(self.folder / f"{certificate}.crt", self.folder / f"{certificate}.key")
        return context


@asynccontextmanager
async def aggregated(kubeconfig: Path, folder: Path) -> AsyncIterator[Aggregated]:
    """virt-api is served, and the API server finds it available."""
    pki, agent = Pki(folder), FakeAgent()
    namespace = f"t-{uuid.uuid4().hex[:8]}"
    account = f"system:serviceaccount:{namespace}:kubevirt-apiserver"
    async with kubeconfig_client(str(kubeconfig)) as admin, kubeconfig_client(str(kubeconfig), user=account) as plain:
        await admin.create(NAMESPACE, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        for kind in KINDS:
            if kind.group == "kubevirt.io":
                await install_crd(admin, crd(kind))
        await _grant(admin, namespace)
        api = ReviewingClient(plain.base_url, plain._credentials)
        config_map = msgspec.json.decode(await api.get(kinds.CONFIG_MAP, CONFIG_MAP_KEY))
        settings = Settings(FrontProxy.from_config_map(config_map["data"]))
        own = pki.directory("virt-api", pki.cluster, f"virt-api.{namespace}.svc", "localhost", common_name="virt-api")
        served = ReloadingServerContext(own, settings.ca_path, False)
        agent_dir = pki.directory("agent", pki.cluster, "virt-handler", common_name="virt-handler")
        agent_tls = ReloadingServerContext(agent_dir, pki.cluster_ca, True)
        client_dir = pki.directory("client", pki.cluster, "client.test", common_name=names.HANDLER_CLIENT)
        async with api, serving(agent.app(), Listen("127.0.0.1", 0, agent_tls.context)) as agent_port:
            reach = client_context(client_dir, pki.cluster_ca, "virt-handler")
            async with Agents(api, namespace, reach, agent_port) as agents:
                app = build(api, Manager(api, name="virt-api"), settings, agents, namespace)
                session = aiohttp.ClientSession(admin.base_url, connector=_connector(admin._credentials.tls()))
                async with serving(app, Listen("127.0.0.1", 0, served.context)) as port, session:
                    await _register(admin, namespace, port, pki)
                    certificates = kubeconfig.parent
                    front_proxy = pki.client(None, None)
                    front_proxy.load_cert_chain(certificates / "front-proxy.crt", certificates / "front-proxy.key")
                    url = f"https://localhost:{port}"
                    found = Aggregated(
                        admin, api, agent, settings, namespace, url, session, front_proxy, pki, certificates
                    )
                    await _add_agent(found)
                    yield found
                    for document in api_services("", namespace):
                        await admin.delete(kind_of(document), Key("", document["metadata"]["name"]))


def _connector(tls: ssl.SSLContext | bool) -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(ssl=tls)


async def _grant(admin: Client, namespace: str) -> None:
    """Roles as the operator makes them, bound to our users; virt-api's own account as in a cluster."""
    documents: list[Document] = [*roles.cluster_roles(), *roles.cluster_role_bindings()]
    documents += rbac.account_rbac(namespace, "kubevirt-apiserver", rbac.API)
    documents.append(rbac._auth_reader(namespace, "kubevirt-apiserver"))
    for user, role in ROLES.items():
        documents.append(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": USERS[user]},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USERS[user]}],
            }
        )
    for document in documents:
        meta = document["metadata"]
        key = Key(meta.get("namespace", ""), meta["name"])
        await admin.apply(kind_of(document), key, document, manager="tests")


async def _register(admin: Client, namespace: str, port: int, pki: Pki) -> None:
    service: Document = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "virt-api", "namespace": namespace},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    }
    await admin.apply(kind_of(service), Key(namespace, "virt-api"), service, manager="tests")
    bundle = base64.b64encode(pki.cluster.cert_pem.bytes()).decode()
    for document in api_services(bundle, namespace):
        document["spec"]["service"]["port"] = port
        kind, key = kind_of(document), Key("", document["metadata"]["name"])
        await admin.apply(kind, key, document, manager="tests")
        async with _events(admin, kind, key.name) as events:
            async for line in events:
                status = msgspec.json.decode(line)["object"].get("status", {})
                conditions = {each["type"]: each["status"] for each in status.get("conditions") or ()}
                if conditions.get("Available") == "True":
                    break


@asynccontextmanager
async def _events(admin: Client, kind: Kind[Any], name: str) -> AsyncIterator[AsyncIterator[bytes]]:
    with anyio.fail_after(AVAILABLE_S):
        async with aclosing(admin.watch(kind, fields=f"metadata.name={name}", initial=True)) as lines:
            yield lines


async def _add_agent(found: Aggregated) -> None:
    """The pod by which virt-api finds the node's agent."""
    pod: Document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "virt-handler-x", "namespace": found.namespace, "labels": {"kubevirt.io": "virt-handler"}},
        "spec": {"nodeName": NODE, "containers": [{"name": "virt-handler", "image": "registry.test/x"}]},
    }
    await found.admin.create(kinds.POD, found.namespace, pod)
    status = {"status": {"phase": "Running", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}}
    await found.admin.merge_patch(kinds.POD, Key(found.namespace, "virt-handler-x"), status, subresource="status")


async def add_machine(
    found: Aggregated, name: str, *, strategy: str = "Always", conditions: Mapping[str, str] | None = None
) -> None:
    """A VM; unless it is Halted with an instance that runs on our node."""
    meta = {"name": name, "namespace": found.namespace}
    spec = {"domain": {"devices": {"clientPassthrough": {}}}}
    vm: Document = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": meta,
        "spec": {"runStrategy": strategy, "template": {"spec": spec}},
    }
    stored = msgspec.json.decode(await found.admin.create(kinds.VM, found.namespace, vm))
    if strategy == "Halted":
        return
    key = Key(found.namespace, name)
    await found.admin.merge_patch(kinds.VM, key, {"status": {"created": True}}, subresource="status")
    owner = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": name, "uid": stored["metadata"]["uid"]}
    vmi: Document = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": meta | {"ownerReferences": [owner | {"controller": True}]},
        "spec": spec,
        "status": {
            "phase": "Running",
            "nodeName": NODE,
            "conditions": [{"type": kind, "status": value} for kind, value in (conditions or {}).items()],
            "interfaces": [{"name": "default", "ipAddress": "127.0.0.1"}],
        },
    }
    await found.admin.create(kinds.VMI, found.namespace, vmi)


async def add_kubevirt(found: Aggregated) -> None:
    """A KubeVirt resource that says what is deployed."""
    kubevirt: Document = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "KubeVirt",
        "metadata": {"name": "kubevirt", "namespace": found.namespace},
        "spec": {},
    }
    await found.admin.create(kinds.KUBEVIRT, found.namespace, kubevirt)
    status = {"observedKubeVirtRegistry": "registry.test", "observedKubeVirtVersion": "v1"}
    key = Key(found.namespace, "kubevirt")
    await found.admin.merge_patch(kinds.KUBEVIRT, key, {"status": status}, subresource="status")
