"""What virt-handler writes about a guest: at most one guarded patch, and nothing when the VMI says it already."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import jsonpatch
import msgspec
import pytest

from kubevirt_py.api.views import HostedInstance
from kubevirt_py.decide.guest import Snapshot, decide
from kubevirt_py.decide.guest_state import (
    FORCED,
    PANIC,
    POWERED_OFF,
    GuestInfo,
    GuestState,
    Outcome,
    outcome_of_shutdown,
    outcome_of_state,
)
from kubevirt_py.plan import NOTHING, Document, Plan
from kubevirt_py.render.machine import Attachments, DiskFile, Facts, NicWire, machine_from_vmi
from kubevirt_py.render.network.model import BridgePlan, InterfacePlan, NetworkPlan

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SPEC: Document = {
    "domain": {
        "memory": {"guest": "64Mi"},
        "devices": {
            "disks": [{"name": "root", "disk": {"bus": "virtio"}}, {"name": "ci", "disk": {}}],
            "interfaces": [{"name": "default", "masquerade": {}}],
        },
    },
    "networks": [{"name": "default", "pod": {}}],
    "volumes": [
        {"name": "root", "containerDisk": {"image": "x"}},
        {"name": "ci", "cloudInitNoCloud": {"userData": "x"}},
    ],
}
MAC = "02:00:00:00:00:01"


def _vmi(phase: str = "Scheduled", spec: Document = SPEC, **status: Any) -> Document:
    meta = {"name": "vm", "namespace": "default", "uid": "uid-1", "resourceVersion": "7"}
    return {"metadata": meta, "spec": spec, "status": {"phase": phase, "activePods": {"pod": "node"}, **status}}


def _guest(**changes: Any) -> GuestState:
    files = {"root": DiskFile(format="qcow2", base="qcow2"), "ci": DiskFile(size_bytes=1048576)}
    wires = (NicWire(name="default", mac=MAC),)
    machine = machine_from_vmi("default_vm", "uid-1", SPEC, Facts(kvm=False), Attachments(disks=files, nics=wires))
    interface = InterfacePlan(
        name="default",
        binding="masquerade",
        pod_link="eth0",
        mac=MAC,
        mtu=1450,
        tap="tap0",
        queues=1,
        bridge=BridgePlan(name="k6t-eth0", mac="02:00:00:00:00:00"),
        pod_addresses=("10.244.1.5", "fd00::5"),
    )
    state = GuestState(
        pod_uid="pod",
        machine=machine,
        machine_type="pc-q35-10.0",
        network=NetworkPlan((interface,)),
        run_state="running",
    )
    return msgspec.structs.replace(state, **changes)


def _decide(document: Document, guest: GuestState | None, refused: str = "") -> Plan:
    vmi = msgspec.json.decode(msgspec.json.encode(document), type=HostedInstance)
    return decide(Snapshot(vmi=vmi, guest=guest, now=NOW, refused=refused))


def _applied(document: Document, plan: Plan) -> Document:
    """The VMI after the plan, as an API server would have it."""
    (action,) = plan.do
    result: Document = jsonpatch.apply_patch(document, list(action.ops))  # type: ignore[union-attr]
    return result


def _conditions(document: Document) -> dict[str, Document]:
    return {condition["type"]: condition for condition in document["status"].get("conditions", [])}


def test_running_is_told_in_one_patch_and_only_once() -> None:
    document = _vmi()
    plan = _decide(document, _guest())
    after = _applied(document, plan)
    status = after["status"]
    assert status["phase"] == "Running"
    assert status["phaseTransitionTimestamps"] == [
        {"phase": "Running", "phaseTransitionTimestamp": "2026-01-02T03:04:05Z"}
    ]
    assert status["interfaces"] == [
        {
            "name": "default",
            "mac": MAC,
            "podInterfaceName": "eth0",
            "infoSource": "domain",
            "linkState": "up",
            "queueCount": 1,
            "ipAddress": "10.244.1.5",
            "ipAddresses": ["10.244.1.5", "fd00::5"],
        }
    ]
    assert status["volumeStatus"] == [
        {"name": "ci", "target": "sda", "size": 1048576},
        {"name": "root", "target": "vda"},
    ]
    assert status["machine"] == {"type": "pc-q35-10.0"}
    assert status["activePods"] == {"pod": "node"}
    assert [event.reason for event in plan.events] == ["Created", "Started"]
    assert _conditions(after)["Ready"]["status"] == "True"
    assert _decide(after, _guest()) == NOTHING


def test_every_patch_names_the_version_it_was_decided_on() -> None:
    (action,) = _decide(_vmi(), _guest()).do
    assert action.ops[0] == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}  # type: ignore[union-attr]


def test_readiness_probe_leaves_ready_to_the_controller() -> None:
    document = _vmi(spec={**SPEC, "readinessProbe": {"tcpSocket": {"port": 22}}})
    assert "Ready" not in _conditions(_applied(document, _decide(document, _guest())))


@pytest.mark.parametrize("phase", ["", "Pending", "Scheduling", "Succeeded", "Failed"])
def test_other_phases_are_not_the_agents_to_leave(phase: str) -> None:
    assert _decide(_vmi(phase), _guest()) == NOTHING


@pytest.mark.parametrize("run_state", ["", "prelaunch"])
def test_a_guest_that_does_not_run_yet_is_not_told(run_state: str) -> None:
    assert _decide(_vmi(), _guest(run_state=run_state)) == NOTHING


def test_a_guest_that_starts_paused_is_running_and_paused() -> None:
    document = _vmi(spec={**SPEC, "startStrategy": "Paused"})
    after = _applied(document, _decide(document, _guest(run_state="prelaunch", start_paused=True)))
    assert after["status"]["phase"] == "Running"
    assert _conditions(after)["Paused"]["reason"] == "PausedByUser"
    assert _conditions(after)["Ready"]["reason"] == "GuestNotRunning"


def test_pause_and_its_end() -> None:
    running = _applied(_vmi(), _decide(_vmi(), _guest()))
    paused = _applied(running, _decide(running, _guest(run_state="paused")))
    assert _conditions(paused)["Paused"]["reason"] == "PausedByUser"
    broken = _applied(running, _decide(running, _guest(run_state="io-error")))
    assert _conditions(broken)["Paused"]["reason"] == "PausedIOError"
    resumed = _conditions(_applied(paused, _decide(paused, _guest())))
    assert "Paused" not in resumed
    for told, ready in ((_conditions(paused), "False"), (_conditions(broken), "False"), (resumed, "True")):
        assert told["Ready"]["status"] == ready


def test_the_agent_in_the_guest() -> None:
    running = _applied(_vmi(), _decide(_vmi(), _guest()))
    told = (
        {"name": "enp1s0", "mac": MAC, "addresses": ["10.0.2.2"]},
        {"name": "docker0", "mac": "02:42:00:00:00:00", "addresses": ["172.17.0.1"]},
    )
    info = GuestInfo(os={"name": "Debian GNU/Linux"}, interfaces=told)
    connected = _guest(agent_connected=True, info=info)
    after = _applied(running, _decide(running, connected))
    assert _conditions(after)["AgentConnected"]["status"] == "True"
    assert after["status"]["guestOSInfo"] == {"name": "Debian GNU/Linux"}
    first, second = after["status"]["interfaces"]
    assert (first["interfaceName"], first["infoSource"]) == ("enp1s0", "domain, guest-agent")
    assert first["ipAddress"] == "10.244.1.5"
    assert (second["interfaceName"], second["ipAddress"]) == ("docker0", "172.17.0.1")
    assert _decide(after, connected) == NOTHING
    gone = _applied(after, _decide(after, _guest()))
    assert "AgentConnected" not in _conditions(gone)
    assert gone["status"]["guestOSInfo"] == {}


def test_what_an_agent_told_an_earlier_process_is_kept_until_it_tells_this_one() -> None:
    """The node's agent restarts often, the one in the guest is there all the while, and silent while it is frozen."""
    (card,) = _guest().network.interfaces
    blue = msgspec.structs.replace(
        card, name="blue", binding="bridge", pod_link="pod37a8eec1ce1", mac="02:00:00:00:00:02", pod_addresses=()
    )
    network = NetworkPlan((card, blue))
    told = (
        {"name": "eth0", "mac": MAC, "addresses": ["10.0.2.2"]},
        {"name": "eth1", "mac": "02:00:00:00:00:02", "addresses": ["fe80::2", "10.77.0.99"]},
        {"name": "br1", "mac": "02:00:00:00:00:02", "addresses": ["10.77.0.100"]},
        {"name": "tun0", "mac": "", "addresses": []},
    )
    info = GuestInfo(os={"name": "Debian GNU/Linux"}, interfaces=told)
    document = _applied(_vmi(), _decide(_vmi(), _guest(network=network, agent_connected=True, info=info)))
    assert _conditions(document)["AgentVersionNotSupported"]["status"] == "True"
    assert _decide(document, _guest(network=network, agent_connected=True)) == NOTHING
    gone = _applied(document, _decide(document, _guest(network=network)))
    assert len(gone["status"]["interfaces"]) == 2
    assert "AgentVersionNotSupported" not in _conditions(gone)


