"""Merge patches: RFC 7386, and Kubernetes' strategic one for lists of built-in kinds.

Source: the patchMergeKey tags of Kubernetes' types. Directives: `$patch: delete|replace`, `$deleteFromPrimitiveList`,
`$setElementOrder` and `$retainKeys` (of which the order is left to us).
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

MERGE_KEYS = {
    "containers": ("name",),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "ports": ("containerPort", "port"),
    "resourceClaims": ("name",),
    "secrets": ("name",),
    "topologySpreadConstraints": ("topologyKey",),
    "validations": ("expression",),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
    "webhooks": ("name",),
}
"""Where there are two, the first that the patch's entry has."""
PRIMITIVE_SETS = ("finalizers",)
_DIRECTIVE = "$patch"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_RETAIN = "$retainKeys"


def merge(old: Any, patch: Any) -> Any:
    """A merge patch of RFC 7386: null removes, lists are replaced."""
    if not isinstance(patch, dict):
        return deepcopy(patch)
    result = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def strategic_merge(old: Any, patch: Any) -> Any:
    """A strategic merge patch. Raises ValueError for an entry of a list without the key it merges by."""
    if not isinstance(patch, dict) or not isinstance(old, dict):
        return _plain(patch)
    if patch.get(_DIRECTIVE) == "replace":
        return _plain(patch)
    result = {name: value for name, value in old.items() if name in patch.get(_RETAIN, old)}
    for name, value in patch.items():
        if name.startswith(_DELETE_FROM):
            target = name.removeprefix(_DELETE_FROM)
            result[target] = [one for one in result.get(target) or () if one not in value]
        elif name.startswith("$"):
            continue
        elif value is None or (isinstance(value, dict) and value.get(_DIRECTIVE) == "delete"):
            result.pop(name, None)
        elif isinstance(value, list):
            result[name] = _merge_list(name, result.get(name) or [], value)
        else:
            result[name] = strategic_merge(result.get(name), value)
    return result


def _merge_list(name: str, old: list[Any], patch: list[Any]) -> list[Any]:
    if name in PRIMITIVE_SETS:
        return [*old, *(one for one in patch if one not in old)]
    replace = any(isinstance(one, dict) and one.get(_DIRECTIVE) == "replace" and len(one) == 1 for one in patch)
    entries = [one for one in patch if not (isinstance(one, dict) and set(one) == {_DIRECTIVE})]
    if name not in MERGE_KEYS or replace or not all(isinstance(one, dict) for one in entries):
        return [_plain(one) for one in entries]
    result = list(old)
    for entry in entries:
        key = next((key for key in MERGE_KEYS[name] if key in entry), None)
        if key is None:
            raise ValueError(f"an entry of {name} has no {' or '.join(MERGE_KEYS[name])}, by which it would be merged")
        place = next((i for i, one in enumerate(result) if one.get(key) == entry[key]), None)
        if entry.get(_DIRECTIVE) == "delete":
            result = [one for one in result if one.get(key) != entry[key]]
        elif place is None:
            result.append(_plain(entry))
        else:
            result[place] = strategic_merge(result[place], entry)
    return result


def _plain(value: Any) -> Any:
    """The value without directives and nulls."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if not name.startswith("$") and one is not None}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value
