"""DataVolumes of a VM: made first, waited for, and told of where they cannot be made."""

from __future__ import annotations

from typing import Any

from kubevirt_py.api import kinds
from kubevirt_py.api.views import PersistentVolumeClaim
from kubevirt_py.decide.vm import decide
from kubevirt_py.plan import Create, Failure
from tests.unit.decide.scene import after, condition, created, view, vm, vm_snapshot

TEMPLATE = {"metadata": {"name": "disk"}, "spec": {"storage": {"resources": {"requests": {"storage": "1Gi"}}}}}


def _machine(strategy: str = "Always") -> dict[str, Any]:
    machine = vm(strategy)
    machine["spec"]["dataVolumeTemplates"] = [TEMPLATE]
    return machine


def _claim(phase: str = "Bound", pod_phase: str = "", owner: str = "DataVolume") -> PersistentVolumeClaim:
    meta = {
        "name": "disk",
        "annotations": {"cdi.kubevirt.io/storage.pod.phase": pod_phase} if pod_phase else {},
        "ownerReferences": [{"kind": owner, "name": "disk", "controller": True}] if owner else [],
    }
    found: PersistentVolumeClaim = view({"metadata": meta, "status": {"phase": phase}}, PersistentVolumeClaim)
    return found


def test_data_is_made_before_the_machine_also_of_one_that_is_off() -> None:
    for strategy in ("Always", "Halted"):
        (made,) = created(decide(vm_snapshot(_machine(strategy))))
        assert (made["kind"], made["metadata"]["name"]) == ("DataVolume", "disk")
        assert made["metadata"]["ownerReferences"][0]["kind"] == "VirtualMachine"


def test_a_machine_waits_until_its_data_is_there() -> None:
    machine = _machine()
    for claim in (_claim("Pending"), _claim("Bound", "Running")):
        plan = decide(vm_snapshot(machine, claims={"disk": claim}))
        assert not created(plan)
        assert after(machine, plan)["status"]["printableStatus"] == "Provisioning"
    for claim in (_claim("Bound", "Succeeded"), _claim("Bound"), _claim("Pending", owner="")):
        (made,) = created(decide(vm_snapshot(machine, claims={"disk": claim})))
        assert made["kind"] == "VirtualMachineInstance"


def test_a_cluster_without_cdi_is_told_of_once_with_what_to_do() -> None:
    machine = _machine()
    (action,) = decide(vm_snapshot(machine)).do
    assert isinstance(action, Create) and action.kind == kinds.DATA_VOLUME
    failure = Failure(action, "NotFound", "the server could not find the requested resource", 404)
    plan = decide(vm_snapshot(machine, failure=failure))
    told = after(machine, plan)
    assert told["status"]["printableStatus"] == "DataVolumeError"
    text = condition(told, "Failure")["message"]
    assert "no CDI" in text and "create PersistentVolumeClaim disk" in text
    assert [event.reason for event in plan.events] == ["FailedDataVolumeCreate"]
    assert created(decide(vm_snapshot(told, failure=failure)))
