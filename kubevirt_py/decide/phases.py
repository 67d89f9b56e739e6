"""Phases of a VMI: which may follow which, and who writes them.

Up to Scheduled the controller writes the phase, from Running on the node agent
does. After that the controller only ever declares Failed, and only when the pod
has ended or is gone.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubevirt_py.api.views import PhaseTransition
from kubevirt_py.plan import Document

UNSET = ""
PENDING = "Pending"
SCHEDULING = "Scheduling"
SCHEDULED = "Scheduled"
RUNNING = "Running"
SUCCEEDED = "Succeeded"
FAILED = "Failed"

FINAL = frozenset({SUCCEEDED, FAILED})
"""The guest is gone and this VMI will never run again."""
UNPLACED = frozenset({UNSET, PENDING, SCHEDULING})
"""No pod is bound to a node yet."""
STARTING = UNPLACED | {SCHEDULED}

FOLLOWS: dict[str, frozenset[str]] = {
    UNSET: frozenset({PENDING, SCHEDULING, SCHEDULED, FAILED}),
    PENDING: frozenset({SCHEDULING, SCHEDULED, FAILED}),
    SCHEDULING: frozenset({SCHEDULED, FAILED}),
    # Back to Scheduling when the kubelet refuses the pod and another one is made.
    SCHEDULED: frozenset({RUNNING, SUCCEEDED, FAILED, SCHEDULING}),
    RUNNING: frozenset({SUCCEEDED, FAILED}),
    SUCCEEDED: frozenset(),
    FAILED: frozenset(),
}


def may_follow(old: str, new: str) -> bool:
    """Whether a VMI in phase `old` may be written as `new`."""
    return old == new or new in FOLLOWS.get(old, frozenset())


def transitions(old: Iterable[PhaseTransition], phase: str, now: str) -> list[Document]:
    """phaseTransitionTimestamps with `phase` in it: one entry per phase, the newest entry wins."""
    kept = [entry for entry in old if entry.phase != phase]
    times = [(entry.phase, entry.phase_transition_timestamp) for entry in kept] + [(phase, now)]
    return [{"phase": name, "phaseTransitionTimestamp": time} for name, time in times]


def reached(timestamps: Iterable[PhaseTransition], phase: str) -> str | None:
    """When the VMI entered `phase`, None if it never did."""
    return next((entry.phase_transition_timestamp for entry in timestamps if entry.phase == phase), None)
