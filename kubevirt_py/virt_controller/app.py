"""The virt-controller process: flags, API server, stores and controllers."""

from __future__ import annotations

import argparse
import os
import uuid
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from kubevirt_py import telemetry
from kubevirt_py.api import names
from kubevirt_py.api.kinds import KUBEVIRT
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.client import Client
from kubevirt_py.kube.connect import kubeconfig_client
from kubevirt_py.kube.incluster import incluster_client
from kubevirt_py.kube.tls import ReloadingServerContext, keep_fresh
from kubevirt_py.live_config import Follower, LiveConfig, log_as_told, serve_as_told, throttle_as_told
from kubevirt_py.reconcile import LeaseSpec, Manager
from kubevirt_py.virt_controller import caretaking, node, vm, vmi, workload_update
from kubevirt_py.virt_controller.settling import Settling

CERTIFICATES = Path("/etc/virt-controller/certificates")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything this process is told by flags and environment."""

    namespace: str
    identity: str
    launcher_image: str
    port: int
    verbosity: int
    kubeconfig: str | None
    certificates: Path | None


def main(argv: list[str]) -> int:
    """Run virt-controller until SIGTERM."""
    parser = argparse.ArgumentParser(prog=names.VIRT_CONTROLLER, description="Reconcile VMs, VMIs and node labels.")
    parser.add_argument("--port", type=int, default=8443, help="port of /metrics, /healthz, /readyz and /leader")
    parser.add_argument("--kubeconfig", help="run outside the cluster with this kubeconfig")
    parser.add_argument("-v", "--verbosity", type=int, default=2)
    options = parser.parse_args(argv)
    telemetry.setup(names.VIRT_CONTROLLER, options.verbosity)
    settings = Settings(
        namespace=os.environ.get("POD_NAMESPACE", names.NAMESPACE),
        identity=f"{os.environ.get('POD_NAME', names.VIRT_CONTROLLER)}_{uuid.uuid4()}",
        launcher_image=os.environ["LAUNCHER_IMAGE"],
        port=options.port,
        verbosity=options.verbosity,
        kubeconfig=options.kubeconfig,
        certificates=CERTIFICATES if CERTIFICATES.exists() else None,
    )
    anyio.run(_run, settings)
    return 0


async def _run(settings: Settings) -> None:
    async with _connect(settings) as api, anyio.create_task_group() as group:
        followers = [log_as_told("virtController", settings.verbosity), throttle_as_told("controller", api)]
        tls = ReloadingServerContext(settings.certificates, None, False) if settings.certificates else None
        if tls is not None:
            followers.append(serve_as_told(tls))
            group.start_soon(keep_fresh, tls)
        manager = build(api, settings.namespace, settings.launcher_image, followers)
        await manager.run(
            lease=LeaseSpec(settings.namespace, names.VIRT_CONTROLLER, settings.identity),
            http=("", settings.port, tls.context if tls is not None else None),
        )
        group.cancel_scope.cancel()


def build(api: Api, namespace: str, launcher_image: str, followers: Iterable[Follower] = (), **options: Any) -> Manager:
    """The manager with all controllers; `followers` hear of the configuration, `options` go to the Manager."""
    manager = Manager(api, name=names.VIRT_CONTROLLER, health=lambda: config.health(), **options)
    config = LiveConfig(manager.store(KUBEVIRT))
    for follower in followers:
        config.follow(follower)
    settling = Settling(manager.now)
    vm.wire(manager, config)
    vmi.wire(manager, config, settling, launcher_image)
    node.wire(manager, config, settling, namespace)
    caretaking.wire(manager, settling, namespace)
    workload_update.wire(manager, launcher_image)
    return manager


def _connect(settings: Settings) -> AbstractAsyncContextManager[Client]:
    return kubeconfig_client(settings.kubeconfig) if settings.kubeconfig else incluster_client()
