"""The agent inside a guest: keys and passwords, probes, freezing, pictures; and an agent that means harm."""

from __future__ import annotations

import base64
import json
import re
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e import machines
from e2e.console import Console, console
from e2e.kubectl import Failed, Namespace, condition, eventually, run, status

SUBRESOURCES = "/apis/subresources.kubevirt.io/v1/namespaces/{}/virtualmachineinstances/{}/{}"
VMI_BYTES = 64 << 10
PAUSE_S = 6.0
AGENT_MEMORY_KIB = 200 << 10
HOSTILE = r"""
cat > /usr/lib/tiny/guest-agent <<'END'
#!/bin/sh
# Answers as an agent does, with 10,000 interfaces; or floods its port.
for port in /sys/class/virtio-ports/*; do
  [ "$(cat $port/name)" = org.qemu.guest_agent.0 ] && exec 3<>/dev/${port##*/}
done
[ -e /tmp/flood ] && . /tmp/flood >&3
[ -e /run/crowd ] || awk 'BEGIN { printf "{\"return\": ["; for (i = 0; i < 10000; i++)
  printf "%s{\"name\":\"e%d\",\"hardware-address\":\"02:00:00:00:%02x:%02x\"}", i ? "," : "", i, i / 256, i % 256
  print "]}" }' > /run/crowd
while :; do
  read -r line <&3 || { sleep 0.2; continue; } # nobody listens just now
  case $line in
    *guest-sync-delimited*) id=${line##*'"id":'}; printf '\377{"return": %s}\n' "${id%%\}*}" >&3 ;;
    *guest-info*) echo '{"return": {"version": "6.6.6", "supported_commands": []}}' >&3 ;;
    *guest-network-get-interfaces*) cat /run/crowd >&3 ;;
    *) { printf '{"return": {"name": "'; head -c 300000 /dev/zero | tr '\0' x; echo '"}}'; } >&3 ;;
  esac
done
END
killall qemu-ga
"""
FLOODS = {
    "endless lines": """yes '{"return": {}}'""",
    "endless beginnings": r"""yes "$(printf '\377{}')" """,
    "a line without end": r"tr '\0' x < /dev/zero",
    "binary": "cat /dev/urandom",
    "a string of 10 MB": r"""printf '\377{"return": "'; head -c 10000000 /dev/zero | tr '\0' x; echo '"}'""",
}
CPU_S = 5.0
"""What all floods together may cost the agent, whose work for honest guests is in it."""


class Machine:
    """The machine most tests share, its namespace, and the private key of a user who may log in later."""

    def __init__(self, space: Namespace, key: Path) -> None:
        self.space, self.key = space, key
        self.uid = ""

    @property
    def public_key(self) -> str:
        return self.key.with_suffix(".pub").read_text().strip()

    def vmi(self) -> dict[str, Any]:
        return self.space.get("vmi", "agent")

    def put(self, verb: str, **options: Any) -> None:
        path = SUBRESOURCES.format(self.space.name, "agent", verb)
        run("kubectl", "replace", "--raw", path, "-f", "-", stdin=json.dumps(options))


def _secret(name: str, **values: str) -> dict[str, Any]:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}


def _source(name: str) -> dict[str, Any]:
    return {"secret": {"secretName": name}}


