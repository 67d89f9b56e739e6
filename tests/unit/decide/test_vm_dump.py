"""A memory dump from request to end, whatever stops virt-controller, the guest or the agent on the way."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kubevirt_py.api import kinds, views
from kubevirt_py.api.names import MEMORY_DUMP_ANNOTATION
from kubevirt_py.decide.vm import decide
from kubevirt_py.plan import Failure, JsonPatch, MergePatch, Plan
from kubevirt_py.render.live_update import fixed_part, live_changes

from .scene import after, ago, created, deleted, view, vm, vm_snapshot, vmi

Document = dict[str, Any]
FILE = "testvm-core-20260501-120000.memory.dump"
VOLUME = {"name": "core", "memoryDump": {"claimName": "core", "hotpluggable": True}}
ROOT = {"name": "root", "containerDisk": {"image": "root"}}
TIMES = {"startTimestamp": ago(20), "endTimestamp": ago(10)}
ANSWER = {
    "done": {"phase": "MemoryDumpCompleted", "message": "done", "memoryDumpVolume": {"targetFileName": FILE, **TIMES}},
    "failed": {"phase": "MemoryDumpFailed", "message": "no space", "memoryDumpVolume": {"targetFileName": FILE}},
}


class World:
    """A VM, its VMI and the claim; `answer` is what the agent says once it has the volume."""

    def __init__(self, request: Document | None, *, answer: str = "done", running: bool = True) -> None:
        self.vm = vm(status={"created": True, **({"memoryDumpRequest": request} if request else {})})
        self.vm["spec"]["template"]["spec"]["volumes"] = [ROOT]
        self.vmi: Document | None = None
        if running:
            self.start()
        self.claim: Document = {"metadata": {"name": "core", "namespace": "default", "uid": "claim-uid"}}
        self.answer = answer
        self.trail: list[str] = []

    def start(self) -> None:
        """The VMI of the VM's next start, as it runs."""
        (body,) = created(decide(vm_snapshot(self.vm)))
        ready = [{"type": "Ready", "status": "True"}]
        self.vmi = vmi("Running", age_s=60, meta={"annotations": body["metadata"]["annotations"]}, conditions=ready)
        self.vmi["spec"] |= {"volumes": body["spec"]["volumes"]}

    def settle(self, *, stop_at: int | None = None) -> None:
        """Rounds of virt-controller and agent until nothing is to be done, or virt-controller stops after a round."""
        for turn in range(40):
            if turn == stop_at:
                return
            plan = self.decide()
            if not plan.do and not self.follow():
                return
            self.apply(plan)
            self.follow()
        raise AssertionError(f"no fixed point: {self.trail}")

    def decide(self, failure: Failure | None = None) -> Plan:
        claim = view(self.claim, views.PersistentVolumeClaim)
        return decide(vm_snapshot(self.vm, self.vmi, dump_claim=claim, failure=failure))

    def apply(self, plan: Plan) -> None:
        assert not created(plan)
        assert not deleted(plan)
        assert len(plan.do) <= 1
        self.vm = after(self.vm, plan)
        if self.vmi is not None:
            self.vmi = after(self.vmi, plan)
        for action in plan.do:
            if isinstance(action, MergePatch) and action.kind == kinds.PVC:
                self.claim["metadata"].setdefault("annotations", {}).update(action.body["metadata"]["annotations"])
        for one in (self.vm, self.vmi):
            if one is not None:
                one["metadata"]["resourceVersion"] = str(int(one["metadata"]["resourceVersion"]) + 1)
        if not self.trail or self.trail[-1] != self.phase:
            self.trail.append(self.phase)

    def follow(self) -> bool:
        """One step of the VMI's other writers; whether there was one."""
        if self.vmi is None:
            return False
        has, entry = VOLUME in self.vmi["spec"].get("volumes", ()), self.entry
        if has and not entry:
            new: Document = {"phase": "AttachedToNode"}
        elif has and entry["phase"] == "AttachedToNode":
            new = ANSWER[self.answer]
        elif not has and entry.get("phase") in ("AttachedToNode", "MemoryDumpCompleted", "MemoryDumpFailed"):
            new = {**entry, "phase": "Detaching"}
        elif not has and entry:
            new = {}
        else:
            return False
        status = [{"name": "root", "target": "vda"}, *([{"name": "core", "target": "", **new}] if new else [])]
        self.vmi["status"]["volumeStatus"] = status
        return True

    @property
    def entry(self) -> Document:
        entries = (self.vmi or {}).get("status", {}).get("volumeStatus", ())
        return next((entry for entry in entries if entry["name"] == "core"), {})

    @property
    def request(self) -> Document:
        found: Document = self.vm["status"].get("memoryDumpRequest") or {}
        return found

    @property
    def phase(self) -> str:
        return str(self.request.get("phase", ""))

    @property
    def has(self) -> tuple[bool, bool]:
        """Whether the template, and the VMI, has the volume."""
        in_vmi = self.vmi is not None and VOLUME in self.vmi["spec"].get("volumes", ())
        return VOLUME in self.vm["spec"]["template"]["spec"]["volumes"], in_vmi

    @property
    def note(self) -> str | None:
        found: str | None = self.claim["metadata"].get("annotations", {}).get(MEMORY_DUMP_ANNOTATION)
        return found


