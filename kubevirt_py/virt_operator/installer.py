"""The reconciler of the KubeVirt CR: certificates, documents, roll-out, status, and removal."""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from kubevirt_py.api import names
from kubevirt_py.api.kinds import DAEMON_SET, DEPLOYMENT, KUBEVIRT, VM, VMI
from kubevirt_py.api.views import KubeVirt, Workload
from kubevirt_py.decide import install
from kubevirt_py.decide.certificates import Rotation
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.errors import ApiError, NotFound
from kubevirt_py.plan import Document, Key, Kind
from kubevirt_py.reconcile.store import Store
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.install import Installation, documents
from kubevirt_py.render.install.documents import admission
from kubevirt_py.render.install.operator_webhooks import BLOCK_UNINSTALL
from kubevirt_py.virt_operator.applier import Applier, Rendered
from kubevirt_py.virt_operator.certificates import Certificates

log = logging.getLogger(__name__)

RECHECK_S = 3600.0
REMOVAL_S = 1.0
WORKLOADS: tuple[tuple[Kind[Workload], str], ...] = (
    (DEPLOYMENT, names.VIRT_API),
    (DEPLOYMENT, names.VIRT_CONTROLLER),
    (DAEMON_SET, names.VIRT_HANDLER),
)


class Images(msgspec.Struct, frozen=True):
    """The images this operator installs unless the CR says otherwise, and its own version."""

    control_plane: str
    launcher: str
    version: str


