"""AdmissionReviews over HTTPS: defaults, refusals, and what must never be held up."""

from __future__ import annotations

import base64
import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from kubevirt_py.api import kinds
from kubevirt_py.api.views import ObjectMeta, VirtualMachineInstancePreset
from kubevirt_py.jsonpatch import apply_patch
from kubevirt_py.plan import Document, Key
from kubevirt_py.reconcile.store import Store
from kubevirt_py.render import webhooks as documents
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.presets import Preset
from kubevirt_py.render.review import Request, response
from kubevirt_py.virt_api.auth import FrontProxy
from kubevirt_py.virt_api.settings import Settings
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
    request = {
        "uid": "r1",
        "operation": operation,
        "namespace": new.get("metadata", {}).get("namespace", ""),
        "object": new,
        "oldObject": old,
        "userInfo": {"username": user},
    }
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
    assert cause["field"] not in cause["message"], "kubectl prints the field twice"


async def test_an_old_way_to_start_a_vm_works_with_a_warning(cloud: Cloud) -> None:
    old = copy.deepcopy(VM)
    del old["spec"]["runStrategy"]
    old["spec"]["running"] = False
    stored = patched(old, await review(cloud, "/virtualmachines-mutate", old))
    warning = ["spec.running is deprecated, please use spec.runStrategy instead."]
    assert (await review(cloud, "/virtualmachines-validate", stored))["warnings"] == warning
    assert "warnings" not in await review(cloud, "/virtualmachines-validate", stored, stored)
    assert "warnings" not in await review(cloud, "/virtualmachines-validate", VM)


async def test_annotations_that_do_nothing_are_a_warning_to_whoever_writes_them(cloud: Cloud) -> None:
    annotations = {"annotations": {"kubevirt.io/memfd": "false"}}
    machine = copy.deepcopy(VM)
    machine["spec"]["template"]["metadata"] = machine["spec"]["template"].get("metadata", {}) | annotations
    (words,) = (await review(cloud, "/virtualmachines-validate", machine))["warnings"]
    assert words.startswith("annotation kubevirt.io/memfd has no effect")
    instance = VMI | {"metadata": VMI["metadata"] | annotations}
    stored = patched(instance, await review(cloud, "/virtualmachineinstances-mutate", instance))
    path = "/virtualmachineinstances-validate-create"
    assert (await review(cloud, path, stored))["warnings"] == [words]
    assert "warnings" not in await review(cloud, path, stored, user=CONTROLLER)


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
        for configuration in documents.webhook_configurations("", "kubevirt", container_paths=True)
        for webhook in configuration["webhooks"]
    }
    nothing: Any = None
    admission = Admission(nothing, (), nothing, nothing)
    assert registered == {*admission.rules, *admission.live_rules(nothing)}


async def test_presets_of_the_namespace_are_applied_as_a_vmi_is_created() -> None:
    store = Store(kinds.PRESET)
    settings = Settings(FrontProxy("", ()))
    settings.follow_presets(store)
    admission = Admission(ClusterConfig, (), lambda: "", lambda: datetime(2030, 1, 1, tzinfo=UTC), settings.presets_of)

    def cores(namespace: str) -> int:
        document = VMI | {"metadata": {"name": "v", "labels": {"size": "four"}}}
        stored = apply_patch(
            document, list(admission.default_vmi(Request("1", object=document, namespace=namespace)).patch)
        )
        return int(stored["spec"]["domain"]["cpu"]["cores"])

    key = Key("default", "four")
    spec = {"selector": {"matchLabels": {"size": "four"}}, "domain": {"cpu": {"cores": 4}}}
    view = VirtualMachineInstancePreset(ObjectMeta(name="four", namespace="default"), spec)
    store.put(key, view, 1)
    assert (cores("default"), cores("other")) == (4, 1)
    store.put(key, VirtualMachineInstancePreset(view.metadata, spec | {"domain": {"cpu": {"cores": 8}}}), 2)
    assert cores("default") == 8
    store.drop(key, 3)
    assert cores("default") == 1


async def test_a_vmi_that_overrules_a_preset_is_made_with_a_warning(cloud: Cloud) -> None:
    own = Preset("four", {}, {"cpu": {"cores": 4}})
    admission = Admission(ClusterConfig, (), lambda: "", lambda: datetime(2030, 1, 1, tzinfo=UTC), lambda _: (own,))
    document = copy.deepcopy(VMI)
    document["spec"]["domain"]["cpu"] = {"cores": 2}
    verdict = admission.default_vmi(Request("1", "CREATE", document, namespace="default"))
    answer = response("1", verdict)["response"]
    assert answer["allowed"]
    assert answer["warnings"] == [
        "Unable to apply VirtualMachineInstancePreset 'four': the instance's own spec.domain.cpu takes precedence"
    ]


async def test_what_is_stored_is_not_judged_again_when_it_only_changes_its_labels(cloud: Cloud) -> None:
    stored = {"metadata": {"name": "a"}, "spec": {"source": {"kind": "Nothing", "name": ""}}}
    for path in ("/virtualmachinesnapshots-validate", "/virtualmachinepool-validate", "/plugin-validate"):
        labelled = stored | {"metadata": {"name": "a", "labels": {"b": "c"}}}
        assert (await review(cloud, path, labelled, stored))["allowed"], path
        assert not (await review(cloud, path, labelled | {"spec": 3}, stored))["allowed"], path
