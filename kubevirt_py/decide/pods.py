"""What the pods of a VMI tell: which one counts and how it fares."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import Enum, auto

from kubevirt_py.api import names
from kubevirt_py.api.views import Condition, ContainerStateTerminated, Pod
from kubevirt_py.decide import conditions
from kubevirt_py.decide.clock import age_s

TERMINAL_PHASES = frozenset({"Succeeded", "Failed"})
IMAGE_REASONS = {
    "ErrImagePull": names.ERR_IMAGE_PULL,
    "ImageInspectError": names.ERR_IMAGE_PULL,
    "ErrImageNeverPull": names.ERR_IMAGE_PULL,
    "InvalidImageName": names.ERR_IMAGE_PULL,
    "RegistryUnavailable": names.ERR_IMAGE_PULL,
    "ImagePullBackOff": names.IMAGE_PULL_BACKOFF,
}
"""The kubelet's waiting reasons for images (of containers and of image volumes) -> the VMI's reasons."""
CONTAINER_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
PREPARATION_S = 30.0
"""How long the kubelet may take for a pod's volumes and network before the user hears of it."""
REPORT_GRACE_S = 5
"""How long the node agent gets to report the guest's end before the pod's own end counts."""
CLEAN_REPORT_GRACE_S = 30
"""The same after exit code 0, which only an agent that was there brings about."""


class Fate(Enum):
    """How the pod that counts fares."""

    ABSENT = auto()
    UNBOUND = auto()
    BOUND = auto()
    LEAVING = auto()
    REFUSED = auto()
    """Ended before any of its containers started: the guest cannot have run."""
    ENDED = auto()


def attempt(pod: Pod) -> int:
    """The launch attempt a pod belongs to."""
    text = pod.metadata.annotations.get(names.LAUNCH_ATTEMPT_ANNOTATION, "0")
    return int(text) if text.isdecimal() else 0


def is_terminal(pod: Pod) -> bool:
    """The pod has ended; nothing runs in it."""
    return pod.status.phase in TERMINAL_PHASES


def current(pods: Iterable[Pod]) -> Pod | None:
    """The pod that counts: a live one if there is one, else that of the latest attempt."""
    return max(pods, key=lambda pod: (not is_terminal(pod), attempt(pod)), default=None)


def fate(pod: Pod | None) -> Fate:
    """How `pod` fares."""
    if pod is None:
        return Fate.ABSENT
    if is_terminal(pod):
        return Fate.ENDED if _has_started(pod) else Fate.REFUSED
    if pod.metadata.deletion_timestamp:
        return Fate.LEAVING
    return Fate.BOUND if pod.spec.node_name else Fate.UNBOUND


def unschedulable(pod: Pod) -> Condition | None:
    """The scheduler's finding that no node fits, as a condition."""
    found = conditions.find(pod.status.conditions, names.POD_SCHEDULED)
    return found if found is not None and found.reason == names.UNSCHEDULABLE else None


def container_trouble(pod: Pod) -> tuple[str, str] | None:
    """(reason, message) if a container cannot start for want of its image or a part of its configuration."""
    for status in pod.status.container_statuses:
        waiting = status.state.waiting
        if waiting is not None and waiting.reason in IMAGE_REASONS:
            return IMAGE_REASONS[waiting.reason], waiting.message
        if waiting is not None and waiting.reason in CONTAINER_REASONS:
            return waiting.reason, waiting.message
    return None


def unprepared_s(pod: Pod, now: datetime) -> float | None:
    """For how long the kubelet has not had the pod's volumes or network; None if it has both, or does not tell."""
    found = conditions.find(pod.status.conditions, names.POD_READY_TO_START)
    return age_s(found.last_transition_time, now) if found is not None and found.status == "False" else None


def ending(pod: Pod) -> str:
    """One line about why an ended pod ended, for a message to users."""
    how = _terminated(pod)
    if how is None:
        return pod.status.reason or pod.status.message or pod.status.phase
    reason = pod.status.reason or how.reason or "ended"
    text = f"{reason}, exit code {how.exit_code}"
    last_line = how.message.strip().rpartition("\n")[2]
    return f"{text}: {last_line}" if last_line else text


def report_wait_s(pod: Pod, now: datetime) -> float:
    """Seconds that the node agent still has to report the end of a guest whose pod ended; 0 when they are over."""
    how = _terminated(pod)
    if how is None:
        return 0.0
    grace = CLEAN_REPORT_GRACE_S if how.exit_code == 0 else REPORT_GRACE_S
    return max(0.0, grace - age_s(how.finished_at, now))


def _has_started(pod: Pod) -> bool:
    how = _terminated(pod)
    return (how is not None and how.reason != "ContainerStatusUnknown") or any(
        status.state.running is not None for status in pod.status.container_statuses
    )


def _terminated(pod: Pod) -> ContainerStateTerminated | None:
    return next((status.state.terminated for status in pod.status.container_statuses if status.state.terminated), None)
