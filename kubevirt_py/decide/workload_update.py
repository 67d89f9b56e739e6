"""Guests that run in an older launcher image: counted in the KubeVirt CR, and ended in batches where it says Evict.

Source: KubeVirt's workload updater; a machine that is to run always is started again, in the new image.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kubevirt_py.api import kinds, names
from kubevirt_py.api.durations import parse_duration
from kubevirt_py.api.views import KubeVirt, Pod, VirtualMachineInstance
from kubevirt_py.decide import phases
from kubevirt_py.decide.references import event, key_of
from kubevirt_py.plan import Action, Delete, Document, Event, MergePatch, Plan

EVICT = "Evict"
BATCH_SIZE, BATCH_INTERVAL = 10, timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Fleet:
    """`old` are the outdated guests, each with its live pod if it has one; `last_batch` is when some were ended."""

    kubevirt: KubeVirt
    spec: Document
    counted: int | None
    old: tuple[tuple[VirtualMachineInstance, Pod | None], ...]
    now: datetime
    last_batch: datetime | None = None


def outdated(vmi: VirtualMachineInstance, launcher_image: str) -> bool:
    """Whether a guest runs in another launcher image than new ones do."""
    version = vmi.status.launcher_container_image_version
    return vmi.status.phase == phases.RUNNING and version not in ("", launcher_image)


def decide(s: Fleet) -> Plan:
    """Nothing for a CR that is going."""
    if s.kubevirt.metadata.deletion_timestamp is not None:
        return Plan()
    do: list[Action] = []
    if s.counted != len(s.old):
        body = {"status": {"outdatedVirtualMachineInstanceWorkloads": len(s.old)}}
        do.append(MergePatch(kinds.KUBEVIRT, key_of(s.kubevirt), body, subresource="status"))
    strategy = s.spec.get("workloadUpdateStrategy") or {}
    if not s.old or EVICT not in (strategy.get("workloadUpdateMethods") or ()):
        return Plan(do=tuple(do))
    wait_s = _wait_s(s, strategy)
    if wait_s > 0:
        return Plan(do=tuple(do), again_s=wait_s)
    batch, events = _batch(s.old, int(strategy.get("batchEvictionSize") or BATCH_SIZE))
    return Plan(do=(*do, *batch), events=events, again_s=_interval(strategy).total_seconds())


def _interval(strategy: Document) -> timedelta:
    given = strategy.get("batchEvictionInterval")
    return parse_duration(given) if given else BATCH_INTERVAL


def _wait_s(s: Fleet, strategy: Document) -> float:
    return (s.last_batch + _interval(strategy) - s.now).total_seconds() if s.last_batch is not None else 0.0


def _batch(
    old: tuple[tuple[VirtualMachineInstance, Pod | None], ...], size: int
) -> tuple[tuple[Action, ...], tuple[Event, ...]]:
    """The longest-running first; those whose pods are going already count for the batch."""
    first = sorted(old, key=lambda one: (one[0].metadata.creation_timestamp, one[0].metadata.uid))[:size]
    chosen = [(vmi, pod) for vmi, pod in first if pod is not None and pod.metadata.deletion_timestamp is None]
    ends = tuple(Delete(kinds.POD, key_of(pod), pod.metadata.uid) for _, pod in chosen)
    note = "the guest is ended because its launcher image is outdated (spec.workloadUpdateStrategy of the KubeVirt CR)"
    events = tuple(event(kinds.VMI, vmi, names.SUCCESSFUL_DELETE, note) for vmi, _ in chosen)
    return ends, events
