"""The virt-handler process: flags, host facts, and everything that runs while the node has guests."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from pathlib import Path

import anyio
import msgspec

from kubevirt_py import telemetry
from kubevirt_py.api import kinds, names
from kubevirt_py.decide.guest import decide
from kubevirt_py.kube.client import Client
from kubevirt_py.kube.incluster import incluster_client
from kubevirt_py.kube.tls import ReloadingServerContext, keep_fresh
from kubevirt_py.live_config import LiveConfig, log_as_told, serve_as_told, throttle_as_told
from kubevirt_py.plan import Key
from kubevirt_py.reconcile.http import Listen, serving
from kubevirt_py.reconcile.manager import Manager
from kubevirt_py.reconcile.source import USER
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.reservations import FOLDER
from kubevirt_py.render.seccomp import KUBELET_SECCOMP_DIR
from kubevirt_py.virt_handler import deviceplugin
from kubevirt_py.virt_handler.devicedirs import DeviceDirectories
from kubevirt_py.virt_handler.guests import UID, Guests, by_uid
from kubevirt_py.virt_handler.heartbeat import beat
from kubevirt_py.virt_handler.hostfacts import HostFacts, node_facts, read_host
from kubevirt_py.virt_handler.launcher import Launcher
from kubevirt_py.virt_handler.seccomp import lay_down
from kubevirt_py.virt_handler.server import Server

CERTIFICATES = Path("/etc/virt-handler/servercertificates")
CA_BUNDLE = Path("/etc/kubevirt/ca/ca-bundle")
PLUGIN_DIR = Path("/var/lib/kubelet/device-plugins")
SECCOMP_DIR = Path(KUBELET_SECCOMP_DIR)
MAX_DEVICES = 1000


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything this process is told by flags and environment."""

    node: str
    namespace: str
    port: int
    server_port: int
    verbosity: int
    max_devices: int
    directory: Path
    plugin_directory: Path
    certificates: Path | None
    client_ca: Path


def main(argv: list[str]) -> int:
    """Run virt-handler until SIGTERM. Guests outlive it."""
    parser = argparse.ArgumentParser(prog=names.VIRT_HANDLER, description="Run the guests of one node.")
    parser.add_argument("--port", type=int, default=8443, help="port of /metrics, /healthz and /readyz")
    parser.add_argument("--max-devices", type=int, default=MAX_DEVICES, help="guests this node may have")
    parser.add_argument("--agent-dir", default=names.AGENT_DIR, help="directory for sockets and state, on the host too")
    parser.add_argument("--device-plugin-dir", default=str(PLUGIN_DIR), help="the kubelet's directory for plugins")
    parser.add_argument("-v", "--verbosity", type=int, default=2)
    options = parser.parse_args(argv)
    telemetry.setup(names.VIRT_HANDLER, options.verbosity)
    settings = Settings(
        node=os.environ["NODE_NAME"],
        namespace=os.environ.get("POD_NAMESPACE", names.NAMESPACE),
        port=options.port,
        server_port=int(os.environ.get("VIRT_HANDLER_PORT", names.HANDLER_PORT)),
        verbosity=options.verbosity,
        max_devices=options.max_devices,
        directory=Path(options.agent_dir),
        plugin_directory=Path(options.device_plugin_dir),
        certificates=CERTIFICATES if CERTIFICATES.exists() else None,
        client_ca=CA_BUNDLE,
    )
    if SECCOMP_DIR.exists():
        lay_down(SECCOMP_DIR)
    # Probing KVM starts a process: before gRPC has threads.
    host = read_host()
    anyio.run(_run, settings, host)
    return 0


async def _run(settings: Settings, host: HostFacts) -> None:
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(_connect())
        tasks = await stack.enter_async_context(anyio.create_task_group())
        manager, guests, devices, config = build(api, settings)
        config.follow(log_as_told("virtHandler", settings.verbosity, settings.node))
        config.follow(throttle_as_told("handler", api))
        tls = None
        if settings.certificates is not None:
            outer = ReloadingServerContext(settings.certificates, settings.client_ca, True)
            inner = ReloadingServerContext(settings.certificates, None, False)
            config.follow(serve_as_told(outer, inner))
            tasks.start_soon(keep_fresh, outer, inner)
            listen = Listen("", settings.server_port, outer.context)
            await stack.enter_async_context(serving(Server(guests).application(), listen))
            tls = inner.context
        sock = devices.listen()
        stack.callback(sock.close)
        tasks.start_soon(guests.run)
        tasks.start_soon(Launcher(sock, guests).run)
        plugins = _plugins(devices, host, settings)
        config.follow(partial(_resize, plugins, settings.max_devices))
        tasks.start_soon(deviceplugin.serve, tuple(plugins.values()), settings.plugin_directory)
        tasks.start_soon(beat, api, settings.node, settings.namespace, node_facts(host), manager.now)
        await manager.run(http=("", settings.port, tls))
        tasks.cancel_scope.cancel()


def build(api: Client, settings: Settings) -> tuple[Manager, Guests, DeviceDirectories, LiveConfig]:
    """The manager with the one controller that reports guests, and the registry it reads."""
    manager = Manager(api, name=names.VIRT_HANDLER, health=lambda: config.health())
    config = LiveConfig(manager.store(kinds.KUBEVIRT))
    vmis = manager.store(kinds.HOSTED_VMI, labels=f"{names.NODE_NAME_LABEL}={settings.node}")
    pods = manager.store(
        kinds.POD,
        labels=f"{names.APP_LABEL} in ({names.VIRT_LAUNCHER},{names.HOTPLUG_DISK})",
        fields=f"spec.nodeName={settings.node}",
        indexes={UID: by_uid},
    )
    devices = DeviceDirectories(settings.directory)
    guests = Guests(manager, vmis, pods, settings.directory / "vms", devices)
    controller = manager.add("guest", root=vmis, decide=decide, snapshot=guests.snapshot)

    def report(key: Key) -> None:
        controller.wake(key, 0.0, USER, "guest")

    guests.report = report
    guests.config = config
    return manager, guests, devices, config


def _plugins(devices: DeviceDirectories, host: HostFacts, settings: Settings) -> dict[str, deviceplugin.Plugin]:
    count = settings.max_devices
    made = (
        deviceplugin.tun(devices.make, count if host.tun else 0),
        deviceplugin.attachment(devices.make, count),
        deviceplugin.kvm(host.kvm, count),
        deviceplugin.vhost_net(host.vhost_net, count),
        deviceplugin.vhost_vsock(host.vhost_vsock, count),
        deviceplugin.pr_helper(settings.directory / FOLDER, count),
    )
    return {plugin.resource: plugin for plugin in made}


def _resize(plugins: Mapping[str, deviceplugin.Plugin], most: int, config: ClusterConfig) -> None:
    """Offer as many devices as the CR allows guests on a node, else as the flag says.

    While a guest changes from one set of hotplugged volumes to another it has two attachment pods.
    """
    count = config.vms_per_node or most
    counts = {names.ATTACHMENT_DEVICE: 2 * count, names.PR_HELPER_DEVICE: count * config.persistent_reservations}
    for resource, plugin in plugins.items():
        plugin.resize(counts.get(resource, count))


def _connect() -> AbstractAsyncContextManager[Client]:
    return incluster_client()
