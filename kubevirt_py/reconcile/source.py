"""Where wake-ups come from: changes in stores, and the clock."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from kubevirt_py.plan import Key, Kind
from kubevirt_py.reconcile.meta import controller_of, is_kind, key_of, meta_of
from kubevirt_py.reconcile.store import Store

V = TypeVar("V")

_log = logging.getLogger(__name__)

DELETION = 10
USER = 0
BACKGROUND = -100
"""Priorities: what existed before we started and hourly looks must not hold up a user's edit."""

DEBOUNCE_S = 0.02
"""Children change in bursts (a pod's status has several writers); one look sees them all."""

EVERYTHING = Key("", "")
"""The one key of a controller without a root store."""


class Wake(Protocol):
    """Asks a controller to look at a key."""

    def __call__(self, key: Key, after_s: float = 0.0, priority: int = USER, why: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class Source:
    """Wakes the keys that `keys(view)` gives for the old and the new state of each change in `store`."""

    store: Store[Any]
    keys: Callable[[Any], Iterable[Key]] | None

    def connect(self, root: Kind[Any] | None, wake: Wake) -> None:
        """Start to listen; `root` is the kind of the keys to wake."""
        keys, why = self.keys or owner_key(root), str(self.store.kind)

        def on_change(old: Any | None, new: Any | None) -> None:
            priority = USER if self.store.synced else BACKGROUND
            try:
                woken = {key for view in (old, new) if view is not None for key in keys(view)}
            except Exception:
                # A bug that one odd object brings out must not end the process, which would meet it again at once.
                _log.exception("no keys from a changed object", extra={"kind": why})
                return
            for key in woken:
                wake(key, DEBOUNCE_S, priority, why)

        self.store.subscribe(on_change)


@dataclass(frozen=True, slots=True)
class Ticker:
    """Wakes every key of the root store each `seconds` (the one key, where there is no root)."""

    seconds: float


def owns(store: Store[Any]) -> Source:
    """Changes of objects in `store` wake the root that controls them."""
    return Source(store, None)


def mapped(store: Store[V], keys: Callable[[V], Iterable[Key]]) -> Source:
    """Changes of objects in `store` wake the keys `keys` gives for them."""
    return Source(store, keys)


def ticker(seconds: float) -> Ticker:
    """The clock wakes all keys."""
    return Ticker(seconds)


def owner_key(root: Kind[Any] | None) -> Callable[[Any], Iterable[Key]]:
    """A function from a view to the key of its controlling owner of kind `root`."""
    if root is None:
        raise ValueError("owns() needs a root store; use mapped() where there is none")

    def keys(view: Any) -> Iterable[Key]:
        owner = controller_of(view)
        if owner is None or not is_kind(owner, root):
            return ()
        return (Key(meta_of(view).namespace if root.namespaced else "", owner.name),)

    return keys


def connect_root(store: Store[Any], wake: Wake) -> None:
    """Changes of the roots themselves: at once, and deletions first."""

    def on_change(_old: Any | None, new: Any | None) -> None:
        view = new if new is not None else _old
        going = new is None or meta_of(new).deletion_timestamp is not None
        priority = BACKGROUND if not store.synced else DELETION if going else USER
        wake(key_of(view), 0.0, priority, str(store.kind))

    store.subscribe(on_change)
