"""The node controller's decisions."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import msgspec

from kubevirt_py.api import views
from kubevirt_py.decide.node import NodeSnapshot, decide
from kubevirt_py.plan import NOTHING
from tests.unit.decide.scene import NOW, after, ago, merged, view, vmi

FACTS = {"schedulable": True, "cpuModels": ["Conroe"], "machineTypes": ["q35"]}


def lease(age_s: float = 5, facts: Any = FACTS) -> dict[str, Any]:
    annotations = {"kubevirt.io/node-facts": facts if isinstance(facts, str) else json.dumps(facts)}
    return {
        "metadata": {"name": "virt-handler-node1", "annotations": annotations},
        "spec": {"renewTime": (NOW - timedelta(seconds=age_s)).isoformat().replace("+00:00", ".123456Z")},
    }


def node(**metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "node1", "resourceVersion": "1"} | metadata}


def snapshot(machine: dict[str, Any], report: dict[str, Any] | None, *podless: dict[str, Any], **parts: Any) -> Any:
    return NodeSnapshot(
        node=view(machine, views.Node),
        lease=view(report, views.Lease) if report else None,
        podless=tuple(view(one, views.VirtualMachineInstance) for one in podless),
        now=parts.pop("now", NOW),
        **parts,
    )


def written(machine: dict[str, Any], plan: Any) -> dict[str, Any]:
    result = machine
    for action in plan.do:
        if action.kind.kind == "Node":
            result = merged(result, action.body)
    return result


def test_a_node_that_never_had_an_agent_is_left_alone() -> None:
    assert decide(snapshot(node(), None)) == NOTHING


def test_first_report_makes_the_node_schedulable_in_one_write() -> None:
    plan = decide(snapshot(node(), lease()))
    assert len(plan.do) == 1
    result = written(node(), plan)["metadata"]
    assert result["labels"] == {
        "kubevirt.io/schedulable": "true",
        "cpu-model.node.kubevirt.io/Conroe": "true",
        "cpu-model-migration.node.kubevirt.io/Conroe": "true",
        "machine-type.node.kubevirt.io/q35": "true",
    }
    assert result["annotations"] == {"kubevirt.io/heartbeat": lease()["spec"]["renewTime"]}
    assert decide(snapshot(written(node(), plan), lease())).do == ()


def test_heartbeat_is_written_once_a_minute() -> None:
    machine = written(node(), decide(snapshot(node(), lease())))
    report = lease(-50)
    assert not decide(snapshot(machine, report, now=NOW + timedelta(seconds=54))).do
    assert len(decide(snapshot(machine, report, now=NOW + timedelta(seconds=56))).do) == 1


def test_silent_agent_closes_the_node_once() -> None:
    machine = written(node(), decide(snapshot(node(), lease())))
    late = NOW + timedelta(seconds=300)
    plan = decide(snapshot(machine, lease(), now=late))
    closed = written(machine, plan)
    assert closed["metadata"]["labels"]["kubevirt.io/schedulable"] == "false"
    assert closed["metadata"]["labels"]["machine-type.node.kubevirt.io/q35"] == "true"
    assert [event.reason for event in plan.events] == ["NodeUnresponsive"]
    again = decide(snapshot(closed, lease(), now=late))
    assert not again.do and not again.events and again.again_s == 60
    assert written(closed, decide(snapshot(closed, lease(-299), now=late))) != closed


def test_lost_lease_is_silence_since_the_last_heartbeat() -> None:
    machine = node(annotations={"kubevirt.io/heartbeat": ago(10)}, labels={"kubevirt.io/schedulable": "true"})
    assert not decide(snapshot(machine, None)).do
    plan = decide(snapshot(machine, None, now=NOW + timedelta(minutes=5)))
    assert written(machine, plan)["metadata"]["labels"] == {"kubevirt.io/schedulable": "false"}


def test_vmis_without_a_pod_on_a_silent_node_have_failed() -> None:
    machine, stranded = node(annotations={"kubevirt.io/heartbeat": ago(400)}), vmi("Running", nodeName="node1")
    plan = decide(snapshot(machine, None, stranded))
    result = after(stranded, plan)
    assert result["status"]["phase"] == "Failed"
    assert result["status"]["reason"] == "NodeUnresponsive"
    assert ("Warning", "VirtualMachineInstance") in [(e.type, e.regarding["kind"]) for e in plan.events]


def test_skipped_node_gets_only_the_schedulable_label() -> None:
    machine = node(
        annotations={"node-labeller.kubevirt.io/skip-node": "true"},
        labels={"cpu-model.node.kubevirt.io/mine": "true"},
    )
    assert written(machine, decide(snapshot(machine, lease())))["metadata"]["labels"] == {
        "cpu-model.node.kubevirt.io/mine": "true",
        "kubevirt.io/schedulable": "true",
    }


def test_unreadable_facts_take_no_label_away() -> None:
    machine = node(labels={"kubevirt.io/schedulable": "true", "machine-type.node.kubevirt.io/q35": "true"})
    result = written(machine, decide(snapshot(machine, lease(facts="{"))))
    assert result["metadata"]["labels"] == machine["metadata"]["labels"]


def test_the_view_of_a_lease_reads_micro_times() -> None:
    assert msgspec.json.decode(json.dumps(lease()), type=views.Lease).spec.renew_time == lease()["spec"]["renewTime"]
