"""AdmissionReviews over HTTPS: defaults, refusals, and what must never be held up."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest

from kubevirt_py.jsonpatch import apply_patch
from kubevirt_py.plan import Document
from kubevirt_py.render import webhooks as documents
from kubevirt_py.virt_api.webhooks import Admission
from tests.unit.virt_api.apilab import Cloud

CONTROLLER = "system:serviceaccount:kubevirt:kubevirt-controller"
VM: Document = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachine",
    "metadata": {"name": "vm1", "namespace": "default"},
    "spec": {
        "runStrategy": "Halted",
        "template": {
            "spec": {
                "domain": {"devices": {}, "resources": {"requests": {"memory": "64M"}}},
                "volumes": [{"name": "root", "containerDisk": {"image": "guest:latest"}}],
            }
        },
    },
}
VMI: Document = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachineInstance",
    "metadata": {"name": "vm1", "namespace": "default"},
    "spec": VM["spec"]["template"]["spec"],
}


async def review(
    cloud: Cloud, path: str, new: Document, old: Document | None = None, *, user: str = "alice"
) -> Document:
    """Ask, and check what every answer must have."""
    operation = "CREATE" if old is None else "UPDATE"
    request = {"uid": "r1", "operation": operation, "object": new, "oldObject": old, "userInfo": {"username": user}}
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    async with cloud.session.post(path, json=body) as response:
        assert response.status == 200
        answer = await response.json()
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert answer["response"]["uid"] == "r1"
    verdict: Document = answer["response"]
    return verdict


def patched(document: Document, verdict: Document) -> Document:
    assert verdict["allowed"]
    if "patch" not in verdict:
        return document
    assert verdict["patchType"] == "JSONPatch"
    result: Document = apply_patch(document, json.loads(base64.b64decode(verdict["patch"])))
    return result


async def test_a_vm_is_defaulted_and_the_result_accepted(cloud: Cloud) -> None:
    stored = patched(VM, await review(cloud, "/virtualmachines-mutate", VM))
    assert stored["metadata"]["finalizers"] == ["kubevirt.io/virtualMachineControllerFinalize"]
    assert len(stored["spec"]["template"]["spec"]["domain"]["firmware"]["uuid"]) == 36
    assert (await review(cloud, "/virtualmachines-validate", stored))["allowed"]
    assert patched(stored, await review(cloud, "/virtualmachines-mutate", stored, stored)) == stored


async def test_a_vmi_starts_as_pending_whatever_the_user_says(cloud: Cloud) -> None:
    boast = VMI | {"status": {"phase": "Running", "nodeName": "node1"}}
    stored = patched(boast, await review(cloud, "/virtualmachineinstances-mutate", boast))
    assert stored["status"]["phase"] == "Pending"
    assert "nodeName" not in stored["status"]
    assert stored["metadata"]["finalizers"] == ["kubevirt.io/foregroundDeleteVirtualMachine"]
    assert (await review(cloud, "/virtualmachineinstances-validate-create", stored))["allowed"]


async def test_refusals_name_the_field(cloud: Cloud) -> None:
    bad = copy.deepcopy(VM)
    bad["spec"]["template"]["spec"]["domain"]["devices"]["disks"] = [{"name": "root", "disk": {"bus": "floppy"}}]
    verdict = await review(cloud, "/virtualmachines-validate", bad)
    assert not verdict["allowed"]
    status = verdict["status"]
    assert (status["code"], status["reason"]) == (422, "Invalid")
    (cause,) = status["details"]["causes"]
    assert cause["field"] == "spec.template.spec.domain.devices.disks[0].disk.bus"
    assert cause["field"] in status["message"]


async def test_a_users_status_of_a_vmi_is_put_back(cloud: Cloud) -> None:
    old = VMI | {"status": {"phase": "Running"}}
    new = VMI | {"status": {"phase": "Failed"}}
    assert patched(new, await review(cloud, "/virtualmachineinstances-mutate", new, old))["status"] == old["status"]
    ours = await review(cloud, "/virtualmachineinstances-mutate", new, old, user=CONTROLLER)
    assert patched(new, ours)["status"] == new["status"]


async def test_a_users_change_of_a_vmi_is_refused(cloud: Cloud) -> None:
    path = "/virtualmachineinstances-validate-update"
    new = copy.deepcopy(VMI)
    new["spec"]["terminationGracePeriodSeconds"] = 0
    verdict = await review(cloud, path, new, VMI)
    assert "update of VMI object is restricted" in verdict["status"]["message"]
    assert (await review(cloud, path, new, VMI, user=CONTROLLER))["allowed"]
    labelled = copy.deepcopy(VMI)
    labelled["metadata"]["labels"] = {"team": "a"}
    assert (await review(cloud, path, labelled, VMI))["allowed"]


async def test_a_vms_status_is_ours(cloud: Cloud) -> None:
    old, new = VM | {"status": {"ready": False}}, VM | {"status": {"ready": True}}
    verdict = await review(cloud, "/status-validate", new, old)
    assert verdict["status"]["details"]["causes"][0]["field"] == "status"
    assert (await review(cloud, "/status-validate", new, old, user=CONTROLLER))["allowed"]
    assert (await review(cloud, "/status-validate", old, old))["allowed"]


@pytest.mark.parametrize(
    ("paths", "kind"),
    [
        (("/virtualmachines-mutate", "/virtualmachines-validate"), VM),
        (("/virtualmachineinstances-mutate", "/virtualmachineinstances-validate-update"), VMI),
    ],
)
async def test_finalizers_of_what_no_longer_is_valid_can_be_removed(
    cloud: Cloud, paths: tuple[str, ...], kind: Document
) -> None:
    old = copy.deepcopy(kind)
    spec = old["spec"].get("template", old)["spec"]
    spec["volumes"].append({"name": "root", "emptyDisk": {"capacity": "nonsense"}})
    old["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["example.com/x"]}
    new = copy.deepcopy(old)
    del new["metadata"]["finalizers"]
    for path in paths:
        verdict = await review(cloud, path, new, old)
        assert patched(new, verdict) == new


async def test_what_is_not_a_review_is_refused(cloud: Cloud) -> None:
    for body in (b"", b"{}", b"[]", b'{"request":{}}', b"\xff"):
        async with cloud.session.post("/virtualmachines-mutate", data=body) as response:
            assert response.status == 400, body


def test_every_registered_path_is_served_and_the_reverse() -> None:
    registered = {
        webhook["clientConfig"]["service"]["path"]
        for configuration in documents.webhook_configurations("", "kubevirt")
        for webhook in configuration["webhooks"]
    }
    nothing: Any = None
    admission = Admission(nothing, (), nothing, nothing)
    assert registered == {*admission.rules, *admission.live_rules(nothing)}
