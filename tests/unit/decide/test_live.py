"""Changes of a template that a running guest follows, and the resize of its pod."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from kubevirt_py.api.names import BOOT_SOCKETS_ANNOTATION, TEMPLATE_HASH_ANNOTATION
from kubevirt_py.decide.vm import decide as decide_vm
from kubevirt_py.decide.vmi import decide as decide_vmi
from kubevirt_py.plan import Failure, JsonPatch, Plan
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.defaults import with_vmi_defaults
from kubevirt_py.render.live_update import live_changes, with_room
from kubevirt_py.render.overhead import overhead_bytes
from kubevirt_py.render.resources import compute_resources
from kubevirt_py.render.validate.vmi import validate_vmi_update
from kubevirt_py.render.vmi_from_vm import template_hash

from .scene import after, ago, condition, created, pod, vm, vm_snapshot, vmi, vmi_snapshot

Document = dict[str, Any]
CONFIG = ClusterConfig()
TEMPLATE: Document = {
    "domain": {
        "cpu": {"sockets": 1, "cores": 2, "threads": 1},
        "memory": {"guest": "1Gi"},
        "devices": {"disks": [{"name": "root", "disk": {"bus": "virtio"}}]},
    },
    "volumes": [{"name": "root", "containerDisk": {"image": "root:1"}}],
}


MEMORY = "1300Mi"


def pair(changes: Document) -> tuple[Document, Document]:
    """A VM whose template has changed, and its VMI as made from the first one."""
    machine = vm()
    machine["spec"]["template"]["spec"] = copy.deepcopy(TEMPLATE)
    (body,) = created(decide_vm(vm_snapshot(machine)))
    spec = with_room(with_vmi_defaults(body["spec"], CONFIG), CONFIG)
    annotations = body["metadata"]["annotations"] | {BOOT_SOCKETS_ANNOTATION: str(spec["domain"]["cpu"]["sockets"])}
    running = vmi("Running", meta={"annotations": annotations})
    running["spec"] = spec
    running["status"] |= {
        "memory": {"guestAtBoot": "1Gi", "guestCurrent": "1Gi", "guestRequested": "1Gi"},
        "currentCPUTopology": {"cores": 2, "sockets": 1, "threads": 1},
    }
    machine["metadata"]["generation"] = 2
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = machine["spec"]["template"]["spec"]
        for part in parents:
            place = place.setdefault(part, {})
        place[last] = value
    return machine, running


def test_a_new_vmi_has_room_for_four_times_its_sockets_and_memory() -> None:
    _, running = pair({})
    assert running["spec"]["domain"]["cpu"]["maxSockets"] == 4
    assert running["spec"]["domain"]["memory"]["maxGuest"] == "4Gi"
    small = with_room(with_vmi_defaults({"domain": {"memory": {"guest": "96Mi"}}}, CONFIG), CONFIG)
    assert "maxGuest" not in small["domain"]["memory"]
    staged = ClusterConfig(rollout_strategy="Stage")
    assert with_room(with_vmi_defaults(TEMPLATE, staged), staged)["domain"]["cpu"].get("maxSockets") is None


def test_there_is_no_room_for_more_cpus_than_a_board_has() -> None:
    """An i440FX board has 255, and QEMU refuses to start with more."""
    many = {"domain": {"machine": {"type": "pc"}, "cpu": {"sockets": 40, "cores": 2, "threads": 1}}}
    assert with_room(with_vmi_defaults(many, CONFIG), CONFIG)["domain"]["cpu"]["maxSockets"] == 127


@pytest.mark.parametrize(
    ("changes", "path", "value"),
    [
        ({"domain.cpu.sockets": 3}, ("domain", "cpu", "sockets"), 3),
        ({"domain.memory.guest": "2Gi"}, ("domain", "memory", "guest"), "2Gi"),
        ({"nodeSelector": {"disk": "fast"}}, ("nodeSelector",), {"disk": "fast"}),
        ({"tolerations": [{"operator": "Exists"}]}, ("tolerations",), [{"operator": "Exists"}]),
    ],
)
def test_the_vmi_follows_and_no_restart_is_asked_for(changes: Document, path: tuple[str, ...], value: Any) -> None:
    machine, running = pair(changes)
    followed = after(running, decide_vm(vm_snapshot(machine, running)))
    found: Any = followed["spec"]
    for part in path:
        found = found[part]
    assert found == value
    followed["metadata"]["resourceVersion"] = "21"
    settled = after(machine, decide_vm(vm_snapshot(machine, followed)))
    assert condition(settled, "RestartRequired") is None
    assert settled["status"]["observedGeneration"] == 2


def test_volumes_come_and_go_with_their_disks() -> None:
    added = {"name": "data", "persistentVolumeClaim": {"claimName": "data", "hotpluggable": True}}
    disk = {"name": "data", "disk": {"bus": "scsi"}}
    root = TEMPLATE["volumes"][0], TEMPLATE["domain"]["devices"]["disks"][0]
    machine, running = pair({"volumes": [root[0], added], "domain.devices.disks": [root[1], disk]})
    followed = after(running, decide_vm(vm_snapshot(machine, running)))
    assert followed["spec"]["volumes"][1] == added
    assert followed["spec"]["domain"]["devices"]["disks"][1] == disk
    machine["spec"]["template"]["spec"] = copy.deepcopy(TEMPLATE)
    machine["metadata"]["generation"] = 3
    assert after(followed, decide_vm(vm_snapshot(machine, followed)))["spec"] == running["spec"]


@pytest.mark.parametrize(
    "change", [{"serial": "two"}, {"cache": "writeback"}, {"disk": {"bus": "virtio"}}, {"lun": {"bus": "scsi"}}]
)
def test_a_plugged_disk_that_changes_stays_and_asks_for_a_restart(
    change: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = TEMPLATE["volumes"][0], TEMPLATE["domain"]["devices"]["disks"][0]
    data, more = (
        {"name": name, "persistentVolumeClaim": {"claimName": name, "hotpluggable": True}} for name in ("data", "more")
    )
    disk, other = {"name": "data", "disk": {"bus": "scsi"}}, {"name": "more", "disk": {"bus": "scsi"}}
    monkeypatch.setitem(TEMPLATE, "volumes", [root[0], data])
    monkeypatch.setitem(TEMPLATE["domain"]["devices"], "disks", [root[1], disk])
    changed = {key: value for key, value in disk.items() if key == "name" or "lun" not in change} | change
    machine, running = pair({"domain.devices.disks": [root[1], changed]})
    plan = decide_vm(vm_snapshot(machine, running))
    assert after(running, plan) == running
    found = condition(after(machine, plan), "RestartRequired")
    assert found is not None
    assert "disk data changes when the guest restarts" in found["message"]
    machine, running = pair({"volumes": [root[0], data, more], "domain.devices.disks": [root[1], changed, other]})
    followed = after(running, decide_vm(vm_snapshot(machine, running)))
    assert followed["spec"]["domain"]["devices"]["disks"] == [root[1], disk, other]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"domain.cpu.sockets": 9}, "room for 4 CPU sockets, not 9"),
        ({"domain.memory.guest": "8Gi"}, "room for 4Gi of memory, not 8Gi"),
        ({"domain.memory.guest": "512Mi"}, "cannot have less"),
        ({"domain.cpu.cores": 4}, "the template differs"),
        ({"volumes": [{"name": "root", "containerDisk": {"image": "root:2"}}]}, "the template differs"),
    ],
)
def test_what_a_running_guest_cannot_follow_asks_for_a_restart_in_words(changes: Document, words: str) -> None:
    machine, running = pair(changes)
    plan = decide_vm(vm_snapshot(machine, running))
    assert after(running, plan) == running
    found = condition(after(machine, plan), "RestartRequired")
    assert found is not None
    assert words in found["message"]


@pytest.mark.parametrize(
    ("guest", "model", "emulated", "most"),
    [
        ("256Gi", "host-model", False, "1Ti"),
        ("256Gi", "Haswell", False, "896Gi"),
        ("256Gi", "host-model", True, "896Gi"),
        ("900Gi", "Haswell", False, None),
    ],
)
def test_memory_has_room_as_far_as_the_cpu_can_address_it(
    guest: str, model: str, emulated: bool, most: str | None
) -> None:
    config = ClusterConfig(use_emulation=emulated)
    domain = {"cpu": {"model": model}, "memory": {"guest": guest}}
    spec = with_room(with_vmi_defaults({"domain": domain}, config), config)
    assert spec["domain"]["memory"].get("maxGuest") == most


@pytest.mark.parametrize("most", [{}, {"maxGuest": "4Gi"}])
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ({"hugepages": {"pageSize": "2Mi"}}, "it is of huge pages"),
        ({"reservedOverhead": {"memLock": "Required"}}, "it is locked"),
    ],
    ids=["huge pages", "locked"],
)
def test_memory_that_is_fixed_neither_has_room_nor_follows(
    kind: Document, words: str, most: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = {"guest": "1Gi", **kind, **most}
    monkeypatch.setitem(TEMPLATE["domain"], "memory", pages)
    machine, running = pair({"domain.memory.guest": "2Gi"})
    assert running["spec"]["domain"]["memory"] == pages
    plan = decide_vm(vm_snapshot(machine, running))
    assert after(running, plan) == running
    found = condition(after(machine, plan), "RestartRequired")
    assert found is not None
    assert words in found["message"]


def test_staged_changes_wait_for_a_restart() -> None:
    machine, running = pair({"domain.cpu.sockets": 2})
    staged = replace(vm_snapshot(machine, running), config=ClusterConfig(rollout_strategy="Stage"))
    plan = decide_vm(staged)
    assert after(running, plan) == running
    assert condition(after(machine, plan), "RestartRequired") is not None


def test_requests_reach_template_and_guest_and_then_leave_the_list() -> None:
    machine, running = pair({})
    source = {"persistentVolumeClaim": {"claimName": "data", "hotpluggable": True}}
    request = {"name": "data", "disk": {"name": "data", "disk": {"bus": "scsi"}}, "volumeSource": source}
    machine["status"] = {"volumeRequests": [{"addVolumeOptions": request}]}
    config = ClusterConfig(feature_gates=frozenset({"HotplugVolumes"}))
    for _ in range(3):
        plan = decide_vm(replace(vm_snapshot(machine, running), config=config))
        machine, running = after(machine, plan), after(running, plan)
        machine["metadata"]["resourceVersion"] += "0"
        running["metadata"]["resourceVersion"] += "0"
    assert "volumeRequests" not in machine["status"]
    for spec in (machine["spec"]["template"]["spec"], running["spec"]):
        assert [volume["name"] for volume in spec["volumes"]] == ["root", "data"]


def launcher(cpu: str, memory: str, given: tuple[str, str] | None = None, **status: Any) -> Document:
    shown = pod("Running", **status)
    shown["spec"]["containers"] = [{"name": "compute", "resources": {"requests": {"cpu": cpu, "memory": memory}}}]
    has = {"requests": dict(zip(("cpu", "memory"), given or (cpu, memory), strict=True))}
    running = {"running": {"startedAt": ago(60)}}
    shown["status"]["containerStatuses"] = [{"name": "compute", "state": running, "ready": True, "resources": has}]
    return shown


def grown(sockets: int = 3) -> Document:
    _, running = pair({})
    running["spec"]["domain"]["cpu"]["sockets"] = sockets
    running["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    running["status"]["volumeStatus"] = [{"name": "root", "target": "vda"}]
    return running


def resizes(plan: Plan) -> list[JsonPatch]:
    return [one for one in plan.do if isinstance(one, JsonPatch) and one.subresource == "resize"]


def test_the_pod_is_resized_first_then_the_agent_may_plug_then_the_condition_goes() -> None:
    machine = grown()
    (resize,) = resizes(decide_vmi(vmi_snapshot(machine, launcher("200m", MEMORY))))
    assert resize.ops[0] == {"op": "test", "path": "/spec/containers/0/name", "value": "compute"}
    assert {"op": "replace", "path": "/spec/containers/0/resources/requests/cpu", "value": "600m"} in resize.ops
    asked = launcher("600m", MEMORY, given=("200m", MEMORY))
    assert not decide_vmi(vmi_snapshot(machine, asked)).do
    machine = after(machine, decide_vmi(vmi_snapshot(machine, launcher("600m", MEMORY))))
    assert condition(machine, "HotVCPUChange")["status"] == "True"  # type: ignore[index]
    machine["status"]["currentCPUTopology"]["sockets"] = 3
    machine["metadata"]["resourceVersion"] = "20"
    spec = machine["spec"]
    exact = compute_resources(spec, CONFIG, overhead_bytes(spec, CONFIG))["requests"]["memory"]
    machine = after(machine, decide_vmi(vmi_snapshot(machine, launcher("600m", exact))))
    assert condition(machine, "HotVCPUChange") is None


def test_a_cpu_limit_of_the_namespace_follows_the_sockets() -> None:
    limited = launcher("200m", MEMORY)
    limited["spec"]["containers"][0]["resources"]["limits"] = {"cpu": "2"}
    snapshot = vmi_snapshot(grown(), limited)
    config = ClusterConfig(cpu_limit_namespaces={"matchLabels": {"limit": "cpu"}})
    (resize,) = resizes(decide_vmi(replace(snapshot, config=config, namespace_labels={"limit": "cpu"})))
    assert {"op": "replace", "path": "/spec/containers/0/resources/limits/cpu", "value": "6"} in resize.ops
    (resize,) = resizes(decide_vmi(replace(snapshot, config=config, namespace_labels={})))
    assert not [op for op in resize.ops if op["path"].endswith("limits/cpu")]


def test_memory_that_the_guest_gave_back_is_given_back_by_the_pod_before_the_condition_goes() -> None:
    machine = grown(sockets=1)
    machine["status"]["memory"] |= {"guestCurrent": "2Gi", "guestRequested": "2Gi"}
    large = launcher("200m", "3Gi")
    machine = after(machine, decide_vmi(vmi_snapshot(machine, large)))
    assert condition(machine, "HotMemoryChange")["status"] == "True"  # type: ignore[index]
    machine["status"]["memory"] |= {"guestCurrent": "1Gi", "guestRequested": "1Gi"}
    machine["metadata"]["resourceVersion"] = "20"
    (resize,) = resizes(decide_vmi(vmi_snapshot(machine, large)))
    (memory,) = [op for op in resize.ops if op["path"].endswith("requests/memory")]
    small = launcher("200m", memory["value"])
    assert condition(after(machine, decide_vmi(vmi_snapshot(machine, small))), "HotMemoryChange") is None


def test_sockets_leave_down_to_those_of_the_start_and_the_pod_gives_back_last() -> None:
    machine, running = pair({"domain.cpu.sockets": 1})
    running["spec"]["domain"]["cpu"]["sockets"] = 3
    running["status"]["currentCPUTopology"]["sockets"] = 3
    running = after(running, decide_vm(vm_snapshot(machine, running)))
    assert running["spec"]["domain"]["cpu"]["sockets"] == 1
    assert condition(after(machine, decide_vm(vm_snapshot(machine, running))), "RestartRequired") is None
    large = launcher("600m", MEMORY)
    told = after(running, plan := decide_vmi(vmi_snapshot(running, large)))
    assert not resizes(plan)
    assert condition(told, "HotVCPUChange")["status"] == "True"  # type: ignore[index]
    told["status"]["currentCPUTopology"]["sockets"] = 1
    told["metadata"]["resourceVersion"] = "20"
    (resize,) = resizes(decide_vmi(vmi_snapshot(told, large)))
    assert {"op": "replace", "path": "/spec/containers/0/resources/requests/cpu", "value": "200m"} in resize.ops
    running["metadata"]["annotations"][BOOT_SOCKETS_ANNOTATION] = "2"
    running["spec"]["domain"]["cpu"]["sockets"] = 3
    required = condition(after(machine, decide_vm(vm_snapshot(machine, running))), "RestartRequired")
    assert required is not None
    assert "started with 2 CPU sockets" in required["message"]


@pytest.mark.parametrize("how", ["pending", "refused"])
def test_a_node_that_cannot_give_more_is_told_by_the_condition(how: str) -> None:
    machine = grown()
    pending = {"type": "PodResizePending", "status": "True", "reason": "Infeasible", "message": "node has 2 CPUs"}
    shown = launcher("600m", MEMORY, given=("200m", MEMORY))
    failure = None
    if how == "pending":
        shown["status"]["conditions"] = [pending]
    else:
        (resize,) = resizes(decide_vmi(vmi_snapshot(machine, launcher("200m", MEMORY))))
        failure = Failure(resize, "Invalid", "pod resize is not supported", 422)
    machine = after(machine, decide_vmi(vmi_snapshot(machine, shown, failure=failure)))
    found = condition(machine, "HotVCPUChange")
    assert found is not None
    assert (found["status"], found["reason"]) == ("False", "Infeasible" if how == "pending" else "Invalid")
    owner, running = pair({"domain.cpu.sockets": 3})
    running["status"]["conditions"] = [found]
    running["spec"] = machine["spec"]
    required = condition(after(owner, decide_vm(vm_snapshot(owner, running))), "RestartRequired")
    assert required is not None
    assert found["message"] in required["message"]


CARDS = {
    "domain.devices.interfaces": [{"name": "default", "masquerade": {}}, {"name": "red", "bridge": {}}],
    "networks": [{"name": "default", "pod": {}}, {"name": "red", "multus": {"networkName": "red"}}],
}


def test_a_card_that_shall_be_absent_is_forgotten_when_it_has_left() -> None:
    """First the VMI says so, then, once the agent no longer reports it, VMI and template are rid of it."""
    machine, running = pair(copy.deepcopy(CARDS))
    running = after(running, decide_vm(vm_snapshot(machine, running)))
    assert [item["name"] for item in running["spec"]["domain"]["devices"]["interfaces"]] == ["default", "red"]
    running["status"]["interfaces"] = [{"name": "default"}, {"name": "red"}]
    machine["spec"]["template"]["spec"]["domain"]["devices"]["interfaces"][1]["state"] = "absent"
    running = after(running, decide_vm(vm_snapshot(machine, running)))
    assert running["spec"]["domain"]["devices"]["interfaces"][1]["state"] == "absent"
    assert not patches_of(decide_vm(vm_snapshot(machine, running)), "VirtualMachineInstance", "VirtualMachine")
    running["status"]["interfaces"] = [{"name": "default"}]
    running = after(running, decide_vm(vm_snapshot(machine, running)))
    assert [item["name"] for item in running["spec"]["domain"]["devices"]["interfaces"]] == ["default"]
    machine = after(machine, decide_vm(vm_snapshot(machine, running)))
    template = machine["spec"]["template"]["spec"]
    assert [item["name"] for item in template["domain"]["devices"]["interfaces"]] == ["default"]
    assert [network["name"] for network in template["networks"]] == ["default"]


def patches_of(plan: Plan, *kinds: str) -> list[Any]:
    """Patches of specs of these kinds."""
    return [
        op["path"]
        for action in plan.do
        if isinstance(action, JsonPatch) and action.kind.kind in kinds and not action.subresource
        for op in action.ops
        if op["path"].startswith("/spec")
    ]


def test_a_card_leaves_and_comes_back_where_its_network_has_another_definition() -> None:
    machine, running = pair(copy.deepcopy(CARDS))
    running = after(running, decide_vm(vm_snapshot(machine, running)))
    running["metadata"]["annotations"][TEMPLATE_HASH_ANNOTATION] = template_hash(machine["spec"]["template"])
    running["status"]["interfaces"] = [{"name": "default"}, {"name": "red"}]
    wanted = machine["spec"]["template"]["spec"]
    wanted["networks"][1]["multus"]["networkName"] = "other"
    running = after(running, decide_vm(vm_snapshot(machine, running)))
    assert running["spec"]["domain"]["devices"]["interfaces"][1]["state"] == "absent"
    assert running["spec"]["networks"][1]["multus"]["networkName"] == "red"
    assert condition(after(machine, decide_vm(vm_snapshot(machine, running))), "RestartRequired") is None
    assert not patches_of(decide_vm(vm_snapshot(machine, running)), "VirtualMachineInstance", "VirtualMachine")
    running["status"]["interfaces"] = [{"name": "default"}]
    running = after(running, decide_vm(vm_snapshot(machine, running)))
    assert [network["name"] for network in running["spec"]["networks"]] == ["default"]
    running = after(running, decide_vm(vm_snapshot(machine, running)))
    assert running["spec"]["networks"] == wanted["networks"]
    assert running["spec"]["domain"]["devices"]["interfaces"][1] == {"name": "red", "bridge": {}}
    assert not patches_of(decide_vm(vm_snapshot(machine, running)), "VirtualMachineInstance", "VirtualMachine")


@pytest.mark.parametrize(
    ("domain", "card", "follows"),
    [
        ({}, {"model": "e1000"}, False),
        ({"devices": {"useVirtioTransitional": True}}, {}, False),
        ({"devices": {"disableHotplug": True}}, {}, False),
        ({}, {"pciAddress": "0000:81:01.0"}, False),
        ({}, {"model": "e1000e"}, True),
        ({"machine": {"type": "pc"}}, {"model": "e1000"}, True),
    ],
    ids=["an old model", "an old virtio", "no hot-plug", "an address", "an express model", "an old model on pc"],
)
def test_cards_that_cannot_be_plugged_come_and_go_at_a_restart(
    domain: Document, card: Document, follows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TEMPLATE, "domain", TEMPLATE["domain"] | domain)
    machine, running = pair(copy.deepcopy(CARDS))
    wanted = machine["spec"]["template"]["spec"]
    wanted["domain"]["devices"]["interfaces"][1] |= card
    running["metadata"]["annotations"][TEMPLATE_HASH_ANNOTATION] = template_hash(machine["spec"]["template"])
    came = after(running, decide_vm(vm_snapshot(machine, running)))
    assert ("red" in [network["name"] for network in came["spec"]["networks"]]) is follows
    told = condition(after(machine, decide_vm(vm_snapshot(machine, running))), "RestartRequired")
    assert ("network red comes when the guest restarts" in (told or {"message": ""})["message"]) is not follows
    running["spec"]["networks"] = copy.deepcopy(wanted["networks"])
    running["spec"]["domain"]["devices"]["interfaces"] = copy.deepcopy(wanted["domain"]["devices"]["interfaces"])
    running["status"]["interfaces"] = [{"name": "default"}, {"name": "red"}]
    wanted["domain"]["devices"]["interfaces"].pop()
    wanted["networks"].pop()
    left = after(running, decide_vm(vm_snapshot(machine, running)))
    assert (left["spec"]["domain"]["devices"]["interfaces"][1].get("state") == "absent") is follows
    told = condition(after(machine, decide_vm(vm_snapshot(machine, running))), "RestartRequired")
    assert ("network red goes when the guest restarts" in (told or {"message": ""})["message"]) is not follows


def test_another_definition_of_a_network_waits_for_a_restart_where_no_card_can_be_plugged() -> None:
    machine, running = pair(copy.deepcopy(CARDS) | {"domain.devices.disableHotplug": True})
    running = after(running, decide_vm(vm_snapshot(machine, running)))
    running["spec"]["domain"]["devices"]["disableHotplug"] = True
    running["metadata"]["annotations"][TEMPLATE_HASH_ANNOTATION] = template_hash(machine["spec"]["template"])
    assert condition(after(machine, decide_vm(vm_snapshot(machine, running))), "RestartRequired") is None
    machine["spec"]["template"]["spec"]["networks"][1]["multus"]["networkName"] = "other"
    told = condition(after(machine, decide_vm(vm_snapshot(machine, running))), "RestartRequired")
    assert told is not None and "network red changes when the guest restarts" in told["message"]


ROOT_CLAIM = {"name": "root", "persistentVolumeClaim": {"claimName": "root", "hotpluggable": True}}
DATA_CLAIM = {"name": "data", "persistentVolumeClaim": {"claimName": "data", "hotpluggable": True}}
ROOT_DISK = {"name": "root", "disk": {"bus": "virtio"}}


@pytest.mark.parametrize(
    ("disks", "volumes"),
    [
        ([ROOT_DISK, {"name": "data", "cdrom": {"bus": "sata"}}], [*TEMPLATE["volumes"], DATA_CLAIM]),
        ([{"name": "root", "disk": {"bus": "scsi"}}], [ROOT_CLAIM]),
    ],
    ids=["a disc with its drive", "what the guest was started with"],
)
def test_volumes_that_cannot_be_plugged_wait_for_a_restart_and_keep_nothing_else(
    disks: list[Document], volumes: list[Document]
) -> None:
    machine, running = pair({"domain.devices.disks": disks, "volumes": volumes, "domain.cpu.sockets": 2})
    plan = decide_vm(vm_snapshot(machine, running))
    followed = after(running, plan)
    assert not validate_vmi_update(followed, running, CONFIG, by_kubevirt=True)
    assert followed["spec"]["domain"]["cpu"]["sockets"] == 2
    assert followed["spec"]["volumes"] == running["spec"]["volumes"]
    told = condition(after(machine, decide_vm(vm_snapshot(machine, followed))), "RestartRequired")
    assert told is not None and "restart" in told["message"]


def test_a_claim_that_is_to_change_from_the_machines_own_to_a_plugged_disk_waits_for_a_restart() -> None:
    own = {"name": "own", "persistentVolumeClaim": {"claimName": "data"}}
    running = with_vmi_defaults({**TEMPLATE, "volumes": [*TEMPLATE["volumes"], own]}, CONFIG)
    wanted = with_vmi_defaults({**TEMPLATE, "volumes": [*TEMPLATE["volumes"], DATA_CLAIM]}, CONFIG)
    assert live_changes(copy.deepcopy(wanted), running, {}).spec == running


def test_a_plugged_disk_that_becomes_the_machines_own_stays_with_its_guest() -> None:
    """Its next start has it for good; until then the guest, which may have mounted it, keeps it as it is."""
    disks = [ROOT_DISK, {"name": "data", "disk": {"bus": "scsi"}}]
    machine, running = pair({"domain.devices.disks": disks, "volumes": [*TEMPLATE["volumes"], DATA_CLAIM]})
    running = after(running, decide_vm(vm_snapshot(machine, running)))
    own = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    machine["spec"]["template"]["spec"]["volumes"] = [*TEMPLATE["volumes"], own]
    plan = decide_vm(vm_snapshot(machine, running))
    assert after(running, plan) == running
    assert condition(after(machine, plan), "RestartRequired") is not None


def test_a_patch_of_the_guest_that_is_refused_is_told_and_keeps_no_status_back() -> None:
    machine, running = pair({"domain.cpu.sockets": 2})
    (patch,) = decide_vm(vm_snapshot(machine, running)).do
    failure = Failure(patch, "Invalid", "spec.domain.cpu.sockets: no", 422)
    told = after(machine, decide_vm(vm_snapshot(machine, running, failure=failure)))
    assert told["status"]["printableStatus"] == "Running"
    assert condition(told, "RestartRequired")["message"].endswith("spec.domain.cpu.sockets: no; restart")
