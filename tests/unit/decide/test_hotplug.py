"""Attachment pods and what status.volumeStatus says, from the first wish to the last pod."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from kubevirt_py.api import views
from kubevirt_py.decide.vmi import decide
from kubevirt_py.decide.vmi_snapshot import VmiSnapshot
from kubevirt_py.plan import Plan

from .scene import after, ago, created, deleted, pod, view, vmi, vmi_snapshot

Document = dict[str, Any]


def plugged(*names: str) -> Document:
    return {
        "volumes": [
            {"name": name, "persistentVolumeClaim": {"claimName": f"claim-{name}", "hotpluggable": True}}
            for name in names
        ],
        "domain": {
            "memory": {"guest": "64M"},
            "devices": {"disks": [{"name": name, "disk": {"bus": "scsi"}} for name in names]},
        },
    }


def running(*names: str, **status: Any) -> Document:
    conditions = [{"type": "Ready", "status": "True"}]
    return vmi("Running", spec=plugged(*names), conditions=conditions, nodeName="node1", **status)


def claim(name: str, phase: str = "Bound", storage_class: str = "") -> Document:
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"], "volumeMode": "Block", "storageClassName": storage_class},
        "status": {"phase": phase, "capacity": {"storage": "1Gi"}},
    }


def attachment(body: Document, *, ready: bool = True, uid: str = "hp-uid", phase: str = "Running") -> Document:
    """A pod as created, as the kubelet shows it."""
    shown = copy.deepcopy(body)
    shown["metadata"] |= {"uid": uid, "creationTimestamp": ago(10), "resourceVersion": "40"}
    shown["status"] = {"phase": phase, "containerStatuses": [{"name": "hotplug-disk", "ready": ready}]}
    return shown


def scene(machine: Document, *attachments: Document, claims: dict[str, Document] | None = None) -> VmiSnapshot:
    launcher = pod("Running", container={"running": {"startedAt": ago(60)}})
    found = {
        volume["persistentVolumeClaim"]["claimName"]: claim(volume["persistentVolumeClaim"]["claimName"])
        for volume in machine["spec"].get("volumes", ())
    } | (claims or {})
    return replace(
        vmi_snapshot(machine, launcher),
        claims={name: view(one, views.PersistentVolumeClaim) for name, one in found.items()},
        attachments=tuple(view(one, views.Pod) for one in attachments),
    )


def settle(machine: Document, *attachments: Document, **options: Any) -> tuple[Document, list[Plan]]:
    """Decide until nothing is to be written to the VMI any more; the plans on the way."""
    plans = []
    for _ in range(5):
        plan = decide(scene(machine, *attachments, **options))
        plans.append(plan)
        result = after(machine, plan)
        if result == machine:
            return machine, plans
        machine = result
        machine["metadata"]["resourceVersion"] = str(int(machine["metadata"]["resourceVersion"]) + 1)
    raise AssertionError("no fixed point")


def entry(machine: Document, name: str) -> Document:
    return next((one for one in machine["status"].get("volumeStatus", ()) if one["name"] == name), {})


def test_one_pod_brings_all_volumes_and_is_named_before_it_is_made() -> None:
    machine, plans = settle(running("a", "b"))
    (body,) = created(plans[-1])
    assert body["metadata"]["annotations"]["kubevirt.io/hotplug-volumes"] == "a,b"
    assert body["metadata"]["ownerReferences"][0]["uid"] == "pod-uid-0"
    assert [created(plan) for plan in settle(machine)[1]][-1] == [body]
    assert (entry(machine, "a")["phase"], entry(machine, "a")["reason"]) == ("Bound", "PVCNotReady")
    info = entry(machine, "a")["persistentVolumeClaimInfo"]
    assert (info["claimName"], info["volumeMode"], info["capacity"]) == ("claim-a", "Block", {"storage": "1Gi"})


def test_a_pod_that_serves_is_named_to_the_agent_by_its_uid() -> None:
    machine, plans = settle(running("a"))
    (body,) = created(plans[-1])
    waiting, _ = settle(machine, attachment(body, ready=False))
    assert entry(waiting, "a")["hotplugVolume"] == {"attachPodName": body["metadata"]["name"]}
    machine, plans = settle(waiting, attachment(body))
    assert entry(machine, "a")["phase"] == "AttachedToNode"
    assert entry(machine, "a")["hotplugVolume"]["attachPodUID"] == "hp-uid"
    assert [event.reason for plan in plans for event in plan.events] == ["SuccessfulCreate"]
    assert not any(plan.do for plan in settle(machine, attachment(body))[1])


def filling(name: str, phase: str) -> Document:
    """A claim as CDI makes it, with what its importer's pod does."""
    owner = {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume", "name": name, "uid": "dv-uid"}
    found = claim(name)
    found["metadata"] |= {"annotations": {"cdi.kubevirt.io/storage.pod.phase": phase}, "ownerReferences": [owner]}
    return found


@pytest.mark.parametrize("phase", ["Pending", "Running", "Failed"])
def test_a_claim_that_cdi_fills_is_no_guests_yet(phase: str) -> None:
    unfinished = {"claim-a": filling("claim-a", phase)}
    machine, plans = settle(running("a", "b"), claims=unfinished)
    (body,) = created(plans[-1])
    assert body["metadata"]["annotations"]["kubevirt.io/hotplug-volumes"] == "b"
    assert entry(machine, "a")["message"] == "PVC claim-a is being filled by CDI"
    filled = {"claim-a": filling("claim-a", "Succeeded")}
    machine, plans = settle(machine, attachment(body), claims=filled)
    (body,) = created(plans[-1])
    assert body["metadata"]["annotations"]["kubevirt.io/hotplug-volumes"] == "a,b"


def test_a_pod_that_began_before_cdi_brings_nothing_until_cdi_is_done() -> None:
    """A claim that waited for its first consumer is filled once the pod has bound it."""
    (body,) = created(settle(running("a"))[1][-1])
    unfinished = {"claim-a": filling("claim-a", "Running")}
    machine, plans = settle(running("a"), attachment(body), claims=unfinished)
    assert entry(machine, "a")["phase"] == "Bound"
    assert deleted(plans[-1]) == [f"pods/{body['metadata']['name']}"]


def test_what_a_guest_has_stays_whatever_cdi_says() -> None:
    machine, plans = settle(running("a"))
    (body,) = created(plans[-1])
    machine, _ = settle(machine, attachment(body))
    entry(machine, "a")["phase"] = "Ready"
    settled, plans = settle(machine, attachment(body), claims={"claim-a": filling("claim-a", "Running")})
    assert entry(settled, "a")["phase"] == "Ready"
    assert not any(plan.do for plan in plans)


def test_another_volume_means_another_pod_and_the_old_one_stays_until_it_serves() -> None:
    machine, plans = settle(running("a"))
    (old,) = created(plans[-1])
    machine, _ = settle(machine, attachment(old))
    entry(machine, "a")["phase"] = "Ready"
    machine["spec"] |= plugged("a", "b")
    machine, plans = settle(machine, attachment(old))
    (new,) = created(plans[-1])
    assert deleted(plans[-1]) == []
    assert entry(machine, "a")["phase"] == "Ready"
    _, plans = settle(machine, attachment(old), attachment(new, ready=False, uid="new"))
    assert not plans[-1].do
    machine, plans = settle(machine, attachment(old), attachment(new, uid="new"))
    assert deleted(plans[-1]) == [f"pods/{old['metadata']['name']}"]
    assert {entry(machine, name)["hotplugVolume"]["attachPodUID"] for name in "ab"} == {"new"}


def test_a_pod_stays_until_the_guest_has_let_go_of_its_volume() -> None:
    machine, plans = settle(running("a"))
    (body,) = created(plans[-1])
    machine, _ = settle(machine, attachment(body))
    entry(machine, "a")["phase"] = "Ready"
    machine["spec"] |= plugged()
    machine, plans = settle(machine, attachment(body))
    assert entry(machine, "a")["phase"] == "Detaching"
    assert not plans[-1].do
    entry(machine, "a")["phase"] = "UnMountedFromPod"  # as virt-handler says
    machine, plans = settle(machine, attachment(body))
    assert deleted(plans[-1]) == [f"pods/{body['metadata']['name']}"]
    leaving = attachment(body)
    leaving["metadata"]["deletionTimestamp"] = ago(0)
    machine, _ = settle(machine, leaving)
    assert entry(machine, "a")["reason"] == "SuccessfulDelete"
    machine, plans = settle(machine)
    assert "volumeStatus" not in machine["status"]
    assert not plans[-1].do


@pytest.mark.parametrize(
    ("found", "first_consumer", "made", "phase", "words"),
    [
        (None, False, False, "Pending", "PVC claim-a not found"),
        ("Pending", False, False, "Pending", "PVC is in phase Pending"),
        ("Pending", True, True, "Pending", "PVC is in phase Pending"),
        ("Bound", False, True, "Bound", "PVC is in phase Bound"),
    ],
)
def test_a_claim_that_is_not_ready_keeps_its_pod_from_being_made(
    found: str | None, first_consumer: bool, made: bool, phase: str, words: str
) -> None:
    machine = running("a")
    one = scene(machine, claims={"claim-a": claim("claim-a", found)} if found else None)
    if found is None:
        one = replace(one, claims={})
    if first_consumer:
        one = replace(one, first_consumer_claims=frozenset({"claim-a"}))
    machine = after(machine, decide(one))
    assert (entry(machine, "a")["phase"], entry(machine, "a")["message"]) == (phase, words)
    again = replace(one, vmi=view(machine, views.VirtualMachineInstance))
    assert bool(created(decide(again))) is made


def test_a_pod_that_failed_makes_room_for_another_of_its_name() -> None:
    machine, plans = settle(running("a"))
    (body,) = created(plans[-1])
    failed = attachment(body, ready=False, phase="Failed")
    assert deleted(settle(machine, failed)[1][-1]) == [f"pods/{body['metadata']['name']}"]
    failed["metadata"]["creationTimestamp"] = ago(1)
    plan = settle(machine, failed)[1][-1]
    assert not plan.do
    assert plan.again_s == 4


def test_without_a_pod_for_the_guest_no_volume_is_brought() -> None:
    machine = vmi("Pending", spec=plugged("a"))
    (body,) = created(decide(replace(vmi_snapshot(machine), claims={})))
    assert body["metadata"]["name"].startswith("virt-launcher-")
    assert "claim-a" not in str(body)


TASKS: Document = {
    "volumes": [{"name": "core", "memoryDump": {"claimName": "claim-core", "hotpluggable": True}}],
    "utilityVolumes": [{"name": "saved", "claimName": "claim-saved", "type": "Backup", "readOnly": True}],
}


def test_what_is_attached_for_a_task_comes_by_the_same_pod_and_goes_when_it_is_let_go() -> None:
    claims = {name: claim(name) for name in ("claim-a", "claim-core", "claim-saved")}
    machine = running("a")
    machine["spec"] |= {"volumes": [*machine["spec"]["volumes"], *TASKS["volumes"]]}
    machine["spec"]["utilityVolumes"] = TASKS["utilityVolumes"]
    spec = machine["spec"]
    launcher = pod("Running", container={"running": {"startedAt": ago(60)}})

    def look(*pods: Document) -> tuple[Document, Plan]:
        found = replace(
            vmi_snapshot(machine, launcher),
            claims={name: view(one, views.PersistentVolumeClaim) for name, one in claims.items()},
            attachments=tuple(view(one, views.Pod) for one in pods),
        )
        plan = decide(found)
        return after(machine, plan), plan

    machine, _ = look()
    machine, plan = look()
    (body,) = created(plan)
    assert body["metadata"]["annotations"]["kubevirt.io/hotplug-volumes"] == "a,core,saved"
    machine, _ = look(attachment(body))
    assert entry(machine, "core")["phase"] == "AttachedToNode"
    assert entry(machine, "core")["memoryDumpVolume"] == {"claimName": "claim-core"}
    assert entry(machine, "saved")["hotplugVolume"]["attachPodUID"] == "hp-uid"
    assert "memoryDumpVolume" not in entry(machine, "saved")
    for name, phase in (("a", "Ready"), ("core", "MemoryDumpCompleted"), ("saved", "MountedToPod")):
        entry(machine, name)["phase"] = phase
    assert not look(attachment(body))[1].do
    machine["spec"] = {key: value for key, value in spec.items() if key != "utilityVolumes"}
    machine["spec"]["volumes"] = spec["volumes"][:1]
    machine, _ = look(attachment(body))
    assert {entry(machine, name)["phase"] for name in ("core", "saved")} == {"Detaching"}
    machine, plan = look(attachment(body))
    (smaller,) = created(plan)
    assert not deleted(look(attachment(body), attachment(smaller, uid="new"))[1])
    entry(machine, "core")["phase"] = entry(machine, "saved")["phase"] = "UnMountedFromPod"
    machine, _ = look(attachment(body), attachment(smaller, uid="new"))
    _, plan = look(attachment(body), attachment(smaller, uid="new"))
    assert deleted(plan) == [f"pods/{body['metadata']['name']}"]


def test_another_claim_behind_a_volume_begins_anew_and_the_old_pod_stays_until_the_guest_has_it() -> None:
    machine, plans = settle(running("a"))
    (old,) = created(plans[-1])
    machine, _ = settle(machine, attachment(old))
    entry(machine, "a")["phase"] = "Ready"
    machine["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] = "other"
    machine, plans = settle(machine, attachment(old))
    (new,) = created(plans[-1])
    pods = attachment(old), attachment(new, uid="new")
    machine, plans = settle(machine, *pods)
    assert entry(machine, "a")["phase"] == "AttachedToNode"
    assert entry(machine, "a")["hotplugVolume"]["attachPodUID"] == "new"
    assert [deleted(plan) for plan in plans] == [[]] * len(plans)
    entry(machine, "a")["phase"] = "MountedToPod"  # the guest has not let go of the first
    assert not settle(machine, *pods)[1][-1].do
    entry(machine, "a")["phase"] = "Ready"
    assert deleted(settle(machine, *pods)[1][-1]) == [f"pods/{old['metadata']['name']}"]


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "gone"])
def test_what_a_guest_has_stays_whatever_becomes_of_its_claim(lost: bool) -> None:
    machine, plans = settle(running("a"))
    (body,) = created(plans[-1])
    machine, _ = settle(machine, attachment(body))
    entry(machine, "a")["phase"] = "Ready"
    seen = scene(machine, attachment(body), claims={"claim-a": claim("claim-a", "Lost")})
    plan = decide(seen if lost else replace(seen, claims={}))
    assert not deleted(plan)
    assert entry(after(machine, plan), "a")["phase"] == "Ready"