ASKED = {"claimName": "core", "phase": "Associating"}
REMOVED = {"claimName": "core", "phase": "Dissociating", "remove": True}
DONE = {"claimName": "core", "phase": "Completed", "fileName": FILE, **TIMES}


def test_a_dump_goes_through_all_phases_and_leaves_the_guest_as_it_was() -> None:
    world = World(ASKED)
    world.settle()
    assert world.trail == ["Associating", "InProgress", "Unmounting", "Completed"]
    assert world.request == DONE
    assert world.has == (True, False)
    assert world.note == FILE
    assert not world.entry


def test_a_dump_that_fails_says_why_and_is_detached() -> None:
    world = World(ASKED, answer="failed")
    world.settle()
    assert world.request == {"claimName": "core", "phase": "Failed", "message": "no space"}
    assert (world.has, world.note) == ((True, False), "Memory dump failed")


def test_a_dump_is_forgotten_wherever_it_stands() -> None:
    for stop in range(9):
        world = World(ASKED)
        world.settle(stop_at=stop)
        world.vm["status"]["memoryDumpRequest"] = REMOVED
        world.settle()
        assert (world.request, world.has, world.entry) == ({}, (False, False), {}), stop


@pytest.mark.parametrize("answer", ["done", "failed"])
def test_another_dump_into_the_same_claim_tells_nothing_of_the_last(answer: str) -> None:
    """Also while what the last one left is still attached."""
    for stop in range(9):
        world = World(ASKED, answer=answer)
        world.settle(stop_at=stop)
        if world.phase not in ("Completed", "Failed"):
            continue
        world.vm["status"]["memoryDumpRequest"] = ASKED
        world.answer, world.trail = "done", []
        world.settle()
        assert world.request == DONE, stop
        assert "Failed" not in world.trail


def test_a_dump_waits_for_a_guest_that_runs() -> None:
    world = World(ASKED, running=False)
    world.vm["spec"]["runStrategy"] = "Halted"
    world.settle()
    assert (world.phase, world.has) == ("Associating", (False, False))


def test_a_guest_that_goes_meanwhile_is_dumped_after_its_next_start() -> None:
    world = World(ASKED)
    world.settle(stop_at=3)
    assert (world.phase, world.has) == ("InProgress", (True, True))
    world.vmi, world.vm["spec"]["runStrategy"] = None, "Halted"
    world.settle()
    assert world.phase == "InProgress"
    world.vm["spec"]["runStrategy"] = "Always"
    world.start()
    world.settle()
    assert world.request == DONE


def test_a_guest_that_goes_after_its_dump_is_not_dumped_again() -> None:
    world = World(ASKED)
    while world.phase != "Unmounting":
        world.apply(world.decide())
        world.follow()
    world.vmi, world.vm["spec"]["runStrategy"] = None, "Halted"
    world.settle()
    assert (world.request, world.note) == (DONE, FILE)
    world.vm["spec"]["runStrategy"] = "Always"
    world.start()
    assert world.has == (True, False)


def test_a_claim_that_is_gone_keeps_nothing_up() -> None:
    world = World(ASKED)
    world.settle()
    lost = vm_snapshot(world.vm | {"status": {"memoryDumpRequest": {**DONE, "phase": "Unmounting"}}}, world.vmi)
    (action,) = decide(lost).do
    assert isinstance(action, MergePatch)
    assert action.body["status"]["memoryDumpRequest"]["phase"] == "Completed"


def test_what_admission_refuses_fails_the_dump() -> None:
    world = World(ASKED)
    (action,) = world.decide().do
    assert isinstance(action, JsonPatch)
    plan = world.decide(Failure(action, "Invalid", "spec.template.spec.volumes[1].name: is taken", 422))
    world.apply(plan)
    assert world.request == {**ASKED, "phase": "Failed", "message": "spec.template.spec.volumes[1].name: is taken"}


def test_live_updates_leave_dumps_and_utility_volumes_alone() -> None:
    world = World(ASKED)
    world.settle()
    template, running = world.vm["spec"]["template"]["spec"], world.vmi
    assert running is not None
    assert live_changes(template, running["spec"], {}).spec == running["spec"]
    plain = copy.deepcopy(running["spec"])
    busy = plain | {"volumes": [*plain["volumes"], VOLUME], "utilityVolumes": [{"name": "u", "claimName": "u"}]}
    assert live_changes(template, busy, {}).spec == busy
    assert fixed_part(busy) == fixed_part(plain)
