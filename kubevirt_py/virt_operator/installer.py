"""The reconciler of the KubeVirt CR: certificates, documents, roll-out, status, and removal."""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import msgspec

from kubevirt_py.api import names
from kubevirt_py.api.kinds import DAEMON_SET, DEPLOYMENT, KUBEVIRT
from kubevirt_py.api.views import Held, KubeVirt, Workload
from kubevirt_py.decide import install
from kubevirt_py.decide.caretaking import UNANSWERED_S
from kubevirt_py.decide.certificates import Rotation
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.errors import ApiError
from kubevirt_py.plan import Document, Key, Kind
from kubevirt_py.reconcile.store import Store
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.install import Installation, documents
from kubevirt_py.render.install.documents import admission, aggregation
from kubevirt_py.render.install.operator_webhooks import BLOCK_UNINSTALL
from kubevirt_py.render.settings import refusals
from kubevirt_py.virt_operator.applier import Applier, Rendered
from kubevirt_py.virt_operator.certificates import Certificates
from kubevirt_py.virt_operator.removal import GUESTS, Removal

log = logging.getLogger(__name__)

RECHECK_S = 3600.0
REMOVAL_S = 1.0
DOORS = ("APIService", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
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


class _Rendered(msgspec.Struct, frozen=True):
    """An installation as documents, by when they are applied."""

    inst: Installation
    documents: tuple[Rendered, ...]
    admission: tuple[Rendered, ...]
    aggregation: tuple[Rendered, ...]


class Installer:
    """Brings the cluster to what one KubeVirt CR asks for. All state is in the cluster; a restart repeats cheaply."""

    def __init__(
        self,
        api: Api,
        kubevirts: Store[KubeVirt],
        workloads: dict[str, Store[Workload]],
        held: Mapping[Kind[Held], Store[Held]],
        *,
        images: Images,
        manager: str,
        now: Callable[[], datetime],
    ) -> None:
        self._api, self._kubevirts, self._workloads, self._images = api, kubevirts, workloads, images
        self._manager, self._now = manager, now
        self._held = held
        self._rendered: _Rendered | None = None
        self._api_lost_at: datetime | None = None
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
        rendered = self._render(inst)
        await self.applier.apply(rendered.documents)
        held = {name: self._workload(kind, Key(inst.namespace, name)) for kind, name in WORKLOADS}
        again_s = (due - self._now()) / timedelta(seconds=1)
        if install.usable(held[names.VIRT_API]):
            self._api_lost_at = None
            await self.applier.apply((*rendered.admission, *rendered.aggregation))
        else:
            again_s = min(again_s, await self._without_api(rendered))
        pending = [name for name, workload in held.items() if not install.rolled_out(workload)]
        if not pending:
            await self._prune(rendered)
        state, text = self._progress(kubevirt, inst, pending)
        await self._write_status(key, kubevirt, inst, state, text)
        return min(RECHECK_S, max(1.0, again_s))

    async def _without_api(self, rendered: _Rendered) -> float:
        """No virt-api answers. An APIService without a server keeps every namespace of the cluster from ending.

        Returns in how many seconds to look again.
        """
        self._api_lost_at = self._api_lost_at or self._now()
        left_s = UNANSWERED_S - (self._now() - self._api_lost_at) / timedelta(seconds=1)
        if left_s > 0:
            return left_s
        if await self.applier.remove(rendered.aggregation):
            log.warning("virt-api does not answer, its APIs are unregistered until it does")
        return RECHECK_S

    async def _prune(self, rendered: _Rendered) -> None:
        """Delete what an earlier installation had and this one has not. CRDs stay: with them would go their objects."""
        wanted = {(one.kind, one.key) for one in (*rendered.documents, *rendered.admission, *rendered.aggregation)}
        for kind, key in self._ours():
            if (kind, key) not in wanted and kind.kind != "CustomResourceDefinition":
                log.info("removing what is no longer installed", extra={"kind": str(kind), "key": str(key)})
                await self.applier.delete(kind, key)

    async def open_doors(self, _key: Key) -> float | None:
        """Without a CR nothing may make the API server ask us: a left-over webhook would refuse the next CR."""
        if not self._kubevirts.all():
            for kind, key in self._ours():
                if kind.kind in DOORS:
                    log.info("removing what an earlier installation left", extra={"kind": str(kind), "key": str(key)})
                    await self.applier.delete(kind, key)
        return None

    def _ours(self) -> list[tuple[Kind[Held], Key]]:
        """Everything in the cluster that an operator applied and that is not going already."""
        return [
            (kind, Key(held.metadata.namespace, held.metadata.name))
            for kind, store in self._held.items()
            for held in store.all()
            if names.INSTALL_IDENTIFIER_ANNOTATION in held.metadata.annotations
            and held.metadata.deletion_timestamp is None
        ]

    def _render(self, inst: Installation) -> _Rendered:
        """What `inst` consists of; rendering 20 CRDs takes a second, so the last result is kept."""
        if self._rendered is None or self._rendered.inst != inst:
            parts = (documents(inst), admission(inst), aggregation(inst))
            self._rendered = _Rendered(inst, *(tuple(map(Rendered.of, part)) for part in parts))
        return self._rendered

    def _progress(self, kubevirt: KubeVirt, inst: Installation, pending: list[str]) -> tuple[install.State, str]:
        if not pending:
            refused = (f"{path}: not supported yet by this release" for path, _ in refusals(inst.spec))
            ignored = (*ClusterConfig.from_kubevirt(inst.spec).problems, *refused)
            return install.READY, "; ".join(("All components are ready.", *(f"ignored: {one}" for one in ignored)))
        observed = msgspec.json.decode(kubevirt.status).get("observedDeploymentID", "")
        text = f"Waiting for {', '.join(pending)} to be rolled out."
        return (install.UPDATING if observed else install.IN_PROGRESS), text

    async def _remove(self, key: Key, kubevirt: KubeVirt, inst: Installation) -> float | None:
        """Workloads first, while their controllers still run; then admission, the rest, and the finalizer last."""
        removal = Removal(self._api, inst.namespace)
        left = await removal.guests()
        guests = [meta for kind, meta in left if kind.kind in GUESTS]
        if guests and inst.spec.get("uninstallStrategy") == BLOCK_UNINSTALL:
            text = (
                f"{len(guests)} virtual machines exist: delete them, or set spec.uninstallStrategy to RemoveWorkloads."
            )
            await self._write_status(key, kubevirt, inst, install.WAITING, text)
            return 10.0
        text = f"Removing {len(left)} objects." if left else "Removing all components."
        await self._write_status(key, kubevirt, inst, install.REMOVING, text)
        rendered = self._render(inst)
        if left:
            await self.applier.remove((*rendered.aggregation, *rendered.admission))
            controller = self._workload(DEPLOYMENT, Key(inst.namespace, names.VIRT_CONTROLLER))
            await removal.end(left, self._now(), controlled=install.usable(controller))
            return REMOVAL_S
        existed = await self.applier.remove((*rendered.documents, *rendered.admission, *rendered.aggregation))
        existed += sum([await self.applier.delete(kind, key) for kind, key in self._ours()])
        if existed or await removal.sweep():
            return REMOVAL_S
        kept = tuple(name for name in kubevirt.metadata.finalizers if name != names.KUBEVIRT_FINALIZER)
        await self._set_finalizers(key, kept)
        return None

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
        # Only what differs: virt-controller counts outdated guests in the same status.
        differing = {name: value for name, value in new.items() if old.get(name) != value}
        if differing:
            await self._api.merge_patch(KUBEVIRT, key, {"status": differing}, subresource="status")
