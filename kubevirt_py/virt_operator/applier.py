"""Applies documents and notices when one of them was changed or removed by somebody else."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from typing import Any

import msgspec

from kubevirt_py.api.views import Held
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.errors import NotFound
from kubevirt_py.plan import Document, Key, Kind
from kubevirt_py.render.install import kind_of

log = logging.getLogger(__name__)


class Rendered(msgspec.Struct, frozen=True):
    """A document ready to be sent, with the digest that tells whether it was."""

    kind: Kind[Any]
    key: Key
    body: bytes
    digest: bytes

    @classmethod
    def of(cls, document: Document) -> Rendered:
        meta, body = document["metadata"], msgspec.json.encode(document)
        key = Key(meta.get("namespace", ""), meta["name"])
        return cls(kind_of(document), key, body, hashlib.sha256(body).digest())


class _Record(msgspec.Struct):
    """What was applied, and the version that resulted."""

    digest: bytes
    version: str


class Applier:
    """Server-side applies what differs from the last time; forgets what others touched."""

    def __init__(self, api: Api, *, manager: str) -> None:
        self._api, self._manager = api, manager
        self._records: dict[tuple[Kind[Any], Key], _Record] = {}

    async def apply(self, rendered: Iterable[Rendered]) -> int:
        """Apply in order and return how many were sent. Raises `kube.errors.ApiError` of the first that fails."""
        sent = 0
        for one in rendered:
            record = self._records.get((one.kind, one.key))
            if record is not None and record.digest == one.digest:
                continue
            answer = await self._api.apply(one.kind, one.key, one.body, manager=self._manager)
            stored = msgspec.json.decode(answer, type=Held)
            self._records[one.kind, one.key] = _Record(one.digest, _version(stored))
            sent += 1
        return sent

    def observed(self, kind: Kind[Any], old: Held | None, new: Held | None) -> bool:
        """Take note of a watch event. True when an object we applied is no longer as we left it."""
        held = new or old
        if held is None:
            return False
        key = Key(held.metadata.namespace, held.metadata.name)
        record = self._records.get((kind, key))
        if record is None or (new is not None and _version(new) == record.version):
            return False
        del self._records[kind, key]
        log.info("managed object changed", extra={"kind": str(kind), "key": str(key)})
        return True

    async def delete(self, kind: Kind[Any], key: Key) -> bool:
        """Delete one object; False if it was gone already."""
        self._records.pop((kind, key), None)
        try:
            await self._api.delete(kind, key, propagation="Background")
        except NotFound:
            return False
        return True

    async def remove(self, rendered: Iterable[Rendered]) -> int:
        """Delete in reverse order; what is gone already counts as removed. Returns how many still existed."""
        return sum([await self.delete(one.kind, one.key) for one in reversed(tuple(rendered))])


def _version(held: Held) -> str:
    """Kinds with a generation change version on every status write, which is none of our business."""
    return str(held.metadata.generation) if held.metadata.generation else held.metadata.resource_version
