"""The VMI controller's decisions: one test per cell that matters, and rules that hold in all of them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kubevirt_py.api.kinds import NETWORK_DEFINITION
from kubevirt_py.api.views import PersistentVolumeClaim
from kubevirt_py.decide import phases
from kubevirt_py.decide.pods import Fate, fate
from kubevirt_py.decide.vmi import TABLE, Stand, decide
from kubevirt_py.plan import NOTHING, Create, Delete, Failure, Key, Require
from tests.unit.decide.scene import (
    NOW,
    POD,
    after,
    ago,
    condition,
    created,
    deleted,
    pod,
    refused,
    view,
    vmi,
    vmi_snapshot,
)

RUNNING = {"running": {"startedAt": ago(1)}}
KILLED = {"terminated": {"exitCode": 137, "reason": "Error", "finishedAt": ago(60)}}
CLAIM = {"volumes": [{"name": "root", "persistentVolumeClaim": {"claimName": "data"}}]}
PULLING = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
GOING = {"meta": {"deletionTimestamp": ago(1)}}


def placed(**parts: Any) -> dict[str, Any]:
    """A VMI as the controller leaves it once its pod is bound."""
    fresh = vmi()
    return after(fresh, decide(vmi_snapshot(fresh, pod()))) | parts


def test_first_pod_is_made() -> None:
    plan = decide(vmi_snapshot(vmi()))
    (body,) = created(plan)
    assert body["metadata"]["annotations"]["kubevirt.io/launch-attempt"] == "0"
    assert [event.reason for event in plan.events] == ["SuccessfulCreate"]
    assert {event.type for event in plan.events} == {"Normal"}


def test_finalizer_comes_before_the_pod_where_admission_did_not_set_it() -> None:
    bare = vmi(meta={"finalizers": []})
    plan = decide(vmi_snapshot(bare))
    assert after(bare, plan)["metadata"]["finalizers"] == ["kubevirt.io/foregroundDeleteVirtualMachine"]
    assert created(plan) and plan.do[-1].kind is POD


def test_pod_that_looks_for_a_node_briefly_costs_no_write() -> None:
    plan = decide(vmi_snapshot(vmi(), pod(node="", age_s=0.5)))
    assert not plan.do
    assert plan.again_s is not None and 0 < plan.again_s <= 2


def test_pod_that_looks_for_a_node_long_is_reported() -> None:
    machine = vmi()
    result = after(machine, decide(vmi_snapshot(machine, pod(node="", age_s=3))))
    assert result["status"]["phase"] == "Scheduling"


def test_a_machine_type_that_no_node_knows_is_named() -> None:
    finding = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node fits."}
    machine = vmi(spec={"domain": {"machine": {"type": "pc-q35-1.0"}}})
    snapshot = replace(vmi_snapshot(machine, pod(node="", conditions=[finding])), machine_known=False)
    told = condition(after(machine, decide(snapshot)), "PodScheduled")
    assert told is not None
    assert told["message"].startswith("no node fits. No node's QEMU has machine type pc-q35-1.0: name another one")


def test_unschedulable_pod_is_reported_at_once_and_taken_back() -> None:
    machine = vmi()
    finding = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node fits"}
    result = after(machine, decide(vmi_snapshot(machine, pod(node="", age_s=0, conditions=[finding]))))
    assert condition(result, "PodScheduled")["message"] == "no node fits"
    bound = after(result, decide(vmi_snapshot(result, pod())))
    assert condition(bound, "PodScheduled") is None
    assert bound["status"]["phase"] == "Scheduled"


def test_bound_pod_hands_the_vmi_to_the_node_in_one_patch() -> None:
    machine = vmi()
    plan = decide(vmi_snapshot(machine, pod()))
    assert len(plan.do) == 1
    result = after(machine, plan)
    assert result["metadata"]["labels"] == {"kubevirt.io/nodeName": "node1"}
    status = result["status"]
    assert status["phase"] == "Scheduled"
    assert status["nodeName"] == "node1"
    assert status["activePods"] == {"pod-uid-0": "node1"}
    assert status["qosClass"] == "Burstable"
    assert [entry["phase"] for entry in status["phaseTransitionTimestamps"]] == ["Scheduled"]
    assert condition(result, "Ready")["reason"] == "GuestNotRunning"


def test_state_of_the_tpm_gets_a_claim_before_its_pod() -> None:
    spec = {"domain": {"memory": {"guest": "64M"}, "devices": {"tpm": {"persistent": True}}}}
    claim, made = (action.body for action in decide(vmi_snapshot(vmi(spec=spec))).do)  # type: ignore[union-attr]
    assert claim["kind"] == "PersistentVolumeClaim"
    assert claim["metadata"]["labels"]["persistent-state-for"] == "testvm"
    assert [owner["kind"] for owner in claim["metadata"]["ownerReferences"]] == ["VirtualMachine"]
    assert _state_volumes(made) == [{"claimName": claim["metadata"]["name"]}]
    (again,) = (action.body for action in decide(vmi_snapshot(vmi(spec=spec), state_claim="restored")).do)  # type: ignore[union-attr]
    assert _state_volumes(again) == [{"claimName": "restored"}]


def test_the_claim_of_the_state_has_an_entry_of_its_own() -> None:
    spec = {"domain": {"memory": {"guest": "64M"}, "devices": {"tpm": {"persistent": True}}}}
    machine = vmi(spec=spec)
    placed = after(machine, decide(vmi_snapshot(machine, pod(), state_claim="restored")))
    info = {"claimName": "restored", "accessModes": ["ReadWriteOnce"]}
    entry = {"name": "restored", "target": "", "persistentVolumeClaimInfo": info}
    assert placed["status"]["volumeStatus"] == [entry]


def _state_volumes(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [one["persistentVolumeClaim"] for one in pod["spec"]["volumes"] if one["name"] == "vm-state"]


def test_missing_claim_is_named_and_tells_what_to_do() -> None:
    machine = vmi(spec=CLAIM)
    plan = decide(vmi_snapshot(machine))
    result = after(machine, plan)
    assert not created(plan)
    assert condition(result, "Synchronized")["reason"] == "FailedPvcNotFound"
    assert condition(result, "PodScheduled")["reason"] == "Unschedulable"
    (event,) = plan.events
    assert event.type == "Warning" and "data" in event.note and "create it" in event.note
    assert decide(vmi_snapshot(result)) == NOTHING
    assert created(decide(vmi_snapshot(result, claims=("data",))))
    found = after(result, decide(vmi_snapshot(result, pod(node="", age_s=3), claims=("data",))))
    assert condition(found, "Synchronized") is None and condition(found, "PodScheduled") is None


def test_image_trouble_shows_and_goes() -> None:
    machine = placed()
    plan = decide(vmi_snapshot(machine, pod(container=PULLING)))
    troubled = after(machine, plan)
    assert condition(troubled, "Synchronized") | {"lastTransitionTime": ""} == {
        "type": "Synchronized",
        "status": "False",
        "reason": "ErrImagePull",
        "message": "no such image",
        "lastTransitionTime": "",
    }
    assert [event.type for event in plan.events] == ["Warning"]
    backing_off = pod(container={"waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}})
    again = decide(vmi_snapshot(troubled, backing_off))
    assert condition(after(troubled, again), "Synchronized")["reason"] == "ImagePullBackOff"
    assert not again.events
    well = after(troubled, decide(vmi_snapshot(troubled, pod(container=RUNNING))))
    assert condition(well, "Synchronized") is None


def test_a_pod_that_waits_long_for_its_volumes_is_pointed_to_until_it_has_them() -> None:
    def waiting(seconds: float) -> dict[str, Any]:
        short = {"type": "PodReadyToStartContainers", "status": "False", "lastTransitionTime": ago(seconds)}
        return pod(container={"waiting": {"reason": "ContainerCreating"}}, conditions=[short])

    machine = placed()
    patient = decide(vmi_snapshot(machine, waiting(10)))
    assert not patient.do and patient.again_s == 20
    plan = decide(vmi_snapshot(machine, waiting(30)))
    troubled = after(machine, plan)
    said = condition(troubled, "Synchronized")
    assert (said["status"], said["reason"]) == ("False", "PodNotPrepared")
    assert "kubectl describe pod virt-launcher-" in said["message"]
    assert [(event.type, event.note) for event in plan.events] == [("Warning", said["message"])]
    assert decide(vmi_snapshot(troubled, waiting(90))) == NOTHING
    well = after(troubled, decide(vmi_snapshot(troubled, pod(container=RUNNING))))
    assert condition(well, "Synchronized") is None


def test_what_the_agent_says_about_synchronization_stays() -> None:
    machine = placed()
    machine["status"]["conditions"].append({"type": "Synchronized", "status": "False", "reason": "BadDisk"})
    assert decide(vmi_snapshot(machine, pod(container=RUNNING))) == NOTHING


def test_forbidden_pod_is_explained_once_and_tried_again() -> None:
    machine = vmi()
    failure = refused(POD, 'violates PodSecurity "restricted"')
    told = decide(vmi_snapshot(machine, failure=failure))
    assert not created(told)
    assert [event.reason for event in told.events] == ["FailedCreate"]
    result = after(machine, told)
    assert "violates PodSecurity" in condition(result, "Synchronized")["message"]
    assert created(decide(vmi_snapshot(result, failure=failure)))
    assert condition(after(result, decide(vmi_snapshot(result, pod()))), "Synchronized") is None


BLUE = {
    "domain": {"memory": {"guest": "64M"}, "devices": {"interfaces": [{"name": "blue", "bridge": {}}]}},
    "networks": [{"name": "blue", "multus": {"networkName": "blue"}}],
}


def test_a_pod_is_made_where_its_networks_are_defined() -> None:
    first, second = decide(vmi_snapshot(vmi(spec=BLUE))).do
    assert first == Require(NETWORK_DEFINITION, Key("default", "blue"))
    assert isinstance(second, Create)


@pytest.mark.parametrize(
    ("status", "reason", "message", "advice"),
    [
        (404, "NotFound", 'network-attachment-definitions.k8s.cni.cncf.io "blue" not found', "create it and the VM"),
        (404, "Not Found", "404 page not found", "this cluster has no Multus. Install it, or remove the network"),
        (403, "Forbidden", "no right to read it", "no right to read it"),
    ],
)
def test_a_network_that_is_not_defined_is_named_once(status: int, reason: str, message: str, advice: str) -> None:
    machine = vmi(spec=BLUE)
    failure = Failure(Require(NETWORK_DEFINITION, Key("default", "blue")), reason, message, status)
    told = decide(vmi_snapshot(machine, failure=failure))
    assert not created(told)
    assert [(event.reason, event.type) for event in told.events] == [("FailedCreate", "Warning")]
    result = after(machine, told)
    found = condition(result, "Synchronized")
    assert (found["status"], found["reason"]) == ("False", "FailedCreate")
    assert found["message"].startswith("Failed to locate network attachment definition default/blue")
    assert advice in found["message"]
    assert created(decide(vmi_snapshot(result, failure=failure)))
    assert condition(after(result, decide(vmi_snapshot(result, pod()))), "Synchronized") is None


@pytest.mark.parametrize("start", [vmi(), vmi("Scheduling")])
def test_refused_pod_is_replaced_with_back_off(start: dict[str, Any]) -> None:
    dead = pod("Failed", reason="UnexpectedAdmissionError", message="no healthy devices", age_s=0)
    machine = after(start, decide(vmi_snapshot(start, dead)))
    assert machine["status"]["phase"] == "Scheduling"
    assert condition(machine, "Synchronized")["reason"] == "FailedCreate"
    waiting = decide(vmi_snapshot(machine, dead))
    assert not waiting.do and waiting.again_s is not None and 0 < waiting.again_s <= 1
    (body,) = created(decide(vmi_snapshot(machine, dead, now=NOW + timedelta(seconds=1))))
    assert body["metadata"]["annotations"]["kubevirt.io/launch-attempt"] == "1"


def test_the_delay_between_pods_stays_bounded_however_many_were_refused() -> None:
    dead = pod("Failed", attempt=5000, reason="UnexpectedAdmissionError", age_s=50)
    machine = after(vmi(), decide(vmi_snapshot(vmi(), dead)))
    assert decide(vmi_snapshot(machine, dead)).again_s == 10
    (body,) = created(decide(vmi_snapshot(machine, dead, now=NOW + timedelta(seconds=10))))
    assert body["metadata"]["annotations"]["kubevirt.io/launch-attempt"] == "5001"


def test_refusal_after_hand_over_takes_the_vmi_back_from_the_node() -> None:
    machine = placed()
    dead = pod("Failed", reason="UnexpectedAdmissionError", age_s=10)
    result = after(machine, decide(vmi_snapshot(machine, dead)))
    assert result["status"]["phase"] == "Scheduling"
    assert "nodeName" not in result["status"] and "activePods" not in result["status"]
    assert "kubevirt.io/nodeName" not in result["metadata"]["labels"]


def test_only_the_latest_refused_pod_is_kept_and_none_once_the_guest_runs() -> None:
    machine = vmi()
    dead = [pod("Failed", attempt=n, reason="UnexpectedAdmissionError", age_s=100) for n in range(2)]
    machine = after(machine, decide(vmi_snapshot(machine, *dead)))
    plan = decide(vmi_snapshot(machine, *dead))
    assert len(created(plan)) == 1
    assert deleted(plan) == ["pods/virt-launcher-testvm-0"]
    running = vmi("Running")
    plan = decide(vmi_snapshot(running, dead[1], pod("Running", attempt=2, container=RUNNING)))
    assert deleted(plan) == ["pods/virt-launcher-testvm-1"]


def test_without_a_probe_the_agent_alone_says_ready() -> None:
    machine = vmi("Running", conditions=[{"type": "Ready", "status": "True", "lastTransitionTime": ago(5)}])
    lagging = {"type": "Ready", "status": "False", "reason": "ContainersNotReady"}
    assert decide(vmi_snapshot(machine, pod("Running", conditions=[lagging]))) == NOTHING


def test_with_a_probe_readiness_is_the_pods() -> None:
    machine = vmi("Running", spec={"readinessProbe": {"tcpSocket": {"port": 22}}})
    not_yet = {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "lastTransitionTime": ago(9)}
    machine = after(machine, decide(vmi_snapshot(machine, pod("Running", conditions=[not_yet]))))
    assert condition(machine, "Ready")["reason"] == "ContainersNotReady"
    ready = {"type": "Ready", "status": "True"}
    machine = after(machine, decide(vmi_snapshot(machine, pod("Running", conditions=[ready]))))
    assert condition(machine, "Ready")["status"] == "True"
    assert decide(vmi_snapshot(machine, pod("Running", conditions=[ready]))) == NOTHING
    machine["status"]["conditions"].append({"type": "Paused", "status": "True", "reason": "PausedByUser"})
    machine = after(machine, decide(vmi_snapshot(machine, pod("Running", conditions=[ready]))))
    assert condition(machine, "Ready")["reason"] == "GuestNotRunning"


@pytest.mark.parametrize("phase", ["Scheduled", "Running"])
def test_pod_deleted_by_somebody_makes_the_vmi_unready_then_failed(phase: str) -> None:
    machine = vmi(phase)
    machine["status"]["conditions"] = [{"type": kind, "status": "True"} for kind in ("Paused", "AgentConnected")]
    machine = after(machine, decide(vmi_snapshot(machine, pod("Running", container=RUNNING, **GOING))))
    assert condition(machine, "Ready")["reason"] == "PodTerminating"
    assert machine["status"]["phase"] == phase
    plan = decide(vmi_snapshot(machine))
    machine = after(machine, plan)
    assert machine["status"]["phase"] == "Failed"
    assert not condition(machine, "Paused") and not condition(machine, "AgentConnected")
    assert [event.type for event in plan.events] == ["Warning"]


@pytest.mark.parametrize("phase", ["Scheduled", "Running"])
def test_a_pod_not_seen_yet_is_not_a_pod_gone(phase: str) -> None:
    plan = decide(vmi_snapshot(vmi(phase), settle_s=4))
    assert not plan.do and plan.again_s == 4


@pytest.mark.parametrize(("exit_code", "grace_s"), [(137, 5), (0, 30)])
def test_the_agent_speaks_first_about_a_guests_end(exit_code: int, grace_s: int) -> None:
    machine = vmi("Running")

    def ended(seconds_ago: float) -> dict[str, Any]:
        how = {"terminated": {"exitCode": exit_code, "finishedAt": ago(seconds_ago)}}
        return pod("Succeeded" if exit_code == 0 else "Failed", container=how)

    early = decide(vmi_snapshot(machine, ended(1)))
    assert not early.do and early.again_s == pytest.approx(grace_s - 1)
    late = after(machine, decide(vmi_snapshot(machine, ended(grace_s))))
    assert late["status"]["phase"] == "Failed"


@pytest.mark.parametrize("phase", ["Scheduled", "Running"])
def test_a_guest_that_never_ran_says_why_also_where_its_agent_did_not_in_time(phase: str) -> None:
    refusal = "virt-launcher: data/disk.img: Too many levels of symbolic links\n"
    how = {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": ago(100), "message": f"waiting\n{refusal}"}}
    ended = pod("Failed", container=how)
    silent = after(vmi(phase), decide(vmi_snapshot(vmi(phase), ended)))
    assert silent["status"]["phase"] == "Failed"
    found = [one for one in silent["status"]["conditions"] if one["type"] == "Synchronized"]
    assert [one["message"].endswith(f"{refusal.strip()})") for one in found] == ([True] if phase == "Scheduled" else [])
    told = {"type": "Synchronized", "status": "False", "reason": "SyncFailed", "message": "the agent's own words"}
    machine = vmi(phase, conditions=[told])
    assert condition(after(machine, decide(vmi_snapshot(machine, ended))), "Synchronized")["message"] == told["message"]


def test_eviction_names_its_reason() -> None:
    machine = vmi("Running")
    plan = decide(vmi_snapshot(machine, pod("Failed", container=KILLED, reason="Evicted")))
    assert after(machine, plan)["status"]["reason"] == "Evicted"
    assert "Evicted" in plan.events[0].note


def test_deletion_takes_pods_first_then_finalizers() -> None:
    machine = vmi("Running", meta={"deletionTimestamp": ago(1)})
    assert deleted(decide(vmi_snapshot(machine, pod("Running", container=RUNNING)))) == ["pods/virt-launcher-testvm-0"]
    leaving = after(machine, decide(vmi_snapshot(machine, pod("Running", container=RUNNING, **GOING))))
    assert leaving["metadata"]["finalizers"] == machine["metadata"]["finalizers"]
    gone = after(leaving, decide(vmi_snapshot(leaving)))
    assert gone["metadata"]["finalizers"] == ["kubevirt.io/virtualMachineControllerFinalize"]
    assert gone["status"]["phase"] == "Failed"


def test_a_grace_period_made_shorter_reaches_a_pod_that_is_going() -> None:
    machine = vmi("Running", meta={"deletionTimestamp": ago(1)}, spec={"terminationGracePeriodSeconds": 0})
    going = {"deletionTimestamp": ago(1), "deletionGracePeriodSeconds": 45}
    (action,) = decide(vmi_snapshot(machine, pod("Running", container=RUNNING, meta=going))).do
    assert isinstance(action, Delete) and action.grace_s == 15
    shorter = going | {"deletionGracePeriodSeconds": 15}
    assert not deleted(decide(vmi_snapshot(machine, pod("Running", container=RUNNING, meta=shorter))))


def test_reported_end_survives_deletion_and_an_orphan_needs_no_vm() -> None:
    machine = vmi("Succeeded", meta={"deletionTimestamp": ago(1)})
    gone = after(machine, decide(vmi_snapshot(machine, owner_exists=False)))
    assert gone["status"]["phase"] == "Succeeded"
    assert gone["metadata"]["finalizers"] == []


def test_ended_vmi_lets_its_pod_end_by_itself_for_a_while() -> None:
    times = [{"phase": "Succeeded", "phaseTransitionTimestamp": ago(5)}]
    machine = vmi("Succeeded", phaseTransitionTimestamps=times)
    early = decide(vmi_snapshot(machine, pod("Running", container=RUNNING)))
    assert not early.do and early.again_s == pytest.approx(10)
    late = decide(vmi_snapshot(machine, pod("Running", container=RUNNING), now=NOW + timedelta(seconds=11)))
    assert deleted(late) == ["pods/virt-launcher-testvm-0"]


def test_table_is_complete() -> None:
    assert set(TABLE) == set(itertools.product(Stand, Fate))


PODS: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "unbound": [pod(node="", age_s=3)],
    "bound": [pod()],
    "running": [pod("Running", container=RUNNING)],
    "pulling": [pod(container=PULLING)],
    "leaving": [pod("Running", container=RUNNING, **GOING)],
    "refused": [pod("Failed", reason="UnexpectedAdmissionError", age_s=100)],
    "ended": [pod("Failed", container=KILLED)],
    "second": [pod("Failed", reason="OutOfcpu", age_s=100), pod(attempt=1)],
}
MACHINES = {phase or "unset": vmi(phase) for phase in phases.FOLLOWS} | {
    f"{phase} deleting": vmi(phase, meta={"deletionTimestamp": ago(1)}) for phase in phases.FOLLOWS if phase
}
SITUATIONS = list(itertools.product(MACHINES, PODS))


@pytest.mark.parametrize(("machine", "pods"), SITUATIONS)
def test_written_once_nothing_is_left_to_write(machine: str, pods: str) -> None:
    """Patches reach a fixed point; creations and deletions are left aside, their effect is another pod list."""
    before = MACHINES[machine]
    result = after(before, decide(vmi_snapshot(before, *PODS[pods])))
    second = decide(vmi_snapshot(result, *PODS[pods]))
    assert after(result, second) == result


@pytest.mark.parametrize(("machine", "pods"), SITUATIONS)
def test_phases_only_move_as_the_table_allows(machine: str, pods: str) -> None:
    before = MACHINES[machine]
    result = after(before, decide(vmi_snapshot(before, *PODS[pods])))
    assert phases.may_follow(before["status"]["phase"], result["status"]["phase"])


@pytest.mark.parametrize(("machine", "pods"), SITUATIONS)
def test_no_pod_is_made_beside_a_live_one(machine: str, pods: str) -> None:
    snapshot = vmi_snapshot(MACHINES[machine], *PODS[pods])
    live = [one for one in snapshot.pods if fate(one) in (Fate.UNBOUND, Fate.BOUND, Fate.LEAVING)]
    assert not (live and created(decide(snapshot)))


def test_a_container_lost_sight_of_has_no_times_and_is_read_all_the_same() -> None:
    how = {"exitCode": 137, "reason": "ContainerStatusUnknown", "startedAt": None, "finishedAt": None}
    machine = vmi("Running")
    lost = after(machine, decide(vmi_snapshot(machine, pod("Failed", container={"terminated": how}))))
    assert lost["status"]["phase"] == "Failed"


FILLED_BY_CDI = {"ownerReferences": [{"kind": "DataVolume", "name": "data", "uid": "dv"}], "name": "data"}


def claim(progress: str) -> PersistentVolumeClaim:
    meta = {**FILLED_BY_CDI, "annotations": {"cdi.kubevirt.io/storage.pod.phase": progress}}
    return view({"metadata": meta, "status": {"phase": "Bound"}}, PersistentVolumeClaim)


def test_a_guest_waits_until_its_data_volumes_are_filled() -> None:
    machine = vmi(spec={"volumes": [{"name": "data", "dataVolume": {"name": "data"}}]})
    filling = replace(vmi_snapshot(machine), claims={"data": claim("Running")})
    result = after(machine, decide(filling))
    told = condition(result, "DataVolumesReady")
    assert told is not None
    assert (told["status"], told["reason"]) == ("False", "NotAllDVsReady")
    assert decide(replace(vmi_snapshot(result), claims={"data": claim("Running")})) == NOTHING
    assert created(decide(replace(vmi_snapshot(result), claims={"data": claim("Succeeded")})))
    bound = after(result, decide(replace(vmi_snapshot(result, pod()), claims={"data": claim("Succeeded")})))
    assert condition(bound, "DataVolumesReady")["reason"] == "AllDVsReady"


@pytest.mark.parametrize(("qos_class", "phase"), [("Guaranteed", "Scheduled"), ("Burstable", "Failed")])
def test_cpus_of_its_own_need_a_guaranteed_pod(qos_class: str, phase: str) -> None:
    machine = vmi(spec={"domain": {"cpu": {"dedicatedCpuPlacement": True}, "memory": {"guest": "64M"}}})
    plan = decide(vmi_snapshot(machine, pod(qosClass=qos_class)))
    assert after(machine, plan)["status"]["phase"] == phase
    assert [event.reason for event in plan.events] == (["FailedGuaranteeResources"] if phase == "Failed" else [])
