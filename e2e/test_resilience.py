"""Components die; guests do not notice, and nothing is left behind."""

from __future__ import annotations

import json

import pytest

from e2e import machines
from e2e.console import console
from e2e.installation import EMBEDDED, SYSTEM
from e2e.kubectl import Document, Namespace, condition, eventually, run, status


def component_pod(component: str, node: str = "") -> dict[str, str]:
    """Name and main process of a component's running pod (on a node, if given)."""
    pods = SYSTEM.items("pods", f"kubevirt.io={component}")
    live = [
        pod
        for pod in pods
        if pod["status"].get("phase") == "Running"
        and "deletionTimestamp" not in pod["metadata"]
        and (not node or pod["spec"]["nodeName"] == node)
    ]
    assert live, f"no running {component} pod on {node or 'any node'}"
    return {"name": live[0]["metadata"]["name"], "node": live[0]["spec"]["nodeName"]}


def kill_agent(node: str) -> None:
    """SIGKILL virt-handler and wait for a new one. The pod is removed, or the kubelet would back off for minutes."""
    pod = component_pod("virt-handler", node)["name"]
    SYSTEM.kubectl("exec", pod, "-c", "virt-handler", "--", "python3", "-c", KILL_ALL, check=False)
    SYSTEM.kubectl("delete", "pod", pod, "--force", "--grace-period=0")
    assert eventually(lambda: agent_ready(node, pod), 120), f"no new agent on {node}"


def agent_ready(node: str, but: str) -> bool:
    """Whether an agent other than the pod `but` serves a node."""
    pods = SYSTEM.items("pods", "kubevirt.io=virt-handler")
    names = [pod["metadata"]["name"] for pod in pods if pod["spec"].get("nodeName") == node]
    return any(name != but and ready(name) for name in names)


# PID 1 of a container cannot be killed from inside its own PID namespace; virt-handler shares the host's.
KILL_ALL = (
    "import os,signal;"
    "me=open('/proc/self/cgroup').read();"
    "[os.kill(int(p),signal.SIGKILL) for p in os.listdir('/proc') if p.isdigit() and int(p)!=os.getpid() and "
    "os.path.exists(f'/proc/{p}/cgroup') and open(f'/proc/{p}/cgroup').read()==me]"
)


KILL = """
import os, signal, sys
def of(pid, name):
    try: return open(f"/proc/{pid}/{name}", errors="replace").read()
    except OSError: return ""  # a process that has ended
pids = [pid for pid in os.listdir("/proc") if pid.isdigit() and sys.argv[1] in of(pid, "cgroup")]
found = [int(pid) for pid in pids if of(pid, "cmdline").startswith(sys.argv[2])]
assert found
for pid in found: os.kill(pid, signal.SIGKILL)
"""


def kill_in(pod: Document, program: str) -> None:
    """SIGKILL what runs in a pod by this path, or its beginning: the pod has nothing that could."""
    agent = component_pod("virt-handler", pod["spec"]["nodeName"])["name"]
    uid = pod["metadata"]["uid"]
    SYSTEM.kubectl("exec", agent, "-c", "virt-handler", "--", "python3", "-c", KILL, uid, program)


def restarts(pod: str) -> int:
    found: int = SYSTEM.get("pod", pod)["status"]["containerStatuses"][0]["restartCount"]
    return found


def ready(pod: str) -> bool:
    statuses = status(SYSTEM.get("pod", pod), "containerStatuses") or [{}]
    return bool(statuses[0].get("ready"))


@pytest.mark.alone
def test_the_guest_outlives_ten_deaths_of_the_agent(own: Namespace) -> None:
    own.apply(machines.vmi("lasting"))
    vmi = own.until_phase("lasting", "Running")
    node = status(vmi, "nodeName")
    with console(own.name, "lasting") as guest:
        guest.login()
        boot = guest.run("cat /proc/sys/kernel/random/boot_id")
    for _ in range(10):
        kill_agent(node)
        assert status(own.get("vmi", "lasting"), "phase") == "Running"
    with console(own.name, "lasting") as guest:
        guest.login()
        assert guest.run("cat /proc/sys/kernel/random/boot_id") == boot
    after = own.get("vmi", "lasting")
    assert condition(after, "Ready").get("status") == "True"
    assert len(own.launcher_pods("lasting")) == 1
    own.virtctl("pause", "vmi", "lasting")
    own.until("vmi", "lasting", lambda one: condition(one, "Paused").get("status") == "True", "paused by the new agent")


