"""The VM controller's decisions."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from kubevirt_py.api.names import MACHINE_TYPE_ANNOTATION
from kubevirt_py.decide.crash_loop import MAX_S, delay_s
from kubevirt_py.decide.run_strategy import ON_START_REQUEST, STEPS, State
from kubevirt_py.decide.vm import decide
from kubevirt_py.decide.vm_status import PRINTABLE, printable_status
from kubevirt_py.plan import NOTHING
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.defaults import with_vmi_defaults
from tests.unit.decide.scene import (
    NOW,
    VMI,
    VMI_UID,
    after,
    ago,
    condition,
    created,
    deleted,
    refused,
    vm,
    vm_snapshot,
    vmi,
)

GOING = {"deletionTimestamp": ago(1)}
START = {"action": "Start"}
STOP = {"action": "Stop", "uid": VMI_UID}
RAN = {"phaseTransitionTimestamps": [{"phase": "Running", "phaseTransitionTimestamp": ago(60)}]}


def outcome(machine: dict[str, Any], instance: dict[str, Any] | None) -> str:
    """create, delete or nothing."""
    plan = decide(vm_snapshot(machine, instance))
    return "create" if created(plan) else "delete" if deleted(plan) else "nothing"


@pytest.mark.parametrize(
    ("strategy", "absent", "active", "succeeded", "failed"),
    [
        ("Always", "create", "nothing", "delete", "delete"),
        ("RerunOnFailure", "nothing", "nothing", "delete", "delete"),
        ("Manual", "nothing", "nothing", "nothing", "nothing"),
        ("Once", "create", "nothing", "nothing", "nothing"),
        ("Halted", "nothing", "delete", "delete", "delete"),
        ("WaitAsReceiver", "nothing", "nothing", "nothing", "nothing"),
    ],
)
def test_run_strategies(strategy: str, absent: str, active: str, succeeded: str, failed: str) -> None:
    machine = vm(strategy, status={"runStrategy": strategy})
    states = (None, vmi("Running"), vmi("Succeeded", **RAN), vmi("Failed", **RAN))
    assert [outcome(machine, state) for state in states] == [absent, active, succeeded, failed]


@pytest.mark.parametrize(
    ("strategy", "instance", "request_", "expected"),
    [
        ("Manual", None, START, "create"),
        ("RerunOnFailure", None, START, "create"),
        ("Halted", None, START, "nothing"),
        ("Manual", vmi("Succeeded", **RAN), START, "delete"),
        ("Always", vmi("Running"), STOP, "delete"),
        ("Manual", vmi("Running"), STOP, "delete"),
        ("RerunOnFailure", vmi("Running"), STOP, "delete"),
        ("Once", vmi("Running"), STOP, "nothing"),
        ("Manual", vmi("Running"), {"action": "Stop", "uid": "another"}, "nothing"),
    ],
)
def test_requests(strategy: str, instance: Any, request_: Any, expected: str) -> None:
    machine = vm(strategy, status={"runStrategy": strategy, "stateChangeRequests": [request_]})
    assert outcome(machine, instance) == expected


def test_running_is_the_older_spelling() -> None:
    machine = vm("")
    machine["spec"]["running"] = True
    assert outcome(machine, None) == "create"
    machine["spec"]["running"] = False
    assert outcome(machine, vmi("Running")) == "delete"


def test_start_creates_one_vmi_with_one_write() -> None:
    plan = decide(vm_snapshot(vm()))
    assert len(plan.do) == 1
    (event,) = plan.events
    assert event.note == "Started the virtual machine by creating the new virtual machine instance testvm"


def test_paused_start_request_makes_a_paused_vmi() -> None:
    request = START | {"data": {"paused": "true"}}
    (body,) = created(decide(vm_snapshot(vm("Manual", status={"stateChangeRequests": [request]}))))
    assert body["spec"]["startStrategy"] == "Paused"


def test_start_request_turns_a_halted_vm_on() -> None:
    machine = vm("Halted", status={"stateChangeRequests": [START | {"data": {"paused": "true"}}]})
    result = after(machine, decide(vm_snapshot(machine)))
    assert result["spec"]["runStrategy"] == "Always"
    (body,) = created(decide(vm_snapshot(result)))
    assert body["spec"]["startStrategy"] == "Paused"


def test_done_requests_leave_the_queue_and_others_stay() -> None:
    machine = vm("Manual", status={"stateChangeRequests": [{"action": "Stop", "uid": "gone"}, START]})
    result = after(machine, decide(vm_snapshot(machine, vmi("Running", **RAN))))
    assert "stateChangeRequests" not in result["status"]
    waiting = vm("Manual", status={"stateChangeRequests": [STOP, START]})
    going = vmi("Running", meta=GOING)
    assert after(waiting, decide(vm_snapshot(waiting, going)))["status"]["stateChangeRequests"] == [STOP, START]


def test_rerun_on_failure_starts_when_newly_set_and_remembers_a_failure() -> None:
    assert outcome(vm("RerunOnFailure"), None) == "create"
    machine = vm("RerunOnFailure", status={"runStrategy": "RerunOnFailure"})
    plan = decide(vm_snapshot(machine, vmi("Failed", **RAN)))
    result = after(machine, plan)
    assert result["status"]["stateChangeRequests"] == [START]
    assert deleted(plan) and plan.do[-1].kind is VMI
    assert outcome(result, None) == "create"


@pytest.mark.parametrize("count", range(1, 12))
def test_back_off_grows_with_the_square_and_ends_at_five_minutes(count: int) -> None:
    delay = delay_s(count, "some-uid")
    assert min(MAX_S, 10 * count**2) <= delay <= min(MAX_S, 15 * count**2)


def test_crash_loop_is_counted_once_per_vmi_and_holds_the_next_one_back() -> None:
    machine, dead = vm(), vmi("Failed", meta=GOING)
    result = after(machine, decide(vm_snapshot(machine, dead)))
    failure = result["status"]["startFailure"]
    assert failure["consecutiveFailCount"] == 1 and failure["lastFailedVMIUID"] == VMI_UID
    assert after(result, decide(vm_snapshot(result, dead))) == result
    waiting = decide(vm_snapshot(result))
    assert not created(waiting)
    assert waiting.again_s is not None and 10 <= waiting.again_s <= 15
    assert after(result, waiting)["status"]["printableStatus"] == "CrashLoopBackOff"
    assert created(decide(vm_snapshot(result, now=NOW + timedelta(seconds=16))))


def test_crash_loop_is_forgotten_once_the_guest_ran() -> None:
    failure = {"consecutiveFailCount": 3, "lastFailedVMIUID": "older", "retryAfterTimestamp": ago(5)}
    machine = vm(status={"startFailure": failure})
    assert "startFailure" not in after(machine, decide(vm_snapshot(machine, vmi("Running"))))["status"]
    starting = after(machine, decide(vm_snapshot(machine, vmi(age_s=10))))
    assert starting["status"]["startFailure"] == failure


def test_start_that_goes_well_is_reported_once_it_runs() -> None:
    quiet = decide(vm_snapshot(vm(), vmi(age_s=1)))
    assert not quiet.do and quiet.again_s == pytest.approx(2)
    machine = vm()
    ready = vmi("Running", conditions=[{"type": "Ready", "status": "True"}])
    result = after(machine, decide(vm_snapshot(machine, ready)))
    status = result["status"]
    assert status["created"] and status["ready"]
    assert status["printableStatus"] == "Running"
    assert status["runStrategy"] == "Always"
    assert decide(vm_snapshot(result, ready)) == NOTHING


def test_start_that_goes_badly_is_reported_at_once() -> None:
    machine = vm()
    bad = vmi(age_s=1, conditions=[{"type": "Synchronized", "status": "False", "reason": "FailedPvcNotFound"}])
    result = after(machine, decide(vm_snapshot(machine, bad)))
    assert result["status"]["printableStatus"] == "ErrorPvcNotFound"
    assert condition(result, "Synchronized")["reason"] == "FailedPvcNotFound"


def says(kind: str, reason: str, status: str = "False") -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status, "reason": reason}]}


@pytest.mark.parametrize(
    ("expected", "meta", "instance"),
    [
        ("Terminating", GOING, vmi("Running")),
        ("Stopping", {}, vmi("Running", meta=GOING)),
        ("Paused", {}, vmi("Running", **says("Paused", "PausedByUser", "True"))),
        ("Running", {}, vmi("Running")),
        ("ErrorPvcNotFound", {}, vmi(**says("Synchronized", "FailedPvcNotFound"))),
        ("ErrorUnschedulable", {}, vmi("Scheduling", **says("PodScheduled", "Unschedulable"))),
        ("ErrImagePull", {}, vmi("Scheduled", **says("Synchronized", "ErrImagePull"))),
        ("ImagePullBackOff", {}, vmi("Scheduled", **says("Synchronized", "ImagePullBackOff"))),
        ("Starting", {}, vmi("Scheduled")),
        ("Stopped", {}, vmi("Succeeded")),
        ("Stopped", {}, None),
        ("Unknown", {}, vmi("WaitingForSync")),
    ],
)
def test_printable_status(expected: str, meta: dict[str, Any], instance: Any) -> None:
    assert printable_status(vm_snapshot(vm("Manual", **meta), instance)) == expected


def test_printable_status_waits_for_a_volume() -> None:
    assert printable_status(vm_snapshot(vm(), vmi(), waits_for_claim=True)) == "WaitingForVolumeBinding"
    assert [name for name, _ in PRINTABLE].index("ErrorUnschedulable") < [name for name, _ in PRINTABLE].index(
        "Starting"
    )


def test_refused_vmi_is_explained_once_and_tried_again() -> None:
    machine, failure = vm(), refused(VMI, "admission webhook denied the request")
    told = decide(vm_snapshot(machine, failure=failure))
    assert [event.reason for event in told.events] == ["FailedCreate"]
    result = after(machine, told)
    assert "denied" in condition(result, "Failure")["message"]
    assert created(decide(vm_snapshot(result, failure=failure)))
    running = after(result, decide(vm_snapshot(result, vmi("Running"))))
    assert condition(running, "Failure") is None


def test_a_vmi_of_the_same_name_that_is_not_ours_is_left_alone() -> None:
    machine = vm()
    plan = decide(vm_snapshot(machine, stranger=True))
    result = after(machine, plan)
    assert not created(plan) and not deleted(plan)
    assert "does not own" in condition(result, "Failure")["message"]
    assert not decide(vm_snapshot(result, stranger=True)).do


def test_changed_template_asks_for_a_restart() -> None:
    machine = vm()
    (body,) = created(decide(vm_snapshot(machine)))
    running = vmi("Running", meta={"annotations": body["metadata"]["annotations"]})
    assert condition(after(machine, decide(vm_snapshot(machine, running))), "RestartRequired") is None
    machine["spec"]["template"]["spec"]["domain"]["memory"]["guest"] = "128M"
    machine["metadata"]["generation"] = 2
    changed = after(machine, decide(vm_snapshot(machine, running)))
    assert condition(changed, "RestartRequired")["status"] == "True"
    assert changed["status"]["observedGeneration"] == 1
    assert changed["status"]["desiredGeneration"] == 2
    restarted = after(changed, decide(vm_snapshot(changed, vmi("Succeeded", meta=GOING, **RAN))))
    assert condition(restarted, "RestartRequired") is None


def test_an_edited_generation_annotation_is_not_believed() -> None:
    machine = vm()
    (body,) = created(decide(vm_snapshot(machine)))
    annotations = {**body["metadata"]["annotations"], "kubevirt.io/vm-generation": "latest"}
    machine["spec"]["template"]["spec"]["domain"]["memory"]["guest"] = "128M"
    result = after(machine, decide(vm_snapshot(machine, vmi("Running", meta={"annotations": annotations}))))
    assert result["status"]["printableStatus"] == "Running"


def test_other_conditions_follow_the_vmi() -> None:
    machine = vm(status={"conditions": [{"type": "AgentConnected", "status": "True"}]})
    migratable = vmi("Running", conditions=[{"type": "LiveMigratable", "status": "True"}])
    result = after(machine, decide(vm_snapshot(machine, migratable)))
    assert condition(result, "LiveMigratable")["status"] == "True"
    assert condition(result, "AgentConnected") is None
    assert condition(result, "Ready")["reason"] == "VMIConditionMissing"


def test_deletion_takes_the_vmi_first_and_releases_it_when_its_end_is_recorded() -> None:
    machine = vm(**GOING)
    assert deleted(decide(vm_snapshot(machine, vmi("Running")))) == ["virtualmachineinstances/testvm"]
    ended = vmi("Failed", meta=GOING)
    released = after(ended, decide(vm_snapshot(machine, ended)))
    assert released["metadata"]["finalizers"] == ["kubevirt.io/foregroundDeleteVirtualMachine"]
    assert after(machine, decide(vm_snapshot(machine)))["metadata"]["finalizers"] == []


def test_deletion_with_orphans_leaves_the_vmi() -> None:
    finalizers = ["orphan", "kubevirt.io/virtualMachineControllerFinalize"]
    machine = vm(finalizers=finalizers, **GOING)
    plan = decide(vm_snapshot(machine, vmi("Running")))
    assert not deleted(plan)
    assert after(machine, plan)["metadata"]["finalizers"] == ["orphan"]


def test_tables_are_complete() -> None:
    stands = set(State) - {State.LEAVING}
    assert all(set(steps) == stands for steps in STEPS.values())
    assert set(ON_START_REQUEST) == set(STEPS)


INSTANCES = {
    "none": None,
    "starting": vmi("Scheduled", age_s=10),
    "running": vmi("Running", conditions=[{"type": "Ready", "status": "True"}]),
    "succeeded": vmi("Succeeded", **RAN),
    "failed": vmi("Failed"),
    "stopping": vmi("Running", meta=GOING),
    "ended": vmi("Failed", meta=GOING),
}


@pytest.mark.parametrize(("strategy", "instance"), list(itertools.product([*STEPS, "Unheard"], INSTANCES)))
def test_written_once_nothing_is_left_to_write(strategy: str, instance: str) -> None:
    machine, found = vm(strategy, status={"runStrategy": strategy}), INSTANCES[instance]
    plan = decide(vm_snapshot(machine, found))
    result, left = after(machine, plan), after(found, plan) if found else None
    second = decide(vm_snapshot(result, left))
    assert after(result, second) == result
    assert left is None or after(left, second) == left


def ended(ran_on: str) -> dict[str, Any]:
    return vmi("Succeeded", meta=GOING, machine={"type": ran_on}, **RAN)


@pytest.mark.parametrize(
    ("template", "kept", "ran_on", "expected"),
    [
        ("q35", None, "pc-q35-10.0", "pc-q35-10.0"),
        ("pc", None, "pc-i440fx-10.0", "pc-i440fx-10.0"),
        ("q35", "pc-q35-9.2", "pc-q35-9.2", "pc-q35-9.2"),
        ("q35", "pc-i440fx-9.2", "pc-q35-10.0", "pc-q35-10.0"),
        ("pc-q35-8.2", None, "pc-q35-8.2", None),
        ("pc", None, "pc-q35-10.0", None),
        ("q35", None, "", None),
        (None, None, "pc-q35-10.0", None),
    ],
    ids=["first end", "pc", "kept already", "of another board", "named", "changed meanwhile", "never ran", "no board"],
)
def test_the_board_a_guest_first_ran_on_is_kept_when_it_ends(
    template: str | None, kept: str | None, ran_on: str, expected: str | None
) -> None:
    machine = vm("Manual", annotations={MACHINE_TYPE_ANNOTATION: kept} if kept else {})
    if template:
        machine["spec"]["template"]["spec"]["domain"]["machine"] = {"type": template}
    plan = decide(vm_snapshot(machine, ended(ran_on)))
    result = after(machine, plan)
    assert result["metadata"]["annotations"].get(MACHINE_TYPE_ANNOTATION) == expected
    assert result["spec"] == machine["spec"]
    assert plan.do[-1].kind is VMI, "the VMI is let go of last"


@pytest.mark.parametrize(
    ("template", "permitted", "expected"),
    [
        ("q35", ("q35*", "pc-q35*"), "pc-q35-9.2"),
        ("q35", ("q35",), "q35"),
        ("pc", ("pc*",), "pc"),
        ("pc-q35-8.2", ("*",), "pc-q35-8.2"),
    ],
    ids=["kept", "no longer permitted", "another board", "named"],
)
def test_the_next_guest_has_the_board_that_was_kept(template: str, permitted: tuple[str, ...], expected: str) -> None:
    machine = vm(annotations={MACHINE_TYPE_ANNOTATION: "pc-q35-9.2"})
    machine["spec"]["template"]["spec"]["domain"]["machine"] = {"type": template}
    (body,) = created(decide(vm_snapshot(machine, config=ClusterConfig(emulated_machines=permitted))))
    assert body["spec"]["domain"]["machine"] == {"type": expected}


def test_a_kept_board_asks_for_no_restart() -> None:
    machine = vm(annotations={MACHINE_TYPE_ANNOTATION: "pc-q35-9.2"})
    machine["spec"]["template"]["spec"]["domain"]["machine"] = {"type": "q35"}
    (body,) = created(decide(vm_snapshot(machine)))
    running = vmi("Running", meta={"annotations": body["metadata"]["annotations"]}, **RAN)
    running["spec"] = with_vmi_defaults(body["spec"], ClusterConfig())
    machine["metadata"]["generation"] = 2
    del machine["metadata"]["annotations"]
    assert condition(after(machine, decide(vm_snapshot(machine, running))), "RestartRequired") is None
