"""The virt-operator process: stores, the installer, and what wakes it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import anyio

from kubevirt_py import __version__, telemetry
from kubevirt_py.api import names
from kubevirt_py.api.kinds import CONFIG_MAP, DAEMON_SET, DEPLOYMENT, KUBEVIRT, SECRET
from kubevirt_py.api.views import Held, KubeVirt, Workload
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.incluster import incluster_client
from kubevirt_py.kube.tls import ReloadingServerContext, keep_fresh
from kubevirt_py.live_config import LiveConfig, log_as_told, serve_as_told
from kubevirt_py.plan import Key, Kind
from kubevirt_py.reconcile.http import Listen, serving
from kubevirt_py.reconcile.lease import LeaseSpec
from kubevirt_py.reconcile.manager import Manager
from kubevirt_py.reconcile.source import EVERYTHING, mapped
from kubevirt_py.reconcile.store import Store
from kubevirt_py.render.install import Installation, documents, managed_kinds
from kubevirt_py.render.install.documents import admission, aggregation
from kubevirt_py.render.install.installation import MANAGED_SELECTOR
from kubevirt_py.render.install.operator_webhooks import PORT as WEBHOOK_PORT
from kubevirt_py.virt_operator.certificates import OPERATOR_LEAF, Certificates, write_temporary
from kubevirt_py.virt_operator.installer import DOORS, Images, Installer
from kubevirt_py.virt_operator.own_certificate import OwnCertificate
from kubevirt_py.virt_operator.webhooks import Admission


def main(argv: list[str]) -> int:
    """Run virt-operator until SIGTERM."""
    parser = argparse.ArgumentParser(prog="virt-operator", description="Install and keep KubeVirt from its CR.")
    parser.add_argument("--port", type=int, default=8443, help="port of /metrics and /healthz (HTTPS)")
    parser.add_argument("-v", "--verbosity", type=int, default=2)
    options = parser.parse_args(argv)
    telemetry.setup(names.VIRT_OPERATOR, options.verbosity)
    images = Images(os.environ["CONTROL_PLANE_IMAGE"], os.environ["LAUNCHER_IMAGE"], __version__)
    with TemporaryDirectory() as certificates:
        anyio.run(_run, images, os.environ["POD_NAMESPACE"], options.port, options.verbosity, Path(certificates))
    return 0


async def _run(images: Images, namespace: str, port: int, verbosity: int, directory: Path) -> None:
    write_temporary(directory, OPERATOR_LEAF, namespace)
    tls = ReloadingServerContext(directory, None, False)
    async with incluster_client() as api, anyio.create_task_group() as group:
        manager = Manager(api, name=names.VIRT_OPERATOR, health=lambda: config.health())
        config = LiveConfig(manager.store(KUBEVIRT))
        config.follow(log_as_told("virtOperator", verbosity))
        config.follow(serve_as_told(tls))
        wire(manager, api, images, namespace)
        certificates = Certificates(api, namespace, manager=names.VIRT_OPERATOR, now=manager.now)
        own = OwnCertificate(_ours(manager, SECRET, namespace), certificates, directory, tls)
        group.start_soon(own.run)
        group.start_soon(keep_fresh, tls)
        admission = Admission(api, manager.store(KUBEVIRT))
        lease = LeaseSpec(namespace, names.VIRT_OPERATOR, f"{os.environ['POD_NAME']}_{uuid4()}")
        async with serving(admission.application(), Listen("", WEBHOOK_PORT, tls.context)):
            await manager.run(lease=lease, http=("", port, tls.context))
        group.cancel_scope.cancel()


def wire(manager: Manager, api: Api, images: Images, namespace: str) -> Installer:
    """One reconciler over KubeVirt objects, woken by its workloads and by changes to what it applied."""
    kubevirts: Store[KubeVirt] = manager.store(KUBEVIRT)
    workloads: dict[str, Store[Workload]] = {
        kind.plural: manager.store(kind, namespace=namespace, labels=MANAGED_SELECTOR)
        for kind in (DEPLOYMENT, DAEMON_SET)
    }
    applied: dict[Kind[Held], Store[Held]] = {
        kind: manager.store(kind, labels=MANAGED_SELECTOR) for kind in _watched_kinds(namespace)
    }
    installer = Installer(
        api,
        kubevirts,
        workloads,
        applied,
        images=images,
        manager=names.VIRT_OPERATOR,
        now=manager.now,
    )

    def everyone(_: object) -> tuple[Key, ...]:
        return tuple(Key(one.metadata.namespace, one.metadata.name) for one in kubevirts.all())

    # Certificates are looked at on every run, so any change to what holds them is a reason to look.
    held: list[Store[Any]] = [_ours(manager, kind, namespace) for kind in (SECRET, CONFIG_MAP)]
    wake = [mapped(store, everyone) for store in (*workloads.values(), *held)]
    controller = manager.add_reconciler("kubevirt", root=kubevirts, reconcile=installer.reconcile, wake=wake, workers=1)
    doors = [mapped(store, lambda _: (EVERYTHING,)) for kind, store in applied.items() if kind.kind in DOORS]
    manager.add_reconciler(
        "doors", root=None, reconcile=installer.open_doors, wake=[mapped(kubevirts, lambda _: (EVERYTHING,)), *doors]
    )
    for kind, store in applied.items():

        def changed(old: Held | None, new: Held | None, kind: Kind[Held] = kind) -> None:
            if installer.applier.observed(kind, old, new):
                for key in everyone(None):
                    controller.wake(key, why=f"{kind} changed")

        store.subscribe(changed)
    return installer


def _ours(manager: Manager, kind: Kind[Any], namespace: str) -> Store[Held]:
    """What the operator made of a kind in its namespace."""
    return manager.store(_held(kind), namespace=namespace, labels=MANAGED_SELECTOR)


def _watched_kinds(namespace: str) -> tuple[Kind[Held], ...]:
    """Every kind the operator applies, as metadata only, plus the certificates' two."""
    empty = Installation(namespace=namespace, version="", image="", launcher_image="")
    applied = managed_kinds((*documents(empty), *admission(empty), *aggregation(empty)))
    return tuple(map(_held, applied))


def _held(kind: Kind[Any]) -> Kind[Held]:
    """The kind, of which only the metadata is read."""
    return Kind(kind.group, kind.version, kind.kind, kind.plural, Held, namespaced=kind.namespaced)
