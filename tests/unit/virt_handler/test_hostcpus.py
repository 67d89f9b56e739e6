"""Which CPUs a pod has for itself, and where QEMU's threads go."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from kubevirt_py.render.machine.pinning import Pins
from kubevirt_py.virt_handler.hostcpus import host_threads, own_cells, pin
from kubevirt_py.virt_handler.qmp import Session


def host(folder: Path, allowed: str) -> tuple[Path, Path]:
    """/proc of a process with these CPUs, on a host of two nodes with four CPUs each."""
    (folder / "proc/7").mkdir(parents=True)
    (folder / "proc/7/status").write_text(f"Name:\tqemu\nCpus_allowed_list:\t{allowed}\n")
    for node, cpus in ((0, "0-3"), (1, "4-7")):
        (folder / f"nodes/node{node}").mkdir(parents=True)
        (folder / f"nodes/node{node}/cpulist").write_text(f"{cpus}\n")
    return folder / "proc", folder / "nodes"


def test_own_cpus_are_told_by_node(tmp_path: Path) -> None:
    assert own_cells(7, *host(tmp_path, "2-3,6")) == {0: (2, 3), 1: (6,)}


def test_own_cpus_of_one_core_are_side_by_side(tmp_path: Path) -> None:
    proc, nodes = host(tmp_path, "0-3,6")
    for number, siblings in enumerate(("0,2", "1,3", "0,2", "1,3")):
        (nodes / f"node0/cpu{number}/topology").mkdir(parents=True)
        (nodes / f"node0/cpu{number}/topology/thread_siblings_list").write_text(f"{siblings}\n")
    assert own_cells(7, proc, nodes) == {0: (0, 2, 1, 3), 1: (6,)}


def test_a_pod_that_may_run_anywhere_has_no_cpus_of_its_own(tmp_path: Path) -> None:
    assert own_cells(7, *host(tmp_path, "0-7")) == {}


def test_threads_are_known_by_the_ids_of_the_pod(tmp_path: Path) -> None:
    for host_id, pod_id in ((900, 1), (905, 6)):
        (tmp_path / f"900/task/{host_id}").mkdir(parents=True)
        (tmp_path / f"900/task/{host_id}/status").write_text(f"Name:\tq\nNSpid:\t{host_id}\t{pod_id}\n")
    assert host_threads(900, tmp_path) == {1: 900, 6: 905}


class Qemu:
    """Answers as a QEMU whose virtual CPU 0 is a given thread."""

    def __init__(self, vcpu: int) -> None:
        self._vcpu = vcpu

    async def execute(self, command: str, _arguments: Mapping[str, Any] | None = None) -> Any:
        return {"query-cpus-fast": [{"cpu-index": 0, "thread-id": self._vcpu}], "query-iothreads": []}[command]


async def test_each_thread_is_put_on_its_cpu() -> None:
    first, *others = sorted(os.sched_getaffinity(0))
    last = others[-1] if others else first
    release, ready = threading.Event(), threading.Event()
    vcpu: list[int] = []

    def run() -> None:
        vcpu.append(threading.get_native_id())
        ready.set()
        release.wait(20)

    worker = threading.Thread(target=run)
    worker.start()
    ready.wait(20)
    try:
        await pin(cast("Session", Qemu(vcpu[0])), os.getpid(), Pins(vcpus=(last,), emulator=(first,)))
        assert os.sched_getaffinity(vcpu[0]) == {last}
        assert os.sched_getaffinity(threading.get_native_id()) == {first}
    finally:
        for thread in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(thread), {first, *others})
        release.set()
        worker.join()