@pytest.fixture(scope="module")
def machine(shared: Namespace, nodes: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    key = tmp_path_factory.mktemp("keys") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "late", "-f", key], check=True)
    document = machines.vm("agent", memory="128Mi", node=nodes[0])
    spec = document["spec"]["template"]["spec"]
    spec["accessCredentials"] = [
        {"sshPublicKey": {"source": _source("keys"), "propagationMethod": {"qemuGuestAgent": {"users": ["root"]}}}},
        {"userPassword": {"source": _source("passwords"), "propagationMethod": {"qemuGuestAgent": {}}}},
    ]
    spec["readinessProbe"] = {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 2}
    spec["livenessProbe"] = {
        "guestAgentPing": {},
        "initialDelaySeconds": 110,
        "periodSeconds": 3,
        "timeoutSeconds": 5,
        "failureThreshold": 2,
    }
    empty = {"emptyDisk": {"capacity": "8Mi"}}
    hostile = machines.vmi("hostile", memory="128Mi", node=nodes[0])
    hostile["spec"]["domain"]["devices"]["logSerialConsole"] = True
    shared.apply(
        _secret("keys", first="ssh-ed25519 AAAAfirst first"),
        _secret("passwords", tiny="from-secret"),
        machines.with_disk(document, "data", empty, disk={"bus": "virtio"}, serial="data"),
        machines.with_disk(hostile, "init", machines.user_data(HOSTILE)),
    )
    made = Machine(shared, key)
    made.uid = shared.until_phase("agent", "Running")["metadata"]["uid"]
    shared.until("vmi", "agent", lambda vmi: condition(vmi, "AgentConnected"), "connected to its agent", 180)
    yield made


def _console(machine: Machine) -> Any:
    return console(machine.space.name, "agent")


def test_the_agent_tells_of_its_guest(machine: Machine) -> None:
    vmi = machine.space.until("vmi", "agent", lambda vmi: status(vmi, "guestOSInfo"), "described by its agent")
    assert status(vmi, "guestOSInfo", "id") == "tiny"
    assert not condition(vmi, "AgentVersionNotSupported")
    told = json.loads(machine.space.virtctl("guestosinfo", "agent"))
    assert told["hostname"] == "agent"
    assert told["fsFreezeStatus"] == "thawed"
    assert "guest-exec" in [command["name"] for command in told["supportedCommands"]]
    assert "/" in [disk["mountPoint"] for disk in told["fsInfo"]["disks"]]


def test_a_program_in_the_guest_decides_on_readiness(machine: Machine) -> None:
    assert condition(machine.vmi(), "Ready").get("status") != "True"
    with _console(machine) as guest:
        guest.login()
        guest.run("touch /tmp/ready")
        machine.space.until("vmi", "agent", lambda vmi: condition(vmi, "Ready").get("status") == "True", "ready")
        guest.run("rm /tmp/ready")
        machine.space.until("vmi", "agent", lambda vmi: condition(vmi, "Ready").get("status") == "False", "not ready")
        guest.run("touch /tmp/ready")


def test_keys_and_passwords_reach_the_running_guest(machine: Machine) -> None:
    space = machine.space
    synchronized = "AccessCredentialsSynchronized"
    space.until("vmi", "agent", lambda vmi: condition(vmi, synchronized).get("status") == "True", synchronized)
    with _console(machine) as guest:
        guest.login()
        guest.until("cat /root/.ssh/authorized_keys", "ssh-ed25519 AAAAfirst first")
        before = guest.run("grep ^tiny: /etc/shadow")
        space.virtctl("credentials", "add-ssh-key", "agent", "-u", "root", "-f", f"{machine.key}.pub", "--force")
        space.virtctl("credentials", "set-password", "agent", "-u", "tiny", "-p", "another", "--force")
        # The kubelet looks at once, and not only each minute, when a pod changes.
        (pod,) = space.launcher_pods("agent")
        space.kubectl("annotate", "pod", pod["metadata"]["name"], "e2e.test/look=now")
        guest.until("grep -c . /root/.ssh/authorized_keys", "2", 150)
        assert machine.public_key in guest.run("cat /root/.ssh/authorized_keys")
        assert eventually(lambda: guest.run("grep ^tiny: /etc/shadow") != before, 60, 1.0)
    options = ("-i", str(machine.key), "--known-hosts", "/dev/null", "-t", "-oStrictHostKeyChecking=no")
    assert "uid=0" in space.virtctl("ssh", *options, "-c", "id", "root@vmi/agent")
    assert "AccessCredentialsSyncSuccess" in [event["reason"] for event in space.events("agent")]


