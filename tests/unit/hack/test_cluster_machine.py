"""The parts that touch the machine, on what can be had without root."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hack.cluster import cgroups, hugepages, plan
from hack.cluster.build import cache_key
from hack.cluster.plan import Cluster
from hack.cluster.processes import Daemon, Supervisor, start_time
from hack.cluster.storage import LoopDevice, of_folder


def test_the_cache_key_follows_names_and_contents() -> None:
    base = cache_key({"a": b"1", "b": b"2"})
    assert base == cache_key({"b": b"2", "a": b"1"})
    assert len({base, cache_key({"a": b"1", "b": b"3"}), cache_key({"a": b"1b", "": b"2"}), cache_key({})}) == 4


def test_loop_devices_stacked_on_ours_are_ours() -> None:
    base = LoopDevice("/dev/loop0", "0:6 94", "/state/volumes/block/pvc", "254:0 11")
    # The kubelet attached this one through a path that is gone with its node.
    stacked = LoopDevice("/dev/loop1", "0:6 95", "/", "0:6 94")
    other = LoopDevice("/dev/loop2", "0:6 96", "/state-of-another/disk", "254:0 12")
    assert of_folder([stacked, other, base], Path("/state")) == ["/dev/loop0", "/dev/loop1"]


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    return Supervisor(tmp_path / "records", tmp_path / "logs")


def _sleeper(seconds: int = 60) -> Daemon:
    return Daemon("sleeper", (sys.executable, "-c", f"import time; print('up'); time.sleep({seconds})"))


def test_a_running_daemon_is_left_alone_and_a_dead_one_is_started(supervisor: Supervisor) -> None:
    assert supervisor.ensure(_sleeper())
    first = supervisor.pid("sleeper")
    assert first
    assert not supervisor.ensure(_sleeper())
    assert supervisor.pid("sleeper") == first
    os.kill(first, 9)
    os.waitpid(first, 0)
    assert supervisor.pid("sleeper") is None
    assert supervisor.ensure(_sleeper())
    supervisor.stop(["sleeper"])
    assert supervisor.names() == []


def test_a_daemon_with_other_arguments_is_started_anew(supervisor: Supervisor) -> None:
    supervisor.ensure(_sleeper(60))
    first = supervisor.pid("sleeper")
    assert first
    assert supervisor.ensure(_sleeper(61))
    assert not start_time(first)
    assert supervisor.pid("sleeper") != first
    supervisor.stop(["sleeper"])


def test_a_daemon_holds_nothing_that_its_caller_has_open(supervisor: Supervisor, tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        supervisor.ensure(_sleeper())
        pid = supervisor.pid("sleeper")
        held = {path.readlink() for path in Path(f"/proc/{pid}/fd").iterdir()}
    supervisor.stop(["sleeper"])
    assert held and tmp_path / "lock" not in held


def test_a_record_whose_pid_belongs_to_another_process_now_is_not_believed(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    (tmp_path / "records").mkdir()
    record = f'{{"pid": {os.getpid()}, "start": "1", "digest": "", "signal": 9}}'
    (tmp_path / "records/impostor.json").write_text(record)
    assert supervisor.pid("impostor") is None
    supervisor.stop(["impostor"])
    assert start_time(os.getpid())


def test_on_cgroup_v2_controllers_are_delegated_down_to_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    node = tmp_path / "kvpy-node1"
    node.mkdir()
    for folder in (tmp_path, node):
        (folder / "cgroup.controllers").write_text("cpuset cpu io memory pids misc\n")
        (folder / "cgroup.subtree_control").write_text("cpu\n")
    cgroups.create("kvpy-node1")
    for folder in (tmp_path, node):
        assert (folder / "cgroup.subtree_control").read_text() == "+cpuset +io +memory +pids"


def test_on_cgroup_v1_the_node_gets_the_machines_cpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    for hierarchy in ("cpu,cpuacct", "cpuset", "memory"):
        (tmp_path / hierarchy).mkdir()
    (tmp_path / "cpu").symlink_to("cpu,cpuacct")
    (tmp_path / "cpuset/cpuset.cpus").write_text("0-1\n")
    (tmp_path / "cpuset/cpuset.mems").write_text("0\n")
    cgroups.create("kvpy-node1")
    assert (tmp_path / "cpuset/kvpy-node1/cpuset.cpus").read_text() == "0-1\n"
    assert (tmp_path / "memory/kvpy-node1").is_dir()


def test_huge_pages_are_given_back_when_the_last_cluster_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = tmp_path / "nr_hugepages"
    machine.write_text("3\n")
    monkeypatch.setattr(hugepages, "RESERVED", machine)
    monkeypatch.setattr(plan, "STATE_ROOT", tmp_path / "clusters")
    first, second = Cluster("first", 0, 1), Cluster("second", 1, 1)
    for cluster in (first, second, first):
        cluster.state.mkdir(parents=True, exist_ok=True)
        hugepages.reserve(cluster)
        assert int(machine.read_text()) == hugepages.PAGES
    hugepages.release(first)
    assert int(machine.read_text()) == hugepages.PAGES
    hugepages.release(second)
    hugepages.release(second)
    assert int(machine.read_text()) == 3
