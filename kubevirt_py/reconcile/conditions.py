"""Merging conditions: the time of the last transition moves only when the status does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kubevirt_py.plan import Document


def merge_conditions(
    old: Iterable[Mapping[str, object]], wanted: Iterable[Mapping[str, object]], now: str
) -> list[Document]:
    """`old` with `wanted` put in by type, in the old order, new ones last.

    `now` is the RFC 3339 time given to conditions that are new or whose status changed. A result equal
    to `old` means that there is nothing to write.
    """
    merged = {str(condition["type"]): dict(condition) for condition in old}
    for condition in wanted:
        kind = str(condition["type"])
        before = merged.get(kind)
        same = before is not None and before.get("status") == condition.get("status")
        since = before.get("lastTransitionTime") if same and before is not None else now
        merged[kind] = {**condition, "lastTransitionTime": since}
    return list(merged.values())


def without_condition(old: Iterable[Mapping[str, object]], kind: str) -> list[Document]:
    """`old` without the condition of that type."""
    return [dict(condition) for condition in old if condition["type"] != kind]
