"""Reading our own writes: what a key's stores must have seen before it is looked at again.

Each successful write leaves a floor (the version it returned) for the key that caused it;
the next run of that key waits for the stores to reach it. Other keys are not held up. A
delete leaves the UID that must disappear, noted before the call, since the event may be
faster than the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import msgspec

from kubevirt_py.plan import Key, Kind
from kubevirt_py.reconcile.meta import Head, decode_head, version_number
from kubevirt_py.reconcile.selector import fields_match, labels_match
from kubevirt_py.reconcile.store import Selection, Store

SETTLE_S = 5.0

Stores = Callable[[Kind[Any]], Sequence[Store[Any]]]
"""The stores that hold objects of a kind; several where their selections differ."""


@dataclass(slots=True)
class _Floor:
    versions: dict[Store[Any], int] = field(default_factory=dict)
    leaving: set[tuple[Store[Any], Key, str]] = field(default_factory=set)


class Floors:
    """The floors of one controller, by root key."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._floors: dict[Key, _Floor] = {}

    def wrote(self, root: Key, kind: Kind[Any], answer: bytes) -> None:
        """A write made for `root` was answered with the object as it is now."""
        head = decode_head(answer)
        rv = version_number(head.metadata.resource_version)
        if not rv or head.kind == "Status":
            return
        target = Key(head.metadata.namespace, head.metadata.name)
        for store in self._stores(kind):
            if store.get(target) is not None or selects(store.selection, head, answer):
                versions = self._floor(root).versions
                versions[store] = max(versions.get(store, 0), rv)

    def leaving(self, root: Key, kind: Kind[Any], target: Key, uid: str) -> None:
        """A delete of `target` is about to be sent."""
        self._floor(root).leaving.update((store, target, uid) for store in self._stores(kind))

    def stays(self, root: Key, uid: str) -> None:
        """The delete failed, or the object lingers until its finalizers are gone."""
        floor = self._floor(root)
        floor.leaving = {entry for entry in floor.leaving if entry[2] != uid}

    async def settled(self, root: Key) -> bool:
        """Wait until the stores show all that was written for `root`; False if that took more than five seconds."""
        floor = self._floors.get(root)
        if floor is None:
            return True
        settled = False
        with anyio.move_on_after(SETTLE_S):
            for store, rv in tuple(floor.versions.items()):
                await store.reached(rv)
            for store, target, uid in tuple(floor.leaving):
                await store.without(target, uid)
            settled = True
        self.forget(root)
        return settled

    def forget(self, root: Key) -> None:
        """Drop what is known about `root`."""
        self._floors.pop(root, None)

    def _floor(self, root: Key) -> _Floor:
        return self._floors.setdefault(root, _Floor())


def selects(selection: Selection, head: Head, document: bytes) -> bool:
    """Whether `selection` picks the object: `head` decoded from `document`."""
    if selection.namespace not in ("", head.metadata.namespace):
        return False
    if not labels_match(selection.labels, head.metadata.labels):
        return False
    return not selection.fields or fields_match(selection.fields, msgspec.json.decode(document))