def test_addresses_of_the_pod_stand_in_the_order_of_its_status() -> None:
    """As upstream: where IPv6 comes first, clients that look at the first address alone are to find that."""
    vmi = msgspec.json.decode(msgspec.json.encode(_vmi()), type=HostedInstance)
    for pod_ip, shown in (("fd00::5", ["fd00::5", "10.244.1.5"]), ("10.244.1.5", ["10.244.1.5", "fd00::5"])):
        plan = decide(Snapshot(vmi=vmi, guest=_guest(), now=NOW, pod_ip=pod_ip))
        (entry,) = _applied(_vmi(), plan)["status"]["interfaces"]
        assert (entry["ipAddress"], entry["ipAddresses"]) == (shown[0], shown)


def test_on_further_networks_the_guest_says_which_addresses_it_has() -> None:
    (card,) = _guest().network.interfaces
    given = msgspec.structs.replace(card, binding="bridge", pod_link="pod37a8eec1ce1", pod_addresses=("10.77.0.5",))
    for addresses, shown in ((["10.77.0.99", "fd77::99"], ["10.77.0.99", "fd77::99"]), ([], ["10.77.0.5"])):
        told = ({"name": "eth1", "mac": MAC, "addresses": addresses},)
        agent = {"agent_connected": True, "info": GuestInfo(interfaces=told)}
        after = _applied(_vmi(), _decide(_vmi(), _guest(network=NetworkPlan((given,)), **agent)))
        (entry,) = after["status"]["interfaces"]
        assert entry["ipAddresses"] == shown