def _written(machine: Machine, folder: Path) -> list[str]:
    """What the guest wrote, from a copy of the disk's file as a storage system would make it, which must be clean."""
    (pod,) = machine.space.launcher_pods("agent")
    file = "/var/run/kubevirt-ephemeral-disks/empty-disks/data.qcow2"
    command = ("kubectl", "-n", machine.space.name, "exec", pod["metadata"]["name"], "-c", "compute", "--", "cat", file)
    image, raw = folder / "data.qcow2", folder / "data.img"
    image.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    run("qemu-img", "convert", "-O", "raw", str(image), str(raw))
    run("/sbin/e2fsck", "-fn", str(raw))
    return run("/sbin/debugfs", "-R", "cat /log", str(raw)).split()


def test_a_frozen_guest_writes_nothing_and_its_disk_is_whole(machine: Machine, tmp_path: Path) -> None:
    with _console(machine) as guest:
        guest.login()
        find = "d=/dev/$(basename $(dirname $(grep -l '^data$' /sys/block/*/serial)))"
        guest.run(f"{find}; mke2fs -q $d >/dev/null; mkdir -p /data; mount $d /data")
        guest.run("(i=0; while :; do i=$((i+1)); echo $i >> /data/log; sync; done) >/dev/null 2>&1 & sleep 1")
        machine.put("freeze", unfreezeTimeout="2m0s")
        machine.space.until("vmi", "agent", lambda vmi: status(vmi, "fsFreezeStatus") == "frozen", "frozen")
        copy = f"{find}; dd if=$d of=/tmp/copy bs=64k iflag=direct 2>/dev/null; sha256sum < /tmp/copy"
        assert guest.run(copy) == guest.run(f"sleep 2; {copy}")
        log = _written(machine, tmp_path)
        assert len(log) > 1
        assert log == [str(number + 1) for number in range(len(log))]
        machine.put("unfreeze")
        machine.space.until("vmi", "agent", lambda vmi: not status(vmi, "fsFreezeStatus"), "thawed")
        assert eventually(lambda: int(guest.run("tail -n1 /data/log")) > len(log), 30)
        machine.put("freeze", unfreezeTimeout="3s")
        machine.space.until("vmi", "agent", lambda vmi: status(vmi, "fsFreezeStatus") == "frozen", "frozen again")
        machine.space.until("vmi", "agent", lambda vmi: not status(vmi, "fsFreezeStatus"), "thawed by itself", 30)
        guest.run("kill %1; cd /; sleep 1; umount /data")


