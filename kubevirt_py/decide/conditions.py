"""Conditions as data: which are set, which are dropped, and what stays untouched.

A condition's lastTransitionTime moves only when its status changes, so writing
the same finding twice gives the same list and therefore no patch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kubevirt_py.api.views import Condition
from kubevirt_py.plan import Document

TRUE = "True"
FALSE = "False"

Conditions = tuple[Condition, ...]


def find(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """The condition of type `kind`, if present."""
    return next((condition for condition in conditions if condition.type == kind), None)


def is_true(conditions: Iterable[Condition], kind: str) -> bool:
    """True if the condition is present with status True."""
    found = find(conditions, kind)
    return found is not None and found.status == TRUE


def false_reason(conditions: Iterable[Condition], kind: str) -> str:
    """The reason of a condition whose status is False, else ""."""
    found = find(conditions, kind)
    return found.reason if found is not None and found.status == FALSE else ""


def merged(old: Conditions, changes: Mapping[str, Condition | None], now: str) -> Conditions:
    """`old` with each type in `changes` set (or dropped, for None), order kept, new ones last.

    `now` is the RFC 3339 time of transitions. Equal findings keep their old entry.
    """
    kept = [
        _settled(condition, changes[condition.type], now) if condition.type in changes else condition
        for condition in old
    ]
    known = {condition.type for condition in old}
    added = [_settled(None, change, now) for kind, change in changes.items() if kind not in known]
    return tuple(condition for condition in (*kept, *added) if condition is not None)


def _settled(old: Condition | None, new: Condition | None, now: str) -> Condition | None:
    if new is None or (old is not None and _finding(old) == _finding(new)):
        return old if new is not None else None
    same_status = old is not None and old.status == new.status
    since = old.last_transition_time if old is not None and same_status else now
    return Condition(
        type=new.type,
        status=new.status,
        reason=new.reason,
        message=new.message,
        last_transition_time=since or now,
        last_probe_time=old.last_probe_time if old else None,
    )


def _finding(condition: Condition) -> tuple[str, str, str]:
    return condition.status, condition.reason, condition.message


def documents(conditions: Iterable[Condition]) -> list[Document]:
    """Conditions as they stand in a status document: empty fields left out."""
    return [
        {
            name: value
            for name, value in (
                ("type", condition.type),
                ("status", condition.status),
                ("reason", condition.reason),
                ("message", condition.message),
                ("lastTransitionTime", condition.last_transition_time),
                ("lastProbeTime", condition.last_probe_time),
            )
            if value
        }
        for condition in conditions
    ]