def test_the_address_to_reach_a_guest_by_is_no_link_local_one() -> None:
    """Windows tells of these first."""
    (card,) = _guest().network.interfaces
    given = msgspec.structs.replace(card, binding="bridge", pod_link="pod37a8eec1ce1", pod_addresses=())
    mine, other = ["fe80::1", "fd77::99", "10.77.0.99"], ["169.254.3.4", "fe80::2", "fd77::5"]
    told = (
        {"name": "Ethernet 2", "mac": MAC, "addresses": mine},
        {"name": "Ethernet 3", "mac": "02:00:00:00:00:99", "addresses": other},
    )
    agent = {"agent_connected": True, "info": GuestInfo(interfaces=told)}
    after = _applied(_vmi(), _decide(_vmi(), _guest(network=NetworkPlan((given,)), **agent)))
    entries = after["status"]["interfaces"]
    assert [entry["ipAddress"] for entry in entries] == ["10.77.0.99", "fd77::5"]
    assert [sorted(entry["ipAddresses"]) for entry in entries] == [sorted(mine), sorted(other)]


def test_interfaces_of_a_guest_with_one_mac_or_none_are_all_told() -> None:
    """A bridge or VLAN over a card has its MAC; a tunnel has none."""
    told = (
        {"name": "eth0", "mac": MAC, "addresses": []},
        {"name": "br0", "mac": MAC, "addresses": ["10.0.2.2"]},
        {"name": "br0.100", "mac": MAC, "addresses": ["192.0.2.7"]},
        {"name": "wg0", "mac": "", "addresses": ["10.9.0.1"]},
        {"name": "tun0", "mac": "", "addresses": ["10.8.0.1"]},
    )
    guest = _guest(agent_connected=True, info=GuestInfo(interfaces=told))
    after = _applied(_vmi(), _decide(_vmi(), guest))
    names = [entry["interfaceName"] for entry in after["status"]["interfaces"]]
    assert names == ["br0", "eth0", "br0.100", "wg0", "tun0"]


@pytest.mark.parametrize(
    ("changes", "phase", "event_type"),
    [
        ({"run_state": "shutdown", "outcome": POWERED_OFF}, "Succeeded", "Normal"),
        ({"outcome": POWERED_OFF, "exited": True}, "Succeeded", "Normal"),
        ({"outcome": FORCED}, "Failed", "Warning"),
        ({"exited": True}, "Failed", "Warning"),
        ({"exited": True, "run_state": ""}, "Failed", "Warning"),
    ],
)
def test_ends(changes: dict[str, Any], phase: str, event_type: str) -> None:
    running = _applied(_vmi(), _decide(_vmi(), _guest(frozen=True)))
    plan = _decide(running, _guest(**changes))
    after = _applied(running, plan)
    assert after["status"]["phase"] == phase
    assert "fsFreezeStatus" not in after["status"]
    assert _conditions(after)["Ready"]["status"] == "False"
    assert [(event.reason, event.type) for event in plan.events] == [("Stopped", event_type)]
    assert _decide(after, _guest(**changes)) == NOTHING


