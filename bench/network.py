"""Throughput from a guest to a pod of its node, beside that of the same QEMU started by hand on a tap.

Measured on the machine that carries the nodes. Both machines run at once and send in turns, so that whatever else the
host does meets both alike: what counts is the median of the rounds' ratios. The ratio of the two medians would compare
a round of one machine with another round of the other, between which the host may have become slower or faster.
"""

from __future__ import annotations

import fcntl
import json
import os
import statistics
import struct
import subprocess
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pyroute2 import netns

from bench.cgroups import MIB, processes
from e2e import machines
from e2e.console import Console, console
from e2e.kubectl import Namespace, run
from e2e.test_network import configured, server_pod
from hack.cluster.plan import DEFAULT_NAME

ROUNDS = 7
SENT_MIB = 48
TARGET = 0.95
TUNSETIFF, TAP_NO_PI_VNET_HDR = 0x400454CA, 0x0002 | 0x1000 | 0x4000
BY_HAND_MAC = "02:00:00:00:fe:fe"
SINK = """
import socket, sys, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("", 5001)); s.listen(1)
print("listening", flush=True)
c, _ = s.accept(); b = bytearray(1 << 20); n = c.recv_into(b); start = time.monotonic(); total = n
while n: n = c.recv_into(b); total += n
print(total / (time.monotonic() - start), flush=True)
"""


def measure(namespace: Namespace) -> Iterator[str]:
    """Rates and their ratio. Ends the program where the ratio is below its target."""
    nodes = json.loads(run("kubectl", "get", "nodes", "-l", "kubevirt.io/schedulable=true", "-o", "json"))["items"]
    node = nodes[0]["metadata"]["name"]
    namespace.apply(server_pod("sink", node), machines.vmi("sender", node=node))
    namespace.kubectl("wait", "pod/sink", "--for=condition=Ready", "--timeout=120s")
    namespace.until_phase("sender", "Running")
    (target, *_) = [entry["ip"] for entry in namespace.get("pod", "sink")["status"]["podIPs"]]
    (pod,) = namespace.launcher_pods("sender")
    qemu = next(one for one in processes(pod["metadata"]["uid"]) if b"qemu-system" in (one / "cmdline").read_bytes())
    with ExitStack() as stack:
        ours = stack.enter_context(console(namespace.name, "sender"))
        other = stack.enter_context(by_hand(qemu, node))
        ours.login()
        assert configured(ours)
        other.login()
        other.run(f"ip addr add {neighbour(target)}/24 dev eth0 && ip link set eth0 up && ping -c 3 -W 5 {target}")
        rates: dict[str, list[float]] = {"kubevirt_py": [], "by hand": []}
        for _ in range(ROUNDS):
            for name, guest in (("kubevirt_py", ours), ("by hand", other)):
                rates[name].append(sent(namespace, guest, target))
    yield f"{ROUNDS} times {SENT_MIB} MiB by TCP from a guest to a pod of node {node}, in turns"
    for name, found in rates.items():
        yield f"{name:12} median {statistics.median(found):7.1f} MiB/s ({min(found):.1f} to {max(found):.1f})"
    ratios = [ours_mib / other_mib for ours_mib, other_mib in zip(*rates.values(), strict=True)]
    ratio = statistics.median(ratios)
    yield f"ratio        median {ratio:7.3f} of the rounds' ({min(ratios):.3f} to {max(ratios):.3f}), target {TARGET}"
    namespace.kubectl("delete", "vmi", "sender", "--timeout=120s")
    if ratio < TARGET:
        raise SystemExit(f"throughput MISSED: {ratio:.3f} of what the same QEMU sends on a tap, target {TARGET}")


def neighbour(address: str) -> str:
    """An address of the pods' subnet that is given to pods last."""
    return f"{address.rpartition('.')[0]}.253"


def sent(namespace: Namespace, guest: Console, target: str) -> float:
    """MiB per second that arrive in the pod."""
    command = ["kubectl", "-n", namespace.name, "exec", "sink", "--", "python3", "-c", SINK]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sink:
        assert sink.stdout is not None
        assert sink.stdout.readline().strip() == "listening"
        guest.run(f"dd if=/dev/zero bs=64k count={SENT_MIB * 16} 2>/dev/null | nc.openbsd -N {target} 5001", 120)
        return float(sink.stdout.readline()) / MIB


@contextmanager
def by_hand(qemu: Path, node: str) -> Iterator[Console]:
    """The program, board, memory and disk of a running machine, and nothing between its tap and the pods' bridge."""
    given = [part.decode() for part in (qemu / "cmdline").read_bytes().split(b"\0")[:-1]]
    disk = "/var/run/kubevirt-private/container-disks/root/disk/tiny.qcow2"
    own, theirs = os.openpty()
    tty.setraw(theirs)
    modes = termios.tcgetattr(theirs)
    modes[1] = 0  # QEMU switches output processing on again: then nothing may be left to process
    termios.tcsetattr(theirs, termios.TCSANOW, modes)
    with tap_on_bridge(node) as tap:
        command = ["nsenter", f"--mount=/proc/{qemu.name}/ns/mnt", "--", given[0], "-nodefaults", "-no-user-config"]
        for option in ("-machine", "-accel", "-cpu", "-smp", "-m"):
            command += [option, given[given.index(option) + 1]]
        command += ["-display", "none", "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]
        command += ["-drive", f"file={disk},if=virtio,snapshot=on,format=qcow2"]
        command += ["-netdev", f"tap,id=net,fd={tap}"]
        command += ["-device", f"virtio-net-pci,netdev=net,mac={BY_HAND_MAC},romfile=,host_mtu=1500"]
        environment = {"TMPDIR": "/dev/shm", "PATH": "/usr/bin"}
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, pass_fds=(tap,), env=environment)
        try:
            yield Console(own, process)
        finally:
            process.kill()
            process.wait(30)
            os.close(own)
            os.close(theirs)


@contextmanager
def tap_on_bridge(node: str) -> Iterator[int]:
    """An open tap that is a port of the node's pod bridge; it goes away with its descriptor."""
    namespace = f"/run/netns/{DEFAULT_NAME}-{node}"
    opened: list[int] = []

    def make() -> None:
        netns.setns(namespace)
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"by-hand", TAP_NO_PI_VNET_HDR))
        opened.append(fd)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    (tap,) = opened
    try:
        run("nsenter", f"--net={namespace}", "ip", "link", "set", "by-hand", "master", "cni0", "up")
        yield tap
    finally:
        os.close(tap)
