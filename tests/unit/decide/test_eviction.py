"""Which pods may be evicted, with which words the others are kept, and how guests are marked."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kubevirt_py.api.views import Pod
from kubevirt_py.decide.eviction import LET_GO, Guest, attachment_eviction, launcher_eviction
from kubevirt_py.plan import Document

MARK = {"op": "add", "path": "/status/evacuationNodeName", "value": "node1"}


def guest(strategy: str = "LiveMigrate", *, migratable: bool = True, **status: Any) -> Guest:
    document = {
        "metadata": {"namespace": "default", "name": "vm1", "uid": "u1", "resourceVersion": "7"},
        "spec": {"evictionStrategy": strategy} if strategy else {},
        "status": {
            "phase": "Running",
            "nodeName": "node1",
            "conditions": [{"type": "LiveMigratable", "status": str(migratable)}],
            **status,
        },
    }
    return msgspec.convert(document, Guest)


def pod(labels: Document | None = None, phase: str = "Running") -> Pod:
    document = {
        "metadata": {"namespace": "default", "name": "virt-launcher-vm1", "labels": labels or {}},
        "spec": {"nodeName": "node1"},
        "status": {"phase": phase},
    }
    return msgspec.convert(document, Pod)


@pytest.mark.parametrize("strategy", ["LiveMigrate", "LiveMigrateIfPossible", "External"])
def test_a_guest_that_can_move_is_marked_and_kept(strategy: str) -> None:
    answer = launcher_eviction(pod(), guest(strategy), "", {})
    assert answer.later == 'Eviction triggered evacuation of VMI "default/vm1"'
    assert answer.ops == ({"op": "test", "path": "/metadata/uid", "value": "u1"}, MARK)


def test_a_marked_guest_is_not_marked_again() -> None:
    answer = launcher_eviction(pod(), guest(evacuationNodeName="node1"), "", {})
    assert answer.later == 'Evacuation in progress: Eviction triggered evacuation of VMI "default/vm1"'
    assert not answer.ops


@pytest.mark.parametrize(
    ("strategy", "kept"), [("LiveMigrate", True), ("External", True), ("LiveMigrateIfPossible", False), ("None", False)]
)
def test_a_guest_that_cannot_move_is_kept_by_some_strategies(strategy: str, kept: bool) -> None:
    answer = launcher_eviction(pod(), guest(strategy, migratable=False), "", {})
    assert bool(answer.later) is kept
    assert ("not live-migratable" in answer.later) is (strategy == "LiveMigrate")
    assert bool(answer.ops) is (strategy == "External")


def test_the_clusters_strategy_is_that_of_guests_without_one() -> None:
    assert launcher_eviction(pod(), guest(""), "", {}) == LET_GO
    assert launcher_eviction(pod(), guest(""), "LiveMigrate", {}).ops
    assert launcher_eviction(pod(), guest("None"), "LiveMigrate", {}) == LET_GO


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_the_pod_of_a_guest_that_is_gone_may_go(phase: str) -> None:
    assert launcher_eviction(pod(), guest(phase=phase), "", {}) == LET_GO


def test_the_pod_a_guest_moves_to_is_kept_until_it_is_there() -> None:
    target = pod({"kubevirt.io/migrationJobUID": "m1"})
    state = {"targetPod": "virt-launcher-vm1"}
    arriving = launcher_eviction(target, guest(migrationState=state), "", {})
    assert "wait for its migration" in arriving.later
    assert not arriving.ops
    assert launcher_eviction(target, guest(migrationState=state | {"completed": True}), "", {}).ops


def test_the_descheduler_is_noted_as_the_source() -> None:
    asked = {"metadata": {"annotations": {"requested-by": "sigs.k8s.io/descheduler"}}}
    ops = launcher_eviction(pod(), guest(), "", asked).ops
    assert ops[1] == MARK
    assert ops[-2:] == (
        {"op": "add", "path": "/metadata/annotations", "value": {}},
        {"op": "add", "path": "/metadata/annotations/kubevirt.io~1eviction-source", "value": "descheduler"},
    )


def test_volumes_stay_as_long_as_the_pod_that_uses_them() -> None:
    assert "virt-launcher-vm1" in attachment_eviction(pod()).later
    assert attachment_eviction(pod(phase="Succeeded")) == LET_GO
    assert attachment_eviction(None) == LET_GO