@pytest.mark.alone
def test_a_volume_comes_and_goes_though_the_agent_dies_meanwhile(own: Namespace) -> None:
    own.apply(machines.claim("raw", "16Mi", storageClassName="block", volumeMode="Block"), machines.vm("plugged"))
    node = own.until_phase("plugged", "Running")["status"]["nodeName"]

    def phases(vmi: Document) -> list[str]:
        return [one["phase"] for one in status(vmi, "volumeStatus") if one["name"] == "raw"]

    with console(own.name, "plugged") as guest:
        guest.login()
    own.virtctl("addvolume", "plugged", "--volume-name", "raw", "--bus", "virtio")
    kill_agent(node)
    own.until("vmi", "plugged", lambda vmi: phases(vmi) == ["Ready"], "showing its volume Ready", 60)
    with console(own.name, "plugged") as guest:
        guest.login()
        guest.until("cat /sys/block/*/serial | grep -c '^raw$'", "1")
    own.virtctl("removevolume", "plugged", "--volume-name", "raw")
    kill_agent(node)
    own.until("vmi", "plugged", lambda vmi: phases(vmi) == [], "without its volume", 60)
    with console(own.name, "plugged") as guest:
        guest.login()
        guest.until("cat /sys/block/*/serial | grep -c '^raw$'", "0")


@pytest.mark.alone
def test_a_controller_that_dies_never_makes_a_second_pod(own: Namespace) -> None:
    for number in range(3):
        own.apply(machines.vm(f"twin-{number}"))
        SYSTEM.kubectl("delete", "pods", "-l", "kubevirt.io=virt-controller", "--force", "--grace-period=0")
    for number in range(3):
        own.until_printed(f"twin-{number}", "Running", 180)
        assert len(own.launcher_pods(f"twin-{number}")) == 1


def test_a_killed_qemu_is_a_failed_machine(own: Namespace) -> None:
    own.apply(machines.vmi("killed"))
    own.until_phase("killed", "Running")
    (pod,) = own.launcher_pods("killed")
    kill_in(pod, "/usr/bin/qemu-system")
    own.until_phase("killed", "Failed")


def test_a_deleted_pod_shuts_the_guest_down_by_acpi(own: Namespace) -> None:
    """Only a guest that powered itself off ends as Succeeded; one that was cut off would be Failed."""
    own.apply(machines.vmi("drained", terminationGracePeriodSeconds=90))
    own.until_phase("drained", "Running")
    (pod,) = own.launcher_pods("drained")
    with console(own.name, "drained") as guest:
        guest.login()
        own.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
        guest.ended(60)
    own.until_phase("drained", "Succeeded")
    assert "ShuttingDown" in {event["reason"] for event in own.events("drained")}


@pytest.mark.alone
def test_a_deleted_machine_leaves_nothing_on_its_node(own: Namespace, nodes: tuple[str, ...]) -> None:
    before = held_by_agent(nodes[0])
    own.apply(machines.vmi("passing", node=nodes[0]))
    own.until_phase("passing", "Running")
    assert held_by_agent(nodes[0]) - before
    own.kubectl("delete", "vmi", "passing", "--timeout=120s")
    own.until_gone("vmi", "passing")
    assert own.launcher_pods("passing") == [] or eventually(lambda: own.launcher_pods("passing") == [], 60)
    assert eventually(lambda: held_by_agent(nodes[0]) <= before, 60), held_by_agent(nodes[0]) - before