class Installer:
    """Brings the cluster to what one KubeVirt CR asks for. All state is in the cluster; a restart repeats cheaply."""

    def __init__(
        self,
        api: Api,
        kubevirts: Store[KubeVirt],
        workloads: dict[str, Store[Workload]],
        *,
        images: Images,
        manager: str,
        now: Callable[[], datetime],
    ) -> None:
        self._api, self._kubevirts, self._workloads, self._images = api, kubevirts, workloads, images
        self._manager, self._now = manager, now
        self._rendered: tuple[Installation, tuple[Rendered, ...], tuple[Rendered, ...]] | None = None
        self.applier = Applier(api, manager=manager)

    async def reconcile(self, key: Key) -> float | None:
        """One look at the CR `key`. Returns in how many seconds to look again."""
        kubevirt = self._kubevirts.get(key)
        if kubevirt is None:
            return None
        inst = self._installation(kubevirt)
        if self._is_duplicate(kubevirt):
            text = "another KubeVirt object already rules this cluster: delete this one"
            await self._write_status(key, kubevirt, inst, install.DUPLICATE, text)
            return None
        if kubevirt.metadata.deletion_timestamp is not None:
            return await self._remove(key, kubevirt, inst)
        if names.KUBEVIRT_FINALIZER not in kubevirt.metadata.finalizers:
            await self._set_finalizers(key, (*kubevirt.metadata.finalizers, names.KUBEVIRT_FINALIZER))
        try:
            return await self._install(key, kubevirt, inst)
        except (ApiError, ValueError) as refused:
            await self._write_status(key, kubevirt, inst, install.FAILED, str(refused))
            raise

    async def _install(self, key: Key, kubevirt: KubeVirt, inst: Installation) -> float:
        certificates = Certificates(self._api, inst.namespace, manager=self._manager, now=self._now)
        bundle, due = await certificates.keep(Rotation.from_spec(inst.spec), inst.stamp)
        inst = msgspec.structs.replace(inst, ca_bundle=b64encode(bundle.encode()).decode())
        held_documents, held_admission = self._render(inst)
        await self.applier.apply(held_documents)
        held = {name: self._workload(kind, Key(inst.namespace, name)) for kind, name in WORKLOADS}
        if install.usable(held[names.VIRT_API]):
            await self.applier.apply(held_admission)
        pending = [name for name, workload in held.items() if not install.rolled_out(workload)]
        state, text = self._progress(kubevirt, inst, pending)
        await self._write_status(key, kubevirt, inst, state, text)
        return min(RECHECK_S, max(1.0, (due - self._now()) / timedelta(seconds=1)))

    def _render(self, inst: Installation) -> tuple[tuple[Rendered, ...], tuple[Rendered, ...]]:
        """Documents and admission of `inst`; rendering 20 CRDs takes a second, so the last result is kept."""
        if self._rendered is None or self._rendered[0] != inst:
            made = tuple(map(Rendered.of, documents(inst))), tuple(map(Rendered.of, admission(inst)))
            self._rendered = inst, *made
        return self._rendered[1], self._rendered[2]

    def _progress(self, kubevirt: KubeVirt, inst: Installation, pending: list[str]) -> tuple[install.State, str]:
        if not pending:
            ignored = ClusterConfig.from_kubevirt(inst.spec).problems
            return install.READY, "; ".join(("All components are ready.", *(f"ignored: {one}" for one in ignored)))
        observed = msgspec.json.decode(kubevirt.status).get("observedDeploymentID", "")
        text = f"Waiting for {', '.join(pending)} to be rolled out."
        return (install.UPDATING if observed else install.IN_PROGRESS), text

    async def _remove(self, key: Key, kubevirt: KubeVirt, inst: Installation) -> float | None:
        """Workloads first, while their controllers still run; then admission, the rest, and the finalizer last."""
        left = [(kind, one) for kind in (VM, VMI) for one in await self._list(kind)]
        if left and inst.spec.get("uninstallStrategy") == BLOCK_UNINSTALL:
            text = f"{len(left)} virtual machines exist: delete them, or set spec.uninstallStrategy to RemoveWorkloads."
            await self._write_status(key, kubevirt, inst, install.WAITING, text)
            return 10.0
        await self._write_status(key, kubevirt, inst, install.REMOVING, "Removing all components.")
        held_documents, held_admission = self._render(inst)
        if left:
            await self.applier.remove(held_admission)
            for kind, one in left:
                await self._delete_workload(kind, one)
            return REMOVAL_S
        existed = await self.applier.remove((*held_documents, *held_admission))
        if existed:
            return REMOVAL_S
        kept = tuple(name for name in kubevirt.metadata.finalizers if name != names.KUBEVIRT_FINALIZER)
        await self._set_finalizers(key, kept)
        return None

    async def _delete_workload(self, kind: Kind[Any], one: Document) -> None:
        meta = one["metadata"]
        if "deletionTimestamp" in meta:
            return
        try:
            await self._api.delete(kind, Key(meta["namespace"], meta["name"]), uid=meta["uid"])
        except NotFound:
            log.info("virtual machine already gone", extra={"kind": str(kind), "machine": meta["name"]})

    async def _list(self, kind: Kind[Any]) -> list[Document]:
        found: list[Document] = []
        try:
            async for page in self._api.list_pages(kind):
                found += [msgspec.json.decode(item) for item in page.items]
        except NotFound:
            return []
        return found

    def _workload(self, kind: Kind[Workload], key: Key) -> Workload | None:
        return self._workloads[kind.plural].get(key)

    def _installation(self, kubevirt: KubeVirt) -> Installation:
        return Installation(
            namespace=kubevirt.metadata.namespace,
            version=self._images.version,
            image=self._images.control_plane,
            launcher_image=self._images.launcher,
            spec=msgspec.json.decode(kubevirt.spec),
        )

    def _is_duplicate(self, kubevirt: KubeVirt) -> bool:
        """The oldest CR rules; ties go by UID."""
        age = (kubevirt.metadata.creation_timestamp, kubevirt.metadata.uid)
        others = (one.metadata for one in self._kubevirts.all())
        return any((other.creation_timestamp, other.uid) < age for other in others)

    async def _set_finalizers(self, key: Key, finalizers: tuple[str, ...]) -> None:
        await self._api.merge_patch(KUBEVIRT, key, {"metadata": {"finalizers": list(finalizers)}})

    async def _write_status(
        self, key: Key, kubevirt: KubeVirt, inst: Installation, state: install.State, message: str
    ) -> None:
        old: Document = msgspec.json.decode(kubevirt.status)
        new = install.wanted_status(old, inst, kubevirt.metadata.generation, state, message, self._now())
        if new != old:
            await self._api.merge_patch(KUBEVIRT, key, {"status": new}, subresource="status")
