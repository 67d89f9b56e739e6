"""Facts of the host, and the Lease that carries them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from kubevirt_py.render.nodelabels import NodeFacts, node_labels
from kubevirt_py.virt_handler import hostfacts
from kubevirt_py.virt_handler.heartbeat import lease_of
from kubevirt_py.virt_handler.hostfacts import HostFacts, cpu_of, kvm_works, node_facts
from kubevirt_py.virt_handler.kvmprobe import probe

CPUINFO = """processor\t: 0
vendor_id\t: AuthenticAMD
model name\t: Some: CPU
flags\t\t: svm fpu aes

processor\t: 1
vendor_id\t: GenuineIntel
"""


def test_cpu_is_read_from_its_first_processor() -> None:
    assert cpu_of(CPUINFO) == ("AMD", ("aes", "fpu", "svm"))
    assert cpu_of("") == ("", ())


def test_kvm_without_help_of_the_processor_does_not_count() -> None:
    assert not kvm_works(("fpu", "aes"))


def test_a_probe_that_never_ends_counts_as_no(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("probe", 10)

    monkeypatch.setattr(hostfacts.os.path, "exists", lambda _path: True)
    monkeypatch.setattr(hostfacts.subprocess, "run", hang)
    assert not kvm_works(("vmx",))


def test_the_probe_says_what_is_wrong() -> None:
    assert probe("/nonexistent") == "/nonexistent: No such file or directory"
    assert "/dev/null" in probe("/dev/null")
    ended = subprocess.run(
        [sys.executable, "-m", "kubevirt_py.virt_handler.kvmprobe"], capture_output=True, check=False
    )
    assert (ended.returncode == 0) == (ended.stderr == b"")


def test_an_emulating_host_offers_boards_and_models() -> None:
    facts = node_facts(HostFacts(kvm=False, tun=True, vhost_net=False, cpu_vendor="AMD", cpu_features=("avx512f",)))
    labels = node_labels(facts)
    assert labels["kubevirt.io/schedulable"] == "true"
    assert labels["machine-type.node.kubevirt.io/q35"] == "true"
    assert labels["cpu-model.node.kubevirt.io/Haswell"] == labels["cpu-model.node.kubevirt.io/max"] == "true"
    assert labels["cpu-feature.node.kubevirt.io/aes"] == labels["cpu-feature.node.kubevirt.io/sse4_1"] == "true"
    assert "cpu-feature.node.kubevirt.io/avx512f" not in labels, "that is the host's, and not emulated"


def test_a_host_with_kvm_offers_the_models_its_processor_has() -> None:
    nehalem = ("lm", "nx", "syscall", "pni", "ssse3", "lahf_lm", "cx16", "sse4_1", "sse4_2", "popcnt", "vmx")
    facts = node_facts(HostFacts(kvm=True, tun=True, vhost_net=True, cpu_vendor="Intel", cpu_features=nehalem))
    labels = node_labels(facts)
    assert labels["cpu-model.node.kubevirt.io/Nehalem"] == "true"
    assert labels["cpu-feature.node.kubevirt.io/sse4_2"] == labels["cpu-feature.node.kubevirt.io/sse4.2"] == "true"
    assert "cpu-feature.node.kubevirt.io/vmx" not in labels, "guests may have no guests here"
    assert "cpu-model.node.kubevirt.io/Westmere" not in labels


@pytest.mark.parametrize(("said", "nests"), [("Y\n", True), ("1\n", True), ("N\n", False), ("0\n", False)])
def test_kvm_says_whether_guests_may_have_guests(said: str, nests: bool, tmp_path: Path) -> None:
    (tmp_path / "nested").write_text(said)
    assert hostfacts.guests_nest((tmp_path / "absent", tmp_path / "nested")) == nests
    assert not hostfacts.guests_nest((tmp_path / "absent",))


def test_the_lease_tells_time_and_facts() -> None:
    lease = lease_of("node1", "kubevirt", NodeFacts(schedulable=True), datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC))
    assert lease["metadata"]["name"] == "virt-handler-node1"
    assert lease["spec"]["renewTime"] == "2026-01-02T03:04:05.000006Z"
    told = msgspec.json.decode(lease["metadata"]["annotations"]["kubevirt.io/node-facts"], type=NodeFacts)
    assert told.schedulable


def test_the_kubelets_files_are_those_of_the_process_behind_its_socket(tmp_path: Path) -> None:
    listener = tmp_path / "kubelet.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(listener))
        sock.listen()
        assert hostfacts.kubelet_root(listener) == Path(f"/proc/{os.getpid()}/root")
    assert hostfacts.kubelet_root(tmp_path / "none.sock") == Path("/proc/1/root")
