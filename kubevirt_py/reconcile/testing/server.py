"""The state behind a `FakeApi`: objects with versions, deletion and history, as a real API server keeps them.

Covers what reconcilers depend on; what it does not know it refuses. The behaviour suite of the
tests runs against this and against a real kube-apiserver, so a difference is a bug here.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import msgspec

from kubevirt_py.jsonpatch import PatchError, apply_patch
from kubevirt_py.kube.errors import AlreadyExists, Conflict, Invalid, NotFound, PatchTestFailed
from kubevirt_py.plan import Document, Key, Kind
from kubevirt_py.reconcile.selector import fields_match, labels_match
from kubevirt_py.reconcile.store import Selection
from kubevirt_py.reconcile.testing.merge import Ownership, copied, merge_patch

HISTORY = 1000
FIRST_RV = 100

Hook = Callable[[Document, Document | None], Document]
"""An admission webhook: the new object and the old one (None on create) to the object to store. May raise ApiError."""


def virtual_now() -> datetime:
    """The time of day that goes with the event loop's clock, so that both can be virtual."""
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=anyio.current_time())


@dataclass(frozen=True, slots=True)
class Change:
    """One version of one object: before and after (None: absent)."""

    rv: int
    old: Document | None
    new: Document | None


@dataclass(slots=True)
class Shelf:
    """All objects of one kind."""

    kind: Kind[Any]
    objects: dict[Key, Document] = field(default_factory=dict)
    ownership: dict[Key, Ownership] = field(default_factory=dict)
    history: deque[Change] = field(default_factory=lambda: deque(maxlen=HISTORY))
    forgotten_rv: int = FIRST_RV
    """Versions up to this one can no longer be watched from."""
    changed: anyio.Event = field(default_factory=anyio.Event)
    hooks: list[Hook] = field(default_factory=list)


