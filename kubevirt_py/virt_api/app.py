"""The virt-api process: one HTTPS port for admission, subresources, discovery, health and metrics."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import uuid4

import anyio
import msgspec
from aiohttp import web

from kubevirt_py import telemetry
from kubevirt_py.api import kinds, names
from kubevirt_py.api.subresources import VM, VMI
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.incluster import incluster_client
from kubevirt_py.kube.tls import ReloadingServerContext, client_context, keep_fresh
from kubevirt_py.live_config import Follower, log_as_told, serve_as_told, throttle_as_told
from kubevirt_py.reconcile.http import Listen, application, serving
from kubevirt_py.reconcile.manager import Manager
from kubevirt_py.render.webhooks import component_users
from kubevirt_py.virt_api.agents import Agents
from kubevirt_py.virt_api.answers import Handler, Refused, json_response, say_why
from kubevirt_py.virt_api.auth import CONFIG_MAP_KEY, FrontProxy, Gate
from kubevirt_py.virt_api.evacuation import Evacuation
from kubevirt_py.virt_api.expansion import Expansion
from kubevirt_py.virt_api.graph import Graph
from kubevirt_py.virt_api.installed import Installed
from kubevirt_py.virt_api.lifecycle import Lifecycle
from kubevirt_py.virt_api.memorydump import MemoryDump
from kubevirt_py.virt_api.proxy import Proxy
from kubevirt_py.virt_api.routes import add_discovery, add_subresources
from kubevirt_py.virt_api.settings import Settings
from kubevirt_py.virt_api.streams import Streams
from kubevirt_py.virt_api.version import version_info
from kubevirt_py.virt_api.volumes import Volumes
from kubevirt_py.virt_api.webhooks import Admission, add_webhooks

SERVER_CERTIFICATES = "/etc/virt-api/certificates"
AGENT_CERTIFICATES = "/etc/virt-handler/clientcertificates"
CA_BUNDLE = "/etc/kubevirt/ca/ca-bundle"
AGENT_NAME = "virt-handler"
"""DNS name in the certificates of all agents."""


def main(argv: list[str]) -> int:
    """Run virt-api until SIGTERM."""
    parser = argparse.ArgumentParser(prog="virt-api", description="Admission and the aggregated API of KubeVirt.")
    parser.add_argument("--port", type=int, default=8443, help="port of everything (HTTPS)")
    parser.add_argument("-v", "--verbosity", type=int, default=2)
    options = parser.parse_args(argv)
    telemetry.setup(names.VIRT_API, options.verbosity)
    agent_port = int(os.environ.get("VIRT_HANDLER_PORT", names.HANDLER_PORT))
    anyio.run(_run, os.environ.get("POD_NAMESPACE", names.NAMESPACE), options.port, agent_port, options.verbosity)
    return 0


async def _run(namespace: str, port: int, agent_port: int, verbosity: int) -> None:
    async with incluster_client() as api, incluster_client() as admission_api:
        config_map = msgspec.json.decode(await api.get(kinds.CONFIG_MAP, CONFIG_MAP_KEY))
        settings = Settings(FrontProxy.from_config_map(config_map.get("data") or {}))
        server_tls = ReloadingServerContext(SERVER_CERTIFICATES, settings.ca_path, False)
        agent_tls = client_context(AGENT_CERTIFICATES, CA_BUNDLE, AGENT_NAME)
        manager = Manager(api, name=names.VIRT_API)
        follow(
            manager,
            settings,
            (
                log_as_told("virtAPI", verbosity),
                throttle_as_told("api", api),
                throttle_as_told("webhook", admission_api),
                serve_as_told(server_tls),
            ),
        )
        async with Agents(api, namespace, agent_tls, agent_port) as agents, anyio.create_task_group() as tasks:
            tasks.start_soon(keep_fresh, server_tls, agent_tls)
            app = build(api, manager, settings, agents, namespace, admission_api)
            async with serving(app, Listen("", port, server_tls.context)):
                await manager.run()
            tasks.cancel_scope.cancel()


def follow(manager: Manager, settings: Settings, followers: Iterable[Follower] = ()) -> None:
    """Keep `settings` as new as the cluster, and tell the followers of each change of the configuration."""
    settings.follow_config(manager.store(kinds.KUBEVIRT), followers)
    settings.follow_presets(manager.store(kinds.PRESET))
    settings.follow_proxy(
        manager.store(
            kinds.CONFIG_MAP, namespace=CONFIG_MAP_KEY.namespace, fields=f"metadata.name={CONFIG_MAP_KEY.name}"
        )
    )


def build(
    api: Api,
    manager: Manager,
    settings: Settings,
    agents: Agents,
    namespace: str,
    admission_api: Api | None = None,
) -> web.Application:
    """Everything virt-api serves. `namespace` is the one our components run in; admission may ask by a client of
    its own, which keeps to a limit of its own."""

    def ready() -> bool:
        return all(store.synced for store in manager.stores)

    def health() -> tuple[bool, Mapping[str, Any]]:
        return True, {"apiserver": {"connectivity": "ok"}, **settings.health()}

    app = application(manager.metrics.registry, {"/healthz": health})
    app.middlewares.append(say_why)
    streams = Streams(api, agents)
    app.on_shutdown.append(streams.close_all)
    gate = Gate(api, lambda: settings.proxy)
    add_discovery(app)
    add_subresources(app, gate, handlers(api, agents, streams, settings, ready))
    admission = Admission(
        lambda: settings.config, component_users(namespace), lambda: str(uuid4()), manager.now, settings.presets_of
    )
    add_webhooks(app, admission.rules, admission.live_rules(admission_api or api))
    return app


def handlers(
    api: Api, agents: Agents, streams: Streams, settings: Settings, ready: Callable[[], bool]
) -> dict[tuple[str, str], Handler]:
    """Handlers by resource and path of the route table."""
    expansion = Expansion(api)
    found: dict[tuple[str, str], Handler] = {
        (VM, "expand-spec"): expansion.stored,
        ("", "expand-vm-spec"): expansion.given,
        (VM, "portforward"): streams.forward_vm_port,
        ("", "version"): _version,
        ("", "healthz"): _healthz(ready),
    }
    found |= {(VM, path): handler for path, handler in Lifecycle(api).handlers.items()}
    found |= {(VMI, path): handler for path, handler in Proxy(api, agents).handlers.items()}
    found |= {(VMI, path): handler for path, handler in streams.vmi_handlers.items()}
    found |= Volumes(api, lambda: settings.config).handlers
    found |= MemoryDump(api, lambda: settings.config).handlers
    return found | Evacuation(api).handlers | Graph(api, lambda: settings.config).handlers | Installed(api).handlers


async def _version(_: web.Request) -> web.Response:
    return json_response(version_info())


def _healthz(ready: Callable[[], bool]) -> Handler:
    """The readiness probe: without the CR and the front proxy settings we would answer wrongly."""

    async def healthz(_: web.Request) -> web.Response:
        if not ready():
            raise Refused(500, "the configuration has not been read yet")
        return json_response({"apiserver": {"connectivity": "ok"}})

    return healthz
