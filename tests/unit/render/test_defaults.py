"""Defaults of VMs and VMIs; the golden files are what a user finds stored."""

from __future__ import annotations

import copy

import pytest
import yaml

from kubevirt_py.api import names
from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.default_devices import pull_policy
from kubevirt_py.render.defaults import (
    default_vm,
    default_vm_update,
    default_vmi,
    restore_vmi_status,
    with_vmi_defaults,
)
from kubevirt_py.render.pod_files import pod_files
from kubevirt_py.render.validate import validate_vmi_create
from tests.conftest import Golden
from tests.unit.render.validate.machines import CONFIG, NOW, REMOVE, UUID, edited, vm, vmi


def defaulted_vmi(edits: Document | None = None, config: ClusterConfig = CONFIG) -> Document:
    return default_vmi(vmi(edits), config, NOW, lambda: UUID)


def test_vm_as_stored(golden: Golden) -> None:
    golden.check("admission/vm.yaml", yaml.safe_dump(default_vm(vm(), CONFIG, lambda: UUID)))


def test_vmi_as_stored(golden: Golden) -> None:
    golden.check("admission/vmi.yaml", yaml.safe_dump(defaulted_vmi()))


def test_least_vmi_as_stored(golden: Golden) -> None:
    least = edited(
        vmi(), {"spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}, "volumes": vmi()["spec"]["volumes"]}}
    )
    golden.check("admission/vmi-least.yaml", yaml.safe_dump(default_vmi(least, CONFIG, NOW, lambda: UUID)))


def test_what_came_in_is_left_alone() -> None:
    for document, change in (
        (vm(), lambda doc: default_vm(doc, CONFIG, lambda: UUID)),
        (vmi(), lambda doc: default_vmi(doc, CONFIG, NOW, lambda: UUID)),
    ):
        before = copy.deepcopy(document)
        assert change(document) != before
        assert document == before


def test_defaults_are_settled_after_one_pass() -> None:
    once = with_vmi_defaults(vmi()["spec"], CONFIG)
    assert with_vmi_defaults(once, CONFIG) == once


def test_an_update_of_a_vm_adds_neither_finalizer_nor_identity() -> None:
    updated = default_vm_update(vm(), CONFIG)
    assert "finalizers" not in updated["metadata"]
    assert "firmware" not in updated["spec"]["template"]["spec"]["domain"]


def test_finalizers_of_others_stay_and_ours_comes_once() -> None:
    with_other = edited(vm(), {"metadata.finalizers": ["x.test/y", names.VM_FINALIZER]})
    assert default_vm(with_other, CONFIG, lambda: UUID)["metadata"]["finalizers"] == ["x.test/y", names.VM_FINALIZER]


@pytest.mark.parametrize("edits", [{"spec": 5}, {"spec.template": []}, {"spec.template.spec.volumes": {}}])
def test_a_vm_of_wrong_types_comes_back_as_it_is(edits: Document) -> None:
    wrong = edited(vm(), edits)
    assert default_vm(wrong, CONFIG, lambda: UUID) == wrong
    assert default_vm_update(wrong, CONFIG) == wrong


@pytest.mark.parametrize(
    ("resources", "sockets"),
    [
        ({"requests": {"memory": "64M"}}, 1),
        ({"requests": {"memory": "64M", "cpu": "1500m"}}, 2),
        ({"requests": {"memory": "64M", "cpu": "1"}, "limits": {"cpu": 3}}, 3),
        ({"requests": {"memory": "64M", "cpu": "100m"}}, 1),
    ],
)
def test_cpus_follow_limits_then_requests(resources: Document, sockets: int) -> None:
    cpu = defaulted_vmi({"domain.resources": resources})["spec"]["domain"]["cpu"]
    assert (cpu["sockets"], cpu["cores"], cpu["threads"]) == (sockets, 1, 1)


def test_only_what_can_change_remembers_the_sockets_of_its_start() -> None:
    changes = {"spec.domain.cpu": {"sockets": 2}, "metadata.annotations": {"mine": "kept"}}
    alone = edited(vmi(), changes)
    owner = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": "a", "uid": "u", "controller": True}
    owned = edited(alone, {"metadata.ownerReferences": [owner]})
    found = [default_vmi(one, CONFIG, NOW, lambda: UUID)["metadata"]["annotations"] for one in (alone, owned)]
    assert found == [{"mine": "kept"}, {"mine": "kept", names.BOOT_SOCKETS_ANNOTATION: "2"}]


def test_an_explicit_zero_is_kept_to_be_refused() -> None:
    assert defaulted_vmi({"domain.cpu.cores": 0})["spec"]["domain"]["cpu"]["cores"] == 0


@pytest.mark.parametrize(
    ("domain", "guest"),
    [
        ({"memory": {"guest": "1Gi"}, "resources": {"requests": {"memory": "2Gi"}}}, "1Gi"),
        ({"resources": {"limits": {"memory": "2Gi"}}}, "2Gi"),
        ({"memory": {"hugepages": {"pageSize": "2Mi"}}}, "2Mi"),
    ],
)
def test_guest_memory_follows_requests_limits_and_page_size(domain: Document, guest: str) -> None:
    spec = with_vmi_defaults({"domain": domain}, CONFIG)
    assert spec["domain"]["memory"]["guest"] == guest


@pytest.mark.parametrize(
    ("binding", "field"), [("bridge", "bridge"), ("masquerade", "masquerade"), ("passt", "passtBinding")]
)
def test_a_guest_without_networks_joins_the_pods_by_the_clusters_binding(binding: str, field: str) -> None:
    spec = defaulted_vmi(
        {"domain.devices.interfaces": REMOVE, "networks": REMOVE}, ClusterConfig(default_network_interface=binding)
    )["spec"]
    assert spec["networks"] == [{"name": "default", "pod": {}}]
    assert spec["domain"]["devices"]["interfaces"] == [{"name": "default", field: {}}]


def test_a_guest_that_wants_no_network_gets_none() -> None:
    edits = {"domain.devices.interfaces": REMOVE, "networks": REMOVE, "domain.devices.autoattachPodInterface": False}
    spec = defaulted_vmi(edits)["spec"]
    assert "networks" not in spec
    assert "interfaces" not in spec["domain"]["devices"]


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("registry.test:5000/a/b", "Always"),
        ("registry.test/a/b:latest", "Always"),
        ("registry.test/a/b:v1", "IfNotPresent"),
        ("b@sha256:0123", "IfNotPresent"),
    ],
)
def test_only_images_whose_tag_can_move_are_pulled_always(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


def test_cluster_settings_fill_the_gaps() -> None:
    config = ClusterConfig(
        machine_type="pc-q35-9.0", cpu_model="Haswell", eviction_strategy="LiveMigrateIfPossible", cpu_request="250m"
    )
    spec = defaulted_vmi(config=config)["spec"]
    assert spec["domain"]["machine"] == {"type": "pc-q35-9.0"}
    assert spec["domain"]["cpu"]["model"] == "Haswell"
    assert spec["domain"]["resources"]["requests"]["cpu"] == "250m"
    assert spec["evictionStrategy"] == "LiveMigrateIfPossible"


def test_dedicated_cpus_are_not_counted_by_the_clusters_cpu_request() -> None:
    config = ClusterConfig(cpu_request="250m")
    pinned = defaulted_vmi({"domain.cpu": {"cores": 2, "dedicatedCpuPlacement": True}}, config)
    assert "cpu" not in pinned["spec"]["domain"]["resources"].get("requests", {})
    assert validate_vmi_create(pinned, config) == []


@pytest.mark.parametrize("kind", ["disk", "lun"])
def test_a_claim_that_is_only_read_is_a_disk_that_is_only_read(kind: str) -> None:
    claim = {"name": "root", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}}
    edits = {"domain.devices.disks[0]": {"name": "root", kind: {"bus": "scsi"}}, "volumes[0]": claim}
    spec = defaulted_vmi(edits)["spec"]
    assert spec["domain"]["devices"]["disks"][0][kind] == {"bus": "scsi", "readonly": True}
    step = next(step for step in pod_files(spec) if step.name == "disk.root")
    assert (step.do, step.read_only) == ("open", True)


def test_a_users_status_is_put_back() -> None:
    old = edited(vmi(), {"status": {"phase": "Running"}})
    new = edited(old, {"status.phase": "Succeeded", "metadata.labels": {"a": "b"}})
    assert restore_vmi_status(new, old) == edited(old, {"metadata.labels": {"a": "b"}})
    assert "status" not in restore_vmi_status(new, vmi())
