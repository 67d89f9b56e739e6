"""start, stop and restart, by run strategy and state."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kubevirt_py.api import kinds
from kubevirt_py.api.views import VirtualMachine, VirtualMachineInstance
from kubevirt_py.jsonpatch import PatchError, apply_patch
from kubevirt_py.kube.errors import ApiError
from kubevirt_py.plan import Document, Key
from kubevirt_py.reconcile.testing.faults import Fault
from kubevirt_py.virt_api.answers import Refused
from kubevirt_py.virt_api.lifecycle import Change, plan_restart, plan_start, plan_stop
from tests.unit.virt_api.apilab import BASE, Cloud

URL = f"{BASE}/namespaces/default/virtualmachines/vm1"
STATUS = {"printableStatus": "Stopped"}
START = {"action": "Start"}
STOP = {"action": "Stop", "uid": "u1"}


def vm(strategy: str = "", *, running: bool | None = None, status: Document | None = None) -> VirtualMachine:
    spec: Document = {"runStrategy": strategy} if strategy else {}
    if running is not None:
        spec["running"] = running
    document = {"metadata": {"name": "vm1"}, "spec": spec, "status": STATUS if status is None else status}
    return msgspec.convert(document, VirtualMachine)


def vmi(phase: str = "Running", *, grace_s: int | None = None) -> VirtualMachineInstance:
    spec = {} if grace_s is None else {"terminationGracePeriodSeconds": grace_s}
    document = {"metadata": {"name": "vm1", "uid": "u1"}, "spec": spec, "status": {"phase": phase}}
    return msgspec.json.decode(msgspec.json.encode(document), type=VirtualMachineInstance)


def queued(*requests: Document) -> Change:
    path = "/status/stateChangeRequests"
    ops = ({"op": "test", "path": path, "value": None}, {"op": "add", "path": path, "value": list(requests)})
    return Change(ops, "status")


def strategy_change(old: str, new: str, grace_s: int | None = None) -> Change:
    path = "/spec/runStrategy"
    ops = ({"op": "test", "path": path, "value": old}, {"op": "replace", "path": path, "value": new})
    return Change(ops, grace_s=grace_s)


START_TABLE = [
    ("Halted", None, {}, strategy_change("Halted", "Always")),
    ("Halted", "Succeeded", {}, strategy_change("Halted", "Always")),
    ("Halted", None, {"paused": True}, queued({"action": "Start", "data": {"paused": "true"}})),
    ("Halted", "Running", {}, "VM is already running"),
    ("Manual", None, {}, queued(START)),
    ("Manual", "Unknown", {}, queued(START)),
    ("Manual", "Succeeded", {}, queued(STOP, START)),
    ("Manual", "Failed", {}, queued(STOP, START)),
    ("Manual", "Scheduling", {}, "VM is already running"),
    ("RerunOnFailure", None, {}, queued(START)),
    ("RerunOnFailure", "Succeeded", {}, queued(STOP, START)),
    ("RerunOnFailure", "Failed", {}, "RerunOnFailure does not support starting VM from failed state"),
    ("Always", None, {}, "Always does not support manual start requests"),
    ("Once", None, {}, "Once does not support manual start requests"),
]


@pytest.mark.parametrize(("strategy", "phase", "options", "expected"), START_TABLE)
def test_start(strategy: str, phase: str | None, options: Document, expected: Change | str) -> None:
    _expect(plan_start, vm(strategy), phase, options, expected)


STOP_TABLE = [
    ("Always", "Running", {}, strategy_change("Always", "Halted")),
    ("Always", None, {}, strategy_change("Always", "Halted")),
    ("Always", "Running", {"gracePeriod": 0}, strategy_change("Always", "Halted", 0)),
    ("Always", "Succeeded", {"gracePeriod": 0}, strategy_change("Always", "Halted")),
    ("Once", "Running", {}, strategy_change("Once", "Halted")),
    ("Manual", "Running", {}, queued(STOP)),
    ("Manual", None, {}, "VM is not running"),
    ("Manual", "Failed", {}, "VM is not running"),
    ("RerunOnFailure", "Running", {"gracePeriod": 5}, Change(queued(STOP).vm_ops, "status", 5)),
    ("RerunOnFailure", "Succeeded", {}, "VM is not running"),
    ("Halted", None, {}, "VM is not running"),
    ("Halted", "Running", {}, "Halted only supports manual stop requests with a shorter graceperiod"),
    ("Halted", "Running", {"gracePeriod": 60}, "Halted only supports manual stop requests with a shorter graceperiod"),
    ("Halted", "Running", {"gracePeriod": 5}, Change(queued(STOP).vm_ops, "status", 5)),
]


@pytest.mark.parametrize(("strategy", "phase", "options", "expected"), STOP_TABLE)
def test_stop(strategy: str, phase: str | None, options: Document, expected: Change | str) -> None:
    _expect(plan_stop, vm(strategy), phase, options, expected)


RESTART_TABLE = [
    ("Always", "Running", {}, queued(STOP, START)),
    ("Manual", "Running", {}, queued(STOP, START)),
    ("RerunOnFailure", "Failed", {}, queued(STOP, START)),
    ("Always", "Running", {"gracePeriodSeconds": 0}, Change(queued(STOP, START).vm_ops, "status", 1)),
    ("Always", None, {}, "VM is not running"),
    ("Halted", "Running", {}, "RunStrategy Halted does not support manual restart requests"),
    ("Once", "Running", {}, "RunStrategy Once does not support manual restart requests"),
]


@pytest.mark.parametrize(("strategy", "phase", "options", "expected"), RESTART_TABLE)
def test_restart(strategy: str, phase: str | None, options: Document, expected: Change | str) -> None:
    _expect(plan_restart, vm(strategy), phase, options, expected)


def _expect(
    planner: Any, machine: VirtualMachine, phase: str | None, options: Document, expected: Change | str
) -> None:
    instance = None if phase is None else vmi(phase, grace_s=30)
    if isinstance(expected, Change):
        assert planner(machine, instance, options) == expected
        return
    with pytest.raises(Refused) as refused:
        planner(machine, instance, options)
    assert refused.value.code == 409
    assert str(refused.value) == f'Operation cannot be fulfilled on virtualmachine.kubevirt.io "vm1": {expected}'


def test_the_older_switch_is_turned_where_it_is_used() -> None:
    on = plan_start(vm(running=False), None, {})
    assert on.vm_ops[-1] == {"op": "replace", "path": "/spec/running", "value": True}
    off = plan_stop(vm(running=True), vmi(), {})
    assert off.vm_ops == (
        {"op": "test", "path": "/spec/running", "value": True},
        {"op": "replace", "path": "/spec/running", "value": False},
    )


def test_a_vm_without_status_gets_one() -> None:
    change = plan_start(vm("Manual", status={}), None, {})
    assert change.vm_ops == (
        {"op": "test", "path": "/status", "value": None},
        {"op": "add", "path": "/status", "value": {"stateChangeRequests": [START]}},
    )


def test_a_request_never_overwrites_one_that_came_first() -> None:
    document: Document = {"status": {"ready": True, "stateChangeRequests": [STOP]}}
    with pytest.raises(PatchError):
        apply_patch(document, list(plan_start(vm("Manual"), None, {}).vm_ops))


def test_only_a_stop_replaces_what_is_queued() -> None:
    busy = vm("Manual", status={"stateChangeRequests": [STOP, START]})
    change = plan_stop(busy, vmi(), {})
    assert [op["op"] for op in change.vm_ops] == ["test", "replace"]
    assert change.vm_ops[1]["value"] == [STOP]
    for planner in (plan_start, plan_restart):
        with pytest.raises(Refused, match="stop/start already underway"):
            planner(busy, vmi("Unknown"), {})


@pytest.mark.parametrize(
    ("condition", "planner"), [("ManualRecoveryRequired", plan_start), ("VolumesChange", plan_restart)]
)
def test_conditions_that_forbid(condition: str, planner: Any) -> None:
    machine = vm("Manual", status={"conditions": [{"type": condition, "status": "True"}]})
    with pytest.raises(Refused) as refused:
        planner(machine, vmi("Unknown"), {})
    assert refused.value.code == 409


@pytest.mark.parametrize("seconds", [-1, 5, "0", True])
def test_a_restart_takes_no_other_grace_than_zero(seconds: Any) -> None:
    with pytest.raises(Refused) as refused:
        plan_restart(vm("Always"), vmi(), {"gracePeriodSeconds": seconds})
    assert refused.value.code == 400


async def test_start_is_accepted_and_patched(cloud: Cloud) -> None:
    cloud.add_vm(strategy="Halted")
    async with cloud.session.put(f"{URL}/start") as response:
        assert (response.status, await response.read()) == (202, b"")
    assert cloud.api.server.get(kinds.VM, Key("default", "vm1"))["spec"]["runStrategy"] == "Always"


async def test_refusals_are_statuses(cloud: Cloud) -> None:
    async with cloud.session.put(f"{URL}/start") as response:
        assert response.status == 404
        assert (await response.json())["reason"] == "NotFound"
    cloud.add_vm(strategy="Halted")
    async with cloud.session.put(f"{URL}/stop") as response:
        status = await response.json()
        assert (response.status, status["reason"], status["code"]) == (409, "Conflict", 409)
        assert status["message"].endswith("VM is not running")
    for body in (b"{", b"[1]", b"- 1", b'{"dryRun":["Some"]}'):
        async with cloud.session.put(f"{URL}/start", data=body) as response:
            assert response.status == 400, body


async def test_options_may_be_yaml(cloud: Cloud) -> None:
    cloud.add_vm(strategy="Halted")
    async with cloud.session.put(f"{URL}/start", data=b"paused: true\n") as response:
        assert response.status == 202
    assert cloud.api.patches[0][1] == "status"


async def test_a_dry_run_changes_nothing(cloud: Cloud) -> None:
    cloud.add_vm(strategy="Always")
    cloud.add_vmi(spec={"terminationGracePeriodSeconds": 30})
    async with cloud.session.put(f"{URL}/stop", json={"gracePeriod": 1, "dryRun": ["All"]}) as response:
        assert response.status == 202
    assert [dry for *_, dry in cloud.api.patches] == [True, True]


async def test_a_refused_restart_gives_the_grace_period_back(cloud: Cloud) -> None:
    cloud.add_vm(strategy="Always", status={"ready": True})
    cloud.add_vmi(spec={"terminationGracePeriodSeconds": 30})
    cloud.api.fail(Fault(verb="json_patch", kind=kinds.VM, error=ApiError(500, "InternalError", "etcd is down")))
    async with cloud.session.put(f"{URL}/restart", json={"gracePeriodSeconds": 0}) as response:
        assert response.status == 500
        assert (await response.json())["message"] == "etcd is down"
    spec = cloud.api.server.get(kinds.VMI, Key("default", "vm1"))["spec"]
    assert spec["terminationGracePeriodSeconds"] == 30
    assert [body for kind, _, body, _ in cloud.api.patches if kind == "VirtualMachineInstance"] == [
        {"spec": {"terminationGracePeriodSeconds": 1}},
        {"spec": {"terminationGracePeriodSeconds": 30}},
    ]
