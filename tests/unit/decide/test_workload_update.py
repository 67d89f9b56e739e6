"""Guests in an older launcher image."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from kubevirt_py.api.views import KubeVirt, ObjectMeta, Pod, VirtualMachineInstance, VirtualMachineInstanceStatus
from kubevirt_py.decide.workload_update import Fleet, decide, outdated
from kubevirt_py.plan import Delete, MergePatch, Plan

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def guest(name: str, image: str = "launcher:old", phase: str = "Running") -> tuple[VirtualMachineInstance, Pod]:
    meta = ObjectMeta(name=name, namespace="default", uid=name, creation_timestamp=name)
    status = VirtualMachineInstanceStatus(phase=phase, launcher_container_image_version=image)
    return VirtualMachineInstance(meta, status=status), Pod(
        ObjectMeta(name=f"pod-{name}", namespace="default", uid=name)
    )


CR = KubeVirt(ObjectMeta(name="kubevirt", namespace="kubevirt"))
EVICT = {"workloadUpdateStrategy": {"workloadUpdateMethods": ["Evict"], "batchEvictionSize": 2}}
FLEET = Fleet(kubevirt=CR, spec={}, counted=3, old=(guest("3"), guest("1"), guest("2")), now=NOW)


def ended(plan: Plan) -> list[str]:
    return [action.key.name for action in plan.do if isinstance(action, Delete)]


def test_who_is_outdated() -> None:
    assert outdated(guest("a")[0], "launcher:new")
    assert not outdated(guest("a")[0], "launcher:old")
    assert not outdated(guest("a", phase="Succeeded")[0], "launcher:new")
    assert not outdated(guest("a", image="")[0], "launcher:new")


def test_the_count_is_written_when_it_differs() -> None:
    assert decide(FLEET) == Plan()
    (action,) = decide(replace(FLEET, counted=None)).do
    assert isinstance(action, MergePatch)
    assert action.body == {"status": {"outdatedVirtualMachineInstanceWorkloads": 3}}


def test_guests_are_ended_in_batches_the_oldest_first() -> None:
    plan = decide(replace(FLEET, spec=EVICT))
    assert ended(plan) == ["pod-1", "pod-2"] and len(plan.events) == 2 and plan.again_s == 60
    soon = decide(replace(FLEET, spec=EVICT, last_batch=NOW - timedelta(seconds=20)))
    assert ended(soon) == [] and soon.again_s == 40
    assert ended(decide(replace(FLEET, spec=EVICT, last_batch=NOW - timedelta(seconds=60)))) == ["pod-1", "pod-2"]


def test_a_guest_that_is_going_is_not_ended_twice() -> None:
    vmi, _ = guest("1")
    going = replace(
        FLEET, spec=EVICT, old=((vmi, Pod(ObjectMeta(name="pod-1", deletion_timestamp="now"))), (vmi, None))
    )
    assert ended(decide(going)) == []


def test_nothing_is_done_for_an_installation_that_goes() -> None:
    leaving = KubeVirt(ObjectMeta(name="kubevirt", deletion_timestamp="now"))
    assert decide(replace(FLEET, kubevirt=leaving, spec=EVICT, counted=0)) == Plan()
