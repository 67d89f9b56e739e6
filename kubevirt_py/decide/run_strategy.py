"""Run strategies as a table: strategy times state of the VMI -> step.

Source: KubeVirt's VM controller. A Stop request that names the VMI deletes it
under every strategy but Once; what the strategy then says about no VMI decides
whether that was a stop or a restart.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto

from kubevirt_py.api.views import StateChangeRequest
from kubevirt_py.decide import phases
from kubevirt_py.decide.vm_snapshot import VmSnapshot

ALWAYS = "Always"
HALTED = "Halted"
MANUAL = "Manual"
ONCE = "Once"
RERUN_ON_FAILURE = "RerunOnFailure"

START = "Start"
STOP = "Stop"


class State(Enum):
    """Where the VM's VMI stands."""

    ABSENT = auto()
    ACTIVE = auto()
    SUCCEEDED = auto()
    FAILED = auto()
    LEAVING = auto()


class Step(Enum):
    """What the strategy wants."""

    KEEP = auto()
    CREATE = auto()
    DELETE = auto()
    DELETE_AND_RERUN = auto()
    """Delete and ask for a start, so that the wish outlives the VMI."""
    ENABLE = auto()
    """Turn the strategy to Always."""


STEPS: dict[str, dict[State, Step]] = {
    ALWAYS: {
        State.ABSENT: Step.CREATE,
        State.ACTIVE: Step.KEEP,
        State.SUCCEEDED: Step.DELETE,
        State.FAILED: Step.DELETE,
    },
    RERUN_ON_FAILURE: {
        State.ABSENT: Step.KEEP,
        State.ACTIVE: Step.KEEP,
        State.SUCCEEDED: Step.DELETE,
        State.FAILED: Step.DELETE_AND_RERUN,
    },
    MANUAL: {
        State.ABSENT: Step.KEEP,
        State.ACTIVE: Step.KEEP,
        State.SUCCEEDED: Step.KEEP,
        State.FAILED: Step.KEEP,
    },
    ONCE: {
        State.ABSENT: Step.CREATE,
        State.ACTIVE: Step.KEEP,
        State.SUCCEEDED: Step.KEEP,
        State.FAILED: Step.KEEP,
    },
    HALTED: {
        State.ABSENT: Step.KEEP,
        State.ACTIVE: Step.DELETE,
        State.SUCCEEDED: Step.DELETE,
        State.FAILED: Step.DELETE,
    },
}

ON_START_REQUEST: dict[str, dict[State, Step]] = {
    ALWAYS: {},
    RERUN_ON_FAILURE: {State.ABSENT: Step.CREATE, State.SUCCEEDED: Step.DELETE, State.FAILED: Step.DELETE},
    MANUAL: {State.ABSENT: Step.CREATE, State.SUCCEEDED: Step.DELETE, State.FAILED: Step.DELETE},
    ONCE: {},
    HALTED: {State.ABSENT: Step.ENABLE},
}
"""Steps of a pending Start request that replace the strategy's own."""


def state(s: VmSnapshot) -> State:
    """Where the VMI stands."""
    if s.vmi is None:
        return State.ABSENT
    if s.vmi.metadata.deletion_timestamp:
        return State.LEAVING
    if s.vmi.status.phase == phases.SUCCEEDED:
        return State.SUCCEEDED
    return State.FAILED if s.vmi.status.phase == phases.FAILED else State.ACTIVE


def step(s: VmSnapshot) -> Step:
    """The strategy's step; strategies of other versions leave everything as it is."""
    now, strategy = state(s), s.strategy
    if now is State.LEAVING or strategy not in STEPS:
        return Step.KEEP
    requests = open_requests(s)
    first = requests[0] if requests else None
    if first is not None and first.action == STOP and strategy != ONCE:
        return Step.DELETE
    if first is not None and first.action == START:
        return ON_START_REQUEST[strategy].get(now, STEPS[strategy][now])
    newly_set = strategy == RERUN_ON_FAILURE and s.vm.status.run_strategy != strategy
    if newly_set and now is State.ABSENT:
        return Step.CREATE
    return STEPS[strategy][now]


def open_requests(s: VmSnapshot) -> tuple[StateChangeRequest, ...]:
    """`status.stateChangeRequests` without those that are done, oldest first."""
    requests: Iterable[StateChangeRequest] = s.vm.status.state_change_requests
    return tuple(request for request in requests if not _done(s, request))


def starts_paused(s: VmSnapshot) -> bool:
    """Whether the pending Start asks for a guest that waits at its first instruction."""
    first = next(iter(open_requests(s)), None)
    return first is not None and first.action == START and first.data.get("paused") == "true"


def _done(s: VmSnapshot, request: StateChangeRequest) -> bool:
    if request.action == STOP:
        return s.vmi is None or s.vmi.metadata.uid != request.uid
    return state(s) is State.ACTIVE