def test_a_panic_is_the_reason_of_the_end() -> None:
    running = _applied(_vmi(), _decide(_vmi(), _guest()))
    plan = _decide(running, _guest(outcome=PANIC))
    after = _applied(running, plan)
    assert (after["status"]["phase"], after["status"]["reason"]) == ("Failed", "GuestPanicked")
    assert [(event.reason, event.type) for event in plan.events] == [
        ("GuestPanicked", "Warning"),
        ("Stopped", "Warning"),
    ]
    assert _decide(after, _guest(outcome=PANIC)) == NOTHING


def test_absence_of_evidence_is_not_evidence_of_death() -> None:
    running = _applied(_vmi(), _decide(_vmi(), _guest()))
    assert _decide(running, None) == NOTHING
    assert _decide(running, _guest(run_state="")) == NOTHING


def test_a_refused_launch_is_told_and_forgotten_when_it_works() -> None:
    document = _vmi()
    plan = _decide(document, None, refused="the network is missing")
    after = _applied(document, plan)
    assert _conditions(after)["Synchronized"]["message"] == "the network is missing"
    assert [event.type for event in plan.events] == ["Warning"]
    assert _decide(after, None, refused="the network is missing") == NOTHING
    assert "Synchronized" not in _conditions(_applied(after, _decide(after, _guest())))


def test_a_guest_that_qemu_refuses_to_set_up_is_told_once_and_forgotten_when_it_works() -> None:
    document, refused = _vmi(), _guest(run_state="", trouble="QEMU refused: no such device")
    plan = _decide(document, refused)
    after = _applied(document, plan)
    assert _conditions(after)["Synchronized"]["message"] == "QEMU refused: no such device"
    assert [(event.type, event.reason) for event in plan.events] == [("Warning", "SyncFailed")]
    assert _decide(after, refused) == NOTHING
    assert "Synchronized" not in _conditions(_applied(after, _decide(after, _guest())))


@pytest.mark.parametrize(
    ("change", "reason", "text"),
    [
        ({}, "NotMigratable", "not supported yet"),
        (
            {"volumes": [{"name": "root", "persistentVolumeClaim": {"claimName": "c"}}]},
            "DisksNotLiveMigratable",
            "the claim of volume root is not shared",
        ),
    ],
)
def test_what_keeps_a_guest_from_moving(change: Document, reason: str, text: str) -> None:
    document = _vmi(spec={**SPEC, **change})
    found = _conditions(_applied(document, _decide(document, _guest())))["LiveMigratable"]
    assert (found["status"], found["reason"]) == ("False", reason)
    assert text in found["message"]


def test_the_status_of_a_shared_claim_is_kept() -> None:
    claim = {"name": "root", "persistentVolumeClaim": {"claimName": "c"}}
    known = {"name": "root", "persistentVolumeClaimInfo": {"accessModes": ["ReadWriteMany"]}}
    document = _vmi(spec={**SPEC, "volumes": [claim]}, volumeStatus=[known])
    after = _applied(document, _decide(document, _guest()))
    assert _conditions(after)["LiveMigratable"]["reason"] == "NotMigratable", "its disks are no obstacle"
    assert after["status"]["volumeStatus"] == [{**known, "target": "vda"}]


def test_bridge_on_the_pod_network_cannot_migrate() -> None:
    devices = {**SPEC["domain"]["devices"], "interfaces": [{"name": "default", "bridge": {}}]}
    document = _vmi(spec={**SPEC, "domain": {**SPEC["domain"], "devices": devices}})
    found = _conditions(_applied(document, _decide(document, _guest())))["LiveMigratable"]
    assert (found["status"], found["reason"]) == ("False", "InterfaceNotLiveMigratable")


@pytest.mark.parametrize(
    ("data", "phase"),
    [
        ({"guest": True, "reason": "guest-shutdown"}, "Succeeded"),
        ({"guest": True, "reason": "guest-reset"}, "Succeeded"),
        ({"guest": True, "reason": "guest-panic"}, "Failed"),
        ({"guest": False, "reason": "host-signal"}, "Failed"),
        ({"guest": False, "reason": "host-qmp-quit"}, "Failed"),
        ({"guest": False, "reason": "host-error"}, "Failed"),
        ({}, "Failed"),
    ],
)
def test_what_qemus_shutdown_event_means(data: dict[str, Any], phase: str) -> None:
    assert outcome_of_shutdown(data, None).phase == phase


def test_our_own_quit_means_what_we_meant() -> None:
    ours = Outcome("Succeeded", "as planned")
    assert outcome_of_shutdown({"guest": False, "reason": "host-qmp-quit"}, ours) is ours
    assert outcome_of_state("running") is None
    assert outcome_of_state("guest-panicked") is PANIC
