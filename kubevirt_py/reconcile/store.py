"""A cache of one kind: frozen views by key, with indexes, as new as its watcher knows.

One writer (the watcher), any number of readers, no locks: on one event loop nothing can
change between two synchronous reads, so a snapshot is one consistent instant.
"""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio

from kubevirt_py.plan import Key, Kind
from kubevirt_py.reconcile.meta import key_of, meta_of, version_number

V = TypeVar("V")
_log = logging.getLogger(__name__)

IndexFunction = Callable[[V], Iterable[str]]
Subscriber = Callable[[V | None, V | None], None]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a kind a store holds, in the API's selector syntax; empty means all."""

    namespace: str = ""
    labels: str = ""
    fields: str = ""


class Store(Generic[V]):
    """Views of the objects of `kind` that `selection` picks."""

    def __init__(
        self,
        kind: Kind[V],
        selection: Selection | None = None,
        indexes: Mapping[str, IndexFunction[V]] | None = None,
    ) -> None:
        self.kind = kind
        self.selection = selection or Selection()
        self.rv = 0
        """The version up to which everything is known; 0 before the first sync."""
        self.trouble = ""
        """Why the store is not following the API server right now; empty when it is."""
        self.unreadable: dict[Key, str] = {}
        """Objects that do not decode into the view, with the reason. They look absent to readers."""
        self._views: dict[Key, V] = {}
        self._functions: dict[str, IndexFunction[V]] = {}
        self._indexes: dict[str, dict[str, set[Key]]] = {}
        self._subscribers: list[Subscriber[V]] = []
        self._synced = anyio.Event()
        self._waiters: list[tuple[int, int, anyio.Event]] = []
        self._departures: dict[str, anyio.Event] = {}
        self._ticket = itertools.count()
        for name, function in (indexes or {}).items():
            self.add_index(name, function)

    # Reading

    def get(self, key: Key) -> V | None:
        """The object, or None if there is none (as far as is known)."""
        return self._views.get(key)

    def __getitem__(self, key: Key) -> V:
        """The object, which must be there: a root in its own snapshot always is. Raises KeyError."""
        return self._views[key]

    def by(self, index: str, value: str) -> tuple[V, ...]:
        """The objects for which the index function gave `value`, ordered by key."""
        return tuple(self._views[key] for key in sorted(self._indexes[index].get(value, ())))

    def all(self) -> tuple[V, ...]:
        """Every object."""
        return tuple(self._views.values())

    def keys(self) -> tuple[Key, ...]:
        """The key of every object."""
        return tuple(self._views)

    def __len__(self) -> int:
        return len(self._views)

    @property
    def synced(self) -> bool:
        """Whether the store has seen all objects at least once."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        await self._synced.wait()

    async def reached(self, rv: int) -> None:
        """Wait until everything up to version `rv` is known. The caller sets the deadline."""
        if self.rv < rv:
            event = anyio.Event()
            heapq.heappush(self._waiters, (rv, next(self._ticket), event))
            await event.wait()

    async def without(self, key: Key, uid: str) -> None:
        """Wait until the object with that UID is not (or no longer) in the store. The caller sets the deadline."""
        view = self._views.get(key)
        if view is not None and meta_of(view).uid == uid:
            await self._departures.setdefault(uid, anyio.Event()).wait()

    def subscribe(self, subscriber: Subscriber[V]) -> None:
        """Call `subscriber(old, new)` after every change; None stands for absent. While `synced` is
        still false the calls tell of objects that existed before we looked."""
        self._subscribers.append(subscriber)

    # Writing: the watcher only

    def add_index(self, name: str, function: IndexFunction[V]) -> None:
        """Add an index. Raises ValueError if another function has that name."""
        if self._functions.get(name, function) is not function:
            raise ValueError(f"store of {self.kind} already has another index named {name}")
        self._functions[name] = function
        self._indexes[name] = {}
        for key, view in self._views.items():
            self._index(name, key, set(), _values(function, view))

    def put(self, key: Key, view: V, rv: int) -> None:
        """The object now looks like `view`."""
        self._put(key, view)
        self.mark(rv)

    def drop(self, key: Key, rv: int) -> None:
        """The object is gone, or no longer selected."""
        self._drop(key)
        self.mark(rv)

    def spoil(self, key: Key, reason: str, rv: int) -> None:
        """The object is there, but cannot be read."""
        self._drop(key)
        self.unreadable[key] = reason
        self.mark(rv)

    def replace(self, views: Mapping[Key, V], unreadable: Mapping[Key, str], rv: int) -> None:
        """The whole truth at version `rv`. Subscribers hear of each difference, deletions too."""
        for key in [key for key in self._views if key not in views]:
            self._drop(key)
        self.unreadable = dict(unreadable)
        for key, view in views.items():
            self._put(key, view)
        self.mark(rv)
        self._synced.set()

    def mark(self, rv: int) -> None:
        """Nothing else happened up to `rv`."""
        self.rv = max(self.rv, rv)
        while self._waiters and self._waiters[0][0] <= self.rv:
            heapq.heappop(self._waiters)[2].set()

    def _put(self, key: Key, view: V) -> None:
        old = self._views.get(key)
        if old is not None and _same_version(old, view):
            return
        self._views[key] = view
        self.unreadable.pop(key, None)
        self._changed(key, old, view)

    def _drop(self, key: Key) -> None:
        self.unreadable.pop(key, None)
        old = self._views.pop(key, None)
        if old is not None:
            self._changed(key, old, None)

    def _changed(self, key: Key, old: V | None, new: V | None) -> None:
        for name, function in self._functions.items():
            self._index(name, key, _values(function, old), _values(function, new))
        if old is not None and self._departures:
            uid = meta_of(old).uid
            if (new is None or meta_of(new).uid != uid) and uid in self._departures:
                self._departures.pop(uid).set()
        for subscriber in self._subscribers:
            subscriber(old, new)

    def _index(self, name: str, key: Key, old: set[str], new: set[str]) -> None:
        index = self._indexes[name]
        for value in old - new:
            keys = index[value]
            keys.discard(key)
            if not keys:
                del index[value]
        for value in new - old:
            index.setdefault(value, set()).add(key)


def _values(function: IndexFunction[V], view: V | None) -> set[str]:
    """What the index says of a view; nothing where it fails, so that one odd object does not end the process."""
    if view is None:
        return set()
    try:
        return set(function(view))
    except Exception:
        _log.exception("object not indexed", extra={"key": str(key_of(view))})
        return set()


def _same_version(old: object, new: object) -> bool:
    before, after = meta_of(old), meta_of(new)
    return (
        before.uid == after.uid
        and version_number(before.resource_version) == version_number(after.resource_version) > 0
    )
