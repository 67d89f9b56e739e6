"""port-forward, vnc and ssh: local ends of streams."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.unit.virtctl.clusterlab import SUBRESOURCES, Cluster, status
from tests.unit.virtctl.conftest import Shell

WAIT_S = 60
PROGRAM = [sys.executable, "-m", "kubevirt_py.virtctl.main"]
VM = f"{SUBRESOURCES}/namespaces/work/virtualmachines/vm1"
VMI = f"{SUBRESOURCES}/namespaces/work/virtualmachineinstances/vm1"


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A virtctl in the background, ended by the test or at the end."""
    process = subprocess.Popen(
        [*PROGRAM, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _port(process: subprocess.Popen[bytes]) -> int:
    assert process.stderr is not None
    line = process.stderr.readline().decode()
    found = re.fullmatch(r"forwarding (?:tcp|udp) 127\.0\.0\.1:(\d+) to \d+\n", line)
    assert found, line
    return int(found[1])


def test_tcp_connections_have_a_stream_each(cluster: Cluster) -> None:
    with started("port-forward", "vm/vm1", "0:22") as process:
        port = _port(process)
        for word in (b"one", b"two"):
            with socket.create_connection(("127.0.0.1", port), WAIT_S) as local:
                local.sendall(word)
                assert local.recv(16) == word.upper()
    assert [path for path, _ in cluster.calls()] == [f"{VM}/portforward/22/tcp"] * 2


def test_a_stream_that_ends_ends_its_connection_alone(cluster: Cluster) -> None:
    cluster.sessions = [["say hello", "close 1000"]]
    with started("port-forward", "vmi/vm1/other", "0:80") as process:
        port = _port(process)
        with socket.create_connection(("127.0.0.1", port), WAIT_S) as local:
            assert local.recv(16) == b"hello"
            assert local.recv(16) == b""
        with socket.create_connection(("127.0.0.1", port), WAIT_S) as local:
            local.sendall(b"x")
            assert local.recv(16) == b"X"
    assert cluster.calls()[0][0] == f"{SUBRESOURCES}/namespaces/other/virtualmachineinstances/vm1/portforward/80/tcp"


def test_a_refused_stream_is_told_and_does_not_end_the_listener(cluster: Cluster) -> None:
    cluster.answer("GET", f"{VM}/portforward/22/tcp", *status(409, "Conflict", "VMI is paused"))
    with started("port-forward", "vm/vm1", "0:22") as process:
        with socket.create_connection(("127.0.0.1", _port(process)), WAIT_S) as local:
            assert local.recv(16) == b""
        assert process.stderr is not None
        assert process.stderr.readline() == b"cannot forward: VMI is paused\n"
        assert process.poll() is None


def test_udp_senders_have_a_stream_each(cluster: Cluster) -> None:
    with started("port-forward", "vm/vm1", "udp/0:53") as process:
        port = _port(process)
        for word in (b"one", b"two"):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as local:
                local.settimeout(WAIT_S)
                local.connect(("127.0.0.1", port))
                local.send(word)
                assert local.recv(16) == word.upper()
    assert [path for path, _ in cluster.calls()] == [f"{VM}/portforward/53/udp"] * 2


@pytest.mark.parametrize("flag", ["--stdio", "--stdio=true"])
def test_standard_input_and_output(cluster: Cluster, flag: str) -> None:
    cluster.sessions = [["say SSH-2.0", "close 1000"]]
    reading, writing = os.pipe()
    try:
        done = subprocess.run(
            [*PROGRAM, "port-forward", flag, "vm/vm1/other", "22"],
            stdin=reading,
            capture_output=True,
            timeout=WAIT_S,
            check=False,
        )
    finally:
        os.close(reading)
        os.close(writing)
    assert (done.returncode, done.stdout) == (0, b"SSH-2.0")
    assert cluster.calls()[0][0] == f"{SUBRESOURCES}/namespaces/other/virtualmachines/vm1/portforward/22/tcp"


def test_a_port_in_use_is_told(cluster: Cluster, virtctl: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = virtctl("port-forward", "vm/vm1", f"{port}:22")
    assert code == 1
    assert "Error listening on 127.0.0.1" in err
    assert "choose another local port" in err


def test_vnc_for_another_viewer(cluster: Cluster) -> None:
    cluster.sessions = [["say RFB 003.008\n"]]
    with started("vnc", "vm1", "--proxy-only", "--preserve-session") as process:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        with socket.create_connection(("127.0.0.1", port), WAIT_S) as local:
            assert local.recv(32) == b"RFB 003.008\n"
            local.sendall(b"rfb")
            assert local.recv(16) == b"RFB"
        assert process.wait(WAIT_S) == 0
    assert cluster.calls()[0][0] == f"{VMI}/vnc?preserveSession=true"


def test_vnc_starts_the_viewer(cluster: Cluster, tmp_path: os.PathLike[str], virtctl: Shell) -> None:
    viewer = os.path.join(tmp_path, "viewer")
    with open(viewer, "w") as script:
        script.write(f'#!/bin/sh\necho "$1" > {tmp_path}/called\n')
    os.chmod(viewer, 0o755)
    assert virtctl("vnc", "vm1", "--vnc-type", "tiger", "--vnc-path", viewer)[0] == 0
    with open(os.path.join(tmp_path, "called")) as called:
        assert re.fullmatch(r"127\.0\.0\.1::\d+\n", called.read())


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would have been run in our place."""
    found: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda _program, words: found.append(words))
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{os.path.basename(name)}")
    monkeypatch.setattr("sys.argv", ["virtctl"])
    return found


def test_ssh_comes_through_port_forward(cluster: Cluster, virtctl: Shell, executed: list[list[str]]) -> None:
    line = ("ssh", "-i", "key", "-p", "2222", "-t", "-o StrictHostKeyChecking=no", "root@vm/vm1", "-c", "uptime")
    assert virtctl("--context", "lab", *line)[0] == 0
    (words,) = executed
    proxy = "ProxyCommand=/usr/bin/virtctl --context lab port-forward --stdio=true vm/vm1/work 2222"
    assert words == [
        "ssh", "-o", proxy, "-p", "2222", "-i", "key", "-o", "StrictHostKeyChecking=no", "root@vm.vm1.work", "uptime",
    ]  # fmt: skip


def test_scp_names_the_remote_side(cluster: Cluster, virtctl: Shell, executed: list[list[str]]) -> None:
    assert virtctl("scp", "-r", "-l", "admin", "./dir", "vmi/vm1/other:/tmp/x", "--known-hosts", "kh")[0] == 0
    (words,) = executed
    assert words[-3:] == ["-r", "./dir", "admin@vmi.vm1.other:/tmp/x"]
    assert words[words.index("-P") + 1] == "22"
    assert "UserKnownHostsFile=kh" in words
