"""Finalizers by JSON patch, tested so that a concurrent edit of the list is never undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubevirt_py.plan import Document, JsonPatch, Key, Kind


def add_finalizer(kind: Kind[Any], key: Key, present: Sequence[str], name: str) -> JsonPatch:
    """Adds `name` to the finalizers `present`; nothing to do if it is there."""
    if name in present:
        return JsonPatch(kind, key, ())
    path = "/metadata/finalizers"
    if not present:
        return JsonPatch(kind, key, (_test(path, None), {"op": "add", "path": path, "value": [name]}))
    return JsonPatch(kind, key, (_test(path, list(present)), {"op": "add", "path": f"{path}/-", "value": name}))


def remove_finalizer(kind: Kind[Any], key: Key, present: Sequence[str], name: str) -> JsonPatch:
    """Removes `name` from the finalizers `present`; nothing to do if it is gone."""
    if name not in present:
        return JsonPatch(kind, key, ())
    path = f"/metadata/finalizers/{list(present).index(name)}"
    return JsonPatch(kind, key, (_test(path, name), {"op": "remove", "path": path}))


def _test(path: str, value: object) -> Document:
    return {"op": "test", "path": path, "value": value}
