"""From the kernel's texts to a pod: cgroups of both drivers and versions, mounts, process states."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading

import pytest

from kubevirt_py.virt_handler import peers

UID = "0a1b2c3d-1111-4222-8333-444455556666"
OTHER = "ffffffff-1111-4222-8333-444455556666"
CONTAINER = "c" * 64


@pytest.mark.parametrize(
    "text",
    [
        f"0::/kubepods/besteffort/pod{UID}/{CONTAINER}\n",
        f"5:memory:/node1/kubepods/burstable/pod{UID}/{CONTAINER}\n1:cpu:/node1/kubepods/burstable/pod{UID}/{CONTAINER}\n",
        f"0::/kubepods.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice/cri-containerd-{CONTAINER}.scope\n",
        f"0::/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice/crio-{CONTAINER}.scope\n",
        f"0::/../../pod{UID}/{CONTAINER}\n",
        f"0::/../../kubepods-burstable-pod{UID.replace('-', '_')}.slice/cri-containerd-{CONTAINER}.scope\n",
    ],
)
def test_pod_of_a_cgroup(text: str) -> None:
    assert peers.pod_uid_of(text) == UID


@pytest.mark.parametrize(
    "text",
    [
        "0::/system.slice/ssh.service\n",
        "0::/\n",
        f"0::/kubepods/pod{UID}\n",
        f"0::/kubepods/pod{UID[:-1]}/x\n",
        f"1:cpu:/kubepods/pod{UID}/{CONTAINER}\n2:pids:/kubepods/pod{OTHER}/{CONTAINER}\n",
    ],
)
def test_what_is_no_pods_cgroup(text: str) -> None:
    assert peers.pod_uid_of(text) is None


def test_device_of_a_mount() -> None:
    mounts = (
        "30 1 0:5 / / rw - overlay overlay rw\n"
        "31 30 0:23 /kubevirt-agent/dev/tun17 /run/kubevirt-agent ro,relatime shared:9 - tmpfs tmpfs rw\n"
    )
    assert peers.device_of(mounts, "/run/kubevirt-agent") == "tun17"
    assert peers.device_of(mounts, "/run/elsewhere") is None


def test_a_process_outside_pods_is_a_stranger() -> None:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with left, right, pytest.raises(peers.StrangerError, match="not in the cgroup of a pod"):
        peers.identify(left, "/run/kubevirt-agent")


def test_a_process_is_found_again_only_by_its_start_time() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        started = peers.start_time(process.pid)
        os.close(peers.reopen(process.pid, started))
        with pytest.raises(ProcessLookupError):
            peers.reopen(process.pid, started + 1)
        process.kill()
    with pytest.raises(ProcessLookupError):
        peers.reopen(process.pid, started)


def test_a_blocked_sigterm_is_seen() -> None:
    script = "trap '' USR1; echo ready; exec sleep 60"
    mask = lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # noqa: E731
    process = subprocess.Popen(["sh", "-c", script], preexec_fn=mask, stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        assert not peers.sigterm_pending(process.pid)
        process.terminate()
        assert peers.sigterm_pending(process.pid)
        process.kill()
    assert not peers.sigterm_pending(process.pid)


def test_a_number_that_a_thread_has_now_is_a_process_gone() -> None:
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        assert thread.native_id is not None and thread.native_id != os.getpid()
        with pytest.raises(ProcessLookupError):
            peers.reopen(thread.native_id, 1)
    finally:
        release.set()
        thread.join()
