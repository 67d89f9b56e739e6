"""Takes an installation down: guests first, while their controllers run, and never waits for what cannot come.

Every step asks what is still there, so it may be interrupted anywhere and begun again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from kubevirt_py.api import names
from kubevirt_py.api.crd_kinds import KINDS
from kubevirt_py.api.kinds import CONFIG_MAP, LEASE, SECRET
from kubevirt_py.decide.clock import age_s
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.errors import ApiError, NotFound
from kubevirt_py.plan import Document, Key, Kind
from kubevirt_py.virt_operator.certificates import CA_SECRET, LEAVES

PATIENCE_S = 60.0
"""How long finalizers are left to a virt-controller that is not there."""
GUESTS = ("VirtualMachine", "VirtualMachineInstance", "VirtualMachineInstanceReplicaSet", "VirtualMachinePool")
"""Kinds that hold guests: removed before their controllers, and counted where removal is blocked."""
OURS = ("kubevirt.io/", "snapshot.kubevirt.io/", "pool.kubevirt.io/", "foregroundDeleteVirtualMachine")
"""How our finalizers begin."""

log = logging.getLogger(__name__)


class _Item(msgspec.Struct):
    metadata: Document


def custom_kinds() -> tuple[Kind[Any], ...]:
    """The kinds whose objects go with an installation."""
    served = [
        Kind(one.group, one.versions[0].name, one.kind, one.plural, dict, namespaced=one.namespaced) for one in KINDS
    ]
    return tuple(kind for kind in served if kind.kind != "KubeVirt")


class Removal:
    """What is left of one installation, and its end."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api, self._namespace = api, namespace

    async def guests(self) -> list[tuple[Kind[Any], Document]]:
        """Metadata of all that holds guests, and of what has finalizers that our controllers must take away."""
        found = []
        for kind in custom_kinds():
            found += [(kind, meta) for meta in await self._list(kind) if kind.kind in GUESTS or meta.get("finalizers")]
        return found

    async def end(self, left: Iterable[tuple[Kind[Any], Document]], now: datetime, *, controlled: bool) -> None:
        """Delete them. Where nobody controls them any more, take our finalizers off what has waited long enough."""
        for kind, meta in left:
            key = Key(meta.get("namespace", ""), meta["name"])
            since = meta.get("deletionTimestamp")
            if since is None:
                await self._forgiving(self._api.delete(kind, key, uid=meta["uid"]), kind, key)
            elif not controlled and age_s(since, now) > PATIENCE_S:
                kept = [name for name in meta.get("finalizers") or () if not name.startswith(OURS)]
                body = {"metadata": {"finalizers": kept, "resourceVersion": meta["resourceVersion"]}}
                await self._forgiving(self._api.merge_patch(kind, key, body), kind, key)

    async def sweep(self) -> int:
        """Delete what is kept beside the documents: certificates and leases. Returns how many there were."""
        keys: list[tuple[Kind[Any], str]] = [(SECRET, name) for name in (CA_SECRET, *(leaf.secret for leaf in LEAVES))]
        keys += [(CONFIG_MAP, CA_SECRET), (LEASE, names.VIRT_CONTROLLER)]
        keys += [
            (LEASE, meta["name"])
            for meta in await self._list(LEASE, self._namespace)
            if meta["name"].startswith(f"{names.VIRT_HANDLER}-")
        ]
        existed = 0
        for kind, name in keys:
            try:
                await self._api.delete(kind, Key(self._namespace, name))
                existed += 1
            except NotFound:
                continue
        return existed

    async def _forgiving(self, call: Any, kind: Kind[Any], key: Key) -> None:
        """One object that cannot be removed now must not hold up the others; the next look tries again."""
        try:
            await call
        except NotFound:
            return
        except ApiError as error:
            log.warning("cannot remove", extra={"kind": str(kind), "key": str(key), "error": str(error)})

    async def _list(self, kind: Kind[Any], namespace: str = "") -> list[Document]:
        found: list[Document] = []
        try:
            async for page in self._api.list_pages(kind, namespace=namespace):
                found += [msgspec.json.decode(item, type=_Item).metadata for item in page.items]
        except NotFound:
            return []
        return found