class Server:
    """Objects of any kind. `without_status`: kinds that have no status subresource. `graceful`: kinds whose
    objects linger after a delete until `finish` (pods that are bound to a node)."""

    def __init__(
        self,
        *,
        without_status: Collection[Kind[Any]] = (),
        graceful: Collection[Kind[Any]] = (),
        now: Callable[[], datetime] = virtual_now,
    ) -> None:
        self.rv = FIRST_RV
        self._shelves: dict[tuple[str, str], Shelf] = {}
        self._without_status = {str(kind) for kind in without_status}
        self._graceful = {str(kind) for kind in graceful}
        self._uids = itertools.count(1)
        self._now = now
        self.created: dict[tuple[str, str], int] = {}
        """How many objects of each (kind, namespace) were ever created."""

    # Reading

    def shelf(self, kind: Kind[Any]) -> Shelf:
        return self._shelves.setdefault((kind.group, kind.plural), Shelf(kind))

    def find_kind(self, group: str, plural: str) -> Kind[Any]:
        """The kind served under that path. Raises NotFound where nothing of the kind was ever mentioned."""
        try:
            return self._shelves[group, plural].kind
        except KeyError:
            raise NotFound(404, "NotFound", "the server could not find the requested resource") from None

    def get(self, kind: Kind[Any], key: Key) -> Document:
        try:
            return self.shelf(kind).objects[key]
        except KeyError:
            raise NotFound(404, "NotFound", f'{kind} "{key.name}" not found') from None

    def select(self, kind: Kind[Any], selection: Selection) -> list[Document]:
        objects = self.shelf(kind).objects
        return [objects[key] for key in sorted(objects) if matches(selection, objects[key])]

    # Writing

    def create(self, kind: Kind[Any], namespace: str, body: Document, *, manager: str = "test") -> Document:
        new = copied(body)
        metadata = new.setdefault("metadata", {})
        if not metadata.get("name"):
            raise Invalid(422, "Invalid", f"{kind}: metadata.name: Required value: name is required")
        if kind.namespaced:
            metadata["namespace"] = namespace
        key = Key(namespace if kind.namespaced else "", metadata["name"])
        if key in self.shelf(kind).objects:
            raise AlreadyExists(409, "AlreadyExists", f'{kind} "{key.name}" already exists')
        if self._has_status(kind):
            new.pop("status", None)
        new = self._admit(kind, new, None)
        metadata = new["metadata"]
        metadata.update(
            uid=f"uid-{next(self._uids)}", creationTimestamp=self._timestamp(), generation=1, resourceVersion=""
        )
        new = {"apiVersion": kind.api_version, "kind": kind.kind, **new}
        self.shelf(kind).ownership[key] = Ownership()
        self.shelf(kind).ownership[key].wrote({}, new, manager)
        self.created[str(kind), key.namespace] = self.created.get((str(kind), key.namespace), 0) + 1
        return self._commit(kind, key, None, new)

    def apply(
        self, kind: Kind[Any], key: Key, body: Document, *, manager: str, force: bool, subresource: str
    ) -> Document:
        shelf = self.shelf(kind)
        if key not in shelf.objects:
            if subresource:
                raise NotFound(404, "NotFound", f'{kind} "{key.name}" not found')
            wanted = {**body, "metadata": {**body.get("metadata", {}), "name": key.name}}
            new = self.create(kind, key.namespace, wanted, manager=manager)
            shelf.ownership[key] = ownership = Ownership()
            ownership.apply({}, wanted, manager, force=True)
            return new
        old = shelf.objects[key]
        new = shelf.ownership[key].apply(old, body, manager, force=force)
        return self._update(kind, key, new, subresource)

    def merge_patch(self, kind: Kind[Any], key: Key, body: Document, *, subresource: str) -> Document:
        old = self.get(kind, key)
        return self._written(kind, key, merge_patch(old, body), subresource)

    def json_patch(self, kind: Kind[Any], key: Key, ops: Iterable[Document], *, subresource: str) -> Document:
        old = self.get(kind, key)
        try:
            new = apply_patch(old, list(ops))
        except PatchError as error:
            raise PatchTestFailed(422, "Invalid", str(error)) from error
        return self._written(kind, key, new, subresource)

    def replace(self, kind: Kind[Any], key: Key, body: Document, *, subresource: str = "") -> Document:
        self.get(kind, key)
        return self._written(kind, key, copied(body), subresource)

    def delete(self, kind: Kind[Any], key: Key, *, uid: str = "", grace_s: int | None = None) -> Document:
        old = self.get(kind, key)
        metadata = old["metadata"]
        if uid and metadata["uid"] != uid:
            raise Conflict(409, "Conflict", f"the UID in the precondition ({uid}) is not that of {kind} {key}")
        linger_s = self._grace(kind, old, grace_s)
        if not metadata.get("finalizers") and not linger_s:
            self._remove(kind, key)
            return self._success(kind, key, metadata["uid"])
        if metadata.get("deletionTimestamp") and linger_s >= metadata.get("deletionGracePeriodSeconds", 0):
            return old
        new = copied(old)
        new["metadata"].update(deletionTimestamp=self._timestamp(linger_s), deletionGracePeriodSeconds=linger_s)
        new["metadata"]["generation"] = metadata["generation"] + 1
        return self._commit(kind, key, old, new)

    def finish(self, kind: Kind[Any], key: Key) -> None:
        """What a kubelet does in the end: the object that lingers is gone, unless finalizers hold it."""
        self.delete(kind, key, grace_s=0)

    def compact(self, kind: Kind[Any]) -> None:
        """Forget history: a watch from before now is answered with 410."""
        shelf = self.shelf(kind)
        shelf.history.clear()
        shelf.forgotten_rv = self.rv = self.rv + 1
        self._announce(shelf)

    @contextmanager
    def undone(self, kind: Kind[Any]) -> Iterator[None]:
        """What happens to objects of `kind` in the block did not happen: a dry run."""
        shelf, rv, created = self.shelf(kind), self.rv, dict(self.created)
        kept = shelf.objects.copy(), deepcopy(shelf.ownership), shelf.history.copy(), shelf.forgotten_rv
        try:
            yield
        finally:
            shelf.objects, shelf.ownership, shelf.history, shelf.forgotten_rv = kept
            self.rv, self.created = rv, created

    # Inner workings

    def _written(self, kind: Kind[Any], key: Key, new: Document, subresource: str, manager: str = "test") -> Document:
        old = self.get(kind, key)
        stored = self._update(kind, key, new, subresource)
        if key in self.shelf(kind).objects:
            self.shelf(kind).ownership[key].wrote(old, stored, manager)
        return stored

    def _update(self, kind: Kind[Any], key: Key, new: Document, subresource: str) -> Document:
        old = self.get(kind, key)
        self._check(kind, key, old, new)
        new = self._writable_part(kind, old, new, subresource)
        new = self._admit(kind, new, old)
        for name in ("name", "namespace", "uid", "creationTimestamp", "generation", "resourceVersion"):
            if name in old["metadata"]:
                new["metadata"][name] = old["metadata"][name]
        for name in ("deletionTimestamp", "deletionGracePeriodSeconds"):
            new["metadata"].pop(name, None)
            if name in old["metadata"]:
                new["metadata"][name] = old["metadata"][name]
        _prune(new["metadata"])
        if new == old:
            return old
        if self._desired(kind, new) != self._desired(kind, old):
            new["metadata"]["generation"] = old["metadata"]["generation"] + 1
        metadata = new["metadata"]
        if (
            metadata.get("deletionTimestamp")
            and not metadata.get("finalizers")
            and old["metadata"].get("finalizers")
            and not metadata.get("deletionGracePeriodSeconds")
        ):
            return self._remove(kind, key, new)
        return self._commit(kind, key, old, new)

    def _check(self, kind: Kind[Any], key: Key, old: Document, new: Document) -> None:
        wanted = new.get("metadata", {})
        if wanted.get("resourceVersion") not in (None, "", old["metadata"]["resourceVersion"]):
            raise Conflict(409, "Conflict", f'{kind} "{key.name}": the object has been modified')
        if wanted.get("uid") not in (None, "", old["metadata"]["uid"]):
            raise Conflict(409, "Conflict", f'{kind} "{key.name}": precondition failed: UID')
        if wanted.get("name") not in (None, "", key.name):
            raise Invalid(400, "BadRequest", f"{kind}: metadata.name does not match the path")
        added = set(wanted.get("finalizers") or ()) - set(old["metadata"].get("finalizers") or ())
        if old["metadata"].get("deletionTimestamp") and added:
            raise Invalid(422, "Invalid", f"{kind} {key}: no finalizer can be added if the object is being deleted")

    def _writable_part(self, kind: Kind[Any], old: Document, new: Document, subresource: str) -> Document:
        """What of `new` counts on this path: the status only, or all but the status."""
        if subresource == "status":
            if not self._has_status(kind):
                raise NotFound(404, "NotFound", "the server could not find the requested resource")
            merged = copied(old)
            merged.pop("status", None)
            return {**merged, "status": copied(new["status"])} if "status" in new else merged
        merged = copied(new)
        merged.setdefault("metadata", {})
        if self._has_status(kind):
            merged.pop("status", None)
            if "status" in old:
                merged["status"] = copied(old["status"])
        return merged

    def _desired(self, kind: Kind[Any], document: Document) -> Document:
        """The part whose changes count as a new generation."""
        skip = {"metadata", "status"} if self._has_status(kind) else {"metadata"}
        return {name: value for name, value in document.items() if name not in skip}

    def _admit(self, kind: Kind[Any], new: Document, old: Document | None) -> Document:
        for hook in self.shelf(kind).hooks:
            new = hook(copied(new), copied(old))
        return new

    def _commit(self, kind: Kind[Any], key: Key, old: Document | None, new: Document) -> Document:
        shelf = self.shelf(kind)
        self.rv += 1
        new["metadata"]["resourceVersion"] = str(self.rv)
        shelf.objects[key] = new
        self._record(shelf, Change(self.rv, old, new))
        return new

    def _remove(self, kind: Kind[Any], key: Key, last: Document | None = None) -> Document:
        shelf = self.shelf(kind)
        self.rv += 1
        old = shelf.objects.pop(key)
        del shelf.ownership[key]
        gone = copied(last or old)
        gone["metadata"]["resourceVersion"] = str(self.rv)
        self._record(shelf, Change(self.rv, gone, None))
        return gone

    def _record(self, shelf: Shelf, change: Change) -> None:
        if len(shelf.history) == HISTORY:
            shelf.forgotten_rv = shelf.history[0].rv
        shelf.history.append(change)
        self._announce(shelf)

    def _announce(self, shelf: Shelf) -> None:
        shelf.changed.set()
        shelf.changed = anyio.Event()

    def _has_status(self, kind: Kind[Any]) -> bool:
        return str(kind) not in self._without_status

    def _grace(self, kind: Kind[Any], old: Document, grace_s: int | None) -> int:
        if str(kind) not in self._graceful or not old.get("spec", {}).get("nodeName"):
            return 0
        if old.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return 0
        return int(grace_s if grace_s is not None else old["spec"].get("terminationGracePeriodSeconds", 30))

    def _success(self, kind: Kind[Any], key: Key, uid: str) -> Document:
        details = {"name": key.name, "group": kind.group, "kind": kind.plural, "uid": uid}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def _timestamp(self, after_s: int = 0) -> str:
        return (self._now() + timedelta(seconds=after_s)).strftime("%Y-%m-%dT%H:%M:%SZ")


def matches(selection: Selection, document: Document | None) -> bool:
    """Whether the object exists and is selected."""
    if document is None:
        return False
    metadata = document["metadata"]
    return (
        selection.namespace in ("", metadata.get("namespace", ""))
        and labels_match(selection.labels, metadata.get("labels") or {})
        and (not selection.fields or fields_match(selection.fields, document))
    )


def _prune(metadata: Document) -> None:
    """Empty maps and lists in metadata are not stored."""
    for name in [name for name, value in metadata.items() if value is None or value in ({}, [])]:
        del metadata[name]


def encode(document: Document) -> bytes:
    return msgspec.json.encode(document)
