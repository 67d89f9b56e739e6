"""How writes combine with what is stored: merge patch and server-side apply."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from kubevirt_py.kube.errors import Conflict
from kubevirt_py.plan import Document

_T = TypeVar("_T")

Path = tuple[Any, ...]
"""Steps to a field: a name, or for an element of a keyed list its ("key field", value)."""

LIST_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "ownerReferences": "uid",
    "imagePullSecrets": "name",
    "topologySpreadConstraints": "topologyKey",
}
"""Lists of built-in kinds that merge by a key. `conditions` merge by type, but only in built-in kinds."""


def copied(value: _T) -> _T:
    """A copy of JSON that shares nothing with it; several times faster than copy.deepcopy, which sweeps would feel."""
    if isinstance(value, dict):
        return cast("_T", {key: copied(one) for key, one in value.items()})
    return cast("_T", [copied(one) for one in value]) if isinstance(value, list) else value


def merge_patch(old: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copied(patch)
    result = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


class Ownership:
    """Which field manager owns which fields of one object."""

    def __init__(self) -> None:
        self._owned: dict[str, set[Path]] = {}

    def apply(self, old: Document, wanted: Document, manager: str, *, force: bool) -> Document:
        """`old` with the fields of `wanted`, without those that `manager` alone owned before and no longer names.

        Raises Conflict if another manager owns a field that would change, unless `force`.
        """
        fields = leaves(_without_identity(wanted))
        for other, owned in self._owned.items():
            if other == manager:
                continue
            disputed = [path for path, value in fields.items() if path in owned and _get(old, path) != value]
            if disputed and not force:
                raise Conflict(409, "Conflict", f"conflict with {other!r}: {_words(disputed[0])}")
            owned.difference_update(disputed)
        result = copied(old)
        for path in self._owned.get(manager, set()) - set(fields):
            if not any(path in owned for other, owned in self._owned.items() if other != manager):
                _remove(result, path)
        for path, value in fields.items():
            _put(result, path, copied(value))
        self._owned[manager] = set(fields)
        return result

    def wrote(self, old: Document, new: Document, manager: str) -> None:
        """An update by other means than apply: `manager` owns what it changed."""
        before, after = leaves(_without_identity(old)), leaves(_without_identity(new))
        changed = {path for path, value in after.items() if before.get(path) != value}
        for owned in self._owned.values():
            owned.difference_update(changed)
        self._owned.setdefault(manager, set()).update(changed)


def leaves(value: Any, path: Path = ()) -> dict[Path, Any]:
    """Every field of a document that holds a value; keyed lists by element, other lists whole."""
    if isinstance(value, dict) and value:
        found: dict[Path, Any] = {}
        for name, child in value.items():
            found.update(leaves(child, (*path, name)))
        return found
    key = LIST_KEYS.get(path[-1]) if path and isinstance(path[-1], str) else None
    if key and isinstance(value, list) and value and all(isinstance(item, dict) and key in item for item in value):
        found = {}
        for item in value:
            found.update(leaves(item, (*path, (key, item[key]))))
        return found
    return {path: value}


def _without_identity(document: Document) -> Document:
    metadata = document.get("metadata", {})
    kept = {
        name: metadata[name] for name in ("labels", "annotations", "finalizers", "ownerReferences") if name in metadata
    }
    rest = {name: value for name, value in document.items() if name not in ("apiVersion", "kind", "metadata")}
    return {**rest, "metadata": kept} if kept else rest


def _step(value: Any, step: Any) -> Any:
    if isinstance(step, tuple):
        items = value if isinstance(value, list) else []
        return next((item for item in items if item.get(step[0]) == step[1]), None)
    return value.get(step) if isinstance(value, dict) else None


def _get(document: Any, path: Path) -> Any:
    for step in path:
        document = _step(document, step)
    return document


def _put(document: Any, path: Path, value: Any) -> None:
    for step, following in zip(path, (*path[1:], None), strict=True):
        if following is None:
            document[step] = value
            return
        child = _step(document, step)
        if child is None:
            child = [] if isinstance(following, tuple) else {}
            if isinstance(step, tuple):
                child = {step[0]: step[1]}
                document.append(child)
            else:
                document[step] = child
        document = child


def _remove(document: Any, path: Path) -> None:
    parents = [document]
    for step in path[:-1]:
        parents.append(_step(parents[-1], step))
    for parent, step in zip(reversed(parents), reversed(path), strict=True):
        if parent is None:
            return
        if isinstance(step, tuple):
            element = _step(parent, step)
            if element is not None and set(element) <= {step[0]}:
                parent.remove(element)
        elif step in parent and (step == path[-1] or not parent[step]):
            del parent[step]


def _words(path: Path) -> str:
    return "".join(f"[{step[0]}={step[1]}]" if isinstance(step, tuple) else f".{step}" for step in path)
