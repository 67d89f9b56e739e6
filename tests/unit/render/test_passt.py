"""passt beside QEMU: the ports it listens on, what it asks for, and what its seccomp profile lets it do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.passt import MIB, passt_containers
from kubevirt_py.render.seccomp import PASST_PROFILE, passt_profile
from kubevirt_py.virt_handler.seccomp import lay_down

TCP_22, UDP_53 = {"port": 22}, {"port": 53, "protocol": "UDP"}
PINNED = {"cpu": "1", "memory": "1Gi"}


def container(compute: Document | None = None, **interface: Any) -> Document:
    devices = {"interfaces": [{"name": "default", "passtBinding": {}, **interface}]}
    vmi = {"metadata": {"name": "vm1.example"}, "spec": {"domain": {"devices": devices}}}
    (found,) = passt_containers(vmi, ClusterConfig(), "launcher", compute or {})
    return found


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


@pytest.mark.parametrize(
    ("interface", "tcp", "udp"),
    [
        ({}, "all", "all"),
        ({"ports": [TCP_22]}, "22", "none"),
        ({"ports": [UDP_53, TCP_22]}, "22", "53"),
        ({"portRanges": [{"start": 80, "end": 90}, {"start": 85, "end": 99}]}, "80-99", "none"),
        ({"ports": [{"port": 85}], "portRanges": [{"start": 80, "end": 90}]}, "80-90", "none"),
    ],
)
def test_listens_on_the_listed_ports_else_on_all(interface: Document, tcp: str, udp: str) -> None:
    command = container(**interface)["command"]
    assert option(command, "--tcp-ports") == tcp
    assert option(command, "--udp-ports") == udp


def test_tells_the_guest_its_name() -> None:
    assert option(container()["command"], "--hostname") == "vm1"


def test_asks_for_memory_by_its_sockets_and_keeps_a_pod_guaranteed() -> None:
    few, many = container(ports=[TCP_22])["resources"], container()["resources"]
    assert int(few["requests"]["memory"]) < 25 * MIB < 300 * MIB < int(many["requests"]["memory"])
    assert "limits" not in few
    pinned = container({"requests": PINNED, "limits": PINNED}, ports=[TCP_22])["resources"]
    assert pinned["limits"] == pinned["requests"]


def test_the_profile_permits_namespaces_of_its_own_and_no_others(tmp_path: Path) -> None:
    lay_down(tmp_path)
    profile = json.loads((tmp_path / PASST_PROFILE).read_text())
    assert profile == passt_profile()
    assert [path.name for path in (tmp_path / PASST_PROFILE).parent.iterdir()] == ["passt.json"]
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    plain = {name for rule in profile["syscalls"] if "args" not in rule for name in rule["names"]}
    assert not plain & {"unshare", "clone", "clone3", "setns", "bpf", "ptrace", "keyctl", "fork", "vfork", "open"}
    bounded = [rule for rule in profile["syscalls"] if "args" in rule]
    assert sorted(name for rule in bounded for name in rule["names"]) == ["clone", "unshare", "unshare"]