INVENTORY = """
import glob, json, os
def lines(path):
    try: return open(path, errors="replace").read().splitlines()
    except OSError: return []  # a process that has ended
def below(folder): return [os.path.join(d, name) for d, ds, fs in os.walk(folder) for name in (*ds, *fs)]
def stat(pid): return " ".join(lines(f"/proc/{pid}/stat")).rpartition(")")[2].split()
pids = [name for name in os.listdir("/proc") if name.isdigit()]
ours = [stat(pid) for pid in pids if lines(f"/proc/{pid}/cgroup") == lines("/proc/self/cgroup")]
agent = min((one for one in ours if one), key=lambda one: int(one[19]))  # the first of the container
runtime = f"/proc/{agent[1]}"  # which started it: its namespaces are the node's
found = {
    "agent links": os.listdir("/sys/class/net"),
    "agent mounts": [l.split()[4] for l in lines("/proc/self/mountinfo") if "/run/kubevirt-agent" in l],
    "agent files": below("/run/kubevirt-agent/vms") + below("/run/kubevirt-agent/dev"),
    "machines": [pid for pid in pids if "qemu-system" in "".join(lines(f"/proc/{pid}/cmdline")).partition("\\0")[0]],
    "node links": [l.split(":")[0].strip() for l in lines(runtime + "/net/dev")[2:]],
    "node mounts": [" ".join(l.split()[0:5:4]) for l in lines(runtime + "/mountinfo")],
    "node loops": [f"{l.split('/')[3]} {''.join(lines(l))}" for l in glob.glob("/sys/block/loop*/loop/backing_file")],
}
assert found["node links"] and found["node mounts"]
print(json.dumps({kind: sorted(names) for kind, names in found.items()}))
"""


def inventory(node: str) -> dict[str, list[str]]:
    """What is on a node: links, mounts and files of its agent, machines, and the node's own links, mounts and loops.

    The mounts of the node are told with their numbers, for several may be at one place.
    """
    agent = component_pod("virt-handler", node)["name"]
    found: dict[str, list[str]] = json.loads(
        SYSTEM.kubectl("exec", agent, "-c", "virt-handler", "--", "python3", "-c", INVENTORY)
    )
    return found


def held_by_agent(node: str) -> set[str]:
    """The part of the inventory that only machines change."""
    found = inventory(node)
    return {f"{kind} {name}" for kind in found if not kind.startswith("node ") for name in found[kind]}


@pytest.mark.alone
def test_a_machine_asked_for_while_the_agent_is_down_runs_in_the_end(own: Namespace, nodes: tuple[str, ...]) -> None:
    """A pod bound in that moment is failed by the kubelet for good (UnexpectedAdmissionError) and must be replaced."""
    pod = component_pod("virt-handler", nodes[0])["name"]
    before = restarts(pod)
    for _ in range(2):
        SYSTEM.kubectl("exec", pod, "-c", "virt-handler", "--", "python3", "-c", KILL_ALL, check=False)
    own.apply(machines.vm("early", node=nodes[0]))
    assert eventually(lambda: restarts(pod) > before and ready(pod), 120), f"{pod} did not come back"
    own.until_printed("early", "Running", 180)
    pods = own.launcher_pods("early")
    failed = [one["status"].get("reason") for one in pods if one["status"]["phase"] == "Failed"]
    assert set(failed) <= {"UnexpectedAdmissionError"}
    assert len([one for one in pods if one["status"]["phase"] == "Running"]) == 1


@pytest.mark.alone
@pytest.mark.skipif(not EMBEDDED, reason="restarts a kubelet, which only the embedded cluster lets us do")
def test_a_restarted_kubelet_gets_its_devices_back(own: Namespace, nodes: tuple[str, ...]) -> None:
    own.apply(machines.vmi("before", node=nodes[0]))
    own.until_phase("before", "Running")
    run("pkill", "-KILL", "-f", f"^[^ ]*/kubelet --config=[^ ]*/{nodes[0]}/")
    run("hack/cluster/run", "up", timeout_s=180)
    registered = "{.status.allocatable.devices\\.kubevirt\\.io/tun}"
    assert eventually(
        lambda: run("kubectl", "get", "node", nodes[0], "-o", f"jsonpath={registered}") not in ("", "0"), 120
    ), "the device plugin did not register again"
    own.apply(machines.vmi("after", node=nodes[0]))
    own.until_phase("after", "Running")
    assert status(own.get("vmi", "before"), "phase") == "Running"
    assert len(own.launcher_pods("before")) == 1
