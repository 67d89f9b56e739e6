"""virt-api in the process, over real TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from kubevirt_py.api import kinds
from kubevirt_py.kube.tls import ReloadingServerContext, client_context
from kubevirt_py.reconcile.http import Listen, serving
from kubevirt_py.reconcile.manager import Manager
from kubevirt_py.virt_api.agents import Agents
from kubevirt_py.virt_api.app import build
from kubevirt_py.virt_api.auth import FrontProxy
from kubevirt_py.virt_api.settings import Settings
from tests.unit.virt_api.apilab import NAMESPACE, PROXY_NAME, Cloud, FakeAgent, Pki, RecordingApi


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


@pytest_asyncio.fixture
async def cloud(pki: Pki) -> AsyncIterator[Cloud]:
    server_name, client_name = "kubevirt.io:system:node:virt-handler", "kubevirt.io:system:client:virt-handler"
    api, agent = RecordingApi(), FakeAgent()
    settings = Settings(FrontProxy(ca=pki.proxy.cert_pem.bytes().decode(), allowed_names=(PROXY_NAME,)))
    own = pki.directory("virt-api", pki.cluster, "localhost", "127.0.0.1", common_name="virt-api")
    agent_dir = pki.directory("agent", pki.cluster, "virt-handler", common_name=server_name)
    agent_client = pki.directory("client", pki.cluster, "client.test", common_name=client_name)
    agent_tls = ReloadingServerContext(agent_dir, pki.cluster_ca, True)
    tls = ReloadingServerContext(own, settings.ca_path, False)
    async with serving(agent.app(), Listen("127.0.0.1", 0, agent_tls.context)) as agent_port:
        reach = client_context(agent_client, pki.cluster_ca, "virt-handler")
        async with Agents(api, NAMESPACE, reach, agent_port) as agents:
            app = build(api, Manager(api, name="virt-api"), settings, agents, NAMESPACE)
            connector = aiohttp.TCPConnector(ssl=pki.client(pki.proxy, PROXY_NAME))
            headers = {"X-Remote-User": "alice", "X-Remote-Group": "dev"}
            async with (
                serving(app, Listen("127.0.0.1", 0, tls.context)) as port,
                aiohttp.ClientSession(f"https://localhost:{port}", connector=connector, headers=headers) as session,
            ):
                cloud = Cloud(api, agent, pki, f"https://localhost:{port}", session, app)
                cloud.add(
                    kinds.POD,
                    {
                        "apiVersion": "v1",
                        "kind": "Pod",
                        "metadata": {
                            "name": "virt-handler-x",
                            "namespace": NAMESPACE,
                            "labels": {"kubevirt.io": "virt-handler"},
                        },
                        "spec": {"nodeName": "node1"},
                        "status": {"phase": "Running", "podIP": "127.0.0.1"},
                    },
                )
                yield cloud