def test_a_picture_of_the_screen(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "screen.png"
    machine.space.virtctl("vnc", "screenshot", "agent", "-f", str(file), "--move-cursor")
    data = file.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    with _console(machine) as guest:
        guest.login()
        size = guest.run("cat /sys/class/graphics/fb0/virtual_size 2>/dev/null || echo 720,400")
    assert struct.unpack_from(">II", data, 16) == tuple(int(number) for number in size.split(","))


def test_a_paused_guest_knows_no_time_and_is_told_it_then(machine: Machine) -> None:
    with _console(machine) as guest:
        guest.login()

        def uptime() -> float:
            return float(guest.run("cut -d' ' -f1 /proc/uptime"))

        before = uptime()
        machine.space.virtctl("pause", "vmi", "agent")
        machine.space.until("vmi", "agent", lambda vmi: condition(vmi, "Paused"), "paused")
        time.sleep(PAUSE_S)  # time is what is measured here, not waited for
        machine.space.virtctl("unpause", "vmi", "agent")
        machine.space.until("vmi", "agent", lambda vmi: not condition(vmi, "Paused"), "running on")
        assert uptime() - before < PAUSE_S

        def is_behind() -> bool:
            return abs(int(guest.run("date +%s")) - time.time()) > PAUSE_S / 2

        assert eventually(lambda: not is_behind(), 60), "its agent did not set its clock"
    assert machine.vmi()["metadata"]["uid"] == machine.uid, "a paused guest was taken for a dead one"


def test_the_serial_console_is_the_log_of_a_container(machine: Machine) -> None:
    (pod,) = machine.space.launcher_pods("hostile")
    command = ("logs", pod["metadata"]["name"], "-c", "guest-console-log")
    assert eventually(lambda: "host hostile" in machine.space.kubectl(*command), 120, 2.0)


MEASURE = """
import os
def words(pid):
    try: return open(f"/proc/{pid}/cmdline", errors="replace").read().split(chr(0))
    except OSError: return []
for pid in filter(str.isdigit, os.listdir("/proc")):
    if "virt-handler" in words(pid):
        print(open(f"/proc/{pid}/status").read())
        used = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[11:13]
        print("cpu", sum(map(int, used)) / os.sysconf("SC_CLK_TCK"))
"""


def _cost(node: str) -> tuple[int, float]:
    """The agent's peak memory in KiB, and the seconds of CPU it has used."""
    pods = json.loads(run("kubectl", "-n", "kubevirt", "get", "pods", "-l", "kubevirt.io=virt-handler", "-o", "json"))
    (name,) = [pod["metadata"]["name"] for pod in pods["items"] if pod["spec"]["nodeName"] == node]
    text = run("kubectl", "-n", "kubevirt", "exec", name, "--", "/usr/bin/python3", "-IS", "-c", MEASURE)
    found = re.search(r"VmHWM:\s+(\d+) kB.*cpu ([\d.]+)", text, re.DOTALL)
    assert found
    return int(found.group(1)), float(found.group(2))


def _answers(space: Namespace) -> bool | None:
    """Whether the hostile agent, asked, says something of use; None where there is none to be asked."""
    try:
        space.virtctl("guestosinfo", "hostile")
    except Failed as failure:
        return False if "does not answer" in str(failure) else None
    return True


def _flood(guest: Console, command: str) -> None:
    """Make the agent begin with that command's output, or at once with its answers."""
    guest.run(f"cat > /tmp/flood <<'END'\n{command}\nEND\nkillall yes tr cat head guest-agent; true")


def test_a_hostile_agent_harms_nobody(machine: Machine, nodes: tuple[str, ...]) -> None:
    space = machine.space
    vmi = space.until(
        "vmi", "hostile", lambda vmi: len(status(vmi, "interfaces") or ()) > 1, "reported with its interfaces", 180
    )
    assert len(status(vmi, "interfaces")) <= 11
    assert len(json.dumps(vmi)) < VMI_BYTES
    assert condition(vmi, "AgentVersionNotSupported").get("status") == "True"
    _, before_s = _cost(nodes[0])
    with console(space.name, "hostile") as guest:
        guest.login()
        for what, command in FLOODS.items():
            _flood(guest, "")
            assert eventually(lambda: _answers(space) is True, 60), what
            _flood(guest, command)
            assert eventually(lambda: _answers(space) is False, 60), what
            assert json.loads(space.virtctl("guestosinfo", "agent"))["hostname"] == "agent", what
            assert len(json.dumps(space.get("vmi", "hostile"))) < VMI_BYTES, what
    memory_kib, used_s = _cost(nodes[0])
    assert memory_kib < AGENT_MEMORY_KIB
    assert used_s - before_s < CPU_S


def test_a_guest_whose_agent_no_longer_answers_is_started_again(machine: Machine) -> None:
    with _console(machine) as guest:
        guest.login()
        guest.run("kill -STOP $(pidof qemu-ga)")
    machine.space.until(
        "vmi",
        "agent",
        lambda vmi: vmi and vmi["metadata"]["uid"] != machine.uid and status(vmi, "phase") == "Running",
        "started again",
        180,
    )
